"""An actor that plays with values of its own, and a learner that learns from each of its steps at once.

The result is, to the bit, that of `record_episodes` followed by `replay`, without the record. A central learner, which
learns from what simulations did with older values, uses it if the simulations run in the same process.
"""

from typing import Any, NamedTuple

import numpy as np

from clew.kernels import kernel
from clew.kernels.learning.behaviours import Visits, behaviour_after, choose, count_visit
from clew.kernels.learning.learners import (
    BEFORE_UPDATE,
    ConstantStepSize,
    Step,
    begin_episode,
    end_episode,
    learn,
    next_action_order,
)
from clew.kernels.learning.rollouts import Cursor, EpisodeSpec, choose_first_action
from clew.kernels.sampling import Stream, draw_start, sample


class Actor(NamedTuple):
    """Actor that plays by values of its own."""

    rule: Any  # `FixedValues`, or a `QLearning`, which is updated in place
    alpha: ConstantStepSize  # of a `QLearning`
    visits: Visits  # how often each action was taken, counted in place; empty if the behaviour doesn't use it
    stream: Stream  # for its draws and those of the world; changed in place


@kernel
def learn_while_acting(
    model: Any,
    spec: EpisodeSpec,
    actor: Actor,
    learner: Any,
    behaviour: Any,
    visits: Visits,
    rates: tuple[Any, float],
    stream: Stream,
    num_episodes: int,
    num_steps: int,
    cursor: Cursor,
) -> tuple[int, int, float]:
    """Play episodes by the values of an actor, and let a learner learn from every step.

    Args:
        model: world, see `dynamics`; `fast_model` gives the form that is fastest to step.
        spec: where episodes begin, and after how many steps they are truncated.
        actor: plays the episodes.
        learner: see `learners`; changed in place.
        behaviour: see `behaviours`; it chooses the actor's actions and, if the rule needs the next action after a
            truncated step, one for the learner by the learner's own values.
        visits: (num_states, num_actions) int32, the learner's count of how often each action was taken; counted in
            place, or empty.
        rates: (step size, exploration).
        stream: (2,) uint64, the learner's, for rules that draw random numbers; changed in place.
        num_episodes: number of episodes after which to stop.
        num_steps: number of steps after which to stop, in the midst of an episode if need be.
        cursor: see `rollouts.Cursor`; changed in place.

    Returns:
        (number of steps, number of terminated episodes, sum of rewards), added up in the order of the steps.
    """
    alpha, exploration = rates
    num_left, num_terminated, rewards = num_steps, 0, 0.0
    while cursor[0] < num_episodes and num_left > 0:
        begin_episode(learner)
        s, steps, taken = cursor[1], cursor[2], cursor[3]
        if steps == 0:
            s = np.int64(draw_start(spec.starts, actor.stream))
            a = np.int64(choose_first_action(actor.rule, behaviour, actor.visits, spec, s, exploration, actor.stream))
        else:
            a = np.int64(
                choose(behaviour_after(behaviour, taken), actor.rule.q, actor.visits, s, exploration, actor.stream)
            )
        limit = min(spec.max_steps, steps + num_left)
        num_left += steps
        terminated = False
        while not terminated and steps < limit:
            steps += 1
            count_visit(behaviour, actor.visits, s, a)
            s_next, reward, terminated = sample(model, s, a, actor.stream)
            learn(actor.rule, Step(s, a, reward, s_next, -1, terminated), actor.alpha, exploration, actor.stream)
            acting, a_next, a_learned = behaviour_after(behaviour, a), -1, -1
            if not terminated and steps < limit:
                a_next = choose(acting, actor.rule.q, actor.visits, s_next, exploration, actor.stream)
            count_visit(behaviour, visits, s, a)
            if next_action_order(learner) == BEFORE_UPDATE and not terminated:
                a_learned = a_next
                if a_next < 0:
                    a_learned = choose(acting, learner.q, visits, s_next, exploration, stream)
            learn(learner, Step(s, a, reward, s_next, a_learned, terminated), alpha, exploration, stream)
            rewards += np.float64(reward)
            s, taken, a = s_next, a, a_next
        end_episode(learner, alpha, exploration, stream)
        num_left -= steps
        if terminated or steps == spec.max_steps:
            cursor[0] += 1
            steps = 0
        num_terminated += np.int64(terminated)
        cursor[1], cursor[2], cursor[3] = s, steps, taken
    return num_steps - num_left, num_terminated, rewards
