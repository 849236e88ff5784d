"""The page on performance, from what was measured: results/latest.json to docs/performance.md and docs/performance.svg.

python -m benchmarks.report         from the root of the repository, after `python -m benchmarks`
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.rows import OURS, Row, find, in_order, ratio

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "latest.json"
DOCS = HERE.parent / "docs"
FASTER, SLOWER = "#0072B2", "#D55E00"  # of Okabe and Ito, told apart by the colour-blind
TEXT, GRID = "#222222", "#DDDDDD"
UNITS = {  # the first that a figure reaches, or the last
    "steps/s": [(1e6, "M/s"), (1e3, "k/s")],
    "s": [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")],
    "MB": [(1.0, "MB")],
}


def ratio_cells(rows: list[Row]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """How many times as good as each contender's our figure is: the tasks, and a line for each contender."""
    tasks = [task for task in in_order(rows, "task") if find(rows, task, OURS)]
    lines = []
    for contender in in_order(rows, "contender"):
        times = [ratio(rows, task, contender) for task in tasks]
        if contender != OURS and any(times):
            lines.append((contender, ["" if value is None else _number(value) for value in times]))
    return tasks, lines


def _number(value: float) -> str:
    """Three digits, or all of a large number."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}"


def _figure_cells(rows: list[Row]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The medians themselves: the tasks, and a line for each contender."""
    tasks = in_order(rows, "task")
    lines = []
    for contender in in_order(rows, "contender"):
        found = [find(rows, task, contender) for task in tasks]
        if any(found):
            lines.append((contender, ["" if row is None else _figure(row) for row in found]))
    return tasks, lines


def _figure(row: Row) -> str:
    """The median with its unit, in thousands or thousandths where that reads better."""
    units = UNITS[row.unit]
    scale, unit = next((pair for pair in units if row.figure >= pair[0]), units[-1])
    return f"{_number(row.figure / scale)} {unit}"


def _markdown_table(tasks: list[str], lines: list[tuple[str, list[str]]]) -> list[str]:
    head = [f"| | {' | '.join(tasks)} |", f"| --- |{' ---: |' * len(tasks)}"]
    return head + [f"| {name} | {' | '.join(cells)} |" for name, cells in lines]


def _notes(rows: list[Row]) -> list[str]:
    """What each row adds, and why some have no figures."""
    return [f"- {row.task}: {row.contender}: {row.note}." for row in rows if row.note]


def write_page(results: dict[str, Any], picture: str) -> str:
    """The page as Markdown."""
    machine = dict(results["machine"])
    place = f"{machine.pop('processor')}, {machine.pop('processors')} processors, {machine.pop('system')}"
    load = machine.pop("load")
    lines = [
        "<!-- Made by `make performance` from the last `make bench`. Don't edit: measure again. -->",
        "# Performance",
        "",
        "For readers who want to know how fast Clew is. This page compares it with a loop in C, the chapter's loop and",
        "other libraries.",
        "",
        "All programs of a comparison are measured in turn in one run, so that other load slows all of them. Figures",
        "are medians of several repetitions. Absolute figures hold for this machine only, ratios for similar machines",
        "too.",
        "",
        f"Measured on {results['time']}: {place}; load at the beginning {load}.",
        f"Versions: {', '.join(f'{name} {version}' for name, version in machine.items())}; C with",
        f"`gcc {' '.join(results['flags'])}`.",
        "",
        "```",
        "make bench          # measures, in under a minute",
        "make bench-peers    # measures other libraries too, and large maps if DATA names their folder",
        "make performance    # writes this page from the last measurements",
        "```",
        "",
        f"![How many times as fast as each contender Clew is]({picture})",
    ]
    if results["targets"]:
        lines += ["", "Targets compare the best repetitions, which other work on the machine disturbed least."]
        lines += ["", "| target | at least | measured | |", "| --- | ---: | ---: | --- |"]
        for target in results["targets"]:
            name, verdict = f"{target['task']}, times {target['contender']}", "met" if target["met"] else "missed"
            lines.append(f"| {name} | {_number(target['at_least'])} | {_number(target['ratio'])} | {verdict} |")
    for section in results["sections"]:
        rows = [Row(**row) for row in section["rows"]]
        lines += ["", f"## {section['title']}", "", section["text"]]
        if ratio_cells(rows)[1]:
            lines += ["", "Clew is this many times as fast as the program of each row:", ""]
            lines += _markdown_table(*ratio_cells(rows))
        unit = ", in million or thousand steps per second" if rows[0].unit == "steps/s" else ""
        lines += ["", f"The measured figures{unit}:", "", *_markdown_table(*_figure_cells(rows))]
        notes = _notes(rows)
        lines += ["", *notes] if notes else []
    return "\n".join(lines) + "\n"


def _lines(rows: list[Row]) -> list[tuple[str, float | None]]:
    """What the picture shows of a section: a line for each task, without a figure, then one for each contender."""
    lines: list[tuple[str, float | None]] = []
    for task in in_order(rows, "task"):
        times = {name: ratio(rows, task, name) for name in in_order(rows, "contender") if name != OURS}
        found = [(name, value) for name, value in times.items() if value is not None]
        lines += [(task, None), *found] if found else []
    return lines


def _draw_section(axes: Axes, title: str, lines: list[tuple[str, float | None]]) -> None:
    """A dot for each contender, on a line from 1, where both are as fast."""
    axes.axvline(1.0, color=TEXT, linewidth=1.0)
    for place, (_, times) in enumerate(lines):
        if times is not None:
            colour = FASTER if times >= 1.0 else SLOWER
            axes.hlines(place, 1.0, times, color=colour, linewidth=2.0)
            axes.scatter(times, place, s=36, color=colour, zorder=3)
            axes.annotate(
                f"{_number(times)} x",
                (max(times, 1.0), place),
                xytext=(8, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
                color=TEXT,
            )
    axes.set_ylim(len(lines) - 0.4, -0.6)
    labels = axes.set_yticks(range(len(lines)), [name for name, _ in lines], fontsize=9, color=TEXT)
    for label, (_, times) in zip(labels, lines, strict=True):
        label.label1.set_fontweight("bold" if times is None else "normal")
    axes.set_title(title, loc="left", fontsize=12, color=TEXT, fontweight="bold", pad=8)
    axes.tick_params(which="both", length=0)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw the ratios of all sections, on one logarithmic scale, as SVG or PNG."""
    sections = [(section["title"], _lines([Row(**row) for row in section["rows"]])) for section in results["sections"]]
    sections = [(title, lines) for title, lines in sections if lines]
    all_times = [times for _, lines in sections for _, times in lines if times is not None]
    heights = [len(lines) for _, lines in sections]
    # Fixed salt and no date, so that the same figures make the same file; text stays text.
    with matplotlib.rc_context({"svg.hashsalt": "clew", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure, panels = plt.subplots(
            len(sections),
            1,
            figsize=(9.0, 0.25 * sum(heights) + 0.4 * len(sections) + 0.5),
            squeeze=False,
            sharex=True,
            height_ratios=heights,
            layout="constrained",
            facecolor="white",
        )
        for axes, (title, lines) in zip(panels[:, 0], sections, strict=True):
            _draw_section(axes, title, lines)
        last = panels[-1, 0]
        last.set_xscale("log")
        last.set_xlim(min(0.4, 0.7 * min(all_times)), 4.0 * max(all_times))
        last.set_xlabel(
            "Clew is so many times as fast (a logarithmic scale); left of 1 it is slower", color=TEXT, fontsize=9
        )
        last.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, metadata=metadata, dpi=110)
        plt.close(figure)


def main() -> int:
    """Write the page and the picture; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description="Make docs/performance.md.")
    parser.add_argument("--results", type=Path, default=RESULTS, help="what `python -m benchmarks` wrote")
    parser.add_argument("--out", type=Path, default=DOCS, help="folder for performance.md and performance.svg")
    options = parser.parse_args()
    if not options.results.exists():
        print(f"error: there is no {options.results}: run `make bench` first", file=sys.stderr)
        return 1
    results = json.loads(options.results.read_text())
    matplotlib.use("svg")
    draw(results, options.out / "performance.svg")
    (options.out / "performance.md").write_text(write_page(results, "performance.svg"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
