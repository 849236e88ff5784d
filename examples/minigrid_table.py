"""A world of Minigrid learned by a table: `python examples/minigrid_table.py MiniGrid-DoorKey-5x5-v0`.

Needs `pip install minigrid`, which Clew itself doesn't. What Minigrid shows of itself is a small picture and a
sentence: too much for a table, and too little, for who sees what is before him doesn't know where he is. `FullState`
tells what decides all that can happen, as a handful of small numbers:

    column, row, direction      of the player
    for each door               0 open, 1 closed, 2 locked
    for each thing to be moved  the cell it lies in; one beyond all cells if it is carried

Walls, goals and lava stay where they are, for every episode begins in the same layout, that of the seed: a layout for
each episode would have to be in the state, and no table holds that. `clew.as_discrete` makes one integer of it all,
and back: a key on a grid of 5 x 5 behind one door makes 5 * 5 * 4 * 3 * 26 states. Boxes, which may hide something,
and things that move by themselves are refused.

Minigrid pays less the later one comes, and the time is no part of the state; here reaching the goal pays 1, and gamma
makes sooner better.
"""

import sys
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import MultiDiscrete

import clew

STILL = ("wall", "floor", "goal", "lava")


class FullState(gymnasium.Wrapper[Any, Any, Any, Any]):
    """All of the state of a Minigrid environment, in one layout, as small whole numbers.

    Args:
        env: what `gymnasium.make("MiniGrid-...")` gives.
        layout: seed of the layout of all episodes.

    Raises:
        clew.SettingError: if something in it has a state of another kind.
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
        """Begin an episode in the layout; the seed doesn't matter, for nothing else is drawn."""
        _, info = self.env.reset(seed=self.layout, options=options)
        self.things = self._things()
        return self._state(), info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take an action; the reward is 1 at the goal, whenever that is."""
        _, reward, terminated, truncated, info = self.env.step(action)
        return self._state(), float(np.sign(reward)), terminated, truncated, info

    def _things(self) -> list[Any]:
        """What can be carried, in the order of the cells at the beginning."""
        things = []
        for thing in self.env.unwrapped.grid.grid:
            if thing is None or thing.type in STILL or thing.type == "door":
                continue
            if thing.type not in ("key", "ball") or hasattr(self.env.unwrapped, "obstacles"):
                raise clew.SettingError(f"a {thing.type} here has a state that isn't indexed")
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
    """The environment with integers for states, and what Q-learning made of it."""
    import minigrid  # noqa: F401  # makes its environments known

    env = clew.as_discrete(FullState(gymnasium.make(name)))
    policy = clew.train_policy(env, num_episodes, alpha=1.0, gamma=0.97, epsilon=0.2, seed=seed)
    return env, policy


if __name__ == "__main__":
    env, policy = learn(*sys.argv[1:2] or ["MiniGrid-DoorKey-5x5-v0"])
    grade = clew.evaluate_policy(env, policy, 10)
    print(f"{env.observation_space.n:,} states; goal reached in {grade.success_rate:.0%} of 10 episodes,", end=" ")
    print(f"{grade.mean_steps:.1f} steps")
    state, _ = env.reset()
    print(f"first state: {state}, which is {env.observation_index.decode(state).tolist()}")
