"""Display in notebooks of objects whose drawing code is in a higher layer.

A notebook gets the picture of an object from its method `_repr_svg_`. Mazes, policies and trajectories implement it
with `svg_of`, which imports the drawing module, set by `draw_with`, at the first call. So imports point down only.
"""

from importlib import import_module
from typing import Any, cast

_drawing = ""  # name of the module that draws


def draw_with(module: str) -> None:
    """Set the name of the drawing module, which has a function `notebook_svg(shown)`."""
    global _drawing
    _drawing = module


def svg_of(shown: Any) -> str | None:
    """Return the SVG of a maze, a policy or a trajectory; None if it can't be drawn, and its repr is shown."""
    return cast("str | None", import_module(_drawing).notebook_svg(shown))
