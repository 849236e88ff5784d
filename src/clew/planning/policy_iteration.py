"""Policy iteration: evaluate a policy, exactly or by a few sweeps, then improve it, in alternation."""

import numpy as np

from clew.kernels import read_only
from clew.kernels.planning.sweeps import evaluation_sweeps, gauss_seidel_sweep, improve_policy
from clew.models.mdp import FiniteMDP
from clew.planning.iterations import Iteration
from clew.planning.orders import breadth_first_order, policy_equations
from clew.planning.solution import Solution

MAX_EQUATIONS = 1_000  # in one system; solving n takes n**3 / 3 multiplications
EVALUATION_SWEEPS = 5  # measured: see docs/decisions/0006-planning.md


def policy_iteration(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """Solve a world by policy iteration, with exact evaluation of each policy.

    Policies are evaluated by linear equations, or in a large world by sweeps.

    Source:
        Sutton & Barto (2018), section 4.3; Howard (1960).
    """
    iteration = Iteration(mdp, breadth_first_order(mdp), gamma, tolerance)
    model, num_actions, policy = iteration.ordered.model, iteration.ordered.num_actions, iteration.policy

    def improve_and_evaluate_exactly(i: int) -> float:
        """Improve the policy and evaluate it; return the largest increase of a value, or of a backup: 0 ends it.

        It is 0 if no action changed or both are only rounding, and infinite for i = 0, the first iteration.
        """
        if i == 0:
            iteration.gauss_seidel_sweep()  # a first policy
        elif improve_policy(model, iteration.v, num_actions, gamma, policy) == 0:
            return 0.0  # the policy is greedy with respect to its own values, so it is optimal
        before = iteration.v.copy()
        if policy.size <= MAX_EQUATIONS:
            actions = np.append(policy, np.zeros(before.size - policy.size, np.int32))
            iteration.v[: policy.size] = np.linalg.solve(
                *policy_equations(model, actions, gamma, np.arange(policy.size))
            )
        else:
            evaluate(iteration, iteration.max_sweeps(iteration.target))
        if i == 0:
            return np.inf  # the first values had no policy to compare with
        # A gain within rounding stops: otherwise two equally good policies could alternate without end. Near gamma 1
        # values have large errors of rounding, but backups don't: from 1e2, a better policy may lead to 1e8.
        gain, rounding = float((iteration.v - before).max()), iteration.rounding_error()
        if gain > rounding / (1.0 - gamma):
            return gain
        change = gauss_seidel_sweep(model, iteration.v.copy(), policy.copy(), num_actions, gamma)
        return change if change > policy.size * rounding else 0.0

    return iteration.solve("policy-iteration", improve_and_evaluate_exactly)


def modified_policy_iteration(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """Solve a world by modified policy iteration: each policy is evaluated by a few sweeps only.

    An evaluation sweep takes a third of the time of one that examines every action.

    Source:
        Puterman & Shin (1978), Modified policy iteration algorithms; Puterman (1994), section 6.5.
    """
    iteration = Iteration(mdp, breadth_first_order(mdp), gamma, tolerance)
    return iteration.solve("modified-policy-iteration", lambda _: improve_and_evaluate(iteration))


def improve_and_evaluate(iteration: Iteration) -> float:
    """Improve the policy by one sweep, then evaluate it by a few; return the largest change in the first sweep.

    This is one step of modified policy iteration.
    """
    change = iteration.gauss_seidel_sweep()
    if not iteration.is_converged(change):
        evaluate(iteration, EVALUATION_SWEEPS)
    return change


def evaluate(iteration: Iteration, max_sweeps: int) -> None:
    """Evaluate the current policy by sweeps in place, until the values converge or `max_sweeps` sweeps are done."""
    policy = read_only(iteration.policy)
    for _ in range(0, max_sweeps, EVALUATION_SWEEPS):
        change = evaluation_sweeps(iteration.ordered.model, iteration.v, policy, iteration.gamma, EVALUATION_SWEEPS)
        if iteration.is_converged(change):
            break
