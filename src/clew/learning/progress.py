"""A progress bar for notebooks and terminals. The only importer of tqdm."""

from collections.abc import Callable
from typing import Any

from clew.errors import ExtraError
from clew.learning.metrics import RoundMetrics
from clew.settings import check_type


def show_progress(what: str = "learning") -> Callable[[Any], None]:
    """Return a callback that shows a progress bar: a widget in a notebook, text on standard error elsewhere.

    The bar counts episodes, shows the steps per episode of the last round, and is closed after the last round. That of
    an experiment counts runs.

        >>> import clew
        >>> env = clew.Environment(clew.Maze.open(5, 5))
        >>> policy = clew.train_policy(env, 1000, callback=clew.show_progress())
        >>> policy.q.shape
        (25, 4)

    Args:
        what: text before the bar.

    Returns:
        Function of a `RoundMetrics`, for the argument `callback` of `train_policy` or `train_policy_parallel`; or of a
        `clew.ExperimentProgress`, for the argument `progress` of `clew.Experiment.run`.

    Raises:
        ExtraError: if tqdm is not installed.
    """
    check_type("what", what, str, "text")
    try:
        from tqdm.auto import tqdm
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "tqdm":
            raise
        raise ExtraError('show_progress needs tqdm, which is not installed: pip install "clew[notebook]"') from None
    bars: list[Any] = []  # at most one; made in the first call, which knows the number of episodes or runs

    def show(done: int, total: int, unit: str, first: int | None, words: str) -> None:
        """Show how much is done; `first` is where a bar begins, and None if it goes on."""
        if first is not None:
            while bars:  # of a training that was stopped
                bars.pop().close()
            bars.append(tqdm(total=total, initial=first, desc=what, unit=unit))
        bars[0].set_postfix_str(words, refresh=False)
        bars[0].update(done - bars[0].n)
        if done == total:
            bars.pop().close()

    def show_progress_of(row: Any) -> None:
        if isinstance(row, RoundMetrics):
            first = 0 if row.num_ended == row.num_episodes else None
            show(row.num_ended, row.total_episodes, "episode", first, f"{row.mean_steps:,.1f} steps per episode")
        else:  # of an experiment, in which blocks of runs are complete in any order
            goes_on = bars and bars[0].total == row.num_runs and bars[0].n <= row.num_done
            show(row.num_done, row.num_runs, "run", None if goes_on else row.num_found, "")

    return show_progress_of
