"""Settings as options of the command line."""

import shlex
from typing import Any

__all__ = ["SHORT", "as_flags", "flag"]

# Options are the fields of TrainingConfig; these have a shorter name than their field.
SHORT = {
    "num_episodes": "episodes",
    "num_simulations": "simulations",
    "num_actors": "actors",
    "max_episode_steps": "max-steps",
    "lambda_": "lambda",
    "num_blocks": "blocks",  # of clew solve
    "every": "checkpoint-every",  # of clew train
}


def flag(name: str) -> str:
    """The option of a setting."""
    return "--" + SHORT.get(name, name).replace("_", "-")


def as_flags(settings: dict[str, Any]) -> str:
    """Settings as `clew train` takes them on the command line."""
    words = []
    for name, value in settings.items():
        words.append(flag(name))
        if value is not True:
            words.append(shlex.quote(",".join(map(str, value)) if isinstance(value, tuple) else str(value)))
    return " ".join(words)
