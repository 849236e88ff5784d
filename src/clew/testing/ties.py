"""Check that ties between actions are broken uniformly at random, or don't matter; without the compiler.

The numbers of the actions have no meaning. So a rule must learn the same, with the actions in another order, if they
have other numbers. A rule that prefers the first of several actions of equal value doesn't.
"""

import numpy as np
import numpy.typing as npt

from clew.kernels.learning.behaviours import choose
from clew.kernels.learning.learners import Step
from clew.kernels.sampling import new_stream
from clew.policies.behaviours import BEHAVIOURS
from clew.testing.subject import NUM_ACTIONS, NUM_STATES, Subject, make_episodes, new_learner, play, value_arrays

NUM_TRIALS = 4
NUM_STREAMS = 200  # for rules that draw random numbers, whose values are compared on average
MAX_Z = 6.0  # standard errors by which two averages may differ
NUM_CHOICES = 4000
ORDERS = ([1, 2, 0], [2, 1, 0], [0, 2, 1])  # of the actions

Values = npt.NDArray[np.float64]


def check_ties(subject: Subject) -> str:
    """Check that a rule, and an exploration strategy of a plug-in, treat actions of equal value alike."""
    for seed in range(NUM_TRIALS):
        rng, order = np.random.default_rng(seed), ORDERS[seed % len(ORDERS)]
        tables = [rng.integers(0, 2, each.shape) for each in value_arrays(new_learner(subject))]  # with many ties
        episodes = make_episodes(subject, seed)[1:]
        here, variance, num_streams = _mean_learned(subject, episodes, tables)
        renamed = [[_renamed(step, order) for step in each] for each in episodes]
        moved = [each[:, order] if each.ndim == 2 else each for each in tables]
        there, other_variance, _ = _mean_learned(subject, renamed, moved)
        expected, variance = here[:, order], variance[:, order] + other_variance
        tolerance = MAX_Z * np.sqrt(variance / num_streams) + 1e-5 * (1.0 + np.abs(expected))
        if (wrong := np.argwhere(~(np.abs(expected - there) <= tolerance))).size:
            s, a = wrong[0].tolist()
            average = " on average" if num_streams > 1 else ""
            return (
                "actions of equal value must be treated alike, whatever their numbers, and with the actions in another "
                f"order q[{s}, {a}] is {there[s, a]:g}{average}, not {expected[s, a]:g}; break ties by best_action(q, "
                "s, bits), and compare values of actions, not their numbers"
            )
    return check_choice(subject)


def _renamed(step: Step, order: list[int]) -> Step:
    """Return a step in which the actions are in another order."""
    a_next = step.next_action
    return step._replace(action=order.index(step.action), next_action=order.index(a_next) if a_next >= 0 else a_next)


def _mean_learned(
    subject: Subject, episodes: list[list[Step]], tables: list[npt.NDArray[np.int64]]
) -> tuple[Values, Values, int]:
    """Return (mean of q, its variance, number of streams) over several streams; one if the rule draws nothing."""
    found = []
    for number in range(NUM_STREAMS):
        learner, stream = new_learner(subject), new_stream(1, number)
        for values, table in zip(value_arrays(learner), tables, strict=True):
            values[:] = table
        play(learner, episodes, stream)
        found.append(learner.q.astype(np.float64))
        if (stream == new_stream(1, number)).all():
            break
    return np.mean(found, axis=0), np.var(found, axis=0), len(found)


def check_choice(subject: Subject) -> str:
    """Check the actions of an exploration strategy of a plug-in: their range, and that ties are equally likely."""
    name = subject.settings.get("behaviour") or subject.row.behaviour
    if ":" not in name:
        return ""
    learner = new_learner(subject)
    for best in ([0, 1], [0, 2], [1, 2], [0, 1, 2]):
        q, stream = np.zeros((NUM_STATES, NUM_ACTIONS), np.float32), new_stream(2)
        q[:, best] = 1.0
        arguments = BEHAVIOURS[name].strategy, q, learner.visits, 0, learner.settings.exploration, stream
        chosen = [int(choose(*arguments)) for _ in range(NUM_CHOICES)]
        if not 0 <= min(chosen) <= max(chosen) < NUM_ACTIONS:
            return f"{name} must choose actions from 0 to {NUM_ACTIONS - 1}, and chose {min(chosen)} to {max(chosen)}"
        counts = np.bincount(chosen, minlength=NUM_ACTIONS)[best]
        if np.abs(counts - counts.mean()).max() > MAX_Z * np.sqrt(counts.mean()):
            return (
                f"{name} must break ties at random, and of {NUM_CHOICES} choices actions {best}, which have the same "
                f"value, got {counts.tolist()}; choose among them by best_action(q, s, bits)"
            )
    return ""
