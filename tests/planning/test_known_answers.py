"""Textbook results and known optima, which a wrong sign or a shifted index would miss."""

import gymnasium
import numpy as np
import pytest

from clew import Environment, FiniteMDP, Maze, solve, train_policy_parallel
from clew.runs.storage import table_sha256
from loops import settled_values
from oracles import MOVES, backward_induction, policy_iteration, random_sparse_world, sparse_world, total_rewards
from worlds import gymnasium_world

# Sutton & Barto (2018) ------------------------------------------------------------------------------------------------

EXAMPLE_4_1 = [[0, 1, 2, 3], [1, 2, 3, 2], [2, 3, 2, 1], [3, 2, 1, 0]]  # steps to the nearer of two corners


def example_4_1():
    return FiniteMDP.grid(Maze.from_text("G...\n....\n....\n...G\n").cells, 1, step_reward=-1.0, goal_reward=0.0)


def test_example_4_1_small_gridworld():
    solution = solve(example_4_1(), gamma=1.0)
    assert solution.method == "breadth-first"
    assert solution.v.reshape(4, 4).tolist() == [[-steps for steps in row] for row in EXAMPLE_4_1]


def test_example_4_1_as_a_sparse_world():
    solution = solve(example_4_1().to_sparse(), gamma=1.0)
    assert solution.method == "best-first"
    assert solution.v.reshape(4, 4) == pytest.approx(-np.array(EXAMPLE_4_1), abs=1e-6)
    assert solution.steps_from.reshape(4, 4).tolist() == EXAMPLE_4_1


@pytest.mark.parametrize("least_stake", [0, 1])
def test_example_4_3_gamblers_problem(least_stake):
    """A coin with p = 0.4 and a capital of 1 to 99: bold play is optimal, and its value is known in closed form.

    A stake of 0 changes nothing and looks as good as any other action, but the policy must not choose it.
    """
    p = 0.4
    rows = [[[]] * 51]
    for s in range(1, 100):
        stakes = [min(max(a, least_stake), s, 100 - s) for a in range(51)]
        rows.append(
            [[(p, min(s + k, 99), float(s + k == 100), s + k == 100), (1 - p, s - k, 0.0, s == k)] for k in stakes]
        )

    def bold(s):  # Dubins & Savage (1965): stake everything, or what is missing to 100
        return p * bold_of[2 * s] if s <= 50 else p + (1 - p) * bold_of[2 * s - 100]

    bold_of = np.zeros(101)
    bold_of[100] = 1.0
    for _ in range(200):
        bold_of[1:100] = [bold(s) for s in range(1, 100)]
    solution = solve(sparse_world(rows).mdp, gamma=1.0, tolerance=1e-9)
    assert solution.v[1:] == pytest.approx(bold_of[1:100], abs=1e-9)
    assert solution.v[[25, 50, 75]] == pytest.approx([0.16, 0.4, 0.64], abs=1e-9)
    assert solution.v[51] == pytest.approx(0.4 + 0.6 * bold_of[2], abs=1e-9)  # the figure's jump beyond the half
    assert np.isfinite(solution.steps_from).all()


def test_example_3_8_gridworld_with_jumps():
    """Figure 3.5: A jumps to A' and pays 10, B to B' and pays 5, the edge costs 1; gamma is 0.9, and it never ends."""
    jumps = {(0, 1): ((4, 1), 10.0), (0, 3): ((2, 3), 5.0)}

    def move(row, column, a):
        there, reward = jumps.get((row, column), ((row + MOVES[a][0], column + MOVES[a][1]), 0.0))
        if not (0 <= there[0] < 5 and 0 <= there[1] < 5):
            there, reward = (row, column), -1.0
        return [(1.0, 5 * there[0] + there[1], reward, False)]

    rows = [[move(row, column, a) for a in range(4)] for row in range(5) for column in range(5)]
    solution = solve(sparse_world(rows).mdp, gamma=0.9)
    figure = [
        [22.0, 24.4, 22.0, 19.4, 17.5],
        [19.8, 22.0, 19.8, 17.8, 16.0],
        [17.8, 19.8, 17.8, 16.0, 14.4],
        [16.0, 17.8, 16.0, 14.4, 13.0],
        [14.4, 16.0, 14.4, 13.0, 11.7],
    ]
    assert solution.v.reshape(5, 5) == pytest.approx(np.array(figure), abs=0.05)  # printed to one decimal
    assert solution.steps == np.inf


def test_example_6_2_random_walk():
    """One action that goes left or right: the values are 1/6 .. 5/6, and 9 steps are expected from the middle."""
    rows = [[[(0.5, max(s - 1, 0), 0.0, s == 0), (0.5, min(s + 1, 4), float(s == 4), s == 4)]] for s in range(5)]
    solution = solve(sparse_world(rows, starts=[2]).mdp, gamma=1.0)
    assert solution.v == pytest.approx(np.arange(1, 6) / 6, abs=1e-6)
    assert solution.steps == pytest.approx(9.0)


def test_example_6_5_windy_gridworld():
    """The optimal path has 15 steps."""
    wind = [0, 0, 0, 1, 1, 1, 2, 2, 1, 0]

    def move(row, column, a):
        row_next = min(max(row + MOVES[a][0] - wind[column], 0), 6)
        column_next = min(max(column + MOVES[a][1], 0), 9)
        return [(1.0, 10 * row_next + column_next, -1.0, (row_next, column_next) == (3, 7))]

    rows = [[move(row, column, a) for a in range(4)] for row in range(7) for column in range(10)]
    solution = solve(sparse_world(rows, starts=[30]).mdp, gamma=1.0)
    assert solution.steps == 15.0
    assert solution.value == pytest.approx(-15.0, abs=1e-6)


# Gymnasium's own tables -----------------------------------------------------------------------------------------------


def test_frozen_lake_is_solved_as_linear_algebra_solves_it():
    world = gymnasium_world("FrozenLake-v1", 0)
    solution = solve(world.mdp, gamma=0.9999)
    assert np.abs(solution.v - policy_iteration(world.rows, 0.9999)).max() <= solution.bound + 1e-10
    assert solution.bound <= 1e-6


WITHOUT_LIMIT = {
    "CliffWalking, example 6.6": (("CliffWalking-v1", 36), {}, -13.0, 13.0),
    "CliffWalking, slippery": (("CliffWalkingSlippery-v1", 36), {}, -64.709176, 64.709176),
    "FrozenLake 4x4": (("FrozenLake-v1", 0), {"map_name": "4x4"}, 14 / 17, None),
    "FrozenLake 8x8": (("FrozenLake-v1", 0), {"map_name": "8x8"}, 1.0, None),
}


@pytest.mark.parametrize("name", WITHOUT_LIMIT)
def test_without_a_step_limit(name):
    """The policy earns its values: on the 8x8 lake 27 states have value 1, and not every tie among them is optimal."""
    arguments, settings, value, steps = WITHOUT_LIMIT[name]
    world = gymnasium_world(*arguments, **settings)
    solution = solve(world.mdp, gamma=1.0)
    assert solution.value == pytest.approx(value, abs=1e-6)
    assert solution.bound <= 1e-6
    assert total_rewards(world.rows, solution.actions) == pytest.approx(solution.v, abs=2e-6)
    assert steps is None or solution.steps == pytest.approx(steps, abs=1e-6)
    assert np.isfinite(solution.steps)
    if "8x8" in name:
        assert np.count_nonzero(np.abs(solution.v - 1.0) < 1e-6) == 27


# With a step limit ----------------------------------------------------------------------------------------------------

STEP_LIMITS = {
    "FrozenLake 4x4": (("FrozenLake-v1", 0), {"map_name": "4x4"}, 100, 0.744190),
    "FrozenLake 8x8": (("FrozenLake-v1", 0), {"map_name": "8x8"}, 200, 0.913220),
    "CliffWalking": (("CliffWalking-v1", 36), {}, 100, -13.0),
}


@pytest.mark.parametrize("name", STEP_LIMITS)
def test_a_step_limit_is_planned_for(name):
    arguments, settings, horizon, value = STEP_LIMITS[name]
    world = gymnasium_world(*arguments, **settings)
    solution = solve(world.mdp, horizon=horizon, gamma=1.0)
    assert solution.value == pytest.approx(value, abs=1e-6)
    assert solution.bound < 1e-10
    assert solution.value == pytest.approx(backward_induction(world.rows, horizon, 1.0)[0][world.mdp.starts[0]])


def taxi():
    """Return Gymnasium's table with its 300 equally likely start states."""
    env = gymnasium.make("Taxi-v4").unwrapped
    return gymnasium_world("Taxi-v4", np.flatnonzero(env.initial_state_distrib))


def test_taxi_is_worth_7_93():
    """The value is the mean over the 300 start states."""
    world = taxi()
    assert world.mdp.starts.size == 300
    assert solve(world.mdp, horizon=200, gamma=1.0).value == pytest.approx(7.93, abs=1e-6)
    assert solve(world.mdp, gamma=1.0).value == pytest.approx(7.93, abs=1e-6)


# The book's maze, bit for bit -----------------------------------------------------------------------------------------


def test_the_table_of_the_book_is_the_one_it_always_was():
    """Four streams, 10,000 episodes, seed 0, on any machine: in a hundred rounds, and as `make demo` learns it."""
    policy = train_policy_parallel(Environment(), 10_000, 4, num_actors=0, sync_every=25)
    assert table_sha256(policy.q) == "c7248018a66ea80b114d8a407fed7fc976881785a0cfc1eead9a644a4f2fbf12"
    policy = train_policy_parallel(Environment(), 10_000, 4, num_actors=0)
    assert table_sha256(policy.q) == "df0321a778947b8a07e57f71ce75f8c5fa704cc991d6e23d89a52bd8d45de952"


# Learning converges to the solution -----------------------------------------------------------------------------------

NOISY = {
    "slippery grid": lambda: Environment(Maze.open(3, 3), random_start=True, slip=0.3, step_reward=-0.1).mdp,
    "hazards": lambda: Environment(Maze.open(2, 4, hazards=[(0, 2)]), random_start=True, slip=0.2).mdp,
    "sparse, 3 actions": lambda: random_sparse_world(1, num_states=5, num_actions=3).mdp,
    "sparse, 4 actions": lambda: random_sparse_world(2, num_states=5, num_actions=4).mdp,
}


@pytest.mark.parametrize("name", NOISY)
def test_q_learning_converges_to_the_solution(name):
    """With constant exploration and decreasing step sizes, each value gets within 3% of the largest one."""
    mdp = NOISY[name]()
    q = settled_values(mdp)
    solution = solve(mdp, gamma=0.8)
    assert np.abs(q - solution.q).max() < 0.03 * np.abs(solution.q).max()
