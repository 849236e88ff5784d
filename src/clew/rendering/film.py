"""Pictures one after another, as an animated GIF."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from clew.errors import SettingError
from clew.rendering.colours import ValueScale
from clew.rendering.picture import Picture
from clew.rendering.pillow import encode_gif
from clew.rendering.pixels import card_size, paint

__all__ = ["SIDE_OF_FILM", "film_gif"]

SIDE_OF_FILM = 512  # pixels of the maze


def film_gif(pictures: Sequence[Picture], seconds: float) -> bytes:
    """A GIF that loops: each picture so long, the last a second longer, all of one size and on one scale of colours.

    Raises:
        SettingError: if there is no picture.
    """
    if not pictures:
        raise SettingError("a film needs a picture")
    parts = [each.values[~np.isnan(each.values)] for each in pictures if each.values is not None]
    shown = np.concatenate(parts) if parts else np.empty(0)
    if shown.size:
        scale = ValueScale.of(shown)
        pictures = [replace(each, scale=scale) for each in pictures]
    sizes = np.array([card_size(each, SIDE_OF_FILM) for each in pictures])
    height, width = sizes.max(axis=0).tolist()
    return encode_gif([paint(each, SIDE_OF_FILM, (height, width)) for each in pictures], seconds)
