"""A progress bar for notebooks and terminals. The only importer of tqdm."""

from typing import Any

from clew.errors import ExtraError
from clew.learning.metrics import Callback, RoundMetrics
from clew.settings import check_type


def show_progress(what: str = "learning") -> Callback:
    """Return a callback that shows a progress bar: a widget in a notebook, text on standard error elsewhere.

    The bar counts episodes, shows the steps per episode of the last round, and is closed after the last round.

        >>> import clew
        >>> env = clew.Environment(clew.Maze.open(5, 5))
        >>> policy = clew.train_policy(env, 1000, callback=clew.show_progress())
        >>> policy.q.shape
        (25, 4)

    Args:
        what: text before the bar.

    Returns:
        Function of a `RoundMetrics`, for the argument `callback` of `train_policy` or `train_policy_parallel`.

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
    bars: list[Any] = []  # at most one; made in the first round, which knows the number of episodes

    def show_round(row: RoundMetrics) -> None:
        if row.num_ended == row.num_episodes:  # the first row
            while bars:  # of a training that was stopped
                bars.pop().close()
            bars.append(tqdm(total=row.total_episodes, desc=what, unit="episode"))
        bars[0].set_postfix_str(f"{row.mean_steps:,.1f} steps per episode", refresh=False)
        bars[0].update(row.num_ended - bars[0].n)
        if row.num_ended == row.total_episodes:
            bars.pop().close()

    return show_round
