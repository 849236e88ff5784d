"""An actor that plays with fixed action values, and a learner that learns from each of its steps at once.

The result is, to the bit, that of `record_episodes` followed by `replay`, without the record. A central learner, which
learns from what simulations did with older values, uses it if the simulations run in the same process.
"""

from typing import Any, NamedTuple

import numpy as np

from clew.kernels import kernel
from clew.kernels.learning.behaviours import Visits, behaviour_after, choose, count_visit
from clew.kernels.learning.learners import BEFORE_UPDATE, Step, begin_episode, end_episode, learn, next_action_order
from clew.kernels.learning.rollouts import EpisodeSpec, choose_first_action
from clew.kernels.sampling import Stream, draw_start, sample
from clew.kernels.values import Values


class Actor(NamedTuple):
    """Actor that plays by fixed action values."""

    q: Values  # action values, only read
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
) -> tuple[int, int, float]:
    """Play episodes with the fixed values of an actor, and let a learner learn from every step.

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
        num_episodes: number of episodes to play.

    Returns:
        (number of steps, number of terminated episodes, sum of rewards), added up in the order of the steps.
    """
    alpha, exploration = rates
    num_steps, num_terminated, rewards = 0, 0, 0.0
    for _ in range(num_episodes):
        begin_episode(learner)
        s = draw_start(spec.starts, actor.stream)
        a = choose_first_action(actor, behaviour, actor.visits, spec, s, exploration, actor.stream)
        steps, terminated = 0, False
        while not terminated and steps < spec.max_steps:
            steps += 1
            count_visit(behaviour, actor.visits, s, a)
            s_next, reward, terminated = sample(model, s, a, actor.stream)
            acting, a_next, a_learned = behaviour_after(behaviour, a), -1, -1
            if not terminated and steps < spec.max_steps:
                a_next = choose(acting, actor.q, actor.visits, s_next, exploration, actor.stream)
            count_visit(behaviour, visits, s, a)
            if next_action_order(learner) == BEFORE_UPDATE and not terminated:
                a_learned = a_next
                if a_next < 0:
                    a_learned = choose(acting, learner.q, visits, s_next, exploration, stream)
            learn(learner, Step(s, a, reward, s_next, a_learned, terminated), alpha, exploration, stream)
            rewards += np.float64(reward)
            s, a = s_next, a_next
        end_episode(learner, alpha, exploration, stream)
        num_steps += steps
        num_terminated += np.int64(terminated)
    return num_steps, num_terminated, rewards
