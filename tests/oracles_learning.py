"""Slow, obvious versions of the update rules, written from the textbooks' pseudo-code, with lists and dictionaries.

A rule is a class with the values `q`, rows of np.float32. It may have `begin_episode()`, `learn(step, rate,
exploration, stream)` and `end_episode(rate, exploration, stream)`, which the loops of `oracles_episodes` call; `rate(s,
a)` is the step size. A rule whose `needs_next_action` is True receives the next action. A return is summed from its
last reward to its first, as in the kernels, so that both round alike.

`RULES`, at the end, has a row for each algorithm, with what the tests need.
"""

from collections import defaultdict, deque
from collections.abc import Callable
from math import inf, sqrt
from typing import Any, NamedTuple

import numpy as np

from loops import GAMMA, Heap
from oracles import next_bits
from oracles_episodes import LOW_HALF, one_of

END = "the end"

# Rules of one step ----------------------------------------------------------------------------------------------------


def td_update(q, s, a, target, rate):
    q[s][a] += rate * (target - q[s][a])


def q_learning(q, gamma, s, a, reward, s_next, terminated, rate):
    td_update(q, s, a, reward if terminated else reward + gamma * max(q[s_next]), rate)


class QLearning:
    needs_next_action = False

    def __init__(self, q, gamma):
        self.q, self.gamma = q, gamma

    def learn(self, step, rate, exploration, stream):
        s, a, reward, s_next, _, terminated = step
        q_learning(self.q, self.gamma, s, a, reward, s_next, terminated, rate(s, a))


class Sarsa:
    needs_next_action = True

    def __init__(self, q, gamma):
        self.q, self.gamma = q, gamma

    def learn(self, step, rate, exploration, stream):
        s, a, reward, s_next, a_next, terminated = step
        td_update(self.q, s, a, reward if terminated else reward + self.gamma * self.q[s_next][a_next], rate(s, a))


class ExpectedSarsa:
    """Expected Sarsa with the epsilon-greedy policy."""

    needs_next_action = False

    def __init__(self, q, gamma):
        self.q, self.gamma = q, gamma

    def learn(self, step, rate, exploration, stream):
        s, a, reward, s_next, _, terminated = step
        epsilon, row = np.float32(exploration), self.q[s_next]
        expected = (1 - epsilon) * max(row) + epsilon * (sum(row, np.float32(0)) / np.float32(len(row)))
        td_update(self.q, s, a, reward if terminated else reward + self.gamma * expected, rate(s, a))


class DoubleQLearning:
    needs_next_action = False

    def __init__(self, q, gamma):
        self.q, self.gamma = q, gamma
        self.tables = [row[:] for row in q], [row[:] for row in q]

    def learn(self, step, rate, exploration, stream):
        s, a, reward, s_next, _, terminated = step
        high, low = divmod(next_bits(stream), LOW_HALF)
        learned, judge = self.tables if low % 2 else self.tables[::-1]
        alpha = rate.of_table(1 - low % 2)(s, a) if hasattr(rate, "of_table") else rate(s, a)
        best = one_of([b for b, x in enumerate(learned[s_next]) if x == max(learned[s_next])], high)
        td_update(learned, s, a, reward if terminated else reward + self.gamma * judge[s_next][best], alpha)
        self.q[s][a] = (self.tables[0][s][a] + self.tables[1][s][a]) / 2


# Rules of an episode --------------------------------------------------------------------------------------------------


class MonteCarlo:
    needs_next_action = False

    def __init__(self, q, gamma, first_visits_only=True):
        self.q, self.gamma, self.first_visits_only = q, gamma, first_visits_only

    def begin_episode(self):
        self.steps = []

    def learn(self, step, rate, exploration, stream):
        self.steps.append(step)

    def end_episode(self, rate, exploration, stream):
        last = self.steps[-1]
        episode_return = np.float32(0) if last.terminated else max(self.q[last.next_state])
        pairs = [step[:2] for step in self.steps]
        for t in reversed(range(len(pairs))):
            s, a = pairs[t]
            episode_return = self.steps[t].reward + self.gamma * episode_return
            if (s, a) not in pairs[:t] or not self.first_visits_only:
                td_update(self.q, s, a, episode_return, rate(s, a))


class BackwardReplay(MonteCarlo):
    def end_episode(self, rate, exploration, stream):
        for s, a, reward, s_next, _, terminated in reversed(self.steps):
            q_learning(self.q, self.gamma, s, a, reward, s_next, terminated, rate(s, a))


class NStepSarsa:
    """Keeps the whole episode; step tau is updated when step tau + n - 1 has been taken, or at the end."""

    needs_next_action = True

    def __init__(self, q, gamma, n):
        self.q, self.gamma, self.n = q, gamma, n

    def begin_episode(self):
        self.steps, self.tau = [], 0

    def learn(self, step, rate, exploration, stream):
        self.steps.append(step)
        if len(self.steps) >= self.n:
            self.update(rate)

    def end_episode(self, rate, exploration, stream):
        while self.tau < len(self.steps):
            self.update(rate)

    def update(self, rate):
        seen = self.steps[self.tau : self.tau + self.n]
        self.tau += 1
        s, a = seen[0][:2]
        td_update(self.q, s, a, self.target(seen), rate(s, a))

    def target(self, seen):
        last = seen[-1]
        value = np.float32(0) if last.terminated else self.q[last.next_state][last.next_action]
        for step in reversed(seen):
            value = step.reward + self.gamma * value
        return value


class TreeBackup(NStepSarsa):
    """Tree backup for the greedy policy, which shares its probability among the best actions."""

    needs_next_action = False

    def target(self, seen):
        step, *later = seen
        if step.terminated:
            return step.reward
        row = self.q[step.next_state]
        if not later:
            return step.reward + self.gamma * max(row)
        share = np.float32(row[later[0].action] == max(row)) / np.float32(row.count(max(row)))
        tree = max(row) if share == 0 else (1 - share) * max(row) + share * self.target(later)
        return step.reward + self.gamma * tree


# Rules with traces ----------------------------------------------------------------------------------------------------


class SarsaLambda:
    needs_next_action = True
    negligible = 1e-4

    def __init__(self, q, gamma, decay, accumulating=False):
        self.q, self.gamma, self.decay, self.accumulating = q, gamma, decay, accumulating  # decay is gamma * lambda

    def begin_episode(self):
        self.traces = {}

    def td_error(self, step):
        error = step.reward - self.q[step.state][step.action]
        return error if step.terminated else error + self.gamma * self.q[step.next_state][step.next_action]

    def is_cut(self, step):
        return False

    def learn(self, step, rate, exploration, stream):
        s, a = step[:2]
        rate(s, a)  # counts the update
        without_counting = rate.without_counting if hasattr(rate, "without_counting") else rate
        td_error, is_cut = self.td_error(step), self.is_cut(step)
        self.traces[s, a] = np.float32(1) + (self.traces.get((s, a), np.float32(0)) if self.accumulating else 0)
        for (s, a), eligibility in self.traces.items():
            self.q[s][a] += without_counting(s, a) * td_error * eligibility
        faded = {pair: eligibility * self.decay for pair, eligibility in self.traces.items()}
        self.traces = {} if is_cut else {pair: x for pair, x in faded.items() if x >= self.negligible}


class TrueOnlineSarsaLambda(SarsaLambda):
    def learn(self, step, rate, exploration, stream):
        s, a = step[:2]
        alpha, without_counting, td_error = rate(s, a), getattr(rate, "without_counting", rate), self.td_error(step)
        drift = self.q[s][a] - self.expected if self.traces else np.float32(0)
        self.expected = None if step.terminated else self.q[step.next_state][step.next_action]
        self.traces[s, a] = (1 - alpha) * self.traces.get((s, a), np.float32(0)) + 1
        for (t, b), eligibility in self.traces.items():
            self.q[t][b] += without_counting(t, b) * (td_error + drift) * eligibility
        self.q[s][a] -= alpha * drift
        faded = {pair: eligibility * self.decay for pair, eligibility in self.traces.items()}
        self.traces = {pair: x for pair, x in faded.items() if x >= self.negligible}


class WatkinsQ(SarsaLambda):
    def td_error(self, step):
        error = step.reward - self.q[step.state][step.action]
        return error if step.terminated else error + self.gamma * max(self.q[step.next_state])

    def is_cut(self, step):
        return not step.terminated and self.q[step.next_state][step.next_action] != max(self.q[step.next_state])


# Models ---------------------------------------------------------------------------------------------------------------


class DynaQ:
    """Dyna-Q with a dictionary as memory, in the order in which pairs were first taken."""

    needs_next_action = False

    def __init__(self, q, gamma, num_planning, kappa=0.0):
        self.q, self.gamma, self.num_planning, self.kappa = q, gamma, num_planning, kappa
        self.memory, self.now = {}, 0  # pair -> [reward, next state, terminated, when]

    def learn(self, step, rate, exploration, stream):
        s, a, reward, s_next, _, terminated = step
        q_learning(self.q, self.gamma, s, a, reward, s_next, terminated, rate(s, a))
        self.now += 1
        if self.kappa:
            for b in range(len(self.q[s])):
                self.memory.setdefault((s, b), [np.float32(0), s, False, 0])
        self.memory[s, a] = [reward, s_next, terminated, self.now]
        for _ in range(self.num_planning):
            s, a = one_of(list(self.memory), next_bits(stream) // LOW_HALF)
            reward, s_next, terminated, when = self.memory[s, a]
            if self.kappa:
                reward += np.float32(self.kappa) * np.float32(sqrt(self.now - when))
            without_counting = rate.without_counting(s, a) if hasattr(rate, "without_counting") else rate(s, a)
            q_learning(self.q, self.gamma, s, a, reward, s_next, terminated, without_counting)


class FifoQueue:
    """First-in, first-out queue; a state is in it at most once."""

    def __init__(self):
        self.waiting = deque()

    def push(self, s, change):
        if s not in self.waiting:
            self.waiting.append(s)

    def pop(self):
        return self.waiting.popleft()

    def __len__(self):
        return len(self.waiting)


class Sweeping:
    """Counts the outcomes of each pair, and propagates changes of value to the predecessors of a state."""

    needs_next_action = False

    def __init__(self, q, gamma, queue, num_planning=inf, threshold=0.0, known_after=1):
        self.q, self.gamma, self.queue, self.num_planning = q, gamma, queue, num_planning
        self.threshold, self.known_after = threshold, known_after
        self.seen = defaultdict(dict)  # pair -> {next state: [count, mean reward]}
        self.predecessors = defaultdict(list)  # state -> pairs, the newest last
        self.propagated_values = [max(row) for row in q]  # values when the state was last popped

    def expectation(self, pair):
        outcomes = [
            (count, mean if s_next == END else mean + self.gamma * max(self.q[s_next]))
            for s_next, (count, mean) in self.seen[pair].items()
        ]
        if len(outcomes) == 1:
            return outcomes[0][1]
        return np.float32(sum(n * float(worth) for n, worth in outcomes) / sum(n for n, _ in outcomes))

    def num_tries(self, pair):
        return sum(count for count, _ in self.seen[pair].values())

    def model(self, pair):
        """Return {next state: (probability, mean reward)} of a pair; empty before the pair is known."""
        n = self.num_tries(pair)
        known = self.seen[pair].items() if n >= self.known_after else ()
        return {s_next: (count / n, mean) for s_next, (count, mean) in known}

    def back_up(self, pair):
        if self.num_tries(pair) >= self.known_after:
            s, a = pair
            before = self.propagated_values[s] if self.threshold else max(self.q[s])
            if self.q[s][a] == self.expectation(pair):
                return
            self.q[s][a] = self.expectation(pair)
            if abs(max(self.q[s]) - before) > self.threshold:
                self.queue.push(s, abs(max(self.q[s]) - before))

    def learn(self, step, rate, exploration, stream):
        pair, s_next = step[:2], END if step.terminated else step.next_state
        before = self.model(pair)
        if s_next not in self.seen[pair]:
            self.seen[pair][s_next] = [0, np.float32(0)]
            self.predecessors[s_next].append(pair)
        outcome = self.seen[pair][s_next]
        outcome[0] += 1
        outcome[1] += (step.reward - outcome[1]) / np.float32(outcome[0])
        if self.model(pair) != before:
            self.back_up(pair)
        num_popped = 0
        while len(self.queue) and num_popped < self.num_planning:
            num_popped += 1
            s = self.queue.pop()
            self.propagated_values[s] = max(self.q[s])
            for source in reversed(self.predecessors[s]):
                self.back_up(source)


# The table ------------------------------------------------------------------------------------------------------------

SETTINGS = {"n": 3, "lambda_": 0.8, "num_planning": 3, "kappa": 0.25, "known_after": 2}  # of the twins below
DECAY = np.float32(0.9 * 0.8)


class Rule(NamedTuple):
    """Oracle of an algorithm.

    Attributes:
        twin: makes the slow version from rows of values; its settings are those above.
        by_hand: values after the three steps of `test_updates`, if they are terminated, and if they are truncated.
    """

    twin: Callable[[list], Any]
    by_hand: tuple[list[float], list[float]]


# Initial values are 10, 20, 30 and, after the last step, 40. A step: 10 + 0.5 (1 + 0.5 * 20 - 10) = 10.5, and so on.
ONE_STEP = [10.5, 18.5, 17.0], [10.5, 18.5, 27.0]
# The last target is 4, or 4 + 0.5 * 40 = 24: returns of 3, 4, 4, or 8, 14, 24; values move half of the distance.
RETURNS = [6.5, 12.0, 17.0], [9.0, 17.0, 27.0]
# Targets: 1 + 0.5 * 2 + 0.25 * 30 = 9.5 for the first, 2 + 0.5 * 4 = 4 or 2 + 0.5 * 4 + 0.25 * 40 = 14 for the second.
TWO_STEPS = [9.75, 12.0, 17.0], [9.75, 17.0, 27.0]
# Errors of 1, -3 and -26 or -6; an error moves the pair before by a quarter, the one before that by a sixteenth.
TRACES = [9.3125, 15.25, 17.0], [9.9375, 17.75, 27.0]
# The last step first: 17 or 27; then the target is 2 + 0.5 * 17 or 2 + 0.5 * 27, and so on.
BACKWARDS = [9.3125, 15.25, 17.0], [9.9375, 17.75, 27.0]
# The model is deterministic, so backed-up values are the returns themselves.
MODEL = [3.0, 4.0, 4.0], [8.0, 14.0, 24.0]
# One of two equal tables is updated, so their mean moves half as far.
MEANS = [10.25, 19.25, 23.5], [10.25, 19.25, 28.5]

RULES = {
    "monte-carlo": Rule(lambda q: MonteCarlo(q, GAMMA), RETURNS),
    "every-visit-monte-carlo": Rule(lambda q: MonteCarlo(q, GAMMA, first_visits_only=False), RETURNS),
    "sarsa": Rule(lambda q: Sarsa(q, GAMMA), ONE_STEP),
    "expected-sarsa": Rule(lambda q: ExpectedSarsa(q, GAMMA), ONE_STEP),
    "q-learning": Rule(lambda q: QLearning(q, GAMMA), ONE_STEP),
    "double-q-learning": Rule(lambda q: DoubleQLearning(q, GAMMA), MEANS),
    "n-step-sarsa": Rule(lambda q: NStepSarsa(q, GAMMA, 3), TWO_STEPS),
    "tree-backup": Rule(lambda q: TreeBackup(q, GAMMA, 3), TWO_STEPS),
    "sarsa-lambda": Rule(lambda q: SarsaLambda(q, GAMMA, DECAY), TRACES),
    "true-online-sarsa-lambda": Rule(lambda q: TrueOnlineSarsaLambda(q, GAMMA, DECAY), TRACES),
    "watkins-q": Rule(lambda q: WatkinsQ(q, GAMMA, DECAY), TRACES),
    "dyna-q": Rule(lambda q: DynaQ(q, GAMMA, 3), ONE_STEP),
    "dyna-q+": Rule(lambda q: DynaQ(q, GAMMA, 3, kappa=0.25), ONE_STEP),
    "prioritized-sweeping": Rule(lambda q: Sweeping(q, GAMMA, Heap(len(q)), 3), MODEL),
    "propagation": Rule(lambda q: Sweeping(q, GAMMA, FifoQueue(), 3), MODEL),
    "r-max": Rule(lambda q: Sweeping(q, GAMMA, FifoQueue(), 3, known_after=2), MODEL),
    "backward-replay": Rule(lambda q: BackwardReplay(q, GAMMA), BACKWARDS),
}
