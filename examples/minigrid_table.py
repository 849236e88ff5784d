"""Tabular Q-learning in a Minigrid environment: `python examples/minigrid_table.py MiniGrid-DoorKey-5x5-v0`.

Needs `pip install minigrid`, which Clew itself doesn't need. Minigrid's observation is a small picture of what is in
front of the agent, and a sentence: too large for a table, and not a state, since it doesn't say where the agent is.
`FullState` observes instead all that determines what can happen, as a few small integers:

    column, row, direction  of the agent
    for each door           0 open, 1 closed, 2 locked
    for each movable object the cell in which it lies; num_cells if it is carried

Walls, goals and lava don't move, since all episodes have the same layout, that of the seed: a random layout would have
to be part of the state, which no table can hold. `clew.as_discrete` encodes it all as one integer: a grid of 5 x 5 with
one key and one door has 5 * 5 * 4 * 3 * 26 states. Boxes, which may contain an object, and objects that move by
themselves are refused.

Minigrid's reward falls with the number of steps, which isn't part of the state. Here reaching the goal pays 1, and
gamma makes shorter episodes better.
"""

import sys
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import MultiDiscrete

import clew

STILL = ("wall", "floor", "goal", "lava")


class FullState(gymnasium.Wrapper[Any, Any, Any, Any]):
    """A wrapper that observes the full state of a Minigrid environment with a fixed layout, as small integers.

    Args:
        env: a Minigrid environment, from `gymnasium.make("MiniGrid-...")`.
        layout: seed of the layout of all episodes.

    Raises:
        clew.SettingError: if the layout has a box, or an object that moves by itself.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], layout: int = 0) -> None:
        super().__init__(env)
        self.layout = layout
        env.reset(seed=layout)
        grid = env.unwrapped.grid
        self.width, self.num_cells = grid.width, grid.width * grid.height
        self.doors = [cell for cell, thing in enumerate(grid.grid) if thing is not None and thing.type == "door"]
        self.num_things = len(self._things())
        self.observation_space = MultiDiscrete(
            [grid.width, grid.height, 4] + [3] * len(self.doors) + [self.num_cells + 1] * self.num_things
        )

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in the layout; the seed is ignored, since nothing else is random."""
        _, info = self.env.reset(seed=self.layout, options=options)
        self.things = self._things()
        return self._state(), info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take an action; the reward is 1 at the goal, independent of the number of steps."""
        _, reward, terminated, truncated, info = self.env.step(action)
        return self._state(), float(np.sign(reward)), terminated, truncated, info

    def _things(self) -> list[Any]:
        """Return the movable objects, in the order of their cells."""
        things = []
        for thing in self.env.unwrapped.grid.grid:
            if thing is None or thing.type in STILL or thing.type == "door":
                continue
            if thing.type not in ("key", "ball") or hasattr(self.env.unwrapped, "obstacles"):
                raise clew.SettingError(f"a {thing.type} here is not supported: its state isn't observed")
            things.append(thing)
        return things

    def _state(self) -> np.ndarray[Any, Any]:
        world = self.env.unwrapped
        cells = {id(thing): cell for cell, thing in enumerate(world.grid.grid) if thing is not None}
        doors = [world.grid.grid[cell] for cell in self.doors]
        return np.array(
            [*world.agent_pos, world.agent_dir]
            + [0 if door.is_open else 1 + door.is_locked for door in doors]
            + [cells.get(id(thing), self.num_cells) for thing in self.things]
        )


def learn(name: str, num_episodes: int = 3000, seed: int = 0) -> tuple[Any, clew.Policy]:
    """Train Q-learning, and return the environment with integer states and the policy."""
    import minigrid  # noqa: F401  # registers its environments

    env = clew.as_discrete(FullState(gymnasium.make(name)))
    policy = clew.train_policy(env, num_episodes, alpha=1.0, gamma=0.97, epsilon=0.2, seed=seed)
    return env, policy


if __name__ == "__main__":
    env, policy = learn(*sys.argv[1:2] or ["MiniGrid-DoorKey-5x5-v0"])
    grade = clew.evaluate_policy(env, policy, 10)
    print(f"{env.observation_space.n:,} states; goal reached in {grade.terminated_rate:.0%} of 10 episodes,", end=" ")
    print(f"{grade.mean_steps:.1f} steps")
    state, _ = env.reset()
    print(f"first state: {state}, which is {env.observation_index.decode(state).tolist()}")
