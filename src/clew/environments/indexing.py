"""Encoding of finite observation and action spaces as integers, by mixed-radix numbers."""

from collections.abc import Iterator
from operator import index
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple
from gymnasium.utils import RecordConstructorArgs

from clew.environments.checks import as_integer, parts_of
from clew.errors import SettingError
from clew.models.checks import MAX_STATES
from clew.settings import shown


class SpaceIndex:
    """A one-to-one map between the elements of a finite space and the integers from 0 to n - 1.

    An element is encoded as a mixed-radix number, whose first digit is the most significant:

        number = ((d_1 * r_2 + d_2) * r_3 + d_3) ...

    There is a digit d_i for each part of the element, from 0 to r_i - 1. Parts are in the order of the space: items of
    a `Tuple`, values of a `Dict` in Gymnasium's order of its keys, entries of an array row by row.

    Args:
        space: `Discrete`, `MultiDiscrete`, `MultiBinary`, or `Tuple` and `Dict` of these, nested to any depth.
        name: name of the space in errors.

    Attributes:
        space: the space.
        name: its name in errors.
        n: number of elements, at most 2**31 - 1.

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
                    f"the {name} {_short_repr(space)} has more than {MAX_STATES:,} elements, too many for a table"
                )
            self._radices.append(radix)

    def encode(self, element: Any) -> int:
        """Return the number of an element.

        Raises:
            SettingError: if the element isn't in the space.
        """
        try:
            number = 0
            for digit, radix in zip(_digits(self.space, element), self._radices, strict=True):
                if not 0 <= digit < radix:
                    raise ValueError("out of range")
                number = number * radix + digit
        except (TypeError, ValueError, LookupError, AttributeError, OverflowError):
            raise SettingError(f"{_short_repr(element)} is not in the {self.name} {_short_repr(self.space)}") from None
        return number

    def decode(self, number: int) -> Any:
        """Return the element of a number.

        Raises:
            SettingError: if the number isn't an integer from 0 to n - 1.
        """
        remaining = as_integer(number)
        if not 0 <= remaining < self.n:
            raise SettingError(f"elements of the {self.name} are numbered 0..{self.n - 1}, not {shown(number)}")
        digits = []
        for radix in reversed(self._radices):
            remaining, digit = divmod(remaining, radix)
            digits.append(digit)
        return _element(self.space, reversed(digits))


def _short_repr(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # an integer of over 4300 digits has no text, nor has an element that holds one
        text = shown(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _radices(space: Space[Any], name: str) -> Iterator[int]:
    """Yield the number of values of each part of a space."""
    if isinstance(space, Discrete):
        yield int(space.n)
    elif isinstance(space, MultiDiscrete):
        yield from map(int, space.nvec.flat)
    elif isinstance(space, MultiBinary):
        yield from (2 for _ in range(int(np.prod(space.shape))))
    elif isinstance(space, Tuple | Dict):
        for part in _subspaces(space):
            yield from _radices(part, name)
    else:
        raise SettingError(
            f"the {name} {_short_repr(space)} is not finite; tables need Discrete, MultiDiscrete, MultiBinary, or "
            "Tuple and Dict of these; discretize it with a wrapper, such as gymnasium.wrappers.TransformObservation"
        )


def _subspaces(space: Any) -> list[Space[Any]]:
    return list(space.spaces.values() if isinstance(space, Dict) else space.spaces)


def _digits(space: Space[Any], element: Any) -> Iterator[int]:
    """Yield the digits of an element; an element of another structure raises an exception of any type."""
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
    """Return the element of the next digits of an iterator; only as many as needed are consumed."""
    if isinstance(space, Discrete):
        return next(digits) + int(space.start)
    if isinstance(space, MultiDiscrete | MultiBinary):
        values: npt.NDArray[Any] = np.array([next(digits) for _ in range(int(np.prod(space.shape)))], np.int64)
        values = values.reshape(space.shape)
        return (values + space.start if isinstance(space, MultiDiscrete) else values).astype(space.dtype)
    if isinstance(space, Dict):
        return {key: _element(part, digits) for key, part in space.spaces.items()}
    return tuple(_element(part, digits) for part in _subspaces(space))


class Indexed(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """A Gymnasium wrapper with integer observations and actions; made by `as_discrete`.

    Attributes:
        observation_index: a `SpaceIndex`: `encode` converts an observation to a state, `decode` a state to one.
        action_index: a `SpaceIndex` of actions.
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
        observation, info = parts_of(self.env.reset(seed=seed, options=options), "reset")
        return self.observation_index.encode(observation), info

    def step(self, action: int) -> tuple[int, Any, bool, bool, dict[str, Any]]:
        """Take an action, given as an integer; see `gymnasium.Env.step`."""
        returned = self.env.step(self.action_index.decode(action))
        observation, reward, terminated, truncated, info = parts_of(returned, "step")
        return self.observation_index.encode(observation), reward, terminated, truncated, info


def as_discrete(env: Any) -> Any:
    """Wrap an environment with finite spaces so that observations and actions are integers, for tabular learning.

    Args:
        env: environment whose spaces are `Discrete`, `MultiDiscrete`, `MultiBinary`, or `Tuple` and `Dict` of these.

    Returns:
        The wrapped environment, whose `observation_index` and `action_index` convert with `encode` and `decode`; or
        `env` itself if both of its spaces are `Discrete` from 0.

    Raises:
        SettingError: if `env` is not a Gymnasium environment, or a space is infinite or has more than 2**31 - 1
            elements.

    >>> import clew
    >>> import gymnasium
    >>> env = clew.as_discrete(gymnasium.make("Blackjack-v1"))
    >>> env.observation_space
    Discrete(704)
    >>> env.observation_index.decode(324)  # sum of the player, card of the dealer, usable ace
    (14, 8, 0)
    >>> env.observation_index.encode((14, 8, 0))
    324
    """
    if not isinstance(env, gymnasium.Env):
        raise SettingError(f"expected a Gymnasium environment, got a {type(env).__name__}")
    is_plain = all(
        isinstance(space, Discrete) and space.start == 0 for space in (env.observation_space, env.action_space)
    )
    return env if is_plain else Indexed(env)
