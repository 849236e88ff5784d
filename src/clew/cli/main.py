"""The command line: its commands. What they print they get from `clew.runs.run`, and show it by `clew.cli.terminal`.

Results go to standard output, everything else (progress, messages, errors) to standard error, so that `--json` can be
piped. A user's mistake is one clear line and exit code 2.
"""

import io
import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.markup import escape
from typer.exceptions import TyperException

from clew.cli.interruption import stopped_by_ctrl_c
from clew.cli.list_commands import TELLING
from clew.cli.live import LearningView
from clew.cli.options import (
    LEARNING,
    RUN,
    AsJson,
    BegunRun,
    Chaos,
    CheckpointEvery,
    OutFolder,
    RunFolder,
    Watched,
    describe_error,
    describe_usage,
    parse_number,
    parse_whole,
    resolve_run,
    with_settings,
)
from clew.cli.show_commands import SHOWING
from clew.cli.terminal import (
    PAGE,
    drop_missing,
    grade_of,
    print_figures,
    print_policy,
    print_run,
)
from clew.cli.waiting import WaitingLine, messages, name_compiled, working
from clew.environments import Environment, as_compiled, model_of
from clew.errors import ClewError, ModelError, StoppedError
from clew.mazes.formats import check_extension
from clew.mazes.generators import GENERATORS, KEYS, make_maze
from clew.planning import PLANNERS
from clew.planning import solve as solve_world
from clew.runs.configuration import MAZE_SETTINGS, TrainingConfig
from clew.runs.run import Clock, grade, kept_run, open_run, solve_in_blocks, train_run
from clew.runs.storage import for_json, table_sha256

__all__ = ["main"]

app = typer.Typer(
    help="Train agents by reinforcement learning in mazes, and grade them against the exact optimum.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

GRADED_BY = "10 from a single start; one from each start, if moves are certain and starts at most 1000; else 1000"
RECIPES = f"such as wilson:20x30:seed=3; kinds are {', '.join(GENERATORS)}, keys {', '.join(KEYS)}"


# Commands -------------------------------------------------------------------------------------------------------------


@app.callback(invoke_without_command=True)
def clew(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="print the version")] = False
) -> None:
    """Train agents by reinforcement learning in mazes, and grade them against the exact optimum."""
    if version:
        from clew import __version__

        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        context.get_help()  # with Rich, Typer prints it


@app.command()
@with_settings(*RUN, *LEARNING)
def train(
    context: typer.Context,
    settings: dict[str, Any],
    out: OutFolder = None,
    resume: BegunRun = None,
    checkpoint_every: CheckpointEvery = "30s",
    chaos: Chaos = None,
    watch: Watched = False,
    as_json: AsJson = False,
) -> None:
    """Learn a world, and grade the result against the optimum.

    Example: clew train wilson:20x30 --slip 0.1 --episodes 50000 --out runs/first
    """
    config, out, maze = resolve_run(context, settings, out, resume)
    name_compiled(config.algorithm)
    with ExitStack() as stack:
        checkpoints, look = None, None
        shown: LearningView | WaitingLine = WaitingLine("learning", config.num_episodes)
        if watch:
            maze = config.make_maze() if maze is None and config.is_maze else maze
            shown = LearningView(config, maze)
            look = shown.watch
        if out is not None:
            checkpoints = stack.enter_context(kept_run(out, config, checkpoint_every, resume is not None))
        stack.enter_context(stopped_by_ctrl_c(checkpoints, shown.leave_at_once))
        stack.enter_context(shown)
        run = train_run(config, shown.show_round, watch=look, checkpoints=checkpoints, maze=maze, chaos=chaos or 0.0)
        shown.leave()
        if out is not None:
            run.save(out)
    if as_json:
        print(json.dumps(run.summary))
        return
    print_run(run)
    print("The figures are defined in docs/glossary.md; returns are not discounted.")
    if chaos is not None:
        killed, lost = run.trace.count("kill"), run.trace.count("lost")
        same = "the order of results is another" if config.asynchronous else "the table is the same as without"
        print(f"Actors killed on purpose: {killed}, lost: {lost}; {same}.")
    print(f"Kept in {out}. Watch it: clew play {out}" if out else "Nothing was kept; add --out DIR to keep it.")


@app.command()
def evaluate(
    run: RunFolder,
    episodes: Annotated[
        Any, typer.Option(parser=parse_whole, metavar="N", help=f"greedy episodes [default: {GRADED_BY}]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Grade a run again, against the exact optimum."""
    config, env, policy = open_run(run)
    with working("grading"):
        optimum = None if as_compiled(env) is None else solve_world(env, gamma=config.gamma)
        clock = Clock()
        evaluation = grade(config, env, policy, episodes, optimum)
        times = clock.figures()
    figures = for_json(
        {
            "gamma": config.gamma,
            **vars(evaluation),
            "num_states": policy.q.shape[0],
            "steps_per_second": evaluation.mean_steps * evaluation.num_episodes / times["seconds"],
            **times,
            "table_sha256": table_sha256(policy.q),
        }
    )
    if as_json:
        print(json.dumps(figures))
    else:
        print_figures(f"{run}: {config.maze}", {"gamma": config.gamma, **grade_of(figures), **drop_missing(figures)})


@app.command()
@with_settings("maze", *MAZE_SETTINGS, "gamma")
def solve(
    settings: dict[str, Any],
    tolerance: Annotated[Any, typer.Option(parser=parse_number, metavar="X", help="greatest error of a value")] = 1e-6,
    method: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"{', '.join(PLANNERS)} [default: the fastest for this world]")
    ] = None,
    horizon: Annotated[
        Any,
        typer.Option(parser=parse_whole, metavar="N", help="cut episodes off after so many steps [default: never]"),
    ] = None,
    blocks: Annotated[
        Any,
        typer.Option(
            parser=parse_whole, metavar="N", help="cut the maze into so many blocks of rows, each planned by itself"
        ),
    ] = None,
    actors: Annotated[
        Any,
        typer.Option(
            parser=parse_whole, metavar="N", help="Ray actors that hold the blocks; 0 holds all in this process"
        ),
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Compute the exact optimum of a world, without learning."""
    config = TrainingConfig(**settings)
    name_compiled(method or "the planner")
    if blocks is not None or actors:
        with working("planning"):
            env = config.make_environment()
            figures = solve_in_blocks(env, config.gamma, tolerance, (method, horizon), (blocks or actors, actors))
        if as_json:
            print(json.dumps(figures))
        else:
            print_figures(f"Optimum of {config.maze}, in blocks", drop_missing(figures))
        return
    with working("planning"):
        env = config.make_environment()
        clock = Clock()
        if as_compiled(env) is None and not hasattr(env.unwrapped, "P"):
            raise ModelError(
                f"{config.maze} has no model to plan with; clew train {config.maze} learns it by its steps"
            )
        solution = solve_world(env, gamma=config.gamma, tolerance=tolerance, method=method, horizon=horizon)
        figures = {
            "gamma": config.gamma,
            "steps": solution.steps,
            "value": solution.value,
            "num_states": model_of(env).num_states,
            "method": solution.method,
            "bound": solution.bound,
            **clock.figures(),
        }
    figures = for_json(figures)
    if as_json:
        print(json.dumps(figures))
        return
    print_figures(f"Optimum of {config.maze}", drop_missing(figures))
    if isinstance(env, Environment) and env.maze.rows <= PAGE:  # else it wouldn't be shown, and takes memory
        policy = solution.policy if horizon is None else solution.policy[0]  # at the first step
        print_policy(env, policy[:, None] == range(env.mdp.num_actions))


@app.command()
@with_settings("start", "goal")
def generate(
    recipe: Annotated[str, typer.Argument(metavar="KIND:RxC[:key=value]...", help=RECIPES)],
    settings: dict[str, Any],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="keep the maze, by the ending of the name")
    ] = None,
) -> None:
    """Make a maze, and print it or keep it in a file."""
    if out is not None:
        check_extension(out)  # now, and not when all is done
    with working("carving"):
        maze = make_maze(recipe, **settings)
    if out is None:
        print(maze.to_text(), end="")
    else:
        maze.save(out)
        print(f"Kept in {out}. Look at it: clew info {out}")


for other in (*TELLING, *SHOWING):
    app.command()(other)


def main() -> None:
    """Run the command line; exit code 2 for a user's mistake, 130 for Ctrl-C."""
    if sys.stderr is None:  # was closed by whoever called
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if sys.stdout is None:
        fail("standard output is closed, so there is nowhere to print; >/dev/null throws away what is printed", 2)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # arrows on a terminal that knows only ASCII
    cli = command()
    try:
        with messages():
            code = cli(standalone_mode=False)
            sys.stdout.flush()
        if code == 130:  # Typer has answered a Ctrl-C without a word
            raise KeyboardInterrupt
        sys.exit(code if isinstance(code, int) else 0)
    except StoppedError as error:
        fail(str(error), 130)
    except ClewError as error:
        called = next((cli.commands[word] for word in sys.argv if word in cli.commands), cli)
        fail(describe_error(error, {option for each in called.params for option in each.opts}), 2)
    except TyperException as error:
        fail(describe_usage(error), 2)
    except MemoryError:
        fail("not enough memory; take a smaller maze, or fewer episodes", 2)
    except (KeyboardInterrupt, typer.Abort):
        fail("stopped", 130)
    except BrokenPipeError:
        # The reader of our output has gone; there is nobody left to tell, and nothing to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fail(f"the system refused: {error}", 2)


def command() -> Any:
    """The command line as Typer makes it, with its help as it's written: Rich would take [default: 0] for a style."""
    made: Any = typer.main.get_command(app)
    for each in made.commands.values():
        for parameter in each.params:
            parameter.help = escape(parameter.help or "")
            if getattr(parameter, "is_flag", False):
                parameter.metavar = " "  # and not <bool>, which nobody types
    return made


def fail(message: str, code: int) -> NoReturn:
    """End with a message on standard error; its first line stands alone, a drawing may follow."""
    sys.stderr.write(f"clew: {message.strip()}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
