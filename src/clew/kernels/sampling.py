"""Random streams, and draws of start states and of next states.

A stream is an array of two 64-bit words, [state, increment]. Draw n of a stream is a hash of `state + n * increment`,
so it depends only on the stream and n; a stream can be sent to another process, or advanced, without changing a bit.
`new_stream` derives a stream from a seed and a key, such as (round, simulation).

Source:
    Steele, Lea & Flood (2014), Fast splittable pseudorandom number generators (SplitMix64).
"""

from numbers import Integral

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels import dispatch, kernel
from clew.kernels.dynamics import (
    DeterministicGrid,
    DeterministicTable,
    Grid,
    Model,
    Section,
    grid_move,
    num_outcomes,
    outcome,
)

Stream = npt.NDArray[np.uint64]

_ODD = np.uint64(1)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)


def new_stream(seed: int, *key: int) -> Stream:
    """Return the random stream of a seed and a key, such as (round, simulation).

    Args:
        seed: non-negative integer.
        key: non-negative integers that name the stream.

    Returns:
        (2,) uint64, [state, increment]; different keys give different states and increments.

    Raises:
        SettingError: if the seed is negative or not an integer.
    """
    if not isinstance(seed, Integral) or seed < 0:
        raise SettingError(f"seed must be a whole number of at least 0, not {seed!r}")
    stream = np.random.SeedSequence(seed, spawn_key=key).generate_state(2, np.uint64)
    stream[1] |= _ODD  # an odd increment visits all 2**64 states
    return stream


@kernel
def next_bits(stream: Stream) -> np.uint64:
    """Draw 64 random bits, and advance the stream in place.

    >>> import numpy as np
    >>> from clew.extending import next_bits
    >>> stream = np.array([1, 3], np.uint64)
    >>> print(next_bits(stream))
    13232826040865663252
    >>> stream.tolist()
    [4, 3]
    """
    z = stream[0] + stream[1]
    stream[0] = z
    z = (z ^ (z >> _30)) * _MIX_1
    z = (z ^ (z >> _27)) * _MIX_2
    return np.uint64(z ^ (z >> _31))


@kernel
def below(bits32: np.uint64, n: int) -> int:
    """Map 32 random bits to an integer in [0, n), n < 2**32, uniform up to a relative error of n / 2**32.

    >>> import numpy as np
    >>> from clew.extending import below
    >>> print(below(np.uint64(2**31), 10))
    5
    """
    return np.int64((bits32 * np.uint64(n)) >> _32)


@kernel
def uniform(bits: np.uint64) -> float:
    """Map 64 random bits to a uniform float in [0, 1).

    >>> import numpy as np
    >>> from clew.extending import uniform
    >>> print(uniform(np.uint64(2**63)))
    0.5
    """
    return np.float64(bits >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@kernel
def draw_start(starts: npt.NDArray[np.int32], stream: Stream) -> int:
    """Draw one of the start states, uniformly. A single start state takes no draw from the stream."""
    if starts.size == 1:
        return np.int64(starts[0])
    return np.int64(starts[below(next_bits(stream) >> _32, starts.size)])


@dispatch
def sample(model: Model, s: int, a: int, stream: Stream) -> tuple[int, np.float32, bool]:
    """Draw the outcome of action a in state s. A single outcome takes no draw from the stream.

    Args:
        model: world, in any form of `dynamics`.
        s: state in which the episode isn't over.
        a: action.
        stream: (2,) uint64, changed in place.

    Returns:
        (next state, reward as float32, terminated). For a model in the sparse form a state without outcomes gives
        (s, 0, True); grids must not be asked for one.
    """
    n = num_outcomes(model, s, a)
    if n == 0:
        return s, np.float32(0.0), True
    k = 0
    if n > 1:
        left = uniform(next_bits(stream)) - outcome(model, s, a, 0)[0]
        while left >= 0.0 and k < n - 1:
            k += 1
            left -= outcome(model, s, a, k)[0]
    _, s_next, reward, terminated = outcome(model, s, a, k)
    return s_next, np.float32(reward), terminated


@sample.register(DeterministicGrid)
def sample_deterministic_grid(grid: DeterministicGrid, s: int, a: int, stream: Stream) -> tuple[int, np.float32, bool]:
    """Return (next state, reward, terminated) of a move, without a branch on the action."""
    is_stopped = np.int64(grid.cells[np.uint64(s)] >> np.uint64(a)) & 1
    s_next = s + (grid.moves[np.uint64(a)] & (is_stopped - 1))
    found = np.int64(grid.cells[np.uint64(s_next)]) >> 4  # 1 for a goal, 2 for a hazard
    kind = found & (3 ^ (is_stopped << 1))  # a stopped move doesn't enter the hazard it is in
    return s_next, grid.rewards[np.uint64(kind)], (found & 1) != 0


@sample.register(DeterministicTable)
def sample_deterministic_table(
    table: DeterministicTable, s: int, a: int, stream: Stream
) -> tuple[int, np.float32, bool]:
    """Return (next state, reward, terminated) of action a in state s, from the table."""
    pair = np.uint64(s * table.num_actions + a)
    s_next = np.int64(table.next_states[pair])
    terminated = s_next < 0
    return ~s_next if terminated else s_next, table.rewards[pair], terminated


@sample.register(Grid)
def sample_grid(grid: Grid, s: int, a: int, stream: Stream) -> tuple[int, np.float32, bool]:
    """Draw the outcome of a move on a grid: (next state, reward, terminated). The episode must not be over in s."""
    if grid.slip > 0.0:
        left = uniform(next_bits(stream)) - (1.0 - grid.slip)
        if left >= 0.0:
            a = (a + 1) & 3 if left - 0.5 * grid.slip < 0.0 else (a + 3) & 3
    s_next, reward, terminated = grid_move(grid, s, a)
    return s_next, np.float32(reward), terminated


@sample.register(Section)
def sample_section(section: Section, s: int, a: int, stream: Stream) -> tuple[int, np.float32, bool]:
    """Draw the outcome of action a in state s from the world that the section is part of."""
    return sample(section.world, s, a, stream)
