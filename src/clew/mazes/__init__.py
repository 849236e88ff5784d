"""Mazes: the layout of a grid world, its generators, its file formats, and sets of moves."""

from clew.mazes.catalogue import find_maze
from clew.mazes.generators import eller_rows, generate_maze
from clew.mazes.maze import Maze
from clew.mazes.moves import MOVES, Move, Moves

__all__ = ["MOVES", "Maze", "Move", "Moves", "eller_rows", "find_maze", "generate_maze"]
