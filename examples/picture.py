"""Train in a labyrinth and draw what was learned: `python examples/picture.py docs/picture.svg`."""

import sys
from pathlib import Path

import clew
from clew.rendering.pictures import policy_svg, trace_greedy

LABYRINTH = """\
+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+
| S                                 |                       |           |
+   +   +---+   +   +---+---+---+   +   +---+---+   +---+---+   +   +---+
|   |   |           |           |   |   |                       |       |
+   +---+   +---+---+   +---+   +   +---+   +   +   +---+   +   +---+   +
|           |   |###|       |           |   |       |###|   |           |
+---+---+---+   +---+---+---+   +---+   +   +   +   +---+   +   +---+   +
|   |                 !             |     ! |   |   |       |   |       |
+   +   +---+   +   +   +---+   +   +---+---+   +   +   +---+   +   +---+
|           |   |                       |       |       |       |   |   |
+   +---+---+   +---+   +   +---+---+---+   +---+   +---+   +---+   +   +
|   |           |           |   |###|###|                           |   |
+---+   +---+---+   +---+---+   +---+---+---+---+---+   +---+   +---+   +
|       |                       |###|###|                   |           |
+   +   +---+---+---+---+   +---+---+---+---+---+   +   +---+   +   +   +
|   |                   |   |                       |   |       |   |   |
+   +   +---+---+---+   +---+   +---+   +---+   +---+---+   +---+   +   +
|       |           |       |   |       |       |           |   |   |   |
+   +---+   +---+---+---+   +   +   +---+---+---+   +---+---+   +   +   +
|               |###|   |   |   |   |               |###|       |       |
+   +   +---+   +---+   +   +   +   +   +---+---+   +---+   +   +   +   +
|                       |   |   |   |   |               |   |       |   |
+   +---+   +---+---+   +   +   +   +   +---+---+   +   +---+---+---+   +
|                       |       |                   |                 G |
+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+
"""

maze = clew.Maze.from_text(LABYRINTH)
policy = clew.train_policy(clew.Environment(maze, random_start=True), num_episodes=30_000, seed=0)
result = clew.evaluate_policy(clew.Environment(maze), policy)
print(f"{result.mean_steps:g} steps from S to G; the optimum is {result.optimal_steps:g}")

path = trace_greedy(maze, policy.q)
picture = policy_svg(maze, policy.q, path=path, title="A labyrinth, and the thread through it")
Path(sys.argv[1]).write_text(picture, encoding="utf-8")
