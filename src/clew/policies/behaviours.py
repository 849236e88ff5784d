"""The table of exploration strategies. Each can be combined with every algorithm.

The setting of `clew.Learning` is called `behaviour`, because a strategy makes the behaviour policy. The kernels that
draw the actions are in `clew.kernels.learning.behaviours`. A new strategy is a kernel, a row here, and a test.

    >>> import clew
    >>> list(clew.BEHAVIOURS)
    ['epsilon-greedy', 'first-action', 'greedy', 'persistent', 'softmax', 'ucb', 'least-tried', 'random']
    >>> clew.BEHAVIOURS["softmax"].setting
    'temperature'
"""

from typing import Any, NamedTuple

from clew.kernels.learning import behaviours
from clew.settings import NOT_NEGATIVE, POSITIVE, SHARE, Bounds


class Behaviour(NamedTuple):
    """A row of the table: an exploration strategy.

    Attributes:
        strategy: named tuple by whose type kernels choose the implementation.
        description: which action is taken, in one line.
        setting: name of the field of `Learning` that says how much is explored; None if there is none.
        bounds: range of that setting.
        uses_visits: True if the choice depends on how often each action was tried in the state.
    """

    strategy: Any
    description: str
    setting: str | None = None
    bounds: Bounds = NOT_NEGATIVE
    uses_visits: bool = False


BEHAVIOURS: dict[str, Behaviour] = {
    "epsilon-greedy": Behaviour(
        behaviours.EpsilonGreedy(),
        "a random action with probability epsilon, else a greedy action; ties are broken at random",
        "epsilon",
        SHARE,
    ),
    "first-action": Behaviour(
        behaviours.EpsilonGreedyArgmax(),
        "epsilon-greedy that breaks ties by the lowest action number: a common mistake, here to show its cost",
        "epsilon",
        SHARE,
    ),
    "greedy": Behaviour(behaviours.EpsilonGreedy(), "a greedy action; ties are broken at random"),
    "persistent": Behaviour(
        behaviours.Persistent(-1), "a greedy action: the previous action if it is greedy, else one at random"
    ),
    "softmax": Behaviour(
        behaviours.Softmax(),
        "action a with probability proportional to exp(q[s, a] / temperature)",
        "temperature",
        POSITIVE,
    ),
    "ucb": Behaviour(
        behaviours.UpperConfidence(),
        "the action with the largest q[s, a] + confidence * sqrt(ln N(s) / N(s, a)); untried actions first",
        "confidence",
        uses_visits=True,
    ),
    "least-tried": Behaviour(
        behaviours.LeastTried(), "the action that was tried least often in the state", uses_visits=True
    ),
    "random": Behaviour(behaviours.UniformRandom(), "a random action, all equally likely"),
}
