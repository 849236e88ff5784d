"""Start cells with probabilities: heeded by resets, by what is learned and played, and by all that is computed."""

import gymnasium
import numpy as np
import pytest

import clew
from clew.errors import ClewError, MazeError, SettingError
from clew.kernels.sampling import new_stream

MAZE = clew.Maze.open(1, 5, start=None, goal=(0, 4))
STARTS = {(0, 0): 0.25, (0, 3): 0.75}
CORRIDOR = {"step_reward": -1.0, "goal_reward": 0.0}


def share_of_the_first(states):
    return float((np.asarray(states) == 0).mean())


def test_resets_draw_starts_by_their_probabilities():
    env = clew.Environment(MAZE, starts=STARTS)
    assert set(first := [env.reset(seed=seed)[0] for seed in range(3000)]) == {0, 3}
    assert abs(share_of_the_first(first) - 0.25) < 0.03
    envs = clew.MazeVectorEnv(4000, MAZE, starts=STARTS)
    states, infos = envs.reset(seed=0)
    assert abs(share_of_the_first(states) - 0.25) < 0.03
    assert set(infos["position"][:, 1].tolist()) == {0, 3}
    made = gymnasium.make("clew/Maze-v0", maze=MAZE, starts=STARTS)
    assert made.reset(seed=5)[0] == env.reset(seed=5)[0]


def test_values_and_grades_are_means_over_the_probabilities():
    env = clew.Environment(MAZE, starts=STARTS, **CORRIDOR)
    solution = clew.solve(env, gamma=1.0)
    assert (solution.value, solution.steps) == (-1.75, 1.75)
    assert clew.solve(env, gamma=1.0, horizon=3).value == 0.25 * -3 + 0.75 * -1
    policy = clew.train_policy(env, 500, seed=0, gamma=1.0)
    assert clew.policy_values(env, policy.q, gamma=1.0).value == -1.75
    figures = clew.evaluate_policy(env, policy, gamma=1.0, starts=env.mdp.starts)
    assert (figures.optimal_steps, figures.optimal_return, figures.suboptimality) == (1.75, -1.75, 0.0)
    assert figures.mean_steps == 1.75
    only_right = policy.q.copy()
    only_right[0] = [0.0, 0.0, 0.0, -9.0]  # never leaves the rarer start
    assert clew.evaluate_values(env, only_right, gamma=0.9).optimal_starts == 0.75


@pytest.mark.parametrize("num_interleaved", [1, 4])
def test_compiled_training_draws_them(num_interleaved):
    env = clew.Environment(MAZE, starts=STARTS, **CORRIDOR)
    played = clew.Simulation(env).rollouts(np.zeros((5, 4)), 3000, exploration=1.0, stream=new_stream(1))
    ends = played.terminated | played.truncated
    assert abs(share_of_the_first(played.state[np.concatenate(([True], ends[:-1]))]) - 0.25) < 0.03
    policy = clew.train_policy(env, 4000, seed=2, num_interleaved=num_interleaved, gamma=1.0)
    assert policy.q.max(axis=1).round(3).tolist() == [-4.0, -3.0, -2.0, -1.0, 0.0]


def test_equal_probabilities_are_the_list_of_starts():
    env = clew.Environment(MAZE, starts={(0, 2): 0.5, (0, 0): 0.5})
    assert env.mdp.starts.tolist() == [2, 0]
    single = clew.Environment(MAZE.with_ends((0, 2), None))
    assert np.array_equal(clew.Environment(MAZE, starts={(0, 2): 1.0}).mdp.starts, single.mdp.starts)


@pytest.mark.parametrize("moves", ["eight", "robot"])
def test_other_moves_and_exits_have_weighted_starts(moves):
    maze = clew.Maze.open(3, 3, start=None, exits={(2, 2): 1.0})
    env = clew.Environment(maze, moves=moves, starts={(0, 0): 1, (1, 1): 3})
    assert env.mdp.starts.tolist() == [0, 4, 4, 4]


@pytest.mark.parametrize(
    ("maze", "settings", "message"),
    [
        (MAZE, {"starts": [(0, 0)]}, r"starts must be a dict from \(row, column\) to a probability"),
        (MAZE, {"starts": {(0, 9): 1.0}}, r"the start \(0, 9\) is outside the maze"),
        (MAZE, {"starts": {(0, 4): 1.0}}, r"the start \(0, 4\) is on a goal"),
        (MAZE, {"starts": {}}, "starts must name at least one state"),
        (MAZE, {"starts": {(0, 0): -1.0}}, "must be finite numbers, not negative"),
        (MAZE, {"starts": STARTS, "random_start": True}, "starts must be None with a random start or a random goal"),
        (MAZE, {"starts": STARTS, "random_goal": True}, "starts must be None with a random start or a random goal"),
        (
            clew.Maze.from_text(".#G"),
            {"starts": {(0, 0): 1.0}},
            r"there is no path from the start",
        ),
        (clew.Maze.from_text("..."), {"starts": {(0, 0): 1.0}}, "the maze has no goal"),
        (
            clew.Maze.open(3, 3, start=None),
            {"starts": {(0, 0): 1.0, (1, 1): 1.0}, "moves": "knight"},
            "starts has cells from which the moves 'knight' have no path to a goal",
        ),
    ],
)
def test_starts_that_make_no_sense_are_refused(maze, settings, message):
    with pytest.raises(ClewError, match=message) as caught:
        clew.Environment(maze, **settings)
    assert isinstance(caught.value, MazeError | SettingError)
