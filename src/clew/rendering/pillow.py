"""Text on pixels, and image files, with Pillow; no other module of rendering imports it."""

import io
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]  # (height, width, 3), red, green and blue
NUM_COLOURS = 256  # of a GIF, and of a PNG with a palette


class Label(NamedTuple):
    """A line of text on a picture.

    Attributes:
        x: left end, in pixels from the left.
        y: base line, in pixels from the top.
        text: the text.
        size: of the font, in pixels.
        colour: `#rrggbb`.
    """

    x: float
    y: float
    text: str
    size: int
    colour: str


def encode_png(pixels: Pixels) -> bytes:
    """Return pixels, (height, width, 3) uint8, as a PNG file; equal pixels give equal bytes."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=pixels.size < 1 << 20)
    return file.getvalue()


def with_palette(png: bytes) -> bytes:
    """Return an opaque PNG file with a palette, which is a third as large if it shows lines and text."""
    from PIL import Image

    file = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").quantize(NUM_COLOURS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def encode_gif(frames: Sequence[Pixels], seconds: float) -> bytes:
    """Return frames of one size as an animated GIF, which repeats without end.

    All frames have one palette, made of the colours of the last and the first, so that colours don't flicker.

    Args:
        frames: (height, width, 3) uint8 each.
        seconds: duration of a frame; the last one stays a second longer.
    """
    from PIL import Image

    both = Image.fromarray(np.concatenate((frames[-1], frames[0])))
    palette = both.quantize(NUM_COLOURS, dither=Image.Dither.NONE)
    images = [Image.fromarray(each).quantize(palette=palette, dither=Image.Dither.NONE) for each in frames]
    durations = [round(1000 * seconds)] * (len(images) - 1) + [round(1000 * seconds) + 1000]
    file = io.BytesIO()
    images[0].save(file, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0, optimize=False)
    return file.getvalue()


def text_width(text: str, size: int) -> float:
    """Return the width of a text in pixels, in a font of the given size."""
    return float(_font(size).getlength(text))


def write_labels(pixels: Pixels, labels: Sequence[Label]) -> Pixels:
    """Return a copy of a picture with texts written on it."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(pixels)
    pen = ImageDraw.Draw(image)
    for x, y, text, size, colour in labels:
        pen.text((x, y), text, fill=colour, font=_font(size), anchor="ls")
    return np.array(image)


@cache
def _font(size: int) -> Any:
    """Return Pillow's default font in a size in pixels."""
    from PIL import ImageFont

    return ImageFont.load_default(size)
