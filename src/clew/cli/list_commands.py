"""Commands that list and describe: algorithms, worlds, runs, info."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clew.cli.options import AsJson, Plugins, load_plugins, make_config, with_settings
from clew.errors import MazeError, NoPathError, SettingError
from clew.policies.plugins import load_installed
from clew.runs.flags import flag
from clew.settings import check_choice

if TYPE_CHECKING:
    from clew.experiments.listing import ListedExperiment
    from clew.learning.declarations import Parameter

MAZE = (
    "'book' (the chapter's 5x5), a size (10x12), a recipe (wilson:10x12:seed=3), or a file (.txt, .map, .maze, .lay, "
    ".png, .pgm)"
)


NOT_LISTED = ("maze", "algorithm", "num_episodes", "num_actors", "algorithm_settings")  # among changed settings
NUM_NAMED = 2  # learners and worlds of an experiment that are listed by name
MAX_NAMED = 20  # characters of their names


def algorithms(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="show only this one")] = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """List the algorithms and exploration strategies, or show one."""
    from clew.cli.terminal import print_json, print_table
    from clew.learning.algorithms import ALGORITHMS
    from clew.policies.behaviours import BEHAVIOURS

    load_plugins(plugin)
    if name is not None:
        if ":" in name and name not in {*ALGORITHMS, *BEHAVIOURS}:
            load_installed(name)
        check_choice("name", name, [*ALGORITHMS, *BEHAVIOURS])
    rows = {
        each: {
            "update": row.update,
            "source": row.source,
            "settings": row.settings,
            "behaviour": row.behaviour,
            "on_policy": row.on_policy,
            "memory": row.memory,
            "parameters": [describe_parameter(each) for each in row.parameters],
        }
        for each, row in ALGORITHMS.items()
        if name in (None, each)
    }
    strategies = {
        each: {"description": row.description, "setting": row.setting}
        for each, row in BEHAVIOURS.items()
        if name in (None, each)
    }
    if as_json:
        print_json({"algorithms": rows, "behaviours": strategies})
    elif name is None:
        print_table(
            "clew train --algorithm NAME", {each: f"{row['update']} ({row['source']})" for each, row in rows.items()}
        )
        print_table("clew train --behaviour NAME", {each: str(row["description"]) for each, row in strategies.items()})
    else:
        kind = "algorithm" if rows else "behaviour"
        print_table(f"clew train --{kind} {name}", format_row((rows or strategies)[name]))


def describe_parameter(parameter: "Parameter") -> dict[str, Any]:
    """Return a parameter of an algorithm as a dictionary that JSON can hold."""
    return {**vars(parameter), "type": parameter.type.__name__, "bounds": str(parameter.bounds)}


def format_row(row: dict[str, Any]) -> dict[str, str]:
    """Return the fields of an algorithm or an exploration strategy as text, with settings as options."""
    lines = {}
    for field, value in row.items():
        if isinstance(value, bool):
            value = "yes" if value else "no"
        if field == "parameters":
            value = "; ".join(f"--set {each['name']}={each['default']}: {each['help']}" for each in value) or "none"
        if field in ("settings", "setting"):
            names = [value] if isinstance(value, str) else list(value or ())
            field, value = "settings", " ".join(flag(each) for each in names) or "none"
        lines[field.replace("_", " ")] = str(value)
    return lines


def worlds(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="show the card of this one")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", parser=Path, metavar="FILE", help="save its maze, to learn it with other settings"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the worlds that come with Clew, or show the card of one."""
    from clew.cli.terminal import print_json, print_table
    from clew.environments import Environment
    from clew.environments.gallery import GALLERY

    if name is None:
        if out is not None:
            raise SettingError("has no effect without the name of a world", setting="out")
        summaries = {name: card.summary for name, card in GALLERY.items()}
        if as_json:
            print_json(summaries)
        else:
            print_table("clew train NAME, clew solve NAME", summaries)
        return
    check_choice("world", name, GALLERY)
    world = GALLERY[name].make()
    if out is not None:
        if not isinstance(world, Environment):
            raise MazeError(f"{name} is not a maze, so it can't be saved")
        world.maze.save(out)
        print(f"Saved to {out}. Look at it: clew info {out}")
        return
    card = {field: value for field, value in GALLERY[name]._asdict().items() if field != "make"}
    if as_json:
        print_json(card)
    else:
        print_table(name, {field: f"{value:g}" if isinstance(value, float) else value for field, value in card.items()})
        if isinstance(world, Environment):
            print("\n" + world.maze.to_text(), end="")


def runs(
    folder: Annotated[
        Path, typer.Argument(parser=Path, metavar="FOLDER", help="folder with run folders and experiments' folders")
    ] = Path(),
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """List run folders and experiments, and how far they are."""
    from clew.cli.terminal import BOLD, print_json, styled
    from clew.cli.waiting import working
    from clew.errors import RunError
    from clew.experiments.listing import list_experiments

    load_plugins(plugin)
    try:
        if not folder.is_dir():
            raise RunError(f"{folder}: there is no such folder")
        with working("reading"):
            places = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
            experiments = [each for place in places for each in list_experiments(place)]
            rows = [*rows_of_runs(folder), *map(row_of_experiment, experiments)]
    except OSError as error:
        raise RunError(f"{folder}: can't be read: {error.strerror}") from None
    if as_json:
        print_json(rows)
        return
    if not rows:
        print(f"{folder}: there are no runs; clew train --out {folder / 'first'} saves one")
        return
    head = {name: name for name in rows[0]}
    widths = {name: max(len(str(row[name])) for row in [head, *rows]) for name in head}
    for i, row in enumerate([head, *rows]):
        line = "  ".join(f"{row[name]!s:<{widths[name]}}" for name in head).rstrip()
        print(styled(line, BOLD) if i == 0 else line)


def rows_of_runs(folder: Path) -> list[dict[str, str]]:
    """Return a row for each run folder in a folder, the newest first."""
    from clew.cli.terminal import drop_missing, format_figure
    from clew.web.listing import PARTIAL, changed_settings, list_runs

    rows = []
    for run in list_runs(folder)[0]:
        row = {"folder": run.name, "kind": "run", "settings": "", "episodes": "", "state": "finished", "grade": ""}
        if run.problem:
            row["state"] = "partial" if run.folder.suffix == PARTIAL else run.problem
        else:
            shown = {name: value for name, value, _ in changed_settings(run.config) if name not in NOT_LISTED}
            words = [run.config.algorithm, *(f"{name}={value}" for name, value in shown.items())]
            names = ("mean_steps", "optimal_steps", "mean_return", "optimal_return")
            figures = drop_missing({name: run.figure(name) for name in names})
            grade = ", ".join(f"{name.replace('_', ' ')} {format_figure(figure)}" for name, figure in figures.items())
            row |= {"settings": f"{run.config.maze}: {', '.join(words)}", "grade": grade}
            row["episodes"] = format_figure(int(run.figure("stopped_after") or run.config.num_episodes))
        rows.append(row)
    return rows


def row_of_experiment(experiment: "ListedExperiment") -> dict[str, str]:
    """Return the row of an experiment."""
    worlds, learners = _named(experiment.worlds, "world"), _named(experiment.learners, "learner")
    sizes = f"{worlds}: {learners}; {experiment.num_seeds:,} seeds"
    done = f"{experiment.num_done:,} of {experiment.num_runs:,} runs"
    steps = f"{experiment.num_steps or 0:,} steps"
    return {
        "folder": experiment.folder.name or ".",
        "kind": "experiment",
        "settings": sizes,
        "episodes": steps if experiment.num_episodes is None else f"{experiment.num_episodes:,}",
        "state": "finished" if experiment.is_finished else done,
        "grade": "",
    }


def _named(names: list[str], what: str) -> str:
    """Return the names of learners or worlds, or their number if they are many or long."""
    text = ", ".join(names)
    if len(names) <= NUM_NAMED and len(text) <= MAX_NAMED:
        return text
    return f"{len(names):,} {what}{'s' * (len(names) > 1)}"


@with_settings("maze", "start", "goal", "scenario", "unknown_walls", "cell_size", maze=MAZE)
def info(*, as_json: AsJson = False, **settings: Any) -> None:
    """Describe a maze: its size, start, goals and shortest path."""
    from clew.cli.terminal import fits, print_figures, print_json
    from clew.cli.waiting import working
    from clew.mazes import Maze
    from clew.mazes.formats import cell_letters, draw_text

    with working("reading"):
        try:
            maze = make_config(settings).make_maze()
            start, drawing = maze.start, maze.to_text()
        except NoPathError as error:
            maze, start = Maze(error.cells), error.start
            drawing = draw_text(maze.cells, cell_letters(maze.cells, start))
        distance = int(maze.distances()[start]) if start and maze.goals else None
    goals, has_path = maze.goals, distance != -1
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
        **({"exits": [(*place, reward) for place, reward in list(maze.exits.items())[:10]]} if maze.exits else {}),
        "shortest": distance if has_path else None,
        "has_path": has_path if start and goals else None,
    }
    if as_json:
        print_json(figures)
        return
    print_figures(settings["maze"], figures)
    if not has_path:
        print(f"There is no path from the start {start} to a goal.")
    if fits(drawing):
        print(drawing, end="")
