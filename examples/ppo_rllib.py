"""Train PPO of RLlib in the book's 5x5 maze.

    pip install "clew[rllib]"
    python examples/ppo_rllib.py

RLlib's actors make their own environments, so the function that makes one imports Clew.
"""

from typing import Any

import gymnasium
import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.connectors.env_to_module import FlattenObservations
from ray.tune.registry import register_env

MAZE = {"maze": "5x5", "observation": "position", "step_reward": -0.01, "max_episode_steps": 100}


def make_maze(settings: dict[str, Any]) -> gymnasium.Env[Any, Any]:
    """Make an environment; called in each actor."""
    import clew  # noqa: F401  # registers clew/Maze-v0

    return gymnasium.make("clew/Maze-v0", **settings)


if __name__ == "__main__":
    register_env("maze", make_maze)
    config = (
        PPOConfig()
        .environment("maze", env_config=MAZE)
        .env_runners(
            num_env_runners=0,
            num_envs_per_env_runner=8,
            # Positions are MultiDiscrete; this encodes them as one-hot vectors for the network.
            env_to_module_connector=lambda env, spaces, device: FlattenObservations(),
        )
        .training(train_batch_size=1024, minibatch_size=128, num_epochs=10, lr=1e-3, gamma=0.95, entropy_coeff=0.01)
        .debugging(seed=0)
    )
    algorithm = config.build_algo()
    for iteration in range(60):
        result = algorithm.train()["env_runners"]
        steps = result.get("episode_len_mean", float("nan"))
        if iteration % 5 == 4:
            print(f"round {iteration + 1}: {steps:.1f} steps from start to goal, on average")
        if steps < 9:
            break
    print(f"{steps:.1f} steps from start to goal, on average of {iteration + 1} rounds; the optimum is 8")
    algorithm.stop()
    ray.shutdown()
