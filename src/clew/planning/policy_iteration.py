"""Policy iteration: evaluate a policy, improve it, and so on; exactly, or by a few sweeps."""

import numpy as np

from clew.kernels import read_only
from clew.kernels.planning.sweeps import choose_greedily, evaluating_sweeps
from clew.models.mdp import FiniteMDP
from clew.planning.iterations import Iteration
from clew.planning.orders import equations, nearest_first
from clew.planning.solution import Solution

__all__ = ["improve_and_evaluate", "modified_policy_iteration", "policy_iteration"]

MAX_EQUATIONS = 1_000  # solved at once; they take n**3 / 3 multiplications
EVALUATING_SWEEPS = 5  # measured: see docs/decisions/0006-planning.md


def policy_iteration(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """Evaluate each policy in full, by linear equations, or by sweeps if there are many states.

    Source:
        Sutton & Barto (2018), section 4.3; Howard (1960).
    """
    iteration = Iteration(mdp, nearest_first(mdp), gamma, tolerance)
    model, num_actions, policy = iteration.ordered.model, iteration.ordered.num_actions, iteration.policy

    def improve_and_evaluate(i: int) -> float:
        if i == 0:
            iteration.improve()  # a first policy, which knows the way where that is plain
        elif choose_greedily(model, iteration.v, num_actions, gamma, policy) == 0:
            return 0.0  # the best policy for its own values
        before = iteration.v.copy()
        if policy.size <= MAX_EQUATIONS:
            actions = np.append(policy, np.zeros(before.size - policy.size, np.int32))
            iteration.v[: policy.size] = np.linalg.solve(*equations(model, actions, gamma, np.arange(policy.size)))
        else:
            evaluate(iteration, iteration.max_sweeps(iteration.target))
        if i == 0:
            return np.inf  # these are the values of a first policy, and say nothing
        # What rounding can do is not worth another policy: it might go to and fro between two that are as good.
        gain = float((iteration.v - before).max())
        return gain if gain > iteration.rounding() / (1.0 - gamma) else 0.0

    iteration.repeat(improve_and_evaluate)
    return iteration.finish("policy-iteration")


def modified_policy_iteration(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """Evaluate each policy by a few sweeps only, which cost a third of those that look at every action.

    Source:
        Puterman & Shin (1978), Modified policy iteration algorithms; Puterman (1994), section 6.5.
    """
    iteration = Iteration(mdp, nearest_first(mdp), gamma, tolerance)
    iteration.repeat(lambda _: improve_and_evaluate(iteration))
    return iteration.finish("modified-policy-iteration")


def improve_and_evaluate(iteration: Iteration) -> float:
    """One policy more; returns the greatest change of a value when it was found."""
    change = iteration.improve()
    if not iteration.is_done(change):
        evaluate(iteration, EVALUATING_SWEEPS)
    return change


def evaluate(iteration: Iteration, max_sweeps: int) -> None:
    """Sweep with the policy as it is, some sweeps at a time."""
    policy = read_only(iteration.policy)
    for _ in range(0, max_sweeps, EVALUATING_SWEEPS):
        change = evaluating_sweeps(iteration.ordered.model, iteration.v, policy, iteration.gamma, EVALUATING_SWEEPS)
        if iteration.is_done(change):
            break
