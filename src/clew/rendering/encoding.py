"""Pixels as files. Of rendering, the only importer of Pillow."""

import io

import numpy as np
import numpy.typing as npt

__all__ = ["encode_png"]


def encode_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A PNG of (height, width, 3) uint8; the same bytes for the same pixels."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=pixels.size < 1 << 20)
    return file.getvalue()
