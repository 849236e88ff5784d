"""The table of exploration strategies. Each can be combined with every algorithm.

The setting of `clew.Learning` is called `behaviour`, because a strategy makes the behaviour policy. The kernels that
draw the actions are in `clew.kernels.learning.behaviours` and `clew.kernels.learning.counting`. A new strategy is a
kernel, a row here, and a test; `register_behaviour` adds those of users.

    >>> import clew
    >>> list(clew.BEHAVIOURS)
    ['epsilon-greedy', 'first-action', 'greedy', 'persistent', 'softmax', 'ucb', 'least-tried', 'random']
    >>> clew.BEHAVIOURS["softmax"].setting
    'temperature'
"""

import sys
from typing import Any, NamedTuple

from clew.errors import SettingError
from clew.kernels.learning import behaviours, counting
from clew.policies.plugins import add_row, check_name
from clew.settings import NOT_NEGATIVE, POSITIVE, SHARE, Bounds, check_type, shown

EXPLORATION = ("epsilon", "temperature", "confidence")  # settings that say how much is explored


class Behaviour(NamedTuple):
    """A row of the table: an exploration strategy.

    Attributes:
        strategy: named tuple by whose type kernels choose the implementation.
        description: which action is taken, in one line.
        setting: name of the field of `Learning` that says how much is explored; None if there is none.
        bounds: range of that setting.
        uses_visits: True if the choice depends on how often each action was tried in the state, which `count_visit`
            counts.

    >>> import clew
    >>> clew.BEHAVIOURS["epsilon-greedy"].bounds
    Bounds(least=0.0, most=1.0, above=-inf)
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
        counting.UpperConfidence(),
        "the action with the largest q[s, a] + confidence * sqrt(ln N(s) / N(s, a)); untried actions first",
        "confidence",
        uses_visits=True,
    ),
    "least-tried": Behaviour(
        counting.LeastTried(), "the action that was tried least often in the state", uses_visits=True
    ),
    "random": Behaviour(behaviours.UniformRandom(), "a random action, all equally likely"),
}


def register_behaviour(name: str, row: Behaviour) -> None:
    """Add an exploration strategy to the table, so that it is used by its name like those that come with Clew.

    docs/extending.md shows how a strategy is written, and examples/my_rules.py has a complete one.

        >>> import clew
        >>> from typing import NamedTuple
        >>> from clew.extending import Behaviour, Bounds, choose, row_length
        >>> class Last(NamedTuple):
        ...     pass
        >>> @choose.register(Last)
        ... def choose_last(behaviour, q, visits, s, exploration, stream):
        ...     return row_length(q) - 1
        >>> clew.register_behaviour("docs:last", Behaviour(Last(), "the action with the highest number"))
        >>> policy = clew.train_policy(clew.Environment(clew.Maze.open(1, 3)), 10, behaviour="docs:last", alpha=1.0)
        >>> policy.q[:2].tolist()
        [[0.0, 0.0, 0.0, 0.8999999761581421], [0.0, 0.0, 0.0, 1.0]]

    Args:
        name: its name, `package:name`; the module that calls this function may register it again, as when it is
            reloaded, and no other.
        row: the strategy.

    Raises:
        SettingError: if the name is not of this form or is taken, the strategy has no kernel that chooses actions, it
            uses visits without a kernel that counts them or counts them without using them, or its setting is not one
            of those that say how much is explored.
    """
    check_type("row", row, Behaviour, "a clew.extending.Behaviour")
    module = sys._getframe(1).f_globals.get("__name__", "__main__")
    check_name("behaviour", name, BEHAVIOURS, module)
    kind = type(row.strategy)
    named = kind.__name__.partition("#")[0]  # the rest was added when a kernel was registered
    if not hasattr(kind, "_fields"):
        raise SettingError(f"must be a named tuple, not {shown(row.strategy)}", setting="strategy")
    if not behaviours.choose.implements(kind):
        raise SettingError(f"chooses no action: @choose.register({named}) registers a kernel that does")
    if row.uses_visits and not behaviours.count_visit.implements(kind):
        raise SettingError(
            f"must be False where nothing counts them: @count_visit.register({named}) registers a kernel that does",
            setting="uses_visits",
        )
    if behaviours.count_visit.implements(kind) and not row.uses_visits:
        raise SettingError(
            f"must be True, because @count_visit.register({named}) counts in an array that there isn't otherwise",
            setting="uses_visits",
        )
    if row.setting is not None and row.setting not in EXPLORATION:
        expected = f"None or one of {', '.join(EXPLORATION)}"
        raise SettingError(f"must be {expected}, not {shown(row.setting)}", setting="setting")
    add_row("behaviour", name, row, BEHAVIOURS, module)
