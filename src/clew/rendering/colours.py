"""Colours of all drawings, and the scale from numbers to colours.

SVG, pixels, the terminal and the page all use these. Numbers differ by lightness, so they stay readable for the
colour-blind and on a poor projector. Walls, hazards, start, goal and path also have shapes of their own.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

MAX_SORTED = 100_000  # numbers; of more, a sample estimates the quantile
NUM_SHADES = 32  # of a picture; the eye can't distinguish more
PALE, DEEP = (0.945, -0.012, 0.012), (0.58, -0.085, -0.03)  # in OKLab: lightness, green to red, blue to yellow

COLOURS = {
    "paper": "#fdfcf9",  # cells without a number
    "card": "#f4f1ea",
    "card edge": "#ddd8cc",
    "ink": "#22303a",  # walls, arrows, text
    "faint": "#6b7680",
    "path": "#c8102e",  # start, seeker, and the greedy path
    "path light": "#f6b8c0",
    "optimum": "#5b3a8c",  # optimal path, and the value of the optimum in plots
    "goal": "#0c4a4e",
    "loss": "#7c2d12",  # exits with a negative reward
    "hazard": "#f9dc9c",
    "hazard stripe": "#e8a83e",
}

# Lines of plots, of Okabe and Ito (2008), which the colour-blind can distinguish. Without their yellow, which is
# invisible on a light ground, and their black, which is that of text. The most unlike come first.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def ramp(num_shades: int = NUM_SHADES) -> npt.NDArray[np.uint8]:
    """Return the colours of the scale, from pale (lowest number) to deep (highest), in steps that look equal.

    They are interpolated between two colours in the colour space OKLab.

    Args:
        num_shades: number of colours.

    Returns:
        (num_shades, 3) uint8, red, green and blue.

    Source:
        Ottosson (2020), A perceptual color space for image processing.
    """
    t = np.linspace(0.0, 1.0, num_shades)[:, None]
    lightness, a, b = ((1.0 - t) * np.array(PALE) + t * np.array(DEEP)).T
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = np.stack(
        (
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        ),
        axis=1,
    )
    encoded: npt.NDArray[np.float64] = np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0.0) ** (1 / 2.4) - 0.055
    )
    return np.rint(255 * np.clip(encoded, 0.0, 1.0)).astype(np.uint8)


def hexadecimal(colour: npt.NDArray[np.uint8]) -> str:
    """Return an RGB colour, (3,) uint8, as `#rrggbb` for SVG and CSS."""
    return "#" + colour.tobytes().hex()


def rgb(colour: str) -> npt.NDArray[np.uint8]:
    """Return a colour written as `#rrggbb` as (3,) uint8: red, green, blue."""
    return np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)


class ValueScale(NamedTuple):
    """Linear or logarithmic scale from numbers to colours.

    Attributes:
        low: number with the palest colour; lower ones are clipped to it.
        high: number with the deepest colour; higher ones are clipped to it.
        is_log: True for a logarithmic scale.
    """

    low: float
    high: float
    is_log: bool

    @classmethod
    def of(cls, values: npt.NDArray[np.floating]) -> "ValueScale":
        """Choose the scale for some numbers.

        It spans all of them and is linear. If all are at least 0, and the highest is more than ten times the 5%
        quantile of the positive ones, it is logarithmic from that quantile to the highest.

        Args:
            values: array of any shape, without NaN; may be empty.
        """
        if values.size == 0:
            return cls(0.0, 0.0, False)
        low, high = float(values.min()), float(values.max())
        if low >= 0.0 and high > 0.0:
            # A few cells that were hardly visited must not stretch a log scale for all the others.
            positive = values[values > 0.0]
            lowest = float(np.quantile(positive[:: 1 + positive.size // MAX_SORTED], 0.05))
            if high > 10.0 * lowest:
                return cls(lowest, high, True)
        return cls(low, high, False)

    def normalise(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return the position of each number on the scale, from 0 (palest) to 1 (deepest); NaN stays NaN.

        If `low` equals `high`, every number has position 1.
        """
        clipped = np.clip(values.astype(np.float64), self.low, self.high)
        if self.is_log:
            return np.asarray(np.log(clipped / self.low) / math.log(self.high / self.low))
        if self.high > self.low:
            return np.asarray((clipped - self.low) / (self.high - self.low))
        return np.where(np.isnan(clipped), np.nan, 1.0)
