"""Whole episodes of every update rule against its oracle, bit for bit."""

import numba
import numpy as np
import pytest

import oracles_episodes
from clew import ALGORITHMS
from clew.kernels.learning.rollouts import replay
from clew.kernels.sampling import new_stream
from loops import ALPHA, build, first_values, new_learner, play, random_table, record, rows_of, same_bits, used_settings
from oracles_learning import RULES, SETTINGS

pytestmark = pytest.mark.kernels

# All in the sparse form, so that each loop compiles once.
WORLDS = ("sparse, 3 actions", "sparse, 4 actions", "grid", "slippery moving goal")
REPLAYED = ("sarsa", "n-step-sarsa", "double-q-learning", "r-max")


def test_every_algorithm_has_an_oracle():
    assert RULES.keys() == ALGORITHMS.keys()


@pytest.fixture(params=RULES)
def algorithm(request):
    return request.param


@pytest.fixture(params=WORLDS)
def world(request):
    return build(request.param)


class Counting:
    """Sample-average step size: 1 over the number of updates of the value."""

    def __init__(self, shape, num_tables=2):
        self.counts = np.zeros(shape, int)
        self.tables = [Counting(shape, 0) for _ in range(num_tables)]

    def __call__(self, s, a):
        self.counts[s, a] += 1
        return self.without_counting(s, a)

    def without_counting(self, s, a):
        """Return the step size of an update that isn't counted, such as one from memory."""
        return np.float32(1 / max(self.counts[s, a], 1))

    def of_table(self, number):
        """Return the step size of one of two tables, which has its own counts."""
        return self.tables[number]


def plain_spec(world, max_steps=25):
    return oracles_episodes.EpisodeSpec("epsilon-greedy", None, world.mdp.starts.tolist(), max_steps)


def run_both(world, algorithm, max_steps, num_episodes, schedule):
    """Learn with the kernel and its oracle; return (table, statistics of the episodes, stream) of each."""
    q = first_values(world, algorithm)
    agent, plain_stream = RULES[algorithm].twin(rows_of(q)), new_stream(4).tolist()
    settings = {"alpha_schedule": schedule, "behaviour": "epsilon-greedy", **used_settings(algorithm, SETTINGS)}
    learner = new_learner(world.mdp.to_sparse(), algorithm, q, max_steps, **settings)
    stats, stream = play(world.mdp.to_sparse(), learner, num_episodes, max_steps)
    rate = Counting(world.shape) if schedule == "visits" else lambda s, a: ALPHA
    how = [(rate, 0.3)] * num_episodes
    expected = oracles_episodes.learn_episodes(world.rows, agent, plain_spec(world, max_steps), how, plain_stream)
    return (q, stats, stream.tolist()), (agent.q, expected, plain_stream)


@pytest.mark.parametrize("max_steps", [25, 2])
def test_episodes_equal_their_oracle(world, algorithm, max_steps):
    (q, *learned), (expected, *others) = run_both(world, algorithm, max_steps, 15, "constant")
    assert same_bits(q, expected)
    assert learned == others
    assert not np.array_equal(q, first_values(world, algorithm))


# Each algorithm compiles its own loop; the others are tested uncompiled only.
STEPPING = [name for name, row in ALGORITHMS.items() if "alpha" in row.settings]
SOME = STEPPING if numba.config.DISABLE_JIT else ("monte-carlo", "double-q-learning", "dyna-q")


@pytest.mark.parametrize("algorithm", SOME)
def test_averages_of_targets_equal_their_oracle(algorithm):
    (q, *learned), (expected, *others) = run_both(build(WORLDS[1]), algorithm, 6, 30, "visits")
    assert same_bits(q, expected)
    assert learned == others


@pytest.mark.parametrize("algorithm", [name for name in RULES if numba.config.DISABLE_JIT or name in REPLAYED])
@pytest.mark.parametrize("cut", [False, True])
def test_replay_equals_its_oracle(algorithm, cut):
    """A record may end within an episode, which is then truncated."""
    world = build(WORLDS[1])
    transitions, _ = record(world, random_table(world.shape, seed=2))
    transitions = transitions if not cut else type(transitions)(*(column[:17] for column in transitions))
    assert cut == (not (transitions.terminated[-1] or transitions.truncated[-1]))
    q = first_values(world, algorithm)
    agent, stream, plain_stream = RULES[algorithm].twin(rows_of(q)), new_stream(4), new_stream(4).tolist()
    learner = new_learner(world.mdp, algorithm, q, 25, behaviour="epsilon-greedy", **used_settings(algorithm, SETTINGS))
    replay(learner.rule, learner.behaviour, learner.visits, transitions, learner.step_size(float(ALPHA)), 0.3, stream)
    rows = list(zip(*transitions, strict=True))
    oracles_episodes.replay(agent, rows, plain_spec(world), lambda s, a: ALPHA, 0.3, plain_stream)
    assert same_bits(q, agent.q)
    assert stream.tolist() == plain_stream
