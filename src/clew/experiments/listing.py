"""Experiments in a folder of results: what each consists of, and how many of its runs are complete.

Beside the results of the cells, see `folder`, there is a file for each experiment that was run in the folder:

    experiment-HASH.json    names of its learners and worlds, seeds, number of episodes or steps, keys of its cells
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clew.errors import RunError
from clew.experiments.folder import ResultFolder
from clew.files import write_file


@dataclass(frozen=True)
class ListedExperiment:
    """An experiment in a folder of results.

        >>> import clew, tempfile
        >>> from clew.experiments.listing import list_experiments
        >>> experiment = clew.Experiment({"maze": "5x5"}, {"Q": {}}, range(4), num_episodes=10)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     results = experiment.run(folder=folder)
        ...     listed = list_experiments(folder)
        >>> listed[0].learners, listed[0].num_done, listed[0].num_runs
        (['Q'], 4, 4)

    Attributes:
        folder: the folder.
        learners: name of each learner.
        worlds: name of each world.
        num_seeds: number of seeds.
        num_episodes: number of episodes of each run; None if steps are counted.
        num_steps: number of steps of each run; None if episodes are counted.
        num_done: number of complete runs.
    """

    folder: Path
    learners: list[str]
    worlds: list[str]
    num_seeds: int
    num_episodes: int | None
    num_steps: int | None
    num_done: int

    @property
    def num_runs(self) -> int:
        """Number of all runs."""
        return len(self.learners) * len(self.worlds) * self.num_seeds

    @property
    def is_finished(self) -> bool:
        """True if all runs are complete."""
        return self.num_done == self.num_runs


def save_plan(folder: Path, plan: dict[str, Any]) -> None:
    """Write what an experiment in a folder consists of.

    Args:
        folder: of the results.
        plan: "learners", "worlds", "seeds", "num_episodes", "num_steps", and "cells", the key of each.

    Raises:
        RunError: if the file can't be written.
    """
    content = (json.dumps(plan, indent=2) + "\n").encode()
    path = folder / f"experiment-{hashlib.sha256(content).hexdigest()[:16]}.json"
    try:
        if not path.exists() or path.read_bytes() != content:  # damaged
            write_file(path, content)
    except OSError as error:
        raise RunError(f"{folder}: can't be written: {error.strerror}") from None


def list_experiments(folder: str | Path) -> list[ListedExperiment]:
    """Return the experiments in a folder of results, the largest first; not those that are part of another one.

    Raises:
        RunError: if a file can't be read.
    """
    folder = Path(folder)
    try:
        plans = [plan for path in sorted(folder.glob("experiment-*.json")) if (plan := _read_plan(path)) is not None]
        plans.sort(key=lambda plan: -len(plan["cells"]) * len(plan["seeds"]))
    except OSError as error:
        raise RunError(f"{folder}: can't be read: {error.strerror}") from None
    whole = [plan for i, plan in enumerate(plans) if not any(_is_part(plan, other) for other in plans[:i])]
    keys = {key for plan in whole for key in plan["cells"]}
    found = {key: {seed for runs in ResultFolder(folder).load(key) for seed in runs.seeds} for key in keys}
    return [
        ListedExperiment(
            folder,
            plan["learners"],
            plan["worlds"],
            len(plan["seeds"]),
            plan["num_episodes"],
            plan["num_steps"],
            sum(len(found[key] & set(plan["seeds"])) for key in plan["cells"]),
        )
        for plan in whole
    ]


def _read_plan(path: Path) -> dict[str, Any] | None:
    """Return what an experiment consists of; None if the file is damaged."""
    try:
        plan = json.loads(path.read_bytes())
        names = ("learners", "worlds", "seeds", "cells")
        are_lists = all(
            isinstance(plan[name], list) and all(isinstance(each, str | int) for each in plan[name]) for name in names
        )
        if are_lists and {"num_episodes", "num_steps"} <= plan.keys():
            return dict(plan)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return None


def _is_part(plan: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether all runs of an experiment are runs of another one."""
    return set(plan["cells"]) <= set(other["cells"]) and set(plan["seeds"]) <= set(other["seeds"])
