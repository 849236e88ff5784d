"""What Pillow does for pictures: words among pixels, and files of them. Of rendering, the only importer of it."""

import io
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["encode_gif", "encode_png", "length_of", "write_words"]

Pixels = npt.NDArray[np.uint8]
NUM_COLOURS = 256  # of a GIF


def encode_png(pixels: Pixels) -> bytes:
    """A PNG of (height, width, 3) uint8; the same bytes for the same pixels."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=pixels.size < 1 << 20)
    return file.getvalue()


def encode_gif(frames: Sequence[Pixels], seconds: float) -> bytes:
    """An animated GIF that loops for ever, each frame so long, the last one a second longer.

    All frames share the colours of the last and the first, so that nothing flickers.
    """
    from PIL import Image

    both = Image.fromarray(np.concatenate((frames[-1], frames[0])))
    palette = both.quantize(NUM_COLOURS, dither=Image.Dither.NONE)
    images = [Image.fromarray(each).quantize(palette=palette, dither=Image.Dither.NONE) for each in frames]
    durations = [round(1000 * seconds)] * (len(images) - 1) + [round(1000 * seconds) + 1000]
    file = io.BytesIO()
    images[0].save(file, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0, optimize=False)
    return file.getvalue()


def length_of(words: str, size: int) -> float:
    """Pixels that words take."""
    return float(_font(size).getlength(words))


def write_words(pixels: Pixels, words: Sequence[tuple[float, float, str, int, str]]) -> Pixels:
    """Write words on a picture: where they begin and their base line is, their size, and their colour."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(pixels)
    pen = ImageDraw.Draw(image)
    for x, y, text, size, colour in words:
        pen.text((x, y), text, fill=colour, font=_font(size), anchor="ls")
    return np.array(image)


@cache
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)
