"""Mazes as pictures: one colour per cell, drawn as a pixel or a square of pixels. The only importer of Pillow.

`.png` holds every colour; `.pgm`, which map servers of robots write, has shades of grey only, so no start and no goal.

    white   free cell       red     start, at most one
    black   blocked cell    green   goal
                            blue    hazard

These colours are written. When a picture is read, a pixel is

    red, green or blue   if that component exceeds both others by 64 of 255 or more
    grey                 if its components differ by less than 64: black if their mean is below 128, else white

and any other colour is refused. Transparent pixels are read as lying on white. In a square of pixels the middle one
decides (the lower right of the middle four), so that lines between cells and soft edges don't matter.

A picture of the three shades 0, 205 and 254 alone is an occupancy map as ROS writes it, in which 205 is unexplored:
such cells are blocked, or with `unknown_walls="open"` free.
"""

import io
import struct
import warnings
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clew.errors import ClewError, MazeError, SettingError
from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD
from clew.mazes.formats.cells import Layout, Place, add_implied_walls, cell_letters, check_size, check_supported

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 2**26  # a decoded pixel takes four bytes
TILE = 1024  # pixels per side of a tile that is classified at once; a pixel then takes a hundred bytes
SIGNATURE = b"\x89PNG\r\n\x1a\n"
OCCUPIED, UNEXPLORED, FREE = MAP_SHADES = 0, 205, 254  # of an occupancy map
MIN_DIFFERENCE = 64  # by which a component exceeds the others in a pixel that isn't grey
DARK = 128  # a grey pixel below this is black
WHITE, BLACK, BLUE, GREEN, RED, UNCLEAR = range(6)  # the first five in the order of `cell_letters`' alphabet
COLOURS = [(255, 255, 255), (0, 0, 0), (0, 0, 255), (0, 255, 0), (255, 0, 0)]
BITS = np.array([0, BLOCKED, HAZARD, GOAL, 0], np.uint8)


def parse_picture(data: bytes | bytearray, cell_size: int = 1, unknown_walls: str = "wall") -> Layout:
    """Read a maze from a PNG or PGM picture.

    Args:
        data: contents of the file.
        cell_size: width and height of a cell, in pixels.
        unknown_walls: `wall` or `open`: how unexplored cells of an occupancy map are read.

    Raises:
        MazeError: names row and column (from 0) of an invalid cell, or says what is wrong with the picture.
        SettingError: if `unknown_walls` is `open`, and the picture is not an occupancy map.
    """
    kind = "PPM" if data[:2] in (b"P2", b"P5") else "PNG"  # Pillow reads PGM as PPM
    if kind == "PNG":
        _check_header(data, cell_size)
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sizes are checked here; what Pillow only warns of is read
            with Image.open(io.BytesIO(data), formats=[kind]) as picture:
                _check_pixels(*picture.size, cell_size)  # a damaged file may contain a second, other size
                picture.load()
                colours = _read_colours(picture, cell_size, unknown_walls)
    except (ClewError, MemoryError):
        raise
    except Image.DecompressionBombError:  # a PGM picture: of a PNG picture the header was checked
        raise MazeError(f"the picture is too large: the limit is {MAX_PIXELS:,} pixels") from None
    except Exception:  # for damaged files Pillow raises exceptions of many types, with words for its developers
        raise MazeError("the picture can't be read: it is damaged") from None
    return Layout(add_implied_walls(BITS[colours]), _find_start(colours))


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Return (height, width) of a PNG or PGM picture in pixels, without decoding it; None if it is none."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["PNG", "PPM"]) as picture:
            return picture.height, picture.width
    except Exception:  # for damaged files Pillow raises exceptions of many types
        return None


def draw_pgm(layout: Layout, cell_size: int = 1) -> bytes:
    """Draw a maze as a PGM picture; start and goals are left out.

    Args:
        layout: the maze.
        cell_size: width and height of a cell, in pixels.

    Raises:
        MazeError: if the maze has thin walls or hazards, which the format can't represent, or the picture would be too
            large.
    """
    cells = layout.cells
    check_supported(cells, "a .pgm file")
    rows, columns = cells.shape
    _check_pixels(columns * cell_size, rows * cell_size, cell_size)
    shades = np.where(cells & BLOCKED, np.uint8(OCCUPIED), np.uint8(FREE))
    pixels = shades.repeat(cell_size, axis=0).repeat(cell_size, axis=1)
    return f"P5\n{columns * cell_size} {rows * cell_size}\n255\n".encode() + pixels.tobytes()


def draw_png(layout: Layout, cell_size: int = 1) -> bytes:
    """Draw a maze as a PNG picture.

    Args:
        layout: the maze.
        cell_size: width and height of a cell, in pixels.

    Returns:
        Contents of the file.

    Raises:
        MazeError: if the maze has thin walls, which the format can't represent, or the picture would be too large.
    """
    cells, start = layout[:2]
    check_supported(cells, "a .png file", hazards=True)
    rows, columns = cells.shape
    _check_pixels(columns * cell_size, rows * cell_size, cell_size)
    from PIL import Image

    colours = cell_letters(cells, start, bytes((WHITE, BLACK, BLUE, GREEN, RED)))
    picture = Image.fromarray(colours.repeat(cell_size, axis=0).repeat(cell_size, axis=1))
    picture.putpalette([component for colour in COLOURS for component in colour])
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _check_header(data: bytes | bytearray, cell_size: int) -> None:
    """Check signature and size in the header of a PNG file, before Pillow decodes any pixel."""
    if not data.startswith(SIGNATURE) or data[12:16] != b"IHDR" or len(data) < 24:
        raise MazeError("neither a PNG nor a PGM picture")
    width, height = struct.unpack(">II", data[16:24])
    _check_pixels(width, height, cell_size)


def _check_pixels(width: int, height: int, cell_size: int) -> None:
    """Check that a picture can be cut into cells, and that it has neither too many cells nor too many pixels."""
    if width % cell_size or height % cell_size:
        raise MazeError(
            f"a picture of {width} x {height} pixels can't be cut into cells of {cell_size} x {cell_size} pixels"
        )
    check_size(height // cell_size, width // cell_size)
    if width * height > MAX_PIXELS:
        raise MazeError(f"a picture of {width} x {height} pixels is too large: the limit is {MAX_PIXELS:,} pixels")


def _read_colours(picture: "Image", cell_size: int, unknown_walls: str) -> npt.NDArray[np.uint8]:
    """Return the colour of the middle pixel of each cell, WHITE to RED, as (rows, columns) uint8.

    Unexplored cells of an occupancy map are white if `unknown_walls` is `open`, else black.
    """
    from PIL.Image import Resampling

    columns, rows = picture.width // cell_size, picture.height // cell_size
    if cell_size > 1:
        picture = picture.resize((columns, rows), Resampling.NEAREST)  # takes pixel cell_size // 2 of each cell
    colours = np.empty((rows, columns), np.uint8)
    is_unexplored = np.zeros((rows, columns), np.bool_)
    is_map = True  # all shades are those of an occupancy map
    for top in range(0, rows, TILE):
        for left in range(0, columns, TILE):
            bottom, right = min(top + TILE, rows), min(left + TILE, columns)
            pixels = _composite_on_white(picture.crop((left, top, right, bottom)))
            colours[top:bottom, left:right] = classified = _classify(pixels)
            unclear = _find_first(classified == UNCLEAR)
            if unclear is not None:
                raise MazeError(
                    f"row {top + unclear[0]}, column {left + unclear[1]}: the colour {tuple(pixels[unclear].tolist())} "
                    f"is neither dark or light grey, nor red, green or blue"
                )
            shades = pixels[:, :, 0]
            is_map = is_map and bool((pixels == shades[:, :, None]).all() and np.isin(shades, MAP_SHADES).all())
            is_unexplored[top:bottom, left:right] = shades == UNEXPLORED
    if is_map and is_unexplored.any():
        colours[is_unexplored] = WHITE if unknown_walls == "open" else BLACK
    elif unknown_walls == "open":
        raise SettingError(
            f"has no effect on this picture, which has no unexplored cells: it isn't a map of the shades {OCCUPIED}, "
            f"{UNEXPLORED} and {FREE}",
            setting="unknown_walls",
        )
    return colours


def _composite_on_white(picture: "Image") -> npt.NDArray[np.uint8]:
    """Return a picture, composited on a white background, as (height, width, 3) uint8."""
    from PIL import Image

    if picture.mode.startswith("I"):  # 16-bit grey: the upper eight bits are used
        grey = np.asarray(picture)
        upper = np.where(grey == picture.info.get("transparency", -1), 255, grey >> 8).astype(np.uint8)
        return np.repeat(upper[:, :, None], 3, axis=2)
    layer = picture.convert("RGBA")
    background = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(background, layer))[:, :, :3]


def _classify(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the class of each pixel, WHITE to RED or UNCLEAR, as (height, width) uint8."""
    components = pixels.astype(np.int16)
    red, green, blue = (components[:, :, i] for i in range(3))
    largest, smallest = components.max(axis=2), components.min(axis=2)
    second = components.sum(axis=2, dtype=np.int16) - largest - smallest
    is_coloured = largest - second >= MIN_DIFFERENCE
    classes = np.where(red + green + blue < 3 * DARK, np.uint8(BLACK), np.uint8(WHITE))
    classes[largest - smallest >= MIN_DIFFERENCE] = UNCLEAR
    for component, colour in ((red, RED), (green, GREEN), (blue, BLUE)):
        classes[is_coloured & (component == largest)] = colour
    return classes


def _find_start(colours: npt.NDArray[np.uint8]) -> Place | None:
    """Return (row, column) of the red cell, or None; a second red cell is an error."""
    is_start = colours == RED
    first = _find_first(is_start)
    if first is not None:
        is_start[first] = False
        second = _find_first(is_start)
        if second is not None:
            raise MazeError(f"row {second[0]}, column {second[1]}: a second red cell; a maze has one start")
    return first


def _find_first(mask: npt.NDArray[np.bool_]) -> Place | None:
    """Return (row, column) of the first True entry of a 2-D mask, row by row, or None."""
    if not mask.any():
        return None
    row, column = np.unravel_index(mask.argmax(), mask.shape)
    return int(row), int(column)
