"""stop_when_optimal: a rule that ends a training."""

from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import StopTraining
from clew.evaluation.grades import evaluate_values
from clew.learning.metrics import Watch
from clew.planning import solve
from clew.policies.policy import Policy, table_shape
from clew.settings import check_count


def stop_when_optimal(world: Any, num_grades: int = 3, *, gamma: float = 0.9) -> Watch:
    """Return a function for the argument `watch` of a training, which ends when its policy stays optimal.

    The policy is graded exactly after each round. It is optimal if its suboptimality is 0 to within the proved bound.

        >>> import clew
        >>> env = clew.Environment(clew.Maze.open(5, 5))
        >>> rows = []
        >>> watch = clew.stop_when_optimal(env, 3)
        >>> policy = clew.train_policy(env, 10_000, seed=1, callback=rows.append, watch=watch)
        >>> rows[-1].num_ended
        300
        >>> clew.evaluate_policy(env, policy).excess_steps
        0.0

    Args:
        world: environment or model, in which the policy is graded.
        num_grades: number of rounds in succession whose policies have to be optimal.
        gamma: discount per step, in [0, 1], of the optimum; that of the learner as a rule.

    Returns:
        Function of the action values, (num_states, num_actions) float32, that raises `clew.StopTraining`. It counts, so
        each training needs one of its own.

    Raises:
        SettingError: if a setting is out of range, or the world is not an environment or a model.
        ModelError: if its model is unknown.
        PrecisionError: raised by the function, if a policy can't be graded exactly enough.
    """
    check_count("num_grades", num_grades, 1)
    table_shape(world)  # raises an error if it isn't an environment
    optimum = solve(world, gamma=gamma)
    num_optimal = 0  # grades in succession

    def watch(q: npt.NDArray[np.float32]) -> None:
        nonlocal num_optimal
        grade = evaluate_values(world, Policy(world, q=q), gamma=gamma, optimum=optimum)
        num_optimal = num_optimal + 1 if grade.suboptimality <= grade.suboptimality_bound else 0
        if num_optimal == num_grades:
            raise StopTraining

    return watch
