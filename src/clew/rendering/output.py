"""Drawings: pictures that are shown and saved as SVG, pixels or text."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clew.errors import RunError, SettingError
from clew.files import save_file
from clew.rendering.picture import Picture
from clew.rendering.pillow import encode_png
from clew.rendering.pixels import paint
from clew.rendering.svg import picture_svg
from clew.rendering.text import picture_text
from clew.settings import as_path, check_count

ENDINGS = (".svg", ".png", ".txt")
MAX_SIDE = 65_536  # pixels


@dataclass(frozen=True, eq=False)
class Drawing:
    """Drawing of a maze, as returned by `clew.draw`. A notebook shows it as SVG.

    Attributes:
        picture: contents of the drawing.
    """

    picture: Picture

    def __repr__(self) -> str:
        title = "" if self.picture.title is None else f", title={self.picture.title!r}"
        return f"Drawing({self.picture.maze!r}{title})"

    def svg(self) -> str:
        """Return the drawing as SVG, with a background of its own."""
        return picture_svg(self.picture)

    def pixels(self, max_side: int = 1024) -> npt.NDArray[np.uint8]:
        """Return the drawing as pixels.

        Args:
            max_side: maximum of pixels for the longer side of the maze; twice that where its walls wouldn't be visible
                otherwise. Margins, title and legend are added to it.

        Returns:
            (height, width, 3) uint8, red, green and blue.

        Raises:
            SettingError: if max_side is not a whole number from 1 to 65,536.
        """
        check_count("max_side", max_side, 1, MAX_SIDE)
        return paint(self.picture, int(max_side))

    def text(self, width: int = 160) -> str:
        """Return the drawing as text, the maze at most `width` characters wide.

        Raises:
            SettingError: if the width is not a whole number of at least 1.
        """
        check_count("width", width, 1)
        return picture_text(self.picture, int(width))

    def save(self, path: str | Path) -> None:
        """Write the drawing to a file, in the format of its ending: `.svg`, `.png` or `.txt`.

        If writing fails, an existing file of that name stays as it was.

        Raises:
            SettingError: if the file has another ending.
            RunError: if the file can't be written.
        """
        path = as_path("path", path)
        encode = {
            ".svg": lambda: self.svg().encode(),
            ".png": lambda: encode_png(self.pixels()),
            ".txt": lambda: self.text().encode(),
        }.get(path.suffix.lower())
        if encode is None:
            raise SettingError(f"a drawing is saved as {', '.join(ENDINGS)}, not as {path.name!r}")
        save_file(path, encode(), RunError)

    _repr_svg_ = svg
