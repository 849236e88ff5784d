"""Shared by the tests of kernels: worlds, tables, and the compiled loops, called as a trainer calls them."""

from functools import cache

import numpy as np

from clew import ALGORITHMS
from clew.kernels import read_only
from clew.kernels.dynamics import fast_model
from clew.kernels.learning.behaviours import EpsilonGreedy
from clew.kernels.learning.learners import ConstantStepSize
from clew.kernels.learning.queues import FifoQueue, MaxHeap, num_waiting, pop, push
from clew.kernels.learning.rates import Rates
from clew.kernels.learning.rollouts import (
    EpisodeSpec,
    EpisodeStats,
    FixedValues,
    TransitionBatch,
    learn_episodes,
    record_episodes,
)
from clew.kernels.learning.updates import QLearning
from clew.kernels.sampling import new_stream
from clew.kernels.wide import as_values
from clew.learning.learner import make_learner
from clew.learning.settings import Learning
from clew.policies.behaviours import BEHAVIOURS
from clew.policies.trajectory import DTYPES
from oracles import grid_world, random_layout, random_sparse_world

# Quarters, so that sums of rewards are exact in float32 too.
REWARDS = {"goal_reward": 2.0, "step_reward": -0.25, "outer_wall_reward": -0.5, "hazard_reward": -3.5}
WORLDS = {
    "grid": lambda: grid_world(random_layout(1, **REWARDS)),
    "tall grid": lambda: grid_world(random_layout(2, rows=6, columns=2, **REWARDS)),
    "one row": lambda: grid_world(random_layout(11, rows=1, columns=6, slip=0.3, **REWARDS)),
    "one column": lambda: grid_world(random_layout(12, rows=5, columns=1, **REWARDS)),
    "slippery grid": lambda: grid_world(random_layout(3, slip=0.3, **REWARDS)),
    "always slipping grid": lambda: grid_world(random_layout(4, slip=1.0, **REWARDS)),
    "moving goal": lambda: grid_world(random_layout(5, rows=3, columns=3, moving_goal=True, **REWARDS)),
    "slippery moving goal": lambda: grid_world(random_layout(6, 2, 3, moving_goal=True, slip=0.25, **REWARDS)),
    "sparse, 1 action": lambda: random_sparse_world(7, num_actions=1),
    "sparse, 3 actions": lambda: random_sparse_world(8, num_actions=3),
    "sparse, 4 actions": lambda: random_sparse_world(9, num_actions=4),
    "sparse, 7 actions": lambda: random_sparse_world(10, num_actions=7),
}
CERTAIN = ("grid", "tall grid", "one column", "moving goal")
ALPHA, GAMMA = np.float32(0.3), np.float32(0.9)
NONE = np.zeros((0, 0), np.int32)  # counts that aren't used
ALPHA_ALONE = ConstantStepSize(ALPHA)


@cache
def build(name):
    return WORLDS[name]()


def random_table(shape, seed=0):
    """Return a table of values with many ties."""
    return np.random.default_rng(seed).integers(-1, 2, shape).astype(np.float32)


def first_values(world, algorithm):
    """Return initial values: random, or equal ones for double Q-learning, as a trainer makes them."""
    return np.full(world.shape, 0.25, np.float32) if algorithm == "double-q-learning" else random_table(world.shape)


def rows_of(q):
    return [list(row) for row in q]


def same_bits(table, rows):
    return np.array_equal(table, np.array(rows, np.float32))


def new_episode_stats(n):
    return EpisodeStats(np.full(n, -1, np.int64), np.full(n, np.nan), np.zeros(n, np.bool_))


def rows_of_totals(stats):
    return list(zip(*(column.tolist() for column in stats), strict=True))


def used_settings(algorithm, settings):
    """Return those settings that the algorithm or its behaviour uses; it would refuse the others."""
    row = ALGORITHMS[algorithm]
    acting = BEHAVIOURS[settings.get("behaviour") or row.behaviour].setting
    of_others = {name for other in ALGORITHMS.values() for name in other.settings} - {*row.settings}
    of_others |= {other.setting for other in BEHAVIOURS.values()} - {acting}
    of_others |= set() if "alpha" in row.settings else {"alpha_schedule", "alpha_last"}
    of_others |= set() if acting else {"exploration_schedule", "exploration_last"}
    return {name: value for name, value in settings.items() if name not in of_others}


def new_learner(mdp, algorithm="q-learning", q=None, max_steps=25, **settings):
    """Return a learner with the memory that a trainer would allocate."""
    if q is None:
        q = np.zeros((mdp.num_states, mdp.num_actions), np.float32)
    usual = {"epsilon": 0.3} if settings.get("alpha_schedule") == "visits" else {"alpha": float(ALPHA), "epsilon": 0.3}
    settings = Learning(
        algorithm=algorithm, **used_settings(algorithm, usual | {"behaviour": settings.get("behaviour")}) | settings
    )
    return make_learner(q, settings, max_steps=max_steps, num_outcomes=mdp.num_outcomes)


def play(mdp, learner, num_episodes, max_steps=25, seed=4):
    """Learn from some episodes; return (statistics of each episode, the stream afterwards)."""
    stats, stream = new_episode_stats(num_episodes), new_stream(seed)
    spec = EpisodeSpec(mdp.starts, max_steps, learner.settings.exploring_starts)
    rates = learner.rates(0, num_episodes, num_episodes)
    learn_episodes(fast_model(mdp.model), spec, learner.rule, learner.behaviour, learner.visits, rates, stream, stats)
    return rows_of_totals(stats), stream


def acting_rule(q, learns):
    """What an actor acts by: fixed values, or a copy of them from which Q-learning goes on."""
    return QLearning(as_values(q.copy()), GAMMA) if learns else FixedValues(as_values(read_only(q)))


def record(world, q, num_episodes=20, max_steps=25, seed=4, room=64, learns=False, **acting):
    """Record episodes in batches of `room` rows; return all transitions, and the stream afterwards."""
    acting = {"behaviour": "epsilon-greedy", "exploration": 0.3, "visits": NONE, "exploring_starts": False} | acting
    spec = EpisodeSpec(world.mdp.starts, max_steps, acting["exploring_starts"])
    stream, place, parts = new_stream(seed), np.zeros(4, np.int64), []
    rates = ConstantStepSize(ALPHA), acting["exploration"]
    how = BEHAVIOURS[acting["behaviour"]].strategy, acting["visits"], rates
    model, rule = fast_model(world.mdp.model), acting_rule(q, learns)
    while place[0] < num_episodes:
        columns = TransitionBatch(*(np.empty(room, dtype) for dtype in DTYPES))
        n = record_episodes(model, spec, rule, *how, num_episodes, stream, place, columns)
        parts.append([column[:n] for column in columns])
    return TransitionBatch(*(read_only(np.concatenate(column)) for column in zip(*parts, strict=True))), stream


def rates(alpha, exploration, num_episodes):
    """Return the rates of some episodes with the same step size and exploration."""
    return Rates(np.full(num_episodes, alpha, np.float32), np.full(num_episodes, exploration))


def new_heap(num_states):
    """Return an empty priority queue."""
    states, positions = np.empty(num_states, np.int32), np.full(num_states, -1, np.int32)
    return MaxHeap(states, positions, np.zeros(num_states, np.float32), np.zeros(1, np.int64))


class Heap:
    """The kernel's own heap, as any of the states with equal changes may be first. `test_queues` has its oracle."""

    def __init__(self, num_states):
        self.heap = new_heap(num_states)

    def push(self, s, change):
        push(self.heap, s, np.float32(change))

    def pop(self):
        return pop(self.heap)

    def __len__(self):
        return num_waiting(self.heap)


def new_line(num_states):
    """Return an empty first-in, first-out queue."""
    return FifoQueue(np.empty(num_states, np.int32), np.zeros(num_states, np.bool_), np.zeros(2, np.int64))


def settled_values(mdp, seed=1):
    """Return the values of Q-learning with gamma 0.8, epsilon 1 and a decreasing step size."""
    q = np.zeros((mdp.num_states, mdp.num_actions), np.float32)
    stream, stats, spec = new_stream(seed), new_episode_stats(2000), EpisodeSpec(mdp.starts, 50, False)
    learner = QLearning(as_values(q), np.float32(0.8))
    for alpha in 0.1 / np.arange(1, 101):
        learn_episodes(
            fast_model(mdp.model), spec, learner, EpsilonGreedy(), NONE, rates(alpha, 1.0, 2000), stream, stats
        )
    return q
