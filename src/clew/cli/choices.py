"""Options of `clew sweep`: each setting of the learner takes several values, or a range to draw them from."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clew.cli.options import LEARNED, METAVARS, READ_BY_TYPE, split_name, value_of, with_parameters
from clew.errors import SettingError
from clew.learning.settings import Learning
from clew.runs.flags import flag

if TYPE_CHECKING:
    from clew.experiments.grids import Range

FLAGS = {"true": True, "false": False}


def values_of(text: str, read: Callable[[str], Any]) -> "list[Any] | Range":
    """Return "0.1,0.2,0.5" as a list of values, and "0.01..1" or "0.01..1:log" as a range.

    Args:
        text: of the option.
        read: reads one value.
    """
    if ".." not in text:
        return [read(each.strip()) for each in text.split(",")]
    from clew.experiments.grids import Range

    ends, _, scale = text.partition(":")
    low, _, high = ends.partition("..")
    try:
        if scale in ("", "log"):
            return Range(read(low), read(high), log=scale == "log")
    except SettingError:
        pass  # the message below says what is expected
    raise typer.BadParameter(
        f"must be LOW..HIGH with LOW below HIGH, or LOW..HIGH:log with LOW above 0 too, not {text!r}"
    )


def name_and_values(text: str) -> "tuple[str, list[Any] | Range]":
    """Return "NAME=0.1,0.5" or "NAME=0..1" as (name, values or range)."""
    name, values = split_name(text)
    return name, values_of(values, value_of)


def flag_of(text: str) -> bool:
    """Return "true" or "false" as bool."""
    if text.lower() not in FLAGS:
        raise typer.BadParameter(f"must be true, false or both, true,false, not {text!r}")
    return FLAGS[text.lower()]


def with_choices(command: Any) -> Any:
    """Give a command the settings of a learner as options, which it gets as lists of values or as ranges."""
    return with_parameters(command, map(_parameter, fields(Learning)))


def _parameter(setting: Any) -> inspect.Parameter:
    """Return the parameter of a command for a setting."""
    kind: Any = Any
    parser: Any
    if setting.name == "algorithm_settings":
        kind, parser, metavar = list[Any] | None, name_and_values, "NAME=VALUE"
    else:
        read, metavar = READ_BY_TYPE.get(setting.type, (str, METAVARS.get(setting.name, "NAME")))
        if setting.type is bool:
            read, metavar = flag_of, "true|false"
        parser = partial(values_of, read=read)
        parser.__name__ = setting.name  # which Typer asks for
    option = typer.Option(
        flag(setting.name),
        help=setting.metadata["help"],
        parser=parser,
        metavar=f"{metavar},...",
        rich_help_panel=LEARNED,
    )
    return inspect.Parameter(
        setting.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option]
    )
