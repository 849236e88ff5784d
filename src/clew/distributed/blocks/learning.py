"""A block learned from samples, with the values of its halo given.

Episodes begin in the block's own states. A step over the border cuts the episode off as a step limit does: the value of
the state outside is what follows, as its owner said at the last exchange. So a block needs no other's table, and rules
that look one step ahead learn just what they would in the whole world.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.distributed.blocks.cuts import Halo, Place
from clew.distributed.blocks.exchange import Borders
from clew.errors import SettingError
from clew.kernels import read_only
from clew.kernels.dynamics import Section
from clew.kernels.learning.boundary_values import propagate_boundary_values, set_boundary_values
from clew.kernels.learning.rollouts import EpisodeSpec
from clew.learning.learner import make_learner
from clew.learning.loops import compiled_loop
from clew.learning.settings import Learning

__all__ = ["BLOCKWISE", "BlockLearner", "BlockLearnerSpec", "Stint", "check_blockwise"]

# Rules that look one step ahead, to the greatest value there, and keep nothing of an episode.
BLOCKWISE = ("q-learning", "dyna-q", "prioritized-sweeping", "propagation", "r-max")


class BlockLearnerSpec(NamedTuple):
    """How all blocks learn."""

    learning: Learning
    assumed: float  # what every action is worth at first
    max_steps: int  # of an episode in a block


class Stint(NamedTuple):
    """What a block does in a round: everything that decides its episodes, but for the values."""

    num_episodes: int
    done: int  # episodes that all blocks have played before,
    total: int  # of so many; by this schedules go
    key: tuple[int, int, int]  # (seed, round, block)


def check_blockwise(learning: Learning) -> None:
    """Check that an algorithm can be cut into blocks.

    Raises:
        SettingError: names those that can.
    """
    if learning.algorithm not in BLOCKWISE:
        raise SettingError(
            f"must be one of {', '.join(BLOCKWISE)} in blocks, where an episode ends at a border; not "
            f"{learning.algorithm!r}",
            setting="algorithm",
        )


class BlockLearner:
    """Learns the table of a block."""

    def __init__(self, place: Place, pupil: BlockLearnerSpec) -> None:
        self.place, self.pupil = place, pupil
        mdp = place.mdp
        q = np.full((mdp.num_states, mdp.num_actions), pupil.assumed, np.float32)
        self.learner = make_learner(q, pupil.learning, max_steps=pupil.max_steps, num_outcomes=mdp.num_outcomes)

    def borders(self) -> Borders:
        """Values of the first and the last row: the greatest of each state."""
        first, last = (self.learner.q[rows].max(axis=1) for rows in self.place.borders)
        return first, last

    def learn(self, halo: Halo, stint: Stint) -> tuple[float, float, float]:
        """Learn from some episodes; returns the sums of steps, ends and rewards."""
        self.settle(halo)
        starts = self.place.mdp.starts
        if starts.size == 0 or stint.num_episodes == 0:
            return 0.0, 0.0, 0.0
        section = Section(self.place.mdp.fast_model, self.place.first, self.place.last)
        learner = self.learner.with_fixed_rates(*self.learner.rates_at(stint.done, stint.total))
        spec = EpisodeSpec(starts, self.pupil.max_steps, self.pupil.learning.exploring_starts)
        loop = compiled_loop(section, spec, learner, stint.num_episodes, stint.key)
        stats = loop.learn(stint.num_episodes)
        return float(stats.steps.sum()), float(stats.terminated.sum()), float(stats.episode_return.sum())

    def settle(self, halo: Halo) -> None:
        """Take in what neighbours are worth, and what follows from it as far as is known without another step."""
        told = self.place.told(halo)
        if told:
            states = np.concatenate([np.arange(first, first + row.size, dtype=np.int32) for first, row in told])
            values = np.concatenate([row for _, row in told])
            best_first = np.argsort(-values, kind="stable")
            set_boundary_values(self.learner.rule, read_only(states[best_first]), read_only(values[best_first]))
        propagate_boundary_values(self.learner.rule)

    def action_values(self) -> npt.NDArray[np.float32]:
        """(num_own, 4) float32."""
        return self.learner.q[self.place.own]
