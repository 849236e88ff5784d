"""Kernels that evaluate and grade policies, compared with their oracles."""

import numpy as np
import pytest

import oracles
from clew.kernels import read_only
from clew.kernels.dynamics import mark_terminal
from clew.kernels.planning.chain_values import backup_chain, chain_residual, solve_chain
from clew.kernels.planning.chains import Chain, Components, find_components, write_chain
from clew.kernels.planning.grading import propagate_suboptimal
from loops import CERTAIN, WORLDS, build, random_table

pytestmark = pytest.mark.kernels


@pytest.fixture(params=WORLDS)
def world(request):
    return build(request.param)


@pytest.fixture(params=CERTAIN)
def certain_world(request):
    return build(request.param)


def random_values(world, seed=0):
    return np.random.default_rng(seed).normal(size=world.mdp.num_states)


# Policies evaluated and graded ----------------------------------------------------------------------------------------


def random_greedy(world, seed):
    """Return a random set of one or more greedy actions for each state."""
    q = random_table(world.shape, seed)
    return q == q.max(axis=1, keepdims=True)


def walk(world, greedy, epsilon):
    n, num_rows = world.mdp.num_states, sum(len(outcomes) for actions in world.rows for outcomes in actions)
    chain = Chain(np.empty(n + 1, np.int64), np.empty(num_rows, np.int32), np.empty(num_rows), np.empty(n, np.bool_))
    reward, goes_on = np.full((2, n), np.nan)
    filled, max_value = write_chain(world.mdp.model, read_only(greedy), epsilon, chain, reward, goes_on)
    assert chain.offsets[n] == filled
    return chain, reward, goes_on, max_value


def components_of(chain):
    n = chain.ends.size
    found = Components(*(np.full(n + more, -1, np.int32) for more in (0, 1, 0)), np.empty(n, np.bool_))
    return found, find_components(chain, found, np.empty((6, n), np.int32), np.empty(n, np.int64))


def solved(chain, pay, gamma, size, target=0.0, max_rows=10**7):
    """Return the values of a chain, with components of up to `size` states solved by elimination, others by sweeps."""
    v, (found, num_components) = np.full(pay.size, np.nan), components_of(chain)
    solve_chain(chain, pay, gamma, found, num_components, v, np.empty((size, size + 1)), target, max_rows)
    return v


def random_probabilities(world, seed):
    """Return random probabilities of actions, some of them 0."""
    rng = np.random.default_rng(seed)
    shares = rng.random(world.shape) * random_greedy(world, seed) + (np.arange(world.shape[1]) == seed) * 0.25
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("weights", [random_greedy, random_probabilities])
@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_write_chain_equals_its_oracle(world, epsilon, weights):
    greedy = weights(world, 1)
    chain, reward, goes_on, max_value = walk(world, greedy, epsilon)
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
    taken = (greedy > 0.0) | (epsilon > 0)
    assert max_value == max(abs(reward) for s, a in np.argwhere(taken) for _, _, reward, _ in world.rows[s][a])


def test_states_without_outcomes_are_terminal(world):
    terminal = np.array([False, True] * world.mdp.num_states)[: world.mdp.num_states]
    mark_terminal(world.mdp.model, world.shape[1], terminal)
    assert terminal.tolist() == [not any(outcomes) for outcomes in world.rows]


def test_a_backup_of_a_chain_equals_a_product_with_its_matrix(world):
    chances, v_after = random_probabilities(world, 1), random_values(world)
    chain, reward, *_ = walk(world, chances, 0.1)
    moves, *_ = oracles.policy_chain(world.rows, chances, 0.1)
    v = np.full(v_after.size, np.nan)
    max_value = backup_chain(chain, reward, v_after, 0.9, v)
    assert v == pytest.approx(reward + 0.9 * moves @ v_after, abs=1e-13)
    assert max_value == abs(v).max()


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
        assert found.recurrent[members].tolist() == [stays] * (last - first)


@pytest.mark.parametrize("size", [1, 64])
@pytest.mark.parametrize(("epsilon", "gamma"), [(0.0, 0.0), (0.0, 0.9), (0.3, 0.99)])
def test_values_of_a_chain_equal_those_of_its_linear_equations(world, size, epsilon, gamma):
    greedy = random_greedy(world, 2)
    chain, reward, *_ = walk(world, greedy, epsilon)
    v = solved(chain, reward, gamma, size)
    expected = oracles.policy_values(world.rows, greedy.tolist(), epsilon, gamma)
    assert v == pytest.approx(expected, rel=1e-9, abs=1e-10)
    residual, max_value = chain_residual(chain, reward, v, gamma)
    assert residual < 1e-11
    assert max_value == abs(v).max()


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
    propagate_suboptimal(chain, *components_of(chain), must_end, np.ones_like(wrong), wrong)
    assert wrong.tolist() == expected.tolist()
