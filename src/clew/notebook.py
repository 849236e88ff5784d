"""Display of objects whose drawing code is in a higher layer.

A notebook gets the picture of an object from its method `_repr_svg_`. Mazes, policies and trajectories implement it
with `svg_of`, which imports the drawing module, set by `draw_with`, at the first call. So imports point down only. The
curves of an experiment and of a sweep are drawn by `plotted` in the same way.
"""

from importlib import import_module
from typing import Any, cast

_drawing = _curves = ""  # names of the modules that draw


def draw_with(module: str, curves: str) -> None:
    """Set the names of the drawing modules.

    Args:
        module: has a function `notebook_svg(shown)`.
        curves: has the functions that `plotted` calls.
    """
    global _drawing, _curves
    _drawing, _curves = module, curves


def svg_of(shown: Any) -> str | None:
    """Return the SVG of a maze, a policy or a trajectory; None if it can't be drawn, and its repr is shown."""
    return cast("str | None", import_module(_drawing).notebook_svg(shown))


def plotted(function: str, *arguments: Any, **options: Any) -> Any:
    """Return the Matplotlib figure that a function of the module of curves draws, such as "plot_learning"."""
    return getattr(import_module(_curves), function)(*arguments, **options)
