from fractions import Fraction

import numpy as np
import pytest

import oracles
from clew import (
    Environment,
    FiniteMDP,
    Maze,
    Policy,
    PrecisionError,
    SettingError,
    policy_steps,
    policy_values,
    solve,
)
from clew.evaluation import exact
from clew.evaluation.exact import model_of
from clew.planning import absorbing
from clew.policies.given import weights_of
from oracles import grid_world, random_layout, random_sparse_world, sparse_world

DOWN, LEFT, UP, RIGHT = range(4)


def table(num_states, *actions):
    """Values by which each state takes one action, or, where a list is given, one of several; no probabilities."""
    q = np.zeros((num_states, 4))
    for s, best in enumerate(actions * num_states if len(actions) == 1 else actions):
        q[s, best] = 2.0
    return q


def corridor(**settings):
    """Four steps to the right, from 0 to the goal at 4."""
    return Environment(Maze.open(1, 5), **settings)


# By hand --------------------------------------------------------------------------------------------------------------


def test_the_way_to_the_goal_is_worth_its_discount():
    values = policy_values(corridor(), table(5, RIGHT), gamma=0.5)
    assert values.v.tolist() == [0.125, 0.25, 0.5, 1.0, 0.0]
    assert (values.value, values.gamma) == (0.125, 0.5)
    assert 0.0 <= values.bound < 1e-13
    assert policy_steps(corridor(), table(5, RIGHT)).tolist() == [4.0, 3.0, 2.0, 1.0, 0.0]


def test_ties_are_evaluated_as_even_chances():
    """In state 3, half ends with 1 and half stays: v = 0.5 + 0.5 * 0.5 * v = 2/3, in 2 steps. Before it, one each."""
    q = table(5, RIGHT, RIGHT, RIGHT, [RIGHT, UP], RIGHT)
    assert policy_values(corridor(), q, gamma=0.5).v == pytest.approx([1 / 12, 1 / 6, 1 / 3, 2 / 3, 0.0], abs=1e-15)
    assert policy_steps(corridor(), q).tolist() == [5.0, 4.0, 3.0, 2.0, 0.0]


def test_exploring_takes_any_action():
    """In state 3: 0.7 of the greedy action and 0.1 of each; two of those stay, one goes back."""
    v = policy_values(corridor(), table(5, RIGHT), gamma=0.5, epsilon=0.4).v
    assert v[3] == pytest.approx(0.7 + 0.5 * (0.2 * v[3] + 0.1 * v[2]))
    assert v[0] == pytest.approx(0.5 * (0.3 * v[0] + 0.7 * v[1]))
    n = policy_steps(corridor(), table(5, RIGHT), epsilon=0.4)
    assert n[0] == pytest.approx(1 + 0.3 * n[0] + 0.7 * n[1])
    assert n[3] == pytest.approx(1 + 0.2 * n[3] + 0.1 * n[2])


def test_two_states_that_go_round_are_solved_together():
    """a pays 1 and leads to b, b pays 2 and leads to a: with gamma 1/2, a = 1 + b/2, b = 2 + a/2."""
    world = sparse_world([[[(1.0, 1, 1.0, False)]], [[(1.0, 0, 2.0, False)]]])
    assert policy_values(world.mdp, [[0.0], [0.0]], gamma=0.5).v == pytest.approx([8 / 3, 10 / 3], abs=1e-15)
    assert policy_steps(world.mdp, [[0.0], [0.0]]).tolist() == [np.inf, np.inf]


def test_a_random_walk_is_known_from_the_book():
    """Sutton & Barto, example 6.2: from the five states in the middle, the chance to end on the right is s / 6."""
    rows = [[[(0.5, s - 1, 0.0, s == 0), (0.5, s + 1, float(s == 4), s == 4)]] for s in range(5)]
    rows = [[[(p, min(max(t, 0), 4), r, over) for p, t, r, over in outcomes] for outcomes in row] for row in rows]
    world = sparse_world(rows, starts=[2])
    values = policy_values(world.mdp, np.zeros((5, 1)), gamma=1.0)
    assert values.v == pytest.approx(np.arange(1, 6) / 6, abs=1e-15)
    assert (values.value, values.bound < 1e-13) == (pytest.approx(0.5), True)
    assert policy_steps(world.mdp, np.zeros((5, 1))) == pytest.approx([5, 8, 9, 8, 5])


def test_without_a_discount_a_walk_for_ever_is_worth_all_that_it_is_paid():
    """0 and 1 stay: at a cost, for nothing. 2 gains, 3 both. 4 may come to 0, or end. 5 may come to 0 and 2."""
    rows = [[[(1.0, s, reward, False)]] for s, reward in enumerate([-1.0, 0.0, 1.0])]
    rows += [[[(1.0, 6, 1.0, False)]], [[(0.5, 0, 0.0, False), (0.5, 4, 5.0, True)]]]
    rows += [[[(0.5, 0, 0.0, False), (0.5, 2, 0.0, False)]], [[(1.0, 3, -1.0, False)]], [[(1.0, 1, 3.0, False)]]]
    world = sparse_world(rows)
    values = policy_values(world.mdp, np.zeros((8, 1)), gamma=1.0)
    expected = [-np.inf, 0.0, np.inf, np.nan, -np.inf, np.nan, np.nan, 3.0]
    assert np.array_equal(values.v, expected, equal_nan=True)
    assert values.bound < 1e-13


def test_where_nothing_can_happen_a_value_is_0_in_no_steps():
    env = Environment(Maze.from_text("S.#G\n....\n"))
    right = table(8, RIGHT)
    assert policy_values(env, right, gamma=1.0).v.tolist() == [0.0] * 8
    assert policy_steps(env, right).tolist() == [np.inf, np.inf, 0.0, 0.0] + [np.inf] * 4


def test_a_moving_goal_is_part_of_the_state():
    env = Environment(Maze.open(1, 3), random_start=True, random_goal=True)
    steps = policy_steps(env, table(9, [LEFT, RIGHT])).reshape(3, 3)  # of goal and place
    assert steps == pytest.approx(np.array([[0, 4, 6], [2, 0, 2], [6, 4, 0]]))


# Against linear equations ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(30))
def test_values_and_steps_equal_those_of_linear_equations(seed):
    """A grid or a sparse world, wandering, with ties and slips; gamma up to 0.9999."""
    rng = np.random.default_rng(seed)
    settings = {"slip": (seed % 3) * 0.3, "step_reward": -0.25, "hazard_reward": -3.0, "moving_goal": seed % 4 == 2}
    world = (
        random_sparse_world(seed, 2 + seed, 1 + seed % 5) if seed % 2 else grid_world(random_layout(seed, **settings))
    )
    q = rng.integers(0, 3, world.shape)
    gamma, epsilon = (0.0, 0.5, 0.9, 0.9999)[seed % 4], (0.0, 0.2)[seed // 2 % 2]
    greedy = (q == q.max(axis=1, keepdims=True)).tolist()
    values = policy_values(world.mdp, q, gamma=gamma, epsilon=epsilon)
    expected = oracles.policy_values(world.rows, greedy, epsilon, gamma)
    assert abs(values.v - expected).max() <= values.bound + 1e-11 * abs(expected).max()
    assert values.bound <= 1e-6
    assert values.value == pytest.approx(expected[world.mdp.starts].mean(), abs=1e-6)
    assert policy_steps(world.mdp, q, epsilon=epsilon) == pytest.approx(
        oracles.policy_steps(world.rows, greedy, epsilon), rel=1e-8
    )


@pytest.mark.parametrize("gamma", [0.9, 0.999])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-6, 1e-8])
def test_a_walk_at_random_through_a_large_room_is_within_its_bound(gamma, tolerance):
    """400 states that all come to each other: swept, and not eliminated."""
    env = Environment(Maze.open(20, 20), step_reward=-1.0)
    world = grid_world(oracles.Layout(20, 20, frozenset([(19, 19)]), settings={"step_reward": -1.0}))
    values = policy_values(env, np.zeros((400, 4)), gamma=gamma, tolerance=tolerance)
    error = abs(values.v - oracles.policy_values(world.rows, [[1] * 4] * 400, 0.0, gamma)).max()
    assert error - 1e-11 <= values.bound <= tolerance


def test_the_bound_holds_when_sweeps_run_out(monkeypatch):
    env, q = Environment(Maze.open(20, 20), step_reward=-1.0), np.zeros((400, 4))
    world = grid_world(oracles.Layout(20, 20, frozenset([(19, 19)]), settings={"step_reward": -1.0}))
    expected, steps = oracles.policy_values(world.rows, [[1] * 4] * 400, 0.0, 0.999), policy_steps(env, q)
    monkeypatch.setattr(exact, "MAX_ROWS", 20 * 1600)
    cut_short = policy_values(env, q, gamma=0.999, tolerance=1e-8)  # then by a factorisation
    assert abs(cut_short.v - expected).max() - 1e-11 <= cut_short.bound <= 1e-8
    assert policy_steps(env, q) == pytest.approx(steps, rel=1e-9)
    undiscounted = policy_values(env, q, gamma=1.0)
    assert abs(undiscounted.v + steps - (steps > 0.0)).max() <= undiscounted.bound + 1e-6 < 1e-5


def test_undiscounted_values_of_a_large_room_are_its_steps_within_the_bound():
    env = Environment(Maze.open(20, 20), step_reward=-1.0, goal_reward=0.0)
    values, steps = policy_values(env, np.zeros((400, 4)), gamma=1.0), policy_steps(env, np.zeros((400, 4)))
    world = grid_world(oracles.Layout(20, 20, frozenset([(19, 19)])))
    exact = oracles.policy_steps(world.rows, [[1] * 4] * 400, 0.0)
    assert steps == pytest.approx(exact, rel=1e-8)
    assert abs(values.v + exact).max() <= values.bound + 1e-8 < 1e-3


def lottery(num_states, p):
    """From each state to the next or back to the first, until the last, which ends it: 1/p + 1/p**2 + ... steps."""
    return FiniteMDP.from_function(
        num_states, 1, lambda s, a: [(p, min(s + 1, num_states - 1), 1.0, s == num_states - 1), (1 - p, 0, 1.0, False)]
    )


@pytest.mark.parametrize(("num_states", "p"), [(24, 0.3), (45, 0.5), (120, 0.78)])
def test_steps_are_exact_where_episodes_are_very_long(num_states, p):
    """Up to 7e13 steps; in the sum of probabilities, what is missing counts as staying."""
    exact_p, back = Fraction(p), Fraction(1 - p)
    ratio = back / exact_p + 1  # of the steps from one state to the next, and before it
    expected = [sum((1 / exact_p) * ratio**i for i in range(num_states))]
    for s in range(1, num_states):
        expected.append(expected[0] - sum((1 / exact_p) * ratio**i for i in range(s)))
    steps = policy_steps(lottery(num_states, p), np.zeros((num_states, 1)))
    assert steps == pytest.approx(np.array([float(n) for n in expected]), rel=1e-9)
    values = policy_values(lottery(num_states, p), np.zeros((num_states, 1)), gamma=1.0, tolerance=1e12)
    assert abs(values.v - steps).max() <= values.bound + 1e-9 * steps.max()


def test_steps_that_rounding_hides_are_refused():
    with pytest.raises(PrecisionError, match="expected steps are not proved to within a relative error of 1e-09"):
        policy_steps(lottery(80, 0.5), np.zeros((80, 1)))


def test_steps_of_a_large_world_are_solved_by_factors():
    """A walk at random over 22,500 places, which may also never end in another part of the world."""
    maze = Maze.open(150, 150, obstacles=[(140, column) for column in range(150)], start=(0, 1), goal=(0, 0))
    steps = policy_steps(Environment(maze), np.zeros((22_500, 4))).reshape(150, 150)
    assert np.isinf(steps[141:]).all()
    n = np.pad(steps[:140], 1, mode="edge")
    mean = 1.0 + (n[:-2, 1:-1] + n[2:, 1:-1] + n[1:-1, :-2] + n[1:-1, 2:]) / 4.0
    assert abs((steps[:140] - mean).ravel()[1:]).max() < 1e-8
    assert steps[0, 0] == 0.0


def test_steps_of_a_random_model_that_is_too_large_to_factorise():
    rng = np.random.default_rng(0)
    next_states, n = rng.integers(3000, size=(3000, 3)), 3000

    def outcomes(s, a):
        return [((1.0 - 1e-5) / 3.0, t, 1.0, False) for t in next_states[s].tolist()] + [(1e-5, s, 1.0, True)]

    mdp = FiniteMDP.from_function(n, 1, outcomes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(absorbing, "MAX_COST", 0.0)
        steps = policy_steps(mdp, np.zeros((n, 1)))
    assert steps == pytest.approx(np.full(n, 1e5), rel=1e-9)


def test_undiscounted_values_where_some_are_infinite_and_sweeps_run_out(monkeypatch):
    """A room of 100 places that leads to the end, one that may also lead to a loss without end."""
    rng = np.random.default_rng(0)

    def outcomes(s, a):
        if s == 200:
            return [(1.0, 200, -1.0, False)]
        room = s // 100 * 100
        near = [(0.24, room + int(t), -1.0, False) for t in rng.integers(100, size=4)]
        return [*near, (0.04, s, 3.0, True) if room == 0 else (0.04, 200, 0.0, False)]

    mdp = FiniteMDP.from_function(201, 1, outcomes)
    exact_values = policy_values(mdp, np.zeros((201, 1)), gamma=1.0).v
    monkeypatch.setattr(exact, "MAX_ROWS", 0)
    values = policy_values(mdp, np.zeros((201, 1)), gamma=1.0)
    assert np.isneginf(values.v[100:]).all()
    assert abs(values.v[:100] - exact_values[:100]).max() <= 2e-6
    assert values.bound < 1e-9


@pytest.mark.parametrize("settings", [{}, {"slip": 0.2}, {"outer_wall_reward": -1.0}])
def test_the_optimal_policy_is_worth_the_optimum(settings):
    env = Environment(Maze.open(6, 7), random_start=True, step_reward=-0.1, **settings)
    optimum = solve(env)
    values = policy_values(env, optimum.q)
    assert abs(values.v - optimum.v).max() <= values.bound + optimum.bound / 0.1 + 1e-15
    assert policy_steps(env, optimum) == pytest.approx(optimum.steps_from)


# What may come in -----------------------------------------------------------------------------------------------------


def test_a_policy_a_table_a_maze_a_model_and_an_environment_are_all_understood():
    env = corridor()
    policy = Policy(env, q=table(5, RIGHT))
    expected = policy_values(env, policy).v.tolist()
    for world in (env, env.mdp, env.mdp.to_sparse(), env.maze):
        assert policy_values(world, policy.q.tolist()).v.tolist() == expected


@pytest.mark.parametrize("evaluate", [policy_values, policy_steps])
def test_a_table_of_probabilities_is_refused_unless_it_is_a_policy(evaluate):
    """Read as action values, this one would always go right, and not only three times out of four."""
    table = np.tile([0.25, 0.0, 0.0, 0.75], (5, 1))
    for probabilities in (table, table.astype(np.float32), table.tolist()):
        with pytest.raises(SettingError, match="policy can be read in two ways: its rows sum to 1"):
            evaluate(corridor(), probabilities)
    with pytest.raises(SettingError, match="policy can be read in two ways: its rows sum to 1"):
        evaluate(corridor(), np.vstack([table[:4], np.zeros(4)]))
    for values in (Policy(corridor(), q=table), 2.0 * table, table - 1.0):
        result = evaluate(corridor(), values)
        assert (result[0] if evaluate is policy_steps else result.v[0]) == pytest.approx(
            4.0 if evaluate is policy_steps else 0.9**3
        )


def test_greedy_actions_are_all_that_tie():
    greedy = weights_of([[1, 2, 2, 0], [-np.inf] * 4], model_of(Maze.open(1, 2)))
    assert greedy.tolist() == [[False, True, True, False], [True] * 4]


@pytest.mark.parametrize(
    ("q", "settings", "message"),
    [
        (np.zeros((4, 4)), {}, r"expected action values of shape \(5, 4\), .* got float64 of shape \(4, 4\)"),
        (np.zeros(5), {}, r"or an action for each state, \(5,\) integers, got float64 of shape \(5,\)$"),
        (np.full((5, 4), np.nan), {}, "that are numbers, got NaN"),
        (np.zeros((5, 4)), {"gamma": 1.5}, "gamma must be a finite number in"),
        (np.zeros((5, 4)), {"epsilon": -0.1}, "epsilon must be a finite number in"),
        (np.zeros((5, 4)), {"tolerance": 0.0}, "tolerance must be a finite number above 0"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(q, settings, message):
    with pytest.raises(SettingError, match=message):
        policy_values(corridor(), q, **settings)


def test_a_world_without_a_model_is_refused():
    with pytest.raises(SettingError, match="with a transition table P, got a str"):
        policy_values("5x5", np.zeros((5, 4)))
    assert isinstance(model_of(corridor()), FiniteMDP)
