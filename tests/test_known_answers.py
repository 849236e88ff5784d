"""Textbook results and known optima: what a wrong sign or a shifted index can't survive.

Sparse worlds need a discount; where the textbook has none, gamma is so near 1 that the stated tolerance covers it.
"""

import gymnasium
import numpy as np
import pytest

from clew import Environment, FiniteMDP, Maze, solve, train_policy_parallel
from clew.storage import table_sha256
from loops import settled_values
from oracles import MOVES, backward_induction, policy_iteration, random_sparse_world, sparse_world

NO_DISCOUNT = 0.999999


def gymnasium_world(name, start, **settings):
    """The world that a Gymnasium environment says it is, in its table P[state][action]; from one start, or several."""
    table = gymnasium.make(name, **settings).unwrapped.P
    rows = [[[tuple(row) for row in table[s][a]] for a in sorted(table[s])] for s in sorted(table)]
    return sparse_world(rows, start)


# Sutton & Barto (2018) ------------------------------------------------------------------------------------------------

EXAMPLE_4_1 = [[0, 1, 2, 3], [1, 2, 3, 2], [2, 3, 2, 1], [3, 2, 1, 0]]  # steps to the nearer of two corners


def example_4_1():
    return FiniteMDP.grid(Maze.from_text("G...\n....\n....\n...G\n").cells, 1, step_reward=-1.0, goal_reward=0.0)


def test_example_4_1_small_gridworld():
    solution = solve(example_4_1(), gamma=1.0)
    assert solution.method == "breadth-first search"
    assert solution.v.reshape(4, 4).tolist() == [[-steps for steps in row] for row in EXAMPLE_4_1]


def test_example_4_1_as_a_sparse_world():
    """Three steps, discounted, are worth 3e-6 less."""
    solution = solve(example_4_1().to_sparse(), gamma=NO_DISCOUNT)
    assert solution.method == "value iteration"
    assert solution.v.reshape(4, 4) == pytest.approx(-np.array(EXAMPLE_4_1), abs=5e-6)
    assert solution.steps_from.reshape(4, 4).tolist() == EXAMPLE_4_1


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
    solution = solve(sparse_world(rows, starts=[2]).mdp, gamma=NO_DISCOUNT)
    assert solution.v == pytest.approx(np.arange(1, 6) / 6, abs=2e-5)
    assert solution.steps == pytest.approx(9.0)


def test_example_6_5_windy_gridworld():
    """The best way is 15 steps."""
    wind = [0, 0, 0, 1, 1, 1, 2, 2, 1, 0]

    def move(row, column, a):
        row_next = min(max(row + MOVES[a][0] - wind[column], 0), 6)
        column_next = min(max(column + MOVES[a][1], 0), 9)
        return [(1.0, 10 * row_next + column_next, -1.0, (row_next, column_next) == (3, 7))]

    rows = [[move(row, column, a) for a in range(4)] for row in range(7) for column in range(10)]
    solution = solve(sparse_world(rows, starts=[30]).mdp, gamma=NO_DISCOUNT)
    assert solution.steps == 15.0
    assert solution.value == pytest.approx(-15.0, abs=2e-4)


# Gymnasium's own tables -----------------------------------------------------------------------------------------------


def test_example_6_6_cliff_walking():
    """Gymnasium's own table. 13 steps, discounted, are worth 78e-6 less than 13."""
    solution = solve(gymnasium_world("CliffWalking-v1", 36).mdp, gamma=NO_DISCOUNT)
    assert solution.value == pytest.approx(-13.0, abs=1e-4)
    assert solution.steps == 13.0


def test_slippery_cliff_walking():
    """-64.709176, and the discount of about 65 steps."""
    solution = solve(gymnasium_world("CliffWalking-v1", 36, is_slippery=True).mdp, gamma=NO_DISCOUNT)
    assert solution.value == pytest.approx(-64.709176, abs=0.01)


def test_frozen_lake_is_solved_as_linear_algebra_solves_it():
    world = gymnasium_world("FrozenLake-v1", 0)
    solution = solve(world.mdp, gamma=0.9999)
    assert np.abs(solution.v - policy_iteration(world.rows, 0.9999)).max() <= solution.bound + 1e-10
    assert solution.bound <= 1e-6


def test_frozen_lake_without_a_step_limit_is_worth_14_of_17():
    """About 60 steps, discounted, are worth 5e-5 less."""
    solution = solve(gymnasium_world("FrozenLake-v1", 0).mdp, gamma=NO_DISCOUNT, tolerance=1e-4)
    assert solution.value == pytest.approx(14 / 17, abs=2e-4)


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
    """Gymnasium's table, from the 300 starts that it draws from evenly."""
    env = gymnasium.make("Taxi-v4").unwrapped
    return gymnasium_world("Taxi-v4", np.flatnonzero(env.initial_state_distrib))


def test_taxi_is_worth_7_93():
    """The mean over the 300 starts."""
    world = taxi()
    assert world.mdp.starts.size == 300
    assert solve(world.mdp, horizon=200, gamma=1.0).value == pytest.approx(7.93, abs=1e-6)


# The book's maze, bit for bit -----------------------------------------------------------------------------------------


def test_the_table_of_the_book_is_the_one_it_always_was():
    """What `clew train book` learns, on any machine and in any version: four streams, 10,000 episodes, seed 0."""
    policy = train_policy_parallel(Environment(), 10_000, 4, num_actors=0)
    assert table_sha256(policy.q) == "c7248018a66ea80b114d8a407fed7fc976881785a0cfc1eead9a644a4f2fbf12"


# Learning comes to what planning computes -----------------------------------------------------------------------------

NOISY = {
    "slippery grid": lambda: Environment(Maze.open(3, 3), random_start=True, slip=0.3, step_reward=-0.1).mdp,
    "hazards": lambda: Environment(Maze.open(2, 4, hazards=[(0, 2)]), random_start=True, slip=0.2).mdp,
    "sparse, 3 actions": lambda: random_sparse_world(1, num_states=5, num_actions=3).mdp,
    "sparse, 4 actions": lambda: random_sparse_world(2, num_states=5, num_actions=4).mdp,
}


@pytest.mark.parametrize("name", NOISY)
def test_q_learning_converges_to_the_solution(name):
    """Always exploring, with a step size that falls: each value comes within 3% of the greatest one."""
    mdp = NOISY[name]()
    q = settled_values(mdp)
    solution = solve(mdp, gamma=0.8)
    assert np.abs(q - solution.q).max() < 0.03 * np.abs(solution.q).max()
