"""The model of a round calibrated, held against rounds as they are, and asked about clusters that aren't here.

python -m benchmarks.scaling            measures (some minutes), and writes docs/scaling.json, .md and .svg
python -m benchmarks.scaling --draw     writes the page and the picture of what was measured last

With root and iproute2 also over two network namespaces with a narrow link between them; else that part says why not.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import hosts, machine, scaling_report
from clew import train_policy_parallel
from clew.distributed.calibration import EPISODE, WANDERING, calibrate, make_world, measure_link
from clew.distributed.cluster import connected
from clew.distributed.scaling import Cluster, Load, Parameters, seconds_of_round
from clew.tracing.trace import Trace

DOCS = Path(__file__).parent.parent / "docs"
SIDES = (50, 100, 200, 400, 1000, 4000)  # of the mazes that are calibrated with
CHECKED = ((100, 24_000_000), (1000, 24_000_000))  # sides of mazes, steps a round: enough work for calls to all actors
ACTORS = (1, 2, 4)
SIMULATIONS = 4
ROUNDS = 40  # of which the shortest counts
MEGABITS = (100, 1000)


def measured_round(side: int, steps_a_round: int, num_actors: int) -> dict[str, Any]:
    """The rounds of a training on the running Ray: the shortest and the median but for the first, and their steps."""
    sync_every = steps_a_round // (SIMULATIONS * EPISODE)
    rows, trace = [], Trace()
    train_policy_parallel(
        make_world(side),
        ROUNDS * SIMULATIONS * sync_every,
        SIMULATIONS,
        num_actors=num_actors,
        sharing="local",
        **WANDERING,
        sync_every=sync_every,
        callback=rows.append,
        trace=trace,
    )
    shortest = min(rows[1:], key=lambda row: row.seconds / row.num_steps)
    seconds = sorted(row.seconds for row in rows[1:])
    return {
        "side": side,
        "num_actors": num_actors,
        "steps": shortest.num_steps,
        "shortest": shortest.seconds,
        "median": seconds[len(seconds) // 2],
    }


def least_of(calibrations: list[Parameters]) -> Parameters:
    """The least of each parameter: a machine that was busy then was less so another time."""

    def least(*values: Any) -> Any:
        if isinstance(values[0], tuple):  # a curve, or a point of one
            return tuple(least(*parts) for parts in zip(*values, strict=True))
        return min(values)

    found = {name: least(*(getattr(each, name) for each in calibrations)) for name in asdict(calibrations[0])}
    return Parameters(**found)


def predict(parameters: Parameters, row: dict[str, Any]) -> dict[str, Any]:
    """A measured row with what the model says of it; a host of two has one of the processors."""
    if row["num_hosts"] > 1:
        parameters = replace(parameters, cores=1, link_call=row["link_call"], link_byte=row["link_byte"])
    load = Load(row["side"] ** 2, 4, SIMULATIONS, row["steps"])
    predicted = seconds_of_round(parameters, load, Cluster(row["num_actors"], row["num_hosts"]))
    return {**row, "predicted": predicted.seconds, "stages": predicted._asdict()}


def rounds_here() -> list[dict[str, Any]]:
    """Rounds on this machine."""
    with connected(max(ACTORS)):
        return [
            {**measured_round(side, steps, num_actors), "num_hosts": 1}
            for side, steps in CHECKED
            for num_actors in ACTORS
        ]


def rounds_over_hosts(megabits: int) -> list[dict[str, Any]]:
    """Rounds over two hosts with an actor each, whose link is narrow and was measured before."""
    with hosts.joined_hosts() as pair:
        pair.narrow(megabits)
        command = (sys.executable, "-m", "benchmarks.scaling", "--inside")
        with pair.start(0, *command, stdout=subprocess.PIPE) as process:
            try:
                output, _ = process.communicate(timeout=900)
            finally:
                hosts.stop(process)
        if process.returncode:
            raise RuntimeError("a training over two hosts failed")
    found = json.loads(output.splitlines()[-1])
    about = {"num_hosts": 2, "megabits": megabits, "link_call": found["link"][0], "link_byte": found["link"][1]}
    return [{**row, **about} for row in found["rows"]]


def inside() -> dict[str, Any]:
    """On the first of two hosts: the link, and rounds."""
    with connected(2):
        return {"link": measure_link(5), "rows": [measured_round(side, steps // 4, 2) for side, steps in CHECKED]}


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """All that the page says, as one dictionary for JSON."""
    about = machine.describe()  # before this loads the machine itself
    say("calibrating")
    calibrations = [calibrate(SIDES)]
    say("rounds on this machine")
    here = rounds_here()
    calibrations.append(calibrate(SIDES))
    reason, there = hosts.why_not(), []
    for megabits in MEGABITS if reason is None else ():
        say(f"rounds over two hosts, {megabits} Mbit/s")
        there += rounds_over_hosts(megabits)
        calibrations.append(calibrate(SIDES))
    parameters = least_of(calibrations)
    rows = [predict(parameters, row) for row in here + there]
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": about,
        "parameters": asdict(parameters),
        "rows": rows,
        "without_hosts": reason,
    }


def main() -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description="Make docs/scaling.md.")
    parser.add_argument("--draw", action="store_true", help="the page and the picture of what was measured last")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=DOCS, help="folder for scaling.json, .md and .svg")
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(inside()))
        return 0
    kept = options.out / "scaling.json"
    if not options.draw:
        results = measure(lambda text: print(text, file=sys.stderr))
        kept.write_text(json.dumps(results, indent=1) + "\n")
    results = json.loads(kept.read_text())
    scaling_report.draw(results, options.out / "scaling.svg")
    (options.out / "scaling.md").write_text(scaling_report.write_page(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
