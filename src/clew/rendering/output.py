"""A picture as SVG, pixels or text, and in a file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.files import write_file
from clew.rendering.picture import Picture
from clew.rendering.pillow import encode_png
from clew.rendering.pixels import paint
from clew.rendering.svg import picture_svg
from clew.rendering.text import picture_text

__all__ = ["ENDINGS", "Drawing"]

ENDINGS = (".svg", ".png", ".txt")


@dataclass(frozen=True, eq=False)
class Drawing:
    """A picture that can be shown and saved. `clew.draw` makes one; a notebook shows it.

    Attributes:
        picture: what is drawn.
    """

    picture: Picture

    def svg(self) -> str:
        """Return the picture as SVG; it has a background of its own."""
        return picture_svg(self.picture)

    def pixels(self, most: int = 1024) -> npt.NDArray[np.uint8]:
        """Return the picture as pixels.

        Args:
            most: pixels of the longer side of the maze, at most.

        Returns:
            (height, width, 3) uint8.
        """
        return paint(self.picture, most)

    def text(self, width: int = 160) -> str:
        """Return the picture as text, at most `width` characters wide."""
        return picture_text(self.picture, width)

    def save(self, path: str | Path) -> None:
        """Write the picture to a file, by its ending `.svg`, `.png` or `.txt`, whole or not at all.

        Raises:
            SettingError: if the ending is none of these.
            OSError: if the file can't be written.
        """
        path = Path(path)
        ending = path.suffix.lower()
        if ending == ".svg":
            data = self.svg().encode()
        elif ending == ".png":
            data = encode_png(self.pixels())
        elif ending == ".txt":
            data = self.text().encode()
        else:
            raise SettingError(f"a picture is saved as {', '.join(ENDINGS)}, not as {path.name!r}")
        write_file(path, data)

    def _repr_svg_(self) -> str:
        return self.svg()
