"""Training in rounds: several streams of episodes are played with the same values, then learned from in their order.

A round begins with a copy of the values. Each simulation (a stream of episodes with draws of its own) plays some
episodes with that copy; then the learner takes their transitions in the order of the simulations, whoever played them
and whenever they came in. The draws of a simulation in a round are keyed by (seed, round, simulation). So the streams
decide the result, and the processes that play them only the speed.
"""

import math
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from clew.distributed.tasks import PlayRound, Task, play_here
from clew.kernels import read_only
from clew.policies import Policy
from clew.simulation import Trajectory
from clew.training import (
    NUM_ROUNDS,
    Callback,
    RoundMetrics,
    check_settings,
    check_streams,
    split_rounds,
    train_policy,
    update_policy,
)

__all__ = ["train_policy_parallel"]


def train_policy_parallel(
    env: Any,
    num_episodes: int = 4_000,
    num_simulations: int = 4,
    *,
    num_actors: int | None = None,
    sync_every: int | None = None,
    alpha: float = 0.1,
    gamma: float = 0.9,
    epsilon: float = 0.1,
    seed: int = 0,
    callback: Callback | None = None,
) -> Policy:
    """Learn by Q-learning from several streams of episodes, played by Ray actors or in this process.

    Actors play with values that are at most one round old. A Ray that runs already is used (one that was started in
    this process, or that RAY_ADDRESS names); otherwise a local one is started, and stopped at the end.

    Args:
        env: environment with Discrete spaces; actors get a copy of it.
        num_episodes: how many episodes to learn from, in all.
        num_simulations: number of streams; part of what decides the result. One stream has nothing to share: it is
            learned as `train_policy` does, after every step, in this process.
        num_actors: number of processes that play them; decides only the speed. 0 plays in this process, without Ray.
            None takes one for each stream, as far as the cluster has processors, and plays here until they have
            started, which takes longer than a small task.
        sync_every: episodes that each simulation plays with the same values; part of what decides the result. None
            makes a hundred rounds.
        alpha: step size, in (0, 1].
        gamma: discount a step, in [0, 1].
        epsilon: probability of exploring, in [0, 1].
        seed: decides every draw, and so every bit of the result.
        callback: is called after each round, with what its episodes came to.

    Returns:
        Policy with what was learned.

    Raises:
        SettingError: if a setting is out of range, or a space is not Discrete.
        ClusterError: if the cluster can't place the actors, or loses one.
    """
    check_settings(num_episodes, alpha, gamma, epsilon, seed)
    check_streams(num_simulations, num_actors, sync_every)
    if num_simulations == 1:
        return train_policy(env, num_episodes, alpha=alpha, gamma=gamma, epsilon=epsilon, seed=seed, callback=callback)
    policy = Policy(env, seed=seed)
    update_policy(policy, Trajectory.from_transitions([]))  # compiles, if this is the first time
    if sync_every is None:
        sync_every = math.ceil(num_episodes / (NUM_ROUNDS * num_simulations))
    episodes_per_round = sync_every * num_simulations
    num_rounds = math.ceil(num_episodes / episodes_per_round)
    with _players(env, num_actors, num_simulations) as play_round:
        for number, size in enumerate(split_rounds(num_episodes, episodes_per_round)):
            playing = range(min(num_simulations, size))
            shares = [size // num_simulations + (i < size % num_simulations) for i in playing]
            tasks = [Task(share, epsilon, (seed, number, i)) for i, share in enumerate(shares)]
            begun = time.perf_counter()
            totals = np.zeros(3)
            for trajectory in play_round(read_only(policy.q.copy()), tasks):
                update_policy(policy, trajectory, alpha=alpha, gamma=gamma)
                totals += len(trajectory), trajectory.num_successes, trajectory.reward.sum(dtype=np.float64)
            if callback is not None:
                callback(RoundMetrics.of_totals((number, num_rounds), size, totals, begun))
    return policy


def _players(env: Any, num_actors: int | None, num_simulations: int) -> AbstractContextManager[PlayRound]:
    if num_actors == 0:
        return nullcontext(play_here(env))
    from clew.distributed.actors import play_on_actors

    return play_on_actors(env, num_actors, num_simulations)
