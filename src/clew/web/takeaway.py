"""What a visitor takes away: the code and the command that come to the same table, the mazes, one page to keep."""

import html
import io
import zipfile
from dataclasses import fields
from typing import Any

from clew.figures.drawing import draw
from clew.learning.settings import Learning
from clew.mazes import Maze
from clew.rendering.pillow import encode_png
from clew.runs.configuration import MAZE_SETTINGS, TrainingConfig
from clew.runs.flags import as_flags
from clew.web.playground import Playground

__all__ = ["as_page", "as_zip", "command", "python_code"]

MAX_IN_CODE = 2500  # cells; a larger maze is a file beside the code
NAMES = ("start", "goal", "scenario", "unknown_walls", "cell_size")  # said by the maze itself


def given(config: TrainingConfig, names: tuple[str, ...]) -> dict[str, Any]:
    """The settings of these names that aren't as they are by default."""
    defaults = {each.name: each.default for each in fields(config)}
    return {name: getattr(config, name) for name in names if getattr(config, name) != defaults[name]}


def world_settings(config: TrainingConfig) -> dict[str, Any]:
    """What makes the world of a maze."""
    return given(config, tuple(name for name in (*MAZE_SETTINGS, "max_episode_steps") if name not in NAMES))


def learner_settings(config: TrainingConfig) -> dict[str, Any]:
    """What makes the learner."""
    scheduled = {config.alpha_schedule, config.exploration_schedule} & {"linear", "exponential"}
    names = ("num_episodes",) if scheduled else ()
    return given(config, ("seed", *names, *(each.name for each in fields(Learning))))


def in_call(settings: dict[str, Any]) -> str:
    """Settings as arguments of a call."""
    return "".join(f", {name}={value!r}" for name, value in settings.items())


def python_code(playground: Playground) -> str:
    """Python that comes to the same table. To be asked between episodes."""
    config, lines = playground.config, ["import clew", "from clew.runs.storage import table_sha256", ""]
    world = in_call(world_settings(config))
    ends = [chapter.since for chapter in playground.chapters[1:]] + [playground.trainer.num_ended]
    for i, (chapter, end) in enumerate(zip(playground.chapters, ends, strict=True)):
        lines.append(f"maze = {said(chapter.maze, i)}")
        env = f"clew.Environment(maze{world})"
        lines.append(
            f"trainer.change_world({env})" if i else f"trainer = clew.Trainer({env}{in_call(learner_settings(config))})"
        )
        if end > chapter.since:
            lines.append(f"trainer.learn({end - chapter.since})")
    lines.append("print(table_sha256(trainer.policy.q))")
    return "\n".join(lines) + "\n"


def said(maze: Maze, number: int) -> str:
    """A maze as Python says it."""
    if maze.cells.size > MAX_IN_CODE:
        return f'clew.Maze.load("maze-{number}.txt")'
    return f'clew.Maze.from_text("""\\\n{maze.to_text()}""")'


def command(playground: Playground) -> str | None:
    """The command line that comes to the same table; None if the maze was changed, for a command learns in one maze."""
    num_episodes, config = playground.trainer.num_ended, playground.config
    learner = learner_settings(config)
    if len(playground.chapters) > 1 or num_episodes == 0 or learner.get("num_episodes", num_episodes) != num_episodes:
        return None
    settings = {**world_settings(config), **learner, "num_episodes": num_episodes, "num_simulations": 1}
    return f"clew train maze-0.txt {as_flags(settings)}"


def as_zip(playground: Playground) -> bytes:
    """The code, the command, the mazes, and the picture as SVG and PNG, in one file. To be asked between episodes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("learn.py", python_code(playground))
        if line := command(playground):
            archive.writestr("command.txt", line + "\n")
        for i, chapter in enumerate(playground.chapters):
            archive.writestr(f"maze-{i}.txt", chapter.maze.to_text())
        picture = draw(playground.world.env, playground.trainer.policy)
        archive.writestr("maze.svg", picture.svg())
        archive.writestr("maze.png", encode_png(picture.pixels()))
        archive.writestr("run.html", as_page(playground))
    return file.getvalue()


PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#22303a;
background:#fff}}svg{{max-width:100%;height:auto}}th{{text-align:left;font-weight:400;padding-right:2rem}}
pre{{background:#f4f1ea;padding:1rem;overflow:auto}}</style></head>
<body><h1>{title}</h1>{picture}<table>{rows}</table><h2>The same again</h2><pre>{code}</pre></body></html>
"""


def as_page(playground: Playground) -> str:
    """One HTML file that says it all, without a server or a network."""
    trainer, grade, config = playground.trainer, playground.grade, playground.config
    figures = {
        "episodes": f"{trainer.num_ended:,}",
        "steps": f"{playground.num_steps:,}",
        "starts right": f"{grade.optimal_starts:.1%}",
        "states right": "-" if grade.optimal_states is None else f"{grade.optimal_states:.1%}",
        "value gap": f"{grade.suboptimality:.4g}",
        "optimal steps": f"{playground.world.optimum.steps:.4g}",
    }
    rows = "".join(f"<tr><th>{name}</th><td>{figure}</td></tr>" for name, figure in figures.items())
    maze = playground.maze
    title = f"{config.algorithm} in a maze of {maze.rows} x {maze.columns} cells"
    picture = draw(playground.world.env, trainer.policy).svg()
    return PAGE.format(title=html.escape(title), picture=picture, rows=rows, code=html.escape(python_code(playground)))
