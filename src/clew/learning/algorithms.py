"""The table of algorithms, a row each: its update rule, source, settings, and how its memory is allocated.

The update rule itself is a kernel in `clew.kernels.learning`: `updates` has those of one step, `n_step`, `traces`,
`episodic`, `dyna` and `sweeping` the others. A new algorithm is a kernel, a row here, and a test.

S&B is Sutton & Barto (2018), Reinforcement learning: an introduction, second edition.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels.learning import dyna, episodic, n_step, queues, sweeping, traces, updates

__all__ = ["ALGORITHMS", "MAX_OUTCOMES", "Algorithm", "LearnerSpec"]

UNLIMITED = 2**31 - 1  # planning updates: as many as there are to do
MAX_OUTCOMES = 2**31 - 1  # of a learned model: it numbers them by int32


@dataclass(frozen=True)
class Algorithm:
    """A row of the table.

    Attributes:
        name: what the command line calls it.
        rule: the update, in a line.
        source: where it is defined.
        settings: those it heeds besides gamma and what belongs to the behaviour.
        make: allocates what the kernel works on.
        on_policy: it learns what its behaviour is worth, exploring included; the others what it is worth to be greedy.
        behaviour: how it acts unless told otherwise.
        outlook: "optimistic", "pessimistic" or "" (zero): what actions are worth at first unless told otherwise.
        interleaves: it keeps nothing of the episode that goes on, so several may.
        num_bytes: what `make` takes, beside the table that it is given.
        learns_model: it keeps a model of the world, or what it saw, beside its values.
    """

    name: str
    rule: str
    source: str
    settings: tuple[str, ...]
    make: Callable[["LearnerSpec"], Any]
    on_policy: bool = False
    behaviour: str = "epsilon-greedy"
    initial_values: str = ""
    interleaves: bool = False
    num_bytes: Callable[["LearnerSpec"], int] = lambda spec: 0
    learns_model: bool = False


class LearnerSpec(NamedTuple):
    """What a learner is made from.

    Attributes:
        table: (num_states, num_actions) float32, the action values, filled with what they are at first.
        q: the same values in the form in which kernels work on them.
        settings: `clew.learning.settings.Learning`.
        num_states: number of states.
        num_actions: number of actions.
        max_steps: step limit of an episode.
        num_outcomes: how many different outcomes all pairs of a state and an action may have together.
        behaviour: how actions are tried.
        visits: (num_states, num_actions) int32, or empty.
        counted: how often each value was moved is to be counted.
    """

    table: npt.NDArray[np.float32]
    q: Any
    settings: Any
    num_states: int
    num_actions: int
    max_steps: int
    num_outcomes: int
    behaviour: Any
    visits: npt.NDArray[np.int32]
    counted: bool

    @property
    def gamma(self) -> np.float32:
        """The discount, as kernels take it."""
        return np.float32(self.settings.gamma)

    @property
    def num_pairs(self) -> int:
        """States times actions."""
        return self.num_states * self.num_actions

    def planning(self, default: int) -> int:
        """Planning updates after each step."""
        return default if self.settings.num_planning is None else self.settings.num_planning


# How to make each learner ---------------------------------------------------------------------------------------------


def _double_q_learning(spec: LearnerSpec) -> updates.DoubleQLearning:
    q1, q2 = spec.table.copy(), spec.table.copy()
    counted = spec.table.shape if spec.counted else (0, 0)
    q1_counts, q2_counts = (np.zeros(counted, np.int32) for _ in range(2))
    return updates.DoubleQLearning(spec.q, q1, q2, q1_counts, q2_counts, spec.gamma)


def _bytes_of_double_q_learning(spec: LearnerSpec) -> int:
    each = 16 if spec.counted else 8
    return each * spec.num_pairs


def _episode(spec: LearnerSpec) -> episodic.Episode:
    states, actions, next_states = (np.empty(spec.max_steps, np.int32) for _ in range(3))
    rewards = np.empty(spec.max_steps, np.float32)
    return episodic.Episode(states, actions, rewards, next_states, np.zeros(1, np.int64))


def _bytes_of_episode(spec: LearnerSpec) -> int:
    return 16 * spec.max_steps


def _first_visit(spec: LearnerSpec) -> episodic.MonteCarlo:
    return episodic.MonteCarlo(spec.q, spec.gamma, _episode(spec), np.zeros(spec.num_pairs, np.int32))


def _bytes_of_first_visit(spec: LearnerSpec) -> int:
    return _bytes_of_episode(spec) + 4 * spec.num_pairs


def _window(spec: LearnerSpec) -> n_step.Window:
    n = min(spec.settings.n, spec.max_steps)  # no episode has more steps to look at
    return n_step.Window(np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(n, np.float32), np.zeros(4, np.int64))


def _bytes_of_window(spec: LearnerSpec) -> int:
    return 12 * int(min(spec.settings.n, spec.max_steps))


def _traces(spec: LearnerSpec) -> traces.Traces:
    return traces.Traces(
        eligibility=np.zeros(spec.num_pairs, np.float32),
        pairs=np.empty(spec.num_pairs, np.int64),
        count=np.zeros(1, np.int64),
        decay=np.float32(spec.settings.gamma * spec.settings.lambda_),
        retained=np.float32(spec.settings.accumulating),
    )


def _bytes_of_traces(spec: LearnerSpec) -> int:
    return 12 * spec.num_pairs


def _dyna_q(spec: LearnerSpec, kappa: float = 0.0) -> dyna.DynaQ:
    n = spec.num_pairs
    memory = dyna.Memory(
        next_states=np.zeros(n, np.int32),
        rewards=np.zeros(n, np.float32),
        times=np.full(n, -1, np.int64),
        pairs=np.empty(n, np.int64),
        counters=np.zeros(2, np.int64),
    )
    return dyna.DynaQ(spec.q, spec.gamma, memory, spec.planning(10), np.float32(kappa))


def _bytes_of_memory(spec: LearnerSpec) -> int:
    return 24 * spec.num_pairs


def _unseen(num_outcomes: int) -> npt.NDArray[np.int32]:
    """(num_outcomes, 4) of -1, from a multiple of 64 bytes on: the four moves of a cell are one line of the cache."""
    room = np.full(4 * num_outcomes + 16, -1, np.int32)
    first = -room.ctypes.data % 64 // room.itemsize
    return room[first : first + 4 * num_outcomes].reshape(num_outcomes, 4)


def _sweeping(spec: LearnerSpec, queue: Any, num_planning: int, known_after: int) -> sweeping.Sweeping:
    further = spec.num_outcomes - spec.num_pairs
    outcomes = _unseen(spec.num_outcomes)
    model = sweeping.LearnedModel(
        outcomes,
        rewards=outcomes.view(np.float32),
        pairs=np.zeros(further, np.int32),
        next_outcome=np.full(spec.num_outcomes if further else 0, -1, np.int32),
        first_predecessor=np.full(spec.num_states + 1, -1, np.int32),
        num_further=np.zeros(1, np.int64),
    )
    threshold = np.float32(spec.settings.threshold)
    values = np.full(spec.num_states if threshold > 0.0 else 0, spec.table[0, 0], np.float32)
    return sweeping.Sweeping(spec.q, spec.gamma, model, queue, num_planning, threshold, values, known_after)


def _bytes_of_model(spec: LearnerSpec) -> int:
    if spec.num_outcomes > MAX_OUTCOMES:
        raise SettingError(
            f"a learned model of {spec.num_outcomes:,} outcomes has more than {MAX_OUTCOMES:,}; "
            f"take an algorithm that learns none, such as q-learning, or a smaller world"
        )
    num_further = spec.num_outcomes - spec.num_pairs
    lists = 4 * spec.num_outcomes + 4 * num_further if num_further else 0
    return 16 * spec.num_outcomes + lists + 16 * spec.num_states  # with the lists, and the longest queue


def _line(spec: LearnerSpec) -> queues.FifoQueue:
    n = spec.num_states
    return queues.FifoQueue(np.empty(n, np.int32), np.zeros(n, np.bool_), np.zeros(2, np.int64))


def _prioritized_sweeping(spec: LearnerSpec) -> sweeping.Sweeping:
    n = spec.num_states
    heap = queues.MaxHeap(
        np.empty(n, np.int32), np.full(n, -1, np.int32), np.zeros(n, np.float32), np.zeros(1, np.int64)
    )
    return _sweeping(spec, heap, spec.planning(10), 1)


# The tables -----------------------------------------------------------------------------------------------------------

_STEP = ("alpha",)
ALGORITHMS: dict[str, Algorithm] = {
    row.name: row
    for row in (
        Algorithm(
            "monte-carlo",
            "q[s, a] moves to the return that followed its first visit in the episode",
            "S&B 5.4",
            _STEP,
            _first_visit,
            on_policy=True,
            num_bytes=_bytes_of_first_visit,
        ),
        Algorithm(
            "every-visit-monte-carlo",
            "q[s, a] moves to the return that followed, at every visit",
            "S&B 5.4",
            _STEP,
            lambda spec: episodic.MonteCarlo(spec.q, spec.gamma, _episode(spec), np.zeros(0, np.int32)),
            on_policy=True,
            num_bytes=_bytes_of_episode,
        ),
        Algorithm(
            "sarsa",
            "target r + gamma q[s', a']",
            "S&B eq. 6.7",
            _STEP,
            lambda spec: updates.Sarsa(spec.q, spec.gamma),
            on_policy=True,
            interleaves=True,
        ),
        Algorithm(
            "expected-sarsa",
            "target r + gamma sum_b pi(b | s') q[s', b]",
            "S&B eq. 6.9",
            _STEP,
            lambda spec: updates.ExpectedSarsa(spec.q, spec.gamma, spec.behaviour, spec.visits),
            on_policy=True,
            interleaves=True,
        ),
        Algorithm(
            "q-learning",
            "target r + gamma max_b q[s', b]",
            "S&B eq. 6.8",
            _STEP,
            lambda spec: updates.QLearning(spec.q, spec.gamma),
            interleaves=True,
        ),
        Algorithm(
            "double-q-learning",
            "of two tables, one picks the best next action, the other says what it is worth",
            "S&B eq. 6.10",
            _STEP,
            _double_q_learning,
            interleaves=True,
            num_bytes=_bytes_of_double_q_learning,
        ),
        Algorithm(
            "n-step-sarsa",
            "target r_1 + ... + gamma^n q[s_n, a_n]",
            "S&B eq. 7.5",
            ("alpha", "n"),
            lambda spec: n_step.NStepSarsa(spec.q, spec.gamma, _window(spec)),
            on_policy=True,
            num_bytes=_bytes_of_window,
        ),
        Algorithm(
            "tree-backup",
            "n steps of experience, each weighed by the greedy policy",
            "S&B eq. 7.16",
            ("alpha", "n"),
            lambda spec: n_step.TreeBackup(spec.q, spec.gamma, _window(spec)),
            num_bytes=_bytes_of_window,
        ),
        Algorithm(
            "sarsa-lambda",
            "the error of Sarsa moves all that led to it, by their traces",
            "S&B 12.7",
            ("alpha", "lambda_", "accumulating"),
            lambda spec: traces.SarsaLambda(spec.q, spec.gamma, _traces(spec)),
            on_policy=True,
            num_bytes=_bytes_of_traces,
        ),
        Algorithm(
            "true-online-sarsa-lambda",
            "Sarsa(lambda) with dutch traces: at every step where lambda-returns of what was seen so far would lead",
            "S&B 12.7; van Seijen et al. (2016)",
            ("alpha", "lambda_"),
            lambda spec: traces.TrueOnlineSarsaLambda(spec.q, spec.gamma, _traces(spec), np.zeros(1, np.float32)),
            on_policy=True,
            num_bytes=_bytes_of_traces,
        ),
        Algorithm(
            "watkins-q",
            "the error of Q-learning moves all that led to it, up to the last step that explored",
            "S&B 12.10",
            ("alpha", "lambda_", "accumulating"),
            lambda spec: traces.WatkinsQ(spec.q, spec.gamma, _traces(spec)),
            num_bytes=_bytes_of_traces,
        ),
        Algorithm(
            "dyna-q",
            "Q-learning, and again from remembered steps",
            "S&B 8.2",
            ("alpha", "num_planning"),
            _dyna_q,
            interleaves=True,
            num_bytes=_bytes_of_memory,
            learns_model=True,
        ),
        Algorithm(
            "dyna-q+",
            "Dyna-Q that pays kappa sqrt(tau) more for what was not tried for tau steps",
            "S&B 8.3",
            ("alpha", "num_planning", "kappa"),
            lambda spec: _dyna_q(spec, spec.settings.kappa),
            interleaves=True,
            num_bytes=_bytes_of_memory,
            learns_model=True,
        ),
        Algorithm(
            "prioritized-sweeping",
            "a learned model, backed up where values changed most",
            "S&B 8.4",
            ("num_planning", "threshold"),
            _prioritized_sweeping,
            interleaves=True,
            num_bytes=_bytes_of_model,
            learns_model=True,
        ),
        Algorithm(
            "propagation",
            "a learned model; what is new is passed backwards, first come, first served",
            "Peng & Williams (1993)",
            ("num_planning", "threshold"),
            lambda spec: _sweeping(spec, _line(spec), spec.planning(UNLIMITED), 1),
            behaviour="least-tried",
            initial_values="pessimistic",
            interleaves=True,
            num_bytes=_bytes_of_model,
            learns_model=True,
        ),
        Algorithm(
            "r-max",
            "a learned model in which all that is unknown is worth the most that can be",
            "Brafman & Tennenholtz (2002)",
            ("num_planning", "threshold", "known_after"),
            lambda spec: _sweeping(spec, _line(spec), spec.planning(UNLIMITED), spec.settings.known_after),
            behaviour="greedy",
            initial_values="optimistic",
            interleaves=True,
            num_bytes=_bytes_of_model,
            learns_model=True,
        ),
        Algorithm(
            "backward-replay",
            "Q-learning over an episode from its last step to its first",
            "Lin (1992)",
            _STEP,
            lambda spec: episodic.BackwardReplay(spec.q, spec.gamma, _episode(spec)),
            num_bytes=_bytes_of_episode,
        ),
    )
}
