"""The one element of our own: a canvas that shows a playground, and is painted on."""

from collections.abc import Callable
from typing import Any

from nicegui.element import Element

from clew.rendering.colours import COLOURS, hexadecimal, ramp

__all__ = ["DARK", "LIGHT", "MazeCanvas"]

LIGHT = {**COLOURS, "arrow": COLOURS["ink"], "focus": "#1d4ed8"}
DARK = {
    **LIGHT,
    "paper": "#e9e6de",  # the floor stays light: shades are read against it
    "ink": "#0b1217",
    "focus": "#60a5fa",
}


class MazeCanvas(Element, component="canvas.js"):
    """Shows frames that come from an address, and says what is painted and pointed at.

    Args:
        source: address of the frames, see `frames`.
        on_paint: is given the places, (row, column), over which the pointer was drawn.
        on_hover: is given the place under the pointer, or None.
    """

    def __init__(self, source: str, on_paint: Callable[[list[Any]], Any], on_hover: Callable[[Any], Any]) -> None:
        super().__init__()
        self._props["source"] = source
        self._props["label"] = (
            "The maze. Arrow keys move a cursor, the space bar paints with the tool that is chosen. "
            "Colours show what was learned, a red line the way of the policy."
        )
        self._props["ramp"] = [hexadecimal(colour) for colour in ramp(255)]
        self.show("values")
        self.use("look")
        self.light(dark=False)
        self.on("paint", lambda event: on_paint(event.args))
        self.on("hover", lambda event: on_hover(event.args), throttle=0.1)

    def show(self, what: str) -> None:
        """Show `values` or `updates`."""
        self._props["show"] = what
        self.update()

    def use(self, tool: str) -> None:
        """What the pointer does: `look`, or a kind that `Maze.painted` knows."""
        self._props["tool"] = tool
        self.update()

    def light(self, *, dark: bool) -> None:
        """Draw for a light page, or a dark one."""
        self._props["colours"] = DARK if dark else LIGHT
        self.update()
