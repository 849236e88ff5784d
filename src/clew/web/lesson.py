"""The chapter's lesson: a dial for stale values, a toggle for ties, and what they cost in steps."""

import asyncio
import html
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from nicegui import events, ui

from clew.errors import ClewError
from clew.web import staleness
from clew.web.staleness import CHAPTER, EVERY, NUM_EPISODES, NUM_SIMULATIONS, RECOMMENDED, SETTINGS, TIES, Cost, Setting

__all__ = ["Lesson"]

STYLE = Path(__file__).with_name("lesson.css")
NUM_RUNS = 5
WORKER = ThreadPoolExecutor(1, "lesson")  # one for all visitors: what one waits for, the next finds ready
OPTIMUM, SOFT = "var(--optimum)", "var(--soft)"
COLOUR_OF = {"random": "var(--accent)", "first action": "var(--lesson-first)"}
OVER_EPISODES, OVER_SETTINGS = "Steps per episode, over the episodes", "Steps of all episodes, for every stop"
EMIT_VALUE = "event => emit(event.target.value)"
INNER = {"showMinLabel": False, "showMaxLabel": False}  # the ends are no round numbers
SHAPE_OF = {"random": "circle", "first action": "triangle"}

STALE_CODE = "# once, before the loop\npolicy_ref = ray.put(policy)"
TIES_CODE = "return np.argmax(self.state_action_table[state])"
STALE_WORDS = (
    "A simulation acts by a copy of the values. What the learner finds out meanwhile stays with the learner until a "
    "new copy is made. The chapter makes one copy, before its loop, when every value is still 0. So however much is "
    "learned, each of the 4,000 episodes is walked like the first: by somebody who knows nothing."
)
TIES_WORDS = (
    "Where values are equal, nothing speaks for one action or another. The chapter's line takes the first of them, "
    "which is down. Who knows nothing walks down to the wall and pushes against it, until exploration, one step in "
    "ten, happens to move it aside. The goal lies in the bottom row, so that is enough here; were it in the top row, "
    "the first episode would hardly ever end."
)


def axis(name: str, **more: Any) -> dict[str, Any]:
    """An axis with its name; `lesson.css` gives letters their colour."""
    line = {"axisLine": {"lineStyle": {"color": SOFT}}, "splitLine": {"lineStyle": {"color": "var(--line)"}}}
    return {"name": name, "nameLocation": "middle", "minorTick": {"show": False}, **line, **more}


def optimum_line(steps: float, words: str) -> dict[str, Any]:
    """The optimum, as a line across."""
    return {
        "silent": True,
        "symbol": "none",
        "label": {"formatter": words, "position": "insideStartBottom", "distance": [4, 5], "fontSize": 13},
        "lineStyle": {"color": OPTIMUM, "type": "dashed", "width": 2},
        "data": [{"yAxis": steps}],
    }


def line(name: str, colour: str, **more: Any) -> dict[str, Any]:
    """A line of a chart."""
    style = {"lineStyle": {"width": 2.5, "color": colour}, "itemStyle": {"color": colour}}
    still = {"emphasis": {"disabled": True}}  # ECharts would make a lighter colour, and can't of a variable
    return {"type": "line", "name": name, "data": [], **still, **style, **more}


def options(x_axis: dict[str, Any], y_axis: dict[str, Any], series: list[dict[str, Any]]) -> dict[str, Any]:
    """A chart."""
    return {
        "animation": False,
        "aria": {"enabled": False},  # what it shows is said by its label, and the table
        "grid": {"left": 68, "right": 18, "top": 40, "bottom": 48},
        "legend": {"top": 0, "left": 0, "itemWidth": 28, "selectedMode": False, "textStyle": {"fontSize": 13}},
        "tooltip": {"trigger": "axis", ":valueFormatter": "x => x.toLocaleString('en', {maximumSignificantDigits: 3})"},
        "xAxis": x_axis,
        "yAxis": y_axis,
        "series": series,
    }


def over_episodes() -> dict[str, Any]:
    """The chart of steps over episodes: of the recommended setting, and of the chosen one."""
    chart = options(
        axis("episodes", type="log", min=1, max=NUM_EPISODES, nameGap=28),
        axis("steps per episode", type="log", min=4, max=2000, nameGap=46, axisLabel=INNER),
        [
            line("recommended", SOFT, symbol="none", lineStyle={"width": 2, "type": [6, 4], "color": SOFT}),
            line("chosen", SOFT, symbol="none"),
        ],
    )
    chart["legend"] |= {"icon": "rect", "itemHeight": 4}
    chart["tooltip"] = {"show": False}  # a line has but its ends
    return chart


def over_settings() -> dict[str, Any]:
    """The chart of the steps of all episodes: for each stop of the dial, and both ties."""
    return options(
        axis(
            "values refreshed every … episodes",
            type="category",
            data=[str(every) for every in EVERY],
            nameGap=28,
            axisLabel={"interval": 0},
        ),
        axis("steps in all", type="log", min=16_000, max=3_000_000, nameGap=52, axisLabel=INNER),
        [
            line(
                f"ties: {ties}", colour, symbol=SHAPE_OF[ties], symbolSize=10, lineStyle={"width": 1.5, "color": colour}
            )
            for ties, colour in COLOUR_OF.items()
        ],
    )


class Lesson:
    """The dial, the toggle, and what was measured."""

    def __init__(self) -> None:
        ui.add_css(STYLE)
        self.chosen = CHAPTER
        self.costs: dict[Setting, Cost] = {}
        self.curves: dict[Setting, list[tuple[int, float]]] = {}
        self.seeds = staleness.as_seeds(0, NUM_RUNS)
        self.request = 0  # which measurement is wanted; an older one gives up
        self.optimum = 0.0
        with ui.element("div").classes("lesson") as self.root:
            ui.label("What stale values cost").props('role="heading" aria-level="2"').classes("lesson-title")
            self.sentence = ui.label("Measuring …").classes("lesson-sentence")
            self.sentence.props('aria-live="polite" data-testid="lesson-sentence"')
            self.note = ui.label("").classes("clew-note").props('data-testid="lesson-note"')
            with ui.element("div").classes("lesson-columns"):
                self._controls()
                self._chart(OVER_EPISODES, "over-episodes", over_episodes())
                self._chart(OVER_SETTINGS, "over-settings", over_settings(), self.pick)
            self._explanation()
            self._table()
        self.root.on("vnodeMounted", self.measure, args=[])  # when it's looked at, not before

    # Parts of the page ------------------------------------------------------------------------------------------------

    def _controls(self) -> None:
        with ui.element("section").classes("lesson-card lesson-controls").props('aria-label="what is shown"'):
            ui.label("Values are refreshed every … episodes of a simulation").classes("lesson-label")
            # The browser's own: Quasar's takes the keys at another element than the one that says what it is.
            self.dial = ui.element("input").classes("lesson-dial").on("input", self.turn, js_handler=EMIT_VALUE)
            self.dial.props(f'type=range min=0 max={len(EVERY) - 1} step=1 data-testid="dial"')
            self.dial.props('aria-label="values are refreshed every … episodes of a simulation"')
            with ui.element("div").classes("lesson-stops").props('aria-hidden="true"'):
                for every in EVERY:
                    ui.label(str(every))
            ui.label("Of actions that tie, an agent takes").classes("lesson-label")
            names = {"random": "any, at random", "first action": "the first action"}
            self.ties = ui.toggle(names, value=CHAPTER.ties, on_change=self.toggle)
            self.ties.props('dense no-caps unelevated spread toggle-text-color=lesson role="group" data-testid="ties"')
            self.ties.props('aria-label="of actions that tie, an agent takes"').classes("w-full")
            with ui.element("div").classes("lesson-seeds"):
                self.first = ui.number("first seed", value=0, min=0, step=1, format="%d")
                self.num_runs = ui.number("runs", value=NUM_RUNS, min=2, max=staleness.MAX_RUNS, step=1, format="%d")
                for number, name in ((self.first, "lesson-seed"), (self.num_runs, "lesson-runs")):
                    number.props(f'dense outlined data-testid="{name}"').on("change", self.reseed)
            self.message = ui.label("").classes("clew-message").props('role="alert" data-testid="lesson-message"')
            self.progress = ui.linear_progress(0.0, show_value=False, color=None)
            self.progress.props('aria-label="runs that were made" instant-feedback').classes("lesson-progress")
            ui.label("One of these runs, by itself:").classes("lesson-label")
            self.command = ui.label("").classes("lesson-code").props('data-testid="lesson-command"')

    def _chart(
        self, title: str, name: str, chart: dict[str, Any], on_point: Callable[[Any], Any] | None = None
    ) -> None:
        with ui.element("figure").classes("lesson-card lesson-figure"):
            with ui.element("figcaption").classes("lesson-label"):
                ui.label(title)
                figure = ui.label("").classes("lesson-figure-now").props(f'data-testid="{name}-now"')
            drawn = ui.echart(chart, on_point_click=on_point, renderer="svg").classes("lesson-chart")
            drawn.props(f'role="img" aria-label="{title}" data-testid="{name}"')
        if on_point:
            self.over_settings, self.total = drawn, figure
        else:
            self.over_episodes, self.last = drawn, figure

    def _explanation(self) -> None:
        with ui.element("div").classes("lesson-words"):
            with ui.element("section"):
                self._heading("Values that nobody refreshes")
                ui.label(STALE_WORDS)
                ui.label(STALE_CODE).classes("lesson-code")
            with ui.element("section"):
                self._heading("Ties that go to the first action")
                ui.label(TIES_WORDS)
                ui.label(TIES_CODE).classes("lesson-code")
            with ui.element("section"):
                self._heading("What to do instead")
                self.advice = ui.label("").props('data-testid="lesson-advice"')

    def _heading(self, words: str) -> None:
        ui.label(words).props('role="heading" aria-level="3"').classes("lesson-heading")

    def _table(self) -> None:
        with ui.expansion("All figures").classes("clew-part lesson-figures"):
            self.table = ui.html("", sanitize=False).props('data-testid="lesson-table"')

    # What a visitor does ----------------------------------------------------------------------------------------------

    def turn(self, event: events.GenericEventArguments) -> None:
        """Take what the dial says."""
        self.choose(EVERY[min(max(int(event.args), 0), len(EVERY) - 1)], self.chosen.ties)

    def toggle(self, event: events.ValueChangeEventArguments[Any]) -> None:
        """Take what the toggle says."""
        self.choose(self.chosen.every, event.value)

    def pick(self, event: events.EChartPointClickEventArguments) -> None:
        """Take a point of the chart."""
        self.choose(EVERY[event.data_index], [*TIES][event.series_index])
        self.ties.set_value(self.chosen.ties)

    def choose(self, every: int | str, ties: str) -> None:
        """Show a setting."""
        self.chosen = Setting(every, ties)
        self.show()

    async def reseed(self) -> None:
        """Take other seeds."""
        try:
            self.seeds = staleness.as_seeds(self.first.value, self.num_runs.value)
        except ClewError as error:
            self.message.set_text(str(error))
            return
        await self.measure()

    async def measure(self) -> None:
        """Make the runs, those that are looked at first, and show each setting as soon as it is known."""
        self.request += 1
        request, seeds, loop = self.request, self.seeds, asyncio.get_running_loop()
        self.costs, self.curves = {}, {}
        self.message.set_text("")
        order = dict.fromkeys((self.chosen, RECOMMENDED, *reversed(SETTINGS)))
        try:
            self.optimum = await loop.run_in_executor(WORKER, staleness.optimal_steps)
            for i, setting in enumerate(order):
                runs = []
                for seed in seeds:
                    runs.append(await loop.run_in_executor(WORKER, staleness.play, setting, seed))
                    if request != self.request or self.root.is_deleted:
                        return
                self.costs[setting], self.curves[setting] = staleness.measure(runs), staleness.curve(runs)
                self.progress.set_value((i + 1) / len(order))
                self.show()
        except (ClewError, MemoryError) as error:
            self.message.set_text(str(error) or "There is not enough memory for that.")

    # What is shown ----------------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Show what is known of what is chosen."""
        every = self.chosen.every
        self.dial.props.update({"value": EVERY.index(every), "aria-valuetext": staleness.refreshed(every)})
        self.dial.update()
        self.command.set_text(staleness.command(self.chosen, self.seeds[0]))
        self._show_words()
        if not self.optimum:
            return
        self._show_episodes()
        self._show_settings()

    def _show_episodes(self) -> None:
        recommended, chosen = self.over_episodes.options["series"]
        recommended["data"], chosen["data"] = self.curves.get(RECOMMENDED, []), self.curves.get(self.chosen, [])
        chosen["lineStyle"] = {"width": 4, "color": COLOUR_OF[self.chosen.ties]}
        chosen["itemStyle"] = {"color": COLOUR_OF[self.chosen.ties]}
        recommended["markLine"] = optimum_line(self.optimum, f"optimum, {self.optimum:g}")
        if chosen["data"]:
            first, last = (staleness.figure(chosen["data"][end][1]) for end in (0, -1))
            self.last.set_text(f"{first} at first, {last} at last")
            said = f"{OVER_EPISODES}: {first} steps at first and {last} at last, as chosen; optimum {self.optimum:g}"
            self.over_episodes.props["aria-label"] = said
        self.over_episodes.update()

    def _show_settings(self) -> None:
        every, ties = self.chosen
        least = self.optimum * NUM_EPISODES
        for series, name in zip(self.over_settings.options["series"], TIES, strict=True):
            costs = [self.costs.get(Setting(stop, name)) for stop in EVERY]
            series["data"] = [None if cost is None else round(cost.total) for cost in costs]
            series["markLine"] = optimum_line(least, f"optimum, {least:,.0f}")
            series["markPoint"] = {"data": []}
            if name == ties and (cost := self.costs.get(self.chosen)):
                series["markPoint"] = ring(str(every), round(cost.total))
                self.total.set_text(f"{cost.total:,.0f} as chosen")
                said = f"{OVER_SETTINGS}: {cost.total:,.0f}, as chosen; the others are in the table below"
                self.over_settings.props["aria-label"] = said
        self.over_settings.update()

    def _show_words(self) -> None:
        """Put the figures into words, and into the table."""
        cost, seeds = self.costs.get(self.chosen), self.seeds
        if cost is None:
            self.sentence.set_text("Measuring …")
            self.note.set_text("")
            return
        self.sentence.set_text(staleness.sentence(self.chosen, cost))
        low, high = (staleness.figure(end) for end in cost.interval)
        self.note.set_text(
            f"{len(seeds)} runs of {NUM_EPISODES:,} episodes by {NUM_SIMULATIONS} simulations in the chapter's maze of "
            f"5 x 5 cells, seeds {seeds[0]} to {seeds[-1]}. 95% interval of the mean: {low} to {high} steps."
        )
        self.table.set_content(as_table(self.costs, self.chosen))
        if len(self.costs) == len(SETTINGS):
            self.advice.set_text(staleness.advice(self.costs))


def ring(stop: str, total: int) -> dict[str, Any]:
    """What marks the setting that is chosen."""
    style = {"color": "transparent", "borderColor": "var(--ink)", "borderWidth": 2.5}
    shape = {"symbol": "circle", "symbolSize": 24, "itemStyle": style, "label": {"show": False}}
    return {"silent": True, **shape, "data": [{"coord": [stop, total]}]}


def as_table(costs: dict[Setting, Cost], chosen: Setting) -> str:
    """All figures, as HTML."""
    rows = []
    for every in EVERY:
        cells = []
        for ties in TIES:
            cost = costs.get(Setting(every, ties))
            words = "-" if cost is None else staleness.figure(cost.mean)
            if cost is not None:
                words += " <small>({} to {})</small>".format(*map(staleness.figure, cost.interval))
            cells.append(f"<td{' class=lesson-here' if chosen == (every, ties) else ''}>{words}</td>")
        rows.append(f'<tr><th scope="row">{every}</th>{"".join(cells)}</tr>')
    heads = "".join(f'<th scope="col">ties: {html.escape(ties)}</th>' for ties in TIES)
    return (
        "<table><caption>Steps per episode: mean, and 95% interval</caption>"
        f'<thead><tr><th scope="col">refreshed every</th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )
