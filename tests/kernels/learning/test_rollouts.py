"""The episode loops against their oracles, with Q-learning; `test_rules` has the other update rules."""

import numpy as np
import pytest

import oracles_episodes
from clew.kernels import read_only
from clew.kernels.dynamics import fast_model
from clew.kernels.learning.behaviours import EpsilonGreedy
from clew.kernels.learning.learners import ConstantStepSize
from clew.kernels.learning.rollouts import (
    EpisodeSpec,
    TransitionBatch,
    learn_episodes,
    learn_steps,
    play_episodes,
    replay,
)
from clew.kernels.learning.updates import QLearning
from clew.kernels.sampling import new_stream
from clew.kernels.wide import as_values
from loops import (
    ALPHA,
    ALPHA_ALONE,
    CERTAIN,
    GAMMA,
    NONE,
    WORLDS,
    build,
    new_episode_stats,
    new_learner,
    play,
    random_table,
    rates,
    record,
    rows_of,
    rows_of_totals,
    same_bits,
)
from oracles import sparse_world
from oracles_learning import QLearning as PlainQLearning

pytestmark = pytest.mark.kernels


@pytest.fixture(params=WORLDS)
def world(request):
    return build(request.param)


def q_learning_episodes(mdp, q, max_steps, num_episodes, *, alpha=ALPHA, gamma=GAMMA, epsilon=0.3, seed=4):
    """Learn in place; return (statistics of each episode, the stream afterwards)."""
    stats, stream, spec = new_episode_stats(num_episodes), new_stream(seed), EpisodeSpec(mdp.starts, max_steps, False)
    how = rates(alpha, epsilon, num_episodes)
    learn_episodes(
        fast_model(mdp.model), spec, QLearning(as_values(q), gamma), EpsilonGreedy(), NONE, how, stream, stats
    )
    return rows_of_totals(stats), stream


def q_learning_replay(q, columns, step_size=ALPHA_ALONE, gamma=GAMMA):
    replay(QLearning(as_values(q), gamma), EpsilonGreedy(), NONE, columns, step_size, 0.0, new_stream(0))


def plain_spec(world, max_steps=25):
    return oracles_episodes.EpisodeSpec("epsilon-greedy", None, world.mdp.starts.tolist(), max_steps)


@pytest.mark.parametrize("max_steps", [1, 25])
def test_learn_episodes_equals_its_oracle(world, max_steps):
    q = random_table(world.shape)
    plain, plain_stream = PlainQLearning(rows_of(q), GAMMA), new_stream(4).tolist()
    stats, stream = q_learning_episodes(world.mdp, q, max_steps, 30)
    how = [(lambda s, a: ALPHA, 0.3)] * 30
    expected = oracles_episodes.learn_episodes(world.rows, plain, plain_spec(world, max_steps), how, plain_stream)
    assert same_bits(q, plain.q)
    assert stats == expected
    assert stream.tolist() == plain_stream


@pytest.mark.parametrize("room", [1, 7, 10_000])
def test_stretches_of_any_length_give_the_same_record(world, room):
    q = random_table(world.shape)
    for a, b in zip(record(world, q, 5)[0], record(world, q, 5, room=room)[0], strict=True):
        assert a.tobytes() == b.tobytes()


def test_record_episodes_equals_its_oracle(world):
    q, plain_stream = random_table(world.shape), new_stream(4).tolist()
    columns, stream = record(world, q)
    expected = oracles_episodes.record_episodes(world.rows, rows_of(q), plain_spec(world), 20, 0.3, plain_stream)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
    assert stream.tolist() == plain_stream
    assert same_bits(q, random_table(world.shape))


def test_an_actor_that_learns_acts_as_a_learner_does(world):
    q = random_table(world.shape)
    columns, stream = record(world, q, learns=True, room=7)
    learned = random_table(world.shape)
    stats, expected = q_learning_episodes(world.mdp, learned, 25, 20)
    assert stream.tolist() == expected.tolist()
    assert columns.state.size == sum(steps for steps, *_ in stats)
    assert same_bits(q, random_table(world.shape))  # it had its own copy


@pytest.mark.parametrize("num_steps", [1, 7, 10_000])
@pytest.mark.parametrize("behaviour", ["epsilon-greedy", "persistent"])
def test_steps_in_stretches_of_any_length_are_learned_from_as_whole_episodes(world, behaviour, num_steps):
    """Q-learning remembers nothing of an episode, so that the cuts change no bit."""
    tables = [random_table(world.shape) for _ in range(2)]
    whole, parts = (new_learner(world.mdp, "q-learning", q, gamma=float(GAMMA), behaviour=behaviour) for q in tables)
    stats, expected = play(world.mdp, whole, 20)
    exploration = parts.rates_at(0, 20)[1]
    spec, stream, cursor, totals = EpisodeSpec(world.mdp.starts, 25, False), new_stream(4), np.zeros(4, np.int64), []
    how = parts.rule, parts.behaviour, parts.visits, (ConstantStepSize(ALPHA), exploration), stream
    while cursor[0] < 20:
        totals.append(learn_steps(fast_model(world.mdp.model), spec, *how, 20, num_steps, cursor))
    assert same_bits(*tables)
    assert stream.tolist() == expected.tolist()
    assert all(steps == num_steps for steps, *_ in totals[:-1])
    steps, terminated, rewards = map(sum, zip(*totals, strict=True))
    assert (steps, terminated) == (sum(row[0] for row in stats), sum(row[2] for row in stats))
    assert rewards == pytest.approx(sum(row[1] for row in stats))


def test_a_behaviour_that_minds_the_last_action_learns_and_records_as_its_oracle():
    """Values that rarely change and often tie; batches of any size end in the midst of an episode."""
    world = build("slippery grid")
    acting = oracles_episodes.EpisodeSpec("persistent", None, world.mdp.starts.tolist(), 25)
    q = random_table(world.shape)
    plain, plain_stream = PlainQLearning(rows_of(q), GAMMA), new_stream(4).tolist()
    learner = new_learner(world.mdp, "q-learning", q, gamma=float(GAMMA), behaviour="persistent")
    stats, stream = play(world.mdp, learner, 30)
    expected = oracles_episodes.learn_episodes(
        world.rows, plain, acting, [(lambda s, a: ALPHA, 0.0)] * 30, plain_stream
    )
    assert same_bits(q, plain.q)
    assert stats == expected
    assert stream.tolist() == plain_stream
    for room in (1, 7, 64):
        q, plain_stream = random_table(world.shape), new_stream(4).tolist()
        columns, stream = record(world, q, behaviour="persistent", exploration=0.0, room=room)
        expected = oracles_episodes.record_episodes(world.rows, rows_of(q), acting, 20, 0.0, plain_stream)
        assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
        assert stream.tolist() == plain_stream


def test_records_grow_beyond_their_first_length():
    """Back and forth between two states: three episodes of 800 steps."""
    world = sparse_world([[[(1.0, 1, 0.0, False)]], [[(1.0, 0, 2.5, False)]]], starts=[0])
    columns, _ = record(world, np.zeros((2, 1), np.float32), num_episodes=3, max_steps=800)
    assert columns.state.tolist() == [0, 1] * 1200
    assert columns.next_state.tolist() == [1, 0] * 1200
    assert columns.reward.tolist() == [0.0, 2.5] * 1200
    assert np.flatnonzero(columns.truncated).tolist() == [799, 1599, 2399]
    assert not columns.terminated.any()
    assert not columns.action.any()


def test_replay_equals_its_oracle(world):
    transitions, _ = record(world, random_table(world.shape))
    q = random_table(world.shape, seed=1)
    plain = PlainQLearning(rows_of(q), GAMMA)
    q_learning_replay(q, transitions)
    rows = list(zip(*transitions, strict=True))
    oracles_episodes.replay(plain, rows, plain_spec(world), lambda s, a: ALPHA, 0.0, new_stream(0).tolist())
    assert same_bits(q, plain.q)


def test_play_episodes_equals_its_oracle(world):
    q, starts = random_table(world.shape), world.mdp.starts
    stream, plain_stream = new_stream(4), new_stream(4).tolist()
    stats, discounted = new_episode_stats(starts.size), np.full(starts.size, np.nan)
    play_episodes(world.mdp.model, as_values(read_only(q)), starts, 25, 0.9, 0.3, stream, stats, discounted)
    expected = oracles_episodes.play_episodes(world.rows, rows_of(q), starts.tolist(), 25, 0.9, 0.3, plain_stream)
    assert rows_of_totals(stats) == [episode[:3] for episode in expected]
    # Uncompiled, these sums are float32, which has seven digits.
    assert discounted == pytest.approx([episode[3] for episode in expected], rel=1e-5, abs=1e-5)
    assert stream.tolist() == plain_stream


@pytest.mark.parametrize(("terminated", "value"), [(False, 0.875), (True, 0.625)])
def test_an_episode_that_is_cut_off_bootstraps_and_one_that_ends_does_not(terminated, value):
    """The step computed by hand, as an episode of one step and as a replayed row."""
    world = sparse_world([[[(1.0, 1, 1.0, terminated)]], [[(1.0, 1, 0.0, False)]]], starts=[0])
    q = np.array([[0.5], [2.0]], np.float32)
    replayed = q.copy()
    alpha, gamma = np.float32(0.25), np.float32(0.5)
    columns, _ = record(world, q, num_episodes=1, max_steps=1)
    q_learning_episodes(world.mdp, q, 1, 1, alpha=alpha, gamma=gamma, epsilon=0.0, seed=0)
    q_learning_replay(replayed, columns, ALPHA_ALONE._replace(value=alpha), gamma)
    assert q.tolist() == replayed.tolist() == [[value], [2.0]]
    assert (columns.terminated.tolist(), columns.truncated.tolist()) == ([terminated], [not terminated])


@pytest.mark.parametrize("name", CERTAIN)
def test_both_forms_of_a_world_learn_the_same_bits(name):
    world, tables = build(name), []
    for mdp in (world.mdp, world.mdp.to_sparse()):
        tables.append(np.zeros(world.shape, np.float32))
        q_learning_episodes(mdp, tables[-1], 30, 60, epsilon=0.2, seed=6)
    assert np.array_equal(*tables)
    assert tables[0].any()


def test_an_empty_record_teaches_nothing():
    q = random_table((3, 4))
    q_learning_replay(
        q,
        TransitionBatch(*(read_only(column[:0]) for column in record(build("grid"), np.zeros((12, 4), np.float32))[0])),
    )
    assert same_bits(q, random_table((3, 4)))
