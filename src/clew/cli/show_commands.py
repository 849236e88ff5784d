"""Commands that show results: play, render, graph, plot, serve."""

from pathlib import Path
from typing import Annotated, Any

import typer

from clew.cli.options import (
    GraphFolder,
    OfEpisode,
    PictureFile,
    PlotFile,
    PlottedFigure,
    Plugins,
    Rounds,
    RunFolder,
    RunFolders,
    Shown,
    Tolerance,
    load_plugins,
    number,
    whole_number,
)
from clew.errors import ExtraError
from clew.settings import Bounds, check_count, check_number


def play(
    run: RunFolder,
    delay: Annotated[
        Any, typer.Option(parser=number, metavar="X", help="seconds between two steps, on a terminal")
    ] = 0.1,
    plugin: Plugins = None,
) -> None:
    """Play one greedy episode of a run, step by step."""
    check_number("delay", delay, Bounds(0.0, 60.0))
    from clew.cli.live import play_episode
    from clew.environments import Environment
    from clew.runs.run import open_run

    load_plugins(plugin)
    config, env, policy = open_run(run)
    env.reset(seed=config.seed)
    steps = play_episode(env, policy, delay)
    ending = "reached the goal in" if isinstance(env, Environment) and env.has_goal else "ended after"
    print(f"{ending if steps[-1].terminated else 'cut off after'} {len(steps)} steps")


def render(
    run: RunFolder, out: PictureFile, show: Shown = "values", episode: OfEpisode = False, plugin: Plugins = None
) -> None:
    """Draw the values and the greedy path of a run.

    A .gif is a film of the learning; with --episode, of one greedy episode.
    """
    from clew.cli.waiting import working
    from clew.figures.films import render_run

    load_plugins(plugin)
    with working("drawing") as line:
        render_run(run, out, show=show, episode=episode, callback=line.show_round)
    print(f"Saved to {out}.")


def graph(run: RunFolder, out: GraphFolder = None, rounds: Rounds = None, plugin: Plugins = None) -> None:
    """Draw what driver, object store and actors did in a run.

    Writes graph.svg, graph.html, and trace.json for Perfetto.
    """
    from clew.figures.graph import write_graph

    load_plugins(plugin)
    for path in write_graph(run, out, rounds):
        print(path)


def plot(
    runs: RunFolders,
    out: PlotFile,
    figure: PlottedFigure = "mean_steps",
    regret: Annotated[bool, typer.Option("--regret", help="plot the sum of what was lost to the optimum")] = False,
    steps_to_optimal: Annotated[
        bool, typer.Option("--steps-to-optimal", help="plot how long it took to reach the optimum, and stay there")
    ] = False,
    optimum: Annotated[
        Any, typer.Option(parser=number, metavar="X", help="optimal figure [default: that of the world]")
    ] = None,
    tolerance: Tolerance = None,
    plugin: Plugins = None,
) -> None:
    """Plot learning curves of runs, with 95% intervals over seeds.

    Runs that differ only by their seeds are one line, or one row.
    """
    from clew.figures.curves import plot_runs, save_plot

    load_plugins(plugin)
    what = [name for name, is_it in (("regret", regret), ("steps_to_optimal", steps_to_optimal)) if is_it]
    save_plot(plot_runs(runs, what or ["learning"], out, figure=figure, optimum=optimum, tolerance=tolerance), out)
    print(out)


def serve(
    run: Annotated[
        Path | None, typer.Argument(parser=Path, metavar="RUN", help="begin with the world and settings of this run")
    ] = None,
    runs: Annotated[
        Path, typer.Option(parser=Path, metavar="DIR", help="list the run folders in this folder")
    ] = Path(),
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="address to listen at; other machines need a token")
    ] = "127.0.0.1",
    port: Annotated[
        Any, typer.Option(parser=whole_number, metavar="N", help="port to listen at; 0 takes a free one")
    ] = 8080,
    token: Annotated[
        str | None, typer.Option(metavar="TEXT", help="token of visitors [default: a random one, if one is needed]")
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host", metavar="NAME", help="host name to accept too, such as that of a proxy; can be repeated"
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="open a browser")] = False,
    plugin: Plugins = None,
) -> None:
    """Serve the web page: paint mazes, and watch them be learned.

    It also lists runs, and shows what a cluster does.
    """
    check_count("port", port, 0, 65535)
    load_plugins(plugin)
    try:
        from clew.web.server import serve as serve_page
    except ModuleNotFoundError as error:
        if error.name != "nicegui":
            raise
        raise ExtraError('the page needs NiceGUI, which is not installed: pip install "clew[web]"') from None
    serve_page(run, runs, host, port, token, show=show, allowed_hosts=allow_host or ())
