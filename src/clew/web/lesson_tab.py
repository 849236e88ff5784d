"""The tab "Stale values": how often values are synchronised and how ties are broken, and the steps that this costs."""

import asyncio
import html
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from nicegui import events, ui

from clew.errors import ClewError
from clew.web import staleness
from clew.web.staleness import (
    CHAPTER,
    NUM_EPISODES,
    NUM_SIMULATIONS,
    RECOMMENDED,
    SETTINGS,
    SYNC_EVERY,
    TIES,
    Setting,
    StepsSummary,
    format_steps,
)

STYLE = Path(__file__).with_name("lesson.css")
NUM_RUNS = 5
WORKER = ThreadPoolExecutor(1, "lesson")  # shared by all visitors, so that each run is made once and then cached
OPTIMUM, SOFT = "var(--optimum)", "var(--soft)"
COLOUR_OF = {"random": "var(--accent)", "first action": "var(--lesson-first)"}
SHAPE_OF = {"random": "circle", "first action": "triangle"}
OVER_EPISODES, OVER_SETTINGS = "Steps per episode during training", "Total steps, by synchronisation interval"
SYNC_LABEL = "Synchronise values every … episodes of a simulation"
TIES_LABEL = "Break ties between equal action values"
EMIT_VALUE = "event => emit(event.target.value)"
NO_END_LABELS = {"showMinLabel": False, "showMaxLabel": False}  # the ends of the axis are not round numbers

MISTAKES = (  # heading, text, and the lines of the chapter's code
    (
        "Values that are never synchronised",
        "A simulation acts on a copy of the action values. What is learned reaches the simulation only when the values "
        "are synchronised, that is, copied again. The chapter copies them once, before its loop, when all values are "
        "still 0. So each of the 4,000 episodes is played like the first one, by a policy that has learned nothing.",
        "# once, before the loop\npolicy_ref = ray.put(policy)",
    ),
    (
        "Ties that go to the first action",
        "Where the values of several actions are equal, the policy must break the tie. The chapter's line always takes "
        "the first of them, which is down. When nothing has been learned, the agent moves down to the wall and stays "
        "there until exploration, one step in ten, moves it sideways. The goal is in the bottom row, so the agent "
        "still reaches it; if the goal were in the top row, the first episode would hardly ever end.",
        "return np.argmax(self.state_action_table[state])",
    ),
)


def axis(name: str, **more: Any) -> dict[str, Any]:
    """Return the ECharts options of an axis with a name; `lesson.css` sets the colour of its text."""
    line = {"axisLine": {"lineStyle": {"color": SOFT}}, "splitLine": {"lineStyle": {"color": "var(--line)"}}}
    return {"name": name, "nameLocation": "middle", "minorTick": {"show": False}, **line, **more}


def optimum_line(steps: float, text: str) -> dict[str, Any]:
    """Return the ECharts options of a dashed horizontal line at a number of steps, labelled with a text."""
    return {
        "silent": True,
        "symbol": "none",
        "label": {"formatter": text, "position": "insideStartBottom", "distance": [4, 5], "fontSize": 13},
        "lineStyle": {"color": OPTIMUM, "type": "dashed", "width": 2},
        "data": [{"yAxis": steps}],
    }


def line(name: str, colour: str, **more: Any) -> dict[str, Any]:
    """Return the ECharts options of a line without data."""
    style = {"lineStyle": {"width": 2.5, "color": colour}, "itemStyle": {"color": colour}}
    no_emphasis = {"emphasis": {"disabled": True}}  # ECharts would lighten the colour, and can't lighten a variable
    return {"type": "line", "name": name, "data": [], **no_emphasis, **style, **more}


def chart_options(x_axis: dict[str, Any], y_axis: dict[str, Any], series: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the ECharts options of a chart of steps with these axes and lines."""
    return {
        "animation": False,
        "aria": {"enabled": False},  # the chart's own label and the table describe it
        "grid": {"left": 68, "right": 18, "top": 40, "bottom": 48},
        "legend": {"top": 0, "left": 0, "itemWidth": 28, "selectedMode": False, "textStyle": {"fontSize": 13}},
        "tooltip": {"trigger": "axis", ":valueFormatter": "x => x.toLocaleString('en', {maximumSignificantDigits: 3})"},
        "xAxis": x_axis,
        "yAxis": y_axis,
        "series": series,
    }


def over_episodes() -> dict[str, Any]:
    """Return the chart of steps per episode over the episodes, for the recommended and the selected setting."""
    chart = chart_options(
        axis("episodes", type="log", min=1, max=NUM_EPISODES, nameGap=28),
        axis("steps per episode", type="log", min=4, max=2000, nameGap=46, axisLabel=NO_END_LABELS),
        [
            line("recommended", SOFT, symbol="none", lineStyle={"width": 2, "type": [6, 4], "color": SOFT}),
            line("selected", SOFT, symbol="none"),
        ],
    )
    chart["legend"] |= {"icon": "rect", "itemHeight": 4}
    chart["tooltip"] = {"show": False}  # a stretch of the curve has points at its ends only
    return chart


def over_settings() -> dict[str, Any]:
    """Return the chart of the total steps of a run over the synchronisation intervals, a line for each tie-breaking."""
    return chart_options(
        axis(
            "synchronised every … episodes",
            type="category",
            data=[str(sync_every) for sync_every in SYNC_EVERY],
            nameGap=28,
            axisLabel={"interval": 0},
        ),
        axis("total steps", type="log", min=16_000, max=3_000_000, nameGap=52, axisLabel=NO_END_LABELS),
        [
            line(
                f"ties: {ties}", colour, symbol=SHAPE_OF[ties], symbolSize=10, lineStyle={"width": 1.5, "color": colour}
            )
            for ties, colour in COLOUR_OF.items()
        ],
    )


class LessonTab:
    """The elements of the tab, the handlers of their events, and the summaries of the runs."""

    def __init__(self) -> None:
        ui.add_css(STYLE)
        self.chosen = CHAPTER
        self.summaries: dict[Setting, StepsSummary] = {}
        self.curves: dict[Setting, list[tuple[int, float]]] = {}
        self.seeds = staleness.seed_range(0, NUM_RUNS)
        self.request = 0  # number of the latest call of measure; earlier calls stop
        self.optimum = 0.0
        with ui.element("div").classes("lesson") as self.root:
            ui.label("What stale values cost").props('role="heading" aria-level="2"').classes("lesson-title")
            self.sentence = ui.label("Measuring …").classes("lesson-sentence")
            self.sentence.props('aria-live="polite" data-testid="lesson-sentence"')
            self.note = ui.label("").classes("clew-note").props('data-testid="lesson-note"')
            with ui.element("div").classes("lesson-columns"):
                self._add_controls()
                self.over_episodes, self.first_and_last = self._add_chart(
                    OVER_EPISODES, "over-episodes", over_episodes()
                )
                self.over_settings, self.total = self._add_chart(
                    OVER_SETTINGS, "over-settings", over_settings(), self.choose_point
                )
            self._add_explanation()
            with ui.expansion("All figures").classes("clew-part lesson-figures"):
                self.table = ui.html("", sanitize=False).props('data-testid="lesson-table"')
        self.root.on("vnodeMounted", self.measure, args=[])  # when the tab is first shown

    # Elements ---------------------------------------------------------------------------------------------------------

    def _add_controls(self) -> None:
        """Add the slider, the tie-breaking toggle, the seeds and the command."""
        with ui.element("section").classes("lesson-card lesson-controls").props('aria-label="settings"'):
            ui.label(SYNC_LABEL).classes("lesson-label")
            # The browser's own slider: Quasar's takes the keyboard on another element than the labelled one.
            self.dial = ui.element("input").classes("lesson-dial").on("input", self.set_sync, js_handler=EMIT_VALUE)
            self.dial.props(
                f'type=range min=0 max={len(SYNC_EVERY) - 1} step=1 data-testid="dial" aria-label="{SYNC_LABEL}"'
            )
            with ui.element("div").classes("lesson-stops").props('aria-hidden="true"'):
                for sync_every in SYNC_EVERY:
                    ui.label(str(sync_every))
            ui.label(TIES_LABEL).classes("lesson-label")
            names = {"random": "at random", "first action": "first action"}
            self.ties = ui.toggle(
                names, value=CHAPTER.ties, on_change=lambda event: self.choose(self.chosen.sync_every, event.value)
            )
            self.ties.props(
                'dense no-caps unelevated spread toggle-text-color=lesson role="group" data-testid="ties" '
                f'aria-label="{TIES_LABEL}"'
            ).classes("w-full")
            with ui.element("div").classes("lesson-seeds"):
                self.first = ui.number("first seed", value=0, min=0, step=1, format="%d")
                self.num_runs = ui.number("runs", value=NUM_RUNS, min=2, max=staleness.MAX_RUNS, step=1, format="%d")
                for number, name in ((self.first, "lesson-seed"), (self.num_runs, "lesson-runs")):
                    number.props(f'dense outlined data-testid="{name}"').on("change", self.set_seeds)
            self.message = ui.label("").classes("clew-message").props('role="alert" data-testid="lesson-message"')
            self.progress = ui.linear_progress(0.0, show_value=False, color=None)
            self.progress.props('aria-label="progress of the runs" instant-feedback').classes("lesson-progress")
            ui.label("Command for one of these runs").classes("lesson-label")
            self.command = ui.label("").classes("lesson-code").props('data-testid="lesson-command"')

    def _add_chart(
        self, title: str, name: str, options: dict[str, Any], on_point: Callable[[Any], Any] | None = None
    ) -> tuple[ui.echart, ui.label]:
        """Add a chart with its caption; return the chart, and the label under its title."""
        with ui.element("figure").classes("lesson-card lesson-figure"):
            with ui.element("figcaption").classes("lesson-label"):
                ui.label(title)
                figure = ui.label("").classes("lesson-figure-now").props(f'data-testid="{name}-now"')
            chart = ui.echart(options, on_point_click=on_point, renderer="svg").classes("lesson-chart")
        return chart.props(f'role="img" aria-label="{title}" data-testid="{name}"'), figure

    def _add_explanation(self) -> None:
        """Add three sections of text: stale values, ties, advice."""
        with ui.element("div").classes("lesson-words"):
            for heading, text, code in MISTAKES:
                with ui.element("section"):
                    self._add_heading(heading)
                    ui.label(text)
                    ui.label(code).classes("lesson-code")
            with ui.element("section"):
                self._add_heading("What to do instead")
                self.advice = ui.label("").props('data-testid="lesson-advice"')

    def _add_heading(self, text: str) -> None:
        ui.label(text).props('role="heading" aria-level="3"').classes("lesson-heading")

    # Event handlers ---------------------------------------------------------------------------------------------------

    def set_sync(self, event: events.GenericEventArguments) -> None:
        """Choose the synchronisation interval at the slider's position."""
        self.choose(SYNC_EVERY[min(max(int(event.args), 0), len(SYNC_EVERY) - 1)], self.chosen.ties)

    def choose_point(self, event: events.EChartPointClickEventArguments) -> None:
        """Choose the setting of a clicked point of the chart over the settings."""
        self.choose(SYNC_EVERY[event.data_index], [*TIES][event.series_index])
        self.ties.set_value(self.chosen.ties)

    def choose(self, sync_every: int | str, ties: str) -> None:
        """Show another setting."""
        self.chosen = Setting(sync_every, ties)
        self.show()

    async def set_seeds(self) -> None:
        """Measure with the seeds of the two number fields, or show why these are invalid."""
        try:
            self.seeds = staleness.seed_range(self.first.value, self.num_runs.value)
        except ClewError as error:
            self.message.set_text(str(error))
        else:
            await self.measure()

    async def measure(self) -> None:
        """Make the runs of all settings, the chosen and the recommended one first; show each setting once it is done.

        Stops when it is called again, or the tab is gone.
        """
        self.request += 1
        request, seeds, loop = self.request, self.seeds, asyncio.get_running_loop()
        self.summaries, self.curves = {}, {}
        self.message.set_text("")
        order = dict.fromkeys((self.chosen, RECOMMENDED, *reversed(SETTINGS)))
        try:
            self.optimum = await loop.run_in_executor(WORKER, staleness.optimal_steps)
            for i, setting in enumerate(order):
                runs = []
                for seed in seeds:
                    runs.append(await loop.run_in_executor(WORKER, staleness.measure_run, setting, seed))
                    if request != self.request or self.root.is_deleted:
                        return
                self.summaries[setting] = staleness.summarise(runs)
                self.curves[setting] = staleness.learning_curve(runs)
                self.progress.set_value((i + 1) / len(order))
                self.show()
        except (ClewError, MemoryError) as error:
            self.message.set_text(str(error) or "There is not enough memory for that.")

    # Updates ----------------------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Update all elements for the chosen setting, as far as its runs have been made."""
        sync_every = self.chosen.sync_every
        self.dial.props.update(
            {"value": SYNC_EVERY.index(sync_every), "aria-valuetext": staleness.format_sync(sync_every)}
        )
        self.command.set_text(staleness.format_command(self.chosen, self.seeds[0]))
        self._show_text()
        if self.optimum:
            self._show_episodes()
            self._show_settings()

    def _show_episodes(self) -> None:
        """Draw the learning curves of the recommended and the chosen setting."""
        recommended, chosen = self.over_episodes.options["series"]
        optimum = optimum_line(self.optimum, f"optimum: {self.optimum:g}")
        recommended.update(data=self.curves.get(RECOMMENDED, []), markLine=optimum)
        colour = COLOUR_OF[self.chosen.ties]
        curve = self.curves.get(self.chosen, [])
        chosen.update(data=curve, lineStyle={"width": 4, "color": colour}, itemStyle={"color": colour})
        if curve:
            first, last = (format_steps(curve[end][1]) for end in (0, -1))
            self.first_and_last.set_text(f"first: {first}, last: {last}")
            label = f"{OVER_EPISODES}: first {first}, last {last} with the selected setting; optimum {self.optimum:g}"
            self.over_episodes.props["aria-label"] = label

    def _show_settings(self) -> None:
        """Draw the total steps of all settings, and mark the chosen one."""
        minimum = self.optimum * NUM_EPISODES
        for series, ties in zip(self.over_settings.options["series"], TIES, strict=True):
            summaries = [self.summaries.get(Setting(sync_every, ties)) for sync_every in SYNC_EVERY]
            series.update(
                data=[None if summary is None else round(summary.total) for summary in summaries],
                markLine=optimum_line(minimum, f"optimum: {minimum:,.0f}"),
                markPoint={"data": []},
            )
            if ties == self.chosen.ties and (summary := self.summaries.get(self.chosen)):
                series["markPoint"] = ring_marker(str(self.chosen.sync_every), round(summary.total))
                self.total.set_text(f"selected: {summary.total:,.0f}")
                label = f"{OVER_SETTINGS}: {summary.total:,.0f} selected; the table below has the others"
                self.over_settings.props["aria-label"] = label

    def _show_text(self) -> None:
        """Update the sentence, the note, the table and the advice."""
        summary, seeds = self.summaries.get(self.chosen), self.seeds
        if summary is None:
            self.sentence.set_text("Measuring …")
            self.note.set_text("")
            return
        self.sentence.set_text(staleness.format_result(self.chosen, summary))
        low, high = (format_steps(end) for end in summary.interval)
        self.note.set_text(
            f"{len(seeds)} runs of {NUM_EPISODES:,} episodes by {NUM_SIMULATIONS} simulations, seeds {seeds[0]} to "
            f"{seeds[-1]}, in the 5 x 5 maze of “Learning Ray”, chapter 3. 95% interval of the mean: {low} to {high} "
            "steps."
        )
        self.table.set_content(html_table(self.summaries, self.chosen))
        if len(self.summaries) == len(SETTINGS):
            self.advice.set_text(staleness.format_advice(self.summaries))


def ring_marker(category: str, total: int) -> dict[str, Any]:
    """Return the ECharts options of a ring round the point of a synchronisation interval with these total steps."""
    style = {"color": "transparent", "borderColor": "var(--ink)", "borderWidth": 2.5}
    shape = {"symbol": "circle", "symbolSize": 24, "itemStyle": style, "label": {"show": False}}
    return {"silent": True, **shape, "data": [{"coord": [category, total]}]}


def html_table(summaries: dict[Setting, StepsSummary], chosen: Setting) -> str:
    """Return an HTML table of the steps per episode of all settings, with the chosen one marked."""
    rows = []
    for sync_every in SYNC_EVERY:
        cells = []
        for ties in TIES:
            summary = summaries.get(Setting(sync_every, ties))
            text = (
                "-"
                if summary is None
                else "{} <small>({} to {})</small>".format(*map(format_steps, (summary.mean, *summary.interval)))
            )
            cells.append(f"<td{' class=lesson-here' if chosen == (sync_every, ties) else ''}>{text}</td>")
        rows.append(f'<tr><th scope="row">{sync_every}</th>{"".join(cells)}</tr>')
    heads = "".join(f'<th scope="col">ties: {html.escape(ties)}</th>' for ties in TIES)
    return (
        "<table><caption>Steps per episode: mean and 95% interval</caption>"
        f'<thead><tr><th scope="col">synchronised every</th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )
