"""Pictures, `.png`: a colour a cell, one pixel or a square of them. The only importer of Pillow.

    white   free            red     the start, at most one
    black   blocked         green   goals
                            blue    hazards

So they are written. What is read need not be as pure: a pixel is red, green or blue if that part of it is larger than
both others by 64 of 255 or more; it is grey if its parts differ by less than 64, and then blocked if their mean is
below 128, and free if not. Any other colour is refused. What is transparent lies on white. Of a square the middle pixel
decides (the lower right one of the middle four), so lines between the cells, or soft edges, do no harm.
"""

import io
import struct
import warnings
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clew.errors import MazeError
from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD
from clew.mazes.formats.cells import Layout, Place, check_sayable, check_size, enclose, letters

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["MAX_PIXELS", "draw_png", "parse_png"]

MAX_PIXELS = 2**26  # decoded, a pixel takes four bytes
TILE = 1024  # pixels to either side that are looked at in one go: they take a hundred bytes each
SIGNATURE = b"\x89PNG\r\n\x1a\n"
APART = 64
DARK = 128
FREE, WALL, HAZARDOUS, FINISH, BEGIN, UNCLEAR = range(6)  # numbers of colours, in the order of `letters`
COLOURS = [(255, 255, 255), (0, 0, 0), (0, 0, 255), (0, 255, 0), (255, 0, 0)]
BITS = np.array([0, BLOCKED, HAZARD, GOAL, 0], np.uint8)


def parse_png(data: bytes | bytearray, cell_size: int = 1) -> Layout:
    """Read a picture.

    Args:
        data: the file.
        cell_size: width and height of a cell, in pixels.

    Raises:
        MazeError: names row and column (from 0) of a cell that can't be read, or says what is wrong with the picture.
    """
    _check_header(data, cell_size)
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sizes are checked here; what is odd but can be read is read
            with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
                _check_pixels(*picture.size, cell_size)  # a damaged file may name a size twice
                picture.load()
                colours = _colours(picture, cell_size)
    except (MazeError, MemoryError):
        raise
    except UnidentifiedImageError:  # whose words are of the bytes in memory
        raise MazeError("the picture can't be read: it is damaged") from None
    except Exception as error:  # Pillow promises no family of exceptions for a damaged file
        raise MazeError(f"the picture can't be read: {error}") from None
    start = _find_start(colours)
    return Layout(enclose(BITS[colours]), start)


def draw_png(layout: Layout, cell_size: int = 1) -> bytes:
    """Draw a picture.

    Args:
        layout: the maze.
        cell_size: width and height of a cell, in pixels.

    Raises:
        MazeError: if the maze has thin walls, which the format can't say, or the picture would be too large.
    """
    cells, start = layout
    check_sayable(cells, "a .png file", hazards=True)
    rows, columns = cells.shape
    _check_pixels(columns * cell_size, rows * cell_size, cell_size)
    from PIL import Image

    colours = letters(cells, start, bytes((FREE, WALL, HAZARDOUS, FINISH, BEGIN)))
    picture = Image.fromarray(colours.repeat(cell_size, axis=0).repeat(cell_size, axis=1))
    picture.putpalette([part for colour in COLOURS for part in colour])
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _check_header(data: bytes | bytearray, cell_size: int) -> None:
    """Check the size before any pixel is decoded, and before Pillow is asked."""
    if not data.startswith(SIGNATURE) or data[12:16] != b"IHDR" or len(data) < 24:
        raise MazeError("not a PNG picture")
    width, height = struct.unpack(">II", data[16:24])
    _check_pixels(width, height, cell_size)


def _check_pixels(width: int, height: int, cell_size: int) -> None:
    if width % cell_size or height % cell_size:
        raise MazeError(
            f"a picture of {width} x {height} pixels can't be cut into cells of {cell_size} x {cell_size} pixels"
        )
    check_size(height // cell_size, width // cell_size)
    if width * height > MAX_PIXELS:
        raise MazeError(f"a picture of {width} x {height} pixels is too large: the limit is {MAX_PIXELS:,} pixels")


def _colours(picture: "Image", cell_size: int) -> npt.NDArray[np.uint8]:
    """(rows, columns) uint8: FREE to BEGIN, the colour of the middle pixel of each cell; tile by tile."""
    from PIL.Image import Resampling

    columns, rows = picture.width // cell_size, picture.height // cell_size
    if cell_size > 1:
        picture = picture.resize((columns, rows), Resampling.NEAREST)  # which takes pixel cell_size // 2 of a cell
    colours = np.empty((rows, columns), np.uint8)
    for top in range(0, rows, TILE):
        for left in range(0, columns, TILE):
            below, beside = min(top + TILE, rows), min(left + TILE, columns)
            pixels = _on_white(picture.crop((left, top, beside, below)))
            named = _name(pixels)
            unclear = _first(named == UNCLEAR)
            if unclear is not None:
                colour = tuple(pixels[unclear].tolist())
                raise MazeError(
                    f"row {top + unclear[0]}, column {left + unclear[1]}: the colour {colour} is neither dark or "
                    f"light grey, nor red, green or blue"
                )
            colours[top:below, left:beside] = named
    return colours


def _on_white(picture: "Image") -> npt.NDArray[np.uint8]:
    """(height, width, 3) uint8: what is seen of a picture that lies on white paper."""
    from PIL import Image

    if picture.mode.startswith("I"):  # 16 bits of grey, whose upper eight are seen
        grey = np.asarray(picture)
        seen = np.where(grey == picture.info.get("transparency", -1), 255, grey >> 8).astype(np.uint8)
        return np.repeat(seen[:, :, None], 3, axis=2)
    layer = picture.convert("RGBA")
    paper = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(paper, layer))[:, :, :3]


def _name(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The number of the colour of each pixel."""
    parts = pixels.astype(np.int16)
    red, green, blue = (parts[:, :, i] for i in range(3))
    largest, smallest = parts.max(axis=2), parts.min(axis=2)
    second = parts.sum(axis=2, dtype=np.int16) - largest - smallest
    is_coloured = largest - second >= APART
    names = np.where(red + green + blue < 3 * DARK, np.uint8(WALL), np.uint8(FREE))
    names[largest - smallest >= APART] = UNCLEAR
    for part, name in ((red, BEGIN), (green, FINISH), (blue, HAZARDOUS)):
        names[is_coloured & (part == largest)] = name
    return names


def _find_start(colours: npt.NDArray[np.uint8]) -> Place | None:
    """The red cell, if there is one; two are refused."""
    is_start = colours == BEGIN
    first = _first(is_start)
    if first is not None:
        is_start[first] = False
        second = _first(is_start)
        if second is not None:
            raise MazeError(f"row {second[0]}, column {second[1]}: a second red cell; a maze has one start")
    return first


def _first(mask: npt.NDArray[np.bool_]) -> Place | None:
    if not mask.any():
        return None
    row, column = np.unravel_index(mask.argmax(), mask.shape)
    return int(row), int(column)
