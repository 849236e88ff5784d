"""Learning one block from episodes, given the values of its halo.

Episodes begin in states of the block itself. A step into the halo truncates the episode, as a step limit does: the
update bootstraps from the value of that state, as its owner sent it at the last exchange. So a block needs no table but
its own, and one-step algorithms make the same updates as in the whole world.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.distributed.blocks.exchange import BorderValues
from clew.distributed.blocks.partition import HaloValues, LocalGrid
from clew.errors import SettingError
from clew.kernels import read_only
from clew.kernels.dynamics import Section
from clew.kernels.learning.boundary_values import propagate_boundary_values, set_boundary_values
from clew.kernels.learning.rollouts import EpisodeSpec
from clew.learning.learner import make_learner
from clew.learning.loops import compiled_loop
from clew.learning.settings import Learning
from clew.policies.plugins import plugins_of

# Off-policy one-step algorithms, which keep no trace or window of an episode.
BLOCKWISE = ("q-learning", "dyna-q", "prioritized-sweeping", "propagation", "r-max")


class BlockLearnerSpec(NamedTuple):
    """Settings of the learners of all blocks."""

    learning: Learning
    initial_value: float  # of every action
    max_steps: int  # step limit of an episode


class TrainingSlice(NamedTuple):
    """Episodes of one block in one round: everything that decides them, except the values."""

    num_episodes: int
    num_before: int  # episodes of all blocks in the rounds before; schedules depend on it
    num_total: int  # episodes of all blocks in all rounds
    key: tuple[int, int, int]  # (seed, round, block), of all random draws


def check_blockwise(learning: Learning) -> None:
    """Check that an algorithm can learn in blocks.

    Raises:
        SettingError: if it can't, and names those that can; or if the exploration strategy is of a plug-in.
    """
    if learning.algorithm not in BLOCKWISE:
        raise SettingError(
            f"must be one of {', '.join(BLOCKWISE)} in blocks, where an episode ends at a border; not "
            f"{learning.algorithm!r}",
            setting="algorithm",
        )
    if plugins_of(learning.algorithm, learning.behaviour_name):
        raise SettingError("must be one that comes with Clew in blocks, not of a plug-in", setting="behaviour")


class BlockLearner:
    """Learns the action values of one block.

    Args:
        local: grid of the block.
        spec: settings of the learner.
    """

    def __init__(self, local: LocalGrid, spec: BlockLearnerSpec) -> None:
        self.local, self.spec = local, spec
        mdp = local.mdp
        q = np.full((mdp.num_states, mdp.num_actions), spec.initial_value, np.float32)
        self.learner = make_learner(q, spec.learning, max_steps=spec.max_steps, num_outcomes=mdp.num_outcomes)

    def borders(self) -> BorderValues:
        """Return max_a q of the first and of the last row of the block, (columns,) float32 each."""
        first, last = (self.learner.q[rows].max(axis=1) for rows in self.local.border_rows)
        return first, last

    def learn(self, halo: HaloValues, training: TrainingSlice) -> tuple[float, float, float]:
        """Set the values of the halo, then learn from some episodes.

        Returns:
            Sums over the episodes: (steps, terminated episodes, rewards).
        """
        self.apply_halo(halo)
        starts = self.local.mdp.starts
        if starts.size == 0 or training.num_episodes == 0:
            return 0.0, 0.0, 0.0
        section = Section(self.local.mdp.fast_model, self.local.first, self.local.last)
        learner = self.learner.with_fixed_rates(*self.learner.rates_at(training.num_before, training.num_total))
        spec = EpisodeSpec(starts, self.spec.max_steps, self.spec.learning.exploring_starts)
        loop = compiled_loop(section, spec, learner, training.num_episodes, training.key)
        stats = loop.learn(training.num_episodes)
        return float(stats.steps.sum()), float(stats.terminated.sum()), float(stats.episode_return.sum())

    def apply_halo(self, halo: HaloValues) -> None:
        """Set the values of halo states; an algorithm that learns a model then backs up the states that lead there."""
        if changed := self.local.changed_rows(halo):
            states = np.concatenate([np.arange(first, first + row.size, dtype=np.int32) for first, row in changed])
            values = np.concatenate([row for _, row in changed])
            best_first = np.argsort(-values, kind="stable")
            set_boundary_values(self.learner.rule, read_only(states[best_first]), read_only(values[best_first]))
        propagate_boundary_values(self.learner.rule)

    def action_values(self) -> npt.NDArray[np.float32]:
        """Return the action values of the states of the block itself, (num_own, 4) float32."""
        return self.learner.q[self.local.own_states]
