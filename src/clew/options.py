"""The options of the command line, made from the fields of `TrainingConfig`: a setting is named and explained once."""

import inspect
import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from clew.configuration import NEVER, TrainingConfig
from clew.errors import SettingError
from clew.learning import Learning
from clew.mazes import Maze
from clew.runs import open_begun

__all__ = ["LEARNING", "RUN", "WORLD", "BegunRun", "CheckpointEvery", "OutFolder", "begun_or_new", "with_settings"]

# Options are the fields of TrainingConfig; these have a shorter name than their field.
SHORT = {
    "num_episodes": "episodes",
    "num_simulations": "simulations",
    "num_actors": "actors",
    "max_episode_steps": "max-steps",
    "lambda_": "lambda",
}
LEARNING = tuple(each.name for each in fields(Learning))
RUN = tuple(each.name for each in fields(TrainingConfig) if each.name not in LEARNING)
WORLD = (
    "start",
    "goal",
    "scenario",
    "random_start",
    "random_goal",
    "goal_reward",
    "step_reward",
    "outer_wall_reward",
    "hazard_reward",
    "slip",
)


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


def parse_every(text: str) -> int | str:
    """Read a number of episodes, or seconds such as `30s`."""
    return int(text) if re.fullmatch(r"\s*\d{1,18}\s*", text) else text.strip()


OutFolder = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="keep the run in this new folder")]
BegunRun = Annotated[
    Path | None,
    typer.Option("--resume", metavar="RUN", help="go on with a run that was stopped; of the rest only --actors counts"),
]
CheckpointEvery = Annotated[
    Any,
    typer.Option(
        parser=parse_every,
        metavar="30s|500",
        help="how often what was learned is kept beside DIR, in seconds or in episodes",
    ),
]

# Options whose text Typer can't read by itself: how it is read, and how that is called.
PARSED: dict[str, tuple[Callable[[str], Any], str]] = {
    "start": (parse_place, "ROW,COLUMN"),
    "goal": (parse_place, "ROW,COLUMN"),
    "sync_every": (parse_sync, "EPISODES"),
}


def with_settings(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of these settings; it gets them as one dictionary, `settings`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def call(**values: Any) -> None:
            command(settings={name: values.pop(name) for name in names}, **values)

        own = [p for name, p in inspect.signature(command).parameters.items() if name != "settings"]
        known = {field.name: field for field in fields(TrainingConfig)}
        parameters = [_parameter(known[name]) for name in names]
        ordered = [*parameters[:1], *own, *parameters[1:]] if names[0] == "maze" else [*own, *parameters]
        call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in ordered]
        )
        call.__annotations__ = {p.name: p.annotation for p in ordered}
        call.__name__, call.__doc__ = command.__name__, command.__doc__
        return call

    return decorate


def _parameter(setting: Any) -> inspect.Parameter:
    meaning = setting.metadata["help"]
    if setting.name == "maze":
        annotation: Any = Annotated[str, typer.Argument(metavar="MAZE", help=meaning)]
    else:
        flag = "--" + SHORT.get(setting.name, setting.name).replace("_", "-")
        if setting.name in PARSED:
            parser, metavar = PARSED[setting.name]
            option = typer.Option(flag, help=meaning, parser=parser, metavar=metavar)
            annotation = Annotated[Any, option]
        else:
            annotation = Annotated[setting.type, typer.Option(flag, help=meaning)]
    return inspect.Parameter(
        setting.name, inspect.Parameter.KEYWORD_ONLY, default=setting.default, annotation=annotation
    )


def begun_or_new(
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
        if name not in ("resume", "num_actors", "checkpoint_every", "as_json"):
            raise SettingError(f"a run goes on as it was begun; leave out {flags[name]}")
    config, maze = open_begun(resume)
    return replace(config, num_actors=settings["num_actors"]) if "num_actors" in flags else config, resume, maze


def _given(context: typer.Context) -> dict[str, str]:
    """What stands on the command line: names of parameters, and their flags."""
    named = {str(each.name): each.opts[0] for each in context.command.params}
    sources = {name: context.get_parameter_source(name) for name in named}
    return {name: flag for name, flag in named.items() if getattr(sources[name], "name", "") == "COMMANDLINE"}
