"""One training run: its configuration, its training and its grade, and the folder to which it is saved.

configuration   TrainingConfig: all settings of a run, in one flat record
examination     examine: what may keep a training from learning, before it begins
flags           settings as options of the command line
run             train_run, open_run: one configuration trained, graded and saved
blocks          solve_in_blocks: the optimum of a maze that is cut into blocks
stopwatch       Stopwatch: wall time, with that of the compiler apart
storage         the files of a run folder
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clew.runs.blocks import solve_in_blocks
    from clew.runs.run import Run, grade, open_partial_run, open_run, save_checkpoints, train_run
    from clew.runs.stopwatch import Stopwatch

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
        home = {"Stopwatch": "stopwatch", "solve_in_blocks": "blocks"}.get(name, "run")
        return getattr(import_module(f"clew.runs.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
