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
    ConfigFile,
    OtherVersions,
    OutFolder,
    Plugins,
    Resumed,
    Watched,
    given_options,
    load_plugins,
    make_config,
    number,
    resolve_run,
    whole_number,
    with_file,
    with_settings,
)
from clew.cli.supervision import continue_in_child
from clew.errors import ModelError, RunError, SettingError
from clew.runs.configuration import MAZE_SETTINGS, TrainingConfig

if TYPE_CHECKING:
    from clew.mazes import Maze
    from clew.models.mdp import FiniteMDP
    from clew.policies.policy import Policy
    from clew.runs.run import Run

NUM_GRADED = "10 from a single start state or one from each of up to 1000, if deterministic; else 1000"


@with_settings(*RUN, *LEARNING)
def train(
    *,
    context: typer.Context,
    config_file: ConfigFile = None,
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
    from clew.cli.waiting import WaitingLine
    from clew.runs.run import save_checkpoints, train_run

    load_plugins(plugin)
    config, out, maze = resolve_run(context, with_file(context, settings, config_file), out, resume)
    if config.num_actors and config.num_simulations > 1:
        advice = f"go on with `clew train --resume {out}`" if out else "nothing was saved; --out DIR keeps checkpoints"
        continue_in_child(advice)
    name_compiled(config.algorithm, config.behaviour_name)
    if maze is None:
        maze = make_or_read(config)
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


def make_or_read(config: TrainingConfig) -> "Maze | FiniteMDP | None":
    """Return the maze or the model of a configuration, with a waiting line; None for another kind of world."""
    from clew.cli.waiting import working

    if config.is_maze:
        with working("making the maze"):
            return config.make_maze()
    if config.is_model:
        with working("reading the model"):
            return config.read_model()
    return None


def print_remarks(run: "Run", out: Path | None, chaos: float | None) -> None:
    """Print that returns are not discounted, how many actors were killed on purpose, and where the run is saved."""
    print("Returns are not discounted.")
    if chaos is not None:
        killed, lost = run.trace.count("kill"), run.trace.count("lost")
        same = "results were merged in another order" if run.config.asynchronous else "the table is the same as without"
        print(f"Actors killed on purpose: {killed}, lost: {lost}; {same}.")
    print(f"Saved to {out}. Watch it: clew play {out}" if out else "Not saved; add --out DIR to save the run.")


@with_settings(*MAZE_SETTINGS, "max_episode_steps", "gamma", "seed")
def evaluate(
    *,
    context: typer.Context,
    world: Annotated[
        str,
        typer.Argument(
            metavar="RUN|WORLD", help="run folder, made by clew train --out; with --policy a world, as for clew solve"
        ),
    ],
    policy: Annotated[
        Path | None,
        typer.Option(
            parser=Path, metavar="FILE", help="policy to grade in the world: .csv or .npz, as clew solve --out saves it"
        ),
    ] = None,
    episodes: Annotated[
        Any, typer.Option(parser=whole_number, metavar="N", help=f"greedy episodes [default: {NUM_GRADED}]")
    ] = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
    **settings: Any,
) -> None:
    """Grade a saved run again, or a policy in a file.

    Example: clew evaluate machine.csv --policy policy.csv
    """
    from clew.cli.terminal import drop_missing, grade_of, print_figures, print_json, with_exact_zeros
    from clew.cli.waiting import working

    load_plugins(plugin)
    config, env, graded = open_graded(world, policy, settings, given_options(context))
    with working("grading"):
        figures = grade_policy(config, env, graded, episodes)
    if as_json:
        print_json(figures)
    else:
        exact = drop_missing(with_exact_zeros(figures))
        print_figures(f"{policy or world}: {config.maze}", {"gamma": config.gamma, **grade_of(figures), **exact})


def grade_policy(config: TrainingConfig, env: Any, policy: "Policy", episodes: int | None) -> dict[str, Any]:
    """Return the grade of a policy, and how long it took, as figures for printing.

    Args:
        config: of the environment.
        env: environment.
        policy: policy.
        episodes: number of greedy episodes; None for as many as a run is graded with.
    """
    from clew.environments import as_compiled
    from clew.planning import solve as solve_world
    from clew.runs.run import grade
    from clew.runs.stopwatch import Stopwatch
    from clew.runs.storage import finite_or_none, table_sha256

    optimum = None if as_compiled(env) is None else solve_world(env, gamma=config.gamma)
    stopwatch = Stopwatch()
    evaluation = grade(config, env, policy, episodes, optimum)
    times = stopwatch.read()
    figures = {
        "gamma": config.gamma,
        **vars(evaluation),
        "num_states": policy.shape[0],
        "steps_per_second": evaluation.mean_steps * evaluation.num_episodes / times["seconds"],
        **times,
        "table_sha256": table_sha256(policy.q) if policy.kind == "values" else None,
    }
    return finite_or_none(figures)


def open_graded(
    world: str, policy: Path | None, settings: dict[str, Any], given: dict[str, str]
) -> "tuple[TrainingConfig, Any, Policy]":
    """Return the configuration, the environment and the policy to grade: those of a run, or a policy in a file.

    Args:
        world: folder of the run, or the world of the policy.
        policy: file of the policy; None for a run.
        settings: of the world.
        given: options on the command line, by name.

    Raises:
        ClewError: if there is no such run or world, or the file isn't a policy of it.
        SettingError: if settings of a world are given with a run.
    """
    from clew.policies.given import read_policy_of
    from clew.runs.run import open_run

    if policy is not None:
        config = make_config({"maze": world, **settings})
        env = config.make_environment()
        return config, env, read_policy_of(env, policy, "policy")
    for name in settings.keys() & given.keys():
        raise SettingError(
            f"a run is graded in the world of its training; leave out {given[name]}, or give a policy by --policy FILE"
        )
    try:
        return open_run(world)
    except RunError as error:
        if Path(world).is_dir():
            raise
        raise RunError(f"{error}, and --policy FILE grades a policy in a world") from None


@with_settings("maze", *MAZE_SETTINGS, "gamma")
def solve(
    *,
    context: typer.Context,
    tolerance: Annotated[Any, typer.Option(parser=number, metavar="X", help="maximum error of a value")] = 1e-6,
    method: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"planner: {PLANNER_NAMES} [default: the fastest for the world]")
    ] = None,
    horizon: Annotated[
        Any, typer.Option(parser=whole_number, metavar="N", help="step limit to plan for [default: none]")
    ] = None,
    average: Annotated[
        bool, typer.Option("--average", help="maximise the average reward per step, not discounted")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            parser=Path,
            metavar="FILE",
            help="save the policy, with --horizon that of the first step: .csv for a table of state, action and value, "
            ".npz for clew.Policy.load",
        ),
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
    from clew.cli.terminal import drop_missing, policy_and_values, print_figures, print_json, print_solution
    from clew.cli.waiting import working
    from clew.policies.files import ENDINGS, check_policy_file
    from clew.runs.blocks import solve_in_blocks

    config, solution, in_blocks = make_config(settings), None, blocks is not None or actors
    if in_blocks and actors:
        continue_in_child("start it again")
    name_compiled(method or "the planner")
    if in_blocks:
        refuse_options("in blocks", method=method, horizon=horizon, out=out, average=average or None)
    if average:
        gamma = given_options(context).get("gamma")  # it has a default
        refuse_options("on the average reward", method=method, horizon=horizon, gamma=gamma)
    if out is not None:
        check_policy_file(out, ENDINGS, "out")  # before the work, not after it
    with working("planning"):
        env = config.make_environment()
        if in_blocks:
            num_blocks = actors if blocks is None else blocks
            figures = solve_in_blocks(
                env, gamma=config.gamma, tolerance=tolerance, num_blocks=num_blocks, num_actors=actors
            )
        else:
            options = {"average": True} if average else {"method": method, "horizon": horizon}
            solution, figures = solve_whole(config, env, tolerance=tolerance, **options)
    if out is not None:
        save_policy(*policy_and_values(solution), out)
    if as_json:
        print_json(figures)
        return
    print_figures(f"Optimum of {config.maze}{', in blocks' if in_blocks else ''}", drop_missing(figures))
    if solution is not None:
        print_solution(env, solution, is_model=config.is_model)
    if out is not None:
        print(f"Saved the policy {'' if horizon is None else 'of the first step '}to {out}.")


def refuse_options(where: str, **options: Any) -> None:
    """Refuse options that have no effect.

    Args:
        where: in or on what they have none, for the message.
        options: values by name; None for those that weren't given.

    Raises:
        SettingError: if one was given.
    """
    for name, given in options.items():
        if given is not None:
            raise SettingError(f"has no effect {where}; leave it out", setting=name)


def save_policy(policy: "Policy", values: Any, path: Path) -> None:
    """Save a policy to a CSV file, with the values of the states, or to an .npz file, by the ending of its name."""
    if path.suffix.lower() == ".csv":
        policy.to_csv(path, values=values)
    else:
        policy.save(path)


def solve_whole(
    config: TrainingConfig, env: Any, *, average: bool = False, **settings: Any
) -> tuple[Any, dict[str, Any]]:
    """Return the optimal solution of an environment, and its figures for printing.

    Args:
        config: of the environment.
        env: environment.
        average: solve for the average reward.
        settings: tolerance, method and horizon, as `clew.solve` takes them; for the average reward, only tolerance.
    """
    from clew.environments import as_compiled, model_of
    from clew.planning import Solution, solve_average
    from clew.planning import solve as solve_world
    from clew.runs.stopwatch import Stopwatch
    from clew.runs.storage import finite_or_none

    stopwatch = Stopwatch()
    if as_compiled(env) is None and not hasattr(env.unwrapped, "P"):
        raise ModelError(f"{config.maze} has no model to plan with; clew train {config.maze} learns it by its steps")
    mdp = model_of(env)
    if average:
        optimum = solve_average(mdp, **settings)
        gain = {"gain": optimum.gain, "num_states": mdp.num_states, "bound": optimum.bound, **stopwatch.read()}
        return optimum, finite_or_none(gain)
    solution = solve_world(env, gamma=config.gamma, **settings)
    figures = {
        "gamma": config.gamma,
        "steps": solution.steps,
        "value": solution.value,
        "num_states": mdp.num_states,
        "method": solution.method,
        "bound": solution.bound,
        **stopwatch.read(),
    }
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
