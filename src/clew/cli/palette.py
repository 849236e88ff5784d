"""Colours of drawings on terminals: exact ones, or the nearest of 256."""

from functools import lru_cache

import numpy as np
from rich.color import Color
from rich.style import Style

from clew.rendering.colours import NUM_SHADES, ramp

CUBE = (0, 95, 135, 175, 215, 255)
PALETTE = np.array(  # the 256 colours of terminals without the first 16, which users change
    [(r, g, b) for r in CUBE for g in CUBE for b in CUBE] + [(grey, grey, grey) for grey in range(8, 239, 10)]
)

# Shades among these, from pale to deep, in one hue; the nearest to ours would be blue and grey.
FEW_SHADES = (255, 152, 109, 73, 30)
SHADES = {int(shade.tobytes().hex(), 16): FEW_SHADES[5 * i // NUM_SHADES] for i, shade in enumerate(ramp())}


@lru_cache(maxsize=4096)
def colour_of(number: int, exact: bool) -> Color | None:
    """Return a colour for Rich.

    Args:
        number: 0xRRGGBB; None is returned for a negative number, which stands for no colour.
        exact: True for the colour itself, False for the nearest of 256 colours, with red, green and blue weighted 2:4:3
            as eyes do.
    """
    if number < 0:
        return None
    parts = number >> 16, number >> 8 & 255, number & 255
    if exact:
        return Color.from_rgb(*parts)
    if number in SHADES:
        return Color.from_ansi(SHADES[number])
    return Color.from_ansi(16 + int(((PALETTE - parts) ** 2 @ (2, 4, 3)).argmin()))


@lru_cache(maxsize=4096)
def style_of(ink: int, paper: int, exact: bool) -> Style:
    """Return the style of a span for Rich, from its colours as `colour_of` takes them."""
    return Style.from_color(colour_of(ink, exact), colour_of(paper, exact))
