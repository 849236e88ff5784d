"""The options of the command line, made from the fields of `TrainingConfig`: a setting is named and explained once."""

import inspect
import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from clew.distributed.settings import NEVER
from clew.errors import SettingError
from clew.figures.curves import ENDINGS, FIGURES, TOLERANCE
from clew.learning.settings import Learning
from clew.mazes import Maze
from clew.runs.configuration import MAZE_SETTINGS, TrainingConfig, usual_gamma
from clew.runs.flags import flag
from clew.runs.run import open_begun

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
    "in_flags",
    "in_words",
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


def parse_place(text: str) -> tuple[int, int]:
    """Read `row,column`."""
    match = re.fullmatch(r"\s*(\d{1,9})\s*,\s*(\d{1,9})\s*", text)
    if match is None:
        raise typer.BadParameter(f"expected row,column, such as 3,4, not {text!r}")
    return int(match[1]), int(match[2])


def parse_sync(text: str) -> int | str:
    """Read a number of episodes, or `never`."""
    if text.strip() == NEVER:
        return NEVER
    if not re.fullmatch(r"\s*\d{1,18}\s*", text):
        raise typer.BadParameter(f"expected a number of episodes, or {NEVER}, not {text!r}")
    return int(text)


def parse_chaos(text: str) -> float:
    """Read `kill=P`, where P is a probability."""
    match = re.fullmatch(r"\s*kill=(\d*\.?\d+)\s*", text)
    if match is None or float(match[1]) > 1.0:
        raise typer.BadParameter(f"expected kill=P with a probability, such as kill=0.1, not {text!r}")
    return float(match[1])


def parse_rounds(text: str) -> tuple[int, int]:
    """Read `A:B`."""
    match = re.fullmatch(r"\s*(\d{1,9}):(\d{1,9})\s*", text)
    if match is None or int(match[1]) >= int(match[2]):
        raise typer.BadParameter(f"expected A:B, the rounds from A to before B, such as 10:16, not {text!r}")
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
    float | None,
    typer.Option(help=f"how far from the optimum is near, as a share of it [default: {TOLERANCE}]"),
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

# Options whose text Typer can't read by itself: how it is read, and how that is called.
PARSED: dict[str, tuple[Callable[[str], Any], str]] = {
    "start": (parse_place, "ROW,COLUMN"),
    "goal": (parse_place, "ROW,COLUMN"),
    "sync_every": (parse_sync, "EPISODES"),
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


def in_flags(message: str, *, is_of_setting: bool = True) -> str:
    """An error as a user of the command line reads it: a setting is called by its option.

    A name of one word, such as `alpha` or `start`, may be a word of the sentence: it is the setting if it comes first.
    What stands in quotes or in a path is what somebody typed, and is left alone.

    Args:
        message: of the error.
        is_of_setting: it's about one; else it may begin with a word that is only called so, such as a recipe's seed.
    """
    names = ["num_blocks", *(each.name for each in fields(TrainingConfig) if each.name != "maze")]
    longest_first = "|".join(sorted((name for name in names if "_" in name), key=len, reverse=True))
    first = "|".join([*names, "tolerance", "horizon", "optimum"])  # those are of `clew solve` and `clew plot`
    anywhere = rf"(?<![\w'/.-])(?:{longest_first})(?![\w'/.])"
    pattern = rf"^(?:{first})(?= (?:must|has)\b|,)|{anywhere}" if is_of_setting else anywhere
    message = re.sub(r"^(the maze has no (start|goal): give) it one, \(row, column\)", r"\1 --\2 ROW,COLUMN", message)
    message = re.sub("^there is no show ", "there is no --show ", message)
    return re.sub(pattern, lambda match: flag(match[0]), message)


def in_words(message: str) -> str:
    """An error of Typer's in words of ours: what an option must be."""
    said = r"^Invalid value for '(--[\w-]+)': Input should be a valid (integer|number), .*"
    kinds = {"integer": "a whole number", "number": "a number"}
    return re.sub(said, lambda match: f"{match[1]} must be {kinds[match[2]]}", message)


def _parameter(setting: Any, maze: str | None, panel: str | None) -> inspect.Parameter:
    meaning = setting.metadata["help"]
    if setting.name == "maze":
        meaning = maze or meaning
        annotation: Any = Annotated[str, typer.Argument(metavar="MAZE", help=meaning)]
    else:
        if setting.name in PARSED:
            parser, metavar = PARSED[setting.name]
            option = typer.Option(
                flag(setting.name), help=meaning, parser=parser, metavar=metavar, rich_help_panel=panel
            )
            annotation = Annotated[Any, option]
        else:
            option = typer.Option(flag(setting.name), help=meaning, rich_help_panel=panel)
            annotation = Annotated[setting.type, option]
    if setting.name in BY_WORLD:
        help_of_it = f"{meaning} [default: {BY_WORLD[setting.name]}]"
        option = typer.Option(flag(setting.name), help=help_of_it, rich_help_panel=panel)
        annotation = Annotated[setting.type | None, option]
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
