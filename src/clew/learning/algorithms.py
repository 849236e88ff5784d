"""The table of algorithms, a row each: its update, source, settings, and how its memory is allocated.

The update rule is a kernel in `clew.kernels.learning`: `updates` has those of one step; `n_step`, `traces`, `episodic`,
`dyna` and `sweeping` have the others. A new algorithm is a kernel, a row here, and a test. `declarations` says what a
row holds; `clew.register_algorithm` adds those of users.

    >>> import clew
    >>> row = clew.ALGORITHMS["sarsa"]
    >>> row.update, row.source, row.on_policy
    ("Sarsa target: r + gamma q[s', a']", 'S&B eq. 6.7', True)
    >>> [name for name, row in clew.ALGORITHMS.items() if row.learns_model]
    ['dyna-q', 'dyna-q+', 'prioritized-sweeping', 'propagation', 'r-max']

S&B is Sutton & Barto (2018), Reinforcement learning: an introduction, second edition.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels.learning import dyna, episodic, n_step, queues, sweeping, traces, updates
from clew.learning.declarations import EPISODE, RUN, STEP, Algorithm, LearnerSpec

UNLIMITED = 2**31 - 1  # planning updates after a step: until the queue is empty
MAX_OUTCOMES = 2**31 - 1  # of a learned model, which numbers them by int32


# Memory ---------------------------------------------------------------------------------------------------------------


def _make_double_q_learning(spec: LearnerSpec) -> updates.DoubleQLearning:
    """Allocate double Q-learning: two copies of the table, each with counts of its updates if they are counted."""
    counted = spec.table.shape if spec.counted else (0, 0)
    counts = np.zeros(counted, np.int32), np.zeros(counted, np.int32)
    return updates.DoubleQLearning(spec.q, spec.table.copy(), spec.table.copy(), *counts, spec.gamma)


def _make_episode(spec: LearnerSpec) -> episodic.Episode:
    """Allocate memory for the transitions of one episode, as long as the step limit allows."""
    n = spec.max_steps
    return episodic.Episode(
        np.empty(n, np.int32),
        np.empty(n, np.int32),
        np.empty(n, np.float32),
        np.empty(n, np.int32),
        np.zeros(1, np.int64),
    )


def _bytes_of_episode(spec: LearnerSpec) -> int:
    return 16 * spec.max_steps


def _make_window(spec: LearnerSpec) -> n_step.Window:
    """Allocate memory for the last n transitions, or those of a whole episode if it has fewer."""
    n = min(spec.settings.n, spec.max_steps)
    return n_step.Window(np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(n, np.float32), np.zeros(4, np.int64))


def _make_traces(spec: LearnerSpec) -> traces.Traces:
    """Allocate an eligibility trace for every pair of state and action, all 0."""
    return traces.Traces(
        eligibility=np.zeros(spec.table.size, np.float32),
        pairs=np.empty(spec.table.size, np.int64),
        count=np.zeros(1, np.int64),
        decay=np.float32(spec.settings.gamma * spec.settings.lambda_),
        retained=np.float32(spec.settings.accumulating),
    )


def _bytes_of_traces(spec: LearnerSpec) -> int:
    return 12 * spec.table.size


def _make_dyna_q(spec: LearnerSpec, kappa: float = 0.0) -> dyna.DynaQ:
    """Allocate Dyna-Q: memory for the last transition of every pair; kappa above 0 makes it Dyna-Q+."""
    n = spec.table.size
    memory = dyna.Memory(
        next_states=np.zeros(n, np.int32),
        rewards=np.zeros(n, np.float32),
        times=np.full(n, -1, np.int64),
        pairs=np.empty(n, np.int64),
        counters=np.zeros(2, np.int64),
    )
    return dyna.DynaQ(spec.q, spec.gamma, memory, spec.num_planning(10), np.float32(kappa))


def _empty_outcomes(num_outcomes: int) -> npt.NDArray[np.int32]:
    """Return a (num_outcomes, 4) int32 array of -1, aligned to 64 bytes: four actions of a state are one cache line."""
    memory = np.full(4 * num_outcomes + 16, -1, np.int32)
    first = -memory.ctypes.data % 64 // memory.itemsize
    return memory[first : first + 4 * num_outcomes].reshape(num_outcomes, 4)


def _make_sweeping(spec: LearnerSpec, queue: Any, num_planning: int, known_after: int) -> sweeping.Sweeping:
    """Allocate an empty learned model, and the planning that works on it.

    Args:
        spec: see `LearnerSpec`; it gives the size of the model, and the threshold.
        queue: empty queue of the states whose predecessors are to be backed up.
        num_planning: number of states taken from the queue after each step.
        known_after: tries after which the model of a pair is used.
    """
    further = spec.num_outcomes - spec.table.size
    outcomes = _empty_outcomes(spec.num_outcomes)
    model = sweeping.LearnedModel(
        outcomes,
        rewards=outcomes.view(np.float32),
        pairs=np.zeros(further, np.int32),
        next_outcome=np.full(spec.num_outcomes if further else 0, -1, np.int32),
        first_predecessor=np.full(len(spec.table) + 1, -1, np.int32),
        num_further=np.zeros(1, np.int64),
    )
    threshold = np.float32(spec.settings.threshold)
    values = spec.table.max(axis=1) if threshold > 0.0 else np.zeros(0, np.float32)
    return sweeping.Sweeping(spec.q, spec.gamma, model, queue, num_planning, threshold, values, known_after)


def _bytes_of_model(spec: LearnerSpec) -> int:
    """Return the bytes of a learned model, with its lists of outcomes and a queue.

    Raises:
        SettingError: if the model has more outcomes than it can number.
    """
    if spec.num_outcomes > MAX_OUTCOMES:
        raise SettingError(
            f"a learned model must have at most {MAX_OUTCOMES:,} outcomes, and this world has {spec.num_outcomes:,}; "
            "use an algorithm without a model, such as q-learning, or a smaller world"
        )
    num_further = spec.num_outcomes - spec.table.size
    lists = 4 * spec.num_outcomes + 4 * num_further if num_further else 0
    return 16 * spec.num_outcomes + lists + 16 * len(spec.table)  # 4 of first_predecessor, 12 of the heap


def _make_fifo_queue(spec: LearnerSpec) -> queues.FifoQueue:
    n = len(spec.table)
    return queues.FifoQueue(np.empty(n, np.int32), np.zeros(n, np.bool_), np.zeros(2, np.int64))


def _make_prioritized_sweeping(spec: LearnerSpec) -> sweeping.Sweeping:
    """Allocate prioritized sweeping: a learned model, and a heap of states by the change of their value."""
    n = len(spec.table)
    heap = queues.MaxHeap(
        np.empty(n, np.int32), np.full(n, -1, np.int32), np.zeros(n, np.float32), np.zeros(1, np.int64)
    )
    return _make_sweeping(spec, heap, spec.num_planning(10), 1)


# The table ------------------------------------------------------------------------------------------------------------

_STEP = ("alpha",)
ALGORITHMS: dict[str, Algorithm] = {
    row.name: row
    for row in (
        Algorithm(
            "monte-carlo",
            "Monte Carlo target: the return after the first visit to (s, a) in the episode",
            "S&B 5.4",
            _STEP,
            lambda spec: episodic.MonteCarlo(
                spec.q, spec.gamma, _make_episode(spec), np.zeros(spec.table.size, np.int32)
            ),
            on_policy=True,
            num_bytes=lambda spec: _bytes_of_episode(spec) + 4 * spec.table.size,
            learns_at_end=True,
            memory=EPISODE,
        ),
        Algorithm(
            "every-visit-monte-carlo",
            "Monte Carlo target: the return after each visit to (s, a)",
            "S&B 5.4",
            _STEP,
            lambda spec: episodic.MonteCarlo(spec.q, spec.gamma, _make_episode(spec), np.zeros(0, np.int32)),
            on_policy=True,
            num_bytes=_bytes_of_episode,
            learns_at_end=True,
            memory=EPISODE,
        ),
        Algorithm(
            "sarsa",
            "Sarsa target: r + gamma q[s', a']",
            "S&B eq. 6.7",
            _STEP,
            lambda spec: updates.Sarsa(spec.q, spec.gamma),
            on_policy=True,
            interleaves=True,
            memory=STEP,
        ),
        Algorithm(
            "expected-sarsa",
            "Expected Sarsa target: r + gamma sum_b pi(b | s') q[s', b]",
            "S&B eq. 6.9",
            _STEP,
            lambda spec: updates.ExpectedSarsa(spec.q, spec.gamma, spec.behaviour, spec.visits),
            on_policy=True,
            interleaves=True,
            memory=STEP,
        ),
        Algorithm(
            "q-learning",
            "Q-learning target: r + gamma max_b q[s', b]",
            "S&B eq. 6.8",
            _STEP,
            lambda spec: updates.QLearning(spec.q, spec.gamma),
            interleaves=True,
            memory=STEP,
        ),
        Algorithm(
            "double-q-learning",
            "two tables: r + gamma q2[s', argmax_b q1[s', b]]; a coin picks the one that is updated",
            "S&B eq. 6.10",
            _STEP,
            _make_double_q_learning,
            interleaves=True,
            num_bytes=lambda spec: (16 if spec.counted else 8) * spec.table.size,
            memory=STEP,
        ),
        Algorithm(
            "n-step-sarsa",
            "n-step Sarsa target: r_1 + gamma r_2 + ... + gamma^n q[s_n, a_n]",
            "S&B eq. 7.5",
            ("alpha", "n"),
            lambda spec: n_step.NStepSarsa(spec.q, spec.gamma, _make_window(spec)),
            on_policy=True,
            num_bytes=lambda spec: 12 * int(min(spec.settings.n, spec.max_steps)),
            memory=EPISODE,
        ),
        Algorithm(
            "tree-backup",
            "n-step tree backup with the greedy policy as target policy",
            "S&B eq. 7.16",
            ("alpha", "n"),
            lambda spec: n_step.TreeBackup(spec.q, spec.gamma, _make_window(spec)),
            num_bytes=lambda spec: 12 * int(min(spec.settings.n, spec.max_steps)),
            memory=EPISODE,
        ),
        Algorithm(
            "sarsa-lambda",
            "Sarsa error times eligibility trace, for all pairs; replacing or accumulating traces",
            "S&B 12.7",
            ("alpha", "lambda_", "accumulating"),
            lambda spec: traces.SarsaLambda(spec.q, spec.gamma, _make_traces(spec)),
            on_policy=True,
            num_bytes=_bytes_of_traces,
            memory=EPISODE,
        ),
        Algorithm(
            "true-online-sarsa-lambda",
            "Sarsa(lambda) with dutch traces, which equals the online lambda-return algorithm",
            "S&B 12.7; van Seijen et al. (2016)",
            ("alpha", "lambda_"),
            lambda spec: traces.TrueOnlineSarsaLambda(spec.q, spec.gamma, _make_traces(spec), np.zeros(1, np.float32)),
            on_policy=True,
            num_bytes=_bytes_of_traces,
            memory=EPISODE,
        ),
        Algorithm(
            "watkins-q",
            "Q-learning error times eligibility trace, for all pairs; exploratory actions cut the traces",
            "S&B 12.10",
            ("alpha", "lambda_", "accumulating"),
            lambda spec: traces.WatkinsQ(spec.q, spec.gamma, _make_traces(spec)),
            num_bytes=_bytes_of_traces,
            memory=EPISODE,
        ),
        Algorithm(
            "dyna-q",
            "Q-learning target, also for remembered transitions drawn at random",
            "S&B 8.2",
            ("alpha", "num_planning"),
            _make_dyna_q,
            interleaves=True,
            num_bytes=lambda spec: 24 * spec.table.size,
            learns_model=True,
            memory=RUN,
        ),
        Algorithm(
            "dyna-q+",
            "Dyna-Q with an exploration bonus of kappa * sqrt(steps since last tried) in planning",
            "S&B 8.3",
            ("alpha", "num_planning", "kappa"),
            lambda spec: _make_dyna_q(spec, spec.settings.kappa),
            interleaves=True,
            num_bytes=lambda spec: 24 * spec.table.size,
            learns_model=True,
            memory=RUN,
        ),
        Algorithm(
            "prioritized-sweeping",
            "expected backups of a learned model, largest change of value first",
            "S&B 8.4",
            ("num_planning", "threshold"),
            _make_prioritized_sweeping,
            interleaves=True,
            num_bytes=_bytes_of_model,
            learns_model=True,
            memory=RUN,
        ),
        Algorithm(
            "propagation",
            "expected backups of a learned model, in first-in, first-out order",
            "Peng & Williams (1993)",
            ("num_planning", "threshold"),
            lambda spec: _make_sweeping(spec, _make_fifo_queue(spec), spec.num_planning(UNLIMITED), 1),
            behaviour="least-tried",
            initial_values="pessimistic",
            interleaves=True,
            num_bytes=_bytes_of_model,
            learns_model=True,
            memory=RUN,
        ),
        Algorithm(
            "r-max",
            "expected backups of a learned model; unknown actions keep the initial value r_max / (1 - gamma)",
            "Brafman & Tennenholtz (2002)",
            ("num_planning", "threshold", "known_after"),
            lambda spec: _make_sweeping(
                spec, _make_fifo_queue(spec), spec.num_planning(UNLIMITED), spec.settings.known_after
            ),
            behaviour="greedy",
            initial_values="optimistic",
            interleaves=True,
            num_bytes=_bytes_of_model,
            learns_model=True,
            memory=RUN,
        ),
        Algorithm(
            "backward-replay",
            "Q-learning target for all transitions of an episode, last one first, at its end",
            "Lin (1992)",
            _STEP,
            lambda spec: episodic.BackwardReplay(spec.q, spec.gamma, _make_episode(spec)),
            num_bytes=_bytes_of_episode,
            learns_at_end=True,
            memory=EPISODE,
        ),
    )
}
