"""Draws: the stream of random bits, the action to try, the state that follows.

A stream is an array of two 64-bit words, [state, increment]. Draw number n is a mixture of `state + n * increment`: it
depends on nothing but the stream and n, so a stream can be carried to another process, or jumped, without changing a
bit. `new_stream` keys a stream by what it belongs to (a seed, a round, a simulation).

Source:
    Steele, Lea & Flood (2014), Fast splittable pseudorandom number generators (SplitMix64).
"""

from numbers import Integral

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels import kernel
from clew.kernels.dynamics import Model, num_outcomes, outcome

Stream = npt.NDArray[np.uint64]

_ODD = np.uint64(1)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)
_LOW_HALF = np.uint64(0xFFFFFFFF)


def new_stream(seed: int, *key: int) -> Stream:
    """Stream of draws that belongs to a seed and a key, such as (round, simulation).

    Args:
        seed: any non-negative integer.
        key: non-negative integers that name the stream.

    Returns:
        (2,) uint64. Streams of different keys have different starts and different increments.

    Raises:
        SettingError: if the seed is negative.
    """
    if not isinstance(seed, Integral) or seed < 0:
        raise SettingError(f"seed must be a whole number, and not negative: {seed}")
    stream = np.random.SeedSequence(seed, spawn_key=key).generate_state(2, np.uint64)
    stream[1] |= _ODD  # an odd increment visits all 2**64 states
    return stream


def _tie_table() -> npt.NDArray[np.uint8]:
    """Row m lists the actions of the bit mask m, each equally often; 12 columns divide by 1, 2, 3 and 4."""
    table = np.zeros((16, 12), np.uint8)
    for mask in range(1, 16):
        actions = [a for a in range(4) if mask >> a & 1]
        table[mask] = np.repeat(actions, 12 // len(actions))
    return table


TIES = _tie_table()


@kernel
def next_bits(stream: Stream) -> np.uint64:
    """Draw 64 random bits; the stream is changed in place."""
    z = stream[0] + stream[1]
    stream[0] = z
    z = (z ^ (z >> _30)) * _MIX_1
    z = (z ^ (z >> _27)) * _MIX_2
    return np.uint64(z ^ (z >> _31))


@kernel
def below(half: np.uint64, n: int) -> int:
    """Map 32 random bits to a uniform integer in [0, n), for n below 2**32; uneven by less than n / 2**32."""
    return np.int64((half * np.uint64(n)) >> _32)


@kernel
def uniform(bits: np.uint64) -> float:
    """Map 64 random bits to a uniform number in [0, 1)."""
    return np.float64(bits >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@kernel
def best_of_four(q: npt.NDArray[np.float32], s: int, explores: bool, half: np.uint64) -> int:
    """Choose a best of four actions, or any of them when exploring, without a branch that can be mispredicted."""
    s = np.uint64(s)  # unsigned: no test for an index that counts from the end
    down, left, up, right = q[s, 0], q[s, 1], q[s, 2], q[s, 3]
    vertical = down if down > up else up
    horizontal = left if left > right else right
    best = vertical if vertical > horizontal else horizontal
    mask = (
        np.int64(down == best) | np.int64(left == best) << 1 | np.int64(up == best) << 2 | np.int64(right == best) << 3
    )
    if explores:
        mask = 15
    return np.int64(TIES[mask, below(half, 12)])


@kernel
def best_of_many(q: npt.NDArray[np.float32], s: int, half: np.uint64) -> int:
    """Choose uniformly among the best of any number of actions: count them, draw one, find it."""
    num_actions = q.shape[1]
    best = q[s, 0]
    num_best = 1
    for a in range(1, num_actions):
        if q[s, a] > best:
            best = q[s, a]
            num_best = 1
        elif q[s, a] == best:
            num_best += 1
    left_to_skip = below(half, num_best)
    for a in range(num_actions):
        if q[s, a] == best:
            if left_to_skip == 0:
                return a
            left_to_skip -= 1
    return 0  # not reached while the row holds numbers


@kernel
def epsilon_greedy(q: npt.NDArray[np.float32], s: int, epsilon: float, stream: Stream) -> int:
    """Choose any action with probability epsilon, else a best one; ties are broken uniformly at random.

    Takes one draw: the high 32 bits decide whether to explore, the low ones which action.

    Args:
        q: (num_states, num_actions) float32, action values; none may be NaN.
        s: state.
        epsilon: probability of exploring, in [0, 1]; 0 is the greedy policy.
        stream: (2,) uint64, changed in place.

    Returns:
        Action, in [0, num_actions).

    Source:
        Sutton & Barto (2018), section 2.2.
    """
    bits = next_bits(stream)
    half = bits & _LOW_HALF
    explores = np.float64(bits >> _32) < epsilon * 4294967296.0
    num_actions = q.shape[1]
    if num_actions == 4:
        return best_of_four(q, s, explores, half)
    if explores:
        return below(half, num_actions)
    return best_of_many(q, s, half)


@kernel
def draw_start(starts: npt.NDArray[np.int32], stream: Stream) -> int:
    """Draw one of the start states, each as likely as the others; a single one takes no draw."""
    if starts.size == 1:
        return np.int64(starts[0])
    return np.int64(starts[below(next_bits(stream) >> _32, starts.size)])


@kernel
def sample(model: Model, s: int, a: int, stream: Stream) -> tuple[int, np.float32, bool]:
    """Take action a in state s: draw one of its outcomes. A single one takes no draw.

    Returns:
        (next state, reward as float32, terminated). A state without outcomes stays as it is, and is terminated.
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
