"""The options of the command line, made from the fields of `TrainingConfig`: a setting is named and explained once."""

import inspect
import re
from collections.abc import Callable, Container
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from clew.distributed.settings import NEVER
from clew.errors import ClewError, SettingError
from clew.figures.curves import ENDINGS, FIGURES, TOLERANCE
from clew.learning.settings import Learning
from clew.mazes import Maze
from clew.runs.configuration import MAZE_SETTINGS, TrainingConfig, usual_gamma
from clew.runs.flags import as_flags, flag
from clew.runs.run import open_begun
from clew.settings import KINDS

__all__ = [
    "LEARNING",
    "RUN",
    "AsJson",
    "BegunRun",
    "Chaos",
    "CheckpointEvery",
    "GraphFolder",
    "NearOptimum",
    "OfEpisode",
    "OutFolder",
    "PictureFile",
    "PlotFile",
    "PlottedFigure",
    "RunFolder",
    "Shown",
    "SomeRounds",
    "SomeRuns",
    "Watched",
    "describe_error",
    "describe_usage",
    "resolve_run",
    "with_settings",
]

LEARNING = tuple(each.name for each in fields(Learning))
RUN = tuple(each.name for each in fields(TrainingConfig) if each.name not in LEARNING)
# Where the help of `clew train` has them.
WORLD, LEARNED, SHARED, KEPT = "World", "Learning", "Simulations and actors", "Output"
SHARED_BY = ("num_simulations", "num_actors", "sharing", "sync_every", "rounds_ahead", "partition_starts")
PANELS = {
    **dict.fromkeys((*MAZE_SETTINGS, "max_episode_steps"), WORLD),
    **dict.fromkeys(("num_episodes", "seed", *LEARNING), LEARNED),
    **dict.fromkeys((*SHARED_BY, "asynchronous"), SHARED),
}


def parse_whole(text: str) -> int:
    """Read a whole number."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"must be {KINDS[int]}, not {text!r}") from None


def parse_number(text: str) -> float:
    """Read a number."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"must be {KINDS[float]}, not {text!r}") from None


def parse_place(text: str) -> tuple[int, int]:
    """Read `row,column`."""
    match = re.fullmatch(r"\s*(\d{1,9})\s*,\s*(\d{1,9})\s*", text)
    if match is None:
        raise typer.BadParameter(f"must be row,column, such as 3,4, not {text!r}")
    return int(match[1]), int(match[2])


def parse_sync(text: str) -> int | str:
    """Read a number of episodes, or `never`."""
    if text.strip() == NEVER:
        return NEVER
    if not re.fullmatch(r"\s*\d{1,18}\s*", text):
        raise typer.BadParameter(f"must be a number of episodes, or {NEVER}, not {text!r}")
    return int(text)


def parse_chaos(text: str) -> float:
    """Read `kill=P`, where P is a probability."""
    match = re.fullmatch(r"\s*kill=(\d*\.?\d+)\s*", text)
    if match is None or float(match[1]) > 1.0:
        raise typer.BadParameter(f"must be kill=P with a probability, such as kill=0.1, not {text!r}")
    return float(match[1])


def parse_rounds(text: str) -> tuple[int, int]:
    """Read `A:B`."""
    match = re.fullmatch(r"\s*(\d{1,9}):(\d{1,9})\s*", text)
    if match is None or int(match[1]) >= int(match[2]):
        raise typer.BadParameter(f"must be A:B, the rounds from A to before B, such as 10:16, not {text!r}")
    return int(match[1]), int(match[2])


AsJson = Annotated[
    bool,
    typer.Option("--json", help="print one JSON object, and nothing else, on standard output", rich_help_panel=KEPT),
]
Watched = Annotated[
    bool,
    typer.Option("--watch", help="draw what is learned while it is learned, on standard error", rich_help_panel=KEPT),
]
Chaos = Annotated[
    Any,
    typer.Option(
        help="kill an actor with this probability whenever it is given work",
        parser=parse_chaos,
        metavar="kill=P",
        rich_help_panel=SHARED,
    ),
]
GraphFolder = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="write into this folder [default: that of the run]")
]
PictureFile = Annotated[
    Path, typer.Option("--out", "-o", metavar="FILE", help="what to write: a .svg, .png or .txt, or a film, .gif")
]
Shown = Annotated[
    str,
    typer.Option("--show", metavar="values|visits", help="what shades say: values, or visits of greedy episodes"),
]
OfEpisode = Annotated[bool, typer.Option("--episode", help="film one greedy episode, in place of the learning")]
SomeRounds = Annotated[
    Any, typer.Option(help="show rounds A to before B in detail", parser=parse_rounds, metavar="A:B")
]
SomeRuns = Annotated[list[Path], typer.Argument(metavar="RUN", help="run folders, made by clew train --out")]
PlotFile = Annotated[
    Path, typer.Option("--out", "-o", metavar="FILE", help=f"write this file: {', '.join(ENDINGS)}, by its ending")
]
PlottedFigure = Annotated[str, typer.Option(metavar="NAME", help=f"what to plot: {', '.join(FIGURES)}")]
NearOptimum = Annotated[
    Any,
    typer.Option(
        parser=parse_number,
        metavar="X",
        help=f"how far from the optimum is near, as a share of it [default: {TOLERANCE}]",
    ),
]


def parse_every(text: str) -> int | str:
    """Read a number of episodes, or seconds such as `30s`."""
    return int(text) if re.fullmatch(r"\s*\d{1,18}\s*", text) else text.strip()


RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder, made by clew train --out")]
OutFolder = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="keep the run in this new folder", rich_help_panel=KEPT),
]
BegunRun = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        metavar="RUN",
        help="go on with a run that was stopped; of the rest only --actors counts",
        rich_help_panel=KEPT,
    ),
]
CheckpointEvery = Annotated[
    Any,
    typer.Option(
        parser=parse_every,
        metavar="30s|500",
        help="how often what was learned is kept beside DIR, in seconds or in episodes",
        rich_help_panel=KEPT,
    ),
]

# How the text of an option is read, and what stands for it in the help, by the type of the setting.
PARSED: dict[Any, tuple[Callable[[str], Any], str]] = {
    int: (parse_whole, "N"),
    int | None: (parse_whole, "N"),
    float: (parse_number, "X"),
    float | None: (parse_number, "X"),
    tuple[int, int] | None: (parse_place, "ROW,COLUMN"),
    int | str | None: (parse_sync, "EPISODES"),
}
# Settings whose default depends on the world.
BY_WORLD = {"gamma": f"that of the card in clew worlds, or {Learning.gamma}"}


def with_settings(*names: str, maze: str | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of these settings; it gets them as one dictionary, `settings`.

    Without --gamma that is the one which is usual in the world, so that what comes is as its card says it.

    Args:
        names: of the settings.
        maze: what may be given as one, for the help; None if all that `TrainingConfig` takes may be.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def call(**values: Any) -> None:
            settings = {name: values.pop(name) for name in names}
            if "gamma" in names and settings["gamma"] is None:
                settings["gamma"] = usual_gamma(settings["maze"])
            command(settings=settings, **values)

        own = [p for name, p in inspect.signature(command).parameters.items() if name != "settings"]
        known = {field.name: field for field in fields(TrainingConfig)}
        panels = PANELS if "algorithm" in names else {name: PANELS[name] for name in MAZE_SETTINGS}
        parameters = [_parameter(known[name], maze, panels.get(name)) for name in names]
        ordered = [*parameters, *own]
        call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in ordered]
        )
        call.__annotations__ = {p.name: p.annotation for p in ordered}
        call.__name__, call.__doc__ = command.__name__, command.__doc__
        return call

    return decorate


def describe_error(error: ClewError, options: Container[str]) -> str:
    """Return the message of an error, with settings called by their options.

    Args:
        error: what was raised.
        options: of the command; other settings keep their names.
    """
    if not isinstance(error, SettingError):
        return str(error)

    def name_setting(name: str) -> str:
        return flag(name) if flag(name) in options else name

    def assign(name: str, value: Any) -> str:
        return as_flags({name: value}) if flag(name) in options else f"{name}={value!r}"

    return error.describe(name_setting, assign)


def describe_usage(error: TyperException) -> str:
    """Return the message of a mistyped command line; a parser of an option gives the rest of a sentence."""
    if type(error) is typer.BadParameter and error.param is not None:
        return f"{error.param.opts[0]} {error.message}"
    return error.format_message()


def _parameter(setting: Any, maze: str | None, panel: str | None) -> inspect.Parameter:
    meaning = setting.metadata["help"]
    if setting.name == "maze":
        meaning = maze or meaning
        annotation: Any = Annotated[str, typer.Argument(metavar="MAZE", help=meaning)]
    else:
        if setting.name in BY_WORLD:
            meaning = f"{meaning} [default: {BY_WORLD[setting.name]}]"
        parser, metavar = PARSED.get(setting.type, (None, None))
        option = typer.Option(flag(setting.name), help=meaning, parser=parser, metavar=metavar, rich_help_panel=panel)
        annotation = Annotated[setting.type if parser is None else Any, option]
    default = None if setting.name in BY_WORLD else setting.default
    return inspect.Parameter(setting.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def resolve_run(
    context: typer.Context, settings: dict[str, Any], out: Path | None, resume: Path | None
) -> tuple[TrainingConfig, Path | None, Maze | None]:
    """What is to be trained, and where it's kept: a run that was begun, with its maze, or a new one.

    Raises:
        ClewError: if a setting is wrong, or may not stand there, or there is no such run.
    """
    flags = _given(context)
    if resume is None:
        if out is None and "checkpoint_every" in flags:
            raise SettingError("checkpoints are kept beside the folder of the run; give --out DIR")
        return TrainingConfig(**settings), out, None
    for name in flags:
        if name not in ("resume", "num_actors", "checkpoint_every", "watch", "as_json"):
            raise SettingError(f"a run goes on as it was begun; leave out {flags[name]}")
    config, maze = open_begun(resume)
    return replace(config, num_actors=settings["num_actors"]) if "num_actors" in flags else config, resume, maze


def _given(context: typer.Context) -> dict[str, str]:
    """What stands on the command line: names of parameters, and their flags."""
    named = {str(each.name): each.opts[0] for each in context.command.params}
    sources = {name: context.get_parameter_source(name) for name in named}
    return {name: flag for name, flag in named.items() if getattr(sources[name], "name", "") == "COMMANDLINE"}
