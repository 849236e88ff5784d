"""Records of episodes: trajectories, with the transitions of their steps as columns."""

from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels import read_only
from clew.kernels.learning.rollouts import TransitionBatch
from clew.notebook import svg_of
from clew.reference import Transition
from clew.settings import as_list, as_numbers, shown

DTYPES: tuple[Any, ...] = (np.int32, np.int32, np.float32, np.int32, np.bool_, np.bool_)  # columns of a trajectory


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Transitions of one or more episodes, in order: a column for each field of `Transition`.

    The last transition of an episode is terminated or truncated. `trajectory[i]` is a `Transition`, and a loop over a
    trajectory yields all of them.

        >>> import clew
        >>> steps = [clew.Transition(0, 3, -0.5, 1, False, False), clew.Transition(1, 3, 1.0, 2, True, False)]
        >>> trajectory = clew.Trajectory.from_transitions(steps)
        >>> len(trajectory), trajectory.num_episodes, trajectory.reward.tolist()
        (2, 1, [-0.5, 1.0])

    Attributes:
        state: (num_steps,) int32, states in which the actions were taken.
        action: (num_steps,) int32.
        reward: (num_steps,) float32.
        next_state: (num_steps,) int32, states that followed.
        terminated: (num_steps,) bool, True where the world ended an episode.
        truncated: (num_steps,) bool, True where a step limit cut an episode off.
        world: environment in which it was played, for notebooks; None if unknown, and in a pickled copy.

    Raises:
        SettingError: if the columns have different lengths, or one can't be converted to its type without loss.
    """

    state: npt.NDArray[np.int32]
    action: npt.NDArray[np.int32]
    reward: npt.NDArray[np.float32]
    next_state: npt.NDArray[np.int32]
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]

    world: ClassVar[Any] = None  # set on an instance by `Simulation`; not a column

    def __post_init__(self) -> None:
        for column, dtype in zip(fields(self), DTYPES, strict=True):
            array = _as_column(getattr(self, column.name), dtype, column.name)
            object.__setattr__(self, column.name, array)
            if array.size != self.state.size:
                raise SettingError(
                    f"the columns of a trajectory must be of one length: {column.name} has {array.size} entries, "
                    f"state has {self.state.size}"
                )

    def __len__(self) -> int:
        return int(self.state.size)

    def __getitem__(self, index: int) -> Transition:
        return Transition(*(getattr(self, column.name)[index].item() for column in fields(self)))

    def __getstate__(self) -> dict[str, Any]:
        return {column.name: getattr(self, column.name) for column in fields(self)}

    def _repr_svg_(self) -> str | None:
        """Return an SVG of the path and the visits in the maze, for notebooks; None if there is no maze."""
        return svg_of(self)

    @property
    def columns(self) -> TransitionBatch:
        """The columns as read-only arrays, in the form that kernels take."""
        return TransitionBatch(*(read_only(getattr(self, column.name)) for column in fields(self)))

    @property
    def num_episodes(self) -> int:
        """Number of episodes that end in the trajectory."""
        return int(np.count_nonzero(self.terminated | self.truncated))

    @property
    def num_terminated(self) -> int:
        """Number of episodes that the world ended, not a step limit."""
        return int(np.count_nonzero(self.terminated))

    @classmethod
    def from_transitions(cls, transitions: list[Transition]) -> "Trajectory":
        """Make a trajectory of a list of transitions, which may be empty.

        Raises:
            SettingError: if it holds something else than transitions, or one whose numbers don't fit their columns.
        """
        rows = as_list("transitions", transitions, "Transition")
        for row in rows:
            if not isinstance(row, tuple) or len(row) != len(DTYPES):
                raise SettingError(f"must be a list of Transition, not of {shown(row)}", setting="transitions")
        columns = zip(*rows, strict=True) if rows else [np.empty(0, dtype) for dtype in DTYPES]
        return cls(*columns)


def _as_column(given: npt.ArrayLike, dtype: Any, name: str) -> npt.NDArray[Any]:
    """Return a contiguous array of the column's type; copied only if it has to be.

    Raises:
        SettingError: if it is not one-dimensional, does not hold numbers, or integers or booleans would change.
    """
    array = as_numbers(f"the trajectory's {name} column", given)
    if array.ndim != 1:
        raise SettingError(f"the trajectory's {name} column must be numbers in one dimension, not {array.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        column = np.ascontiguousarray(array, dtype)
    if dtype is not np.float32 and array.dtype != dtype and not np.array_equal(column, array):
        raise SettingError(f"the trajectory's {name} column holds numbers that don't fit {np.dtype(dtype).name}")
    return column
