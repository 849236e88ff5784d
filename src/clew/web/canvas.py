"""The NiceGUI element that draws a playground's maze and edits it. Its browser code is `canvas.js`."""

from collections.abc import Callable
from typing import Any

from nicegui.element import Element

from clew.rendering.colours import COLOURS, hexadecimal, ramp

SHADES = [hexadecimal(colour) for colour in ramp(255)]  # of the canvas, from the lowest number to the highest
KEY = f"linear-gradient(to right, {', '.join(map(hexadecimal, ramp(9)))})"  # the same in CSS, for the legend
LIGHT = {**COLOURS, "arrow": COLOURS["ink"], "focus": "#1d4ed8"}
DARK = {
    **LIGHT,
    "paper": "#e9e6de",  # the floor stays light, because shades of values are chosen for a light floor
    "ink": "#0b1217",
    "focus": "#60a5fa",
}


class MazeCanvas(Element, component="canvas.js"):
    """Canvas that fetches frames from an address and draws them, and reports edits and the cell under the pointer.

    Args:
        source: address of the frames, see `clew.web.frames`.
        on_paint: called with the list of places, (row, column), that the pointer or the space bar has painted.
        on_hover: called with the place under the pointer or the keyboard cursor, or None if it has left the canvas.
    """

    def __init__(self, source: str, on_paint: Callable[[list[Any]], Any], on_hover: Callable[[Any], Any]) -> None:
        super().__init__()
        label = (
            "The maze. Arrow keys move a cursor; the space bar paints with the selected tool. "
            "Colours show the learned values, a red line the greedy path."
        )
        self.props.update(source=source, label=label, ramp=SHADES, colours=LIGHT, show="values", tool="look")
        self.on("paint", lambda event: on_paint(event.args))
        self.on("hover", lambda event: on_hover(event.args), throttle=0.1)

    def set_layer(self, layer: str) -> None:
        """Set what the colours show, a row of `LAYERS`."""
        self.props["show"] = layer

    def set_tool(self, tool: str) -> None:
        """Set the tool of the pointer: "look", which paints nothing, or a kind that `Maze.painted` takes."""
        self.props["tool"] = tool

    def set_dark(self, is_dark: bool) -> None:
        """Choose the colours for a dark page or a light one."""
        self.props["colours"] = DARK if is_dark else LIGHT
