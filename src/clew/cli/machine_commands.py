"""Commands about the machine or the cluster: doctor, bench."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clew.cli.options import LEARNING, RUN, AsJson, Plugins, given_options, load_plugins, make_config, with_settings
from clew.errors import SettingError

if TYPE_CHECKING:
    from clew.distributed.forecast import Forecast
    from clew.learning.findings import Finding
    from clew.runs.configuration import TrainingConfig


@with_settings(*RUN, *LEARNING)
def doctor(
    *,
    context: typer.Context,
    this: Annotated[bool, typer.Option("--self", help="check this installation, as without a world")] = False,
    plugin: Plugins = None,
    as_json: AsJson = False,
    **settings: Any,
) -> None:
    """Check this installation, or a training before it begins.

    With a world or options of clew train, what may keep that training from learning is printed, each with a number, a
    reason and a remedy (the exit code is 1 if one is an error); and the time and memory that it takes, by a second of
    it; with --actors also on actors. Without them, or with --self: versions, processors, memory, the folder of compiled
    functions, Ray and the browser.

    Example: clew doctor 30x30 --episodes 200 --gamma 0.9
    """
    from clew.cli.terminal import print_figures, print_json
    from clew.cli.waiting import working
    from clew.runs.machine import describe_machine

    load_plugins(plugin)
    asked = given_options(context).keys() - {"as_json", "plugin", "this"}
    if this and asked:
        raise SettingError(
            "--self checks the installation, so it takes no world and no settings; leave one of them out"
        )
    if asked:
        findings = examine_and_forecast(make_config(settings), as_json)
        if any(each.severity == "error" for each in findings):
            raise typer.Exit(1)
        return
    with working("looking"):
        figures, problems = describe_machine()
    if as_json:
        print_json({**figures, "problems": problems})
    else:
        print_figures("This installation", figures)
        print("\n".join(["", *problems] if problems else ["No problem was found."]))
    if problems:
        raise typer.Exit(1)


def examine_and_forecast(config: "TrainingConfig", as_json: bool) -> "list[Finding]":
    """Print what may keep a training from learning, and return it; unless it can't learn, print its time and memory."""
    from clew.cli.messages import name_compiled
    from clew.cli.supervision import continue_in_child
    from clew.cli.terminal import print_json
    from clew.cli.waiting import working
    from clew.runs.examination import examine_run
    from clew.runs.run import check_simulations, forecast_run
    from clew.runs.storage import finite_or_none
    from clew.settings import peak_memory

    check_simulations(config)
    if config.num_actors:
        continue_in_child("start it again")
    name_compiled(config.algorithm, config.behaviour_name)
    with working("looking"):
        findings = examine_run(config)
    forecast = None
    if all(each.severity != "error" for each in findings):
        with working("measuring"):
            forecast = forecast_run(config)
    if as_json:
        figures = {} if forecast is None else {**forecast._asdict(), "ratio": forecast.ratio}
        figures |= {} if forecast is None else {"peak_memory": peak_memory()}
        print_json({"findings": [finite_or_none(vars(each)) for each in findings], **figures})
        return findings
    print_findings(config, findings)
    if forecast is not None:
        print_expectation(config, forecast, peak_memory())
    if forecast is not None and forecast.num_actors:
        print_forecast(config, forecast)
    return findings


def print_findings(config: "TrainingConfig", findings: "list[Finding]") -> None:
    """Print findings, a line each."""
    from clew.cli.terminal import BOLD, styled

    print(styled(f"{config.maze}, {config.algorithm}, {config.num_episodes:,} episodes", BOLD))
    for each in findings:
        print(f"{each.severity}, {each.name}: {each}.")
    if not findings:
        print("No problem was found.")


def print_expectation(config: "TrainingConfig", found: "Forecast", memory: int) -> None:
    """Print the expected time of a training in this process, and its memory.

    Args:
        config: settings of the training.
        found: its forecast.
        memory: largest memory that this process has used, in bytes.
    """
    time, speed = format_expectation(found), format_speed(found.steps_per_second)
    part = ""
    if " to " in time:
        n = found.num_measured
        part = f" (the first {n:,} may be longer than later ones)" if n else " (none ended while it was measured)"
    print(f"Expected time: {time} for {found.num_episodes:,} episodes{part}, at {speed}.")
    print(
        f"Memory: {format_size(found.num_bytes)} for what {config.algorithm} learns, {format_size(memory)} with "
        "Python, the world and its optimum."
    )


def format_expectation(found: "Forecast") -> str:
    """Return the expected time of a training in this process, such as "about 40 s"; its range if that is wide."""
    low, high = found.interval
    if high < 1.0:
        return "less than a second"
    if found.num_measured == found.num_episodes or high < 1.5 * low:
        return f"about {format_duration(found.in_process)}"
    return f"{format_duration(low)} to {format_duration(high)}"


def format_duration(seconds: float) -> str:
    """Return a duration in words, with two digits, such as "40 s"; "less than a second" below 1."""
    if seconds < 1.0:
        return "less than a second"
    for unit, length, most in (("s", 1.0, 100.0), ("min", 60.0, 6000.0), ("h", 3600.0, 172_800.0)):
        if seconds < most:
            return f"{float(f'{seconds / length:.2g}'):g} {unit}"
    return f"{float(f'{seconds / 86_400.0:.2g}'):,.0f} days"


def format_speed(steps_per_second: float) -> str:
    """Return a speed in words, such as "12 million steps a second"."""
    if steps_per_second >= 1e6:
        return f"{steps_per_second / 1e6:,.2g} million steps a second"
    return f"{float(f'{steps_per_second:.2g}'):,.0f} steps a second"


def format_size(num_bytes: int) -> str:
    """Return a size in words, such as "3.2 MB"."""
    power = min(3, max(0, (len(str(num_bytes)) - 1) // 3))
    return f"{float(f'{num_bytes / 1000**power:.3g}'):,g} {('bytes', 'kB', 'MB', 'GB')[power]}"


def print_forecast(config: "TrainingConfig", found: "Forecast") -> None:
    """Print the expected time of a training in this process and on actors."""
    from clew.cli.terminal import print_figures

    ratio = found.ratio or 0.0
    print()
    print_figures(
        f"Training of {config.maze}, {config.num_episodes:,} episodes",
        {
            "steps": found.num_steps,
            "rounds": found.num_rounds,
            "seconds_in_this_process": found.in_process,
            f"seconds_on_{found.num_actors}_actors": found.on_actors,
            "of_which_to_start": found.start,
        },
    )
    advice = ": leave out --actors" if ratio > 1.0 else ""
    times = f"{ratio:,.0f}" if ratio >= 10.0 else f"{ratio:.2g}"
    print(f"With actors it takes {times} times as long as in this process{advice}.")


def bench(
    calibrate: Annotated[bool, typer.Option("--calibrate", help="measure the parts of a round over Ray")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", parser=Path, metavar="FILE", help="save the parameters as JSON")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure this machine or cluster, for docs/scaling.md.

    The cluster is the one at RAY_ADDRESS; without it a Ray is started on this machine.
    """
    if not calibrate:
        raise SettingError("must be given: there is nothing else to measure", setting="calibrate")
    from clew.cli.supervision import continue_in_child
    from clew.cli.terminal import print_figures, print_json
    from clew.cli.waiting import working
    from clew.distributed.calibration import calibrate as measure
    from clew.runs.storage import finite_or_none

    continue_in_child("start it again")
    with working("measuring"):
        parameters = measure()
    if out is not None:
        parameters.write(out)
    figures = finite_or_none(vars(parameters))
    if as_json:
        print_json(figures)
        return
    largest = {name: figure[-1][1] if isinstance(figure, list | tuple) else figure for name, figure in figures.items()}
    print_figures("A round over Ray: seconds of each part, at the largest size measured", largest)
    print(f"Saved to {out}." if out else "Not saved; add --out FILE to save the figures of all sizes.")
