"""The tab "Playground": maze editor, controls, figures, learning curves, settings and export."""

import asyncio
import logging
import tempfile
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakMethod

from nicegui import events, ui

from clew.environments import Environment
from clew.environments.gallery import GALLERY, make_world
from clew.errors import ClewError
from clew.learning.algorithms import ALGORITHMS
from clew.learning.settings import SCHEDULES
from clew.mazes import Maze
from clew.mazes.formats import list_extensions
from clew.mazes.formats.pictures import picture_size
from clew.mazes.generators import GENERATORS
from clew.mazes.painting import KINDS_WITH_REWARD
from clew.policies.behaviours import BEHAVIOURS
from clew.rendering.colours import ValueScale
from clew.runs.configuration import TrainingConfig
from clew.runs.storage import table_sha256
from clew.web import export
from clew.web.canvas import KEY, MazeCanvas
from clew.web.charts import Curves, show_figures
from clew.web.layers import LAYERS
from clew.web.parameters import show_parameters
from clew.web.playground import FIRST_SPEED, SPEEDS, Playground, Result, describe_grade
from clew.web.update_panel import UpdatePanel
from clew.web.worlds import MAZE_HELP, check_drawable

logger = logging.getLogger(__name__)

TOOLS = {  # the kinds of `Maze.painted`, and "look": icon and tooltip
    "look": ("visibility", "inspect values"),
    "wall": ("square", "paint walls"),
    "free": ("check_box_outline_blank", "erase walls, hazards and goals"),
    "hazard": ("warning", "paint hazards"),
    "start": ("place", "move the start"),
    "goal": ("flag", "add a goal"),
    "exit": ("logout", "add an exit with the reward on the right"),
    "reward": ("paid", "add the reward on the right to cells"),
}
MAZES = [name for name in GALLERY if isinstance(world := make_world(name), Environment) and not world.random_goal]
WORLDS = [
    "book", *MAZES, "10x12", "30x40", *(f"{kind}:20x30:seed=1" for kind in GENERATORS), "rooms:128x128",
    "wilson:512x512",
]  # fmt: skip
MAIN_SETTINGS = ("algorithm", "behaviour", "alpha", "gamma", "epsilon", "slip", "seed")
MORE_SETTINGS = (
    "step_reward", "goal_reward", "hazard_reward", "outer_wall_reward", "random_start", "exit_action", "moves",
    "max_episode_steps",
    "alpha_schedule", "alpha_last", "exploration_schedule", "exploration_last", "temperature", "confidence", "n",
    "lambda_", "accumulating", "num_planning", "kappa", "threshold", "known_after", "initial_value", "optimistic",
    "pessimistic", "exploring_starts", "num_episodes",
)  # fmt: skip
ALGORITHM_DEFAULT = "depends on the algorithm"  # stands for None, which a select element can't show
CHOICES: dict[str, list[str]] = {  # `PlaygroundTab.choices` adds algorithms and strategies
    "moves": ["four", "eight", "movingai", "movingai-float32", "knight"],
    "alpha_schedule": [*SCHEDULES, "visits"],
    "exploration_schedule": list(SCHEDULES),
}
MAX_EXACT = 2**53 - 1  # larger whole numbers are rounded by the browser
MAX_UPLOADED = 4_000_000  # bytes
REFRESH_SECONDS = 0.4  # between two updates of figures and curves
HOVER_HINT = "Point at a cell to see its action values."


class PlaygroundTab:
    """The elements of the tab, and the handlers of their events.

    Args:
        playground: the visitor's playground.
        source: address of its frames.
    """

    def __init__(self, playground: Playground, source: str) -> None:
        self.playground = playground
        # Of this moment: plug-ins may have registered some.
        self.choices = CHOICES | {"algorithm": list(ALGORITHMS), "behaviour": [ALGORITHM_DEFAULT, *BEHAVIOURS]}
        self.shown_version = -1  # of the playground, in figures and curves
        self.shown_scale: ValueScale | None = None  # in the legend
        self.shown_error = ""  # that stopped learning
        self.hovered: Any = None  # place of the mouse, [row, column]
        with ui.element("div").classes("clew-columns"):
            with ui.element("section").classes("clew-stage").props('aria-label="the maze"'):
                self._add_tools()
                self.canvas = MazeCanvas(source, self.paint, self.hover)
                self.select_tool("look")
                self.cell_values = ui.label(HOVER_HINT).classes("clew-hover")
                self._add_legend()
            with ui.element("section").classes("clew-panel").props('aria-label="learning"'):
                self._add_controls()
                self.update = UpdatePanel()
                self.figures = ui.element("dl").classes("clew-figures").props('data-testid="figures"')
                self.curves = Curves()
                self._add_world()
                self._add_settings()
                self._add_export()
        self.timer = ui.timer(REFRESH_SECONDS, self.refresh)

    # Elements ---------------------------------------------------------------------------------------------------------

    def _add_tools(self) -> None:
        """Add the toolbar above the maze: one button per tool, undo, and what the colours show."""
        with ui.row().classes("clew-tools").props('role="toolbar" aria-label="tools"'):
            self.buttons = {}
            for tool, (icon, tooltip) in TOOLS.items():
                button = ui.button(icon=icon, on_click=partial(self.select_tool, tool))
                self.buttons[tool] = button.props(f'flat dense aria-label="{tooltip}"').tooltip(tooltip)
            self.reward = ui.number(value=-1.0).props('dense borderless aria-label="reward of exits and cells"')
            self.reward.classes("w-16").tooltip("reward of exits and cells")
            ui.button(icon="undo", on_click=lambda: self.do(self.playground.undo)).props(
                'flat dense aria-label="undo the last edit"'
            ).tooltip("undo the last edit")
            ui.space()
            ui.toggle(list(LAYERS), value="values", on_change=self.choose_layer).props(
                'dense no-caps unelevated aria-label="what the colours show"'
            )

    def _add_legend(self) -> None:
        """Add the legend under the maze: the colour scale, and the two kinds of lines."""
        with ui.row().classes("clew-legend"):
            self.layer = ui.label(LAYERS["values"][1])
            with ui.element("div").props('data-testid="key"') as self.key:
                self.low = ui.label("").classes("mr-2")
                ui.element("span").classes("clew-ramp").style(f"background: {KEY}").props('aria-hidden="true"')
                self.high = ui.label("")
            self.key.set_visibility(False)
            for line, meaning in (("clew-greedy-path", "greedy path"), ("clew-optimal-path", "optimal path")):
                with ui.element("div"):
                    ui.element("span").classes(line).props('aria-hidden="true"')
                    ui.label(meaning)

    def _add_controls(self) -> None:
        """Add the buttons that control learning, the speed, and the place for messages."""
        playground = self.playground
        with ui.row().classes("clew-controls"):
            self.start_button = ui.button("Start", icon="play_arrow", on_click=self.start_or_pause).props(
                'no-caps unelevated data-testid="go"'
            )
            for name, task, tooltip in (
                ("Step", playground.step, "learn from one step"),
                ("Episode", playground.episode, "learn from one episode"),
                ("Reset", playground.reset, "discard the learned values, keep the maze"),
                ("Replay", playground.replay, "play one episode of the greedy policy, without learning"),
            ):
                ui.button(name, on_click=partial(self.do, task)).props("no-caps outline").tooltip(tooltip)
        ui.toggle(list(SPEEDS), value=FIRST_SPEED, on_change=self.set_speed).props(
            'dense no-caps unelevated spread aria-label="steps per second"'
        ).classes("clew-speed").tooltip("steps per second")
        self.message = ui.label("").classes("clew-message").props('role="alert" data-testid="message"')
        self.notice = ui.label("").classes("clew-notice").props('role="status" data-testid="notice"')

    def _add_world(self) -> None:
        """Add the panel that opens mazes: by name, from a list, from a file."""
        with ui.expansion("World", icon="grid_on", value=False).classes("clew-part").props('data-testid="world"'):
            self.maze = (
                ui.input("maze", value=self.playground.config.maze, autocomplete=WORLDS)
                .props(f'dense outlined hint="{MAZE_HELP}"')
                .classes("w-full")
            )
            with ui.row():
                ui.button("Open", on_click=self.open_named).props("no-caps outline")
                ui.select(WORLDS, label="or choose one", on_change=self.open_listed).props("dense outlined").classes(
                    "min-w-[12rem]"
                )
            # FastAPI keeps the upload element until the server ends, so it mustn't hold this tab with its world.
            upload, reject = WeakMethod(self.upload), WeakMethod(self.reject)
            # Hidden, because its own button has no text for screen readers.
            self.uploader = ui.upload(
                auto_upload=True,
                max_file_size=MAX_UPLOADED,
                on_upload=lambda event: method(event) if (method := upload()) else None,
                on_rejected=lambda: method() if (method := reject()) else None,
            ).classes("hidden")
            ui.button(
                f"or upload a file: {list_extensions()}", on_click=lambda: self.uploader.run_method("pickFiles")
            ).props("no-caps outline")

    def _add_settings(self) -> None:
        """Add the panel with the settings of the world and the learner."""
        self.form: dict[str, Any] = {}
        help_of = {each.name: each.metadata["help"] for each in fields(TrainingConfig) if "help" in each.metadata}
        with ui.expansion("Settings", icon="tune", value=True).classes("clew-part").props('data-testid="settings"'):
            ui.label("A changed setting takes effect at once, and restarts learning.").classes("clew-note")
            for name in MAIN_SETTINGS:
                self._add_setting(name, help_of[name])
                if name == "algorithm":
                    self.parameters = ui.column().classes("w-full").props('data-testid="parameters"')
            self._show_parameters()
            with ui.expansion("More settings").classes("w-full"):
                for name in MORE_SETTINGS:
                    self._add_setting(name, help_of[name])

    def _add_setting(self, name: str, help_text: str) -> None:
        """Add the form element of one setting: a select, a checkbox or a number field."""
        value, label = getattr(self.playground.config, name), name.rstrip("_").replace("_", " ")
        props = f'dense outlined hint="{help_text.replace(chr(34), chr(39))}" data-setting="{name}"'
        element: Any
        if name in self.choices:
            shown = ALGORITHM_DEFAULT if value is None else value
            element = ui.select(
                self.choices[name], label=label, value=shown, on_change=lambda event: self.configure(name, event.value)
            ).props(props)
        elif isinstance(value, bool):
            element = ui.checkbox(label, value=value, on_change=lambda event: self.configure(name, event.value))
            element.props(f'data-setting="{name}"').tooltip(help_text)
        else:
            element = ui.number(label, value=value).props(props)  # no format, which would round the visitor's number
            element.on("change", lambda: self.configure(name, element.value))
        self.form[name] = element.classes("w-full")

    def _show_parameters(self) -> None:
        """Show the parameters of the current algorithm; those that come with Clew have none."""
        config = self.playground.config
        values = config.learning.algorithm_settings
        show_parameters(self.parameters, ALGORITHMS[config.algorithm], values, self.set_parameter)

    def _add_export(self) -> None:
        with ui.expansion("Export", icon="download", value=False).classes("clew-part").props('data-testid="export"'):
            ui.label("Python code that reproduces the learned table, bit for bit.").classes("clew-note")
            with ui.row():
                ui.button("Show code", on_click=self.show_code).props("no-caps outline")
                ui.button("Download all", on_click=self.download).props("no-caps outline").tooltip(
                    "code, command, mazes, pictures, and an HTML report"
                )
            self.code = ui.code("", language="python").classes("w-full").props('data-testid="code"')
            self.hash = ui.label("").classes("clew-hash").props('data-testid="hash"')
            self.code.set_visibility(False)

    # Event handlers ---------------------------------------------------------------------------------------------------

    async def do(self, task: Callable[[], Result]) -> Result | None:
        """Call a function in the playground's thread and refresh the page; show an error as a message.

        Returns:
            The function's result; None if it raised an error that was shown.
        """
        self.message.set_text("")  # of the request before
        try:
            result = await asyncio.wrap_future(self.playground.submit(task))
        except (ClewError, MemoryError) as error:
            self.message.set_text(str(error) or "There is not enough memory for that.")
            return None
        except Exception:  # a bug: log it, and say so
            logger.exception("a request on the page failed")
            self.message.set_text("That failed unexpectedly; the server has logged why.")
            return None
        self.refresh()
        return result

    async def start_or_pause(self) -> None:
        """Start learning, or pause it."""
        await self.do(self.playground.pause if self.playground.running else self.playground.start)

    def set_speed(self, event: "events.ValueChangeEventArguments[Any]") -> None:
        """Set the speed of learning to the chosen one of `SPEEDS`."""
        self.playground.submit(lambda: setattr(self.playground, "speed", SPEEDS[event.value]))

    def choose_layer(self, event: "events.ValueChangeEventArguments[Any]") -> None:
        """Show another layer of `LAYERS`, and say below the maze what it is."""
        self.canvas.set_layer(event.value)
        self.layer.set_text(LAYERS[event.value][1])

    def select_tool(self, tool: str) -> None:
        """Select a tool of `TOOLS`."""
        for name, button in self.buttons.items():
            button.props(f'aria-pressed="{str(name == tool).lower()}"')
            button.classes(add="clew-on" if name == tool else "", remove="" if name == tool else "clew-on")
        self.canvas.set_tool(tool)
        self.tool = tool

    async def paint(self, places: list[Any]) -> None:
        """Paint the places, [row, column] each, with the selected tool; only the last of them for the start."""
        if self.tool == "look":
            self.message.set_text("Select a tool to paint with.")
            return
        cells = [(int(row), int(column)) for row, column in (places[-1:] if self.tool == "start" else places)]
        reward = self.reward.value if self.tool in KINDS_WITH_REWARD else None
        await self.do(partial(self.playground.paint, cells, self.tool, reward))

    def hover(self, place: Any) -> None:
        """Show the action values of the cell at a place, [row, column]; a hint if None or outside the maze."""
        playground, self.hovered = self.playground, place
        if not place or not (0 <= place[0] < playground.maze.rows and 0 <= place[1] < playground.maze.columns):
            self.cell_values.set_text(HOVER_HINT)
            return
        row, column = place
        values = playground.trainer.policy.q[row * playground.maze.columns + column]
        names = playground.world.env.moves.actions
        text = ", ".join(f"{name} {value:.4g}" for name, value in zip(names, values, strict=True))
        self.cell_values.set_text(f"row {row}, column {column}: {text}")

    async def open_named(self) -> None:
        """Open the maze whose name was typed in, and show the settings that a world of the gallery brings."""
        await self.do(lambda: self.playground.configure(maze=self.maze.value))
        for name, element in self.form.items():
            value = getattr(self.playground.config, name)
            element.set_value(ALGORITHM_DEFAULT if value is None and name in self.choices else value)
        self._show_parameters()

    async def open_listed(self, event: "events.ValueChangeEventArguments[Any]") -> None:
        """Open the maze chosen from the list."""
        self.maze.set_value(event.value)
        await self.open_named()

    async def upload(self, event: events.UploadEventArguments) -> None:
        """Open the maze in an uploaded file."""
        data, name = await event.file.read(), Path(event.file.name).name

        def read() -> Maze:
            if size := picture_size(data):
                check_drawable(*size)  # before it is decoded
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / name
                path.write_bytes(data)
                try:
                    return Maze.load(path)
                except ClewError as error:
                    raise type(error)(str(error).replace(f"{folder}/", "")) from None

        await self.do(lambda: self.playground.open(read()))
        self.uploader.reset()

    def reject(self) -> None:
        """Say that a file is too large."""
        self.message.set_text(f"The file is larger than the limit of {MAX_UPLOADED:,} bytes.")

    async def configure(self, name: str, value: Any) -> None:
        """Set a setting to the value of its form element, converted to the setting's type, and restart learning."""
        if value in (ALGORITHM_DEFAULT, ""):
            value = None
        is_int = type(getattr(TrainingConfig, name)) is int or name in ("num_planning", "max_episode_steps")
        if is_int and value is not None and float(value).is_integer():
            if abs(value) > MAX_EXACT:
                self.message.set_text(f"{name} must be a whole number up to {MAX_EXACT:,} on the page, not {value:g}")
                return
            value = int(value)
        if value != getattr(self.playground.config, name):
            await self.do(lambda: self.playground.configure(**{name: value}))
            if name == "algorithm":
                self._show_parameters()

    async def set_parameter(self, name: str, value: Any) -> None:
        """Set a parameter of the algorithm, and restart learning."""
        before = self.playground.config.learning.algorithm_settings
        if value != before[name]:
            await self.do(lambda: self.playground.configure(algorithm_settings=before | {name: value}))

    async def show_code(self) -> None:
        """Finish the current episode, then show the code and the hash that it prints."""

        def export_code() -> tuple[str, str]:
            self.playground.finish_episode()
            command = export.command_line(self.playground)
            code = export.python_code(self.playground) + (f"\n# or: {command}\n" if command else "")
            return code, table_sha256(self.playground.trainer.policy.q)

        if exported := await self.do(export_code):
            self.code.set_content(exported[0])
            self.code.set_visibility(True)
            self.hash.set_text(f"table sha256: {exported[1]}")

    async def download(self) -> None:
        """Finish the current episode, then let the browser download everything as one ZIP file."""

        def export_all() -> bytes:
            self.playground.finish_episode()
            return export.zip_archive(self.playground)

        if data := await self.do(export_all):
            ui.download.content(data, "clew.zip")

    # Updates ----------------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Update figures, curves and the legend if the playground has changed since the last call."""
        playground = self.playground
        if playground.error != self.shown_error:  # once, so that it doesn't replace later messages
            self.shown_error = playground.error
            self.message.set_text(playground.error)
        if playground.scale != self.shown_scale:  # of the last frame, which is drawn after the version has changed
            self.shown_scale = playground.scale
            self._show_scale(playground.scale)
        if self.hovered or playground.version != self.shown_version:
            self.hover(self.hovered)
        if playground.version == self.shown_version:
            return
        self.shown_version = playground.version
        self.notice.set_text(playground.notice)
        self.start_button.set_text("Pause" if playground.running else "Start")
        self.start_button.props(f"icon={'pause' if playground.running else 'play_arrow'}")
        self.update.show(playground.last_step)
        self._show_figures()
        self.curves.show(playground.curve, playground.world.optimum.steps, playground.world.optimal_return)

    def _show_scale(self, scale: ValueScale | None) -> None:
        """Show in the legend which numbers have the palest and the deepest colour; hide it if no number is known."""
        self.key.set_visibility(scale is not None)
        if scale is not None:
            self.low.set_text(f"{'≤ ' if scale.is_log else ''}{scale.low:.2g}")
            self.low.set_visibility(scale.low < scale.high)  # a single number has the deepest colour
            self.high.set_text(f"{scale.high:.2g}{', log scale' if scale.is_log else ''}")

    def _show_figures(self) -> None:
        """Show the counts of learning, and the last grade of the greedy policy."""
        playground = self.playground
        figures = {
            "episodes": f"{playground.trainer.num_ended:,}",
            "steps": f"{playground.num_steps:,}",
            "mean steps": format_number(points[-1][1]) if (points := playground.curve.points) else "-",
            "optimal steps": format_number(playground.world.optimum.steps),
            **describe_grade(playground.grade),
        }
        show_figures(self.figures, figures)


def format_number(number: float) -> str:
    """Return a number as whole digits with thousands separators from 1000 on, else with four digits."""
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}"
