"""Export what was learned on the page: Python code and a command that reproduce it, files, and an HTML report."""

import html
import io
import shlex
import zipfile
from dataclasses import fields
from typing import Any

from clew.figures.drawing import draw
from clew.learning.settings import Learning, default_of
from clew.mazes import Maze
from clew.policies.plugins import plugins_of
from clew.rendering.pillow import encode_png
from clew.runs.configuration import MAZE_SETTINGS, TrainingConfig
from clew.runs.flags import as_flags
from clew.web.playground import Playground, describe_grade

MAX_CELLS_IN_CODE = 2500  # a larger maze is a file beside the code
SET_BY_MAZE = ("start", "goal", "scenario", "unknown_walls", "cell_size")  # the exported maze has these applied


def non_default_settings(config: TrainingConfig, names: tuple[str, ...]) -> dict[str, Any]:
    """Return those of the named settings whose value differs from the default."""
    defaults = {each.name: default_of(each) for each in fields(TrainingConfig)}
    return {name: getattr(config, name) for name in names if getattr(config, name) != defaults[name]}


def world_settings(config: TrainingConfig) -> dict[str, Any]:
    """Return the settings of the world, besides its maze, that differ from the defaults."""
    names = (*MAZE_SETTINGS, "max_episode_steps")
    return non_default_settings(config, tuple(name for name in names if name not in SET_BY_MAZE))


def learner_settings(config: TrainingConfig) -> dict[str, Any]:
    """Return the settings of the learner that differ from the defaults; num_episodes only if a schedule uses it."""
    scheduled = {config.alpha_schedule, config.exploration_schedule} & {"linear", "exponential"}
    names = ("num_episodes",) if scheduled else ()
    return non_default_settings(config, ("seed", *names, *(each.name for each in fields(Learning))))


def format_arguments(settings: dict[str, Any]) -> str:
    """Return settings as keyword arguments in Python code, each after a comma."""
    return "".join(f", {name}={value!r}" for name, value in settings.items())


def format_maze(maze: Maze, number: int) -> str:
    """Return a Python expression for a maze: its text, or loading file `maze-{number}.txt` if it is large."""
    if maze.cells.size > MAX_CELLS_IN_CODE:
        return f'clew.Maze.load("maze-{number}.txt")'
    return f'clew.Maze.from_text("""\\\n{maze.to_text()}""")'


def python_code(playground: Playground) -> str:
    """Return Python code that learns the playground's table, bit for bit, and prints its SHA-256.

    Args:
        playground: must be between two episodes.
    """
    config, lines = playground.config, ["import clew", "from clew.runs.storage import table_sha256"]
    plugins = plugins_of(config.algorithm, config.learning.behaviour_name)
    if plugins:
        lines.append("from clew.policies.plugins import load_plugin")
    lines += ["", *(f"load_plugin({each.path or each.module!r})" for each in plugins)]
    world, learner = format_arguments(world_settings(config)), format_arguments(learner_settings(config))
    versions = playground.maze_versions
    ends = [version.episodes_before for version in versions[1:]] + [playground.trainer.num_ended]
    for i, (version, end) in enumerate(zip(versions, ends, strict=True)):
        lines.append(f"maze = {format_maze(version.maze, i)}")
        env = f"clew.Environment(maze{world})"
        lines.append(f"trainer.change_world({env})" if i else f"trainer = clew.Trainer({env}{learner})")
        if end > version.episodes_before:
            lines.append(f"trainer.learn({end - version.episodes_before})")
    lines.append("print(table_sha256(trainer.policy.q))")
    return "\n".join(lines) + "\n"


def command_line(playground: Playground) -> str | None:
    """Return the `clew train` command that learns the playground's table, bit for bit, from `maze-0.txt`.

    Args:
        playground: must be between two episodes.

    Returns:
        The command; None if there is none: the maze was edited after learning began, no episode was learned, or a
        schedule expects another number of episodes.
    """
    num_episodes, config = playground.trainer.num_ended, playground.config
    learner = learner_settings(config)
    is_scheduled_otherwise = learner.get("num_episodes", num_episodes) != num_episodes
    if len(playground.maze_versions) > 1 or num_episodes == 0 or is_scheduled_otherwise:
        return None
    settings = {**world_settings(config), **learner, "num_episodes": num_episodes, "num_simulations": 1}
    plugins = plugins_of(config.algorithm, config.learning.behaviour_name)
    imports = "".join(f"--plugin {shlex.quote(each.path or each.module)} " for each in plugins)
    return f"clew train maze-0.txt {imports}{as_flags(settings)}"


def zip_archive(playground: Playground) -> bytes:
    """Return a ZIP file with the code, the command if there is one, all mazes, pictures and the HTML report.

    Args:
        playground: must be between two episodes.
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("learn.py", python_code(playground))
        if command := command_line(playground):
            archive.writestr("command.txt", command + "\n")
        for i, version in enumerate(playground.maze_versions):
            archive.writestr(f"maze-{i}.txt", version.maze.to_text())
        picture = draw(playground.world.env, playground.trainer.policy)
        archive.writestr("maze.svg", picture.svg())
        archive.writestr("maze.png", encode_png(picture.pixels()))
        archive.writestr("run.html", html_report(playground))
    return file.getvalue()


REPORT = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#22303a;
background:#fff}}svg{{max-width:100%;height:auto}}th{{text-align:left;font-weight:400;padding-right:2rem}}
pre{{background:#f4f1ea;padding:1rem;overflow:auto}}</style></head>
<body><h1>{title}</h1>{picture}<table>{rows}</table><h2>Reproduce it</h2><pre>{code}</pre></body></html>
"""


def html_report(playground: Playground) -> str:
    """Return one HTML page, without links to other files, with the picture, the figures and the code.

    Args:
        playground: must be between two episodes.
    """
    trainer, grade, config = playground.trainer, playground.grade, playground.config
    figures = {
        "episodes": f"{trainer.num_ended:,}",
        "steps": f"{playground.num_steps:,}",
        "optimal steps": f"{playground.world.optimum.steps:.4g}",
        **describe_grade(grade),
    }
    if grade is not None:
        figures["suboptimality bound"] = f"{grade.suboptimality_bound:.2g}"
    rows = "".join(f"<tr><th>{name}</th><td>{figure}</td></tr>" for name, figure in figures.items())
    title = f"{config.algorithm} in a maze of {playground.maze.rows} x {playground.maze.columns} cells"
    picture = draw(playground.world.env, trainer.policy).svg()
    code = html.escape(python_code(playground))
    return REPORT.format(title=html.escape(title), picture=picture, rows=rows, code=code)
