"""Slow, obvious versions of behaviours and episode loops; `oracles_learning` has the update rules.

`ACTING` has a row for each behaviour, with what the tests need.
"""

from collections.abc import Callable
from math import exp, inf, log, sqrt
from typing import NamedTuple

import numpy as np

from oracles import below, draw_start, next_bits, sample, uniform

LOW_HALF = 2**32


class Step(NamedTuple):
    state: int
    action: int
    reward: np.float32
    next_state: int
    next_action: int | None
    terminated: bool


# Behaviours -----------------------------------------------------------------------------------------------------------


def one_of(candidates, half):
    return candidates[below(half, len(candidates))]


def epsilon_greedy(q, visits, s, epsilon, stream):
    high, low = divmod(next_bits(stream), LOW_HALF)
    return one_of(range(len(q[s])) if high < epsilon * LOW_HALF else best_actions(q, s), low)


def best_actions(q, s):
    return [a for a, x in enumerate(q[s]) if x == max(q[s])]


def epsilon_greedy_weights(q, visits, s, epsilon):
    best = best_actions(q, s)
    return [epsilon / len(q[s]) + (1.0 - epsilon) * (a in best) / len(best) for a in range(len(q[s]))]


def first_action(q, visits, s, epsilon, stream):
    high, low = divmod(next_bits(stream), LOW_HALF)
    return below(low, len(q[s])) if high < epsilon * LOW_HALF else q[s].index(max(q[s]))


def first_action_weights(q, visits, s, epsilon):
    return [epsilon / len(q[s]) + (1.0 - epsilon) * (a == q[s].index(max(q[s]))) for a in range(len(q[s]))]


def softmax(q, visits, s, temperature, stream):
    weights = softmax_weights(q, visits, s, temperature)
    left = uniform(next_bits(stream)) * sum(weights)
    return next(a for a in range(len(weights)) if left < sum(weights[: a + 1]))


def softmax_weights(q, visits, s, temperature):
    return [exp((float(x) - float(max(q[s]))) / temperature) for x in q[s]]


def ucb(q, visits, s, confidence, stream):
    bounds, chosen = upper_bounds(q, visits, s, confidence), 0
    for a in range(1, len(bounds)):  # one pass: a draw for each tie with the best before it
        ties = bounds[: a + 1].count(bounds[a])
        is_kept = bounds[a] == bounds[chosen] and below(next_bits(stream) % LOW_HALF, ties) == 0
        chosen = a if is_kept or bounds[a] > bounds[chosen] else chosen
    return chosen


def upper_bounds(q, visits, s, confidence):
    log_total = log(max(sum(visits[s]), 1))
    return [
        inf if n == 0 else float(x) + confidence * sqrt(log_total / n) for x, n in zip(q[s], visits[s], strict=True)
    ]


def ucb_weights(q, visits, s, confidence):
    bounds = upper_bounds(q, visits, s, confidence)
    return [float(bound == max(bounds)) for bound in bounds]


def least_tried(q, visits, s, exploration, stream):
    weights = least_tried_weights(q, visits, s, exploration)
    return one_of([a for a, weight in enumerate(weights) if weight], next_bits(stream) % LOW_HALF)


def least_tried_weights(q, visits, s, exploration):
    return [float(count == min(visits[s])) for count in visits[s]]


class Acting(NamedTuple):
    """Oracle of a behaviour: how it draws, and numbers in proportion to its probabilities, from its definition."""

    choose: Callable[[list, list, int, float, list], int]  # of q, visits, the state, the exploration and the stream
    weights: Callable[[list, list, int, float], list[float]]


ACTING = {
    "epsilon-greedy": Acting(epsilon_greedy, epsilon_greedy_weights),
    "first-action": Acting(first_action, first_action_weights),
    "greedy": Acting(
        lambda q, visits, s, _, stream: epsilon_greedy(q, visits, s, 0.0, stream),
        lambda q, visits, s, _: epsilon_greedy_weights(q, visits, s, 0.0),
    ),
    "persistent": Acting(
        lambda q, visits, s, _, stream: epsilon_greedy(q, visits, s, 0.0, stream),
        lambda q, visits, s, _: epsilon_greedy_weights(q, visits, s, 0.0),
    ),
    "softmax": Acting(softmax, softmax_weights),
    "ucb": Acting(ucb, ucb_weights),
    "least-tried": Acting(least_tried, least_tried_weights),
    "random": Acting(
        lambda q, visits, s, _, stream: epsilon_greedy(q, visits, s, 1.0, stream),
        lambda q, visits, s, _: epsilon_greedy_weights(q, visits, s, 1.0),
    ),
}


def choose(behaviour, q, visits, s, exploration, stream, last=None):
    if behaviour == "persistent" and last is not None and last < len(q[s]) and q[s][last] == max(q[s]):
        return last
    return ACTING[behaviour].choose(q, visits, s, exploration, stream)


def probabilities(behaviour, q, visits, s, exploration):
    weights = ACTING[behaviour].weights(q, visits, s, exploration)
    return [weight / sum(weights) for weight in weights]


# Episodes -------------------------------------------------------------------------------------------------------------


class EpisodeSpec(NamedTuple):
    """Specification of episodes: name of the behaviour, visit counts or None, start states, step limit."""

    behaviour: str
    visits: list | None
    starts: list
    max_steps: int
    exploring_starts: bool = False
    outside: frozenset = frozenset()  # states outside the section: a step there ends an episode as the step limit does


def episode(rows, agent, spec, rate, exploration, stream):
    """Play one episode and learn from it in place, as a generator.

    Yields None at its beginning and after each step but the last, then (steps, return, terminated).
    """

    def act(behaviour, s, last):
        return choose(behaviour, agent.q, spec.visits, s, exploration, stream, last)

    getattr(agent, "begin_episode", lambda: None)()
    s = draw_start(spec.starts, stream)
    a = act("random" if spec.exploring_starts else spec.behaviour, s, None)
    steps, episode_return = 0, 0.0
    yield None
    while True:
        if spec.visits is not None:
            spec.visits[s][a] += 1
        s_next, reward, terminated = sample(rows, s, a, stream)
        steps, episode_return = steps + 1, episode_return + float(reward)
        a_next = act(spec.behaviour, s_next, a) if agent.needs_next_action and not terminated else None
        agent.learn(Step(s, a, reward, s_next, a_next, terminated), rate, exploration, stream)
        if terminated or steps == spec.max_steps or s_next in spec.outside:
            getattr(agent, "end_episode", lambda *_: None)(rate, exploration, stream)
            yield steps, episode_return, terminated
            return
        s, a = s_next, act(spec.behaviour, s_next, a) if a_next is None else a_next
        yield None


def learn_episodes(rows, agent, spec, rates, stream):
    """Play one episode for each pair (step size, exploration), in order; return the statistics of each."""
    return [list(episode(rows, agent, spec, *pair, stream))[-1] for pair in rates]


def learn_interleaved(rows, agent, spec, rates, streams):
    """Take a step in each slot in turn, with a stream for each; a slot whose episode ends begins the next at once."""
    rates, stats = iter(rates), []

    def begin(stream):
        pair = next(rates, None)
        lane = pair and episode(rows, agent, spec, *pair, stream)
        if lane:
            next(lane)  # begins the episode
        return lane

    lanes = [begin(stream) for stream in streams]
    while any(lanes):
        for i, stream in enumerate(streams):
            result = next(lanes[i]) if lanes[i] else None
            if result:
                stats.append(result)
                lanes[i] = begin(stream)
    return stats


def record_episodes(rows, q, spec, num_episodes, exploration, stream):
    """Return a list of (state, action, reward, next state, terminated, truncated)."""

    class Writer:
        needs_next_action = False

        def __init__(self):
            self.q, self.transitions = q, []

        def learn(self, step, *_):
            self.transitions.append([*step[:4], step.terminated, False])

        def end_episode(self, *_):
            self.transitions[-1][5] = not self.transitions[-1][4]

    writer = Writer()
    learn_episodes(rows, writer, spec, [(None, exploration)] * num_episodes, stream)
    return [tuple(transition) for transition in writer.transitions]


def replay(agent, transitions, spec, rate, exploration, stream):
    """Learn from a record; if an episode was truncated, the next action is drawn now."""
    is_first = True
    for i, (s, a, reward, s_next, terminated, truncated) in enumerate(transitions):
        is_last = terminated or truncated or i == len(transitions) - 1
        if is_first:
            getattr(agent, "begin_episode", lambda: None)()
        if spec.visits is not None:
            spec.visits[s][a] += 1
        a_next = None
        if agent.needs_next_action and not terminated:
            a_next = (
                transitions[i + 1][1]
                if not is_last
                else choose(spec.behaviour, agent.q, spec.visits, s_next, exploration, stream, a)
            )
        agent.learn(Step(s, a, reward, s_next, a_next, terminated), rate, exploration, stream)
        if is_last:
            getattr(agent, "end_episode", lambda *_: None)(rate, exploration, stream)
        is_first = is_last


def play_episodes(rows, q, starts, max_steps, gamma, epsilon, stream):
    """Return a list of (steps, return, terminated, discounted return), one for each of the starts."""
    played = []
    for start in starts:
        spec = EpisodeSpec("epsilon-greedy", None, [start], max_steps)
        transitions = record_episodes(rows, q, spec, 1, epsilon, stream)
        rewards = [float(reward) for _, _, reward, *_ in transitions]
        discounted = sum(gamma**t * reward for t, reward in enumerate(rewards))
        played.append((len(transitions), sum(rewards), transitions[-1][4], discounted))
    return played
