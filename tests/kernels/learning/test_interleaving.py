"""Interleaved episodes on one table: against an oracle of coroutines, and split into calls of any size."""

import numba
import numpy as np
import pytest

import oracles_episodes
from clew import ALGORITHMS, Environment, Maze, evaluate_policy, train_policy
from clew.kernels.dynamics import fast_model
from clew.kernels.learning.interleaving import learn_interleaved, new_episode_slots
from clew.kernels.learning.rollouts import EpisodeSpec
from clew.kernels.sampling import new_stream
from loops import (
    ALPHA,
    build,
    first_values,
    new_episode_stats,
    new_learner,
    play,
    random_table,
    rows_of,
    rows_of_totals,
    same_bits,
    used_settings,
)
from oracles_learning import RULES, SETTINGS

pytestmark = pytest.mark.kernels

AGENTS = [name for name, row in ALGORITHMS.items() if row.interleaves]
# Each algorithm compiles its own loop; the others are tested uncompiled only.
SOME = AGENTS if numba.config.DISABLE_JIT else ("q-learning", "dyna-q")
WORLDS = ("sparse, 3 actions", "sparse, 4 actions", "grid", "slippery moving goal")


def interleave(mdp, learner, streams, sizes, max_steps=25):
    """Learn in calls of the given sizes; return (statistics in the order in which episodes end, slots)."""
    slots, ended = new_episode_slots(streams, sum(sizes)), []
    spec = EpisodeSpec(mdp.starts, max_steps, learner.settings.exploring_starts)
    for size in sizes:
        stats = new_episode_stats(size)
        rates = learner.rates(int(slots.counters[1]), size + len(streams), sum(sizes))
        how = rates, slots, stats
        learn_interleaved(fast_model(mdp.model), spec, learner.rule, learner.behaviour, learner.visits, *how)
        ended += rows_of_totals(stats)
    return ended, slots


def streams(n):
    return [new_stream(4, slot) for slot in range(n)]


@pytest.mark.parametrize("num_slots", [1, 3, 8])
@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("algorithm", SOME)
def test_interleaved_episodes_equal_their_oracle(algorithm, name, num_slots):
    world = build(name)
    mdp, q = world.mdp.to_sparse(), first_values(world, algorithm)
    agent, plain_streams = RULES[algorithm].twin(rows_of(q)), [stream.tolist() for stream in streams(num_slots)]
    learner = new_learner(mdp, algorithm, q, behaviour="epsilon-greedy", **used_settings(algorithm, SETTINGS))
    ended, slots = interleave(mdp, learner, streams(num_slots), [20])
    spec = oracles_episodes.EpisodeSpec("epsilon-greedy", None, mdp.starts.tolist(), 25)
    how = [(lambda s, a: ALPHA, 0.3)] * 20
    expected = oracles_episodes.learn_interleaved(world.rows, agent, spec, how, plain_streams)
    assert ended == expected
    assert same_bits(q, agent.q)
    assert slots.rows["stream"].tolist() == plain_streams


@pytest.mark.parametrize("sizes", [[30], [1] * 30, [7, 13, 10], [0, 29, 0, 1], [3, 27]], ids=str)
@pytest.mark.parametrize("num_slots", [4, 50])
def test_calls_of_any_size_learn_the_same(sizes, num_slots):
    """Schedules give each episode its own rates."""
    mdp, results = build("sparse, 4 actions").mdp, []
    settings = {"alpha_schedule": "linear", "exploration_schedule": "exponential", "epsilon": 0.9}
    for cut in ([30], sizes):
        q = random_table((8, 4))
        ended, slots = interleave(mdp, new_learner(mdp, "q-learning", q, **settings), streams(num_slots), cut)
        assert slots.counters[:2].tolist() == [30, 30]
        results.append((q.tobytes(), ended, slots.rows["stream"].tolist()))
    assert results[0] == results[1]


@pytest.mark.parametrize("name", WORLDS)
def test_one_lane_is_one_episode_at_a_time(name):
    mdp, tables = build(name).mdp.to_sparse(), [random_table(build(name).shape) for _ in range(2)]
    ended, slots = interleave(mdp, new_learner(mdp, "q-learning", tables[0]), [new_stream(4)], [10, 15])
    stats, stream = play(mdp, new_learner(mdp, "q-learning", tables[1]), 25)
    assert tables[0].tobytes() == tables[1].tobytes()
    assert ended == stats
    assert slots.rows["stream"][0].tolist() == stream.tolist()


def test_every_lane_has_a_stream_of_its_own():
    """Slots that share a stream would play the same episodes; these differ from the first step."""
    mdp = build("sparse, 4 actions").mdp
    ended, slots = interleave(mdp, new_learner(mdp, epsilon=1.0), streams(6), [6])
    assert len(set(ended)) > 1
    assert len({int(state) for state in slots.rows["stream"][:, 0]}) == 6
    assert all(stream[0] != before[0] for stream, before in zip(slots.rows["stream"], streams(6), strict=True))


@pytest.mark.parametrize("num_interleaved", [2, 8, 300])
def test_a_trainer_plays_every_episode_once_and_finds_the_shortest_way(num_interleaved):
    mdp = Environment(Maze.open(3, 4), step_reward=-0.1).mdp.to_sparse()
    for num_episodes in (1, 250):
        rows = []
        train_policy(mdp, num_episodes, num_interleaved=num_interleaved, callback=rows.append)
        assert sum(row.num_episodes for row in rows) == num_episodes
    tables = [train_policy(mdp, 1000, num_interleaved=num_interleaved, seed=seed) for seed in (5, 5, 6)]
    assert tables[0].q.tobytes() == tables[1].q.tobytes() != tables[2].q.tobytes()
    assert evaluate_policy(mdp, tables[0]).excess_steps == 0.0


def test_more_lanes_than_episodes_change_nothing():
    env = Environment(Maze.open(4, 4))
    one, other = (train_policy(env, 3, num_interleaved=k) for k in (3, 65_536))
    assert one.q.any()
    assert np.array_equal(one.q, other.q)
