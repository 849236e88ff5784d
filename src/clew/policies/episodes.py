"""Playing episodes, and what is written down of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from operator import index
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.environments import STEPS_PER_STATE, ModelEnvironment, as_compiled
from clew.errors import SettingError
from clew.kernels import read_only
from clew.kernels.learning.behaviours import AnyAction, after, choose, count_visit
from clew.kernels.learning.rollouts import EpisodeSpec, TransitionBatch, record_episodes
from clew.kernels.sampling import Stream, next_bits
from clew.kernels.wide import as_values
from clew.models.mdp import FiniteMDP
from clew.notebook import svg_of
from clew.policies.behaviours import BEHAVIOURS
from clew.policies.policy import Policy, table_shape
from clew.settings import check_choice, check_count, check_number

__all__ = ["Simulation", "Trajectory", "Transition", "episode_steps"]

# Of the columns of a trajectory.
DTYPES: tuple[Any, ...] = (np.int32, np.int32, np.float32, np.int32, np.bool_, np.bool_)


class Transition(NamedTuple):
    """One step: what was seen, done, paid and seen next, and whether that ended the episode."""

    state: int
    action: int
    reward: float
    next_state: int
    terminated: bool
    truncated: bool


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Transitions of one or more episodes in order, a column each, (num_steps,).

    An episode ends with the row that is terminated (the world ended it) or truncated (the step limit did).

    Raises:
        SettingError: names the column that is not of the length of the others, or can't be of its type.
    """

    state: npt.NDArray[np.int32]
    action: npt.NDArray[np.int32]
    reward: npt.NDArray[np.float32]
    next_state: npt.NDArray[np.int32]
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]

    world: ClassVar[Any] = None  # that it was played in, for notebooks; no column, and it stays in this process

    def __post_init__(self) -> None:
        for column, dtype in zip(fields(self), DTYPES, strict=True):
            array = _as_column(getattr(self, column.name), dtype, column.name)
            object.__setattr__(self, column.name, array)
            if array.size != self.state.size:
                lengths = f"{column.name} has {array.size} entries, state has {self.state.size}"
                raise SettingError(f"the columns of a trajectory must be of one length: {lengths}")

    def __len__(self) -> int:
        return int(self.state.size)

    def __getitem__(self, index: int) -> Transition:
        return Transition(*(getattr(self, column.name)[index].item() for column in fields(self)))

    def __getstate__(self) -> dict[str, Any]:
        return {column.name: getattr(self, column.name) for column in fields(self)}

    def _repr_svg_(self) -> str | None:
        """What a notebook shows of it: its way, and its visits; None, and so words, if it was in no one maze."""
        return svg_of(self)

    @property
    def columns(self) -> TransitionBatch:
        """The columns as kernels take them: read-only, wherever they came from."""
        return TransitionBatch(*(read_only(getattr(self, column.name)) for column in fields(self)))

    @property
    def num_episodes(self) -> int:
        """How many episodes end in it."""
        return int(np.count_nonzero(self.terminated | self.truncated))

    @property
    def num_successes(self) -> int:
        """How many episodes the world ended, and not the step limit."""
        return int(np.count_nonzero(self.terminated))

    @classmethod
    def from_transitions(cls, transitions: list[Transition]) -> "Trajectory":
        """Turn rows into columns."""
        columns = zip(*transitions, strict=True) if transitions else [()] * 6
        return cls(*(np.array(column, dtype) for column, dtype in zip(columns, DTYPES, strict=True)))


def _as_column(given: npt.ArrayLike, dtype: Any, name: str) -> npt.NDArray[Any]:
    """A column of a trajectory, of its type, in one piece; copied only if it isn't."""
    array = np.asarray(given)
    if array.ndim != 1 or array.dtype.kind not in "fiub":
        raise SettingError(f"the trajectory's {name} column must be numbers in one dimension, not {array.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        column = np.ascontiguousarray(array, dtype)
    if dtype is not np.float32 and array.dtype != dtype and not np.array_equal(column, array):
        raise SettingError(f"the trajectory's {name} column holds numbers that don't fit {np.dtype(dtype).name}")
    return column


def _as_state(observation: Any, num_states: int, source: str) -> int:
    """A state from what an environment gave, checked: kernels don't ask again."""
    try:
        state = index(observation.item() if isinstance(observation, np.ndarray) else observation)
    except (TypeError, ValueError):
        raise SettingError(f"the environment's {source} gave state {observation!r}, which is no whole number") from None
    if not 0 <= state < num_states:
        raise SettingError(f"the environment's {source} gave state {state}, outside its space of {num_states}")
    return state


def episode_steps(
    env: Any, choose: Callable[[int], int], *, seed: int | None = None, render: bool = False
) -> Iterator[Transition]:
    """Play one episode of any Gymnasium environment with Discrete spaces, step by step.

    Args:
        env: environment; its own step limit holds, and one of 100 steps a state, so that the episode ends.
        choose: gives the action for a state; it's asked when the step before has been seen.
        seed: seed for the environment's reset; None goes on with its draws.
        render: call `env.render()` before the first and after every step.

    Yields:
        Every transition, as soon as it is known.

    Raises:
        SettingError: if the environment gives a state or a reward that can't be one.
    """
    num_states, _ = table_shape(env)
    observation, _ = env.reset(seed=seed)
    state, steps, over = _as_state(observation, num_states, "reset"), 0, False
    if render:
        env.render()
    while not over:
        action = choose(state)
        observation, reward, terminated, truncated, _ = env.step(action)
        next_state = _as_state(observation, num_states, "step")
        if not np.isfinite(reward) or abs(reward) > np.finfo(np.float32).max:
            raise SettingError(f"the environment's step gave reward {reward}, which is no number that float32 holds")
        steps += 1
        truncated = (truncated or steps >= STEPS_PER_STATE * num_states) and not terminated
        yield Transition(state, action, float(reward), next_state, bool(terminated), bool(truncated))
        state, over = next_state, terminated or truncated
        if render:
            env.render()


class Simulation:
    """Plays episodes of one environment.

    Args:
        env: environment with Discrete spaces, or a model.

    Attributes:
        env: that environment; of a model the `ModelEnvironment` that plays it.
    """

    def __init__(self, env: Any) -> None:
        table_shape(env)
        self.env = ModelEnvironment(env) if isinstance(env, FiniteMDP) else env

    def rollout(
        self, policy: Policy, *, render: bool = False, explore: bool = True, epsilon: float = 0.1
    ) -> Trajectory:
        """Play one episode, step by step, in the environment itself.

        Args:
            policy: chooses the actions, with its own draws.
            render: draw every step.
            explore: False for the greedy policy.
            epsilon: probability of exploring.

        Returns:
            Trajectory of one episode; it always ends, by the goal or by a step limit.
        """
        steps = episode_steps(self.env, lambda state: policy.get_action(state, explore, epsilon), render=render)
        return self._played(Trajectory.from_transitions(list(steps)))

    def rollouts(
        self,
        q: npt.NDArray[np.float32],
        num_episodes: int,
        *,
        behaviour: str = "epsilon-greedy",
        exploration: float = 0.1,
        visits: npt.NDArray[np.int32] | None = None,
        exploring_starts: bool = False,
        starts: npt.NDArray[np.int32] | None = None,
        stream: Stream,
    ) -> Trajectory:
        """Play many episodes with fixed values, compiled where the world allows it.

        Args:
            q: (num_states, num_actions), action values; only read, as float32.
            num_episodes: how many episodes.
            behaviour: name of a row of `clew.policies.behaviours.BEHAVIOURS`.
            exploration: how much it explores, if it asks; for epsilon-greedy, 0 plays the greedy policy.
            visits: (num_states, num_actions) int32, how often each action was tried before, for behaviours that ask;
                None begins at 0.
            exploring_starts: begin each episode with any action.
            starts: (n,) int32, states of a compiled world to begin in, in place of its own start states.
            stream: every draw, those of the world included; changed in place.

        Raises:
            SettingError: if a setting is out of range, or an array doesn't fit the environment.
        """
        check_count("num_episodes", num_episodes, 0)
        shape = table_shape(self.env)
        acting, counts, exploration = _checked_behaviour(behaviour, exploration, visits, shape)
        table = read_only(_checked_table(q, shape))
        compiled = as_compiled(self.env)
        if compiled is not None:
            spec = episode_spec(compiled, starts, exploring_starts)
            parts = as_values(table), acting, counts, exploration
            return self._played(_record(compiled.mdp, spec, parts, int(num_episodes), stream))
        transitions: list[Transition] = []
        seed: int | None = int(next_bits(stream)) >> 33

        def pick(state: int) -> int:
            return int(choose(now, table, counts, state, exploration, stream))

        for _ in range(num_episodes):
            now = AnyAction() if exploring_starts else acting
            for step in episode_steps(self.env, pick, seed=seed):
                transitions.append(step)
                count_visit(acting, counts, step.state, step.action)
                now = after(acting, step.action)
            seed = None
        return self._played(Trajectory.from_transitions(transitions))

    def _played(self, trajectory: Trajectory) -> Trajectory:
        object.__setattr__(trajectory, "world", self.env)
        return trajectory


def episode_spec(world: ModelEnvironment, starts: npt.NDArray[np.int32] | None, exploring_starts: bool) -> EpisodeSpec:
    """How episodes begin in a compiled world, and when they are cut off; by default in its own start states."""
    begins = world.mdp.starts if starts is None else starts
    return EpisodeSpec(begins, world.max_episode_steps, bool(exploring_starts))


def _checked_table(q: npt.ArrayLike, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Action values as kernels read them: row by row, as float32; copied only if they aren't."""
    values = np.asarray(q)
    if values.shape != shape:
        raise SettingError(f"q must have the shape {shape} of (num_states, num_actions), not {values.shape}")
    if values.dtype.kind not in "fiub":
        raise SettingError(f"q must hold numbers, not {values.dtype}")
    return np.ascontiguousarray(values, np.float32)


def _checked_behaviour(
    name: str, exploration: float, visits: npt.ArrayLike | None, shape: tuple[int, int]
) -> tuple[Any, npt.NDArray[np.int32], float]:
    """The behaviour as kernels dispatch on it, its counts, copied, and how much it explores."""
    check_choice("behaviour", name, BEHAVIOURS)
    row = BEHAVIOURS[name]
    counts = np.zeros(shape if row.counts else (0, 0), np.int32)
    if row.counts and visits is not None:
        tried = np.asarray(visits)
        if tried.shape != shape or tried.dtype.kind not in "iu":
            raise SettingError(f"visits must be whole numbers of the shape {shape}, not {tried.dtype} of {tried.shape}")
        counts[:] = tried
    if row.setting is None:
        return row.kind, counts, 0.0
    check_number("exploration", exploration, row.bounds, used_by=name)
    return row.kind, counts, float(exploration)


def _record(
    mdp: FiniteMDP, spec: EpisodeSpec, acting: tuple[Any, Any, Any, float], num_episodes: int, stream: Stream
) -> Trajectory:
    """Play episodes compiled, in stretches, each twice as long as the one before."""
    parts: list[list[npt.NDArray[Any]]] = []
    place = np.zeros(4, np.int64)
    room = 1024
    while not parts or place[0] < num_episodes:
        columns = TransitionBatch(*(np.empty(room, dtype) for dtype in DTYPES))
        n = record_episodes(mdp.fast_model, spec, *acting, num_episodes, stream, place, columns)
        parts.append([column[:n] for column in columns])
        room *= 2
    return Trajectory(*(np.concatenate(column) for column in zip(*parts, strict=True)))
