"""Train PPO of Stable-Baselines3 in the book's 5x5 maze.

    pip install "clew[stable-baselines3]"
    python examples/ppo_stable_baselines3.py

Positions are MultiDiscrete, which Stable-Baselines3 encodes as one-hot vectors of row and column.
"""

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

import clew

torch.set_num_threads(1)  # for so small a network several threads only take more processor time

MAZE = {"maze": "5x5", "observation": "position", "step_reward": -0.01, "max_episode_steps": 100}

envs = make_vec_env("clew/Maze-v0", n_envs=8, seed=0, env_kwargs=MAZE)
model = PPO("MlpPolicy", envs, n_steps=64, batch_size=128, learning_rate=1e-3, ent_coef=0.01, gamma=0.95, seed=0)
model.learn(total_timesteps=30_000)

returns, steps = evaluate_policy(model, envs, n_eval_episodes=10, return_episode_rewards=True)
optimum = clew.evaluate_policy(clew.Environment(), clew.train_policy(clew.Environment(), 5_000, seed=0)).optimal_steps
print(f"{sum(steps) / len(steps):g} steps from start to goal, return {sum(returns) / len(returns):.2f}")
print(f"the optimum is {optimum:g} steps")
