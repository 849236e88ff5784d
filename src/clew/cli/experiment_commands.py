"""Commands of many runs: compare, sweep."""

import logging
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clew.cli.choices import with_choices
from clew.cli.options import (
    LEARNING,
    OUTPUT,
    AsJson,
    Plugins,
    as_mapping,
    given_options,
    load_plugins,
    name_and_value,
    number,
    whole_number,
    with_settings,
)
from clew.errors import RunError, SettingError
from clew.learning.settings import Learning
from clew.runs.configuration import WORLD_SETTINGS, TrainingConfig, usual_gamma
from clew.runs.flags import flag

if TYPE_CHECKING:
    from clew.experiments.experiment import Progress
    from clew.learning.findings import Finding

logger = logging.getLogger(__name__)

OF_WORLDS = WORLD_SETTINGS[1:]  # without its name
COMMON = tuple(name for name in LEARNING if name != "algorithm")
FIGURE_NAMES = "episode_return, steps, terminated, regret, steps_to_optimal, episodes_to_optimal, suboptimality"
RUNS = "Runs"  # the group of options in the help

Learners = Annotated[
    list[str],
    typer.Argument(
        metavar="LEARNER...", help="algorithms, also with settings of their own: sarsa q-learning:alpha=0.5,epsilon=0.2"
    ),
]
Worlds = Annotated[
    list[str],
    typer.Option("--world", metavar="WORLD", help="as for clew train; can be repeated", rich_help_panel=RUNS),
]
Seeds = Annotated[
    Any, typer.Option(parser=whole_number, metavar="N", help="runs of each learner", rich_help_panel=RUNS)
]
FreshSeeds = Annotated[
    Any,
    typer.Option(
        "--fresh-seeds",
        parser=whole_number,
        metavar="N",
        help="runs of the best on other seeds, for the report",
        rich_help_panel=RUNS,
    ),
]
Random = Annotated[
    Any,
    typer.Option(
        parser=whole_number,
        metavar="N",
        help="try N random combinations [default: all, a grid]",
        rich_help_panel=RUNS,
    ),
]
Paired = Annotated[
    bool, typer.Option("--paired", help="compare runs of the same seed with each other", rich_help_panel=RUNS)
]
Best = Annotated[
    Path | None,
    typer.Option(
        parser=Path,
        metavar="FILE",
        help="save the best settings as JSON, for clew train --config",
        rich_help_panel=OUTPUT,
    ),
]
Episodes = Annotated[
    Any, typer.Option("--episodes", parser=whole_number, metavar="N", help="episodes of each run", rich_help_panel=RUNS)
]
Figure = Annotated[str, typer.Option(metavar="NAME", help=f"figure of a run: {FIGURE_NAMES}", rich_help_panel=RUNS)]
Last = Annotated[
    Any,
    typer.Option(
        parser=whole_number,
        metavar="N",
        help="mean of the figure over the last N episodes [default: over all]",
        rich_help_panel=RUNS,
    ),
]
MaxSeconds = Annotated[
    Any,
    typer.Option(
        "--max-seconds",
        parser=number,
        metavar="S",
        help="stop then, and compare the seeds that are complete [default: run all]",
        rich_help_panel=RUNS,
    ),
]
KeptIn = Annotated[
    Path | None,
    typer.Option(
        "--out",
        parser=Path,
        metavar="DIR",
        help="folder that keeps each run, so that none is computed twice, also after a kill",
        rich_help_panel=OUTPUT,
    ),
]
Actors = Annotated[
    Any,
    typer.Option(
        "--actors",
        parser=whole_number,
        metavar="N",
        help="Ray actors that run everything; 0 for the threads of this process",
        rich_help_panel=RUNS,
    ),
]


@with_settings(*OF_WORLDS, *COMMON)
def compare(
    *,
    context: typer.Context,
    learners: Learners,
    world: Worlds,
    seeds: Seeds = 30,
    episodes: Episodes = 500,
    figure: Figure = "episode_return",
    last: Last = None,
    paired: Paired = False,
    max_seconds: MaxSeconds = None,
    actors: Actors = 0,
    out: KeptIn = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
    **settings: Any,
) -> None:
    """Compare algorithms over many seeds, with a verdict.

    Options of the learners hold for all of them; settings behind the name of an algorithm hold for this learner.

    Example: clew compare sarsa q-learning:alpha=0.5 --world cliff --seeds 50
    """
    from clew.cli.terminal import print_json
    from clew.experiments.experiment import Experiment
    from clew.experiments.results import check_figure
    from clew.settings import check_count

    load_plugins(plugin)
    check_count("seeds", seeds, 2)
    check_figure(figure, last)
    common = given_settings(context, {name: settings[name] for name in COMMON}, world)
    worlds = {name: world_of(context, name, settings) for name in world}
    if len(worlds) < len(world):
        raise SettingError("must be different, and one is there twice", setting="world")
    given = {text: read_learner(text, common) for text in learners}
    if len(given) < len(learners):
        raise SettingError("learners must be different: each is run with the same seeds")
    with running(actors, given.values(), len(given) * len(world) * seeds) as progress:
        experiment = Experiment(worlds, given, range(seeds), num_episodes=episodes)
        experiment.check_figure(figure)
        warn_of(experiment.examine())
        results = experiment.run(num_actors=actors, folder=out, progress=progress, max_seconds=max_seconds)
        comparison = results.compare(figure, last=last, paired=paired)
    if as_json:
        run = {"num_episodes": episodes, "seeds": list(results.seeds), "learners": given}
        print_json({**run, "num_computed": results.num_computed, "seconds": results.seconds, **comparison.to_dict()})
    else:
        print(comparison.to_text(get_terminal_size().columns if sys.stdout.isatty() else None))


@with_settings(*OF_WORLDS)
@with_choices
def sweep(
    *,
    context: typer.Context,
    world: Annotated[str, typer.Argument(metavar="WORLD", help="as for clew train")],
    seeds: Seeds = 10,
    fresh_seeds: FreshSeeds = 30,
    episodes: Episodes = 500,
    random: Random = None,
    figure: Figure = "episode_return",
    last: Last = None,
    actors: Actors = 0,
    out: KeptIn = None,
    best: Best = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
    **choices: Any,
) -> None:
    """Find the best settings, and report them on fresh seeds.

    A setting takes several values, 0.1,0.2,0.5, or with --random a range, 0.01..1 or 0.01..1:log. So does a parameter
    of an algorithm from a plug-in, --set bonus=0.1,0.5.

    Example: clew sweep cliff --alpha 0.1,0.3,0.5 --algorithm sarsa,q-learning --best best.json
    """
    from clew.cli.terminal import print_json
    from clew.experiments.sweep import Sweep
    from clew.files import check_place
    from clew.runs.flags import as_flags
    from clew.settings import check_count

    if best is not None:
        check_place(best, b"{", RunError)
    load_plugins(plugin)
    check_count("seeds", seeds, 1)
    check_count("fresh_seeds", fresh_seeds, 2)
    settings = {name: choices.pop(name) for name in OF_WORLDS}
    base, varied = split_choices(choices, world)
    trial = Sweep(
        world_of(context, world, settings),
        varied,
        base=base,
        num_episodes=episodes,
        seeds=range(seeds),
        fresh_seeds=range(seeds, seeds + fresh_seeds),
        num_random=random,
        figure=figure,
        last=last,
    )
    learners = [{"algorithm": "q-learning", **base, **point} for point in trial.points]
    with running(actors, learners, len(learners) * seeds) as progress:
        warn_of(trial.examine())
        results = trial.run(num_actors=actors, folder=out, progress=progress)
    if as_json:
        print_json(results.to_dict())
    else:
        chosen = {name: value for name, value in results.config().items() if name != "maze" and value is not False}
        print(results)
        plugins = "".join(f" --plugin {shlex.quote(each)}" for each in plugin or ())
        print(f"\nclew train {shlex.quote(world)}{plugins} {as_flags(chosen)}")
    if best is not None:
        results.save(best)


def warn_of(findings: "dict[Finding, list[str]]") -> None:
    """Log what may keep learners from learning, in the words of clew doctor, and which learners in which worlds."""
    for finding, where in findings.items():
        more = f"; and {len(where) - 2:,} others" if len(where) > 3 else ""
        logger.warning("warning: %s%s: %s", "; ".join(where[: 2 if more else 3]), more, finding)


def split_choices(choices: dict[str, Any], world: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings with a single value, and the choices of the others.

    Args:
        choices: list of values or range of each setting; None for those that weren't given. "algorithm_settings" has
            pairs of a name and such values.
        world: whose usual discount all learners have, unless another one is given.

    Raises:
        SettingError: if no setting has several values, or an algorithm has no such parameter.
    """
    parameters = as_mapping(choices["algorithm_settings"] or ())
    given = {name: values for name, values in choices.items() if values is not None and name != "algorithm_settings"}
    for algorithm in given.get("algorithm", [Learning.algorithm]) if parameters else ():
        check_parameters(algorithm, parameters)
    base, varied = separate(given)
    own, chosen = separate(parameters)
    base, varied = base | ({"algorithm_settings": own} if own else {}), varied | chosen
    if not varied:
        raise SettingError("there is nothing to choose from; give a setting several values, such as --alpha 0.1,0.5")
    return ({} if "gamma" in varied else {"gamma": usual_gamma(world)}) | base, varied


def separate(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings with a single value, and the choices of the others."""
    single = {name: values[0] for name, values in given.items() if isinstance(values, list) and len(values) == 1}
    return single, {name: values for name, values in given.items() if name not in single}


def check_parameters(algorithm: str, given: dict[str, Any]) -> None:
    """Check that an algorithm has the parameters that --set names, and that settings of Clew aren't among them.

    Raises:
        SettingError: if it has not.
    """
    from clew.learning.algorithms import ALGORITHMS
    from clew.learning.declarations import complete_parameters
    from clew.policies.plugins import check_known

    check_known("algorithm", algorithm, ALGORITHMS)
    ends = {name: values[0] if isinstance(values, list) else values.low for name, values in given.items()}
    complete_parameters(ALGORITHMS[algorithm], ends)
    for name in given:
        if name in LEARNING:
            raise SettingError(f"can't choose {name}, which is a setting too", setting="algorithm_settings")


@contextmanager
def running(num_actors: int, learners: Any, num_runs: int) -> "Iterator[Progress]":
    """Show a progress line during a `with` block of many runs, and return what reports their progress to it.

    Args:
        num_actors: number of Ray actors; with some, the work is continued in a child process.
        learners: settings of each learner, for the message about compilation.
        num_runs: number of runs.
    """
    from clew.cli.interruption import stopped_by_signals
    from clew.cli.messages import name_compiled
    from clew.cli.supervision import continue_in_child
    from clew.cli.waiting import WaitingLine

    if num_actors:
        continue_in_child("start it again; with --out DIR it goes on")
    name_compiled(", ".join(dict.fromkeys(each["algorithm"] for each in learners)))
    with WaitingLine("learning", num_runs, unit="runs") as line, stopped_by_signals(None, line.leave_at_once):
        yield lambda done: line.show(done.num_done, done.num_runs)


def world_of(context: typer.Context, name: str, settings: dict[str, Any]) -> TrainingConfig:
    """Return a world with the settings of worlds that stand on the command line."""
    given = given_options(context)
    return TrainingConfig(maze=name, **{each: settings[each] for each in OF_WORLDS if each in given})


def given_settings(context: typer.Context, settings: dict[str, Any], worlds: list[str]) -> dict[str, Any]:
    """Return the settings of all learners that stand on the command line, and the discount.

    Raises:
        SettingError: if no discount is given, and the worlds have different usual ones.
    """
    given = given_options(context)
    common = {name: value for name, value in settings.items() if name in given}
    if "algorithm_settings" in common:
        common["algorithm_settings"] = as_mapping(common["algorithm_settings"])
    if "gamma" not in common:
        usual = {world: usual_gamma(world) for world in worlds}
        if len(set(usual.values())) > 1:
            words = ", ".join(f"{gamma:g} for {world}" for world, gamma in usual.items())
            raise SettingError(f"must be given, as worlds have different usual ones: {words}", setting="gamma")
        common["gamma"] = usual[worlds[0]]
    return common


def read_learner(text: str, common: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a learner, such as "q-learning:alpha=0.5,gamma=0.9".

    Args:
        text: name of an algorithm, and its own settings if there are some; those that aren't settings of Clew are
            parameters of an algorithm from a plug-in.
        common: settings of all learners, which its own ones replace.

    Raises:
        SettingError: if a setting isn't NAME=VALUE.
    """
    name, _, rest = text.rpartition(":") if "=" in text else (text, "", "")
    names = {flag(setting).removeprefix("--"): setting for setting in LEARNING} | {each: each for each in LEARNING}
    own: dict[str, Any] = {}
    parameters: dict[str, Any] = dict(common.get("algorithm_settings", {}))
    for each in rest.split(",") if rest else ():
        try:
            key, value = name_and_value(each)
        except typer.BadParameter as error:
            raise SettingError(f"the learner {text!r}: a setting {error}") from None
        if names.get(key, key) in own:
            raise SettingError(f"the learner {text!r}: {key} is there twice")
        if key in names or ":" not in name:
            own[names.get(key, key)] = value
        else:
            parameters[key] = value
    return {"algorithm": name, **common, **own, **({"algorithm_settings": parameters} if parameters else {})}
