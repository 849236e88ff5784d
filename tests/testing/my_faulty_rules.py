"""Rules with a fault each, which `clew.testing.check_algorithm` must find, and some without."""

from typing import NamedTuple

import numpy as np

import clew
from clew.extending import (
    EITHER_ORDER,
    Algorithm,
    Behaviour,
    Values,
    assign,
    begin_episode,
    best_action,
    choose,
    end_episode,
    increment,
    learn,
    max_value,
    next_action_order,
    next_bits,
    row_length,
    step_size,
    td_update,
    value,
)


def register(name, make, **fields):
    usual = {"update": "", "source": "a test", "settings": ("alpha",), "memory": "run"}
    clew.register_algorithm(Algorithm(name=f"my_faulty_rules:{name}", make=make, **{**usual, **fields}))


# No terminal mask -----------------------------------------------------------------------------------------------------


class Unmasked(NamedTuple):
    q: Values
    gamma: np.float32


@learn.register(Unmasked)
def learn_unmasked(learner, step, alpha, exploration, stream):
    target = step.reward + learner.gamma * max_value(learner.q, step.next_state)
    td_update(learner.q, step.state, step.action, target, step_size(alpha, step.state, step.action))


register("unmasked", lambda spec: Unmasked(spec.q, spec.gamma), memory="step")


# Truncation as an end -------------------------------------------------------------------------------------------------


class Returns(NamedTuple):
    """Learns the return of an episode from its end, of which it forgets that the step limit may have come first."""

    q: Values
    gamma: np.float32
    pairs: np.ndarray
    rewards: np.ndarray
    count: np.ndarray


def make_returns(spec):
    n = spec.max_steps
    return Returns(spec.q, spec.gamma, np.zeros((n, 2), np.int64), np.zeros(n, np.float32), np.zeros(1, np.int64))


@begin_episode.register(Returns)
def begin_returns(learner):
    learner.count[0] = 0


@learn.register(Returns)
def learn_returns(learner, step, alpha, exploration, stream):
    n = learner.count[0]
    learner.pairs[n, 0], learner.pairs[n, 1], learner.rewards[n] = step.state, step.action, step.reward
    learner.count[0] = n + 1


@end_episode.register(Returns)
def end_returns(learner, alpha, exploration, stream):
    total = np.float32(0.0)
    for t in range(learner.count[0] - 1, -1, -1):
        s, a = learner.pairs[t, 0], learner.pairs[t, 1]
        total = learner.rewards[t] + learner.gamma * total
        td_update(learner.q, s, a, total, step_size(alpha, s, a))


register("returns", make_returns, memory="episode", learns_at_end=True, on_policy=True)


class Guessing(NamedTuple):
    """Takes a step without a next action for the last one, which it is also before a step limit."""

    q: Values
    gamma: np.float32


@learn.register(Guessing)
def learn_guessing(learner, step, alpha, exploration, stream):
    target = step.reward
    if step.next_action >= 0:
        target += learner.gamma * max_value(learner.q, step.next_state)
    td_update(learner.q, step.state, step.action, target, step_size(alpha, step.state, step.action))


@next_action_order.register(Guessing)
def order_of_guessing(learner):
    return EITHER_ORDER


register("guessing", lambda spec: Guessing(spec.q, spec.gamma), memory="step")


class Twice(NamedTuple):
    """Learns the last step of an episode again at its end, as if the world had ended it."""

    q: Values
    gamma: np.float32
    pair: np.ndarray
    reward: np.ndarray


@learn.register(Twice)
def learn_once(learner, step, alpha, exploration, stream):
    target = step.reward
    if not step.terminated:
        target += learner.gamma * max_value(learner.q, step.next_state)
    td_update(learner.q, step.state, step.action, target, step_size(alpha, step.state, step.action))
    learner.pair[0], learner.pair[1], learner.reward[0] = step.state, step.action, step.reward


@end_episode.register(Twice)
def learn_twice(learner, alpha, exploration, stream):
    s, a = learner.pair[0], learner.pair[1]
    td_update(learner.q, s, a, learner.reward[0], step_size(alpha, s, a))


register(
    "twice",
    lambda spec: Twice(spec.q, spec.gamma, np.zeros(2, np.int64), np.zeros(1, np.float32)),
    memory="episode",
)


# Ties, memory, draws --------------------------------------------------------------------------------------------------


class Double(NamedTuple):
    q: Values
    q1: np.ndarray
    q2: np.ndarray
    gamma: np.float32


class FirstOfTies(NamedTuple):
    q: Values
    q1: np.ndarray
    q2: np.ndarray
    gamma: np.float32


class Unkeyed(NamedTuple):
    q: Values
    q1: np.ndarray
    q2: np.ndarray
    gamma: np.float32


def make_double(kind):
    return lambda spec: kind(spec.q, spec.table.copy(), spec.table.copy(), spec.gamma)


def learn_double(kind, coin, choose_best):
    """Double Q-learning, with a coin and a choice of the next action."""

    @learn.register(kind)
    def learn_one_of_two(learner, step, alpha, exploration, stream):
        s, a, bits = step.state, step.action, next_bits(stream)
        q1, q2 = learner.q1, learner.q2
        if coin(bits):
            q1, q2 = learner.q2, learner.q1
        target = step.reward
        if not step.terminated:
            target += learner.gamma * value(q2, step.next_state, choose_best(q1, step.next_state, bits))
        td_update(q1, s, a, target, step_size(alpha, s, a))
        assign(learner.q, s, a, np.float32(0.5) * (value(learner.q1, s, a) + value(learner.q2, s, a)))


@clew.extending.kernel
def low_bit(bits):
    return bits & np.uint64(1)


@clew.extending.kernel
def random_bit(bits):
    return np.random.random() < 0.5  # noqa: NPY002  # the fault


@clew.extending.kernel
def any_best(q, s, bits):
    return best_action(q, s, bits >> np.uint64(32))


@clew.extending.kernel
def first_best(q, s, bits):
    best = 0
    for a in range(1, row_length(q)):
        if value(q, s, a) > value(q, s, best):
            best = a
    return best


learn_double(Double, low_bit, any_best)
learn_double(FirstOfTies, low_bit, first_best)
learn_double(Unkeyed, random_bit, any_best)
register("double", make_double(Double), interleaves=True)
register("first_of_ties", make_double(FirstOfTies), interleaves=True)
register("unkeyed", make_double(Unkeyed), interleaves=True)


class Counting(NamedTuple):
    """Remembers counts for the whole run, and doesn't say so."""

    q: Values
    gamma: np.float32
    counts: np.ndarray


@learn.register(Counting)
def learn_counting(learner, step, alpha, exploration, stream):
    s, a = step.state, step.action
    increment(learner.counts, s, a)
    target = step.reward + np.float32(0.1) / np.sqrt(np.float32(value(learner.counts, s, a)))
    if not step.terminated:
        target += learner.gamma * max_value(learner.q, step.next_state)
    td_update(learner.q, s, a, target, step_size(alpha, s, a))


def make_counting(spec):
    return Counting(spec.q, spec.gamma, np.zeros(spec.table.shape, np.int32))


register("counting_for_a_step", make_counting, memory="step")
register("counting_for_an_episode", make_counting, memory="episode")


def merge_counts(memory, before, after):
    memory["counts"] += after["counts"] - before["counts"]


def merge_twice(memory, before, after):
    memory["counts"] += after["counts"]


register("merging", make_counting, merge=merge_counts)
register("merging_twice", make_counting, merge=merge_twice)


class Averaging(NamedTuple):
    """QV-learning with a table of state values, which it merges: right."""

    q: Values
    gamma: np.float32
    v: np.ndarray


@learn.register(Averaging)
def learn_averaging(learner, step, alpha, exploration, stream):
    s, a, target = step.state, step.action, step.reward
    if not step.terminated:
        target += learner.gamma * learner.v[step.next_state]
    learner.v[s] += np.float32(0.02) * (target - learner.v[s])
    td_update(learner.q, s, a, target, step_size(alpha, s, a))


def merge_values(memory, before, after):
    memory["v"] += after["v"] - before["v"]  # which is rounded


register(
    "averaging",
    lambda spec: Averaging(spec.q, spec.gamma, np.zeros(len(spec.table), np.float32)),
    merge=merge_values,
    on_policy=True,
)

SHARED = np.zeros(1000, np.int32)


def make_sharing(spec):
    return Counting(spec.q, spec.gamma, SHARED[: spec.table.size].reshape(spec.table.shape))


register("sharing", make_sharing)


class Previous(NamedTuple):
    """Remembers the step before, so that its episodes can't be interleaved."""

    q: Values
    gamma: np.float32
    first: np.ndarray


@begin_episode.register(Previous)
def begin_previous(learner):
    learner.first[0] = 1


@learn.register(Previous)
def learn_after_previous(learner, step, alpha, exploration, stream):
    target = step.reward
    if not step.terminated:
        target += learner.gamma * max_value(learner.q, step.next_state)
    td_update(learner.q, step.state, step.action, target, step_size(alpha, step.state, step.action))
    learner.first[0] = 0


register("previous", lambda spec: Previous(spec.q, spec.gamma, np.ones(1, np.int64)), interleaves=True)


# Wrong writes ---------------------------------------------------------------------------------------------------------


class WrongRow(NamedTuple):
    q: Values
    gamma: np.float32


@learn.register(WrongRow)
def learn_wrong_row(learner, step, alpha, exploration, stream):
    target = step.reward
    if not step.terminated:
        target += learner.gamma * max_value(learner.q, step.next_state)
    td_update(learner.q, step.next_state, step.action, target, step_size(alpha, step.state, step.action))


register("wrong_row", lambda spec: WrongRow(spec.q, spec.gamma))


class Divergent(NamedTuple):
    q: Values
    gamma: np.float32


@learn.register(Divergent)
def learn_divergent(learner, step, alpha, exploration, stream):
    s, a, target = step.state, step.action, step.reward
    if not step.terminated:
        target += learner.gamma * max_value(learner.q, step.next_state)
    old = value(learner.q, s, a)
    assign(learner.q, s, a, old + np.float32(2.5) * step_size(alpha, s, a) * (target - old))


register("divergent", lambda spec: Divergent(spec.q, spec.gamma), memory="step")


class Early(NamedTuple):
    """Divides by the number of tries before it counts this one."""

    q: Values
    gamma: np.float32
    counts: np.ndarray


@learn.register(Early)
def learn_early(learner, step, alpha, exploration, stream):
    s, a = step.state, step.action
    target = step.reward + np.float32(0.1) / np.sqrt(np.float32(value(learner.counts, s, a)))
    increment(learner.counts, s, a)
    if not step.terminated:
        target += learner.gamma * max_value(learner.q, step.next_state)
    td_update(learner.q, s, a, target, step_size(alpha, s, a))


register("early", lambda spec: Early(spec.q, spec.gamma, np.zeros(spec.table.shape, np.int32)))


class Beyond(NamedTuple):
    q: Values
    gamma: np.float32
    tries: np.ndarray


@learn.register(Beyond)
def learn_beyond(learner, step, alpha, exploration, stream):
    target = step.reward
    if not step.terminated:
        target += learner.gamma * max_value(learner.q, step.next_state)
    td_update(learner.q, step.state, step.action, target, step_size(alpha, step.state, step.action))
    learner.tries[step.state] += 1


register("beyond", lambda spec: Beyond(spec.q, spec.gamma, np.zeros(len(spec.table) - 1, np.int32)))


class Uncounted(NamedTuple):
    q: Values
    gamma: np.float32


@learn.register(Uncounted)
def learn_uncounted(learner, step, alpha, exploration, stream):
    target = step.reward
    if not step.terminated:
        target += learner.gamma * max_value(learner.q, step.next_state)
    td_update(learner.q, step.state, step.action, target, np.float32(0.1))


register("uncounted", lambda spec: Uncounted(spec.q, spec.gamma), memory="step")


class Mean(NamedTuple):
    """Learns the values of random actions, and forgets that not all may be available."""

    q: Values
    gamma: np.float32


@learn.register(Mean)
def learn_mean(learner, step, alpha, exploration, stream):
    target, n = step.reward, row_length(learner.q)
    if not step.terminated:
        for a in range(n):
            target += learner.gamma * value(learner.q, step.next_state, a) / np.float32(n)
    td_update(learner.q, step.state, step.action, target, step_size(alpha, step.state, step.action))


register("mean", lambda spec: Mean(spec.q, spec.gamma), memory="step")


# Found in trainings alone ---------------------------------------------------------------------------------------------


class FarSighted(NamedTuple):
    q: Values
    gamma: np.float32


@learn.register(FarSighted)
def learn_far_sighted(learner, step, alpha, exploration, stream):
    target = step.reward
    if not step.terminated:
        target += np.float32(1.3) * learner.gamma * max_value(learner.q, step.next_state)
    td_update(learner.q, step.state, step.action, target, step_size(alpha, step.state, step.action))


register("far_sighted", lambda spec: FarSighted(spec.q, spec.gamma), memory="step")


class Listing(NamedTuple):
    q: Values


@learn.register(Listing)
def learn_by_a_list(learner, step, alpha, exploration, stream):
    target = [step.reward]
    if not step.terminated:
        target.append(max_value(learner.q, step.next_state))
    td_update(learner.q, step.state, step.action, sum(target), step_size(alpha, step.state, step.action))


register("listing", lambda spec: Listing(spec.q), memory="step")


class Endless(NamedTuple):
    q: Values


@learn.register(Endless)
def learn_endless(learner, step, alpha, exploration, stream):
    while step.reward > 0:
        td_update(learner.q, step.state, step.action, step.reward, step_size(alpha, step.state, step.action))


register("endless", lambda spec: Endless(spec.q), memory="step")


def crash(spec):
    import os

    os.abort()


register("crash", crash)


# A strategy -----------------------------------------------------------------------------------------------------------


class First(NamedTuple):
    pass


@choose.register(First)
def choose_first(behaviour, q, visits, s, exploration, stream):
    return first_best(q, s, next_bits(stream))


clew.register_behaviour("my_faulty_rules:first", Behaviour(First(), "the first of the best"))
