"""Notebook display of objects whose drawing code lies above them.

A notebook asks an object for its picture by `_repr_svg_`. Mazes, policies and trajectories answer through `svg_of`,
which loads the drawing code, named by `draw_with`, only then; so no module imports one that is built on it.
"""

from importlib import import_module
from typing import Any

__all__ = ["draw_with", "svg_of"]

_drawing = ""  # name of the module that draws


def draw_with(module: str) -> None:
    """Set the module that draws; it has a function `notebook_svg(shown)`."""
    global _drawing
    _drawing = module


def svg_of(shown: Any) -> str | None:
    """Return the SVG of a maze, a policy or a trajectory; None if it can't be drawn, so that its repr is shown."""
    svg: str | None = import_module(_drawing).notebook_svg(shown)
    return svg
