"""Every kernel against its oracle; run compiled, without the compiler and with bounds checks (`make test`)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracles
from clew.kernels import read_only
from clew.kernels.backups import (
    backup,
    backup_all,
    bellman_residual,
    best_backup,
    breadth_first,
    label_regions,
    mark_endless,
    steps_sweep,
    sweep,
)
<<<<<<< HEAD
from clew.kernels.behaviours import epsilon_greedy
from clew.kernels.dynamics import num_outcomes, outcome
from clew.kernels.sampling import below, draw_start, new_stream, next_bits, sample, uniform
from clew.kernels.updates import q_learning_update
from clew.kernels.values import greatest
from loops import ALPHA, CERTAIN, GAMMA, WORLDS, build, random_table, rows_of, same_bits
from oracles import grid_world, random_layout, sparse_world
=======
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
>>>>>>> learning

pytestmark = pytest.mark.kernels


@pytest.fixture(params=WORLDS)
def world(request):
    return build(request.param)


@pytest.fixture(params=CERTAIN)
def certain_world(request):
    return build(request.param)


def random_values(world, seed=0):
    return np.random.default_rng(seed).normal(size=world.mdp.num_states)


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


# Planning -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
def test_backups_equal_their_oracle(world, gamma):
    v, q = random_values(world), np.full(world.shape, np.nan)
    backup_all(world.mdp.model, read_only(v), gamma, q)
    expected = oracles.backup_all(world.rows, v.tolist(), gamma)
    assert q.tolist() == expected
    s, a = world.mdp.num_states // 2, world.mdp.num_actions - 1
    assert backup(world.mdp.model, read_only(v), s, a, gamma) == expected[s][a]
    assert best_backup(world.mdp.model, read_only(v), s, world.mdp.num_actions, gamma) == max(expected[s])


def test_both_forms_of_a_world_back_up_the_same_values(world):
    v, sparse = random_values(world), world.mdp.to_sparse()
    q, q_sparse = np.empty(world.shape), np.empty(world.shape)
    backup_all(world.mdp.model, read_only(v), 0.9, q)
    backup_all(sparse.model, read_only(v), 0.9, q_sparse)
    assert np.array_equal(q, q_sparse)


@pytest.mark.parametrize("backwards", [False, True])
def test_sweep_equals_its_oracle(world, backwards):
    v = random_values(world)
    plain = v.tolist()
    for _ in range(2):
        change = sweep(world.mdp.model, v, world.mdp.num_actions, 0.9, backwards)
        assert change == oracles.sweep(world.rows, plain, 0.9, backwards)
        assert v.tolist() == plain


def test_bellman_residual_equals_its_oracle_and_changes_nothing(world):
    v = random_values(world)
    residual = bellman_residual(world.mdp.model, read_only(v), world.mdp.num_actions, 0.9)
    assert residual == oracles.bellman_residual(world.rows, v.tolist(), 0.9)


@pytest.mark.parametrize("seed", range(4))
def test_mark_endless_equals_its_oracle(world, seed):
    policy = np.random.default_rng(seed).integers(world.mdp.num_actions, size=world.mdp.num_states).astype(np.int32)
    endless = np.zeros(world.mdp.num_states, np.bool_)
    mark_endless(world.mdp.model, read_only(policy), endless)
    assert endless.tolist() == oracles.mark_endless(world.rows, policy.tolist())


def test_endless_are_the_states_that_may_come_to_one_without_an_end():
    """0 may end or come to 1, from where only 1 follows; 2 ends surely; 3 comes to 2; 4 to a state of probability 0."""
    rows = [[(0.5, 0, 0.0, True), (0.5, 1, 0.0, False)], [(1.0, 1, 0.0, False)], [(1.0, 2, 0.0, True)]]
    rows += [[(1.0, 2, 0.0, False)], [(1.0, 2, 0.0, False), (0.0, 1, 0.0, False)], []]
    endless = np.zeros(6, np.bool_)
    policy = read_only(np.zeros(6, np.int32))
    mark_endless(sparse_world([[outcomes] for outcomes in rows], starts=[0]).mdp.model, policy, endless)
    assert endless.tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize("backwards", [False, True])
def test_steps_sweep_equals_its_oracle(world, backwards):
    rng = np.random.default_rng(0)
    policy = rng.integers(world.mdp.num_actions, size=world.mdp.num_states).astype(np.int32)
    steps = np.where(oracles.mark_endless(world.rows, policy.tolist()), np.inf, rng.random(policy.size))
    plain = steps.tolist()
    change = steps_sweep(world.mdp.model, read_only(policy), steps, backwards)
    assert change == oracles.steps_sweep(world.rows, policy.tolist(), plain, backwards)
    assert steps.tolist() == plain


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


@pytest.mark.parametrize("seed", range(8))
def test_label_regions_equals_its_oracle(seed):
    layout = random_layout(seed, rows=4, columns=5)
    grid = grid_world(layout).mdp.model
    labels, queue = (np.full(grid.num_cells, 99, np.int32) for _ in range(2))
    label_regions(grid, labels, queue)
    assert labels.tolist() == list(oracles.label_regions(layout).values())
