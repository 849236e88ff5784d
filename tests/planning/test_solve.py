import math
from contextlib import nullcontext
from fractions import Fraction

import numpy as np
import pytest

from clew import Environment, FiniteMDP, Maze, PrecisionWarning, SettingError, solve
from oracles import (
    expected_steps,
    grid_world,
    policy_iteration,
    random_layout,
    random_sparse_world,
    sparse_world,
)

OPEN = Maze.open(3, 4)
DISTANCES = np.array([[5, 4, 3, 2], [4, 3, 2, 1], [3, 2, 1, 0]]).reshape(-1)


def ways_worth(distances, gamma, step_reward=0.0, goal_reward=1.0):
    """Return the discounted returns of paths with these numbers of steps, summed step by step."""
    pays = [[step_reward] * (d - 1) + [step_reward + goal_reward] if d else [] for d in distances]
    return np.array([sum(gamma**t * reward for t, reward in enumerate(rewards)) for rewards in pays])


def corridor(length, **settings):
    return Environment(Maze.open(1, length), **settings)


# Deterministic moves: breadth-first search ----------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [0.5, 0.9, 1.0])
@pytest.mark.parametrize(("step_reward", "goal_reward"), [(0.0, 1.0), (-1.0, 0.0), (-0.1, 5.0), (-1.0, -3.0)])
def test_in_the_open_the_distance_decides_the_value(gamma, step_reward, goal_reward):
    if gamma < 1.0 and goal_reward < 0.0:
        step_reward = -10.0  # otherwise never reaching the goal is better
    solution = solve(Environment(OPEN, step_reward=step_reward, goal_reward=goal_reward), gamma=gamma)
    assert solution.method == "breadth-first"
    assert solution.v == pytest.approx(ways_worth(DISTANCES, gamma, step_reward, goal_reward), rel=1e-12)
    assert solution.steps_from.tolist() == DISTANCES.tolist()
    assert (solution.steps, solution.value) == (5.0, solution.v[0])
    assert solution.gamma == gamma


def test_the_chapters_maze_takes_8_steps():
    solution = solve(Maze.open(5, 5))
    assert (solution.steps, solution.value) == (8.0, pytest.approx(0.9**7))


def test_every_action_of_the_policy_leads_closer_and_is_greedy():
    solution = solve(OPEN)
    for s in np.flatnonzero(DISTANCES):
        row, column = np.array(divmod(int(s), 4)) + [(1, 0), (0, -1), (-1, 0), (0, 1)][solution.actions[s]]
        assert DISTANCES[4 * row + column] == DISTANCES[s] - 1
        assert solution.q[s, solution.actions[s]] == pytest.approx(solution.q[s].max()) == pytest.approx(solution.v[s])


def test_a_random_goal_has_a_value_for_every_goal_and_cell():
    solution = solve(Environment(Maze.open(2, 3), random_start=True, random_goal=True))
    cells = [(row, column) for row in range(2) for column in range(3)]
    distances = [abs(goal[0] - cell[0]) + abs(goal[1] - cell[1]) for goal in cells for cell in cells]
    assert solution.steps_from.tolist() == distances
    assert solution.v == pytest.approx(ways_worth(distances, 0.9))
    assert solution.steps == pytest.approx(sum(distances) / 30)  # 30 starts are not on their goal


def test_the_mean_over_starts_is_what_a_random_start_expects():
    solution = solve(Environment(OPEN, random_start=True))
    assert solution.steps == pytest.approx(DISTANCES.sum() / 11)
    assert solution.value == pytest.approx(ways_worth(DISTANCES, 0.9).sum() / 11)


@pytest.mark.parametrize(
    ("gamma", "step_reward", "value"), [(0.9, 0.0, 0.0), (0.9, -0.5, -5.0), (1.0, 0.0, 0.0), (1.0, -0.5, -math.inf)]
)
def test_without_a_way_one_walks_for_ever(gamma, step_reward, value):
    maze = Maze.from_text("S.G#.\n")
    solution = solve(Environment(maze, step_reward=step_reward), gamma=gamma)
    assert solution.v[4] == pytest.approx(value)
    assert solution.steps_from[4] == math.inf
    assert solution.v[3] == 0.0  # nothing happens in a blocked cell


def test_touching_the_outer_wall_changes_nothing_for_those_who_avoid_it():
    solution = solve(Environment(OPEN, outer_wall_reward=-100.0))
    assert solution.v == pytest.approx(ways_worth(DISTANCES, 0.9))
    assert solution.q[0, 1] == pytest.approx(-100.0 + 0.9 * solution.v[0])


# By hand: value iteration ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("slip", "outer"), [(0.0, 0.0), (0.2, 0.0), (0.2, -1.0), (0.6, 0.0)])
def test_a_slippery_step_by_hand(slip, outer):
    """One move to the goal, which slips against a wall: v = (1 - p) + p (outer + gamma v)."""
    solution = solve(corridor(2, slip=slip, outer_wall_reward=outer), tolerance=1e-12)
    assert solution.v[0] == pytest.approx((1 - slip + slip * outer) / (1 - 0.9 * slip), abs=1e-12)
    assert solution.steps == pytest.approx(1 / (1 - slip))


@pytest.mark.parametrize(("hazard_reward", "value", "steps"), [(-0.1, -0.1 + 0.9, 2), (-0.5, 0.9**3, 4)])
def test_a_way_round_a_hazard_is_taken_if_it_is_worth_it(hazard_reward, value, steps):
    """Through the hazard are 2 steps, around it 4, which is better if the hazard costs more than 0.9 - 0.729."""
    maze = Maze.from_text("S!G\n...\n")
    solution = solve(Environment(maze, hazard_reward=hazard_reward))
    assert solution.value == pytest.approx(value, abs=1e-6)
    assert solution.steps == steps


def test_a_reward_for_touching_the_wall_is_taken_for_ever():
    solution = solve(corridor(3, outer_wall_reward=1.0))
    assert solution.value == pytest.approx(10.0, abs=1e-6)
    assert solution.steps == math.inf


def test_a_reward_for_every_step_makes_the_goal_a_place_to_avoid():
    solution = solve(corridor(3, step_reward=1.0, goal_reward=1.0))
    assert solution.value == pytest.approx(10.0, abs=1e-6)
    assert solution.steps == math.inf


def test_gamma_0_sees_only_the_next_reward():
    solution = solve(corridor(4), gamma=0.0)
    assert solution.v.tolist() == [0.0, 0.0, 1.0, 0.0]


# Against linear algebra -----------------------------------------------------------------------------------------------

NOISY = {f"sparse {seed}": lambda seed=seed: random_sparse_world(seed, num_states=12) for seed in range(50)}
NOISY |= {
    f"slippery grid {seed}": lambda seed=seed: grid_world(
        random_layout(seed, 4, 4, slip=0.1 + 0.08 * seed, step_reward=-0.04, outer_wall_reward=-0.5, hazard_reward=-2.0)
    )
    for seed in range(10)
}
NOISY["slippery moving goal"] = lambda: grid_world(random_layout(0, 3, 3, slip=0.2, moving_goal=True))


@pytest.mark.parametrize("name", NOISY)
@pytest.mark.parametrize(("gamma", "tolerance"), [(0.8, 1e-1), (0.97, 1e-3), (0.97, 1e-7)])
def test_the_bound_holds(name, gamma, tolerance):
    world = NOISY[name]()
    solution = solve(world.mdp, gamma=gamma, tolerance=tolerance)
    error = np.abs(solution.v - policy_iteration(world.rows, gamma)).max()
    assert error <= solution.bound + 1e-11  # the error of the linear equations
    assert solution.bound <= tolerance


@pytest.mark.parametrize(
    ("gamma", "tolerance", "is_warned"), [(0.9, 1e-6, False), (0.999, 1e-6, False), (0.9999, 1e-13, True)]
)
def test_the_bound_holds_where_rounding_counts(gamma, tolerance, is_warned):
    """A reward of 0.1 forever: 0.1 / (1 - gamma), computed exactly."""
    with pytest.warns(PrecisionWarning, match="the tolerance of 1e-13") if is_warned else nullcontext():
        solution = solve(sparse_world([[[(1.0, 0, 0.1, False)]]]).mdp, gamma=gamma, tolerance=tolerance)
    error = abs(Fraction(float(solution.v[0])) - Fraction(0.1) / (1 - Fraction(gamma)))
    assert error <= solution.bound
    assert (solution.bound > tolerance) == is_warned


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("gamma", [0.3, 0.9, 0.98])
@pytest.mark.parametrize(
    "rewards", [(1.0, 0.0), (0.0, 0.5), (1.0, 0.3), (-1.0, 0.0), (-1.0, -0.5), (2.0, -0.2), (0.0, 0.0)]
)
def test_whichever_method_it_takes_a_grid_is_solved(seed, gamma, rewards):
    """Breadth-first search is only chosen for rewards under which a shortest path is optimal."""
    goal, step = rewards
    outer = [0.0, -1.0, 0.5][seed % 3]
    layout = random_layout(seed, hazards=0.0, goal_reward=goal, step_reward=step, outer_wall_reward=outer)
    world = grid_world(layout)
    solution = solve(world.mdp, gamma=gamma, tolerance=1e-9)
    assert solution.v == pytest.approx(policy_iteration(world.rows, gamma), abs=1e-8)


@pytest.mark.parametrize("name", NOISY)
def test_expected_steps_solve_the_linear_equations(name):
    world = NOISY[name]()
    solution = solve(world.mdp)
    expected = expected_steps(world.rows, solution.actions.tolist())
    assert solution.steps_from == pytest.approx(expected, rel=1e-9)
    assert solution.steps == pytest.approx(expected[world.mdp.starts].mean(), rel=1e-9)


@pytest.mark.long
def test_expected_steps_of_long_episodes_in_a_large_world():
    """3,000 states, in each of which an episode ends with a probability of 1e-6; sweeps would take millions."""
    next_states = np.random.default_rng(0).integers(3000, size=(3000, 3)).tolist()

    def outcomes(s, a):
        return [((1.0 - 1e-6) / 3.0, t, 1.0, False) for t in next_states[s]] + [(1e-6, s, 1.0, True)]

    mdp = FiniteMDP.from_function(3000, 1, outcomes)
    assert solve(mdp, gamma=0.9).steps_from == pytest.approx(np.full(3000, 1e6), rel=1e-8)


@pytest.mark.parametrize("chance", [0.1, 1e-3, 1e-5, 1e-7])
def test_expected_steps_are_exact_however_long_one_waits(chance):
    """A step ends the episode with this probability, and changes nothing otherwise."""
    world = sparse_world([[[(1.0 - chance, 0, 0.0, False), (chance, 0, 1.0, True)]]])
    assert solve(world.mdp).steps == pytest.approx(1.0 / chance, rel=1e-8)  # 1 - 1e-7 has that many digits


@pytest.mark.parametrize("chance", [0.1, 1e-3, 1e-5])
def test_expected_steps_are_exact_however_long_one_goes_round(chance):
    """Two states alternate, of which the second ends the episode with this probability."""
    rows = [[[(1.0, 1, 0.0, False)]], [[(1.0 - chance, 0, 0.0, False), (chance, 0, 1.0, True)]]]
    assert solve(sparse_world(rows, starts=[0]).mdp).steps == pytest.approx(2.0 / chance, rel=1e-6)


def serpentine(rows, columns):
    """Return a maze with one corridor that runs through every second row, in alternating directions."""
    lines = ["." * columns if row % 2 == 0 else "#" * columns for row in range(rows)]
    for row in range(1, rows, 2):
        column = columns - 1 if row % 4 == 1 else 0
        lines[row] = lines[row][:column] + "." + lines[row][column + 1 :]
    last = lines[-1]
    lines[0], lines[-1] = "S" + lines[0][1:], last[:-1] + "G" if rows % 4 == 3 or rows == 1 else "G" + last[1:]
    return Maze.from_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(("rows", "columns"), [(3, 5), (11, 11), (43, 15)])
def test_a_slippery_way_ends_however_long_it_is(rows, columns):
    """The value of a distant goal is below the tolerance, and still decides the policy."""
    maze = serpentine(rows, columns)
    length = int(maze.distances()[maze.start])
    solution = solve(Environment(maze, slip=0.1))
    assert length < solution.steps < 1.25 * length  # a slip against a wall costs a step, at a corner two


# Settings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [-0.1, 1.1, math.nan])
def test_gamma_must_be_in_range(gamma):
    with pytest.raises(SettingError, match=r"gamma must be a finite number in \[0, 1\]"):
        solve(OPEN, gamma=gamma)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, math.nan])
def test_the_tolerance_must_be_positive(tolerance):
    with pytest.raises(SettingError, match="tolerance must be a finite number above 0"):
        solve(OPEN, tolerance=tolerance)


@pytest.mark.parametrize("world", [OPEN, Environment(OPEN), Environment(OPEN).mdp])
def test_mazes_environments_and_models_are_all_worlds(world):
    solution = solve(world)
    assert solution.steps == 5.0
    assert (solution.q.shape, solution.v.shape, solution.actions.shape) == ((12, 4), (12,), (12,))


def test_a_tighter_tolerance_gives_a_tighter_bound():
    world = Environment(Maze.open(4, 4), slip=0.2, step_reward=-1.0)
    bounds = [
        solve(world, gamma=0.95, tolerance=tolerance, method="gauss-seidel").bound for tolerance in (1e-2, 1e-5, 1e-8)
    ]
    assert bounds[0] > bounds[1] > bounds[2]


def test_a_model_without_starts_of_its_own_is_solved_from_those_it_has():
    mdp = FiniteMDP.grid(OPEN.cells, [9, 10])
    assert solve(mdp).steps == 1.5


@pytest.mark.parametrize("reward", [1e308, -1e308])
@pytest.mark.parametrize(
    "settings", [{}, {"method": "value-iteration"}, {"method": "modified-policy-iteration"}, {"horizon": 50}]
)
def test_values_that_overflow_are_refused(reward, settings):
    mdp = FiniteMDP.from_function(2, 1, lambda s, a: [(1.0, 1 - s, reward, False)])
    with pytest.raises(SettingError, match=r"the values of this world overflow: with rewards of up to 1e\+308"):
        solve(mdp, gamma=0.9, **settings)
    once = FiniteMDP.from_function(2, 1, lambda s, a: [(1.0, 1, reward / 10, True)] if s == 0 else [])
    assert solve(once, gamma=0.9, tolerance=1e300).value == reward / 10
