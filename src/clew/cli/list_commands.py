"""Commands that list and describe: algorithms, worlds, info, bench."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from clew.cli.options import AsJson, with_settings
from clew.cli.terminal import fits, print_figures, print_table
from clew.cli.waiting import working
from clew.environments import Environment
from clew.environments.gallery import GALLERY
from clew.errors import SettingError
from clew.learning.algorithms import ALGORITHMS
from clew.policies.behaviours import BEHAVIOURS
from clew.runs.configuration import TrainingConfig
from clew.runs.flags import flag
from clew.runs.storage import for_json
from clew.settings import check_choice

__all__ = ["TELLING"]

A_MAZE = (
    "'book' (the chapter's 5x5), a size (10x12), a recipe (wilson:10x12:seed=3), or a file (.txt, .map, .maze, .lay, "
    ".png)"
)


def algorithms(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="show this one alone")] = None,
    as_json: AsJson = False,
) -> None:
    """List the learning rules and behaviours, or show one."""
    if name is not None:
        check_choice("name", name, [*ALGORITHMS, *BEHAVIOURS])
    rows = {
        each: {
            "update": row.update,
            "source": row.source,
            "settings": row.settings,
            "behaviour": row.behaviour,
            "on_policy": row.on_policy,
        }
        for each, row in ALGORITHMS.items()
        if name in (None, each)
    }
    acting = {
        each: {"description": row.description, "setting": row.setting}
        for each, row in BEHAVIOURS.items()
        if name in (None, each)
    }
    if as_json:
        print(json.dumps({"algorithms": rows, "behaviours": acting}))
    elif name is None:
        print_table(
            "clew train --algorithm NAME", {each: f"{row['update']} ({row['source']})" for each, row in rows.items()}
        )
        print_table("clew train --behaviour NAME", {each: str(row["description"]) for each, row in acting.items()})
    else:
        kind = "algorithm" if rows else "behaviour"
        print_table(f"clew train --{kind} {name}", in_lines((rows or acting)[name]))


def in_lines(row: dict[str, Any]) -> dict[str, str]:
    """What there is to know of an algorithm or a behaviour, as people read it."""
    lines = {}
    for field, value in row.items():
        if isinstance(value, bool):
            value = "yes" if value else "no"
        if field in ("settings", "setting"):
            names = [value] if isinstance(value, str) else list(value or ())
            field, value = "settings", " ".join(flag(each) for each in names) or "none of its own"
        lines[field.replace("_", " ")] = str(value)
    return lines


def worlds(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="show the card of this one")] = None,
    as_json: AsJson = False,
) -> None:
    """List the worlds that come with Clew, or show one's card."""
    if name is None:
        summaries = {name: card.summary for name, card in GALLERY.items()}
        if as_json:
            print(json.dumps(summaries))
        else:
            print_table("clew train NAME, clew solve NAME", summaries)
        return
    check_choice("world", name, GALLERY)
    card = {field: value for field, value in GALLERY[name]._asdict().items() if field != "make"}
    if as_json:
        print(json.dumps(card))
    else:
        print_table(name, {field: f"{value:g}" if isinstance(value, float) else value for field, value in card.items()})
        if isinstance(world := GALLERY[name].make(), Environment):
            print("\n" + world.maze.to_text(), end="")


def bench(
    calibrate: Annotated[bool, typer.Option("--calibrate", help="measure what a round over Ray is made of")] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="keep the parameters as JSON")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure this machine or cluster, for docs/scaling.md.

    The cluster is the one at RAY_ADDRESS; without it a Ray is started on this machine.
    """
    if not calibrate:
        raise SettingError("must be given: there is nothing else to measure", setting="calibrate")
    from clew.distributed.calibration import calibrate as measure

    parameters = measure()
    if out is not None:
        parameters.write(out)
    figures = for_json(vars(parameters))
    if as_json:
        print(json.dumps(figures))
        return
    lasting = {name: figure[-1][1] if isinstance(figure, list | tuple) else figure for name, figure in figures.items()}
    print_figures("A round over Ray: seconds each, at the largest size measured", lasting)
    print(f"Kept in {out}." if out else "Nothing was kept; add --out FILE to keep all sizes.")


@with_settings("maze", "start", "goal", "scenario", "unknown_walls", "cell_size", maze=A_MAZE)
def info(settings: dict[str, Any], as_json: AsJson = False) -> None:
    """Describe a maze: its size, its places, its shortest way."""
    with working("reading"):
        maze = TrainingConfig(**settings).make_maze()
        shortest = int(maze.distances()[maze.start]) if maze.start and maze.goals else None
    goals, start = maze.goals, maze.start
    regions = maze.regions()
    figures = {
        "rows": maze.rows,
        "columns": maze.columns,
        "free_cells": int((~maze.blocked).sum()),
        "num_states": int(maze.cells.size),
        "regions": int(regions.max()) + 1,
        "hazards": int(maze.hazards.sum()),
        "start": start,
        "goals": goals[:10],
        "num_goals": len(goals),
        "shortest": shortest,
    }
    if as_json:
        print(json.dumps(figures))
        return
    print_figures(settings["maze"], figures)
    drawing = maze.to_text()
    if fits(drawing):
        print(drawing, end="")


TELLING = (algorithms, worlds, info, bench)
