"""Measure speed in one run, print ratios, write results/latest.json; `python -m benchmarks.report` makes a page of it.

    python -m benchmarks                            from the root of the repository; under a minute
    python -m benchmarks --peers-python PATH        other libraries as well, as that interpreter has them
    python -m benchmarks --large-peers --data FOLDER    and models and large maps of a folder that take them minutes
    python -m benchmarks --long --data FOLDER       learning from samples and planning, two minutes more

Ends with exit code 1 if a target is missed by far, or if clew and C don't learn the same bits.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import beside_peers, c, continuing, learning, loops, machine, planning
from benchmarks.peers import TOLERANCE
from benchmarks.report import ratio_cells
from benchmarks.rows import Row, Section, Target, judge

RESULTS = Path(__file__).parent / "results" / "latest.json"
TARGETS = (Target("5x5", loops.CHAPTER, 300), Target("50x50, 8 interleaved", loops.CHAPTER, 800))
TARGETS += tuple(Target(loops.task_name(size, lanes), c.PLAIN, 1.0) for size in loops.SIZES for lanes in loops.LANES)
SLACK = 0.6  # of a target is enough for exit code 0: a busy machine moves ratios, and a mistake costs more than that


def long_sections(data: Path | None) -> list[Section]:
    """What takes minutes."""
    return [
        Section(
            "Learning from samples",
            "Wall time of learning until the given share of states is optimal; medians of five seeds. A state is "
            "optimal if every greedy action in it is optimal. In deterministic worlds, algorithms that learn a model "
            "(propagation, R-max) nearly learn the map and then solve it; plain Q-learning learns no model.",
            lambda: learning.measure(data),
        ),
        Section(
            "The exact optimum",
            "Wall time of one call of `solve`, at gamma 0.999 with a proved bound of 1e-6, the best of five. The row "
            "Clew is for the planner that `solve` chooses; the other rows name a planner. maze512-8-0 has 232,931 free "
            "cells. 4096x4096 has 22% of its cells blocked, or none.",
            lambda: planning.measure_rows(data),
        ),
    ]


def continuing_section(gamma: float, python: str) -> Section:
    """Worlds that never end, with one discount."""
    return Section(
        f"Worlds that never end, gamma {gamma}",
        f"Optimal values of inventories, queues, maintenance and random models to {TOLERANCE:.0e}, in seconds on the "
        "clock, without the time to build a model; one thread of linear algebra. Clew proves its bound; how far the "
        "relative values of the others are from ours, at most, is said below.",
        lambda: beside_peers.measure_continuing(gamma, python),
    )


def make_sections(options: argparse.Namespace) -> list[Section]:
    """What is measured, in the order of the page. A new section is a line here."""
    sections = [
        Section(
            "Learning, step by step",
            "Q-learning on open grids, from one corner to the opposite one, in float32. A step is to choose an action "
            "(epsilon-greedy, ties at random), to step, and to learn. Figures are steps per second of processor time."
            "\n\nClew and C draw from the same streams and learn the same bits, which is checked before they are "
            "timed. `loop.c` is compiled by gcc as plain C, and once more with x86 vector instructions written by hand."
            "\n\n*8 interleaved* means that eight episodes are played on one table, step by step in turn. This is "
            "another algorithm than one episode at a time. The chapter's loop can't do this, so its figure is for one "
            "episode at a time.",
            loops.measure_loops,
            TARGETS,
        ),
        Section(
            "A whole call",
            "Wall time from the call to the learned policy, with kernels compiled before.",
            loops.measure_call,
        ),
        Section(
            "Exact solving, beside other libraries",
            f"Wall time to compute optimal values at gamma {beside_peers.GAMMA} to within {TOLERANCE:.0e}, without the "
            "time to build a model. A fifth of the cells of the mazes, drawn at random, are blocked. Clew proves its "
            "bound. The other libraries stop by their own rules. The list below has the difference of their values "
            "from Clew's, and the largest memory of the whole process, including Python's lists of the model.",
            lambda: beside_peers.measure_solvers(options.peers_python, options.data if options.large_peers else None),
        ),
        Section(
            "Q-learning, beside other libraries",
            "Tabular Q-learning on an open grid of 5x5 cells, in steps per second of processor time.",
            lambda: beside_peers.measure_learners(options.peers_python),
        ),
    ]
    if options.large_peers:
        sections += [continuing_section(gamma, options.peers_python) for gamma in continuing.GAMMAS]
    return sections + (long_sections(options.data) if options.long else [])


def make_table(rows: list[Row]) -> Table:
    """How many times as fast as each contender ours is, task by task."""
    tasks, lines = ratio_cells(rows)
    table = Table()
    table.add_column("so many times as fast as")
    for task in tasks:
        table.add_column(task, justify="right")
    for name, cells in lines:
        table.add_row(name, *cells)
    return table


def main() -> int:
    """Measure, print, write; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure speed, as ratios in one run.")
    parser.add_argument("--peers-python", default=sys.executable, help="interpreter that has the other libraries")
    parser.add_argument("--data", type=Path, help="folder with maps/, for the large ones")
    parser.add_argument(
        "--large-peers", action="store_true", help="other libraries on large models too; takes half an hour"
    )
    parser.add_argument("--long", action="store_true", help="learning from samples and planning too; takes minutes")
    options = parser.parse_args()
    console = Console()
    about = machine.describe()
    console.print(", ".join(f"{name} {value}" for name, value in about.items()), soft_wrap=True, highlight=False)

    measured, targets = [], []
    for section in make_sections(options):
        rows = section.measure()
        console.print(f"\n{section.title}", style="bold")
        table = make_table(rows)
        if table.row_count:
            console.print(table)
        for row in rows:
            if not row.figures:
                console.print(f"{row.task}: {row.contender}: {row.note}", highlight=False)
        measured.append({"title": section.title, "text": section.text, "rows": [asdict(row) for row in rows]})
        targets += judge(section.targets, rows)
    for target in targets:
        console.print(
            f"target: {target['task']}, at least {target['at_least']} times {target['contender']}: "
            f"{target['ratio']:,.3g}, {'met' if target['met'] else 'MISSED'}"
        )
    RESULTS.parent.mkdir(exist_ok=True)
    report = {"time": time.strftime("%Y-%m-%d"), "machine": about, "flags": c.FLAGS, "targets": targets}
    RESULTS.write_text(json.dumps({**report, "sections": measured}, indent=2) + "\n")
    return 0 if all(target["ratio"] >= SLACK * target["at_least"] for target in targets) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as error:
        sys.exit(f"error: {error}")
