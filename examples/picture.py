"""Train in a labyrinth and draw what was learned: `python examples/picture.py docs/picture.svg`."""

import sys

import clew

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

clew.draw(maze, policy, title="A labyrinth, and the learned path through it").save(sys.argv[1])
