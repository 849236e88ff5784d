"""Every learner comes to the exact solution of 200 random worlds, as near as its step sizes let it.

What is exact. The values that a rule learns are those of its target policy, whatever the behaviour: the greedy policy
for off-policy rules (the optimum), the behaviour itself for the others: a walk by chance, or epsilon-greedy, of which
there is a best one as well. All are fixed points of

    q(s, a) = r(s, a) + gamma * sum over s' of p(s' | s, a) * ((1 - epsilon) max_b q(s', b) + epsilon mean_b q(s', b))

with epsilon 0 for the optimum and 1 for the walk. This is a contraction with modulus 0.9 gamma in the sup norm, for
every action ends the episode with probability 0.1 at least.

How near. A value that takes n steps alpha_1 .. alpha_n towards targets with standard deviation sigma, of which a share
kappa is bootstrapped from values that are off by as much, is off by

    e <- (1 - (1 - kappa) alpha_t) e + alpha_t * noise,  so in the end by  sigma * sqrt(sum_t (alpha_t w_t)**2)

as a standard error, and w_1 times what it was off at first, where w_t is the product of (1 - (1 - kappa) alpha_u) over
all u after t. The tolerance is five standard errors.

    sigma   the greatest standard deviation of the return, an upper bound of that of all targets
    n       the expected number of episodes in which the pair is tried that is tried least: tries of one episode are
            not independent, so they count once
    kappa   k = 0.9 gamma for one step, k**n for n steps of one's own policy, k (1 - lambda) / (1 - k lambda) for
            traces, 0 for returns. What an off-policy rule cuts short keeps k.
"""

from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import pytest

import worlds
from clew import ALGORITHMS
from clew.learning.learner import uniform_initial_value
from incremental_learner import IncrementalLearner
from loops import used_settings

GAMMA = 0.7
K = 0.9 * GAMMA
NUM_WORLDS = 200
CUT_OFF = 20  # steps: where an episode is cut off, the rest is bootstrapped, so it is in nobody's way
NEVER = 10_000

FALLING = {"alpha": 0.5, "alpha_schedule": "exponential", "alpha_last": 0.004}
AVERAGE = {"alpha_schedule": "visits"}


# The exact solution ---------------------------------------------------------------------------------------------------


@cache
def family():
    return [worlds.random_mdp(seed) for seed in range(NUM_WORLDS)]


@cache
def exact(seed, epsilon):
    """Of the best epsilon-greedy policy: (values, greatest standard deviation of the return, share of episodes).

    The last is the share of episodes that come to the state that they come to least often.
    """
    mdp, model = family()[seed], family()[seed].model
    n, shape = mdp.num_states * mdp.num_actions, (mdp.num_states, mdp.num_actions)
    pairs = np.repeat(np.arange(n), np.diff(model.offsets))
    moves, paid_moves = np.zeros((2, n, mdp.num_states))
    goes_on = model.probabilities * ~model.terminated
    np.add.at(moves, (pairs, model.next_states), goes_on)
    np.add.at(paid_moves, (pairs, model.next_states), goes_on * model.rewards)
    paid, paid_squared = (np.bincount(pairs, model.probabilities * model.rewards**k, n) for k in (1, 2))

    q, squared = np.zeros((2, *shape))
    for _ in range(70):  # 0.63**70 is 1e-14
        v = (1 - epsilon) * q.max(axis=1) + epsilon * q.mean(axis=1)
        q = (paid + GAMMA * moves @ v).reshape(shape)
    policy = np.full(shape, epsilon / shape[1])
    policy[np.arange(shape[0]), q.argmax(axis=1)] += 1 - epsilon
    for _ in range(35):  # the mean of the squared return, (r + gamma G)**2; 0.44**35 is 4e-13
        later = (policy * squared).sum(axis=1)
        squared = (paid_squared + 2 * GAMMA * paid_moves @ v + GAMMA**2 * moves @ later).reshape(shape)
    between_states = (policy[:, :, None] * moves.reshape(*shape, -1)).sum(axis=1)
    visits = np.linalg.inv(np.eye(shape[0]) - between_states)  # to each state from each, itself included
    coming = (visits[mdp.starts].mean(axis=0) / visits.diagonal())[mdp.starts]
    return q, np.sqrt(np.maximum(squared - q**2, 0.0).max()), coming.min()


# How near -------------------------------------------------------------------------------------------------------------


def what_is_left(alphas, kappa):
    """See the head of this module: (standard error as a share of sigma, share of the first error)."""
    shrink = 1.0 - (1.0 - kappa) * alphas
    after = np.append(np.cumprod(shrink[:0:-1])[::-1], 1.0)
    return np.sqrt(np.sum((alphas * after) ** 2)), shrink[0] * after[0]


def traces(lambda_):
    """Share that is bootstrapped by rules with traces: sum over n of (1 - lambda) lambda**(n - 1) k**n."""
    return K * (1 - lambda_) / (1 - K * lambda_)


@dataclass(frozen=True)
class Case:
    """How an algorithm is asked, and what it is held against.

    Attributes:
        algorithm: its name.
        kappa: share that is bootstrapped.
        target: epsilon of the target policy.
        epsilon: that of the behaviour.
        visits: mean number of tries of an action.
        max_steps: where episodes are cut off.
        share: of the tries that teach a table.
        repeats: how often a try is learned from.
        settings: of the algorithm.
    """

    algorithm: str
    kappa: float
    target: float
    epsilon: float = 1.0
    visits: int = 700
    max_steps: int = CUT_OFF
    share: float = 1.0
    repeats: float = 1.0
    settings: dict = field(default_factory=lambda: FALLING)

    def __str__(self):
        extras = [f"{name}={value}" for name, value in self.settings.items() if name not in FALLING | AVERAGE]
        return " ".join([self.algorithm, *extras, f"target={self.target:g}"])

    def tolerance(self, pupil, coming, sigma, max_value):
        """Five standard errors, and what is left of the first error."""
        n = int(self.share * pupil.num_episodes * coming * self.epsilon / pupil.q.shape[1])
        if self.settings is AVERAGE:
            alphas = 1.0 / np.arange(1, n + 1)
        elif "alpha" in self.settings:
            settings = pupil.settings
            alphas = settings.alpha * (settings.alpha_last / settings.alpha) ** (np.arange(n) / n)
        else:  # a learned model: an average, whose error is passed on
            return 5 * sigma / np.sqrt(n) / (1 - self.kappa)
        noise, first = what_is_left(np.minimum(self.repeats * alphas, 1.0), self.kappa)
        bonus = self.settings.get("kappa", 0.0) * np.sqrt(CUT_OFF * pupil.num_episodes) / (1 - K)  # of Dyna-Q+, at most
        return 5 * sigma * noise + max_value * first + bonus


BEST, WALK, MIXED = 0.0, 1.0, 0.75
FAR = {"n": 4, "lambda_": 0.9}
NEAR = {"n": 2, "lambda_": 0.5, "accumulating": True}
PLANNING = {"num_planning": 3, "threshold": 0.001, "known_after": 10}

# What a row of the table doesn't say.
RETURNS = {"kappa": 0.0, "max_steps": NEVER}
EXCEPTIONS = {"monte-carlo": RETURNS, "every-visit-monte-carlo": RETURNS, "double-q-learning": {"share": 0.5}}


def on_policy_cases(name):
    """A walk that looks far ahead, where returns are averaged, and the best epsilon-greedy policy, less far."""
    for target, sight in ((WALK, used_settings(name, FAR)), (MIXED, used_settings(name, NEAR))):
        kappa = K ** sight["n"] if "n" in sight else traces(sight["lambda_"]) if "lambda_" in sight else K
        case = replace(Case(name, kappa, target, target, settings=FALLING | sight), **EXCEPTIONS.get(name, {}))
        yield replace(case, settings=AVERAGE) if case.kappa == 0.0 and target == WALK else case


def off_policy_cases(name):
    """What is learned again from memory or a model needs smaller steps, or none; traces are of either kind."""
    row = ALGORITHMS[name]
    case = Case(name, K, BEST)
    if "alpha" not in row.settings:
        case = replace(case, visits=200, settings={"behaviour": "epsilon-greedy"} | used_settings(name, PLANNING))
    elif "num_planning" in row.settings:
        again = {"num_planning": 2, "kappa": 1e-4}
        case = replace(case, repeats=5, settings=FALLING | {"alpha_last": 0.001} | used_settings(name, again))
    yield replace(case, **EXCEPTIONS.get(name, {}))
    if "accumulating" in row.settings:
        yield replace(case, epsilon=MIXED, settings=FALLING | {"accumulating": True})


CASES = [
    case for name, row in ALGORITHMS.items() for case in (on_policy_cases if row.on_policy else off_policy_cases)(name)
]


# The tests ------------------------------------------------------------------------------------------------------------


def errors_of(case):
    """For each world: (errors of all values, tolerance, exact values), where anything can happen."""
    for seed, mdp in enumerate(family()):
        live = mdp.starts
        num_episodes = case.visits * live.size * mdp.num_actions // 7  # an episode has about seven steps
        settings = {"algorithm": case.algorithm, "epsilon": case.epsilon, "gamma": GAMMA, **case.settings}
        pupil = IncrementalLearner(mdp, num_episodes, max_steps=case.max_steps, key=(seed,), **settings)
        pupil.learn(mdp)
        q, sigma, _ = exact(seed, case.target)
        coming = exact(seed, case.epsilon)[2]
        yield (pupil.q - q)[live], case.tolerance(pupil, coming, sigma, np.abs(q).max()), q[live]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_learner_comes_to_the_exact_solution(case):
    """No value is off by five standard errors, nor the values of a world by one on average: to know nothing won't do.

    Over all worlds the errors cancel. Those of a rule that evaluates a walk have no sign at all: their mean is within
    four standard errors of 0. Control has one, less than 2% of the values: a maximum of noisy values is too high, two
    tables make it too low, and what was done before anything was known lowers it.
    """
    means, sizes, says_something = [], [], []
    for errors, tolerance, q in errors_of(case):
        assert np.abs(errors).max() < tolerance
        assert np.abs(errors).mean() < tolerance / 5
        means.append(errors.mean())
        sizes.append(np.abs(q).mean())
        says_something.append(sizes[-1] > tolerance / 5)
    assert np.mean(says_something) > 0.8
    standard_error = np.std(means, ddof=1) / np.sqrt(NUM_WORLDS)
    assert abs(np.mean(means)) < (4 * standard_error if case.target == WALK else 0.02 * np.mean(sizes))


def test_r_max_tries_everything_as_often_as_it_was_told_to_and_then_does_well():
    """Its own behaviour is greedy: optimism alone leads it to what it doesn't know yet."""
    losses = []
    for seed, mdp in enumerate(family()):
        num_episodes = 40 * mdp.starts.size * mdp.num_actions
        settings = {"algorithm": "r-max", "gamma": GAMMA, **PLANNING, "known_after": 20}
        pupil = IncrementalLearner(mdp, num_episodes, max_steps=CUT_OFF, key=(seed,), **settings)
        pupil.learn(mdp)
        untried = uniform_initial_value(pupil.settings, mdp)  # and of what was tried less than 20 times
        assert pupil.q[mdp.starts].max() < untried
        best, learned = exact(seed, BEST)[0].max(axis=1), pupil.q.max(axis=1)
        losses.append(np.abs(best - learned)[mdp.starts].mean() / np.abs(best).mean())
    assert np.mean(losses) < 0.1
