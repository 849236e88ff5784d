"""Declarations of an algorithm: its row of the table, its parameters, and what `make` is told.

>>> from clew.learning.declarations import Parameter
>>> from clew.settings import Bounds
>>> Parameter("bonus", float, 0.1, Bounds(0.0, 1.0), "reward of an untried action").check(7.0, "my_rules:counted")
Traceback (most recent call last):
    ...
clew.errors.SettingError: bonus must be a finite number in [0, 1] for my_rules:counted, not 7.0
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.settings import ANY_NUMBER, KINDS, Bounds, check_number, choose_from, shown

Memory = Mapping[str, npt.NDArray[Any]]  # arrays of a learner, by field
STEP, EPISODE, RUN = MEMORIES = ("step", "episode", "run")


@dataclass(frozen=True)
class Algorithm:
    """A row of the table.

    Attributes:
        name: value of the setting `algorithm`.
        update: the update of an action value, in one line.
        source: where the algorithm is defined.
        settings: fields of `Learning` that it uses, besides gamma and those of the exploration strategy.
        make: function that allocates the named tuple on which its kernels work.
        on_policy: True if it learns the values of the behaviour policy, exploration included; False if it learns those
            of the greedy policy.
        behaviour: default exploration strategy, a row of `BEHAVIOURS`.
        initial_values: default initial values: "optimistic", "pessimistic" or "" (zero).
        interleaves: True if it keeps no memory of the current episode, so that episodes can be interleaved.
        num_bytes: function that returns the bytes that `make` allocates, without the table that it gets.
        learns_model: True if it also learns a model of the world, or keeps past transitions.
        learns_at_end: True if it learns when an episode has ended, from all its steps.
        memory: how long it keeps what it remembers besides its tables: "step" (it remembers nothing), "episode"
            (`begin_episode` clears it) or "run". Where each simulation learns on a copy of the tables, memory of the
            run would be lost, so "run" is refused there without `merge`. It is the default, because it is always safe.
        merge: function that merges what simulations remember, for a rule with memory "run": `merge(memory, before,
            after)` changes `memory`, that of the run, in place by what one simulation remembered when its task began
            and when it ended. Each is a dictionary of arrays by field of the named tuple (`model.counts` for an inner
            one), without tables of action values and their counts, which Clew merges. None if there is none.
        parameters: settings of its own, which `algorithm_settings` holds.

    >>> import clew
    >>> from clew.extending import Algorithm
    >>> make = clew.ALGORITHMS["q-learning"].make
    >>> clew.register_algorithm(Algorithm("docs:plain", "that of Q-learning", "eq. (6.8)", ("alpha",), make))
    >>> env = clew.Environment(clew.Maze.open(1, 3))
    >>> clew.train_policy(env, 10, algorithm="docs:plain", alpha=1.0).q.max().item()
    1.0
    """

    name: str
    update: str
    source: str
    settings: tuple[str, ...]
    make: Callable[["LearnerSpec"], Any]
    on_policy: bool = False
    behaviour: str = "epsilon-greedy"
    initial_values: str = ""
    interleaves: bool = False
    num_bytes: Callable[["LearnerSpec"], int] = lambda spec: 0
    learns_model: bool = False
    learns_at_end: bool = False
    memory: str = RUN
    merge: Callable[[Memory, Memory, Memory], None] | None = None
    parameters: tuple["Parameter", ...] = ()

    @property
    def is_mergeable(self) -> bool:
        """True if simulations may learn on copies of its tables, because the copies can be merged.

        Tables are merged by the step size and the number of updates, so an algorithm that doesn't use `alpha` has none
        that can be.
        """
        return "alpha" in self.settings and (self.memory != RUN or self.merge is not None)


@dataclass(frozen=True)
class Parameter:
    """A setting of one algorithm.

    Attributes:
        name: its name, a key of the setting `algorithm_settings`.
        type: int, float or bool.
        default: its value if none is given.
        bounds: range of a number.
        help: what it is, in one line.

    Raises:
        SettingError: if the name is not one of Python's, the type another, or the default out of range.

    >>> from clew.extending import Bounds, Parameter
    >>> bonus = Parameter("bonus", float, 0.1, Bounds(0.0, 1.0), "reward of an untried action")
    >>> bonus.check(1, "docs:curious")
    1.0
    """

    name: str
    type: type
    default: int | float | bool
    bounds: Bounds = ANY_NUMBER
    help: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise SettingError(f"must be a name of Python, such as 'bonus', not {shown(self.name)}", setting="name")
        if self.type not in (int, float, bool):
            raise SettingError(f"must be int, float or bool, not {shown(self.type)}", setting="type")
        self.check(self.default, "this algorithm")

    def check(self, value: Any, algorithm: str) -> int | float | bool:
        """Return a value as a plain number of Python.

        Args:
            value: a number; NumPy's are converted.
            algorithm: name of the algorithm, for the message.

        Raises:
            SettingError: if it is out of range, or of another type.
        """
        value = value.tolist() if isinstance(value, np.generic) else value
        is_flag = isinstance(value, bool)
        if is_flag != (self.type is bool) or (self.type is int and not isinstance(value, int)):
            raise SettingError(f"must be {KINDS[self.type]} for {algorithm}, not {shown(value)}", setting=self.name)
        if not is_flag:
            check_number(self.name, value, self.bounds, used_by=algorithm)
        plain: int | float | bool = self.type(value)
        return plain


def complete_parameters(row: Algorithm, given: Mapping[str, Any]) -> dict[str, int | float | bool]:
    """Return the values of all parameters of an algorithm, by name, in the order of the names.

    Args:
        row: algorithm.
        given: values of some of them; the others have their defaults.

    Raises:
        SettingError: if it has no such parameter, or a value is out of range.
    """
    known = {each.name: each for each in row.parameters}
    for name in given:
        if name not in known:
            advice = choose_from(name, known) if known else "it has none of its own"
            raise SettingError(
                f"must have parameters of {row.name}, and {shown(name)} is none; {advice}", setting="algorithm_settings"
            )
    return {name: known[name].check(given.get(name, known[name].default), row.name) for name in sorted(known)}


class LearnerSpec(NamedTuple):
    """Everything that `Algorithm.make` and `Algorithm.num_bytes` need to know.

    Attributes:
        table: (num_states, num_actions) float32, initial action values.
        q: the same values in the form of kernels, see `clew.kernels.wide.as_values`.
        settings: `clew.learning.settings.Learning`; its `algorithm_settings` has a value for each parameter.
        max_steps: step limit of an episode.
        num_outcomes: number of outcomes for which a learned model has memory, over all pairs of state and action.
        behaviour: exploration strategy as kernels dispatch on it.
        visits: (num_states, num_actions) int32, tries of each action; empty if the strategy doesn't use them.
        counted: True if the updates of each value are counted.

    >>> import clew
    >>> from clew.extending import Algorithm
    >>> def make(spec):
    ...     print(spec.table.shape, spec.gamma, spec.max_steps)
    ...     return clew.ALGORITHMS["q-learning"].make(spec)
    >>> clew.register_algorithm(Algorithm("docs:told", "that of Q-learning", "eq. (6.8)", ("alpha",), make))
    >>> policy = clew.train_policy(clew.Environment(clew.Maze.open(1, 3)), 10, algorithm="docs:told", gamma=0.5)
    (3, 4) 0.5 300
    """

    table: npt.NDArray[np.float32]
    q: Any
    settings: Any
    max_steps: int
    num_outcomes: int
    behaviour: Any
    visits: npt.NDArray[np.int32]
    counted: bool

    @property
    def gamma(self) -> np.float32:
        """Discount per step, as float32."""
        return np.float32(self.settings.gamma)

    def num_planning(self, default: int) -> int:
        """Return the number of planning updates after each step: the setting, or this default if it is None."""
        return default if self.settings.num_planning is None else self.settings.num_planning
