"""A bar that shows how far learning has come, in notebooks and on terminals. The only importer of tqdm."""

from typing import Any

from clew.errors import ExtraError
from clew.learning.training import Callback, RoundMetrics

__all__ = ["show_progress"]


def show_progress(what: str = "learning") -> Callback:
    """A bar for whatever takes a `callback`: a widget in a notebook, characters on standard error elsewhere.

        clew.train_policy(env, 1_000_000, callback=clew.show_progress())

    It counts rounds, says how many steps an episode takes, and ends with the last of them.

    Args:
        what: stands before the bar.

    Raises:
        ExtraError: if tqdm isn't installed.
    """
    try:
        from tqdm.auto import tqdm
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "tqdm":
            raise
        raise ExtraError(
            "bars need tqdm, which isn't installed: pip install '.[notebook]' in the checkout of Clew"
        ) from None
    bars: list[Any] = []  # one, from the first round on: before it nobody knows how many there will be

    def show_round(row: RoundMetrics) -> None:
        if row.round == 0:
            while bars:  # of a training that was stopped
                bars.pop().close()
            bars.append(tqdm(total=row.num_rounds, desc=what, unit="round"))
        bars[0].set_postfix_str(f"{row.mean_steps:,.1f} steps per episode", refresh=False)
        bars[0].update(row.round + 1 - bars[0].n)
        if row.round + 1 == row.num_rounds:
            bars.pop().close()

    return show_round
