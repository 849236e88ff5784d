"""Results on the terminal: figures, tables, and drawings that fit."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clew.runs.run import Run

__all__ = [
    "PAGE",
    "drop_missing",
    "fits",
    "grade_of",
    "print_figures",
    "print_policy",
    "print_run",
    "print_table",
]

PAGE = 66  # lines; a longer drawing isn't shown


def fits(drawing: str) -> bool:
    """Tell if a drawing is worth showing: not wider than the terminal, nor longer than a page."""
    lines = drawing.splitlines()
    return len(lines) <= PAGE and max(map(len, lines)) <= Console().width


def print_figures(title: str, figures: dict[str, Any]) -> None:
    """Print names and figures, a line each; where a figure would be broken, such as a hash, it gets one of its own."""
    console = Console(soft_wrap=True, highlight=False)
    console.print(Text(title, style="bold"))
    width = max(map(len, figures))
    for name, figure in figures.items():
        text, label = spell(figure), f"{name.replace('_', ' '):<{width}}  "
        is_broken = console.is_terminal and len(label) + len(text) > console.width >= len(text)
        console.print(Text.assemble((label.rstrip() + "\n" if is_broken else label, "dim"), text))


def spell(figure: Any) -> str:
    """A figure as people read it."""
    if figure is None:
        return "-"
    if isinstance(figure, int):
        return f"{figure:,}"
    if isinstance(figure, float):
        return f"{figure:,.6g}" if abs(figure) < 1e6 else f"{figure:,.0f}"
    if isinstance(figure, tuple) and figure and isinstance(figure[0], float):
        return " to ".join(map(spell, figure))
    if isinstance(figure, tuple) and figure and isinstance(figure[0], tuple):
        return "  ".join(map(str, figure))
    return str(figure)


def print_table(title: str, rows: dict[str, str]) -> None:
    """Print names with what they mean, a line each as far as the terminal is wide."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, show_header=False)
    for name, meaning in rows.items():
        table.add_row(Text(name, style="bold", no_wrap=True), Text(meaning))
    Console(highlight=False).print(table)


def print_run(run: Run) -> None:
    """Print the final table of a training run, and the policy as arrows if it fits."""
    summary, config = run.summary, run.config
    # One simulation is learned in this process, and more actors than simulations are not started.
    num_actors = min(config.num_actors, config.num_simulations) if config.num_simulations > 1 else 0
    where = f"on {num_actors} Ray actor{'s' if num_actors > 1 else ''}" if num_actors else "in one process"
    learner = config.algorithm if config.behaviour is None else f"{config.algorithm} ({config.behaviour})"
    streams = f"{config.num_simulations} simulation{'s' if config.num_simulations > 1 else ''}"
    print_figures(
        f"{config.maze}: {learner}, {config.num_episodes:,} episodes in {streams}, {where}",
        {
            "gamma": summary["gamma"],
            **grade_of(summary),
            **drop_missing({name: summary[name] for name in ("suboptimality", "optimal_states", "optimal_starts")}),
            "graded_by": f"{summary['num_episodes']:,} greedy episode{'' if summary['num_episodes'] == 1 else 's'}",
            **{name: summary[name] for name in ("steps_per_second", "seconds", "startup_seconds", "table_sha256")},
        },
    )
    print_policy(run.env, run.policy.greedy_actions())


def drop_missing(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures that there are; nothing is said of a compiler that had nothing to do."""
    return {
        name: figure
        for name, figure in figures.items()
        if figure is not None and (name, figure) != ("compile_seconds", 0.0)
    }


def grade_of(figures: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of the graded episodes beside those of the optimum, the ones that matter first.

    Steps come first where fewer are better; else returns do. Where no episode ended, steps are those of the step limit,
    and are left out.
    """
    unknown = None if figures["optimal_starts"] is None else "not computed"  # without a model there is no optimum
    optimal = {
        name: unknown if figures[name] is None else figures[name] for name in ("optimal_steps", "optimal_return")
    }
    returns = {"mean_return": figures["mean_return"], "optimal_return": optimal["optimal_return"]}
    steps = {"mean_steps": figures["mean_steps"], "optimal_steps": optimal["optimal_steps"]}
    steps |= {"excess_steps": figures["excess_steps"], "success_rate": figures["success_rate"]}
    if figures["excess_steps"] is not None:
        return drop_missing(steps | returns)
    return drop_missing(returns | (steps if figures["success_rate"] > 0.0 else {}))


def print_policy(env: Any, greedy: Any) -> None:
    """Print the policy as arrows, if it has one for each cell and they fit on the terminal."""
    from clew.environments import Environment
    from clew.mazes import MOVES
    from clew.rendering.text import draw_policy

    if not isinstance(env, Environment):
        return
    arrows = MOVES["four"].actions, MOVES["eight"].actions
    is_a_cell = greedy.shape[0] == env.maze.cells.size
    if is_a_cell and env.moves.actions in arrows and fits(drawing := draw_policy(env.maze, greedy)):
        print(drawing, end="")
