"""One run: its configuration, its training and grading, its folder.

configuration   TrainingConfig: all settings of a run, flat
flags           settings as options of the command line
run             train_run, open_run: one configuration trained, graded and saved
storage         the files of a run folder
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clew.runs.run import Clock, Run, grade, kept_run, open_begun, open_run, solve_in_blocks, train_run

__all__ = ["Clock", "Run", "grade", "kept_run", "open_begun", "open_run", "solve_in_blocks", "train_run"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # loaded when asked for: the rest of this package needs none of it
        return getattr(import_module("clew.runs.run"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
