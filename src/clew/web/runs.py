"""The page's part on runs: a list of run folders, their curves laid over each other, two compared, one opened."""

import base64
from functools import partial
from pathlib import Path
from typing import Any

from nicegui import events, run, ui

from clew.errors import ClewError
from clew.web.listing import CURVES, MAX_LISTED, Listed, Opened, compare, curve_of, list_runs, open_listed

__all__ = ["Runs"]

STYLE = Path(__file__).with_name("runs.css")
MAX_CHOSEN = 8  # curves; of more none can be made out
# Told apart by the colour-blind, and 3 to 1 or better on a light page and on a dark one; dashes say the same again.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b06ba0", "#7a8791", "#a5812a", "#8a6fc0", "#c0605e")
DASHES: tuple[list[int], ...] = ([], [9, 4], [2, 3], [9, 3, 2, 3], [16, 4], [5, 2], [2, 6], [12, 3, 2, 3, 2, 3])
GREY = "#7a8791"
AXIS: dict[str, Any] = {
    "axisLabel": {"color": GREY},
    "nameTextStyle": {"color": GREY},
    "splitLine": {"lineStyle": {"color": "#88888833"}},
}
SAID = {"mean_steps": "steps per episode", "mean_return": "return per episode", "success_rate": "share of successes"}


class Runs:
    """The run folders in a folder.

    Args:
        folder: which holds them.
    """

    def __init__(self, folder: Path) -> None:
        ui.add_css(STYLE)
        self.folder = folder
        self.listed: list[Listed] = []
        self.chosen: list[Path] = []  # a run keeps the place, and so its colour, until it is let go
        self.places: dict[Path, int] = {}
        self.what = "mean_steps"
        with ui.element("div").classes("clew-runs") as whole:
            with ui.element("section").classes("clew-runs-list").props('aria-label="run folders"'):
                with ui.row().classes("clew-runs-head"):
                    self.count = ui.label("reading ...").classes("clew-note").props('data-testid="count"')
                    ui.space()
                    self.again = ui.button("Refresh", icon="refresh", on_click=self.refresh).props("no-caps outline")
                self.message = ui.label("").classes("clew-message").props('role="alert" data-testid="runs-message"')
                self.list = ui.element("ul").classes("clew-runs-rows").props('data-testid="runs"')
            with ui.element("div").classes("clew-runs-right"):
                self._curves()
                self.details = ui.element("section").props('aria-label="one run" data-testid="opened"')
                self.details.set_visibility(False)
        whole.on("vnode-mounted", self.refresh, js_handler="() => emit()")  # when the tab is first looked at

    def _curves(self) -> None:
        self.hint = ui.label("Choose runs to lay their curves over each other, and to compare their figures.").classes(
            "clew-note"
        )
        self.curves = ui.element("section").classes("clew-runs-curves").props('aria-label="curves and figures"')
        with self.curves:
            ui.toggle(CURVES, value=self.what, on_change=self.turn).props(
                'dense no-caps unelevated aria-label="what curves show"'
            )
            self.chart = ui.echart(self._options([])).classes("clew-runs-chart").props('role="img"')
            self.no_optimum = ui.label("").classes("clew-note")
            self.table = (
                ui.html("", sanitize=False)
                .classes("clew-runs-table")
                .props('tabindex="0" role="region" aria-label="figures" data-testid="figures-of-runs"')
            )
        self.curves.set_visibility(False)

    # What a visitor does ----------------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Read the folder again."""
        self.again.disable()
        self.message.set_text("")
        try:
            result = await run.io_bound(list_runs, self.folder)
        except OSError as error:
            self.message.set_text(f"{self.folder}: can't be read: {error.strerror}")
            result = None
        self.again.enable()
        self.listed, total = result or ([], 0)
        here = {each.folder for each in self.listed if not each.problem}
        for gone in [folder for folder in self.chosen if folder not in here]:
            self._let_go(gone)
        some = f"the newest {MAX_LISTED} of {total:,} runs" if total > MAX_LISTED else f"{total} run"
        plural = "" if total == 1 or total > MAX_LISTED else "s"
        self.count.set_text(f"{some}{plural} in {self.folder.resolve().name or self.folder}")
        self._draw_list()
        self.show()

    def _draw_list(self) -> None:
        self.list.clear()
        self.swatches: dict[Path, Any] = {}
        with self.list:
            for each in self.listed:
                with ui.element("li").props(f'data-run="{_attribute(each.name)}"'):
                    self._row(each)
            if not self.listed:
                with ui.element("li"):
                    ui.label("No run folders yet; `clew train --out NAME` makes one here.").classes("clew-note")

    def _row(self, each: Listed) -> None:
        with ui.element("div").classes("clew-runs-name"):
            if each.problem:
                ui.label(each.name)
                ui.label(each.problem).classes("clew-runs-problem")
                return
            box = ui.checkbox(each.name, value=each.folder in self.chosen)
            box.on_value_change(partial(self.choose, each.folder, box))
            ui.label(each.words).classes("clew-note")
        self.swatches[each.folder] = ui.html("", sanitize=False)
        ui.button("Open", on_click=partial(self.open, each)).props(
            f'no-caps flat dense aria-label="open {_attribute(each.name)}"'
        )

    def choose(self, folder: Path, box: Any, event: events.ValueChangeEventArguments[Any]) -> None:
        """Lay a run over the others, or take it away."""
        self.message.set_text("")
        if not event.value:
            self._let_go(folder)
        elif folder not in self.chosen:
            if len(self.chosen) == MAX_CHOSEN:
                self.message.set_text(f"At most {MAX_CHOSEN} runs are laid over each other; let one go first.")
                box.set_value(False)
                return
            self.chosen.append(folder)
            self.places[folder] = min(set(range(MAX_CHOSEN)) - set(self.places.values()))
        self.show()

    def _let_go(self, folder: Path) -> None:
        if folder in self.chosen:
            self.chosen.remove(folder)
            del self.places[folder]

    def turn(self, event: events.ValueChangeEventArguments[Any]) -> None:
        """Show other curves."""
        self.what = event.value
        self.show()

    async def open(self, each: Listed) -> None:
        """Show all that there is of a run."""
        self.message.set_text("")
        self.details.clear()
        self.details.set_visibility(True)
        with self.details:
            ui.label(f"Reading {each.name} ...").classes("clew-note")
        try:
            opened = await run.io_bound(open_listed, each)
        except (ClewError, OSError, MemoryError) as error:
            self.message.set_text(str(error) or "There is not enough memory to open it.")
            opened = None
        self.details.clear()
        if opened is None:
            self.details.set_visibility(False)
            return
        with self.details:
            _draw_opened(each, opened)
        self.details.run_method("scrollIntoView", {"block": "start"})

    # What is drawn ----------------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Draw the chosen runs."""
        runs = [each for folder in self.chosen for each in self.listed if each.folder == folder]
        for folder, swatch in self.swatches.items():
            swatch.set_content(_swatch(self.places[folder]) if folder in self.places else "")
        self.hint.set_visibility(not runs)
        self.curves.set_visibility(bool(runs))
        if not runs:
            return
        options = self._options(runs)
        self.chart.options.clear()
        self.chart.options.update(options)
        self.chart.props(f'aria-label="{SAID[self.what]}, over episodes, of {len(runs)} runs"')
        self.chart.update()
        some = any(curve_of(each, self.what).optimum is None for each in runs)
        why = "No line for the optimum: its value is known discounted only, and returns here are not."
        self.no_optimum.set_text(why if some and self.what == "mean_return" else "")
        self.no_optimum.set_visibility(bool(self.no_optimum.text))
        self.table.set_content(compare(runs, [_swatch(self.places[each.folder]) for each in runs]))

    def _options(self, runs: list[Listed]) -> dict[str, Any]:
        curves = [curve_of(each, self.what) for each in runs]
        is_log = self.what == "mean_steps" and all(number > 0 for curve in curves for _, number in curve.points)
        told: set[str] = set()  # an optimum that runs share is named once
        series = []
        for each, curve in zip(runs, curves, strict=True):
            colour, dash = COLOURS[self.places[each.folder]], DASHES[self.places[each.folder]]
            label = "" if curve.optimum is None else f"optimum {curve.optimum:.4g}"
            lines = [] if curve.optimum is None else [{"yAxis": curve.optimum}]
            series.append(
                {
                    "type": "line",
                    "name": each.name,
                    "showSymbol": len(curve.points) == 1,
                    "color": colour,
                    "lineStyle": {"width": 2, "color": colour, "type": dash or "solid"},
                    "data": [[point[0], float(f"{point[1]:.5g}")] for point in curve.points],
                    "markLine": {
                        "silent": True,
                        "symbol": "none",
                        "label": {
                            "show": label not in told,
                            "formatter": label,
                            "position": "insideStartTop",
                            "color": GREY,
                        },
                        "lineStyle": {"color": colour, "type": [4, 4], "width": 1.5},
                        "data": lines,
                    },
                }
            )
            told.add(label)
        # A chart makes room for curves alone; an optimum that lies below them is to be seen too.
        optima = [curve.optimum for curve in curves if curve.optimum is not None and (curve.optimum > 0 or not is_log)]
        numbers = [number for curve in curves for _, number in curve.points] + optima
        bounds = {"min": _floor(min(numbers), is_log), "max": None} if numbers else {}
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


def _floor(least: float, is_log: bool) -> float:
    """Where an axis begins, so that the least of what is drawn doesn't lie on its edge."""
    if is_log:
        return float(f"{least * 0.8:.1g}") if least >= 1 else least * 0.8
    return float(f"{least - 0.05 * abs(least):.2g}")


def _attribute(words: str) -> str:
    """Words as they may stand between double quotes in the props of an element."""
    return words.replace("\\", "").replace('"', "'")


def _swatch(place: int) -> str:
    """A piece of the line of a curve."""
    dash = " ".join(map(str, DASHES[place]))
    return (
        f'<svg class="clew-swatch" width="36" height="8" aria-hidden="true"><path d="M0 4H36" '
        f'stroke="{COLOURS[place]}" stroke-width="3" stroke-dasharray="{dash}"/></svg>'
    )


def _draw_opened(each: Listed, opened: Opened) -> None:
    with ui.element("h2").classes("clew-runs-title"):
        ui.label(each.name)
    ui.label(each.words).classes("clew-note")
    if opened.picture:
        data = base64.b64encode(opened.picture.encode()).decode()
        ui.element("img").classes("clew-runs-picture").props(
            f'src="data:image/svg+xml;base64,{data}" data-testid="picture" '
            f'alt="The maze of {_attribute(each.name)}, with what was learned in it, and the way of its policy"'
        )
    with ui.element("div").classes("clew-runs-settings").props('data-testid="settings-of-run"'):
        if opened.settings:
            ui.label("Settings that are not as they are by default").classes("clew-runs-subtitle")
            with ui.element("dl"):
                for name, value, default in opened.settings:
                    for tag, words in (("dt", name), ("dd", value), ("dd", f"instead of {default}")):
                        with ui.element(tag):
                            ui.label(words)
        else:
            ui.label("All settings are as they are by default.").classes("clew-note")
    for note in opened.notes:
        ui.label(note).classes("clew-note")
    if opened.graph:
        ui.label("What was done by whom, and when").classes("clew-runs-subtitle")
        frame = (
            ui.element("iframe")
            .classes("clew-runs-graph")
            .props('sandbox="allow-scripts" title="execution graph" data-testid="graph"')
        )
        frame._props["srcdoc"] = opened.graph
