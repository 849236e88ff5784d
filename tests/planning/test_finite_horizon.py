from fractions import Fraction

import numpy as np
import pytest

import oracles
from clew import Environment, FiniteMDP, Maze, SettingError, solve
from clew.kernels.planning.horizon import backward_induction_step
from oracles import grid_world, random_layout, random_sparse_world, sparse_world

WORLDS = {f"sparse {seed}": lambda seed=seed: random_sparse_world(seed) for seed in range(8)}
WORLDS |= {f"slippery grid {seed}": lambda seed=seed: grid_world(random_layout(seed, slip=0.2)) for seed in range(3)}
WORLDS["moving goal"] = lambda: grid_world(random_layout(1, 2, 3, moving_goal=True, step_reward=-0.25))


def return_of(rows, policy, s, t, gamma):
    """Return the expected return of a policy for each time step, by following all outcomes."""
    if t == len(policy):
        return 0.0
    return sum(
        p * (reward + (0.0 if terminated else gamma * return_of(rows, policy, s_next, t + 1, gamma)))
        for p, s_next, reward, terminated in rows[s][policy[t, s]]
        if p > 0.0
    )


@pytest.mark.kernels
@pytest.mark.parametrize("name", WORLDS)
def test_a_step_of_induction_equals_its_oracle(name):
    world = WORLDS[name]()
    n, num_actions = world.shape
    v_after, steps_after = np.random.default_rng(0).normal(size=(2, n))
    v, steps, policy = np.empty(n), np.empty(n), np.empty(n, np.uint8)
    max_value = backward_induction_step(world.mdp.model, v_after, steps_after, 0.9, v, steps, policy, num_actions)
    q = np.array(oracles.backup_all(world.rows, v_after, 0.9))
    assert v == pytest.approx(q.max(axis=1))
    assert q[np.arange(n), policy] == pytest.approx(v)
    assert max_value == np.abs(v).max()
    for s in range(n):
        outcomes = world.rows[s][policy[s]]
        assert steps[s] == pytest.approx(
            sum(p * (1 + (not over) * steps_after[after]) for p, after, _, over in outcomes)
        )


@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("name", WORLDS)
def test_values_equal_the_oracle_and_the_policy_earns_them(name, gamma):
    world = WORLDS[name]()
    solution = solve(world.mdp, horizon=4, gamma=gamma)
    values, steps = oracles.backward_induction(world.rows, 4, gamma)
    assert solution.v == pytest.approx(values)
    assert solution.value == pytest.approx(np.array(values)[world.mdp.starts].mean())
    assert solution.actions.shape == (4, world.mdp.num_states)
    assert solution.actions.dtype == np.uint8
    for s in world.mdp.starts[:4]:
        assert return_of(world.rows, solution.actions, s, 0, gamma) == pytest.approx(values[s])
    if gamma == 1.0 and "moving" in name:
        assert solution.steps_from == pytest.approx(steps)


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_covers_all_rounding(seed):
    """Compare with exact fractions of the same numbers, in a world whose probabilities sum to exactly 1."""
    rng = np.random.default_rng(seed)
    parts = [rng.multinomial(1024, [0.3, 0.3, 0.4]) / 1024 for _ in range(12)]
    rows = [
        [
            [(float(p), int(rng.integers(6)), float(rng.normal()), bool(rng.random() < 0.05)) for p in parts[2 * s + a]]
            for a in range(2)
        ]
        for s in range(6)
    ]
    solution = solve(sparse_world(rows).mdp, horizon=40, gamma=0.99)
    exact, _ = oracles.backward_induction(rows, 40, 0.99, Fraction)
    error = max(abs(Fraction(float(v)) - w) for v, w in zip(solution.v, exact, strict=True))
    assert 0 < error <= solution.bound < 1e-11


def test_what_is_best_depends_on_the_time():
    """The small reward ends the episode at once; the large one takes three steps."""
    rows = [[[(1.0, 0, 1.0, True)], [(1.0, 1, 0.0, False)]], [[(1.0, 2, 0.0, False)]] * 2, [[(1.0, 2, 5.0, True)]] * 2]
    mdp = sparse_world(rows, starts=[0]).mdp
    solution = solve(mdp, horizon=4, gamma=1.0)
    assert solution.actions[:, 0].tolist() == [1, 1, 0, 0]
    assert (solution.value, solution.steps) == (5.0, 3.0)
    assert (solve(mdp, horizon=2, gamma=1.0).value, solve(mdp, horizon=2, gamma=1.0).steps) == (1.0, 1.0)


def test_a_horizon_that_is_never_reached_changes_nothing():
    solution = solve(Maze.open(5, 5), horizon=8)
    assert (solution.steps, solution.value) == (8.0, pytest.approx(0.9**7))
    assert solve(Maze.open(5, 5), horizon=7).value == 0.0


def test_a_world_that_never_ends_is_paid_for_every_step():
    solution = solve(sparse_world([[[(1.0, 0, 2.0, False)]]]).mdp, horizon=1000, gamma=1.0)
    assert (solution.value, solution.steps, solution.horizon) == (2000.0, 1000.0, 1000)


def test_more_than_256_actions_have_wider_numbers():
    table = np.zeros((2, 300, 2))
    table[..., 1] = 1.0
    rewards = np.zeros((2, 300))
    rewards[0, 299] = 1.0
    solution = solve(FiniteMDP.from_arrays(table, rewards, terminal=[False, True]), horizon=1)
    assert (solution.actions.dtype, int(solution.actions[0, 0])) == (np.uint16, 299)


@pytest.mark.parametrize("horizon", [0, -1, 2.5, "100"])
def test_a_horizon_is_a_number_of_steps(horizon):
    with pytest.raises(SettingError, match="horizon must be a whole number of at least 1"):
        solve(Maze.open(2, 2), horizon=horizon)


def test_a_horizon_leaves_no_choice_of_method():
    with pytest.raises(SettingError, match="method can't be 'gauss-seidel' with a horizon"):
        solve(Maze.open(2, 2), horizon=3, method="gauss-seidel")


def test_a_policy_that_memory_cannot_hold_is_refused():
    with pytest.raises(SettingError, match="a policy for every step would take"):
        solve(Environment(Maze.open(100, 100)), horizon=10**12)
