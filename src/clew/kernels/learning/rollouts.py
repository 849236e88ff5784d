"""Episode loops, built from `sampling`, `behaviours` and the protocol of `learners`.

    learn_episodes      act and learn, step by step; `interleaving` does so with several episodes at a time
    learn_steps         the same for a number of steps, which may end in the midst of an episode
    record_episodes     act, and record every transition
    replay              learn from recorded transitions
    play_episodes       act with fixed action values, and record the returns only: to grade a policy

All of them draw random numbers from the stream that they are given, and from nothing else.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import is_outside_section
from clew.kernels.learning.behaviours import UniformRandom, Visits, behaviour_after, choose, count_visit, epsilon_greedy
from clew.kernels.learning.learners import (
    BEFORE_UPDATE,
    EITHER_ORDER,
    Step,
    begin_episode,
    end_episode,
    learn,
    next_action_order,
)
from clew.kernels.learning.rates import episode_rates, step_parameters
from clew.kernels.sampling import Stream, draw_start, sample
from clew.kernels.values import Values


class EpisodeSpec(NamedTuple):
    """Start states of episodes, and the step limit that truncates them."""

    starts: npt.NDArray[np.int32]  # (num_starts,), start states, drawn uniformly
    max_steps: int
    exploring_starts: bool  # the first action is drawn uniformly


class FixedValues(NamedTuple):
    """Action values to act by, in the place of a learner: `learn` leaves them as they are."""

    q: Values


Cursor = npt.NDArray[np.int64]
"""Place in a series of episodes, from which another call goes on: (4,) int64, changed in place.

Its numbers are that of ended episodes, and the state, the steps so far and the last action of the episode under way. An
episode that has no step yet has not begun.
"""


class TransitionBatch(NamedTuple):
    """Transitions of one or more episodes, in order, one array per field.

    An episode ends with the row that is terminated (by the world) or truncated (by the step limit).
    """

    state: npt.NDArray[np.int32]
    action: npt.NDArray[np.int32]
    reward: npt.NDArray[np.float32]
    next_state: npt.NDArray[np.int32]
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]


class EpisodeStats(NamedTuple):
    """Statistics of each episode: (num_episodes,) arrays, filled in place."""

    steps: npt.NDArray[np.int64]
    episode_return: npt.NDArray[np.float64]  # undiscounted sum of rewards
    terminated: npt.NDArray[np.bool_]


def new_episode_stats(num_episodes: int) -> EpisodeStats:
    """Allocate the statistics of a number of episodes, uninitialised."""
    return EpisodeStats(np.empty(num_episodes, np.int64), np.empty(num_episodes), np.empty(num_episodes, np.bool_))


@kernel
def choose_first_action(
    learner: Any, behaviour: Any, visits: Visits, spec: EpisodeSpec, s: int, exploration: float, stream: Stream
) -> int:
    """Choose the first action of an episode: any action with exploring starts, else by the behaviour policy.

    Source:
        Sutton & Barto (2018), section 5.3, for exploring starts.
    """
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
    """Take one step: move, choose the next action, and learn, in the order that the learner needs.

    Args:
        model: world, see `dynamics`; `fast_model` gives the form that is fastest to step.
        learner: see `learners`; changed in place.
        behaviour: see `behaviours`.
        visits: (num_states, num_actions) int32, counted in place, or empty.
        state_action: state, and the action that was chosen in it.
        is_last: True if the step limit ends the episode with this step.
        rates: (step size, exploration), as `step_parameters` returns them.
        stream: (2,) uint64, changed in place.

    Returns:
        (next state, next action, reward, terminated); the next action is -1 if it wasn't chosen, as the episode has
        ended.
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
        model: world, see `dynamics`; `fast_model` gives the form that is fastest to step.
        spec: where episodes begin, and after how many steps they are truncated.
        learner: see `learners`; changed in place.
        behaviour: see `behaviours`.
        visits: (num_states, num_actions) int32, counted in place; empty if the behaviour doesn't use it.
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
def learn_steps(
    model: Any,
    spec: EpisodeSpec,
    learner: Any,
    behaviour: Any,
    visits: Visits,
    rates: tuple[Any, float],
    stream: Stream,
    num_episodes: int,
    num_steps: int,
    cursor: Cursor,
) -> tuple[int, int, float]:
    """Play episodes and learn after every step, for a number of steps.

    The last episode may go on in another call. For the learner it is cut there as by a step limit: it bootstraps from
    the state that was reached.

    Args:
        model: world, see `dynamics`; `fast_model` gives the form that is fastest to step.
        spec: where episodes begin, and after how many steps they are truncated.
        learner: see `learners`; changed in place.
        behaviour: see `behaviours`.
        visits: (num_states, num_actions) int32, counted in place; empty if the behaviour doesn't use it.
        rates: (step size, exploration), as `step_parameters` returns them.
        stream: (2,) uint64, changed in place.
        num_episodes: number of episodes after which to stop.
        num_steps: number of steps after which to stop, in the midst of an episode if need be.
        cursor: see `Cursor`; changed in place.

    Returns:
        (number of steps, number of terminated episodes, sum of rewards).
    """
    num_left, num_terminated, rewards = num_steps, 0, 0.0
    while cursor[0] < num_episodes and num_left > 0:
        begin_episode(learner)
        s, steps, taken = cursor[1], cursor[2], cursor[3]
        if steps == 0:
            s = np.int64(draw_start(spec.starts, stream))
            a = np.int64(choose_first_action(learner, behaviour, visits, spec, s, rates[1], stream))
        else:
            a = np.int64(choose(behaviour_after(behaviour, taken), learner.q, visits, s, rates[1], stream))
        limit = min(spec.max_steps, steps + num_left)
        num_left += steps
        terminated = False
        while not terminated and steps < limit:
            steps += 1
            taken = a
            s, a, reward, terminated = take_step(
                model, learner, behaviour, visits, (s, a), steps == limit, rates, stream
            )
            rewards += np.float64(reward)
        end_episode(learner, rates[0], rates[1], stream)
        num_left -= steps
        if terminated or steps == spec.max_steps:
            cursor[0] += 1
            steps = 0
        num_terminated += np.int64(terminated)
        cursor[1], cursor[2], cursor[3] = s, steps, taken
    return num_steps - num_left, num_terminated, rewards


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
    """Play one episode from each of the starts by the epsilon-greedy policy of q, without learning.

    Args:
        model: world, see `dynamics`; `fast_model` gives the form that is fastest to step.
        q: (num_states, num_actions) float32, action values; only read.
        starts: (num_episodes,) int32, start state of each episode.
        max_steps: step limit of an episode.
        gamma: discount per step, in [0, 1].
        epsilon: probability of exploring, in [0, 1]; 0 plays the greedy policy.
        stream: (2,) uint64, changed in place.
        stats: one entry per episode, filled in place.
        discounted_returns: (num_episodes,), sums of gamma**t * reward, filled in place.
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
    rule: Any,
    behaviour: Any,
    visits: Visits,
    rates: tuple[Any, float],
    num_episodes: int,
    stream: Stream,
    cursor: Cursor,
    batch: TransitionBatch,
) -> int:
    """Play episodes, and record every transition until the batch is full.

    Call it again with the same cursor and another batch to go on, in the midst of an episode if need be.

    Args:
        model: world, see `dynamics`; `fast_model` gives the form that is fastest to step.
        spec: where episodes begin, and after how many steps they are truncated.
        rule: action values by which to act: `FixedValues`, or a `QLearning`, which is updated in place.
        behaviour: see `behaviours`.
        visits: (num_states, num_actions) int32, counted in place; empty if the behaviour doesn't use it.
        rates: (step size, exploration).
        num_episodes: number of episodes to play in all calls together.
        stream: (2,) uint64, changed in place.
        cursor: see `Cursor`; zeros at first, changed in place. All is done when its first number is num_episodes.
        batch: filled in place.

    Returns:
        Number of rows that were filled.
    """
    n = 0
    alpha, exploration = rates
    while cursor[0] < num_episodes and n < batch.state.size:
        s, steps, a = cursor[1], cursor[2], cursor[3]
        if steps == 0:
            s = draw_start(spec.starts, stream)
        terminated = False
        while not terminated and steps < spec.max_steps and n < batch.state.size:
            if steps > 0:
                a = choose(behaviour_after(behaviour, a), rule.q, visits, s, exploration, stream)
            else:
                a = choose_first_action(rule, behaviour, visits, spec, s, exploration, stream)
            count_visit(behaviour, visits, s, a)
            s_next, reward, terminated = sample(model, s, a, stream)
            learn(rule, Step(s, a, reward, s_next, -1, terminated), alpha, exploration, stream)
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
    """Learn from recorded transitions, in their order. Every row is used, and the last row ends an episode.

    Args:
        learner: see `learners`; changed in place.
        behaviour: the behaviour that was recorded; after a truncated step it chooses the next action if the rule needs
            one.
        visits: (num_states, num_actions) int32, counted in place; empty if the behaviour doesn't use it.
        batch: transitions; only read.
        alpha: step size, one of the named tuples of `learners`.
        exploration: how much the behaviour explores.
        stream: (2,) uint64, for rules that draw random numbers; changed in place.
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
