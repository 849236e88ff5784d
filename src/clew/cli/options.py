"""Options of the command line, made from the fields of `TrainingConfig`, so that a setting is described once."""

import inspect
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clew.errors import SettingError
from clew.learning.settings import Learning
from clew.runs.configuration import WORLD_SETTINGS, TrainingConfig, usual_gamma
from clew.runs.flags import flag
from clew.settings import KINDS, check_type, choose_from, shown

if TYPE_CHECKING:
    from clew.mazes import Maze
    from clew.models.mdp import FiniteMDP

LEARNING = tuple(each.name for each in fields(Learning))
RUN = tuple(each.name for each in fields(TrainingConfig) if each.name not in LEARNING)

# Names in help texts. The tables that define them import the kernels; a test compares them.
MAZE_KINDS = "backtracker, wilson, prim, kruskal, eller, division, rooms, random"
MAZE_KEYS = "seed, braid, room, density"
PLANNER_NAMES = (
    "breadth-first, value-iteration, gauss-seidel, directional-sweeps, policy-iteration, modified-policy-iteration, "
    "prioritized-sweeping, relative-value-iteration, sparse-policy-iteration"
)
PLOT_ENDINGS = ".png, .svg, .pdf"
FIGURE_NAMES = "mean_steps, mean_return, terminated_rate"

# The groups in which `clew train --help` lists options.
WORLD, LEARNED, SHARED, OUTPUT = "World", "Learning", "Simulations and actors", "Output"
SHARED_BY = (
    "num_simulations",
    "num_actors",
    "sharing",
    "sync_every",
    "rounds_ahead",
    "partition_starts",
    "asynchronous",
)
GROUPS = {
    **dict.fromkeys(WORLD_SETTINGS, WORLD),
    **dict.fromkeys(("num_episodes", "seed", *LEARNING), LEARNED),
    **dict.fromkeys(SHARED_BY, SHARED),
}


# Reading the text of an option. A message of these functions is the rest of a sentence that begins with the option.


def whole_number(text: str) -> int:
    """Return a text as int."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"must be {KINDS[int]}, not {text!r}") from None


def number(text: str) -> float:
    """Return a text as float."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"must be {KINDS[float]}, not {text!r}") from None


def number_or_word(text: str) -> int | str:
    """Return a text as int if it is a whole number; else the text, such as "never" or "30s"."""
    return int(text) if re.fullmatch(r"\s*\d{1,18}\s*", text) else text.strip()


def name_and_value(text: str) -> tuple[str, bool | int | float | str]:
    """Return "NAME=VALUE" as (name, value)."""
    name, value = split_name(text)
    return name, value_of(value)


def split_name(text: str) -> tuple[str, str]:
    """Return "NAME=VALUE" as (name, text of the value)."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (name and equals and value):
        raise typer.BadParameter(f"must be NAME=VALUE, such as bonus=0.1, not {text!r}")
    return name, value


def value_of(text: str) -> bool | int | float | str:
    """Return a text as a flag, a whole number or a number if it looks like one."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def place(text: str) -> tuple[int, int]:
    """Return "ROW,COLUMN" as (row, column)."""
    match = re.fullmatch(r"\s*(\d{1,9})\s*,\s*(\d{1,9})\s*", text)
    if match is None:
        raise typer.BadParameter(f"must be row,column, such as 3,4, not {text!r}")
    return int(match[1]), int(match[2])


def kill_probability(text: str) -> float:
    """Return "kill=P" as the probability P."""
    match = re.fullmatch(r"\s*kill=(\d*\.?\d+)\s*", text)
    if match is None or float(match[1]) > 1.0:
        raise typer.BadParameter(f"must be kill=P with a probability, such as kill=0.1, not {text!r}")
    return float(match[1])


def round_range(text: str) -> tuple[int, int]:
    """Return "A:B" as (A, B), where A is less than B."""
    match = re.fullmatch(r"\s*(\d{1,9}):(\d{1,9})\s*", text)
    if match is None or int(match[1]) >= int(match[2]):
        raise typer.BadParameter(f"must be A:B, the rounds from A to before B, such as 10:16, not {text!r}")
    return int(match[1]), int(match[2])


# How the text of a setting is read, and what stands for it in the help, by the type of the setting.
READ_BY_TYPE: dict[Any, tuple[Callable[[str], Any], str]] = {
    int: (whole_number, "N"),
    int | None: (whole_number, "N"),
    float: (number, "X"),
    float | None: (number, "X"),
    tuple[int, int] | None: (place, "ROW,COLUMN"),
    int | str | None: (number_or_word, "N|never"),
}
METAVARS = {"scenario": "FILE.scen:ROW", "unknown_walls": "wall|open", "sharing": "central|local"}

# Arguments and options ------------------------------------------------------------------------------------------------

RunFolder = Annotated[Path, typer.Argument(parser=Path, metavar="RUN", help="run folder, made by clew train --out")]
RunFolders = Annotated[
    list[Path], typer.Argument(parser=Path, metavar="RUN", help="run folders, made by clew train --out")
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="print one JSON object, and nothing else, to standard output", rich_help_panel=OUTPUT),
]
OutFolder = Annotated[
    Path | None,
    typer.Option("--out", parser=Path, metavar="DIR", help="save the run to this new folder", rich_help_panel=OUTPUT),
]
Resumed = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        parser=Path,
        metavar="RUN",
        help="go on with a run that was stopped; of its settings only --actors may change",
        rich_help_panel=OUTPUT,
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        parser=Path,
        metavar="FILE",
        help="read settings from a JSON file, as clew sweep writes it, or a config.json; options replace them",
        rich_help_panel=OUTPUT,
    ),
]
OtherVersions = Annotated[
    bool,
    typer.Option(
        "--other-versions",
        help="resume although the run began with another version of Clew, NumPy or Numba; its table may differ",
        rich_help_panel=OUTPUT,
    ),
]
CheckpointEvery = Annotated[
    Any,
    typer.Option(
        parser=number_or_word,
        metavar="30s|500",
        help="seconds or episodes between two checkpoints, saved beside DIR",
        rich_help_panel=OUTPUT,
    ),
]
Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="MODULE|FILE.py",
        help="import a module that registers algorithms or exploration strategies; can be repeated",
        rich_help_panel=LEARNED,
    ),
]
Watched = Annotated[
    bool,
    typer.Option("--watch", help="draw the values on standard error while they are learned", rich_help_panel=OUTPUT),
]
Chaos = Annotated[
    Any,
    typer.Option(
        parser=kill_probability,
        metavar="kill=P",
        help="kill an actor with probability P whenever it is given work",
        rich_help_panel=SHARED,
    ),
]
GraphFolder = Annotated[
    Path | None, typer.Option("--out", parser=Path, metavar="DIR", help="folder to write to [default: the run folder]")
]
Rounds = Annotated[Any, typer.Option(parser=round_range, metavar="A:B", help="show rounds A to before B in detail")]
PictureFile = Annotated[
    Path,
    typer.Option(
        "--out", "-o", parser=Path, metavar="FILE", help="picture to write (.svg, .png or .txt), or film (.gif)"
    ),
]
Shown = Annotated[
    str,
    typer.Option("--show", metavar="values|visits", help="what the shades show: values, or visits of greedy episodes"),
]
OfEpisode = Annotated[bool, typer.Option("--episode", help="film one greedy episode instead of the learning")]
PlotFile = Annotated[
    Path,
    typer.Option(
        "--out", "-o", parser=Path, metavar="FILE", help=f"plot to write; the ending is one of {PLOT_ENDINGS}"
    ),
]
PlottedFigure = Annotated[str, typer.Option(metavar="NAME", help=f"figure to plot: {FIGURE_NAMES}")]
Tolerance = Annotated[
    Any,
    typer.Option(
        parser=number,
        metavar="X",
        help="distance from the optimum that counts as optimal, as a share of it [default: 0.25]",
    ),
]


def with_settings(*names: str, maze: str = "") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that gives a command the options of settings, which it gets as keyword arguments.

    Args:
        names: of the settings, fields of `TrainingConfig`.
        maze: help text of the argument MAZE, where a command doesn't take all that `TrainingConfig` does.
    """

    def add_options(command: Any) -> Any:
        known = {field.name: field for field in fields(TrainingConfig)}
        groups = GROUPS if "alpha" in names else dict.fromkeys(WORLD_SETTINGS, WORLD)
        return with_parameters(command, [_parameter(known[name], maze, groups.get(name)) for name in names])

    return add_options


def with_parameters(command: Any, parameters: Iterable[inspect.Parameter]) -> Any:
    """Give a command parameters before its own, which it gets as keyword arguments."""
    own = [each for each in inspect.signature(command).parameters.values() if each.kind is not each.VAR_KEYWORD]
    signature = inspect.Signature([*parameters, *own])
    command.__signature__ = signature  # which Typer reads
    command.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
    return command


def _parameter(setting: Any, maze: str, group: str | None) -> inspect.Parameter:
    """Return the parameter of a command for a setting."""
    meaning, default = setting.metadata["help"], setting.default
    annotation: Any
    if setting.name == "maze":
        annotation = Annotated[str, typer.Argument(metavar="MAZE", help=maze or meaning)]
    elif setting.name == "algorithm_settings":
        default = None  # the option can be repeated
        option = typer.Option(
            flag(setting.name), help=meaning, parser=name_and_value, metavar="NAME=VALUE", rich_help_panel=group
        )
        annotation = Annotated[list[Any] | None, option]
    else:
        if setting.name == "gamma":  # depends on the world, see `make_config`
            meaning, default = f"{meaning} [default: that of the card in clew worlds, or {default}]", None
        read, metavar = READ_BY_TYPE.get(setting.type, (None, METAVARS.get(setting.name, "NAME")))
        option = typer.Option(flag(setting.name), help=meaning, parser=read, metavar=metavar, rich_help_panel=group)
        annotation = Annotated[setting.type if read is None else Any, option]
    return inspect.Parameter(setting.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def make_config(settings: dict[str, Any]) -> TrainingConfig:
    """Return the configuration of settings from the command line; without --gamma it has the usual one of the world."""
    if "gamma" in settings and settings["gamma"] is None:
        settings["gamma"] = usual_gamma(settings["maze"])
    if "algorithm_settings" in settings:
        settings["algorithm_settings"] = as_mapping(settings["algorithm_settings"] or ())
    return TrainingConfig(**settings)


def as_mapping(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return the names and values of several options --set as a dictionary.

    Raises:
        SettingError: if a name is there twice.
    """
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise SettingError(f"must have each name once, and {name} is there twice", setting="algorithm_settings")
        values[name] = value
    return values


def load_plugins(given: list[str] | None) -> None:
    """Import the modules that --plugin names.

    Raises:
        SettingError: if one can't be imported.
    """
    from clew.policies.plugins import load_plugin

    for each in given or ():
        load_plugin(each)


def with_file(context: typer.Context, settings: dict[str, Any], path: Path | None) -> dict[str, Any]:
    """Return the settings of the command line, with those of a file where no option was given.

    Args:
        context: of the command, which knows the options that were given.
        settings: values of all options that are settings.
        path: JSON file with settings; None for no file.

    Raises:
        RunError: if the file can't be read, or doesn't hold an object.
        SettingError: if it has a name that isn't a setting, or a world or parameters of another type.
    """
    if path is None:
        return settings
    from clew.runs.storage import read_json

    read, given = read_json(path), given_options(context)
    for name in read:
        if name not in settings:
            raise SettingError(f"{path}: {shown(name)} is not a setting; {choose_from(name, settings)}")
    check_type("maze", read.get("maze", ""), str, "text")
    check_type("algorithm_settings", read.get("algorithm_settings", {}), dict, "a dictionary")
    if "algorithm_settings" in read:  # as the option that can be repeated has them
        read["algorithm_settings"] = list(read["algorithm_settings"].items())
    return settings | {name: value for name, value in read.items() if name not in given}


def resolve_run(
    context: typer.Context, settings: dict[str, Any], out: Path | None, resume: Path | None
) -> "tuple[TrainingConfig, Path | None, Maze | FiniteMDP | None]":
    """Return the configuration, the folder and the maze or model of the run to train: a new or a stopped one.

    Args:
        context: of the command, which knows the options that were given.
        settings: values of all options that are settings.
        out: folder of a new run; None if it isn't saved.
        resume: folder of a run that was stopped; None for a new run.

    Returns:
        The maze is None if it still has to be made or read, or if the world is neither a maze nor a model.

    Raises:
        ClewError: if a setting is wrong or can't be given here, or there is no such run.
    """
    given = given_options(context)
    if resume is None:
        if out is None and "checkpoint_every" in given:
            raise SettingError("checkpoints are saved beside the run folder; give --out DIR")
        if "other_versions" in given:
            raise SettingError("--other-versions is for --resume RUN")
        return make_config(settings), out, None
    for name in given:
        if name not in ("resume", "other_versions", "num_actors", "checkpoint_every", "watch", "as_json", "plugin"):
            raise SettingError(f"a run goes on as it was begun; leave out {given[name]}")
    from clew.runs.run import open_partial_run

    config, maze = open_partial_run(resume)
    return replace(config, num_actors=settings["num_actors"]) if "num_actors" in given else config, resume, maze


def given_options(context: typer.Context) -> dict[str, str]:
    """Return the parameters that stand on the command line, by name, with their flags."""
    named = {str(each.name): each.opts[0] for each in context.command.params}
    sources = {name: context.get_parameter_source(name) for name in named}
    return {name: option for name, option in named.items() if getattr(sources[name], "name", "") == "COMMANDLINE"}
