"""The page's first part: a playground, and all that can be done in it."""

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from nicegui import events, ui

from clew.environments import Environment
from clew.environments.gallery import GALLERY, make_world
from clew.errors import ClewError
from clew.learning.algorithms import ALGORITHMS
from clew.learning.settings import SCHEDULES
from clew.mazes import Maze
from clew.mazes.formats import list_extensions
from clew.mazes.generators import GENERATORS
from clew.policies.behaviours import BEHAVIOURS
from clew.runs.configuration import TrainingConfig
from clew.runs.storage import table_sha256
from clew.web import takeaway
from clew.web.canvas import MazeCanvas
from clew.web.charts import Curves
from clew.web.playground import FIRST_SPEED, SPEEDS, Playground

__all__ = ["Learn"]

TOOLS = {
    "look": ("visibility", "look at values"),
    "wall": ("square", "paint walls"),
    "free": ("check_box_outline_blank", "wipe walls and all else"),
    "hazard": ("warning", "paint hazards"),
    "start": ("place", "move the start"),
    "goal": ("flag", "put a goal"),
}
LARGE = ("rooms:128x128", "wilson:512x512")
MAZES = [name for name in GALLERY if isinstance(world := make_world(name), Environment) and not world.random_goal]
WORLDS = ["book", *MAZES, "10x12", "30x40", *(f"{kind}:20x30:seed=1" for kind in GENERATORS), *LARGE]
FIRST = ("algorithm", "behaviour", "alpha", "gamma", "epsilon", "slip", "seed")  # settings that are shown at once
LATER = (
    "step_reward", "goal_reward", "hazard_reward", "outer_wall_reward", "random_start", "moves", "max_episode_steps",
    "alpha_schedule", "alpha_last", "exploration_schedule", "exploration_last", "temperature", "confidence", "n",
    "lambda_", "accumulating", "num_planning", "kappa", "threshold", "known_after", "initial_value", "optimistic",
    "pessimistic", "exploring_starts", "num_episodes",
)  # fmt: skip
CHOICES: dict[str, list[str]] = {
    "algorithm": list(ALGORITHMS),
    "behaviour": ["as the algorithm wants", *BEHAVIOURS],
    "moves": ["four", "eight", "movingai", "movingai-float32", "knight"],
    "alpha_schedule": [*SCHEDULES, "visits"],
    "exploration_schedule": list(SCHEDULES),
}
NONE = "as the algorithm wants"
MAX_UPLOADED = 4_000_000  # bytes
REFRESHED = 0.4  # seconds between two looks at figures and curves


class Learn:
    """One visitor's playground on the page.

    Args:
        playground: what it shows.
        source: address of its frames.
    """

    def __init__(self, playground: Playground, source: str) -> None:
        self.playground = playground
        self.seen = -1
        with ui.element("div").classes("clew-columns"):
            with ui.element("section").classes("clew-stage").props('aria-label="the maze"'):
                self._tools()
                self.canvas = MazeCanvas(source, self.paint, self.hover)
                self.below = ui.label("Point at a cell for its four values.").classes("clew-hover")
                self._legend()
            with ui.element("section").classes("clew-panel").props('aria-label="learning"'):
                self._controls()
                self.figures = ui.element("dl").classes("clew-figures").props('data-testid="figures"')
                self.curves = Curves()
                self._world()
                self._settings()
                self._take_away()
        self.timer = ui.timer(REFRESHED, self.refresh)

    # Parts of the page ------------------------------------------------------------------------------------------------

    def _tools(self) -> None:
        with ui.row().classes("clew-tools").props('role="toolbar" aria-label="tools"'):
            self.buttons = {}
            for tool, (icon, help_) in TOOLS.items():
                button = ui.button(icon=icon, on_click=partial(self.use, tool)).props(
                    f'flat dense aria-label="{help_}" aria-pressed="{str(tool == "look").lower()}"'
                )
                button.tooltip(help_)
                self.buttons[tool] = button
            undo = ui.button(icon="undo", on_click=lambda: self.do(self.playground.undo)).props(
                'flat dense aria-label="undo the last painting"'
            )
            undo.tooltip("undo the last painting")
            ui.space()
            ui.toggle({"values": "values", "updates": "updates"}, value="values", on_change=self.show).props(
                'dense no-caps unelevated aria-label="what colours show"'
            )
        self.use("look", first=True)

    def _legend(self) -> None:
        with ui.row().classes("clew-legend"):
            with ui.element("div"):
                self.low = ui.label("").classes("mr-2")
                ui.element("span").classes("clew-ramp").props('aria-hidden="true"')
                self.high = ui.label("")
            for line, meaning in (("clew-thread", "the policy's way"), ("clew-optimum", "an optimal way")):
                with ui.element("div"):
                    ui.element("span").classes(line).props('aria-hidden="true"')
                    ui.label(meaning)

    def _controls(self) -> None:
        playground = self.playground
        with ui.row().classes("clew-controls"):
            self.go = ui.button("Start", icon="play_arrow", on_click=self.toggle).props(
                'no-caps unelevated data-testid="go"'
            )
            ui.button("Step", on_click=lambda: self.do(playground.step)).props("no-caps outline").tooltip("one step")
            ui.button("Episode", on_click=lambda: self.do(playground.episode)).props("no-caps outline").tooltip(
                "one episode"
            )
            ui.button("Reset", on_click=lambda: self.do(playground.reset)).props("no-caps outline").tooltip(
                "forget what was learned; the maze stays"
            )
            ui.button("Replay", on_click=self.replay).props("no-caps outline").tooltip(
                "walk the policy's way, a step at a time; nothing is learned"
            )
        ui.toggle(list(SPEEDS), value=FIRST_SPEED, on_change=self.set_speed).props(
            'dense no-caps unelevated spread aria-label="steps per second"'
        ).classes("clew-speed").tooltip("steps per second")
        self.message = ui.label("").classes("clew-message").props('role="alert" data-testid="message"')

    def _world(self) -> None:
        with ui.expansion("World", icon="grid_on", value=False).classes("clew-part").props('data-testid="world"'):
            self.maze = (
                ui.input("maze", value=self.playground.config.maze, autocomplete=WORLDS)
                .props('dense outlined hint="a size, a recipe such as wilson:20x30:seed=3, or book"')
                .classes("w-full")
            )
            with ui.row():
                ui.button("Open", on_click=self.open_named).props("no-caps outline")
                ui.select(WORLDS, label="or choose", on_change=self.choose).props("dense outlined").classes(
                    "min-w-[12rem]"
                )
            # The button of the uploader itself has no words for those who don't see it.
            self.uploader = ui.upload(
                auto_upload=True,
                max_file_size=MAX_UPLOADED,
                on_upload=self.upload,
                on_rejected=lambda: self.say(f"That file is larger than {MAX_UPLOADED:,} bytes."),
            ).classes("hidden")
            ui.button(f"or a file: {list_extensions()}", on_click=lambda: self.uploader.run_method("pickFiles")).props(
                "no-caps outline"
            )

    def _settings(self) -> None:
        self.form: dict[str, Any] = {}
        meanings = {each.name: each.metadata["help"] for each in fields(TrainingConfig) if "help" in each.metadata}
        with ui.expansion("Settings", icon="tune", value=True).classes("clew-part").props('data-testid="settings"'):
            ui.label("What is changed takes effect at once, and begins anew.").classes("clew-note")
            for name in FIRST:
                self._setting(name, meanings[name])
            with ui.expansion("More settings").classes("w-full"):
                for name in LATER:
                    self._setting(name, meanings[name])

    def _setting(self, name: str, meaning: str) -> None:
        value, label = getattr(self.playground.config, name), name.rstrip("_").replace("_", " ")
        props = f'dense outlined hint="{meaning.replace(chr(34), chr(39))}" data-setting="{name}"'
        element: Any
        if name in CHOICES:
            shown = NONE if value is None else value
            element = ui.select(CHOICES[name], label=label, value=shown, on_change=self.changed(name)).props(props)
        elif isinstance(value, bool):
            element = ui.checkbox(label, value=value, on_change=self.changed(name)).props(f'data-setting="{name}"')
            element.tooltip(meaning)
        else:
            element = ui.number(label, value=value).props(props)  # with a format it would round what is typed in
            element.on("change", lambda: self.configure(name, element.value))
        self.form[name] = element.classes("w-full")

    def _take_away(self) -> None:
        with (
            ui.expansion("Take away", icon="download", value=False)
            .classes("clew-part")
            .props('data-testid="take-away"')
        ):
            ui.label("Code that comes to the same table, bit for bit:").classes("clew-note")
            with ui.row():
                ui.button("Show the code", on_click=self.show_code).props("no-caps outline")
                ui.button("Download all", on_click=self.download).props("no-caps outline").tooltip(
                    "code, command, mazes, pictures, and one page to keep"
                )
            self.code = ui.code("", language="python").classes("w-full").props('data-testid="code"')
            self.hash = ui.label("").classes("clew-hash").props('data-testid="hash"')
            self.code.set_visibility(False)

    # What a visitor does ----------------------------------------------------------------------------------------------

    async def do(self, what: Callable[[], Any]) -> bool:
        """Have something done by the thread that learns; False, and words on the page, if it can't be."""
        try:
            await asyncio.wrap_future(self.playground.ask(what))
        except (ClewError, MemoryError) as error:
            self.say(str(error) or "There is not enough memory for that.")
            return False
        self.say("")
        self.refresh()
        return True

    def say(self, words: str) -> None:
        """Put words where a visitor sees them, and a screen reader reads them out."""
        self.message.set_text(words)

    async def toggle(self) -> None:
        """Start, or pause."""
        await self.do(self.playground.pause if self.playground.running else self.playground.start)

    def set_speed(self, event: events.ValueChangeEventArguments[Any]) -> None:
        """Steps a second."""
        self.playground.ask(lambda: setattr(self.playground, "speed", SPEEDS[event.value]))

    def show(self, event: events.ValueChangeEventArguments[Any]) -> None:
        """Values, or how often they were moved."""
        self.canvas.show(event.value)

    def use(self, tool: str, *, first: bool = False) -> None:
        """Take a tool."""
        for name, button in self.buttons.items():
            button.props(f'aria-pressed="{str(name == tool).lower()}"')
            button.classes(add="clew-on" if name == tool else "", remove="" if name == tool else "clew-on")
        if not first:
            self.canvas.use(tool)
        self.tool = tool

    async def paint(self, places: list[Any]) -> None:
        """Paint cells with the tool."""
        if self.tool == "look":
            self.say("Choose a tool to paint with.")
            return
        kind = self.tool
        cells = [(int(row), int(column)) for row, column in places]
        await self.do(lambda: self.playground.paint(cells[-1:] if kind == "start" else cells, kind))

    def hover(self, place: Any) -> None:
        """Say what the values of a cell are."""
        playground = self.playground
        if not place or not (0 <= place[0] < playground.maze.rows and 0 <= place[1] < playground.maze.columns):
            self.below.set_text("Point at a cell for its four values.")
            return
        row, column = place
        values = playground.trainer.policy.q[row * playground.maze.columns + column]
        names = playground.world.env.moves.actions
        said = ", ".join(f"{name} {value:.4g}" for name, value in zip(names, values, strict=True))
        self.below.set_text(f"row {row}, column {column}: {said}")

    async def replay(self) -> None:
        """Walk an episode of the policy."""
        await self.do(self.playground.replay)

    async def open_named(self) -> None:
        """Open the maze that is named."""
        if await self.do(lambda: self.playground.configure(maze=self.maze.value)):
            for name, element in self.form.items():  # a world of the gallery has brought its own
                value = getattr(self.playground.config, name)
                element.set_value(NONE if value is None and name in CHOICES else value)

    async def choose(self, event: events.ValueChangeEventArguments[Any]) -> None:
        """Open a maze of the list."""
        self.maze.set_value(event.value)
        await self.open_named()

    async def upload(self, event: events.UploadEventArguments) -> None:
        """Open a file."""
        data, name = await event.file.read(), Path(event.file.name).name

        def read() -> Maze:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / name
                path.write_bytes(data)
                try:
                    return Maze.load(path)
                except ClewError as error:
                    raise type(error)(str(error).replace(f"{folder}/", "")) from None

        await self.do(lambda: self.playground.open(read()))
        self.uploader.reset()

    def changed(self, name: str) -> Callable[[events.ValueChangeEventArguments[Any]], Any]:
        """What happens when a setting is changed."""
        return lambda event: self.configure(name, event.value)

    async def configure(self, name: str, value: Any) -> None:
        """Change a setting."""
        now = getattr(self.playground.config, name)
        default = next(each.default for each in fields(TrainingConfig) if each.name == name)
        if value == NONE or value == "":
            value = None
        if (
            value is not None
            and isinstance(default, int)
            and not isinstance(default, bool)
            and float(value).is_integer()
        ):
            value = int(value)
        if name in ("num_planning", "max_episode_steps") and value is not None:
            value = int(value)
        if value != now:
            await self.do(lambda: self.playground.configure(**{name: value}))

    async def show_code(self) -> None:
        """Show the code, and the hash that it prints."""
        told: dict[str, str] = {}

        def tell() -> None:
            self.playground.finish_episode()
            told["hash"] = table_sha256(self.playground.trainer.policy.q)
            told["code"] = takeaway.python_code(self.playground)
            told["command"] = takeaway.command(self.playground) or ""

        if await self.do(tell):
            self.code.set_content(told["code"] + (f"\n# or: {told['command']}\n" if told["command"] else ""))
            self.code.set_visibility(True)
            self.hash.set_text(told["hash"])

    async def download(self) -> None:
        """Hand out all in one file."""
        made: list[bytes] = []

        def make() -> None:
            self.playground.finish_episode()
            made.append(takeaway.as_zip(self.playground))

        if await self.do(make):
            ui.download.content(made[0], "clew.zip")

    # What changes by itself -------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Look at what has changed."""
        playground = self.playground
        if playground.error:
            self.say(playground.error)
        if playground.version == self.seen:
            return
        self.seen = playground.version
        self.go.set_text("Pause" if playground.running else "Start")
        self.go.props(f"icon={'pause' if playground.running else 'play_arrow'}")
        grade, optimum = playground.grade, playground.world.optimum
        figures = {
            "episodes": f"{playground.trainer.num_ended:,}",
            "steps": f"{playground.num_steps:,}",
            "steps per episode": spell(points[-1][1]) if (points := playground.curve.points) else "-",
            "optimum": f"{spell(optimum.steps)} steps",
            "starts right": f"{grade.optimal_starts:.0%}",
            "states right": "-" if grade.optimal_states is None else f"{grade.optimal_states:.1%}",
            "gap in value": "0"
            if abs(grade.suboptimality) <= grade.suboptimality_bound
            else f"{grade.suboptimality:.3g}",
        }
        self.figures.clear()
        with self.figures:
            for name, figure in figures.items():
                with ui.element("div"):
                    with ui.element("dt"):
                        ui.label(name)
                    with ui.element("dd"):
                        ui.label(figure)
        scale = playground.scale
        self.low.set_text(f"{'≤ ' if scale.is_log else ''}{scale.low:.2g}")
        self.high.set_text(f"{scale.high:.2g}{', log scale' if scale.is_log else ''}")
        self.curves.show(playground.curve, optimum.steps, playground.world.optimal_return)


def spell(number: float) -> str:
    """A number as people read it."""
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}"
