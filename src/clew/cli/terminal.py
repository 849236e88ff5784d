"""Printing results on the terminal: figures, tables, and drawings that fit."""

import json
import os
import sys
from shutil import get_terminal_size
from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clew.policies.policy import Policy
    from clew.runs.run import Run

PAGE = 66  # lines; longer drawings aren't printed
SMALL = 40  # states; policies of larger models aren't printed
BOLD, DIM = 1, 2  # codes of ANSI styles


def fits(drawing: str) -> bool:
    """Return whether a drawing is at most as wide as the terminal, and at most a page long."""
    lines = drawing.splitlines()
    return len(lines) <= PAGE and max(map(len, lines)) <= get_terminal_size().columns


def styled(text: str, code: int) -> str:
    """Return text with an ANSI style, BOLD or DIM, if standard output is a terminal that has styles."""
    has_styles = sys.stdout.isatty() and sys.platform != "win32" and os.environ.get("TERM") != "dumb"
    return f"\x1b[{code}m{text}\x1b[0m" if has_styles and not os.environ.get("NO_COLOR") else text


def print_figures(title: str, figures: dict[str, Any]) -> None:
    """Print a title, then a name and a figure per line; a figure that doesn't fit beside its name gets its own line."""
    print(styled(title, BOLD))
    width, columns = max(map(len, figures)) + 2, get_terminal_size().columns
    for name, figure in figures.items():
        text, label = format_figure(figure), name.replace("_", " ")
        if sys.stdout.isatty() and width + len(text) > columns >= len(text):
            print(styled(label, DIM), text, sep="\n")
        else:
            print(styled(f"{label:<{width}}", DIM) + text)


def format_figure(figure: Any) -> str:
    """Return a figure as text: thousands separated, six digits of a float, yes or no, "-" for None, "a to b"."""
    if figure is None:
        return "-"
    if isinstance(figure, bool):
        return "yes" if figure else "no"
    if isinstance(figure, int):
        return f"{figure:,}"
    if isinstance(figure, float):
        return f"{figure:,.6g}" if abs(figure) < 1e6 else f"{figure:,.0f}"
    if isinstance(figure, tuple) and figure and isinstance(figure[0], float):
        return " to ".join(map(format_figure, figure))
    if isinstance(figure, tuple) and figure and isinstance(figure[0], tuple):
        return "  ".join(map(str, figure))
    return str(figure)


def print_json(content: Any) -> None:
    """Print an object as one line of JSON."""
    print(json.dumps(content))


def print_table(title: str, rows: dict[str, str]) -> None:
    """Print a title, then names with their meanings in two columns, as wide as the terminal."""
    print(styled(title, BOLD))
    indent = max(map(len, rows)) + 2
    for name, meaning in rows.items():
        first, *others = wrap(meaning, max(get_terminal_size().columns - indent, 20)) or [""]
        print(styled(f"{name:<{indent}}", BOLD) + first)
        for line in others:
            print(" " * indent + line)


def print_run(run: "Run") -> None:
    """Print the figures of a training run, and its policy as arrows if that fits on the terminal."""
    summary, config = run.summary, run.config
    exact = with_exact_zeros(summary)
    # A single simulation is learned in this process, and there are at most as many actors as simulations.
    num_actors = min(config.num_actors, config.num_simulations) if config.num_simulations > 1 else 0
    where = f"on {num_actors} Ray actor{'s' if num_actors > 1 else ''}" if num_actors else "in one process"
    learner = config.algorithm if config.behaviour is None else f"{config.algorithm} ({config.behaviour})"
    streams = f"{config.num_simulations} simulation{'s' if config.num_simulations > 1 else ''}"
    print_figures(
        f"{config.maze}: {learner}, {config.num_episodes:,} episodes in {streams}, {where}",
        {
            "gamma": summary["gamma"],
            **grade_of(summary),
            **drop_missing({name: exact[name] for name in ("suboptimality", "optimal_states", "optimal_starts")}),
            "graded_by": f"{summary['num_episodes']:,} greedy episode{'' if summary['num_episodes'] == 1 else 's'}",
            **{name: summary[name] for name in ("steps_per_second", "seconds", "startup_seconds", "table_sha256")},
        },
    )
    print_policy(run.env, run.policy.greedy_actions())


def drop_missing(figures: dict[str, Any]) -> dict[str, Any]:
    """Return figures without those that are None, and without the seconds of a compiler that did nothing."""
    return {
        name: figure
        for name, figure in figures.items()
        if figure is not None and (name, figure) != ("compile_seconds", 0.0)
    }


def with_exact_zeros(figures: dict[str, Any]) -> dict[str, Any]:
    """Return figures with 0 for a suboptimality that is at most the bound of its error."""
    from clew.rendering.grades import drop_rounding

    names, bound = ("suboptimality", "max_suboptimality"), figures["suboptimality_bound"]
    return {**figures, **{name: drop_rounding(figures[name], bound) for name in names}}


def grade_of(figures: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of the graded episodes beside those of the optimum, the ones that matter first.

    Steps come first where fewer are better; else returns do. Where no episode ended, steps are those of the step limit,
    and are left out.
    """
    is_complete = figures["optimal_starts"] is None or figures["optimal_return"] is not None
    unknown = None if is_complete else "not computed"  # without a model there is no optimum
    optimal = {
        name: unknown if figures[name] is None else figures[name] for name in ("optimal_steps", "optimal_return")
    }
    returns = {"mean_return": figures["mean_return"], "optimal_return": optimal["optimal_return"]}
    steps = {"mean_steps": figures["mean_steps"], "optimal_steps": optimal["optimal_steps"]}
    steps |= {"excess_steps": figures["excess_steps"]}
    rate = "terminated_rate" if figures["success_rate"] is None else "success_rate"
    rates = {rate: figures[rate]}
    if figures["excess_steps"] is not None:
        return drop_missing(steps | rates | returns)
    return drop_missing(returns | (steps | rates if figures["terminated_rate"] > 0.0 else {}))


def policy_and_values(solution: Any) -> "tuple[Policy, Any]":
    """Return the policy of a solution, if it has a horizon that of the first step, and the values (gains) of states."""
    policy = solution.policy_at(0) if hasattr(solution, "policy_at") else solution.policy
    return policy, solution.gains if hasattr(solution, "gains") else solution.v


def print_solution(env: Any, solution: Any, *, is_model: bool) -> None:
    """Print the policy of a solution: arrows in a maze, a table for a model in a file; nothing if it is too large."""
    from clew.environments import Environment
    from clew.planning import AverageSolution

    if isinstance(env, Environment) and env.maze.rows <= PAGE:
        print_policy(env, policy_and_values(solution)[0].greedy_actions())
    elif is_model:
        print_small_policy(*policy_and_values(solution), "gain" if isinstance(solution, AverageSolution) else "value")


def print_policy(env: Any, greedy: Any) -> None:
    """Print a policy of a maze as arrows, if its moves are those of a grid and the drawing fits on the terminal.

    Args:
        env: environment; nothing is printed unless it is a maze.
        greedy: (num_states, num_actions) bool, the greedy actions.
    """
    from clew.environments import Environment
    from clew.mazes import MOVES
    from clew.rendering.text import draw_policy

    if not isinstance(env, Environment):
        return
    arrows = MOVES["four"].actions, MOVES["eight"].actions
    is_a_cell = greedy.shape[0] == env.maze.cells.size
    if is_a_cell and env.moves.actions in arrows and fits(drawing := draw_policy(env.maze, greedy)):
        print(drawing, end="")


def print_small_policy(policy: "Policy", v: Any, name: str = "value") -> None:
    """Print a policy of at most `SMALL` states in columns: state, action and value; "-" where there is no action.

    Args:
        policy: an action for each state.
        v: (num_states,) float64, values of the states.
        name: what they are.
    """
    from clew.policies.files import rows_of

    if policy.shape[0] > SMALL:
        return
    rows = rows_of(policy.content, policy.greedy_actions(), v).rows
    texts = [(state, action or "-", format_figure(value)) for state, action, value in rows]
    widths = [max(len(row[i]) for row in [("state", "action"), *texts]) for i in range(2)]
    print(styled(f"{'state':<{widths[0]}}  {'action':<{widths[1]}}  {name}", BOLD))
    for state, action, value in texts:
        print(f"{state:<{widths[0]}}  {action:<{widths[1]}}  {value}")
