"""Q-learning in plain Python: graded against the exact optimum, drawn, and compared with the compiled algorithm.

    python examples/plain_q_learning.py [FOLDER]

Pictures of what was learned and a plot of the learning curves are saved to FOLDER, if one is given. docs/agents.md goes
through it.
"""

import random
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

import clew


class PlainQLearning:
    """Q-learning that chooses its actions epsilon-greedily."""

    def __init__(self, env: Any, seed: int, alpha: float, gamma: float, epsilon: float) -> None:
        self.q = np.zeros((env.observation_space.n, env.action_space.n))
        self.alpha, self.gamma, self.epsilon = alpha, gamma, epsilon
        self.rng = random.Random(seed)

    def act(self, state: int) -> int:
        """Return an action for a state."""
        values = self.q[state]
        if self.rng.random() < self.epsilon:
            return self.rng.randrange(len(values))
        return self.rng.choice(np.flatnonzero(values == values.max()).tolist())

    def update(self, step: clew.Transition) -> None:
        """Learn from a step; only where the world has ended the episode, the value of the next state is 0."""
        target = step.reward
        if not step.terminated:
            target += self.gamma * self.q[step.next_state].max()
        self.q[step.state, step.action] += self.alpha * (target - self.q[step.state, step.action])


LAKE = gymnasium.make("FrozenLake-v1")
CLIFF = clew.Maze.open(4, 12, start=(3, 0), goal=(3, 11), hazards=[(3, column) for column in range(1, 11)])
WORLDS: dict[str, tuple[Any, clew.Maze, list[int], int, dict[str, float]]] = {
    # environment, maze in which it is drawn, its actions down, left, up, right, number of episodes, settings
    "book": (clew.Environment(), clew.Maze.open(5, 5), [0, 1, 2, 3], 500, {}),
    "cliff": (clew.gallery.make_world("cliff"), CLIFF, [0, 1, 2, 3], 1000, {"alpha": 0.5, "gamma": 1.0}),
    "FrozenLake": (
        LAKE,
        clew.Maze.from_lists(LAKE.unwrapped.desc),
        [1, 0, 3, 2],
        5000,
        {"alpha": 0.05, "gamma": 0.99, "epsilon": 0.3},
    ),
}


def learn(name: str, folder: Path | None = None, seed: int = 1) -> dict[str, tuple[clew.Policy, clew.Evaluation]]:
    """Learn a world in plain Python and compiled.

    Args:
        name: a world of `WORLDS`.
        folder: where the policy of the agent and the learning curves are drawn; None for nowhere.
        seed: seed of the agent, of the environment and of the compiled training.

    Returns:
        Policy and grade, of "plain" and of "compiled".
    """
    env, maze, actions, num_episodes, changed = WORLDS[name]
    settings = {"alpha": 0.1, "gamma": 0.9, "epsilon": 0.1} | changed
    curves: dict[str, list[clew.RoundMetrics]] = {"plain": [], "compiled": []}
    agent = PlainQLearning(env, seed, **settings)
    plain = clew.run_agent(agent, env, num_episodes, seed=seed, callback=curves["plain"].append)
    compiled = clew.train_policy(env, num_episodes, seed=seed, callback=curves["compiled"].append, **settings)
    if folder is not None:
        clew.draw(maze, clew.Policy(env, q=plain.q[:, actions]), title=name).save(folder / f"{name}.svg")
        figure = "mean_steps" if name == "book" else "mean_return"  # on the lake good episodes are long
        plot = clew.plot_learning({who: [rows] for who, rows in curves.items()}, figure=figure)
        plot.savefig(folder / f"{name}-curves.svg")
    policies = {"plain": plain, "compiled": compiled}
    return {
        who: (policy, clew.evaluate_policy(env, policy, 100, gamma=settings["gamma"]))
        for who, policy in policies.items()
    }


def main() -> None:
    """Learn all worlds, and print the grades."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    for name in WORLDS:
        for who, (_, grade) in learn(name, folder).items():
            print(
                f"{name:10}  {who:8}  return {grade.mean_return:6.2f} of {grade.optimal_return:6.2f}  "
                f"suboptimality {max(grade.suboptimality, 0.0):.4f}  optimal states {grade.optimal_states:.0%}"
            )


if __name__ == "__main__":
    main()
