"""Check of how long a random walk takes to the first reward: until then, learning without a model is a random walk."""

from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from clew.errors import PrecisionError
from clew.evaluation.exact import policy_values, walk_through
from clew.evaluation.relative import policy_chain, policy_shares
from clew.learning.findings import Finding
from clew.learning.learner import uniform_initial_value
from clew.learning.settings import Learning
from clew.models.checks import read_only_model
from clew.models.mdp import FiniteMDP
from clew.runs.examination.case import Case

DENSE = {False: 100, True: 400}  # states of a matrix that is raised to a power: milliseconds, or tenths of a second
MAX_STATES = 50_000  # whose equations are solved
MAX_OUTCOMES = 1e9  # of backward induction: some seconds
MAX_HORIZON = 1_000_000


def check_first_reward(case: Case) -> Iterator[Finding]:
    """Find a first reward that a random walk probably doesn't find within the episodes of the training."""
    rewards = case.graph.rewards[case.reached]
    if not (rewards != 0.0).any():
        yield Finding(
            "first-reward",
            float("inf"),
            "no step that can be reached pays a reward other than 0, so all values stay equal",
            "open a path to a state that pays, if there is one, or pay a reward at an end that can be reached",
            "error",
        )
        return
    others = case.graph.rewards[case.reached & ~case.target]
    if not explores_at_random(case.learning, case.mdp, others) or case.distance > case.max_steps:
        return
    figures = expect_first_reward(case)
    if figures is None:
        if case.is_thorough:
            yield Finding(
                "not-examined",
                float(case.mdp.num_states),
                f"how long a random walk takes to the first reward isn't computed for {case.mdp.num_states:,} states",
                "examine a smaller world of the same kind",
                "note",
            )
        return
    if figures[1] <= 1.0 or case.num_episodes * np.log1p(-1.0 / figures[1]) <= np.log(0.5):
        return
    num_steps, num_episodes = figures
    yield Finding(
        "first-reward",
        num_steps,
        f"on average a random walk takes {num_steps:,.3g} steps to the first reward, in {num_episodes:,.3g} episodes, "
        f"and the training has {case.num_episodes:,}",
        "reward steps on the way, begin nearer (random_start), take more or longer episodes, or explore by counting "
        "(behaviour least-tried)",
        "warning" if num_episodes < 1e3 * case.num_episodes else "error",
    )


def explores_at_random(settings: Learning, mdp: FiniteMDP | None, others: npt.NDArray[np.float64]) -> bool:
    """Return whether actions are chosen without regard to what was tried, until the first reward above 0.

    They aren't if tries are counted, if values are optimistic, or if every other step loses, which makes untried
    actions look better.

    Args:
        settings: settings of the learner.
        mdp: model of the world; None if it has none.
        others: rewards of the steps that don't earn the first reward.
    """
    if settings.behaviour_name not in ("epsilon-greedy", "first-action", "greedy", "softmax", "random"):
        return False
    initial = float(uniform_initial_value(settings, mdp))
    return initial <= 0.0 and (others.size == 0 or float(others.max()) >= 0.0)


def expect_first_reward(case: Case) -> tuple[float, float] | None:
    """Return the expected (steps, episodes) of a random walk to the first reward; None if that takes too long.

    Every action is as likely as any other, or the first one if ties are broken by it. Episodes that end, or are cut
    off by the step limit, begin again from a start state: with L the expected steps of an episode, up to the reward at
    most, and p the probability that it has one, 1 / p episodes and L / p steps are expected.
    """
    if case.mdp.num_states <= DENSE[case.is_thorough]:
        found: tuple[float, float] | None = _by_matrix_power(_first_reward_chain(case), case.max_steps)
    else:
        found = _by_equations(_first_reward_chain(case), case) if case.is_thorough else None
    if found is None:
        return None
    probability, length = found
    return (length / probability, 1.0 / probability) if probability > 0.0 else (np.inf, np.inf)


def _by_matrix_power(chain: FiniteMDP, max_steps: int) -> tuple[float, float]:
    """Return (p, L) under a step limit H, by a power of a matrix with Q, the probabilities to go on.

        |Q  r  1|^H      |Q^H  sum of Q^t r  sum of Q^t 1|
        |0  1  0|     =  |0         1             0      |
        |0  0  1|        |0         0             1      |

    Here r is the probability of the reward in the next step, and the sums are over t < H.
    """
    model, n = chain.sparse_rows, chain.num_states
    states = np.repeat(np.arange(n), np.diff(model.offsets))
    matrix = np.zeros((n + 2, n + 2))
    goes_on = ~model.terminated
    np.add.at(matrix, (states[goes_on], model.next_states[goes_on]), model.probabilities[goes_on])
    matrix[:n, n] = np.bincount(states, model.probabilities * model.rewards, n)
    matrix[:n, n + 1] = np.diff(model.offsets) > 0
    matrix[n, n] = matrix[n + 1, n + 1] = 1.0
    power = np.linalg.matrix_power(matrix, max_steps)
    return float(power[chain.starts, n].mean()), float(power[chain.starts, n + 1].mean())


def _by_equations(chain: FiniteMDP, case: Case) -> tuple[float, float] | None:
    """Return (p, L) by equations, without the step limit, if that is enough to know that the reward is found.

    Else by backward induction under the step limit; None if that takes too long. At least half of the episodes end
    within twice the expected steps n, wherever they begin, so at most 2**-(H // 2n) are longer than the step limit H.
    """
    if chain.num_states <= MAX_STATES:
        walk = walk_through(chain, np.ones((chain.num_states, 1), np.bool_))
        with suppress(PrecisionError):
            steps = walk.steps()
            longest, probability = (
                float(steps[case.reachable].max()),
                float(walk.values(1.0, 1e-12)[0][chain.starts].mean()),
            )
            if probability - 0.5 ** (case.max_steps // (2.0 * longest)) >= min(0.5, 1.0 / case.num_episodes):
                return probability, float(steps[chain.starts].mean())
    horizon = min(case.max_steps, MAX_HORIZON)
    if horizon * (chain.num_outcomes + 2_000) > MAX_OUTCOMES:
        return None
    only = np.zeros(chain.num_states, np.int32)
    probability, length = (
        policy_values(each, only, gamma=1.0, horizon=horizon, tolerance=float(horizon)).value
        for each in (chain, _paying(chain, 1.0))
    )
    return probability, length


def _first_reward_chain(case: Case) -> FiniteMDP:
    """Return the chain of a random walk as a model with one action that pays 1 for the first reward, and ends."""
    mdp = case.mdp
    chosen, epsilon = np.ones((mdp.num_states, mdp.num_actions), np.bool_), 0.0
    if case.learning.behaviour_name == "first-action":  # which breaks ties by the first action
        chosen = np.arange(mdp.num_actions) == mdp.available.argmax(axis=1)[:, None]
        epsilon = case.learning.epsilon
    chain, _ = policy_chain(mdp, policy_shares(mdp, chosen, epsilon))
    is_positive = bool((case.graph.rewards[case.reached] > 0.0).any())
    found = chain.rewards > 0.0 if is_positive else chain.rewards != 0.0
    ended = chain._replace(rewards=found.astype(np.float64), terminated=chain.terminated | found)
    return FiniteMDP(read_only_model(ended), mdp.num_states, 1, mdp.starts)


def _paying(chain: FiniteMDP, reward: float) -> FiniteMDP:
    """Return a chain in which every step pays the same reward."""
    rewards: npt.NDArray[np.float64] = np.full(chain.sparse_rows.rewards.size, reward)
    model = read_only_model(chain.sparse_rows._replace(rewards=rewards))
    return FiniteMDP(model, chain.num_states, 1, chain.starts)
