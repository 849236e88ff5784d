"""Pictures one after another, as an animated GIF."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from clew.errors import SettingError
from clew.rendering.colours import ValueScale
from clew.rendering.picture import Picture
from clew.rendering.pillow import encode_gif
from clew.rendering.pixels import card_size, paint

MAX_SIDE = 512  # pixels of the maze


def film_gif(pictures: Sequence[Picture], seconds: float) -> bytes:
    """Return an animated GIF of some pictures, which repeats without end.

    All frames have the size of the largest one, and one scale of colours, which fits the values of all pictures.

    Args:
        pictures: one per frame, in order.
        seconds: duration of a frame; the last one stays a second longer.

    Raises:
        SettingError: if there is no picture.
    """
    if not pictures:
        raise SettingError("a film needs at least one picture, got none")
    parts = [each.values[~np.isnan(each.values)] for each in pictures if each.values is not None]
    if any(part.size for part in parts):
        scale = ValueScale.of(np.concatenate(parts))
        pictures = [replace(each, scale=scale) for each in pictures]
    height, width = np.max([card_size(each, MAX_SIDE) for each in pictures], axis=0).tolist()
    return encode_gif([paint(each, MAX_SIDE, (height, width)) for each in pictures], seconds)
