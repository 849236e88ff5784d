"""Exits and rewards of cells in drawings: labels, and which exits have a colour of their own."""

import numpy as np
import numpy.typing as npt

from clew.mazes import Maze
from clew.mazes.formats import Place


def reward_label(reward: float) -> str:
    """Return a reward as text with its sign, such as "+1" or "-0.04"."""
    return f"{reward:+.6g}"


def goal_letter(maze: Maze, place: Place) -> str:
    """Return the character of a goal: G, or the sign of the reward of an exit."""
    reward = maze.exits.get(place)
    return "G" if reward is None else reward_label(reward)[0]


def loss_mask(maze: Maze) -> npt.NDArray[np.bool_]:
    """Return the exits whose reward is negative, (rows, columns) bool; they have a colour of their own."""
    mask = np.zeros(maze.cells.shape, np.bool_)
    for place, reward in maze.exits.items():
        mask[place] = reward < 0.0
    return mask


def goals_without_reward(maze: Maze) -> tuple[Place, ...]:
    """Return the goals of a maze that aren't exits."""
    return tuple(place for place in maze.goals if place not in maze.exits)
