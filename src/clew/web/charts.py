"""Learning curves, drawn by ECharts, and lists of figures."""

import math
from typing import Any

from nicegui import ui

from clew.rendering.colours import COLOURS
from clew.web.curve import Curve

SHORT = """x => {
    for (const [unit, name] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']])
        if (x >= unit) return +(x / unit).toPrecision(3) + name;
    return x;
}"""  # JavaScript that formats a number
SOFT, OPTIMUM = "var(--soft)", "var(--optimum)"  # colours of page.css, which charts drawn as SVG can use
AXIS: dict[str, Any] = {
    "nameTextStyle": {"color": SOFT},
    "axisLabel": {"color": SOFT, ":formatter": SHORT, "hideOverlap": True},
    "splitLine": {"lineStyle": {"color": "#88888833"}},
}


class Curves:
    """Two charts over training episodes, mean steps and mean return, each with a line for the optimum."""

    def __init__(self) -> None:
        self.charts = [self._chart("steps per episode", log=True), self._chart("return per episode", log=False)]

    def _chart(self, name: str, *, log: bool) -> Any:
        """Add a chart without data, with its title, and return it; `log` makes its y axis logarithmic."""
        options = {
            "animation": False,
            "grid": {"left": 52, "right": 16, "top": 24, "bottom": 40},
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
                        "label": {"formatter": "optimum", "position": "insideStartTop", "color": OPTIMUM},
                        "lineStyle": {"color": OPTIMUM, "type": "dashed", "width": 2},
                        "data": [],
                    },
                }
            ],
        }
        ui.label(name).classes("clew-title")
        chart = ui.echart(options, renderer="svg").classes("clew-chart")
        return chart.props(f'role="img" aria-label="{name}, over episodes"')

    def show(self, curve: Curve, optimal_steps: float, optimal_return: float) -> None:
        """Draw a learning curve.

        Args:
            curve: steps and returns of the training episodes.
            optimal_steps: expected steps of the optimal policy; no line if infinite.
            optimal_return: expected undiscounted return of the optimal policy; no line if infinite.
        """
        points = curve.points[:]  # the learning thread appends to it
        for chart, column, optimum in zip(self.charts, (1, 2), (optimal_steps, optimal_return), strict=True):
            series = chart.options["series"][0]
            series["data"] = [[point[0], float(f"{point[column]:.5g}")] for point in points]
            series["markLine"]["data"] = [{"yAxis": optimum}] if math.isfinite(optimum) else []


def show_figures(element: ui.element, figures: dict[str, str]) -> None:
    """Replace the contents of an element `dl` by figures, given by name."""
    element.clear()
    with element:
        for name, figure in figures.items():
            with ui.element("div"):
                with ui.element("dt"):
                    ui.label(name)
                with ui.element("dd").props(f'data-figure="{name}"'):
                    ui.label(figure)
