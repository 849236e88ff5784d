"""Settings as options of the command line."""

import shlex
from typing import Any

# An option is called like its setting; these have a shorter name.
SHORT = {
    "num_episodes": "episodes",
    "num_simulations": "simulations",
    "num_actors": "actors",
    "max_episode_steps": "max-steps",
    "lambda_": "lambda",
    "algorithm_settings": "set",
    "num_blocks": "blocks",  # of clew solve
    "every": "checkpoint-every",  # of clew train
    "num_random": "random",  # of clew sweep
}


def flag(name: str) -> str:
    """Return the option of a setting, such as "--max-steps" of "max_episode_steps"."""
    return "--" + SHORT.get(name, name).replace("_", "-")


def as_flags(settings: dict[str, Any]) -> str:
    """Return settings as options with their values, quoted for a shell; a place becomes ROW,COLUMN."""
    words = []
    for name, value in settings.items():
        if isinstance(value, dict):  # an option each
            words += [f"{flag(name)} {shlex.quote(f'{key}={each}')}" for key, each in value.items()]
            continue
        words.append(flag(name))
        if value is not True:
            words.append(shlex.quote(",".join(map(str, value)) if isinstance(value, tuple) else str(value)))
    return " ".join(words)
