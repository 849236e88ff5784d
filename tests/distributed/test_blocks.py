"""A world in blocks against the same world as a whole; `test_block_actors.py` has those on a real Ray."""

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as at_most
from hypothesis import strategies as st

from clew import Environment, FiniteMDP, Maze, PrecisionWarning, SettingError, evaluate_values, solve
from clew.distributed.blocks import BlockWorld
from clew.distributed.blocks.exchange import Exchange
from clew.planning.search import breadth_first
from oracles import grid_world, random_layout

STEPS = {"step_reward": -1.0, "goal_reward": 0.0}
LEARNER = {"algorithm": "propagation", "gamma": 1.0, "initial_value": -1e9}


def serpent(rows=9, columns=4):
    """A corridor that goes down, up, down ... : from the start to the goal it crosses every border many times."""
    walls = []
    for column in range(1, 2 * columns - 1, 2):
        gap = rows - 1 if column % 4 == 1 else 0
        walls += [(row, column) for row in range(rows) if row != gap]
    return Maze.open(rows, 2 * columns - 1, goal=(0, 2 * columns - 2), obstacles=walls)


def all_states(world):
    return np.arange(world.mdp.num_states)


# Planning -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_blocks", [1, 2, 3, 9])
def test_a_way_that_crosses_borders_many_times_is_found_exactly(num_blocks):
    maze = serpent()
    optimum = solve(Environment(maze, **STEPS), gamma=1.0)
    assert optimum.steps == 4 * 8 + 6
    with BlockWorld(Environment(maze, **STEPS), num_blocks) as world:
        solution = world.solve(gamma=1.0)
        assert world.values(all_states(world)).tobytes() == optimum.v.tobytes()
    assert solution.bound == optimum.bound
    assert (solution.num_rounds > 0) == (num_blocks > 1)


@at_most(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 7), st.sampled_from([0.5, 0.99, 1.0]))
def test_certain_worlds_are_solved_to_the_same_bits(seed, num_blocks, gamma):
    mdp = grid_world(random_layout(seed, rows=7, columns=4, hazards=0.0, **STEPS)).mdp
    optimum = breadth_first(mdp, gamma, 1e-6)
    with BlockWorld(mdp, num_blocks) as world:
        if np.isneginf(optimum.v[mdp.starts]).any():
            with pytest.raises(SettingError, match="every policy may go on forever and lose without bound") as whole:
                solve(mdp, gamma=gamma)
            with pytest.raises(SettingError) as in_blocks:
                world.solve(gamma=gamma)
            assert str(in_blocks.value) == str(whole.value)
            return
        assert solve(mdp, gamma=gamma).v.tobytes() == optimum.v.tobytes()
        solution = world.solve(gamma=gamma)
        assert solution.value == pytest.approx(optimum.value, rel=1e-12)
        assert world.values(all_states(world)).tobytes() == optimum.v.tobytes()
    assert (solution.bound, solution.method) == (optimum.bound, "breadth-first")


@at_most(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 7), st.sampled_from([0.0, 0.5, 0.95]), st.sampled_from([1e-3, 1e-9]))
def test_uncertain_worlds_are_solved_to_the_bound(seed, num_blocks, gamma, tolerance):
    rewards = {"goal_reward": 2.0, "step_reward": -0.25, "outer_wall_reward": -0.5, "hazard_reward": -3.5}
    mdp = grid_world(random_layout(seed, rows=7, columns=4, slip=0.3, **rewards)).mdp
    optimum = solve(mdp, gamma=gamma, tolerance=1e-12)
    with BlockWorld(mdp, num_blocks) as world:
        solution = world.solve(gamma=gamma, tolerance=tolerance)
        error = np.abs(world.values(all_states(world)) - optimum.v).max()
    assert solution.bound <= tolerance
    assert error <= solution.bound + optimum.bound
    assert solution.method == "modified-policy-iteration"


def test_a_tolerance_below_rounding_ends_and_says_what_was_reached():
    with BlockWorld(Environment(serpent(), slip=0.1), 3) as world:
        with pytest.warns(PrecisionWarning, match="not to within the tolerance of 1e-300"):
            solution = world.solve(gamma=0.9, tolerance=1e-300)
        assert 0.0 < solution.bound < 1e-12


def test_a_block_that_is_all_wall_and_one_that_has_no_way():
    maze = Maze.open(6, 3, goal=(1, 1), start=(0, 0), obstacles=[(row, c) for row in (2, 3) for c in range(3)])
    with BlockWorld(Environment(maze, **STEPS), 3) as world:
        solution = world.solve(gamma=1.0)
        assert world.values([0, 3, 7, 17]).tolist() == [-2.0, -1.0, 0.0, -np.inf]
        world.train(300, num_rounds=2, **LEARNER)
        assert world.grade().optimal_states == 1.0
    assert solution.bound == solve(Environment(maze, **STEPS), gamma=1.0).bound


# The exchange ---------------------------------------------------------------------------------------------------------


def test_only_news_is_passed_on_and_every_byte_is_counted():
    def row(*numbers):
        return np.array(numbers, np.float32)

    borders = {0: (row(0, 0), row(0, 5)), 1: (row(0, 0), row(0, 0)), 2: (row(0, 0), row(9, 9))}
    exchange = Exchange(borders, 0.0)
    halos = exchange.updates()
    assert list(halos) == [1]  # the outer borders have nobody to be told
    assert halos[1][0].tolist() == [0, 5]
    assert halos[1][1] is None
    assert exchange.num_bytes == 8
    exchange.borders[1] = row(1, 0), row(0, 0.25)
    assert list(exchange.updates(min_change=0.5)) == [0]
    assert list(exchange.updates(min_change=0.5)) == []
    assert exchange.num_bytes == 16
    assert list(exchange.updates()) == [2]
    assert exchange.num_bytes == 24


def test_bytes_of_a_solution_add_up():
    """An open grid, goal at the bottom: each border is told once upwards, and once downwards, 4 bytes per cell."""
    with BlockWorld(Environment(Maze.open(8, 5), **STEPS), 4) as world:
        solution = world.solve(gamma=1.0)
        assert solution.num_bytes == 4 * 5 * (3 + 3)
        assert solution.num_rounds == 4
        assert world.max_share == 4 / 8


# Learning -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_rounds", [1, 4])
@pytest.mark.parametrize("num_blocks", [1, 3])
def test_what_is_learned_is_the_optimum(num_blocks, num_rounds):
    env = Environment(serpent(), **STEPS)
    optimum = solve(env, gamma=1.0)
    with BlockWorld(env, num_blocks) as world:
        world.solve(gamma=1.0)
        trained = world.train(2_000, num_rounds=num_rounds, **LEARNER)
        grade, q = world.grade(), world.action_values(all_states(world))
    free = np.isfinite(optimum.v) & (optimum.v < 0)
    assert q.max(axis=1)[free].tolist() == optimum.v[free].tolist()
    assert (grade.optimal_states, grade.mean_error, grade.max_error) == (1.0, 0.0, 0.0)
    assert (trained.num_settling > 1) == (num_blocks > 1)


@pytest.mark.parametrize(
    ("algorithm", "slip"),
    [("q-learning", 0.0), ("q-learning", 0.2), ("propagation", 0.2), ("r-max", 0.2), ("dyna-q", 0.0)],
)
def test_the_grade_is_that_of_the_whole_table(algorithm, slip):
    """Half learned, so that there is something to be wrong."""
    mdp = grid_world(random_layout(12, rows=8, columns=6, hazards=0.0, slip=slip, step_reward=-0.01)).mdp
    optimum = solve(mdp, gamma=0.95)
    with BlockWorld(mdp, 3) as world:
        world.solve(gamma=0.95)
        world.train(400, num_rounds=5, max_episode_steps=10, algorithm=algorithm, gamma=0.95)
        grade, q = world.grade(), world.action_values(all_states(world))
    expected = evaluate_values(mdp, q, gamma=0.95, optimum=optimum)
    assert grade.optimal_states == pytest.approx(expected.optimal_states, abs=1e-12)
    assert 0.2 < grade.optimal_states < 1.0
    matters = ~optimum.optimal_actions.all(axis=1) & np.isfinite(optimum.steps_from)
    assert grade.num_states == matters.sum()
    assert grade.mean_error == pytest.approx(np.abs(q.max(axis=1) - optimum.v)[matters].mean())


def test_q_learning_learns_across_borders():
    env = Environment(Maze.open(8, 4), step_reward=-0.01)
    with BlockWorld(env, 4) as world:
        world.solve(gamma=0.95)
        world.train(8_000, num_rounds=40, alpha=0.5, epsilon=0.5, gamma=0.95)
        assert world.grade().optimal_states == 1.0


def test_the_seed_and_the_blocks_decide():
    def table(num_blocks=2, seed=3, **more):
        with BlockWorld(Environment(serpent(), slip=0.1), num_blocks) as world:
            world.train(200, seed=seed, **{"num_rounds": 5, "num_interleaved": 4, **more})
            return world.action_values(all_states(world)).tobytes()

    assert table() == table()
    different = [table(), table(seed=4), table(num_blocks=3), table(num_rounds=4), table(alpha_schedule="linear")]
    assert len(set(different)) == 5


def test_each_block_has_draws_of_its_own():
    """The second and the third of four are alike."""
    with BlockWorld(Environment(Maze.open(12, 4), step_reward=-1.0), 4) as world:
        world.train(40, num_rounds=1, epsilon=1.0, max_episode_steps=5)
        q = world.action_values(all_states(world)).reshape(4, 12, 4)
    assert q[1].any()
    assert not np.array_equal(q[1], q[2])


def test_rounds_are_told_as_they_are_played():
    rows = []
    with BlockWorld(Environment(Maze.open(6, 4)), 3) as world:
        trained = world.train(100, num_rounds=7, callback=rows.append)
    assert [row.round for row in rows] == list(range(7))
    assert sum(row.num_episodes for row in rows) == 100
    assert sum(row.num_steps for row in rows) == trained.num_steps


# What can't be done ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("world", "num_blocks", "message"),
    [
        (lambda: Environment(Maze.open(3, 3), random_goal=True), 2, "random goal"),
        (lambda: Maze.open(3, 3), 4, "num_blocks must be from 1 to 3, the number of rows"),
        (lambda: Maze.open(3, 3), 0, "num_blocks must be a whole number"),
        pytest.param(
            lambda: Maze.open(3, 3),
            10**5000,
            "num_blocks must be from 1 to 3, the number of rows, not an int",
            id="huge",
        ),
        (
            lambda: FiniteMDP.from_arrays(np.ones((1, 1, 1)), np.zeros(1)),
            1,
            "only mazes with the moves .four. can be cut into blocks",
        ),
        (lambda: gymnasium.make("FrozenLake-v1"), 2, "only mazes with the moves .four. can be cut into blocks"),
    ],
)
def test_worlds_that_are_not_cut(world, num_blocks, message):
    with pytest.raises(SettingError, match=message):
        BlockWorld(world(), num_blocks)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (
            lambda world: world.solve(gamma=1.0),
            "stochastic moves need a discount",
        ),
        (lambda world: world.solve(gamma=1.5), r"gamma must be a finite number in \[0, 1\], not 1.5"),
        (lambda world: world.solve(tolerance=0.0), "tolerance must be a finite number above 0, not 0.0"),
        (lambda world: world.train(10, algorithm="sarsa-lambda"), "algorithm must be one of .* in blocks"),
        (lambda world: world.train(10, num_rounds=0), "num_rounds"),
        (lambda world: world.train(10, num_rounds=10**30), "num_rounds must be a whole number from 1 to"),
        (
            lambda world: world.train(10, num_rounds=10**12),
            "the list of num_rounds=1,000,000,000,000 rounds would take",
        ),
        (lambda world: world.train(10, max_episode_steps=0), "max_episode_steps"),
        (lambda world: world.train(10, max_episode_steps=10**30), "max_episode_steps must be a whole number from 1"),
        (lambda world: (world.train(10), world.grade()), r"call solve\(\) first"),
        (lambda world: world.values([0]), r"call solve\(\) first"),
        (lambda world: world.action_values([0]), r"call train\(\) first"),
    ],
)
def test_what_blocks_can_not_do(work, message):
    with BlockWorld(Environment(Maze.open(4, 4), slip=0.1), 2) as world, pytest.raises(SettingError, match=message):
        work(world)


def test_states_that_are_none_and_a_world_that_nobody_holds():
    world = BlockWorld(Maze.open(4, 4), 2)
    with pytest.raises(SettingError, match="with statement"):
        world.solve()
    with world:
        world.solve()
        with pytest.raises(SettingError, match=r"0\.\.15"):
            world.values([16])
        for states in ([1.7], np.array([True]), None, np.nan, [np.nan], "abc", 10**30, [10**5000], [[0]], 3):
            with pytest.raises(SettingError, match="states must be"):
                world.values(states)
        assert world.values([]).shape == (0,)
        assert set(world.memory()) == {"driver"}
