"""A vector environment of many copies of one maze, which are stepped by one call of a kernel."""

from typing import Any, Unpack

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from clew.environments.checks import WorldSettings, as_integer
from clew.environments.maze import Environment
from clew.environments.model import action_error, check_options, with_step_limit
from clew.environments.observations import PlaceDecoder, make_encoder
from clew.errors import SettingError
from clew.kernels import read_only
from clew.kernels.learning.stepping import (
    CopyStates,
    StepResults,
    find_invalid_action,
    new_copy_states,
    reset_copies,
    step_copies,
)
from clew.kernels.sampling import new_stream
from clew.mazes import Maze
from clew.registration import ENTRY_POINT, ENV_ID, VECTOR_ENTRY_POINT
from clew.settings import check_choice, check_count, check_flag, check_memory, shown

Bools = npt.NDArray[np.bool_]
BYTES_PER_COPY = 2048  # mostly the Python objects of its NumPy generator


class MazeVectorEnv(VectorEnv[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]):
    """A Gymnasium vector environment of copies of one maze, each with its own episode and random stream.

    Copy i, seeded with s, behaves step by step like an `Environment` that is reset with seed s, as in Gymnasium's
    `SyncVectorEnv` of as many environments, and hundreds of times faster. There are three differences: infos have
    places as arrays, (num_envs, 2), instead of arrays of tuples; an invalid call (an action that doesn't exist, a step
    of a copy whose episode is over with `AutoresetMode.DISABLED`) is a SettingError that names the copy, and no copy
    moves; and `envs`, `call`, `get_attr` and `set_attr` are missing, since there is no environment object per copy.

    Args:
        num_envs: number of copies.
        maze: the maze; by default the open 5x5 grid of the book's chapter.
        observation: "index", "position" or "planes", see `clew.environments.observations`.
        autoreset_mode: when a copy whose episode is over begins the next one, see Gymnasium: "NextStep", with the next
            step; "SameStep", within the same step, whose infos then have `final_obs` and `final_info`; "Disabled", by
            `reset(options={"reset_mask": ...})`.
        copy: False to return observations in one array that each step overwrites; other results are never reused.
        settings: settings of `Environment`.

    Attributes:
        num_envs: number of copies.
        world: an `Environment` with the same settings, for its maze and model; it isn't stepped.

    Raises:
        SettingError: if a setting is out of range, or the machine hasn't enough memory for the copies.

    >>> import clew
    >>> import numpy as np
    >>> envs = clew.MazeVectorEnv(3, clew.Maze.open(5, 5), step_reward=-1.0)
    >>> states, infos = envs.reset(seed=0)
    >>> states, rewards, terminations, truncations, infos = envs.step(np.array([0, 3, 1]))  # down, right, left
    >>> states
    array([5, 1, 0])
    >>> rewards
    array([-1., -1., -1.])
    >>> infos["position"]
    array([[1, 0],
           [0, 1],
           [0, 0]])
    """

    metadata: dict[str, Any] = Environment.metadata

    def __init__(
        self,
        num_envs: int = 1,
        maze: Maze | None = None,
        *,
        observation: str = "index",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        **settings: Unpack[WorldSettings],
    ) -> None:
        check_count("num_envs", num_envs, 1, 2**31 - 1)
        check_flag("copy", copy)
        if not isinstance(autoreset_mode, AutoresetMode):
            check_choice("autoreset_mode", autoreset_mode, [mode.value for mode in AutoresetMode])
        self.world = Environment(maze, **settings)
        self.num_envs, self.copy = int(num_envs), copy
        self.render_mode = self.world.render_mode
        self._mode = AutoresetMode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self._mode}
        self._encoder = make_encoder(self.world, observation)
        self._decoder = PlaceDecoder.of_environment(self.world)
        self.single_observation_space = self._encoder.space
        self.single_action_space = self.world.action_space
        values_per_observation = int(np.prod(self._encoder.space.shape or (), dtype=np.int64))
        check_memory(self.num_envs * (BYTES_PER_COPY + 8 * values_per_observation), f"{self.num_envs:,} copies")
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.spec = _make_spec(
            settings, maze=maze, observation=observation, autoreset_mode=self._mode.value, copy=copy, num_envs=num_envs
        )
        self._copies = new_copy_states(self.num_envs)
        self._final_states = np.zeros(self.num_envs, np.int64)
        self._observations = None if copy else self._new_observations(self.num_envs)
        self._generators: list[np.random.Generator | None] = [None] * self.num_envs
        self._seeds: list[int | None] = [None] * self.num_envs
        self._is_seeded = np.zeros(self.num_envs, np.bool_)
        self._has_begun = False

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[Any], dict[str, Any]]:
        """Begin an episode in all copies, or in those of a mask.

        Args:
            seed: an integer s gives copy i the seed s + i; a list has one for each copy. None, also in the list,
                continues the current random streams.
            options: `reset_mask`, (num_envs,) bool: only copies where it is True begin an episode.

        Returns:
            (observations, infos). Infos have `position` and `goal`, (num_envs, 2) int64 each, and `_position` and
            `_goal`, (num_envs,) bool, which mark the copies that began.

        Raises:
            SettingError: if seeds or mask are invalid; no copy has begun then.
        """
        chosen = self._check_reset_mask(options)
        self._seed_streams(self._check_seeds(seed), chosen)
        reset_copies(self.world.mdp.starts, read_only(chosen), self._copies)
        self._has_begun = True
        if self.render_mode == "human":
            self.render()
        return self._observe(), self._infos(self._copies.state, None if chosen.all() else chosen)

    def step(
        self, actions: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any], Bools, Bools, dict[str, Any]]:
        """Take an action in each copy.

        Args:
            actions: (num_envs,) integers, see `Environment`; ignored for copies that begin a new episode.

        Returns:
            (observations, rewards, terminations, truncations, infos), (num_envs, ...) each; for infos see `reset`.

        Raises:
            SettingError: names the first copy whose action is invalid; no copy has moved then.
        """
        checked = self._check_actions(actions)
        n, mdp, is_same_step = self.num_envs, self.world.mdp, self._mode == AutoresetMode.SAME_STEP
        results = StepResults(np.empty(n), np.empty(n, np.bool_), np.empty(n, np.bool_), self._final_states)
        num_ended = step_copies(
            mdp.fast_model, mdp.starts, self.world.max_episode_steps, is_same_step, checked, self._copies, results
        )
        if self.render_mode == "human":
            self.render()
        infos = self._infos(self._copies.state)
        if is_same_step and num_ended:
            infos |= self._final_infos(results.terminated | results.truncated)
        return self._observe(), results.reward, results.terminated, results.truncated, infos

    def render(self) -> tuple[Any, ...] | None:
        """Draw all copies as `render_mode` says; return a frame for each (None if "human"), or None without a mode."""
        if self.render_mode is None:
            self.world.render()  # warns that there is no render mode
            return None
        states = self._copies.state.tolist() if self._has_begun else [None] * self.num_envs
        return tuple(self.world.render_state(state) for state in states)

    @property  # type: ignore[misc]  # read-only and one for each copy, as in SyncVectorEnv
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]  # one for each copy
        """Generator of each copy, from which its random stream is seeded."""
        return tuple(self._generator(i) for i in range(self.num_envs))

    @property
    def np_random_seed(self) -> tuple[int | None, ...]:  # type: ignore[override]  # one for each copy
        """Seed of each copy."""
        for i in range(self.num_envs):
            self._generator(i)  # seeds the copy if it has no seed
        return tuple(self._seeds)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Arrays that come through Ray are read-only; these must be writable.
        fresh = {name: value.copy() for name, value in state.items() if isinstance(value, np.ndarray)}
        self.__dict__.update(state, **fresh, _copies=CopyStates(*(array.copy() for array in state["_copies"])))

    def _generator(self, i: int) -> np.random.Generator:
        """Return the generator of a copy; if it has none, make one with a random seed."""
        generator = self._generators[i]
        if generator is None:
            generator, self._seeds[i] = np_random()
            self._generators[i] = generator
        return generator

    def _seed_streams(self, seeds: list[int | None], chosen: Bools) -> None:
        """Seed the random streams of the chosen copies, (num_envs,) bool, in the way of `Environment.reset`."""
        for i in np.flatnonzero(chosen).tolist():
            if seeds[i] is not None:
                self._generators[i], self._seeds[i] = np_random(seeds[i])
            if seeds[i] is not None or not self._is_seeded[i]:
                self._copies.streams[i] = new_stream(int(self._generator(i).integers(2**63)))
        self._is_seeded |= chosen

    def _check_seeds(self, seed: Any) -> list[int | None]:
        """Check the seed or seeds of `reset`, and return a seed or None for each copy."""
        first = as_integer(seed)
        if first >= 0:
            return [first + i for i in range(self.num_envs)]
        given = seed if isinstance(seed, list | tuple | np.ndarray) else [seed] * self.num_envs
        if len(given) != self.num_envs:
            raise SettingError(f"seed must have one for each of the {self.num_envs} copies, not {len(given)}")
        seeds = [None if each is None else as_integer(each) for each in given]
        for i, each in enumerate(seeds):
            if each is not None and each < 0:
                raise SettingError(f"copy {i}: seed must be a whole number, and not negative, not {shown(given[i])}")
        return seeds

    @property
    def spec(self) -> EnvSpec | None:
        """Specification with which `gymnasium.make_vec` makes the same copies; its step limit is theirs."""
        return with_step_limit(self._spec, self.world.max_episode_steps)

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = spec

    def _check_reset_mask(self, options: dict[str, Any] | None) -> Bools:
        """Check and return the mask of the copies that begin, (num_envs,) bool; all of them without `reset_mask`."""
        check_options(options, ("reset_mask",))
        if options is None or "reset_mask" not in options:
            return np.ones(self.num_envs, np.bool_)
        mask = options["reset_mask"]
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,):
            raise SettingError(f"reset_mask must be a NumPy array of {self.num_envs} bools, not {shown(mask)}")
        if not mask.any():
            raise SettingError("reset_mask must choose at least one copy")
        if not self._has_begun:
            raise SettingError("call reset() without a reset_mask first: every copy must begin")
        return np.ascontiguousarray(mask)

    def _check_actions(self, actions: Any) -> npt.NDArray[np.int64]:
        """Check the actions of `step`, and return them as a read-only array, (num_envs,) int64, for kernels."""
        if not self._has_begun:
            raise SettingError("call reset() before step()")
        if self._mode == AutoresetMode.DISABLED and self._copies.is_over.any():
            i = int(self._copies.is_over.argmax())
            raise SettingError(f"copy {i}: its episode is over; begin another by reset(options={{'reset_mask': ...}})")
        num_actions = self.world.mdp.num_actions
        if isinstance(actions, np.ndarray) and actions.dtype.kind in "iu" and actions.ndim == 1:
            numbers = np.ascontiguousarray(actions, np.int64)
        else:
            try:
                actions = list(actions)  # once: it may be an iterator
            except TypeError:
                raise SettingError(f"actions must be an array of integers, not {shown(actions)}") from None
            integers = [as_integer(action) for action in actions]
            numbers = np.array([a if a < num_actions else -1 for a in integers], np.int64)
        if numbers.size != self.num_envs:
            raise SettingError(f"actions must be one for each of the {self.num_envs} copies, not {numbers.size}")
        checked = read_only(numbers)
        refused = find_invalid_action(checked, self._copies.is_over, num_actions)
        if refused >= 0:
            given = actions[refused]
            advice = "; actions must be whole numbers (integers): use actions.astype(int)"
            raise SettingError(
                f"copy {refused}: {action_error(self.world.actions)}, not {shown(given)}"
                f"{advice if isinstance(given, float | np.floating) else ''}"
            )
        return checked

    def _new_observations(self, n: int) -> npt.NDArray[Any]:
        """Return an uninitialized array for the observations of n copies."""
        space = self._encoder.space
        return np.empty((n, *(space.shape or ())), space.dtype)

    def _observe(self) -> npt.NDArray[Any]:
        observations = self._new_observations(self.num_envs) if self._observations is None else self._observations
        self._encoder.encode(self._copies.state, observations)
        return observations

    def _infos(self, states: npt.NDArray[np.int64], chosen: Bools | None = None) -> dict[str, Any]:
        """Return infos of the chosen copies, (num_envs,) bool, or of all; others have zeros, and False in the masks."""
        if chosen is None:
            places = self._decoder.places(states)
            chosen = np.ones(self.num_envs, np.bool_)
        else:
            places = np.zeros((self.num_envs, 4), np.int64)
            places[chosen] = self._decoder.places(states[chosen])
        return {"position": places[:, :2], "_position": chosen.copy(), "goal": places[:, 2:], "_goal": chosen.copy()}

    def _final_infos(self, ended: Bools) -> dict[str, Any]:
        """Return `final_obs` and `final_info` of the copies whose episode ended in this step, (num_envs,) bool."""
        states = self._final_states[ended]
        observed = self._new_observations(states.size)
        self._encoder.encode(states, observed)
        final: npt.NDArray[Any] = np.full(self.num_envs, None, object)
        for i, each in zip(np.flatnonzero(ended), observed.tolist() if observed.ndim == 1 else observed, strict=True):
            final[i] = each
        info = self._infos(self._final_states, ended)
        return {"final_obs": final, "_final_obs": ended.copy(), "final_info": info, "_final_info": ended}


def _make_spec(settings: Any, **arguments: Any) -> EnvSpec:
    """Return the specification with which `gymnasium.make_vec` makes the same vector environment."""
    kwargs = {**settings, **arguments, "vectorization_mode": gymnasium.VectorizeMode.VECTOR_ENTRY_POINT.value}
    return EnvSpec(ENV_ID, ENTRY_POINT, vector_entry_point=VECTOR_ENTRY_POINT, kwargs=kwargs)
