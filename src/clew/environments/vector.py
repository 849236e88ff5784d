"""Many copies of one maze as a vector environment, stepped by one call of a kernel."""

from typing import Any, Unpack

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from clew.environments.checks import WorldSettings, whole
from clew.environments.maze import Environment
from clew.environments.model import bad_action
from clew.environments.observations import Places, observer_of
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
from clew.settings import check_choice, check_count, check_memory

__all__ = ["MazeVectorEnv"]

Bools = npt.NDArray[np.bool_]
BYTES_PER_COPY = 2048  # mostly its generator, which NumPy keeps as a handful of objects


class MazeVectorEnv(VectorEnv[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]):
    """Copies of one maze, each with an episode and draws of its own, that take their steps together.

    Copy i, seeded by s, goes step by step as an `Environment` that is reset with s: this is what Gymnasium's
    `SyncVectorEnv` over as many environments says, hundreds of times as fast. Three things differ: infos have
    places as arrays, (num_envs, 2), where it has an array of tuples; what can't be done (an action that there isn't, a
    step of a copy whose episode is over with `AutoresetMode.DISABLED`) is a SettingError that names the copy, after
    which every copy stands where it stood; and there is no environment for each copy, so `envs`, `call`, `get_attr`
    and `set_attr` are missing.

    Args:
        num_envs: how many copies.
        maze: layout; the chapter's open 5x5 by default.
        observation: "index", "position" or "planes", see `clew.environments.observations`.
        autoreset_mode: what follows an episode, as Gymnasium has it: the next begins with the next step, with the same
            step (whose infos then have `final_obs` and `final_info`), or by `reset(options={"reset_mask": ...})`.
        copy: False: the observations that are returned lie in one array that the next step writes anew. All else is
            the caller's to keep in any case.
        settings: those of `Environment`.

    Attributes:
        world: one such environment, for its maze and its model; it isn't stepped.

    Raises:
        SettingError: if a setting is out of range, or the machine can't hold so many copies.
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
        if not isinstance(autoreset_mode, AutoresetMode):
            check_choice("autoreset_mode", autoreset_mode, [mode.value for mode in AutoresetMode])
        self.world = Environment(maze, **settings)
        self.num_envs, self.copy = int(num_envs), copy
        self.render_mode = self.world.render_mode
        self._mode = AutoresetMode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self._mode}
        self._observer = observer_of(self.world, observation)
        self._places = Places.of_world(self.world)
        self.single_observation_space = self._observer.space
        self.single_action_space = self.world.action_space
        num_numbers = int(np.prod(self._observer.space.shape or (), dtype=np.int64))
        check_memory(self.num_envs * (BYTES_PER_COPY + 8 * num_numbers), f"{self.num_envs:,} copies")
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.spec = _specification(
            settings, num_envs, maze=maze, observation=observation, autoreset_mode=self._mode.value, copy=copy
        )
        self._copies = new_copy_states(self.num_envs)
        self._final_states = np.zeros(self.num_envs, np.int64)
        self._observations = None if copy else self._room(self.num_envs)
        self._generators: list[np.random.Generator | None] = [None] * self.num_envs
        self._seeds: list[int | None] = [None] * self.num_envs
        self._is_seeded = np.zeros(self.num_envs, np.bool_)
        self._has_begun = False

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[Any], dict[str, Any]]:
        """Begin an episode in every copy, or in some.

        Args:
            seed: `s` gives copy i the seed `s + i`; or a list of one for each copy, in which None goes on with the
                draws of before, as None for all does.
            options: `reset_mask`, (num_envs,) bool: begin only where it is True.

        Returns:
            (observations, infos), where infos are of the copies that began, marked by `_position` and `_goal`.

        Raises:
            SettingError: if seeds or the mask can't be right; nothing has begun.
        """
        chosen = self._chosen(options)
        self._key_streams(self._listed_seeds(seed), chosen)
        reset_copies(self.world.mdp.starts, read_only(chosen), self._copies)
        self._has_begun = True
        if self.render_mode == "human":
            self.render()
        return self._shown(), self._infos(self._copies.state, None if chosen.all() else chosen)

    def step(
        self, actions: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any], Bools, Bools, dict[str, Any]]:
        """Take an action in every copy.

        Args:
            actions: (num_envs,) integers, as `Environment` has them; not looked at where a new episode begins.

        Returns:
            (observations, rewards, terminations, truncations, infos).

        Raises:
            SettingError: names a copy that can't do what it is told; no copy has moved.
        """
        checked = self._checked(actions)
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
        return self._shown(), results.reward, results.terminated, results.truncated, infos

    def render(self) -> tuple[Any, ...] | None:
        """Draw every copy, as `render_mode` says; a frame for each, or None without a mode."""
        if self.render_mode is None:
            self.world.render()  # which says what is missing
            return None
        states = self._copies.state.tolist() if self._has_begun else [None] * self.num_envs
        return tuple(self.world.render_state(state) for state in states)

    @property  # type: ignore[misc]  # read-only, and of all copies, as SyncVectorEnv has it
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]  # one of each copy
        """The generator of each copy, which keys its draws."""
        return tuple(self._generator(i) for i in range(self.num_envs))

    @property
    def np_random_seed(self) -> tuple[int | None, ...]:  # type: ignore[override]  # one of each copy
        """The seed of each copy."""
        for i in range(self.num_envs):
            self._generator(i)  # which seeds a copy that has none
        return tuple(self._seeds)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # What comes through Ray can't be written; the arrays of a world that goes on are.
        fresh = {name: value.copy() for name, value in state.items() if isinstance(value, np.ndarray)}
        self.__dict__.update(state, **fresh, _copies=CopyStates(*(array.copy() for array in state["_copies"])))

    def _generator(self, i: int) -> np.random.Generator:
        """The generator of a copy; one that has none gets one that nobody could foresee."""
        generator = self._generators[i]
        if generator is None:
            generator, self._seeds[i] = np_random()
            self._generators[i] = generator
        return generator

    def _key_streams(self, seeds: list[int | None], chosen: Bools) -> None:
        """Key the draws of copies as `Environment.reset` does."""
        for i in np.flatnonzero(chosen).tolist():
            if seeds[i] is not None:
                self._generators[i], self._seeds[i] = np_random(seeds[i])
            if seeds[i] is not None or not self._is_seeded[i]:
                self._copies.streams[i] = new_stream(int(self._generator(i).integers(2**63)))
        self._is_seeded |= chosen

    def _listed_seeds(self, seed: Any) -> list[int | None]:
        """A seed, or None, for each copy."""
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, list | tuple | np.ndarray):
            if len(seed) != self.num_envs:
                raise SettingError(f"seed must have one for each of the {self.num_envs} copies, not {len(seed)}")
            seeds = [None if each is None else whole(each) for each in seed]
        else:
            first = whole(seed)
            seeds = [first + i if first >= 0 else first for i in range(self.num_envs)]
        for i, each in enumerate(seeds):
            if each is not None and each < 0:
                given = seed[i] if isinstance(seed, list | tuple | np.ndarray) else seed
                raise SettingError(f"copy {i}: seed must be a whole number, and not negative, not {given!r}")
        return seeds

    def _chosen(self, options: dict[str, Any] | None) -> Bools:
        """(num_envs,) bool: the copies to begin."""
        if options is None or "reset_mask" not in options:
            return np.ones(self.num_envs, np.bool_)
        mask = options["reset_mask"]
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,):
            raise SettingError(f"reset_mask must be a NumPy array of {self.num_envs} bools, not {mask!r}")
        if not mask.any():
            raise SettingError("reset_mask must choose at least one copy")
        if not self._has_begun:
            raise SettingError("call reset() without a reset_mask first: every copy must begin")
        return np.ascontiguousarray(mask)

    def _checked(self, actions: Any) -> npt.NDArray[np.int64]:
        """Actions as kernels take them; nothing has moved yet."""
        if not self._has_begun:
            raise SettingError("call reset() before step()")
        if self._mode == AutoresetMode.DISABLED and self._copies.is_over.any():
            i = int(self._copies.is_over.argmax())
            raise SettingError(f"copy {i}: its episode is over; begin another by reset(options={{'reset_mask': ...}})")
        num_actions = self.world.mdp.num_actions
        if isinstance(actions, np.ndarray) and actions.dtype.kind in "iu" and actions.ndim == 1:
            numbers = np.ascontiguousarray(actions, np.int64)
        else:
            actions = _listed(actions)  # once, for it may be an iterator
            wholes = [whole(action) for action in actions]
            numbers = np.array([a if a < num_actions else -1 for a in wholes], np.int64)
        if numbers.size != self.num_envs:
            raise SettingError(f"actions must be one for each of the {self.num_envs} copies, not {numbers.size}")
        checked = read_only(numbers)
        refused = find_invalid_action(checked, self._copies.is_over, num_actions)
        if refused >= 0:
            raise SettingError(f"copy {refused}: {bad_action(self.world.actions)}, not {actions[refused]!r}")
        return checked

    def _room(self, n: int) -> npt.NDArray[Any]:
        """Memory for observations of n copies."""
        space = self._observer.space
        return np.empty((n, *(space.shape or ())), space.dtype)

    def _shown(self) -> npt.NDArray[Any]:
        """Observations of all copies."""
        observations = self._room(self.num_envs) if self._observations is None else self._observations
        self._observer.observe(self._copies.state, observations)
        return observations

    def _infos(self, states: npt.NDArray[np.int64], chosen: Bools | None = None) -> dict[str, Any]:
        """Infos of all copies, or of those that are chosen: zeros elsewhere, and False in the masks."""
        if chosen is None:
            places = self._places.find(states)
            chosen = np.ones(self.num_envs, np.bool_)
        else:
            places = np.zeros((self.num_envs, 4), np.int64)
            places[chosen] = self._places.find(states[chosen])
        return {"position": places[:, :2], "_position": chosen.copy(), "goal": places[:, 2:], "_goal": chosen.copy()}

    def _final_infos(self, ended: Bools) -> dict[str, Any]:
        """What an episode came to that was followed by the next within the step."""
        states = self._final_states[ended]
        observed = self._room(states.size)
        self._observer.observe(states, observed)
        final: npt.NDArray[Any] = np.full(self.num_envs, None, object)
        for i, each in zip(np.flatnonzero(ended), observed.tolist() if observed.ndim == 1 else observed, strict=True):
            final[i] = each
        info = self._infos(self._final_states, ended)
        return {"final_obs": final, "_final_obs": ended.copy(), "final_info": info, "_final_info": ended}


def _specification(settings: Any, num_envs: int, **arguments: Any) -> EnvSpec:
    """What `gymnasium.make_vec` makes the same from, whether it made the first or not."""
    kwargs = {**settings, **arguments, "num_envs": num_envs}
    kwargs["vectorization_mode"] = gymnasium.VectorizeMode.VECTOR_ENTRY_POINT.value
    return EnvSpec(ENV_ID, ENTRY_POINT, vector_entry_point=VECTOR_ENTRY_POINT, kwargs=kwargs)


def _listed(actions: Any) -> list[Any]:
    """Whatever holds actions, as a list; arrays keep NumPy's numbers."""
    try:
        return list(actions)
    except TypeError:
        raise SettingError(f"actions must be an array of integers, not {actions!r}") from None
