"""Worlds of Sutton & Barto (2018) and random worlds, as sparse models.

`rows[s][a]` lists (probability, next state, reward, terminated); actions on a grid are down, left, up, right.
"""

from statistics import NormalDist

import gymnasium
import numpy as np
from gymnasium.wrappers import RecordEpisodeStatistics
from scipy.stats import binom

from oracles import MOVES, sparse_world


def only_steps(env):
    """A wrapper that Clew doesn't know, so that the environment inside is stepped in Python."""
    return RecordEpisodeStatistics(env)


def chain(num_states, left_reward=0.0, right_reward=1.0):
    """Make the random walk of examples 6.2 and 7.1: one action, which goes left or right with probability 1/2."""
    last = num_states - 1
    rows = [
        [
            [
                (0.5, max(s - 1, 0), left_reward if s == 0 else 0.0, s == 0),
                (0.5, min(s + 1, last), right_reward if s == last else 0.0, s == last),
            ]
        ]
        for s in range(num_states)
    ]
    return sparse_world(rows, [num_states // 2]).mdp


def grid(rows, columns, start, goal, reward, walls=(), wind=None, cliff=()):
    """Make a grid world with deterministic moves.

    Args:
        rows: number of rows.
        columns: number of columns.
        start: (row, column) of the start; None for a random start.
        goal: (row, column) of the goal, where episodes end.
        reward: (of a move, of a move to the goal, of a fall from the cliff).
        walls: places of blocked cells.
        wind: for each column, the number of rows by which a move is shifted up.
        cliff: places that lead back to the start.
    """
    step_reward, goal_reward, cliff_reward = reward
    wind = [0] * columns if wind is None else wind

    def move(here, a):
        row = min(max(here[0] + MOVES[a][0] - wind[here[1]], 0), rows - 1)
        column = min(max(here[1] + MOVES[a][1], 0), columns - 1)
        there = here if (row, column) in walls else (row, column)
        paid = goal_reward if there == goal else step_reward
        if there in cliff:
            there, paid = start, cliff_reward
        return [(1.0, there[0] * columns + there[1], paid, there == goal)]

    places = [(row, column) for row in range(rows) for column in range(columns)]
    rows_of_outcomes = [[[] if place == goal else move(place, a) for a in range(4)] for place in places]
    return sparse_world(rows_of_outcomes, None if start is None else [start[0] * columns + start[1]]).mdp


def windy_gridworld():
    """Make the windy gridworld, example 6.5."""
    return grid(7, 10, (3, 0), (3, 7), (-1.0, -1.0, 0.0), wind=[0, 0, 0, 1, 1, 1, 2, 2, 1, 0])


def cliff_walking():
    """Make the cliff walk, example 6.6."""
    return grid(4, 12, (3, 0), (3, 11), (-1.0, -1.0, -100.0), cliff=[(3, column) for column in range(1, 11)])


def dyna_maze():
    """Make the Dyna maze, example 8.1."""
    walls = [(1, 2), (2, 2), (3, 2), (4, 5), (0, 7), (1, 7), (2, 7)]
    return grid(6, 9, (2, 0), (0, 8), (0.0, 1.0, 0.0), walls=walls)


def shortcut_maze(is_open):
    """Make the shortcut maze, example 8.3: a wall with a gap on the left, and, if it is open, one on the right."""
    walls = [(3, column) for column in range(1, 8 if is_open else 9)]
    return grid(6, 9, (5, 3), (0, 8), (0.0, 1.0, 0.0), walls=walls)


def maximization_bias(num_actions=10, num_rewards=20):
    """Make example 6.7, from A: right ends the episode, left leads to B, all of whose actions pay N(-0.1, 1).

    Every state must have as many actions as B, so in A half of them go to the right and half to the left. A reward is
    one of equally likely points, at the quantiles of the normal distribution and with its variance.
    """
    points = np.array([NormalDist().inv_cdf((k + 0.5) / num_rewards) for k in range(num_rewards)])
    rewards = -0.1 + points / points.std()
    a = [[(1.0, 1, 0.0, action < num_actions // 2)] for action in range(num_actions)]
    b = [[(1 / num_rewards, 1, reward, True) for reward in rewards] for _ in range(num_actions)]
    return sparse_world([a, b], [0]).mdp


def random_mdp(seed):
    """Make a random stochastic model of 2 to 50 states and 1 to 6 actions.

    An action has up to three outcomes, and ends the episode with probability 1/10 at least, in one of the terminal
    states, which are one in eight. Its reward is from -2 to 2, plus noise from -1/2 to 1/2. Episodes begin in any other
    state.
    """
    rng = np.random.default_rng(seed)
    num_states, num_actions = int(rng.integers(2, 51)), int(rng.integers(1, 7))
    num_ends = 1 + num_states // 8  # the last ones

    def outcomes():
        n = int(rng.integers(1, 4))
        probabilities = [*(0.9 * rng.dirichlet(np.ones(n))).tolist(), 0.1]
        probabilities[0] += 1.0 - sum(probabilities)
        next_states = [*rng.integers(num_states, size=n).tolist(), num_states - 1]
        rewards = (rng.integers(-8, 9) / 4 + rng.integers(-2, 3, n + 1) / 4).tolist()
        ends = [s >= num_states - num_ends for s in next_states]
        return list(zip(probabilities, next_states, rewards, ends, strict=True))

    rows = [[[] if s >= num_states - num_ends else outcomes() for _ in range(num_actions)] for s in range(num_states)]
    return sparse_world(rows).mdp


def gymnasium_world(name, start, **settings):
    """Make the world of a Gymnasium environment's table P[state][action], with one or several start states."""
    table = gymnasium.make(name, **settings).unwrapped.P
    rows = [[[tuple(row) for row in table[s][a]] for a in sorted(table[s])] for s in sorted(table)]
    return sparse_world(rows, start)


def access_control(state, action):
    """Outcomes in example 10.2 of Sutton & Barto (2018): ten servers, customers of four priorities; 1 accepts one.

    The state is 4 * (number of free servers) + priority.
    """
    pay, free_again = (1.0, 2.0, 4.0, 8.0), 0.06
    free, priority = divmod(state, 4)
    if action == 1 and free == 0:
        return []  # nobody can be accepted
    left = free - action
    return [
        (binom.pmf(k, 10 - left, free_again) / 4.0, (left + k) * 4 + i, action * pay[priority], False)
        for k in range(11 - left)
        for i in range(4)
    ]
