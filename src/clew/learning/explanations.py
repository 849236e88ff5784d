"""One update in numbers: the equation of an update rule, with the numbers that the kernel has used.

One-step rules are explained, and n-step Sarsa, Sarsa(lambda), Watkins's Q(lambda) and Dyna-Q; others, such as those
that learn from whole episodes, are not. A rule is explained by a function that is registered for its type with
`explain`. It repeats the rule's arithmetic in float32, and a test compares each number with the table after the update.

    >>> import clew
    >>> trainer = clew.Trainer(clew.Environment(clew.Maze.open(1, 2)), alpha=0.1, seed=3)
    >>> while not trainer.step().terminated:
    ...     pass
    >>> print(trainer.explanation.equation)
    Q(s, a) <- 0 + 0.1 * (1 - 0) = 0.1
"""

from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np

from clew.kernels.learning.behaviours import expected_value
from clew.kernels.learning.dyna import DynaQ
from clew.kernels.learning.learners import SampleAverageStepSize, Step, with_counts
from clew.kernels.learning.n_step import NStepSarsa
from clew.kernels.learning.traces import SarsaLambda, WatkinsQ
from clew.kernels.learning.updates import DoubleQLearning, ExpectedSarsa, QLearning, Sarsa
from clew.kernels.sampling import Stream, next_bits
from clew.kernels.values import best_action, max_value, row_length, value

_0 = np.float32(0.0)


class Explanation(NamedTuple):
    """One update of a value, in the numbers of its equation; all are those of the update, before values changed.

    Attributes:
        state: state of the pair whose value was updated.
        action: action of the pair.
        table: name of the table: Q, or Q1 and Q2 of double Q-learning.
        old: value before the update.
        step_size: alpha.
        rewards: rewards in the target, in their order.
        gamma: discount per step.
        next_value: value of the state after the rewards, as the rule takes it; None if that state is terminal.
        next_term: what that value is, such as "max Q(s', b)".
        eligibility: factor of the error; 1 for rules without traces, and always with replacing traces.
        new: value after the update.
        also: what else changes at this step, in words; "" if nothing does.
    """

    state: int
    action: int
    table: str
    old: np.float32
    step_size: np.float32
    rewards: tuple[np.float32, ...]
    gamma: np.float32
    next_value: np.float32 | None
    next_term: str
    eligibility: np.float32
    new: np.float32
    also: str = ""

    @property
    def target(self) -> np.float32:
        """Discounted sum of the rewards and the next value, what `old` is moved towards."""
        target = self.next_value
        for reward in reversed(self.rewards):
            target = reward if target is None else reward + self.gamma * target
        return _0 if target is None else target

    @property
    def td_error(self) -> np.float32:
        """Target minus old value."""
        return self.target - self.old

    @property
    def symbols(self) -> str:
        """Equation of the rule in symbols."""
        terms = [f"{_power(k)}r{'' if len(self.rewards) == 1 else k + 1}" for k in range(len(self.rewards))]
        if self.next_value is not None:
            terms.append(_power(len(self.rewards)) + self.next_term)
        name = f"{self.table}(s, a)"
        trace = "" if self.eligibility == 1.0 else " * e(s, a)"
        return f"{name} <- {name} + alpha * ({' + '.join(terms)} - {name}){trace}"

    @property
    def parts(self) -> tuple[str, str, str, str]:
        """Equation in numbers: the text before the target, the target, the text after it, and the result."""
        terms = [f"{_power(k, self.gamma)}{_text(reward)}" for k, reward in enumerate(self.rewards)]
        if self.next_value is not None:
            terms.append(_power(len(self.rewards), self.gamma) + _text(self.next_value))
        trace = "" if self.eligibility == 1.0 else f" * {_text(self.eligibility)}"
        before = f"{self.table}(s, a) <- {_text(self.old)} + {_text(self.step_size)} * ("
        return before, " + ".join(terms), f" - {_text(self.old)}){trace} = ", _text(self.new)

    @property
    def equation(self) -> str:
        """The equation in numbers, in one piece."""
        return "".join(self.parts)


def _power(k: int, gamma: np.float32 | None = None) -> str:
    """Return gamma to the power of k as a factor, in symbols or with its number; nothing for k = 0."""
    name = "gamma" if gamma is None else f"{gamma:.4g}"
    return "" if k == 0 else f"{name} * " if k == 1 else f"{name}^{k} * "


def _text(number: np.float32) -> str:
    """Return a number with four digits, in brackets if it is negative."""
    return f"{number:.4g}" if number >= 0.0 else f"({number:.4g})"


@singledispatch
def explain(rule: Any, step: Step, alpha: Any, exploration: float, stream: Stream) -> Explanation | None:
    """Return what `learners.learn` is about to do with the same arguments, which only it changes.

    Returns:
        The update of one value; None if the rule isn't explained, or updates nothing at this step.
    """
    return None


def _explain_step(
    rule: Any, step: Step, alpha: Any, next_value: np.float32, next_term: str, table: Any = None, name: str = "Q"
) -> Explanation:
    """Return the update of the value of a step by its reward and a value of the next state."""
    s, a = step.state, step.action
    old, size = value(rule.q if table is None else table, s, a), _step_size(alpha, s, a)
    after = None if step.terminated else next_value
    found = Explanation(s, a, name, old, size, (step.reward,), rule.gamma, after, next_term, np.float32(1.0), old)
    return found._replace(new=old + size * found.td_error)


def _step_size(alpha: Any, s: int, a: int) -> np.float32:
    """Return the step size of the next update of a pair, without counting it."""
    if isinstance(alpha, SampleAverageStepSize):
        return np.float32(1.0 / (alpha.counts[s, a] + 1))
    size: np.float32 = alpha.value
    return size


@explain.register(QLearning)
def explain_q_learning(rule: Any, step: Step, alpha: Any, exploration: float, stream: Stream) -> Explanation:
    """Explain the update of Q-learning."""
    return _explain_step(rule, step, alpha, max_value(rule.q, step.next_state), "max Q(s', b)")


@explain.register(DynaQ)
def explain_dyna_q(rule: DynaQ, step: Step, alpha: Any, exploration: float, stream: Stream) -> Explanation:
    """Explain the update of Dyna-Q before it plans, which may change the value again."""
    found, n = explain_q_learning(rule, step, alpha, exploration, stream), rule.num_planning
    return found._replace(also=f"then {n} update{'s' if n > 1 else ''} of remembered pairs" if n else "")


@explain.register(Sarsa)
def explain_sarsa(rule: Any, step: Step, alpha: Any, exploration: float, stream: Stream) -> Explanation:
    """Explain the update of Sarsa."""
    return _explain_step(rule, step, alpha, _value_of_next_action(rule, step), "Q(s', a')")


def _value_of_next_action(rule: Any, step: Step) -> np.float32:
    number: np.float32 = _0 if step.terminated else value(rule.q, step.next_state, step.next_action)
    return number


@explain.register(ExpectedSarsa)
def explain_expected_sarsa(
    rule: ExpectedSarsa, step: Step, alpha: Any, exploration: float, stream: Stream
) -> Explanation:
    """Explain the update of Expected Sarsa."""
    expected = expected_value(rule.behaviour, rule.q, rule.visits, step.next_state, exploration)
    return _explain_step(rule, step, alpha, expected, "E[Q(s', b)]")


@explain.register(DoubleQLearning)
def explain_double_q(rule: DoubleQLearning, step: Step, alpha: Any, exploration: float, stream: Stream) -> Explanation:
    """Explain the update of the table that the coin picks; the draw is that of the kernel."""
    bits = next_bits(stream.copy())
    first = bool(bits & np.uint64(1))
    names = ("Q1", "Q2") if first else ("Q2", "Q1")
    table, other = (rule.q1, rule.q2) if first else (rule.q2, rule.q1)
    alpha = with_counts(alpha, rule.q1_counts if first else rule.q2_counts)
    best = best_action(table, step.next_state, bits >> np.uint64(32))
    term = f"{names[1]}(s', argmax {names[0]}(s', b))"
    return _explain_step(rule, step, alpha, other[step.next_state, best], term, table, names[0])


@explain.register(NStepSarsa)
def explain_n_step_sarsa(
    rule: NStepSarsa, step: Step, alpha: Any, exploration: float, stream: Stream
) -> Explanation | None:
    """Explain the update of the oldest step that is remembered, once n steps are, or the episode ends."""
    window = rule.window
    size, count = window.states.size, int(window.cursor[1])
    if count + 1 < size and not step.terminated:
        return None
    places = [(int(window.cursor[0]) + k) % size for k in range(count)]
    rewards = (*(window.rewards[i] for i in places), step.reward)
    s, a = (int(window.states[places[0]]), int(window.actions[places[0]])) if count else (step.state, step.action)
    oldest = step._replace(state=s, action=a)
    found = _explain_step(rule, oldest, alpha, _value_of_next_action(rule, step), "Q(s', a')")
    also = "then the values of the later steps, as the episode ends" if step.terminated and count else ""
    found = found._replace(rewards=rewards, also=also)
    return found._replace(new=found.old + found.step_size * found.td_error)


@explain.register(SarsaLambda)
@explain.register(WatkinsQ)
def explain_traces(rule: Any, step: Step, alpha: Any, exploration: float, stream: Stream) -> Explanation:
    """Explain the update of the pair that was taken; others that have a trace change by the same error."""
    explain_error = explain_q_learning if isinstance(rule, WatkinsQ) else explain_sarsa
    found = explain_error(rule, step, alpha, exploration, stream)
    before = rule.traces.eligibility[step.state * row_length(rule.q) + step.action]
    eligibility = rule.traces.retained * before + np.float32(1.0)
    error = step.reward - found.old  # in the order of the kernel
    if found.next_value is not None:
        error += rule.gamma * found.next_value
    new = found.old + found.step_size * error * eligibility
    also = "other pairs with a trace change too, by alpha times this error times their trace"
    return found._replace(eligibility=eligibility, new=new, also=also)
