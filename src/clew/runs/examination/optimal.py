"""Checks of the optimum: whether it ends, whether ties let it go round, and whether the step size finds it."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from clew.learning.algorithms import ALGORITHMS
from clew.learning.findings import Finding
from clew.learning.precision import last_step_size, lost_error
from clew.planning import Solution
from clew.planning.certificate import rounding_bound
from clew.runs.examination.case import Case, counted

SMALLEST = float(np.finfo(np.float32).tiny)  # below it float32 has fewer and fewer digits
EPS = float(np.finfo(np.float32).eps)
GAMMAS = (0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999)


def check_discount(case: Case) -> Iterator[Finding]:
    """Find a discount at which float32 can't tell, at the start, whether a reward is ever reached."""
    gamma, distance = case.learning.gamma, case.distance
    largest = float(np.abs(case.graph.rewards[case.reached]).max(initial=0.0))
    if gamma in (0.0, 1.0) or distance <= 0 or largest == 0.0:
        return
    share = gamma**distance
    effect = share * largest / (1.0 - gamma)
    lost, of_value = SMALLEST, ""
    if case.optimum is not None:
        value = float(np.abs(case.optimum.v[case.graph.starts]).max())
        lost = max(lost, lost_error(value, last_step_size(case.learning)))
        of_value = f" beside a value of {value:.3g}" if lost > SMALLEST else ""
    if effect >= lost and share >= EPS:
        return
    better = next((each for each in GAMMAS if each > gamma and each**distance >= 0.1), 1.0)
    target = case.end if (case.target & case.graph.ends).any() else "first reward"
    reason = f"the {target} is {counted(distance, 'step')} away, and {gamma:g}^{distance} = {share:.2g}"
    reason += f": no value will reach the start, as float32 loses it{of_value}" if effect < lost else ""
    reason += ": at the start, rewards there count less than the rounding of a value of 1" if effect >= lost else ""
    severity = "warning" if effect < lost else "note"
    yield Finding("small-gamma", share, reason, f"take a gamma of {better:g}", severity)


def check_ties(case: Case) -> Iterator[Finding]:
    """Find optimal policies that never end although they could: because staying is better, or because it ties."""
    graph, optimum = case.graph, case.optimum
    starts = graph.starts[case.can_end[graph.starts]]
    pays = (graph.rewards[case.reached] != 0.0).any()
    if optimum is None or not (starts.size and pays and graph.ends.any()) or any(check_discount(case)):
        return
    tied = find_ties(optimum)
    allowed = tied.reshape(-1) & graph.has_outcomes
    staying = starts[~graph.can_end(allowed)[starts]]
    if staying.size:
        value = float(optimum.v[staying[0]])
        yield Finding(
            "staying-optimal",
            value,
            f"from {staying.size:,} of {counted(graph.starts.size, 'start state')}, such as "
            f"{case.name_state(int(staying[0]))}, the optimal policy never ends, though it could: to go on "
            f"forever is worth {value:.6g}, and more than any {case.end}",
            "pay less for steps, or more for the end",
        )
        return
    looping = np.flatnonzero(graph.can_go_on(graph.reachable(allowed) & graph.can_end(allowed), allowed))
    if looping.size:
        # With a smaller gamma a positive value is worth less after more steps, and a negative one more.
        gains = float(optimum.v[looping].min()) > 0.0
        discount = "take a gamma below 1, or " if case.learning.gamma == 1.0 else "take a smaller gamma, or "
        yield Finding(
            "looping-ties",
            float(looping.size),
            f"in {counted(looping.size, 'state')}, such as {case.name_state(int(looping[0]))}, actions that lead round "
            "and round are worth as much as those that lead to an end, so a greedy policy may loop forever",
            f"{discount if gains else ''}let each step cost a little",
        )


def find_ties(optimum: Solution) -> npt.NDArray[np.bool_]:
    """Return the actions whose values can't be told from the best, (num_states, num_actions) bool."""
    with np.errstate(invalid="ignore"):  # -inf where every action loses without bound
        least = optimum.q.max(axis=1, keepdims=True) - 2.0 * value_error(optimum)
        return np.asarray((optimum.q >= least) & optimum.mdp.available)


def value_error(optimum: Solution) -> float:
    """Return the largest error of an action value of an optimum."""
    largest = float(np.abs(optimum.v[np.isfinite(optimum.v)]).max(initial=0.0))
    return optimum.bound + rounding_bound(optimum.mdp, largest)


def check_step_size(case: Case) -> Iterator[Finding]:
    """Find a step size whose noise is larger than what the optimal action gains over a random one.

    With a constant step size alpha, the value of an action goes on fluctuating with a standard deviation of about
    sigma * sqrt(alpha / (2 - alpha)), where sigma is that of its target, reward + gamma * V*(next state).
    """
    algorithm, alpha = ALGORITHMS[case.learning.algorithm], last_step_size(case.learning)
    optimum = case.optimum
    if optimum is None or "alpha" not in algorithm.settings or case.learning.alpha_schedule == "visits":
        return
    sigma, advantage = noise_and_advantage(case, optimum)
    noise = sigma * np.sqrt(alpha / (2.0 - alpha))
    if advantage <= _unknown_advantage(case, optimum, sigma) or noise <= advantage:
        return
    smaller = (0.5 * advantage / sigma) ** 2 * 2.0  # for which the noise is about half of the advantage
    yield Finding(
        "large-alpha",
        float(noise / advantage),
        f"with a step size of {alpha:g} values go on fluctuating by {noise:.3g}, and an optimal action is only "
        f"{advantage:.3g} better than a random one, in the mean over the states of an optimal policy",
        f"take an alpha of {smaller:.1g}, or let it shrink (alpha_schedule visits)",
    )


def _unknown_advantage(case: Case, optimum: Solution, sigma: float) -> float:
    """Return the largest advantage that may be an error of the optimum, or of sampling if the model was estimated.

    The best of several equal actions seems better than their mean by up to about 3 standard errors of a value.
    """
    error = 2.0 * value_error(optimum)
    if case.num_samples is None:
        return error
    samples = case.num_samples.reshape(-1, case.mdp.num_actions)[case.reachable & ~case.graph.is_terminal]
    with np.errstate(divide="ignore"):
        return error + 3.0 * sigma * float((1.0 / np.sqrt(samples[samples > 0])).mean())


def noise_and_advantage(case: Case, optimum: Solution) -> tuple[float, float]:
    """Return (standard deviation of targets, advantage of the optimal over a random action), means over states.

    The states are those that the optimal policy may visit, where there is more than one action.
    """
    graph, v = case.graph, optimum.v
    taken = np.zeros((graph.num_states, graph.num_actions), np.bool_)
    taken[np.arange(graph.num_states), optimum.actions] = True
    available = case.mdp.available & graph.has_outcomes.reshape(taken.shape)
    visited = graph.reachable((taken & available).reshape(-1)) & (available.sum(axis=1) > 1) & np.isfinite(v)
    if not visited.any():
        return 0.0, 0.0
    model = case.mdp.sparse_rows
    target = model.rewards + case.learning.gamma * np.where(model.terminated, 0.0, v[model.next_states])
    pairs = np.repeat(np.arange(model.offsets.size - 1), np.diff(model.offsets))
    with np.errstate(invalid="ignore"):
        mean = np.bincount(pairs, model.probabilities * target, taken.size)
        square = np.bincount(pairs, model.probabilities * (target - mean[pairs]) ** 2, taken.size)
        shares = available / np.maximum(available.sum(axis=1, keepdims=True), 1)
        average = np.where(available, mean.reshape(taken.shape) * shares, 0.0).sum(axis=1)
    best = visited & np.isfinite(average)
    sigma = np.sqrt(square.reshape(taken.shape)[np.arange(graph.num_states), optimum.actions])
    if not best.any():
        return 0.0, 0.0
    return float(sigma[best].mean()), float((v - average)[best].mean())
