"""Every kernel against its oracle; run compiled, without the compiler and with bounds checks (`make test`)."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracles
from clew.kernels import read_only
from clew.kernels.backups import (
    breadth_first,
)
from clew.kernels.chains import Chain, Components, chain_residual, find_components, solve_chain, write_chain
from clew.kernels.dynamics import num_outcomes, outcome
from clew.kernels.grading import mark_shortest, spread_wrong
from clew.kernels.rollouts import (
    Columns,
    Totals,
    play_episodes,
    q_learning_episodes,
    q_learning_replay,
    record_episodes,
)
from clew.kernels.sampling import below, draw_start, epsilon_greedy, new_stream, next_bits, sample, uniform
from clew.kernels.updates import greatest, q_learning_update
from clew.simulation import DTYPES
from oracles import grid_world, random_layout, random_sparse_world, sparse_world

pytestmark = pytest.mark.kernels

# Quarters, so that sums of rewards are exact in float32 too.
REWARDS = {"goal_reward": 2.0, "step_reward": -0.25, "outer_wall_reward": -0.5, "hazard_reward": -3.5}
WORLDS = {
    "grid": lambda: grid_world(random_layout(1, **REWARDS)),
    "tall grid": lambda: grid_world(random_layout(2, rows=6, columns=2, **REWARDS)),
    "one row": lambda: grid_world(random_layout(11, rows=1, columns=6, slip=0.3, **REWARDS)),
    "one column": lambda: grid_world(random_layout(12, rows=5, columns=1, **REWARDS)),
    "slippery grid": lambda: grid_world(random_layout(3, slip=0.3, **REWARDS)),
    "always slipping grid": lambda: grid_world(random_layout(4, slip=1.0, **REWARDS)),
    "moving goal": lambda: grid_world(random_layout(5, rows=3, columns=3, moving_goal=True, **REWARDS)),
    "slippery moving goal": lambda: grid_world(random_layout(6, 2, 3, moving_goal=True, slip=0.25, **REWARDS)),
    "sparse, 1 action": lambda: random_sparse_world(7, num_actions=1),
    "sparse, 3 actions": lambda: random_sparse_world(8, num_actions=3),
    "sparse, 4 actions": lambda: random_sparse_world(9, num_actions=4),
    "sparse, 7 actions": lambda: random_sparse_world(10, num_actions=7),
}
CERTAIN = ("grid", "tall grid", "one column", "moving goal")
ALPHA, GAMMA = np.float32(0.3), np.float32(0.9)


@cache
def build(name):
    return WORLDS[name]()


@pytest.fixture(params=WORLDS)
def world(request):
    return build(request.param)


@pytest.fixture(params=CERTAIN)
def certain_world(request):
    return build(request.param)


def random_table(shape, seed=0):
    """Values with many ties."""
    return np.random.default_rng(seed).integers(-1, 2, shape).astype(np.float32)


def rows_of(q):
    return [list(row) for row in q]


def random_values(world, seed=0):
    return np.random.default_rng(seed).normal(size=world.mdp.num_states)


def empty_totals(n):
    return Totals(np.full(n, -1, np.int64), np.full(n, np.nan), np.zeros(n, np.bool_))


def same_bits(table, rows):
    return np.array_equal(table, np.array(rows, np.float32))


# Draws ----------------------------------------------------------------------------------------------------------------


def test_next_bits_are_those_of_splitmix64():
    stream = np.array([1234567, 0x9E3779B97F4A7C15], np.uint64)  # the published test vector
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [int(next_bits(stream)) for _ in published] == published


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_next_bits_equal_their_oracle(state, increment):
    stream, plain = np.array([state, increment], np.uint64), [state, increment]
    assert [int(next_bits(stream)) for _ in range(3)] == [oracles.next_bits(plain) for _ in range(3)]
    assert stream.tolist() == plain


@given(st.integers(0, 2**32 - 1), st.integers(1, 2**31 - 1))
def test_below_is_in_range_and_equals_its_oracle(half, n):
    drawn = below(np.uint64(half), n)
    assert 0 <= drawn < n
    assert drawn == oracles.below(half, n)


@given(st.integers(0, 2**64 - 1))
def test_uniform_is_in_range_and_equals_its_oracle(bits):
    drawn = uniform(np.uint64(bits))
    assert 0.0 <= drawn < 1.0
    assert drawn == oracles.uniform(bits)


def test_the_greatest_draw_is_below_the_limit():
    assert uniform(np.uint64(2**64 - 1)) == 1.0 - 2.0**-53
    assert below(np.uint64(2**32 - 1), 12) == 11


def test_the_same_key_gives_the_same_stream():
    assert new_stream(7, 1, 2).tolist() == new_stream(7, 1, 2).tolist()


def test_streams_of_different_keys_share_no_draw():
    keys = [(0,), (1,), (0, 0), (0, 1), (1, 0), (0, 0, 0), (0, 256), (2**40,)]
    streams = [new_stream(*key) for key in keys]
    draws = {int(next_bits(stream)) for stream in streams for _ in range(200)}
    assert len(draws) == 200 * len(keys)
    assert len({int(stream[1]) for stream in streams}) == len(keys)
    assert all(stream[1] % 2 == 1 for stream in streams)


@pytest.mark.parametrize("num_starts", [1, 2, 7])
def test_draw_start_equals_its_oracle(num_starts):
    starts = read_only(np.arange(10, 10 + num_starts, dtype=np.int32))
    stream, plain = new_stream(3), new_stream(3).tolist()
    drawn = [draw_start(starts, stream) for _ in range(60)]
    assert drawn == [oracles.draw_start(starts.tolist(), plain) for _ in range(60)]
    assert set(drawn) == set(starts.tolist())
    assert stream.tolist() == plain


def test_a_single_start_takes_no_draw():
    stream = new_stream(3)
    draw_start(read_only(np.array([5], np.int32)), stream)
    assert stream.tolist() == new_stream(3).tolist()


# Actions and ties -----------------------------------------------------------------------------------------------------

# Quantiles of chi-square that an even choice passes once in 10,000 times, by the degrees of freedom.
CHI_SQUARE = {0: 0.0, 1: 15.14, 2: 18.42, 3: 21.11, 4: 23.51, 6: 27.86}
NUM_DRAWS = 1200


def is_even(chosen, candidates):
    """Tell if only the candidates were chosen, each as often as the others."""
    counts = np.array([chosen.count(a) for a in candidates])
    expected = len(chosen) / len(candidates)
    statistic = ((counts - expected) ** 2 / expected).sum()
    return counts.sum() == len(chosen) and statistic <= CHI_SQUARE[len(candidates) - 1]


def choose(num_actions, best, epsilon, num_draws=NUM_DRAWS):
    """Draw actions where `best` are worth 1 and the others less, each something else."""
    q = read_only(np.array([[1.0 if a in best else -float(a) for a in range(num_actions)]], np.float32))
    stream = new_stream(11, num_actions, *best)
    return [int(epsilon_greedy(q, 0, epsilon, stream)) for _ in range(num_draws)]


def subsets_of_four():
    return [[a for a in range(4) if mask >> a & 1] for mask in range(1, 16)]


@pytest.mark.parametrize("best", subsets_of_four(), ids=str)
def test_ties_of_four_actions_are_broken_evenly(best):
    assert is_even(choose(4, best, 0.0), best)


@pytest.mark.parametrize(
    ("num_actions", "best"),
    [(3, [0, 1]), (3, [0, 1, 2]), (5, [0, 1, 4]), (5, [0, 1, 2, 3, 4]), (7, [2, 3, 6]), (7, [0, 1, 2, 3, 4, 5, 6])],
    ids=str,
)
def test_ties_of_any_number_of_actions_are_broken_evenly(num_actions, best):
    assert is_even(choose(num_actions, best, 0.0), best)


@pytest.mark.parametrize("best", [[0, 1], [2, 3], [0, 3], [0, 1, 2]], ids=str)
def test_a_scan_from_a_random_first_action_would_be_noticed(best):
    """The usual shortcut favours the tie after the greatest gap: {0, 1} are split 3 to 1."""
    firsts = np.random.default_rng(0).integers(0, 4, NUM_DRAWS)
    chosen = [next(a % 4 for a in range(first, first + 4) if a % 4 in best) for first in firsts.tolist()]
    assert not is_even(chosen, best)


@pytest.mark.parametrize("num_actions", [1, 2, 3, 4, 5, 7])
def test_epsilon_0_never_explores_and_epsilon_1_is_uniform(num_actions):
    best = num_actions - 1
    assert set(choose(num_actions, [best], 0.0)) == {best}
    assert is_even(choose(num_actions, [best], 1.0), range(num_actions))


@pytest.mark.parametrize("num_actions", [4, 5])
def test_exploring_takes_any_action_with_probability_epsilon(num_actions):
    chosen = choose(num_actions, [1], 0.3, num_draws=5000)
    others = [a for a in chosen if a != 1]
    share = 0.3 * (num_actions - 1) / num_actions
    assert len(others) / 5000 == pytest.approx(share, abs=4 * (share * (1 - share) / 5000) ** 0.5)
    assert is_even(others, [a for a in range(num_actions) if a != 1])


@pytest.mark.parametrize("num_actions", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_epsilon_greedy_equals_its_oracle(num_actions, epsilon):
    q = random_table((40, num_actions), seed=num_actions)
    stream, plain = new_stream(5), new_stream(5).tolist()
    for s in list(range(40)) * 3:
        assert epsilon_greedy(read_only(q), s, epsilon, stream) == oracles.epsilon_greedy(q, s, epsilon, plain)
    assert stream.tolist() == plain


# Dynamics -------------------------------------------------------------------------------------------------------------


def test_outcomes_equal_their_oracle(world):
    for s, actions in enumerate(world.rows):
        for a, expected in enumerate(actions):
            found = [outcome(world.mdp.model, s, a, k) for k in range(num_outcomes(world.mdp.model, s, a))]
            assert found == expected


def test_the_sparse_form_has_the_same_outcomes(world):
    sparse = world.mdp.to_sparse().model
    flat = [row for actions in world.rows for outcomes in actions for row in outcomes]
    assert list(zip(*(column.tolist() for column in sparse[1:5]), strict=True)) == flat
    lengths = [len(outcomes) for actions in world.rows for outcomes in actions]
    assert np.diff(sparse.offsets).tolist() == lengths


def test_sample_equals_its_oracle(world):
    stream, plain = new_stream(1), new_stream(1).tolist()
    for s, actions in enumerate(world.rows):
        for a in range(len(actions)):
            for _ in range(3):
                drawn = sample(world.mdp.model, s, a, stream)
                assert drawn == oracles.sample(world.rows, s, a, plain)
    assert stream.tolist() == plain


def test_outcomes_are_drawn_as_often_as_they_are_probable():
    outcomes = [(0.5, 0, 0.0, False), (0.0, 1, 0.0, False), (0.125, 2, 0.0, False), (0.375, 3, 1.0, True)]
    model = sparse_world([[outcomes], [[]], [[]], [[]]]).mdp.model
    stream = new_stream(2)
    drawn = [sample(model, 0, 0, stream) for _ in range(4000)]
    shares = [sum(s_next == state for s_next, *_ in drawn) / 4000 for state in range(4)]
    assert shares == pytest.approx([0.5, 0.0, 0.125, 0.375], abs=0.03)
    assert all(
        (reward, terminated) == ((1.0, True) if state == 3 else (0.0, False)) for state, reward, terminated in drawn
    )


def test_a_certain_move_takes_no_draw(certain_world):
    stream = new_stream(1)
    for s in range(certain_world.mdp.num_states):
        sample(certain_world.mdp.model, s, s % 4, stream)
    assert stream.tolist() == new_stream(1).tolist()


# The rule -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("terminated", "td_error", "value"), [(False, 1.5, 0.875), (True, 0.5, 0.625)])
def test_q_learning_update_by_hand(terminated, td_error, value):
    """1 + 0.5 * 2 - 0.5 = 1.5, a quarter of which is added; a terminated next state counts 0."""
    q = np.array([[0.0, 0.5], [2.0, -7.0]], np.float32)
    found = q_learning_update(q, 0, 1, np.float32(1), 1, terminated, np.float32(0.25), np.float32(0.5))
    assert found == td_error
    assert q.tolist() == [[0.0, value], [2.0, -7.0]]


@pytest.mark.parametrize("num_actions", [1, 2, 3, 4, 5, 7])
def test_greatest_is_the_maximum_of_the_row(num_actions):
    q = np.random.default_rng(0).normal(size=(50, num_actions)).astype(np.float32)
    assert [greatest(read_only(q), s) for s in range(50)] == q.max(axis=1).tolist()


@pytest.mark.parametrize("num_actions", [1, 3, 4, 7])
def test_q_learning_update_equals_its_oracle(num_actions):
    rng = np.random.default_rng(num_actions)
    q = rng.normal(size=(6, num_actions)).astype(np.float32)
    plain = rows_of(q)
    for _ in range(200):
        s, s_next = rng.integers(6, size=2).tolist()
        a, reward, terminated = int(rng.integers(num_actions)), np.float32(rng.normal()), bool(rng.random() < 0.2)
        step = (s, a, reward, s_next, terminated, ALPHA, GAMMA)
        assert q_learning_update(q, *step) == oracles.q_learning_update(plain, *step)
    assert same_bits(q, plain)


# Episodes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_steps", [1, 25])
def test_q_learning_episodes_equal_their_oracle(world, max_steps):
    q, totals = random_table(world.shape), empty_totals(30)
    plain, stream, plain_stream = rows_of(q), new_stream(4), new_stream(4).tolist()
    q_learning_episodes(world.mdp.model, q, world.mdp.starts, max_steps, ALPHA, GAMMA, 0.3, stream, totals)
    expected = oracles.q_learning_episodes(
        world.rows, plain, world.mdp.starts.tolist(), 30, max_steps, ALPHA, GAMMA, 0.3, plain_stream
    )
    assert same_bits(q, plain)
    assert list(zip(*(column.tolist() for column in totals), strict=True)) == expected
    assert stream.tolist() == plain_stream


def record(world, q, num_episodes=20, max_steps=25, seed=4, room=64):
    """Record in stretches of so many rows, and put them together."""
    stream, place, parts = new_stream(seed), np.zeros(3, np.int64), []
    while place[0] < num_episodes:
        columns = Columns(*(np.empty(room, dtype) for dtype in DTYPES))
        n = record_episodes(
            world.mdp.model, read_only(q), world.mdp.starts, num_episodes, max_steps, 0.3, stream, place, columns
        )
        parts.append([column[:n] for column in columns])
    return Columns(*(np.concatenate(column) for column in zip(*parts, strict=True))), stream


@pytest.mark.parametrize("room", [1, 7, 10_000])
def test_stretches_of_any_length_give_the_same_record(world, room):
    q = random_table(world.shape)
    for a, b in zip(record(world, q, 5)[0], record(world, q, 5, room=room)[0], strict=True):
        assert a.tobytes() == b.tobytes()


def test_record_episodes_equals_its_oracle(world):
    q, plain_stream = random_table(world.shape), new_stream(4).tolist()
    columns, stream = record(world, q)
    starts = world.mdp.starts.tolist()
    expected = oracles.record_episodes(world.rows, rows_of(q), starts, 20, 25, 0.3, plain_stream)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
    assert stream.tolist() == plain_stream
    assert same_bits(q, random_table(world.shape))


def test_records_grow_beyond_their_first_length():
    """Round and round between two states: three episodes of 800 steps."""
    world = sparse_world([[[(1.0, 1, 0.0, False)]], [[(1.0, 0, 2.5, False)]]], starts=[0])
    columns, _ = record(world, np.zeros((2, 1), np.float32), num_episodes=3, max_steps=800)
    assert columns.state.tolist() == [0, 1] * 1200
    assert columns.next_state.tolist() == [1, 0] * 1200
    assert columns.reward.tolist() == [0.0, 2.5] * 1200
    assert np.flatnonzero(columns.truncated).tolist() == [799, 1599, 2399]
    assert not columns.terminated.any()
    assert not columns.action.any()


def test_q_learning_replay_equals_its_oracle(world):
    transitions = Columns(*(read_only(column) for column in record(world, random_table(world.shape))[0]))
    q = random_table(world.shape, seed=1)
    plain = rows_of(q)
    q_learning_replay(q, transitions, ALPHA, GAMMA)
    oracles.q_learning_replay(plain, list(zip(*transitions, strict=True)), ALPHA, GAMMA)
    assert same_bits(q, plain)


def test_play_episodes_equals_its_oracle(world):
    q, starts = random_table(world.shape), world.mdp.starts
    stream, plain_stream = new_stream(4), new_stream(4).tolist()
    totals, discounted = empty_totals(starts.size), np.full(starts.size, np.nan)
    play_episodes(world.mdp.model, read_only(q), starts, 25, 0.9, 0.3, stream, totals, discounted)
    expected = oracles.play_episodes(world.rows, rows_of(q), starts.tolist(), 25, 0.9, 0.3, plain_stream)
    assert list(zip(*(column.tolist() for column in totals), strict=True)) == [episode[:3] for episode in expected]
    # Without the compiler these sums are float32, which has seven digits.
    assert discounted == pytest.approx([episode[3] for episode in expected], rel=1e-5, abs=1e-5)
    assert stream.tolist() == plain_stream


@pytest.mark.parametrize(("terminated", "value"), [(False, 0.875), (True, 0.625)])
def test_an_episode_that_is_cut_off_bootstraps_and_one_that_ends_does_not(terminated, value):
    """The hand-computed step again, as an episode of one step and as a replayed row."""
    world = sparse_world([[[(1.0, 1, 1.0, terminated)]], [[(1.0, 1, 0.0, False)]]], starts=[0])
    q, totals = np.array([[0.5], [2.0]], np.float32), empty_totals(1)
    replayed = q.copy()
    alpha, gamma = np.float32(0.25), np.float32(0.5)
    columns, _ = record(world, q, num_episodes=1, max_steps=1)
    q_learning_episodes(world.mdp.model, q, world.mdp.starts, 1, alpha, gamma, 0.0, new_stream(0), totals)
    q_learning_replay(replayed, Columns(*(read_only(column) for column in columns)), alpha, gamma)
    assert q.tolist() == replayed.tolist() == [[value], [2.0]]
    assert (columns.terminated.tolist(), columns.truncated.tolist()) == ([terminated], [not terminated])


def test_both_forms_of_a_world_learn_the_same_bits(certain_world):
    tables = []
    for mdp in (certain_world.mdp, certain_world.mdp.to_sparse()):
        q, totals = np.zeros(certain_world.shape, np.float32), empty_totals(60)
        q_learning_episodes(mdp.model, q, mdp.starts, 30, ALPHA, GAMMA, 0.2, new_stream(6), totals)
        tables.append(q)
    assert np.array_equal(*tables)
    assert tables[0].any()


# Planning -------------------------------------------------------------------------------------------------------------


# Policies evaluated and graded ----------------------------------------------------------------------------------------


def random_greedy(world, seed):
    """One to all of the actions of each state."""
    q = random_table(world.shape, seed)
    return q == q.max(axis=1, keepdims=True)


def walk(world, greedy, epsilon):
    n, num_rows = world.mdp.num_states, sum(len(outcomes) for actions in world.rows for outcomes in actions)
    chain = Chain(np.empty(n + 1, np.int64), np.empty(num_rows, np.int32), np.empty(num_rows), np.empty(n, np.bool_))
    reward, goes_on = np.full((2, n), np.nan)
    filled, greatest = write_chain(world.mdp.model, read_only(greedy), epsilon, chain, reward, goes_on)
    assert chain.offsets[n] == filled
    return chain, reward, goes_on, greatest


def components_of(chain):
    n = chain.ends.size
    found = Components(*(np.full(n + more, -1, np.int32) for more in (0, 1, 0)), np.empty(n, np.bool_))
    return found, find_components(chain, found, np.empty((6, n), np.int32), np.empty(n, np.int64))


def solved(chain, pay, gamma, size, target=0.0, max_rows=10**7):
    """Values of a chain whose components of up to `size` states are solved by elimination, others by sweeps."""
    v, (found, num_components) = np.full(pay.size, np.nan), components_of(chain)
    solve_chain(chain, pay, gamma, found, num_components, v, np.empty((size, size + 1)), target, max_rows)
    return v


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_write_chain_equals_its_oracle(world, epsilon):
    greedy = random_greedy(world, 1)
    chain, reward, goes_on, greatest = walk(world, greedy, epsilon)
    moves, *expected = oracles.policy_chain(world.rows, greedy.tolist(), epsilon)
    dense = np.zeros_like(moves)
    np.add.at(
        dense,
        (np.repeat(np.arange(greedy.shape[0]), np.diff(chain.offsets)), chain.next_states[: chain.offsets[-1]]),
        chain.probabilities[: chain.offsets[-1]],
    )
    assert dense == pytest.approx(moves, abs=1e-15)
    assert reward == pytest.approx(expected[0], abs=1e-14)
    assert goes_on == pytest.approx(expected[1], abs=1e-15)
    assert chain.ends.tolist() == expected[2].tolist()
    taken = greedy | (epsilon > 0)
    assert greatest == max(abs(reward) for s, a in np.argwhere(taken) for _, _, reward, _ in world.rows[s][a])


@pytest.mark.parametrize("seed", range(4))
def test_components_are_the_states_that_come_to_each_other_successors_first(world, seed):
    greedy = random_greedy(world, seed)
    found, num_components = components_of(walk(world, greedy, 0.0)[0])
    moves, _, _, ends = oracles.policy_chain(world.rows, greedy.tolist(), 0.0)
    reach = oracles.reachable(moves)
    n = len(moves)
    assert sorted(found.order.tolist()) == list(range(n))
    assert found.order[found.rank].tolist() == list(range(n))
    assert found.firsts[num_components] == n
    for first, last in zip(found.firsts[:num_components], found.firsts[1:], strict=False):
        s = found.order[first]
        members = np.isin(range(n), found.order[first:last])
        assert members.tolist() == (reach[s] & reach[:, s]).tolist()
        assert (found.rank[reach[s]] < last).all()
        stays = np.array_equal(reach[s], members) and not ends[members].any()
        assert found.stays[members].tolist() == [stays] * (last - first)


@pytest.mark.parametrize("size", [1, 64])
@pytest.mark.parametrize(("epsilon", "gamma"), [(0.0, 0.0), (0.0, 0.9), (0.3, 0.99)])
def test_values_of_a_chain_equal_those_of_its_linear_equations(world, size, epsilon, gamma):
    greedy = random_greedy(world, 2)
    chain, reward, *_ = walk(world, greedy, epsilon)
    v = solved(chain, reward, gamma, size)
    expected = oracles.policy_values(world.rows, greedy.tolist(), epsilon, gamma)
    assert v == pytest.approx(expected, rel=1e-9, abs=1e-10)
    residual, greatest = chain_residual(chain, reward, v, gamma)
    assert residual < 1e-11
    assert greatest == abs(v).max()


@pytest.mark.parametrize("size", [1, 64])
@pytest.mark.parametrize("seed", range(3))
def test_steps_of_a_chain_equal_those_of_its_linear_equations(world, size, seed):
    greedy = random_greedy(world, seed)
    chain, _, goes_on, _ = walk(world, greedy, 0.0)
    expected = oracles.policy_steps(world.rows, greedy.tolist(), 0.0)
    assert solved(chain, goes_on, 1.0, size) == pytest.approx(expected, rel=1e-8)


def test_chain_residual_equals_its_oracle_and_looks_past_infinite_values(world):
    greedy = random_greedy(world, 3)
    chain, reward, *_ = walk(world, greedy, 0.0)
    moves = oracles.policy_chain(world.rows, greedy.tolist(), 0.0)[0]
    v = random_values(world)
    expected = abs(reward + 0.9 * moves @ v - v)
    assert chain_residual(chain, reward, v, 0.9) == pytest.approx((expected.max(), abs(v).max()))
    alone = np.flatnonzero(moves.sum(axis=0) == moves.diagonal())[:1]  # states that no other leads to
    v[alone] = np.inf
    rest = np.isfinite(v)
    assert chain_residual(chain, reward, v, 0.9)[0] == pytest.approx(expected[rest].max())


@pytest.mark.parametrize("seed", range(4))
def test_spread_wrong_equals_its_oracle(world, seed):
    greedy = random_greedy(world, seed)
    chain = walk(world, greedy, 0.0)[0]
    moves, _, _, ends = oracles.policy_chain(world.rows, greedy.tolist(), 0.0)
    wrong, must_end = np.random.default_rng(seed).random((2, len(moves))) < [[0.1], [0.5]]
    expected = oracles.spread_wrong(moves, ends, must_end, wrong)
    spread_wrong(chain, *components_of(chain), must_end, np.ones_like(wrong), wrong)
    assert wrong.tolist() == expected.tolist()


def test_mark_shortest_marks_the_actions_that_lead_closer(certain_world):
    layout = certain_world.layout
    moving = layout.settings.get("moving_goal")
    steps = []
    for goal in layout.places if moving else [None]:
        distances = oracles.breadth_first(layout, [goal] if moving else sorted(layout.goals))
        steps += [np.inf if distance is None else distance for distance in distances.values()]
    expected = [
        [not row[a] or steps[s] == np.inf or steps[row[a][0][1]] < steps[s] for a in range(4)]
        for s, row in enumerate(certain_world.rows)
    ]
    shortest = np.zeros(certain_world.shape, np.bool_)
    mark_shortest(certain_world.mdp.model, read_only(np.array(steps, float)), shortest)
    assert shortest.tolist() == expected


# Searching ------------------------------------------------------------------------------------------------------------


def search(layout, goal):
    grid = grid_world(layout).mdp.model
    distances, actions, queue = (np.full(grid.num_cells, 99, np.int32) for _ in range(3))
    breadth_first(grid, goal, distances, actions, queue)
    return distances.tolist(), actions.tolist()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("goal", [-1, 0, 5])
def test_breadth_first_equals_its_oracle_and_every_action_leads_closer(seed, goal):
    layout = random_layout(seed, rows=4, columns=5)
    distances, actions = search(layout, goal)
    goals = sorted(layout.goals) if goal < 0 else [layout.places[goal]]
    expected = oracles.breadth_first(layout, goals)
    assert distances == [-1 if distance is None else distance for distance in expected.values()]
    for (here, distance), a in zip(expected.items(), actions, strict=True):
        if distance:
            there = layout.ahead(here, a)
            assert layout.is_open(here, there)
            assert expected[there] == distance - 1
        else:
            assert a == 0
