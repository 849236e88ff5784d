"""The page's part on clusters: a run over Ray, while it goes on."""

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
from clew.web.live import LiveRun, start_run

__all__ = ["Cluster"]

STYLE = Path(__file__).with_name("cluster.css")
LOOKED_AT = 1.0  # seconds between two looks
# A few seconds of work, in pieces that can be seen.
FIRST: dict[str, Any] = {
    "maze": "wilson:60x60:seed=1",
    "algorithm": "q-learning",
    "num_episodes": 20_000,
    "num_simulations": 4,
    "num_actors": 2,
    "sharing": "local",
    "sync_every": None,
    "rounds_ahead": 0,
}
CHOICES = {"algorithm": list(ALGORITHMS), "sharing": list(SHARING)}
WHOLE = ("num_episodes", "num_simulations", "num_actors", "sync_every", "rounds_ahead")
CHAOS = "probability that an actor is killed when it is given work, on purpose; it changes no bit of the result"


class Cluster:
    """A form, and the run that it started."""

    def __init__(self) -> None:
        ui.add_css(STYLE)
        # Nested, so that the classes of the picture are those of the picture alone.
        ui.add_css(f".clew-timeline {{ {GRAPH} }} .body--dark .clew-timeline {{ {DARK_GRAPH} }}")
        self.live: LiveRun | None = None
        self.inputs: dict[str, Any] = {}
        with ui.element("div").classes("clew-cluster"):
            with ui.element("section").classes("clew-panel").props('aria-label="settings of the run"'):
                self._form()
            with ui.element("section").classes("clew-stage").props('aria-label="the run"') as self.stage:
                self._live()
        self.timer = ui.timer(LOOKED_AT, self.look, active=False)
        ui.context.client.on_delete(self.leave)

    def _form(self) -> None:
        meanings = {each.name: each.metadata["help"] for each in fields(TrainingConfig) if "help" in each.metadata}
        for name, value in FIRST.items():
            self.inputs[name] = self._input(name, value, meanings[name])
        self.inputs["chaos"] = self._input("chaos", 0.0, CHAOS)
        with ui.row().classes("clew-controls"):
            self.go = ui.button("Start", icon="play_arrow", on_click=self.toggle).props(
                'no-caps unelevated data-testid="cluster-go"'
            )
        self.message = ui.label("").classes("clew-message").props('role="alert" data-testid="cluster-message"')

    def _input(self, name: str, value: Any, meaning: str) -> Any:
        label = name.removeprefix("num_").replace("_", " ")
        props = f'dense outlined hint="{meaning.replace(chr(34), chr(39))}" data-setting="{name}"'
        if name in CHOICES:
            element: Any = ui.select(CHOICES[name], label=label, value=value)
        elif isinstance(value, str):
            element = ui.input(label, value=value)
        else:  # without bounds or format: NiceGUI would change what is typed in without a word
            element = ui.number(label, value=value, step=0.05 if name == "chaos" else 1)
        return element.props(props).classes("w-full")

    def _live(self) -> None:
        self.status = (
            ui.label("Nothing goes on. Start a run, and see who does what, and who waits.")
            .classes("clew-cluster-status")
            .props('role="status" data-testid="cluster-status"')
        )
        self.bar = ui.linear_progress(0.0, show_value=False, size="6px").props('aria-label="rounds done"')
        self.figures = ui.element("dl").classes("clew-figures").props('data-testid="cluster-figures"')
        self.verdict = ui.label("").classes("clew-cluster-verdict").props('data-testid="verdict"')
        self.picture = (
            ui.html("", sanitize=False)
            .classes("clew-timeline")
            .props('tabindex="0" role="region" aria-label="who does what" data-testid="lanes"')
        )
        for each in (self.bar, self.verdict, self.picture):
            each.set_visibility(False)

    # What a visitor does ----------------------------------------------------------------------------------------------

    async def toggle(self) -> None:
        """Start, or stop."""
        if (
            self.live is not None and self.go.text == "Stop"
        ):  # what was read counts, also if it has just ended by itself
            self.live.stop()
            self._say_status()
            return
        self.message.set_text("")
        try:
            settings = {name: self._asked(name) for name in self.inputs}
            chaos = float(settings.pop("chaos") or 0.0)
            self.live = start_run(TrainingConfig(**settings), chaos)
        except ClewError as error:
            self.message.set_text(str(error))
            return
        self.picture.set_content("")
        self.picture.set_visibility(False)
        self.verdict.set_visibility(False)
        self.bar.set_visibility(True)
        self.timer.activate()
        self.stage.run_method("scrollIntoView", {"block": "start"})  # on a narrow page it is below the form
        await self.look()

    def _asked(self, name: str) -> Any:
        """What the form says of a setting; what is left empty is as by default."""
        value = self.inputs[name].value
        if value in (None, ""):
            return next((each.default for each in fields(TrainingConfig) if each.name == name), None)
        return int(value) if name in WHOLE and float(value).is_integer() else value

    def leave(self) -> None:
        """Stop what this page has started."""
        if self.live is not None:
            self.live.stop()

    # What changes by itself -------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Show what has become of the run."""
        live = self.live
        if live is None:
            return
        goes_on = live.is_going_on  # first, so that the last look sees all
        picture = await run.io_bound(live.picture)
        if not goes_on:
            self.timer.deactivate()
            self.message.set_text(live.error)
            self.verdict.set_text(live.verdict())
            self.verdict.set_visibility(bool(self.verdict.text))
        self._say_status()
        self._show_figures(live)
        if picture:
            self.picture.set_content(without_style(picture))
            self.picture.set_visibility(True)

    def _say_status(self) -> None:
        live = self.live
        assert live is not None
        goes_on, figures = live.is_going_on, live.figures()
        self.go.set_text("Stop" if goes_on else "Start")
        self.go.props(f"icon={'stop' if goes_on else 'play_arrow'}")
        self.go.set_enabled(not (goes_on and live.asked))
        rounds = f"{figures.num_rounds} of {figures.of} rounds" if figures.of else "the first round"
        if live.stopped:
            words = f"Stopped after {rounds}." if figures.of else "Stopped before the first round had ended."
        elif live.error:
            words = "Ended by an error."
        elif live.run is not None:
            gap = live.run.evaluation.excess_steps
            words = f"All {figures.of} rounds are done" + (
                "." if gap is None else f"; {gap:.4g} steps off the optimum."
            )
        elif live.asked:
            words = "Stopping, where work is next taken in ..."
        elif not live.trace.events:
            words = "Ray is starting; that takes some seconds ..."
        else:
            words = f"Going on: {rounds} done." if figures.of else "Going on: the first round."
        self.status.set_text(words)
        self.bar.set_value(figures.num_rounds / figures.of if figures.of else 0.0)

    def _show_figures(self, live: LiveRun) -> None:
        now = live.figures()
        shown = {
            "rounds done": f"{now.num_rounds:,} of {now.of:,}" if now.of else "-",
            "steps/s": f"{now.steps_per_second:,.3g}" if now.steps_per_second < 1e3 else f"{now.steps_per_second:,.0f}",
            "staleness": f"{now.staleness}",
            "travelled": f"{now.num_bytes / 1e6:,.3g} MB",
            "actors lost": f"{now.num_lost}" + (f" ({now.num_killed} killed)" if now.num_killed else ""),
            "pieces re-issued": f"{now.num_reissued}",
        }
        self.figures.clear()
        with self.figures:
            for name, figure in shown.items():
                with ui.element("div"):
                    with ui.element("dt"):
                        ui.label(name)
                    with ui.element("dd").props(f'data-figure="{name}"'):
                        ui.label(figure)


def without_style(picture: str) -> str:
    """An SVG without its style, which the page has."""
    head, _, rest = picture.partition("<style>")
    return head + rest.partition("</style>")[2]
