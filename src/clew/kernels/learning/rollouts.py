"""Episodes: loops made of `sampling`, `behaviours` and a learner, and nothing of their own.

learn_episodes      play and learn, step by step; `interleaving` has the same for several at a time
record_episodes     play with fixed values, and write everything down
replay              learn from what was written down
play_episodes       play the greedy policy, to grade it
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import dispatch, kernel
from clew.kernels.dynamics import is_outside_section
from clew.kernels.learning.behaviours import UniformRandom, Visits, behaviour_after, choose, count_visit, epsilon_greedy
from clew.kernels.learning.learners import (
    BEFORE_UPDATE,
    EITHER_ORDER,
    ConstantStepSize,
    CountedStepSize,
    SampleAverageStepSize,
    Step,
    begin_episode,
    end_episode,
    learn,
    next_action_order,
)
from clew.kernels.sampling import Stream, draw_start, sample
from clew.kernels.values import Values


class EpisodeSpec(NamedTuple):
    """How an episode begins, and when it is cut off."""

    starts: npt.NDArray[np.int32]  # (num_starts,) states, each as likely as the others
    max_steps: int
    exploring_starts: bool  # the first action is any


class Rates(NamedTuple):
    """What a schedule says for each episode: (num_episodes,) arrays."""

    alpha: npt.NDArray[np.float32]  # step size
    exploration: npt.NDArray[np.float64]


class AverageRates(NamedTuple):
    """The same, where the step size follows the number of moves of a value, as in `AverageStep`."""

    alpha: npt.NDArray[np.float32]  # not asked
    exploration: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int32]  # (num_states, num_actions)


class CountedRates(NamedTuple):
    """The same for all episodes, and moves are counted, as in `CountedStep`."""

    alpha: np.float32
    exploration: float
    counts: npt.NDArray[np.int32]  # (num_states, num_actions)


class ConstantRates(NamedTuple):
    """The same for all episodes."""

    alpha: np.float32
    exploration: float


@dispatch
def episode_rates(rates: Any, episode: int) -> tuple[np.float32, float]:
    """Step size and exploration of episode i."""
    return rates.alpha[episode], rates.exploration[episode]


@episode_rates.register(ConstantRates, CountedRates)
def constant_episode_rates(rates: Any, episode: int) -> tuple[np.float32, float]:
    """Whatever the episode."""
    return rates.alpha, rates.exploration


@dispatch
def step_parameters(rates: Any, alpha: np.float32, exploration: float) -> tuple[Any, float]:
    """Step size and exploration of an episode, as a step asks for them."""
    return ConstantStepSize(alpha), exploration


@step_parameters.register(AverageRates)
def average_step_parameters(rates: AverageRates, alpha: np.float32, exploration: float) -> tuple[Any, float]:
    """With the number of moves."""
    return SampleAverageStepSize(alpha, rates.counts), exploration


@step_parameters.register(ConstantRates)
def constant_step_parameters(rates: ConstantRates, alpha: np.float32, exploration: float) -> tuple[Any, float]:
    """What is constant needn't be looked up at every step."""
    return ConstantStepSize(rates.alpha), rates.exploration


@step_parameters.register(CountedRates)
def counted_step_parameters(rates: CountedRates, alpha: np.float32, exploration: float) -> tuple[Any, float]:
    """The same, counted."""
    return CountedStepSize(rates.alpha, rates.counts), rates.exploration


class TransitionBatch(NamedTuple):
    """Transitions of one or more episodes, in order, a column each.

    An episode ends with the row that is terminated (the world ended it) or truncated (the step limit did).
    """

    state: npt.NDArray[np.int32]
    action: npt.NDArray[np.int32]
    reward: npt.NDArray[np.float32]
    next_state: npt.NDArray[np.int32]
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]


class EpisodeStats(NamedTuple):
    """What became of each episode: (num_episodes,) arrays, filled in place."""

    steps: npt.NDArray[np.int64]
    episode_return: npt.NDArray[np.float64]  # undiscounted sum of rewards
    terminated: npt.NDArray[np.bool_]


def new_episode_stats(num_episodes: int) -> EpisodeStats:
    """Room for what becomes of so many episodes, to be filled in."""
    return EpisodeStats(np.empty(num_episodes, np.int64), np.empty(num_episodes), np.empty(num_episodes, np.bool_))


@kernel
def choose_first_action(
    learner: Any, behaviour: Any, visits: Visits, spec: EpisodeSpec, s: int, exploration: float, stream: Stream
) -> int:
    """The action that an episode begins with."""
    if spec.exploring_starts:
        return choose(UniformRandom(), learner.q, visits, s, exploration, stream)
    return choose(behaviour, learner.q, visits, s, exploration, stream)


@kernel
def take_step(
    model: Any,
    learner: Any,
    behaviour: Any,
    visits: Visits,
    state_action: tuple[int, int],
    is_last: bool,
    rates: tuple[Any, float],
    stream: Stream,
) -> tuple[int, int, np.float32, bool]:
    """One step: move, choose the next action, learn.

    Args:
        model: world, see `dynamics`; `fast_model` gives the form that is played fastest.
        learner: see `learners`; changed in place.
        behaviour: see `behaviours`.
        visits: (num_states, num_actions) int32, counted in place, or empty.
        place: state, and the action that was chosen in it.
        is_last: the step limit ends the episode with this step.
        rates: step size and exploration.
        stream: (2,) uint64, changed in place.

    Returns:
        (next state, next action, reward, terminated).
    """
    s, a = state_action
    alpha, exploration = rates
    count_visit(behaviour, visits, s, a)
    s_next, reward, terminated = sample(model, s, a, stream)
    action_order, behaviour = next_action_order(learner), behaviour_after(behaviour, a)
    a_next = -1
    if terminated or is_last or is_outside_section(model, s_next):
        if action_order == BEFORE_UPDATE and not terminated:
            a_next = choose(behaviour, learner.q, visits, s_next, exploration, stream)
        learn(learner, Step(s, a, reward, s_next, a_next, terminated), alpha, exploration, stream)
    elif action_order == BEFORE_UPDATE or (action_order == EITHER_ORDER and s_next != s):
        a_next = choose(behaviour, learner.q, visits, s_next, exploration, stream)
        learn(learner, Step(s, a, reward, s_next, a_next, False), alpha, exploration, stream)
    else:
        learn(learner, Step(s, a, reward, s_next, a_next, False), alpha, exploration, stream)
        a_next = choose(behaviour, learner.q, visits, s_next, exploration, stream)
    return s_next, a_next, reward, terminated


@kernel
def learn_episodes(
    model: Any,
    spec: EpisodeSpec,
    learner: Any,
    behaviour: Any,
    visits: Visits,
    rates: Any,
    stream: Stream,
    stats: EpisodeStats,
) -> None:
    """Play episodes, and learn after every step.

    Args:
        model: world, see `dynamics`; `fast_model` gives the form that is played fastest.
        spec: how episodes begin, and when they are cut off.
        learner: see `learners`; changed in place.
        behaviour: see `behaviours`.
        visits: (num_states, num_actions) int32, counted in place; empty if nobody asks.
        rates: step size and exploration of each episode.
        stream: (2,) uint64, changed in place.
        stats: one entry per episode, filled in place; its length is the number of episodes.
    """
    for episode in range(stats.steps.size):
        alpha, exploration = episode_rates(rates, episode)
        parameters = step_parameters(rates, alpha, exploration)
        begin_episode(learner)
        s = draw_start(spec.starts, stream)
        a = choose_first_action(learner, behaviour, visits, spec, s, parameters[1], stream)
        steps = 0
        episode_return = 0.0
        terminated = False
        while not terminated and steps < spec.max_steps and not is_outside_section(model, s):
            steps += 1
            is_last = steps == spec.max_steps
            s, a, reward, terminated = take_step(model, learner, behaviour, visits, (s, a), is_last, parameters, stream)
            episode_return += np.float64(reward)
        end_episode(learner, parameters[0], parameters[1], stream)
        stats.steps[episode] = steps
        stats.episode_return[episode] = episode_return
        stats.terminated[episode] = terminated


@kernel
def play_episodes(
    model: Any,
    q: npt.NDArray[np.float32],
    starts: npt.NDArray[np.int32],
    max_steps: int,
    gamma: float,
    epsilon: float,
    stream: Stream,
    stats: EpisodeStats,
    discounted_returns: npt.NDArray[np.float64],
) -> None:
    """Play an episode from each of the starts in turn by the epsilon-greedy policy of q; nothing is learned.

    Args:
        model: world, see `dynamics`; `fast_model` gives the form that is played fastest.
        q: (num_states, num_actions) float32, action values.
        starts: (num_episodes,) int32, where each episode begins.
        max_steps: step limit of an episode.
        gamma: discount per step, in [0, 1].
        epsilon: probability of exploring, in [0, 1]; 0 plays the greedy policy.
        stream: (2,) uint64, changed in place.
        stats: one entry per episode, filled in place.
        discounted_returns: (num_episodes,) sums of gamma**t * reward, filled in place.
    """
    for episode in range(starts.size):
        s = np.int64(starts[episode])
        steps = 0
        episode_return, discounted_return, weight = 0.0, 0.0, 1.0
        terminated = False
        while not terminated and steps < max_steps:
            s, reward, terminated = sample(model, s, epsilon_greedy(q, s, epsilon, stream), stream)
            steps += 1
            episode_return += np.float64(reward)
            discounted_return += weight * np.float64(reward)
            weight *= gamma
        stats.steps[episode] = steps
        stats.episode_return[episode] = episode_return
        discounted_returns[episode] = discounted_return
        stats.terminated[episode] = terminated


@kernel
def record_episodes(
    model: Any,
    spec: EpisodeSpec,
    q: Values,
    behaviour: Any,
    visits: Visits,
    exploration: float,
    num_episodes: int,
    stream: Stream,
    cursor: npt.NDArray[np.int64],
    batch: TransitionBatch,
) -> int:
    """Play episodes with fixed values and write every transition down, as far as there is room.

    Args:
        model: world, see `dynamics`; `fast_model` gives the form that is played fastest.
        spec: how episodes begin, and when they are cut off.
        q: (num_states, num_actions) float32, action values; only read.
        behaviour: see `behaviours`.
        visits: (num_states, num_actions) int32, counted in place; empty if nobody asks.
        exploration: how much the behaviour explores.
        num_episodes: how many episodes to play.
        stream: (2,) uint64, changed in place.
        place: (4,) int64, episode, state, steps and last action to go on from, zeros at first; changed in place. The
            first is num_episodes when all is done.
        columns: filled in place.

    Returns:
        How many rows were filled.
    """
    n = 0
    while cursor[0] < num_episodes and n < batch.state.size:
        s, steps, a = cursor[1], cursor[2], cursor[3]
        if steps == 0:
            s = draw_start(spec.starts, stream)
        terminated = False
        while not terminated and steps < spec.max_steps and n < batch.state.size:
            if steps > 0:
                a = choose(behaviour_after(behaviour, a), q, visits, s, exploration, stream)
            elif spec.exploring_starts:
                a = choose(UniformRandom(), q, visits, s, exploration, stream)
            else:
                a = choose(behaviour, q, visits, s, exploration, stream)
            count_visit(behaviour, visits, s, a)
            s_next, reward, terminated = sample(model, s, a, stream)
            steps += 1
            batch.state[n] = s
            batch.action[n] = a
            batch.reward[n] = reward
            batch.next_state[n] = s_next
            batch.terminated[n] = terminated
            batch.truncated[n] = steps == spec.max_steps and not terminated
            n += 1
            s = s_next
        if terminated or steps == spec.max_steps:
            cursor[0] += 1
            steps = 0
        cursor[1], cursor[2], cursor[3] = s, steps, a
    return n


@kernel
def replay(
    learner: Any,
    behaviour: Any,
    visits: Visits,
    batch: TransitionBatch,
    alpha: Any,
    exploration: float,
    stream: Stream,
) -> None:
    """Learn from recorded transitions, in their order. Every row is used, and the last one ends an episode.

    Args:
        learner: see `learners`; changed in place.
        behaviour: the one that was recorded; chooses the action that a step limit kept from being taken.
        visits: (num_states, num_actions) int32, counted in place; empty if nobody asks.
        columns: transitions.
        alpha: step size.
        exploration: how much the behaviour explores.
        stream: (2,) uint64, for rules that draw; changed in place.
    """
    n = batch.state.size
    is_first = True
    for i in range(n):
        if is_first:
            begin_episode(learner)
        s, a, s_next = np.int64(batch.state[i]), np.int64(batch.action[i]), np.int64(batch.next_state[i])
        terminated = batch.terminated[i]
        is_first = terminated or batch.truncated[i] or i == n - 1
        count_visit(behaviour, visits, s, a)
        a_next = -1
        if next_action_order(learner) == BEFORE_UPDATE and not terminated:
            if is_first:
                a_next = choose(behaviour_after(behaviour, a), learner.q, visits, s_next, exploration, stream)
            else:
                a_next = np.int64(batch.action[i + 1])
        step = Step(s, a, batch.reward[i], s_next, a_next, terminated)
        learn(learner, step, alpha, exploration, stream)
        if is_first:
            end_episode(learner, alpha, exploration, stream)
