"""Curves on the page, drawn by ECharts."""

import math
from typing import Any

from nicegui import ui

from clew.rendering.colours import COLOURS
from clew.web.curve import Curve

__all__ = ["Curves"]

SHORT = (
    "x => x >= 1e9 ? x / 1e9 + 'G' : x >= 1e6 ? x / 1e6 + 'M' : x >= 1e3 ? x / 1e3 + 'k' : x"  # as the browser says it
)
AXIS: dict[str, Any] = {
    "axisLabel": {"color": "#7a8791", ":formatter": SHORT},
    "splitLine": {"lineStyle": {"color": "#88888833"}},
}


class Curves:
    """Steps and return per episode, with the exact optimum as a line."""

    def __init__(self) -> None:
        self.charts = [self._chart("steps per episode", log=True), self._chart("return per episode", log=False)]

    def _chart(self, name: str, *, log: bool) -> Any:
        options = {
            "animation": False,
            "grid": {"left": 52, "right": 16, "top": 12, "bottom": 40},
            "xAxis": {
                "type": "log",
                "min": 1,
                "max": "dataMax",
                "name": "episodes",
                "nameLocation": "middle",
                "nameGap": 22,
                **AXIS,
            },
            "yAxis": {"type": "log" if log else "value", "scale": True, **AXIS},
            "aria": {"enabled": True},
            "series": [
                {
                    "type": "line",
                    "showSymbol": False,
                    "lineStyle": {"width": 2, "color": COLOURS["path"]},
                    "data": [],
                    "markLine": {
                        "silent": True,
                        "symbol": "none",
                        "label": {"formatter": "optimum", "position": "insideStartTop", "color": "#8a6fc0"},
                        "lineStyle": {"color": "#8a6fc0", "type": "dashed", "width": 2},
                        "data": [],
                    },
                }
            ],
        }
        ui.label(name).classes("clew-title")
        return ui.echart(options).classes("clew-chart").props(f'role="img" aria-label="{name}, over episodes"')

    def show(self, curve: Curve, steps: float, value: float) -> None:
        """Show what the episodes came to.

        Args:
            curve: of the episodes.
            steps: of the optimum.
            value: return of the optimum.
        """
        points = curve.points[:]  # learning goes on meanwhile
        for chart, column, optimum in zip(self.charts, (1, 2), (steps, value), strict=True):
            series = chart.options["series"][0]
            series["data"] = [[point[0], float(f"{point[column]:.5g}")] for point in points]
            series["markLine"]["data"] = [{"yAxis": optimum}] if math.isfinite(optimum) else []
            chart.update()
