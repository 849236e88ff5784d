"""One plays, another learns from every step: `record_episodes` and `replay` in one loop, to the same bits.

A central learner takes in what simulations did with older values. Where it's done in the same process nothing has to be
written down: the simulation acts by the values that it was given, and the learner learns each of its steps at once.
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
    """Who plays: acts by values that stay as they are."""

    q: Values  # only read
    visits: Visits  # how often each action was tried, counted in place; empty if the behaviour doesn't ask
    stream: Stream  # of its draws, those of the world included; changed in place


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
    """Play episodes with fixed values, and have a learner learn from every step.

    Args:
        model: world, see `dynamics`; `fast_model` gives the form that is played fastest.
        spec: how episodes begin, and when they are cut off.
        actor: who plays.
        learner: see `learners`; changed in place.
        behaviour: see `behaviours`; chooses for the actor, and for the learner where a step limit kept an action from
            being taken.
        visits: (num_states, num_actions) int32, what the learner knows of them; likewise.
        rates: step size and exploration.
        stream: (2,) uint64, for rules that draw; changed in place.
        num_episodes: how many to play.

    Returns:
        (steps, episodes that the world ended, sum of rewards), added up in the order of the steps.
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
