"""The tab "Cluster": a training run over Ray, shown while it is in progress."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from nicegui import run, ui

from clew.distributed.settings import SHARING
from clew.errors import ClewError
from clew.learning.algorithms import ALGORITHMS
from clew.runs.configuration import TrainingConfig
from clew.tracing.timeline import DARK as DARK_GRAPH
from clew.tracing.timeline import STYLE as GRAPH
from clew.web.charts import show_figures
from clew.web.live import LiveRun, start_run
from clew.web.worlds import MAZE_HELP

STYLE = Path(__file__).with_name("cluster.css")
REFRESH_SECONDS = 1.0
INITIAL_SETTINGS: dict[str, Any] = {  # a few seconds of work, in pieces long enough to be visible
    "maze": "wilson:60x60:seed=1",
    "algorithm": "q-learning",
    "num_episodes": 20_000,
    "num_simulations": 4,
    "num_actors": 2,
    "sharing": "local",
    "sync_every": 50,
    "rounds_ahead": 0,
    "chaos": 0.0,
}
CHOICES = {"algorithm": list(ALGORITHMS), "sharing": list(SHARING)}
INTEGER_SETTINGS = ("num_episodes", "num_simulations", "num_actors", "sync_every", "rounds_ahead")
CHAOS_HELP = "probability that an actor is killed on purpose when it is given work; the result stays the same"


class ClusterTab:
    """The form, the elements that show the run it started, and the handlers of their events."""

    def __init__(self) -> None:
        ui.add_css(STYLE)
        # Nested, so that the styles of the SVG apply to nothing else on the page.
        ui.add_css(f".clew-timeline {{ {GRAPH} }} .body--dark .clew-timeline {{ {DARK_GRAPH} }}")
        self.live: LiveRun | None = None
        with ui.element("div").classes("clew-cluster"):
            with ui.element("section").classes("clew-panel").props('aria-label="settings of the run"'):
                self._add_form()
            with ui.element("section").classes("clew-stage").props('aria-label="the run"') as self.stage:
                self._add_progress()
        self.timer = ui.timer(REFRESH_SECONDS, self.refresh, active=False)
        ui.context.client.on_delete(self.stop)

    def _add_form(self) -> None:
        """Add the settings, the button and the place for errors."""
        help_of = {each.name: each.metadata["help"] for each in fields(TrainingConfig) if "help" in each.metadata}
        help_of |= {"chaos": CHAOS_HELP, "maze": f"{MAZE_HELP}; or another name that clew worlds lists"}
        self.inputs = {name: self._add_input(name, value, help_of[name]) for name, value in INITIAL_SETTINGS.items()}
        with ui.row().classes("clew-controls"):
            self.start_button = ui.button("Start", icon="play_arrow", on_click=self.start_or_stop).props(
                'no-caps unelevated data-testid="cluster-go"'
            )
        self.message = ui.label("").classes("clew-message").props('role="alert" data-testid="cluster-message"')

    def _add_input(self, name: str, value: Any, help_text: str) -> Any:
        """Add the form element of one setting, and return it: a select, a text field or a number field."""
        label = name.removeprefix("num_").replace("_", " ")
        props = f'dense outlined hint="{help_text.replace(chr(34), chr(39))}" data-setting="{name}"'
        if name in CHOICES:
            element: Any = ui.select(CHOICES[name], label=label, value=value)
        elif isinstance(value, str):
            element = ui.input(label, value=value)
        else:  # no bounds and no format: NiceGUI would silently change the visitor's number
            element = ui.number(label, value=value, step=0.05 if name == "chaos" else 1)
        return element.props(props).classes("w-full")

    def _add_progress(self) -> None:
        self.status = (
            ui.label("No run yet. Start one to see when the driver, the object store and each actor work or wait.")
            .classes("clew-cluster-status")
            .props('role="status" data-testid="cluster-status"')
        )
        self.bar = ui.linear_progress(0.0, show_value=False, size="6px").props('aria-label="episodes done"')
        self.figures = ui.element("dl").classes("clew-figures").props('data-testid="cluster-figures"')
        self.verdict = ui.label("").classes("clew-cluster-verdict").props('data-testid="verdict"')
        self.timeline = (
            ui.html("", sanitize=False)
            .classes("clew-timeline")
            .props('tabindex="0" role="region" aria-label="execution graph" data-testid="lanes"')
        )
        for each in (self.bar, self.verdict, self.timeline):
            each.set_visibility(False)

    # Event handlers ---------------------------------------------------------------------------------------------------

    async def start_or_stop(self) -> None:
        """Start a run with the settings of the form, or stop the current one.

        The label of the button decides, also if the run has just ended.
        """
        if self.live is not None and self.start_button.text == "Stop":
            self.live.stop()
            self._show_status(self.live)
            return
        self.message.set_text("")
        try:
            settings = {name: self._setting(name) for name in self.inputs}
            chaos = float(settings.pop("chaos") or 0.0)
            self.live = start_run(TrainingConfig(**settings), chaos)
        except ClewError as error:
            self.message.set_text(str(error))
            return
        self.timeline.set_visibility(False)
        self.verdict.set_visibility(False)
        self.bar.set_visibility(True)
        self.timer.activate()
        self.stage.run_method("scrollIntoView", {"block": "start"})  # on a narrow page the run is below the form
        await self.refresh()

    def _setting(self, name: str) -> Any:
        """Return the value of a form element, converted to the type of the setting; the default if it is empty."""
        value = self.inputs[name].value
        if value in (None, ""):
            return getattr(TrainingConfig, name, None)
        return int(value) if name in INTEGER_SETTINGS and float(value).is_integer() else value

    def stop(self) -> None:
        """Stop the run that this page has started."""
        if self.live is not None:
            self.live.stop()

    # Updates ----------------------------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Show the progress of the run, or its result once it has ended."""
        live = self.live
        assert live is not None  # the timer is active only after a run was started
        is_running = live.is_running  # read first, so that the last refresh shows everything
        timeline = await run.io_bound(live.timeline)
        if not is_running:
            self.timer.deactivate()
            self.message.set_text(live.error)
            self.verdict.set_text(live.verdict())
            self.verdict.set_visibility(bool(self.verdict.text))
        self._show_status(live)
        self._show_figures(live)
        if timeline:
            self.timeline.set_content(without_style(timeline))
            self.timeline.set_visibility(True)

    def _show_status(self, live: LiveRun) -> None:
        """Update the status line, the progress bar and the button."""
        is_running, figures = live.is_running, live.figures()
        self.start_button.set_text("Stop" if is_running else "Start")
        self.start_button.props(f"icon={'stop' if is_running else 'play_arrow'}")
        self.start_button.set_enabled(not (is_running and live.stop_requested))
        episodes = f"{figures.num_ended:,} of {figures.num_episodes:,} episodes"
        if live.stopped:
            text = f"Stopped after {episodes}." if figures.num_ended else "Stopped before the first round had ended."
        elif live.error:
            text = "Ended by an error."
        elif live.run is not None:
            excess = live.run.evaluation.excess_steps
            text = f"All {figures.num_episodes:,} episodes done" + (
                "." if excess is None else f"; excess steps: {excess:.4g}."
            )
        elif live.stop_requested:
            text = "Stopping when work is next merged …"
        elif not live.trace.events:
            text = "Starting Ray, which takes a few seconds …"
        else:
            text = f"Running: {episodes} done." if figures.num_ended else "Running the first round."
        self.status.set_text(text)
        self.bar.set_value(figures.num_ended / figures.num_episodes)

    def _show_figures(self, live: LiveRun) -> None:
        """Show counts and speed of the run up to now."""
        now = live.figures()
        figures = {
            "episodes done": f"{now.num_ended:,} of {now.num_episodes:,}",
            "steps/s": f"{now.steps_per_second:,.3g}" if now.steps_per_second < 1e3 else f"{now.steps_per_second:,.0f}",
            "staleness": f"{now.staleness}",
            "data sent": f"{now.num_bytes / 1e6:,.3g} MB",
            "actors lost": f"{now.num_lost}" + (f" ({now.num_killed} killed)" if now.num_killed else ""),
            "work reissued": f"{now.num_reissued}",
        }
        show_figures(self.figures, figures)


def without_style(svg: str) -> str:
    """Return an SVG without its style element, which the page has already."""
    head, _, rest = svg.partition("<style>")
    return head + rest.partition("</style>")[2]
