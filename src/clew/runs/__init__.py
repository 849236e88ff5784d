"""One training run: its configuration, its training and its grade, and the folder to which it is saved.

configuration   TrainingConfig: all settings of a run, in one flat record
examination     examine: what may keep a training from learning, before it begins
flags           settings as options of the command line
run             train_run, open_run: one configuration trained, graded and saved
storage         the files of a run folder
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clew.runs.run import (
        Run,
        Stopwatch,
        grade,
        open_partial_run,
        open_run,
        save_checkpoints,
        solve_in_blocks,
        train_run,
    )

__all__ = [
    "Run",
    "Stopwatch",
    "grade",
    "open_partial_run",
    "open_run",
    "save_checkpoints",
    "solve_in_blocks",
    "train_run",
]


def __getattr__(name: str) -> Any:
    if name in __all__:  # loaded when it is used: configuration and flags don't need it
        return getattr(import_module("clew.runs.run"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
