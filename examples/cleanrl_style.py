"""Q-learning in one file, in the style of CleanRL: settings first, then one loop over a vector environment.

    python examples/cleanrl_style.py

It needs only Clew. `clew.train_policy` learns the same faster; this example is for users with a training loop of their
own. Episodes are reset within the step that ends them; the last observation of an episode is in `infos["final_obs"]`.
"""

import time
from dataclasses import dataclass

import gymnasium as gym
import numpy as np

import clew  # noqa: F401  # registers clew/Maze-v0


@dataclass
class Args:
    """Settings of the run."""

    env_id: str = "clew/Maze-v0"
    maze: str = "5x5"
    seed: int = 1
    num_envs: int = 64
    total_timesteps: int = 200_000
    learning_rate: float = 0.5
    gamma: float = 0.95
    start_e: float = 1.0
    end_e: float = 0.05
    exploration_fraction: float = 0.5


def linear_schedule(start_e: float, end_e: float, duration: float, t: int) -> float:
    """Return epsilon at step t: it falls linearly from start_e to end_e in `duration` steps, then stays."""
    return max((end_e - start_e) / duration * t + start_e, end_e)


if __name__ == "__main__":
    args = Args()
    rng = np.random.default_rng(args.seed)
    envs = gym.make_vec(
        args.env_id, num_envs=args.num_envs, maze=args.maze, autoreset_mode=gym.vector.AutoresetMode.SAME_STEP
    )
    envs = gym.wrappers.vector.RecordEpisodeStatistics(envs)
    q = np.zeros((envs.single_observation_space.n, envs.single_action_space.n))

    start_time = time.time()
    obs, _ = envs.reset(seed=args.seed)
    for global_step in range(0, args.total_timesteps, args.num_envs):
        duration = args.exploration_fraction * args.total_timesteps
        epsilon = linear_schedule(args.start_e, args.end_e, duration, global_step)
        best = q[obs] == q[obs].max(axis=1, keepdims=True)
        greedy = (best * rng.random(best.shape)).argmax(axis=1)
        explores = rng.random(args.num_envs) < epsilon
        actions = np.where(explores, rng.integers(0, envs.single_action_space.n, args.num_envs), greedy)

        next_obs, rewards, terminations, truncations, infos = envs.step(actions)

        real_next_obs = next_obs.copy()
        for idx in np.flatnonzero(truncations):
            real_next_obs[idx] = infos["final_obs"][idx]
        # A goal has value 0; an episode that was truncated by the step limit bootstraps from its last state.
        targets = rewards + args.gamma * q[real_next_obs].max(axis=1) * ~terminations
        q[obs, actions] += args.learning_rate * (targets - q[obs, actions])
        obs = next_obs

    print(f"{args.total_timesteps / (time.time() - start_time):,.0f} steps/s")
    print(f"steps of the last {len(envs.length_queue)} episodes, on average: {np.mean(envs.length_queue):.1f}")

    env = gym.make(args.env_id, maze=args.maze)
    state, _ = env.reset(seed=args.seed)
    steps, is_done = 0, False
    while not is_done:
        state, _, terminated, truncated, _ = env.step(int(q[state].argmax()))
        steps, is_done = steps + 1, terminated or truncated
    print(f"{steps} steps from start to goal")
