"""Mazes: the layout of a grid world, the names it goes by, how one is made, and the files it is kept in."""

from clew.mazes.catalogue import find_maze
from clew.mazes.generators import eller_rows, generate_maze
from clew.mazes.maze import Maze
from clew.mazes.moves import MOVES, Move, Moves

__all__ = ["MOVES", "Maze", "Move", "Moves", "eller_rows", "find_maze", "generate_maze"]
