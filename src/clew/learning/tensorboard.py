"""Metrics of rounds as event files, which TensorBoard shows. The only importer of tensorboardX."""

import weakref
from pathlib import Path
from uuid import uuid4

from clew.errors import ExtraError, RunError, SettingError
from clew.files import check_name
from clew.learning.metrics import Callback, RoundMetrics
from clew.settings import as_path

FIGURES = ("mean_steps", "mean_return", "terminated_rate", "seconds")


def log_to_tensorboard(folder: str | Path) -> Callback:
    """Return a callback that writes the metrics of each round to a folder, as a run of TensorBoard.

    Its scalars are mean_steps, mean_return, terminated_rate and seconds of `clew.RoundMetrics`, over the number of
    episodes that have ended. `tensorboard --logdir` of a folder shows all folders in it beside each other.

        >>> import clew
        >>> import os, tempfile
        >>> env = clew.Environment(clew.Maze.open(5, 5))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     policy = clew.train_policy(env, 1000, callback=clew.log_to_tensorboard(folder))
        ...     os.listdir(folder)[0][:20]
        'events.out.tfevents.'

    Args:
        folder: of a single training; made if it is missing.

    Returns:
        Function of a `RoundMetrics`, for the argument `callback` of a training. It writes within seconds, and closes
        its file after the last round, or when it is no longer used.

    Raises:
        ExtraError: if tensorboardX is not installed.
        RunError: if the folder can't be written.
    """
    path = as_path("folder", folder)
    try:
        from tensorboardX import SummaryWriter
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "tensorboardX":
            raise
        raise ExtraError(
            'log_to_tensorboard needs tensorboardX, which is not installed: pip install "clew[tensorboard]"'
        ) from None
    try:
        check_name(path)
        suffix = f".{uuid4().hex}"  # the name has the second, which another training may share
        writer = SummaryWriter(str(path), flush_secs=2, filename_suffix=suffix)
    except OSError as error:
        raise RunError(f"{path}: can't be written: {error.strerror}") from None

    def log_round(row: RoundMetrics) -> None:
        if not isinstance(row, RoundMetrics):
            raise SettingError(
                "log_to_tensorboard logs the rounds of a single training; of an experiment, log those of each run "
                "afterwards, from results.metrics(world)"
            )
        for figure in FIGURES:
            writer.add_scalar(figure, getattr(row, figure), row.num_ended)
        if row.num_ended == row.total_episodes:
            close()

    close = weakref.finalize(log_round, writer.close)
    return log_round
