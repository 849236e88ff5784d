"""The tab "Runs": a list of run folders, the curves and figures of selected ones, and the details of one."""

import base64
from functools import partial
from pathlib import Path
from typing import Any

from nicegui import events, run, ui

from clew.errors import ClewError
from clew.web.charts import SOFT
from clew.web.listing import (
    CURVES,
    MAX_LISTED,
    ListedRun,
    RunCurve,
    RunDetails,
    comparison_table,
    list_runs,
    load_details,
    run_curve,
)

STYLE = Path(__file__).with_name("runs.css")
MAX_SELECTED = 8  # more curves in one chart can't be distinguished
# Distinguishable for the colour-blind, with a contrast of 3 or better on light and dark pages; dashes differ as well.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b06ba0", "#7a8791", "#a5812a", "#8a6fc0", "#c0605e")
DASHES: tuple[list[int], ...] = ([], [9, 4], [2, 3], [9, 3, 2, 3], [16, 4], [5, 2], [2, 6], [12, 3, 2, 3, 2, 3])
AXIS: dict[str, Any] = {
    "axisLabel": {"color": SOFT},
    "nameTextStyle": {"color": SOFT},
    "splitLine": {"lineStyle": {"color": "#88888833"}},
}


class RunsTab:
    """The elements of the tab, and the handlers of their events.

    Args:
        folder: folder whose run folders are listed.
    """

    def __init__(self, folder: Path) -> None:
        ui.add_css(STYLE)
        self.folder = folder
        self.listed: list[ListedRun] = []
        self.style_of: dict[Path, int] = {}  # of each selected run, in order of selection: index into COLOURS, DASHES
        self.metric = "mean_steps"
        with ui.element("div").classes("clew-runs") as whole:
            with ui.element("section").classes("clew-runs-list").props('aria-label="run folders"'):
                with ui.row().classes("clew-runs-head"):
                    self.count = ui.label("Reading …").classes("clew-note").props('data-testid="count"')
                    ui.space()
                    self.refresh_button = ui.button("Refresh", icon="refresh", on_click=self.refresh).props(
                        "no-caps outline"
                    )
                self.message = ui.label("").classes("clew-message").props('role="alert" data-testid="runs-message"')
                self.list = ui.element("ul").classes("clew-runs-rows").props('data-testid="runs"')
            with ui.element("div").classes("clew-runs-right"):
                self._add_curves()
                self.details = ui.element("section").props('aria-label="one run" data-testid="opened"')
                self.details.set_visibility(False)
        whole.on("vnode-mounted", self.refresh, js_handler="() => emit()")  # when the tab is first looked at

    def _add_curves(self) -> None:
        """Add the chart and the table of the selected runs, hidden until there is one."""
        self.hint = ui.label("Select runs to compare their curves and figures.").classes("clew-note")
        self.curves = ui.element("section").classes("clew-runs-curves").props('aria-label="curves and figures"')
        with self.curves:
            ui.toggle(CURVES, value=self.metric, on_change=self.set_metric).props(
                'dense no-caps unelevated aria-label="what curves show"'
            )
            chart = ui.echart(self._chart_options([]), renderer="svg")  # which can use the colours of page.css
            self.chart = chart.classes("clew-runs-chart").props('role="img"')
            self.table = (
                ui.html("", sanitize=False)
                .classes("clew-runs-table")
                .props('tabindex="0" role="region" aria-label="figures" data-testid="figures-of-runs"')
            )
        self.curves.set_visibility(False)

    # Event handlers ---------------------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Read the folder again, and update the list."""
        self.refresh_button.disable()
        self.message.set_text("")
        try:
            result = await run.io_bound(list_runs, self.folder)
        except OSError as error:
            self.message.set_text(f"{self.folder} can't be read: {error.strerror}")
            result = None
        self.refresh_button.enable()
        self.listed, total = result or ([], 0)
        readable = {each.folder for each in self.listed if not each.problem}
        self.style_of = {folder: style for folder, style in self.style_of.items() if folder in readable}
        runs = f"{total:,} run{'' if total == 1 else 's'}"
        newest = f"the newest {MAX_LISTED} of " if total > MAX_LISTED else ""
        self.count.set_text(f"{newest}{runs} in {self.folder.resolve().name or self.folder}")
        self._show_list()
        self.show()

    def _show_list(self) -> None:
        """Replace the list of run folders by the current one."""
        self.list.clear()
        self.swatches: dict[Path, Any] = {}
        with self.list:
            for each in self.listed:
                with ui.element("li").props(f'data-run="{escape_prop(each.name)}"'):
                    self._add_row(each)
            if not self.listed:
                with ui.element("li"):
                    ui.label("No run folders yet. `clew train --out NAME` creates one.").classes("clew-note")

    def _add_row(self, listed: ListedRun) -> None:
        """Add the row of a run folder: a checkbox and a button, or the reason why it can't be read."""
        with ui.element("div").classes("clew-runs-name"):
            if listed.problem:
                ui.label(listed.name)
                ui.label(listed.problem).classes("clew-runs-problem")
                return
            box = ui.checkbox(listed.name, value=listed.folder in self.style_of)
            box.on_value_change(partial(self.select, listed.folder, box))
            ui.label(listed.description).classes("clew-note")
        self.swatches[listed.folder] = ui.html("", sanitize=False)
        ui.button("Open", on_click=partial(self.open, listed)).props(
            f'no-caps flat dense aria-label="open {escape_prop(listed.name)}"'
        )

    def select(self, folder: Path, box: Any, event: "events.ValueChangeEventArguments[Any]") -> None:
        """Add a run to the chart and the table, or remove it, when its checkbox is clicked."""
        self.message.set_text("")
        if not event.value:
            self.style_of.pop(folder, None)
        elif folder not in self.style_of:
            if len(self.style_of) == MAX_SELECTED:
                self.message.set_text(f"At most {MAX_SELECTED} runs can be selected; deselect another one first.")
                box.set_value(False)
                return
            self.style_of[folder] = min(set(range(MAX_SELECTED)) - set(self.style_of.values()))
        self.show()

    def set_metric(self, event: "events.ValueChangeEventArguments[Any]") -> None:
        """Show the curves of another metric."""
        self.metric = event.value
        self.show()

    async def open(self, listed: ListedRun) -> None:
        """Show the details of a run."""
        self.message.set_text("")
        self.details.clear()
        self.details.set_visibility(True)
        with self.details:
            ui.label(f"Reading {listed.name} …").classes("clew-note")
        details = None
        try:
            details = await run.io_bound(load_details, listed)
        except (ClewError, OSError, MemoryError) as error:
            self.message.set_text(str(error) or "There is not enough memory to open it.")
        self.details.clear()
        self.details.set_visibility(details is not None)
        if details is not None:
            with self.details:
                show_details(listed, details)
            self.details.run_method("scrollIntoView", {"block": "start"})

    # Updates ----------------------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Update the chart and the table to the selected runs and the metric."""
        runs = [each for folder in self.style_of for each in self.listed if each.folder == folder]
        for folder, swatch in self.swatches.items():
            swatch.set_content(line_swatch(self.style_of[folder]) if folder in self.style_of else "")
        self.hint.set_visibility(not runs)
        self.curves.set_visibility(bool(runs))
        if not runs:
            return
        self.chart.props["options"] = self._chart_options(runs)
        self.chart.props(f'aria-label="{CURVES[self.metric]}, over episodes, of {len(runs)} runs"')
        self.table.set_content(comparison_table(runs, [line_swatch(self.style_of[each.folder]) for each in runs]))

    def _chart_options(self, runs: list[ListedRun]) -> dict[str, Any]:
        """Return the ECharts options for the curves of the metric of runs, with a dashed line for each optimum."""
        curves = [run_curve(each, self.metric) for each in runs]
        is_log = self.metric == "mean_steps" and all(number > 0 for curve in curves for _, number in curve.points)
        optima = [curve.optimum for curve in curves]
        series = [
            line_options(each.name, curve, self.style_of[each.folder], has_label=optima.index(curve.optimum) == i)
            for i, (each, curve) in enumerate(zip(runs, curves, strict=True))
        ]
        # ECharts fits its axis to the curves only; make room for an optimum below them.
        drawn_optima = [optimum for optimum in optima if optimum is not None and (optimum > 0 or not is_log)]
        numbers = [number for curve in curves for _, number in curve.points] + drawn_optima
        bounds = {"min": axis_minimum(min(numbers), is_log), "max": None} if numbers else {}
        return {
            "animation": False,
            "grid": {"left": 56, "right": 20, "top": 16, "bottom": 44},
            "tooltip": {"trigger": "axis"},
            "xAxis": {"type": "log", "min": "dataMin", "max": "dataMax", "name": "episodes", "nameLocation": "middle",
                      "nameGap": 24, **AXIS},
            "yAxis": {"type": "log" if is_log else "value", "scale": True, **bounds, **AXIS},
            "aria": {"enabled": True},
            "series": series,
        }  # fmt: skip


def line_options(name: str, curve: RunCurve, style: int, *, has_label: bool) -> dict[str, Any]:
    """Return the ECharts options of the curve of a run, with a dashed line for its optimum if that is known.

    Args:
        name: name of the run.
        curve: its points and its optimum.
        style: index into `COLOURS` and `DASHES`.
        has_label: False leaves out the label of the optimum, which another run has too.
    """
    label = "" if curve.optimum is None else f"optimum {curve.optimum:.4g}"
    return {
        "type": "line",
        "name": name,
        "showSymbol": len(curve.points) == 1,
        "color": COLOURS[style],
        "lineStyle": {"width": 2, "color": COLOURS[style], "type": DASHES[style] or "solid"},
        "data": [[point[0], float(f"{point[1]:.5g}")] for point in curve.points],
        "markLine": {
            "silent": True,
            "symbol": "none",
            "label": {"show": has_label, "formatter": label, "position": "insideStartTop", "color": SOFT},
            "lineStyle": {"color": COLOURS[style], "type": [4, 4], "width": 1.5},
            "data": [] if curve.optimum is None else [{"yAxis": curve.optimum}],
        },
    }


def axis_minimum(lowest: float, is_log: bool) -> float:
    """Return a rounded lower end of an axis, a little below the lowest number drawn."""
    if is_log:
        return float(f"{lowest * 0.8:.1g}") if lowest >= 1 else lowest * 0.8
    return float(f"{lowest - 0.05 * abs(lowest):.2g}")


def escape_prop(text: str) -> str:
    """Return a text that is safe between double quotes in the props of an element: without backslash and quote."""
    return text.replace("\\", "").replace('"', "'")


def line_swatch(style: int) -> str:
    """Return an SVG with a piece of a line in the colour and the dashes of a style, an index into both."""
    dash = " ".join(map(str, DASHES[style]))
    return (
        f'<svg class="clew-swatch" width="36" height="8" aria-hidden="true"><path d="M0 4H36" '
        f'stroke="{COLOURS[style]}" stroke-width="3" stroke-dasharray="{dash}"/></svg>'
    )


def show_details(listed: ListedRun, details: RunDetails) -> None:
    """Add the elements that show the details of a run."""
    with ui.element("h2").classes("clew-runs-title"):
        ui.label(listed.name)
    ui.label(listed.description).classes("clew-note")
    if details.picture:
        data = base64.b64encode(details.picture.encode()).decode()
        ui.element("img").classes("clew-runs-picture").props(
            f'src="data:image/svg+xml;base64,{data}" data-testid="picture" '
            f'alt="The maze of {escape_prop(listed.name)} with the learned values and the greedy path"'
        )
    with ui.element("div").classes("clew-runs-settings").props('data-testid="settings-of-run"'):
        if details.settings:
            ui.label("Settings that differ from the defaults").classes("clew-runs-subtitle")
            with ui.element("dl"):
                for name, value, default in details.settings:
                    for tag, words in (("dt", name), ("dd", value), ("dd", f"default: {default}")):
                        with ui.element(tag):
                            ui.label(words)
        else:
            ui.label("All settings have their default values.").classes("clew-note")
    for note in details.notes:
        ui.label(note).classes("clew-note")
    if details.graph:
        ui.label("Execution graph").classes("clew-runs-subtitle")
        frame = (
            ui.element("iframe")
            .classes("clew-runs-graph")
            .props('sandbox="allow-scripts" title="execution graph" data-testid="graph"')
        )
        frame._props["srcdoc"] = details.graph
