"""Commands that compute: train, evaluate, solve, generate."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clew.cli.options import (
    LEARNING,
    MAZE_KEYS,
    MAZE_KINDS,
    PLANNER_NAMES,
    RUN,
    AsJson,
    Chaos,
    CheckpointEvery,
    OtherVersions,
    OutFolder,
    Plugins,
    Resumed,
    RunFolder,
    Watched,
    load_plugins,
    make_config,
    number,
    resolve_run,
    whole_number,
    with_settings,
)
from clew.cli.supervision import continue_in_child
from clew.errors import ModelError, SettingError
from clew.runs.configuration import MAZE_SETTINGS, TrainingConfig

if TYPE_CHECKING:
    from clew.runs.run import Run

NUM_GRADED = "10 from a single start state or one from each of up to 1000, if deterministic; else 1000"


@with_settings(*RUN, *LEARNING)
def train(
    *,
    context: typer.Context,
    out: OutFolder = None,
    resume: Resumed = None,
    other_versions: OtherVersions = False,
    checkpoint_every: CheckpointEvery = "30s",
    chaos: Chaos = None,
    watch: Watched = False,
    plugin: Plugins = None,
    as_json: AsJson = False,
    **settings: Any,
) -> None:
    """Train an agent, and grade its policy against the optimum.

    Example: clew train wilson:20x30 --slip 0.1 --out runs/first
    """
    from clew.cli.interruption import stopped_by_signals
    from clew.cli.messages import name_compiled
    from clew.cli.terminal import print_json, print_run
    from clew.cli.waiting import WaitingLine, working
    from clew.runs.run import save_checkpoints, train_run

    load_plugins(plugin)
    config, out, maze = resolve_run(context, settings, out, resume)
    if config.num_actors and config.num_simulations > 1:
        advice = f"go on with `clew train --resume {out}`" if out else "nothing was saved; --out DIR keeps checkpoints"
        continue_in_child(advice)
    name_compiled(config.algorithm, config.behaviour_name)
    if config.is_maze and maze is None:
        with working("making the maze"):
            maze = config.make_maze()
    elif config.is_model and maze is None:
        with working("reading the model"):
            maze = config.read_model()
    with ExitStack() as stack:
        checkpoints, look = None, None
        # Without a discount, the optimum is computed before learning: it may not exist.
        first = "learning" if config.gamma < 1.0 else "planning, then learning"
        shown: Any = WaitingLine("learning", config.num_episodes, first=first)
        if watch:
            from clew.cli.live import LearningView

            shown = LearningView(config, maze)
            look = shown.watch
        if out is not None:
            saving = save_checkpoints(out, config, maze, checkpoint_every, resume is not None, other_versions)
            checkpoints = stack.enter_context(saving)
        stack.enter_context(stopped_by_signals(checkpoints, shown.leave_at_once))
        stack.enter_context(shown)
        run = train_run(config, shown.show_round, watch=look, checkpoints=checkpoints, maze=maze, chaos=chaos or 0.0)
        shown.leave()
        if out is not None:
            run.save(out)
    if as_json:
        print_json(run.summary)
    else:
        print_run(run)
        print_remarks(run, out, chaos)


def print_remarks(run: "Run", out: Path | None, chaos: float | None) -> None:
    """Print where the figures are defined, how many actors were killed on purpose, and where the run is saved."""
    print("docs/glossary.md defines these figures. Returns are not discounted.")
    if chaos is not None:
        killed, lost = run.trace.count("kill"), run.trace.count("lost")
        same = "results were merged in another order" if run.config.asynchronous else "the table is the same as without"
        print(f"Actors killed on purpose: {killed}, lost: {lost}; {same}.")
    print(f"Saved to {out}. Watch it: clew play {out}" if out else "Not saved; add --out DIR to save the run.")


def evaluate(
    run: RunFolder,
    episodes: Annotated[
        Any, typer.Option(parser=whole_number, metavar="N", help=f"greedy episodes [default: {NUM_GRADED}]")
    ] = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Grade a saved run again, against the exact optimum."""
    from clew.cli.terminal import drop_missing, grade_of, print_figures, print_json, with_exact_zeros
    from clew.cli.waiting import working
    from clew.environments import as_compiled
    from clew.planning import solve as solve_world
    from clew.runs.run import Stopwatch, grade, open_run
    from clew.runs.storage import finite_or_none, table_sha256

    load_plugins(plugin)
    config, env, policy = open_run(run)
    with working("grading"):
        optimum = None if as_compiled(env) is None else solve_world(env, gamma=config.gamma)
        stopwatch = Stopwatch()
        evaluation = grade(config, env, policy, episodes, optimum)
        times = stopwatch.read()
    figures = finite_or_none(
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
        print_json(figures)
    else:
        exact = drop_missing(with_exact_zeros(figures))
        print_figures(f"{run}: {config.maze}", {"gamma": config.gamma, **grade_of(figures), **exact})


@with_settings("maze", *MAZE_SETTINGS, "gamma")
def solve(
    *,
    tolerance: Annotated[Any, typer.Option(parser=number, metavar="X", help="maximum error of a value")] = 1e-6,
    method: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"planner: {PLANNER_NAMES} [default: the fastest for the world]")
    ] = None,
    horizon: Annotated[
        Any, typer.Option(parser=whole_number, metavar="N", help="step limit to plan for [default: none]")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", parser=Path, metavar="FILE.csv", help="save the policy: state, action and value"),
    ] = None,
    blocks: Annotated[
        Any, typer.Option(parser=whole_number, metavar="N", help="cut the maze into N blocks of rows, planned apart")
    ] = None,
    actors: Annotated[
        Any, typer.Option(parser=whole_number, metavar="N", help="Ray actors that hold the blocks; 0 for this process")
    ] = 0,
    as_json: AsJson = False,
    **settings: Any,
) -> None:
    """Compute the exact optimum of a world, without learning."""
    from clew.cli.messages import name_compiled
    from clew.cli.terminal import PAGE, drop_missing, print_figures, print_json, print_policy, print_small_policy
    from clew.cli.waiting import working
    from clew.environments import Environment, model_of
    from clew.runs.policy_file import check_policy_file, policy_rows, save_policy
    from clew.runs.run import solve_in_blocks

    config, in_blocks = make_config(settings), blocks is not None or actors
    if in_blocks and actors:
        continue_in_child("start it again")
    name_compiled(method or "the planner")
    for name, given in (("method", method), ("horizon", horizon), ("out", out)):
        if in_blocks and given is not None:
            raise SettingError("has no effect in blocks; leave it out", setting=name)
    if out is not None:
        check_policy_file(out)  # before the work, not after it
    with working("planning"):
        env = config.make_environment()
        if in_blocks:
            figures = solve_in_blocks(
                env,
                gamma=config.gamma,
                tolerance=tolerance,
                num_blocks=actors if blocks is None else blocks,
                num_actors=actors,
            )
        else:
            solution, figures = solve_whole(config, env, tolerance=tolerance, method=method, horizon=horizon)
    rows = []
    if not in_blocks:
        policy = solution.policy if horizon is None else solution.policy[0]  # of the first step
    if not in_blocks and (config.is_model or out is not None):
        rows = policy_rows(model_of(env), action_names(env), policy, solution.v)
    if out is not None:
        save_policy(out, rows)
    if as_json:
        print_json(figures)
        return
    print_figures(f"Optimum of {config.maze}{', in blocks' if in_blocks else ''}", drop_missing(figures))
    if not in_blocks and isinstance(env, Environment) and env.maze.rows <= PAGE:  # a longer one isn't shown
        print_policy(env, policy[:, None] == range(env.mdp.num_actions))
    elif config.is_model:
        print_small_policy(rows)
    if out is not None:
        print(f"Saved the policy to {out}.")


def action_names(env: Any) -> list[str]:
    """Return the names of the actions of an environment; their numbers if it has none."""
    from clew.environments import as_compiled

    world = as_compiled(env)
    assert world is not None  # it has been solved
    return list(world.actions)


def solve_whole(config: TrainingConfig, env: Any, **settings: Any) -> tuple[Any, dict[str, Any]]:
    """Return the optimal solution of an environment, and its figures for printing.

    Args:
        config: of the environment.
        env: environment.
        settings: tolerance, method and horizon, as `clew.solve` takes them.
    """
    from clew.environments import as_compiled, model_of
    from clew.planning import Solution
    from clew.planning import solve as solve_world
    from clew.runs.run import Stopwatch
    from clew.runs.storage import finite_or_none

    stopwatch = Stopwatch()
    if as_compiled(env) is None and not hasattr(env.unwrapped, "P"):
        raise ModelError(f"{config.maze} has no model to plan with; clew train {config.maze} learns it by its steps")
    solution = solve_world(env, gamma=config.gamma, **settings)
    figures = {
        "gamma": config.gamma,
        "steps": solution.steps,
        "value": solution.value,
        "num_states": model_of(env).num_states,
        "method": solution.method,
        "bound": solution.bound,
        **stopwatch.read(),
    }
    mdp = model_of(env)
    if mdp.estimate is not None and isinstance(solution, Solution) and config.gamma < 1.0:
        figures["value_interval"] = solution.value_interval
    return solution, finite_or_none(figures)


@with_settings("start", "goal")
def generate(
    *,
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="KIND:RxC[:key=value]...",
            help=f"such as wilson:20x30:seed=3; kinds are {MAZE_KINDS}, keys {MAZE_KEYS}",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", parser=Path, metavar="FILE", help="save the maze; the ending gives the format"),
    ] = None,
    **settings: Any,
) -> None:
    """Generate a maze, and print it or save it to a file."""
    from clew.cli.waiting import working
    from clew.mazes.formats import check_extension
    from clew.mazes.generators import make_maze

    if out is not None:
        check_extension(out)  # before the work, not after it
    with working("carving"):
        maze = make_maze(recipe, **settings)
    if out is None:
        print(maze.to_text(), end="")
    else:
        maze.save(out)
        print(f"Saved to {out}. Look at it: clew info {out}")
