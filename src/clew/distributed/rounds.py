"""Training in rounds: several streams of episodes are played with the same values, then learned from in their order.

A round begins with a copy of the values. Each simulation (a stream of episodes with draws of its own) plays some
episodes with that copy; then the learner takes their transitions in the order of the simulations, whoever played them
and whenever they came in. The draws of a simulation in a round are keyed by (seed, round, simulation). So the streams
decide the result, and the processes that play them only the speed.
"""

import math
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Unpack

import numpy as np

from clew.configuration import check_run, check_streams
from clew.distributed.tasks import PlayRound, Task, Values, play_here
from clew.errors import SettingError
from clew.kernels import read_only
from clew.kernels.sampling import new_stream
from clew.learning import Learner, LearningSettings, as_learning
from clew.policies import Policy
from clew.simulation import Trajectory
from clew.training import (
    NUM_ROUNDS,
    Callback,
    RoundMetrics,
    check_values,
    learn_from,
    new_policy,
    split_rounds,
    train_policy,
)

__all__ = ["train_policy_parallel"]


def train_policy_parallel(
    env: Any,
    num_episodes: int = 4_000,
    num_simulations: int = 4,
    *,
    num_actors: int | None = None,
    sync_every: int | None = None,
    seed: int = 0,
    callback: Callback | None = None,
    **settings: Unpack[LearningSettings],
) -> Policy:
    """Learn from several streams of episodes, played by Ray actors or in this process; by Q-learning, if not told else.

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
        seed: decides every draw, and so every bit of the result.
        callback: is called after each round, with what its episodes came to.
        settings: those of `Learning`: `algorithm`, `behaviour`, `alpha`, `gamma`, `epsilon`, and so on. What a schedule
            says is fixed for a round.

    Returns:
        Policy with what was learned.

    Raises:
        SettingError: if a setting is out of range, or a space is not Discrete.
        ClusterError: if the cluster can't place the actors, or loses one.
    """
    check_run(num_episodes, seed)
    check_streams(num_simulations, num_actors, sync_every)
    learning = as_learning(settings)
    if num_simulations == 1:
        return train_policy(env, num_episodes, seed=seed, callback=callback, **settings)
    if learning.num_interleaved > 1:
        raise SettingError("episodes are interleaved inside one simulation; take num_simulations 1 with them")
    policy, learner = new_policy(env, learning, seed)
    learn_from(learner, Trajectory.from_transitions([]), 0.1, 0.0, policy.stream)  # compiles, if this is the first time
    if sync_every is None:
        sync_every = math.ceil(num_episodes / (NUM_ROUNDS * num_simulations))
    episodes_per_round = sync_every * num_simulations
    num_rounds = math.ceil(num_episodes / episodes_per_round)
    with _players(env, learner.behaviour, num_actors, num_simulations) as play_round:
        for number, size in enumerate(split_rounds(num_episodes, episodes_per_round)):
            begun = time.perf_counter()
            alpha, exploration = learner.rates_at(number * episodes_per_round, num_episodes)
            tasks = _share(size, num_simulations, learner, exploration, (seed, number))
            values = Values(read_only(policy.q.copy()), read_only(learner.visits.copy()))
            stream = new_stream(seed, number, num_simulations)  # what the learner draws
            totals = np.zeros(3)
            for trajectory in play_round(values, tasks):
                learner = learn_from(learner, trajectory, alpha, exploration, stream)
                totals += len(trajectory), trajectory.num_successes, trajectory.reward.sum(dtype=np.float64)
            if callback is not None:
                callback(RoundMetrics.of_totals((number, num_rounds), size, totals, begun))
    check_values(policy)
    return policy


def _share(size: int, num_simulations: int, learner: Learner, exploration: float, key: tuple[int, int]) -> list[Task]:
    """Share the episodes of a round among the simulations, the first ones taking what is left over."""
    settings = learner.settings
    return [
        Task(
            size // num_simulations + (i < size % num_simulations),
            learner.behaviour,
            exploration,
            settings.exploring_starts,
            (*key, i),
        )
        for i in range(min(num_simulations, size))
    ]


def _players(
    env: Any, behaviour: str, num_actors: int | None, num_simulations: int
) -> AbstractContextManager[PlayRound]:
    if num_actors == 0:
        return nullcontext(play_here(env, behaviour))
    from clew.distributed.actors import play_on_actors

    return play_on_actors(env, behaviour, num_actors, num_simulations)
