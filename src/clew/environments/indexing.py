"""Observations and actions as integers: a number in mixed radix for anything made of finite parts."""

from collections.abc import Iterator
from operator import index
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple
from gymnasium.utils import RecordConstructorArgs

from clew.environments.checks import whole
from clew.errors import SettingError
from clew.models.checks import MAX_STATES

__all__ = ["Indexed", "SpaceIndex", "as_discrete"]


class SpaceIndex:
    """Numbers the elements of a finite space from 0, as a mixed-radix number whose first digit counts most.

        n = ((d_1 * r_2 + d_2) * r_3 + d_3) ...

    The digits are those of the parts in their order, a `Dict`'s in the order of its keys as Gymnasium keeps them, an
    array's row by row. A part with r values has the radix r.

    Args:
        space: `Discrete`, `MultiDiscrete`, `MultiBinary`, or `Tuple` and `Dict` of such, nested as you like.
        name: what errors call it.

    Attributes:
        space: the space.
        n: how many elements it has, at most 2**31 - 1.

    Raises:
        SettingError: if the space is infinite, or has more elements than that.
    """

    def __init__(self, space: Space[Any], name: str = "space") -> None:
        self.space, self.name = space, name
        self.n = 1
        self._radices: list[int] = []
        for radix in _radices(space, name):
            self.n *= radix
            if self.n > MAX_STATES:
                raise SettingError(
                    f"the {name} {_short(space)} has more than {MAX_STATES:,} elements, too many to number"
                )
            self._radices.append(radix)

    def encode(self, element: Any) -> int:
        """The number of an element.

        Raises:
            SettingError: if it isn't one of the space.
        """
        try:
            digits = list(_digits(self.space, element))
        except (TypeError, ValueError, LookupError, AttributeError, OverflowError):
            digits = []
        if len(digits) != len(self._radices):
            raise SettingError(f"{_short(element)} is not in the {self.name} {_short(self.space)}")
        number = 0
        for digit, radix in zip(digits, self._radices, strict=True):
            if not 0 <= digit < radix:
                raise SettingError(f"{_short(element)} is not in the {self.name} {_short(self.space)}")
            number = number * radix + digit
        return number

    def decode(self, number: int) -> Any:
        """The element with a number.

        Raises:
            SettingError: if the number isn't in 0..n - 1.
        """
        rest = whole(number)
        if not 0 <= rest < self.n:
            raise SettingError(f"elements of the {self.name} are numbered 0..{self.n - 1}, and {number!r} is not there")
        digits = []
        for radix in reversed(self._radices):
            rest, digit = divmod(rest, radix)
            digits.append(digit)
        return _element(self.space, reversed(digits))


def _short(thing: Any) -> str:
    text = repr(thing)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _radices(space: Space[Any], name: str) -> Iterator[int]:
    """How many values each part of a space may have."""
    if isinstance(space, Discrete):
        yield int(space.n)
    elif isinstance(space, MultiDiscrete):
        yield from map(int, space.nvec.flat)
    elif isinstance(space, MultiBinary):
        yield from (2 for _ in range(int(np.prod(space.shape))))
    elif isinstance(space, Tuple | Dict):
        for part in _parts(space):
            yield from _radices(part, name)
    else:
        raise SettingError(
            f"the {name} {_short(space)} can't be numbered: tables need finite spaces, which are Discrete, "
            "MultiDiscrete, MultiBinary, and Tuple and Dict of such; round the others in a wrapper, such as "
            "gymnasium.wrappers.TransformObservation"
        )


def _parts(space: Any) -> list[Space[Any]]:
    return list(space.spaces.values() if isinstance(space, Dict) else space.spaces)


def _digits(space: Space[Any], element: Any) -> Iterator[int]:
    """The digits of an element; errors of any kind if it isn't like those of the space."""
    if isinstance(space, Discrete):
        yield index(element) - int(space.start)
    elif isinstance(space, MultiDiscrete | MultiBinary):
        values = np.asarray(element)
        if values.shape != space.shape or values.dtype.kind not in "iub":
            raise ValueError("not of the shape of the space")
        starts = space.start.flat if isinstance(space, MultiDiscrete) else [0] * values.size
        yield from (int(value) - int(start) for value, start in zip(values.flat, starts, strict=True))
    elif isinstance(space, Dict):
        if element.keys() != space.spaces.keys():
            raise ValueError("other keys")
        for key, part in space.spaces.items():
            yield from _digits(part, element[key])
    elif isinstance(space, Tuple):
        for part, value in zip(space.spaces, element, strict=True):
            yield from _digits(part, value)


def _element(space: Space[Any], digits: Iterator[int]) -> Any:
    """The element that digits make; takes as many as it needs."""
    if isinstance(space, Discrete):
        return next(digits) + int(space.start)
    if isinstance(space, MultiDiscrete | MultiBinary):
        values: npt.NDArray[Any] = np.array([next(digits) for _ in range(int(np.prod(space.shape)))], np.int64)
        values = values.reshape(space.shape)
        return (values + space.start if isinstance(space, MultiDiscrete) else values).astype(space.dtype)
    if isinstance(space, Dict):
        return {key: _element(part, digits) for key, part in space.spaces.items()}
    return tuple(_element(part, digits) for part in _parts(space))


class Indexed(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """An environment whose observations and actions are integers; made by `as_discrete`.

    Attributes:
        observation_index: `encode` and `decode` turn observations into states and back.
        action_index: the same for actions.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.Wrapper.__init__(self, env)
        self.observation_index = SpaceIndex(env.observation_space, "observation space")
        self.action_index = SpaceIndex(env.action_space, "action space")
        self.observation_space = Discrete(self.observation_index.n)
        self.action_space = Discrete(self.action_index.n)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Begin an episode; see `gymnasium.Env.reset`."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self.observation_index.encode(observation), info

    def step(self, action: int) -> tuple[int, Any, bool, bool, dict[str, Any]]:
        """Take an action, given by its number; see `gymnasium.Env.step`."""
        observation, reward, terminated, truncated, info = self.env.step(self.action_index.decode(action))
        return self.observation_index.encode(observation), reward, terminated, truncated, info


def as_discrete(env: Any) -> Any:
    """An environment with finite spaces as one with integers, which tables can be learned of.

        env = as_discrete(gymnasium.make("Blackjack-v1"))
        env.observation_index.decode(324)  # -> (14, 8, 0)

    Args:
        env: environment whose spaces are `Discrete`, `MultiDiscrete`, `MultiBinary`, or `Tuple` and `Dict` of such.

    Returns:
        `Indexed`; the environment itself if its spaces are integers from 0 already.

    Raises:
        SettingError: if it is no environment, a space is infinite, or has more than 2**31 - 1 elements.
    """
    if not isinstance(env, gymnasium.Env):
        raise SettingError(f"an environment of Gymnasium's is wanted, not a {type(env).__name__}")
    is_plain = all(
        isinstance(space, Discrete) and space.start == 0 for space in (env.observation_space, env.action_space)
    )
    return env if is_plain else Indexed(env)
