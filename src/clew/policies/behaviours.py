"""The table of behaviours: how actions are tried, a row each, whatever is learned from it.

How one draws is a kernel in `clew.kernels.learning.behaviours`. A new behaviour is a kernel, a row here, and a test.
"""

from typing import Any, NamedTuple

from clew.kernels.learning import behaviours
from clew.settings import NOT_NEGATIVE, POSITIVE, SHARE, Bounds

__all__ = ["BEHAVIOURS", "Behaviour"]


class Behaviour(NamedTuple):
    """A row of the table of behaviours."""

    kind: Any  # what kernels dispatch on
    rule: str
    setting: str | None = None  # of `Learning`, how much is explored
    bounds: Bounds = NOT_NEGATIVE  # of that setting
    counts: bool = False  # it asks how often each action was tried


BEHAVIOURS: dict[str, Behaviour] = {
    "epsilon-greedy": Behaviour(
        behaviours.EpsilonGreedy(), "any action with probability epsilon, else a best one", "epsilon", SHARE
    ),
    "first-action": Behaviour(
        behaviours.EpsilonGreedyArgmax(),
        "any action with probability epsilon, else the first of the best: a mistake, to see what it costs",
        "epsilon",
        SHARE,
    ),
    "greedy": Behaviour(behaviours.EpsilonGreedy(), "a best action"),
    "persistent": Behaviour(behaviours.Persistent(-1), "a best action: the last one, if it still is among them"),
    "softmax": Behaviour(
        behaviours.Softmax(), "action a in proportion to exp(q[s, a] / temperature)", "temperature", POSITIVE
    ),
    "ucb": Behaviour(
        behaviours.UpperConfidence(),
        "the greatest q[s, a] + confidence sqrt(ln N(s) / N(s, a))",
        "confidence",
        counts=True,
    ),
    "least-tried": Behaviour(behaviours.LeastTried(), "the action that was tried least often here", counts=True),
    "random": Behaviour(behaviours.UniformRandom(), "any action"),
}
