"""Learning from experience: the serial trainer, and learning from what was recorded."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from clew.configuration import check_run
from clew.environments import as_compiled
from clew.errors import SettingError
from clew.kernels.behaviours import AnyAction, choose, count_visit
from clew.kernels.interleaving import Lanes, learn_interleaved
from clew.kernels.learners import BEFORE, Step, begin, finish, learn, order
from clew.kernels.rollouts import Terms, Totals, learn_episodes, replay
from clew.kernels.sampling import Stream, new_stream, next_bits
from clew.learning import Learner, Learning, LearningSettings, as_learning, initial_value, make_learner, make_room
from clew.policies import Policy
from clew.simulation import STEPS_PER_STATE, Trajectory, Transition, step_through

__all__ = [
    "Callback",
    "RoundMetrics",
    "compiled_loop",
    "learn_from",
    "learning_loop",
    "new_policy",
    "split_rounds",
    "train_policy",
    "update_policy",
]

NUM_ROUNDS = 100  # a run reports, and actors get fresh values, this often unless told otherwise


@dataclass(frozen=True)
class RoundMetrics:
    """What the episodes of one round came to, while they were learned from.

    Attributes:
        round: number of the round, from 0.
        num_rounds: how many there will be.
        num_episodes: episodes in this round.
        num_steps: steps in this round.
        mean_steps: steps an episode.
        success_rate: share of episodes that reached an end and not the step limit.
        mean_return: undiscounted sum of rewards an episode.
        seconds: wall time of the round.
    """

    round: int
    num_rounds: int
    num_episodes: int
    num_steps: int
    mean_steps: float
    success_rate: float
    mean_return: float
    seconds: float

    @classmethod
    def of_totals(
        cls, round: tuple[int, int], num_episodes: int, totals: Iterable[float], begun: float
    ) -> "RoundMetrics":
        """The metrics of a round (number, of how many) from its total steps, successes and rewards."""
        steps, successes, rewards = (float(total) for total in totals)
        return cls(
            round=round[0],
            num_rounds=round[1],
            num_episodes=num_episodes,
            num_steps=int(steps),
            mean_steps=steps / num_episodes,
            success_rate=successes / num_episodes,
            mean_return=rewards / num_episodes,
            seconds=time.perf_counter() - begun,
        )


Callback = Callable[[RoundMetrics], None]


def split_rounds(num_episodes: int, episodes_per_round: int) -> Iterator[int]:
    """Split episodes into rounds: full ones, and a last one with the rest."""
    while num_episodes > 0:
        yield min(num_episodes, episodes_per_round)
        num_episodes -= episodes_per_round


def update_policy(policy: Policy, trajectory: Trajectory, *, alpha: float = 0.1, gamma: float = 0.9) -> None:
    """Learn from what was seen, transition by transition, in order, by the rule of Q-learning.

    Args:
        policy: its values are changed in place.
        trajectory: of one or more episodes. Where it was terminated the next state counts 0; where it was truncated
            it counts with its value, for a step limit is not an end.
        alpha: step size, in (0, 1].
        gamma: discount a step, in [0, 1].

    Raises:
        SettingError: if a setting is out of range, or the trajectory doesn't fit the policy.
    """
    learner = make_learner(policy.q, Learning(alpha=alpha, gamma=gamma), max_steps=1)
    num_states, num_actions = policy.q.shape
    for name, limit in (("state", num_states), ("next_state", num_states), ("action", num_actions)):
        column = getattr(trajectory, name)
        if column.size and (column.min() < 0 or column.max() >= limit):
            raise SettingError(f"the trajectory's {name} column must be in 0..{limit - 1}, to fit the policy")
    if not np.isfinite(trajectory.reward).all():
        raise SettingError("the trajectory's reward column must hold finite numbers, also as float32")
    learn_from(learner, trajectory, alpha, 0.0, policy.stream)


def learn_from(learner: Learner, trajectory: Trajectory, alpha: float, exploration: float, stream: Stream) -> Learner:
    """Learn from what was seen, in order; returns the learner, whose memory may have grown.

    Args:
        learner: is changed in place.
        trajectory: of one or more episodes that fit it.
        alpha: step size, where it isn't one over the number of updates.
        exploration: how much the behaviour explored.
        stream: for rules that draw; changed in place.
    """
    learner = make_room(learner, len(trajectory))
    step_size = learner.step_size(alpha)
    replay(learner.rule, learner.acting, learner.visits, trajectory.columns, step_size, exploration, stream)
    return learner


def new_policy(env: Any, settings: Learning, seed: int, *, counted: bool = False) -> tuple[Policy, Learner]:
    """A policy that knows nothing yet, and the learner that will fill it; `counted` as in `make_learner`."""
    compiled = as_compiled(env)
    policy = Policy(env, seed=seed)
    policy.q[:] = initial_value(settings, None if compiled is None else compiled.mdp)
    max_steps = STEPS_PER_STATE * policy.q.shape[0] if compiled is None else compiled.max_episode_steps
    num_outcomes = None if compiled is None else compiled.mdp.num_outcomes
    learner = make_learner(policy.q, settings, max_steps=max_steps, num_outcomes=num_outcomes, counted=counted)
    return policy, learner


def train_policy(
    env: Any,
    num_episodes: int = 10_000,
    *,
    seed: int = 0,
    callback: Callback | None = None,
    **settings: Unpack[LearningSettings],
) -> Policy:
    """Learn after every step, in one stream of episodes; by Q-learning unless told otherwise.

    A `clew.Environment` or a `FiniteMDP` is learned in one compiled loop. Any other Gymnasium environment with Discrete
    spaces is learned step by step through the same rules.

    Args:
        env: environment with Discrete spaces, or a model.
        num_episodes: how many episodes to learn from.
        seed: decides every draw, and so every bit of the result.
        callback: is called after each of a hundred rounds at most, with what the episodes since came to.
        settings: those of `Learning`: `algorithm`, `behaviour`, `alpha`, `gamma`, `epsilon`, and so on.

    Returns:
        Policy with what was learned.

    Raises:
        SettingError: if a setting is out of range, or a space is not Discrete.
    """
    check_run(num_episodes, seed)
    learning = as_learning(settings)
    policy, learner = new_policy(env, learning, seed)
    learn_some = learning_loop(env, learner, num_episodes, (seed, 0, 0))
    sizes = list(split_rounds(num_episodes, math.ceil(num_episodes / NUM_ROUNDS)))
    for number, size in enumerate(sizes):
        begun = time.perf_counter()
        totals = learn_some(size)
        if callback is not None:
            sums = totals.steps.sum(), totals.terminated.sum(), totals.episode_return.sum()
            callback(RoundMetrics.of_totals((number, len(sizes)), size, sums, begun))
    check_values(policy)
    return policy


def check_values(policy: Policy) -> None:
    """Refuse values that are no numbers any more.

    Raises:
        SettingError: if rewards, or what they add up to, were beyond what float32 holds.
    """
    if not np.isfinite(policy.q).all():
        raise SettingError(
            "the values grew beyond what float32 holds; take smaller rewards, a smaller gamma, or a smaller kappa"
        )


Key = tuple[int, int, int]  # seed, round, simulation
LearnSome = Callable[[int], Totals]  # learns from so many episodes, and says what they came to


def learning_loop(
    env: Any, learner: Learner, num_episodes: int, key: Key, starts: npt.NDArray[np.int32] | None = None
) -> LearnSome:
    """The loop that a learner goes through, as a function that learns from some episodes more.

    However many it is asked for at a time, `num_episodes` together come to the same bits.

    Args:
        env: environment, or model.
        learner: is changed in place.
        num_episodes: how many episodes there will be, for schedules.
        key: (seed, round, simulation), by which all draws are keyed.
        starts: (n,) states in which episodes begin, where it isn't for the world to say; of compiled worlds.
    """
    world = as_compiled(env)
    if world is not None:
        starts = world.mdp.starts if starts is None else starts
        terms = Terms(starts, world.max_episode_steps, learner.settings.exploring_starts)
        return compiled_loop(world.mdp.played, terms, learner, num_episodes, key)
    learn_some = _stepwise(env, learner, num_episodes, key)
    learn_some(0)  # compiles, if this is the first time, so that what follows is timed without it
    return learn_some


def compiled_loop(model: Any, terms: Terms, learner: Learner, num_episodes: int, key: Key) -> LearnSome:
    """The same in a world that kernels can play, or in a section of one."""
    make = _one_at_a_time if learner.settings.num_interleaved == 1 else _interleaved
    learn_some = make(model, terms, learner, num_episodes, key)
    learn_some(0)
    return learn_some


def _one_at_a_time(model: Any, terms: Terms, learner: Learner, num_episodes: int, key: Key) -> LearnSome:
    stream = new_stream(*key)
    learned = 0

    def learn_some(n: int) -> Totals:
        nonlocal learned
        totals = Totals(np.empty(n, np.int64), np.empty(n), np.empty(n, np.bool_))
        rates = learner.rates(learned, n, num_episodes)
        learn_episodes(model, terms, learner.rule, learner.acting, learner.visits, rates, stream, totals)
        learned += n
        return totals

    return learn_some


def _interleaved(model: Any, terms: Terms, learner: Learner, num_episodes: int, key: Key) -> LearnSome:
    k = min(learner.settings.num_interleaved, num_episodes)
    lanes = Lanes(
        places=np.zeros(4 * k, np.int64),
        sums=np.zeros(4 * k),
        streams=np.array([new_stream(*key, lane) for lane in range(k)]),
        counters=np.array([num_episodes, 0, 0]),
    )

    def learn_some(n: int) -> Totals:
        totals = Totals(np.empty(n, np.int64), np.empty(n), np.empty(n, np.bool_))
        rates = learner.rates(int(lanes.counters[1]), n + k, num_episodes)
        learn_interleaved(model, terms, learner.rule, learner.acting, learner.visits, rates, lanes, totals)
        return totals

    return learn_some


def _stepwise(env: Any, learner: Learner, num_episodes: int, key: Key) -> LearnSome:
    if learner.settings.num_interleaved > 1:
        raise SettingError("an environment that only steps plays one episode at a time; num_interleaved must be 1")
    stream = new_stream(*key)
    env_seed: int | None = int(next_bits(new_stream(*key, 0))) >> 33
    learned = 0

    def learn_some(n: int) -> Totals:
        nonlocal env_seed, learned, learner
        totals = Totals(np.zeros(n, np.int64), np.zeros(n), np.zeros(n, np.bool_))
        for i in range(n):
            rate, exploration = learner.rates_at(learned + i, num_episodes)
            alpha = learner.step_size(rate)
            learner, *sums = _play_stepwise(env, learner, alpha, exploration, stream, env_seed)
            totals.steps[i], totals.episode_return[i], totals.terminated[i] = sums
            env_seed = None
        learned += n
        return totals

    return learn_some


def _play_stepwise(
    env: Any, learner: Learner, alpha: Any, exploration: float, stream: Stream, env_seed: int | None
) -> tuple[Learner, int, float, bool]:
    """Learn from an episode of an environment that only steps: (learner, steps, sum of rewards, terminated)."""
    visits = learner.visits
    steps, episode_return, terminated = 0, 0.0, False
    next_action = -1

    def pick(state: int) -> int:
        nonlocal next_action
        if next_action < 0:
            first = steps == 0 and learner.settings.exploring_starts
            next_action = int(
                choose(AnyAction() if first else learner.acting, learner.rule.q, visits, state, exploration, stream)
            )
        return next_action

    def see(t: Transition) -> None:
        nonlocal steps, episode_return, terminated, next_action, learner
        steps, episode_return, terminated = steps + 1, episode_return + t.reward, t.terminated
        count_visit(learner.acting, visits, t.state, t.action)
        next_action = -1
        if order(learner.rule) == BEFORE and not t.terminated:
            pick(t.next_state)
        learner = make_room(learner, 1)
        step = Step(t.state, t.action, np.float32(t.reward), t.next_state, next_action, t.terminated)
        learn(learner.rule, step, alpha, exploration, stream)

    begin(learner.rule)
    step_through(env, pick, see, seed=env_seed)
    finish(learner.rule, alpha, exploration, stream)
    return learner, steps, episode_return, terminated
