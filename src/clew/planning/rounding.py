"""Rounding error of backups, for the error bounds of planning without a discount and with a horizon."""

import numpy as np

from clew.kernels.dynamics import HAZARD, Grid
from clew.models.mdp import FiniteMDP

EPSILON = float(np.finfo(np.float64).eps)


class Rounding:
    """Bound on the rounding error of a backup, in a given world.

    If the probabilities of a state and an action don't sum to exactly 1, the difference counts as an error too.

    Attributes:
        max_reward: bound on the absolute value of a reward.
        relative: largest error of a backup, relative to the sum of the largest reward and the largest value.
    """

    def __init__(self, mdp: FiniteMDP) -> None:
        if isinstance(mdp.model, Grid):
            grid = mdp.model
            hazard = grid.hazard_reward if (grid.cells & HAZARD).any() else 0.0
            rewards = (grid.step_reward, grid.goal_reward, grid.outer_wall_reward, hazard)
            self.max_reward = sum(map(abs, rewards))
            num_outcomes, excess = 3, EPSILON
        else:
            model = mdp.model
            counts = np.diff(model.offsets)
            self.max_reward = float(np.abs(model.rewards).max(initial=0.0))
            num_outcomes = int(counts.max(initial=0))
            sums = np.bincount(np.repeat(np.arange(counts.size), counts), model.probabilities, counts.size)
            # The sum of the probabilities is rounded too.
            excess = float(np.abs(sums - 1.0)[counts > 0].max(initial=0.0)) + num_outcomes * EPSILON
        # One rounding error for each outcome, and for the reward, the product and the sum.
        self.relative = (4 + num_outcomes) * EPSILON + excess

    def of_backup(self, max_value: float) -> float:
        """Return a bound on the error of a backup of values that are at most `max_value` in absolute value."""
        return self.relative * (self.max_reward + max_value)
