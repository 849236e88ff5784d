"""Commands that show results: play, render, graph, plot, serve."""

from pathlib import Path
from typing import Annotated, Any

import typer

from clew.cli.live import play_episode
from clew.cli.options import (
    GraphFolder,
    NearOptimum,
    OfEpisode,
    PictureFile,
    PlotFile,
    PlottedFigure,
    RunFolder,
    Shown,
    SomeRounds,
    SomeRuns,
    parse_number,
)
from clew.cli.waiting import working
from clew.environments import Environment
from clew.errors import SettingError
from clew.runs.run import open_run

__all__ = ["SHOWING"]


def play(
    run: RunFolder,
    delay: Annotated[float, typer.Option(help="seconds between steps, on a terminal", min=0.0, max=60.0)] = 0.1,
) -> None:
    """Let the seeker walk: a greedy episode, step by step."""
    config, env, policy = open_run(run)
    env.reset(seed=config.seed)
    steps = play_episode(env, policy, delay)
    how = ("reached the goal in", "gave up after") if isinstance(env, Environment) else ("ended after", "cut off after")
    print(f"{how[0] if steps[-1].terminated else how[1]} {len(steps)} steps")


def render(run: RunFolder, out: PictureFile, show: Shown = "values", episode: OfEpisode = False) -> None:
    """Draw a run: what it learned, and where that leads.

    As a .gif, how it learned that; with --episode, how one episode went.
    """
    from clew.figures.films import render_run

    with working("drawing") as line:
        render_run(run, out, show=show, episode=episode, callback=line.show_round)
    print(f"Kept in {out}.")


def graph(
    run: RunFolder,
    out: GraphFolder = None,
    rounds: SomeRounds = None,
) -> None:
    """Draw what driver, object store and actors did in a run.

    It is written as graph.svg, graph.html, and trace.json for Perfetto.
    """
    from clew.figures.graph import write_graph

    for path in write_graph(run, out, rounds):
        print(path)


def plot(
    runs: SomeRuns,
    out: PlotFile,
    figure: PlottedFigure = "mean_steps",
    regret: Annotated[bool, typer.Option("--regret", help="sum up what was lost to the optimum")] = False,
    steps_to_optimal: Annotated[
        bool, typer.Option("--steps-to-optimal", help="show how long it took to come near the optimum, and stay there")
    ] = False,
    optimum: Annotated[
        Any, typer.Option(parser=parse_number, metavar="X", help="the best there is [default: that of the world]")
    ] = None,
    tolerance: NearOptimum = None,
) -> None:
    """Plot how runs learned, with 95% intervals over seeds.

    All that differ by their seeds alone are one line, or one row.
    """
    from clew.figures.curves import plot_runs, save_plot

    what = [name for name, is_it in (("regret", regret), ("steps_to_optimal", steps_to_optimal)) if is_it]
    save_plot(plot_runs(runs, what or ["learning"], out, figure=figure, optimum=optimum, tolerance=tolerance), out)
    print(out)


def serve(
    run: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="begin with the world and settings of this run")
    ] = None,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="list the run folders in this one")] = Path(),
    host: Annotated[
        str, typer.Option(help="address to listen at; beyond this machine a token is asked for")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="where to listen; 0 takes one that is free")] = 8080,
    token: Annotated[
        str | None, typer.Option(help="what visitors must know [default: made up, where it is needed]")
    ] = None,
    show: Annotated[bool, typer.Option(help="open a browser")] = False,
) -> None:
    """Show the page, where a maze is painted while it's learned.

    It also lists runs, and shows what a cluster does.
    """
    try:
        from clew.web.server import serve as serve_page
    except ModuleNotFoundError as error:
        if error.name != "nicegui":
            raise
        raise SettingError(
            "the page needs NiceGUI, which isn't installed: pip install '.[web]' in the checkout of Clew"
        ) from None
    serve_page(run, runs, host, port, token, show=show)


SHOWING = (play, render, graph, plot, serve)
