"""The case that is examined: a model, the settings of a training, and figures that several checks use."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.environments import Environment
from clew.errors import PrecisionError, SettingError
from clew.learning.settings import Learning
from clew.models.labels import Labels
from clew.models.mdp import FiniteMDP
from clew.planning import Solution, find_optimum
from clew.planning.search import shortest_path_is_optimal
from clew.runs.examination.graphs import Graph

QUICK = 3_000  # outcomes of a model that is examined before each training; a few hundredths of a second
ENDLESS = 10**9  # steps of an episode that are as good as no limit: a minute and more
THOROUGH = 4_000_000  # outcomes of a model that `clew doctor` examines; some seconds, and about 300 MB


@dataclass(frozen=True, eq=False)
class Case:
    """A model and the settings of a training.

    Attributes:
        mdp: the model.
        learning: settings of the learner.
        num_episodes: number of episodes.
        max_steps: step limit of an episode.
        has_own_limit: False if the world has no step limit, and `max_steps` is that which Clew sets.
        is_thorough: True if checks may take seconds.
        is_exact: False if the model was estimated, and not every action was tried in every state.
        num_samples: (num_states * num_actions,) steps by which each pair was estimated; None if the model is known.
        is_environment: True for an environment with a model, which other programs step without Clew's step limit.
        name_state: returns the name of a state for messages.
        end: what an episode ends with, for messages.
    """

    mdp: FiniteMDP
    learning: Learning
    num_episodes: int
    max_steps: int
    has_own_limit: bool = True
    is_thorough: bool = True
    is_exact: bool = True
    num_samples: npt.NDArray[np.int64] | None = None
    is_environment: bool = False
    name_state: Callable[[int], str] = field(default="state {}".format)
    end: str = "end"

    @cached_property
    def graph(self) -> Graph:
        """Graph of the model."""
        return Graph(self.mdp)

    @cached_property
    def reachable(self) -> npt.NDArray[np.bool_]:
        """States that can be reached from the start states, (num_states,) bool."""
        return self.graph.reachable()

    @cached_property
    def reached(self) -> npt.NDArray[np.bool_]:
        """Outcomes of states that can be reached, (num_outcomes,) bool."""
        return self.reachable[self.graph.states]

    @cached_property
    def can_end(self) -> npt.NDArray[np.bool_]:
        """States from which some policy ends the episode with probability 1, (num_states,) bool."""
        return self.graph.can_end(self.graph.has_outcomes)

    @cached_property
    def target(self) -> npt.NDArray[np.bool_]:
        """Outcomes that a learner has to find, (num_outcomes,) bool.

        They are those with a reward above 0; if there are none, the ends; and if there are none, all other rewards.
        """
        graph = self.graph
        for target in (graph.rewards > 0.0, graph.ends, graph.rewards != 0.0):
            if (target & self.reached).any():
                break
        return target

    @cached_property
    def to_end(self) -> npt.NDArray[np.int64]:
        """Fewest steps to an end from each state, (num_states,); -1 where none can be reached."""
        return self.graph.distances(self.graph.ends)

    @cached_property
    def to_target(self) -> npt.NDArray[np.int64]:
        """Fewest steps to a target from each start state, (num_starts,); -1 where none can be reached."""
        is_end = np.array_equal(self.target, self.graph.ends)
        return (self.to_end if is_end else self.graph.distances(self.target))[self.graph.starts]

    @property
    def distance(self) -> int:
        """Fewest steps to a target from the start state that is farthest from one; -1 if there is none."""
        return int(self.to_target.max())

    @cached_property
    def optimum(self) -> Solution | None:
        """Optimum for the discount; None if there is none, or it would take too long."""
        is_fast = self.is_thorough or shortest_path_is_optimal(self.mdp, self.learning.gamma)
        if not (is_fast or self.mdp.num_outcomes <= QUICK) or not self.is_exact:
            return None
        try:
            return find_optimum(self.mdp, self.learning.gamma, 1e-9)
        except (SettingError, PrecisionError):  # continuing forever gains, no start can end, or it takes too many steps
            return None


def counted(n: Any, noun: str) -> str:
    """Return a number with its noun, such as "1 state" or "3 states"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def namer_of(env: Any, mdp: FiniteMDP) -> Callable[[int], str]:
    """Return a function that names states for messages: by their place in a maze, their label, or their number."""
    if isinstance(env, Environment) and mdp.num_states == env.maze.cells.size:
        return lambda s: f"cell {divmod(s, env.maze.columns)}"
    return Labels(mdp.state_labels).state
