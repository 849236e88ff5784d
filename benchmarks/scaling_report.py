"""The page on scaling, of what `benchmarks.scaling` measured."""

import math
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from clew.distributed.scaling import Cluster, Load, Parameters, Round, find_limit, seconds_of_round

SIZES = (10_000, 1_000_000, 16_000_000)  # states, of four actions
STEPS = 10_000_000  # of each simulation in a round, and each actor has one simulation
CORES = 16  # of the hosts that are asked about, with a link of
LINK_CALL, LINK_BYTE = 1e-4, 8e-10  # a tenth of a millisecond and 10 Gbit/s
FAN_IN, BLOCKS = 8, 16
MOST = 1024
SHOWN = (4, 16, 64, 256, MOST)
COUNTS = sorted({round(2 ** (k / 8)) for k in range(81)})
WAYS = {  # what the clusters differ in, with colours of Okabe and Ito
    "the driver merges all, as it is": ({}, "#0072B2"),
    f"a tree of mergers, {FAN_IN} to one": ({"fan_in": FAN_IN}, "#D55E00"),
    f"{BLOCKS} blocks of states": ({"num_blocks": BLOCKS}, "#009E73"),
    "both": ({"fan_in": FAN_IN, "num_blocks": BLOCKS}, "#CC79A7"),
}
STAGES = {  # in the order of a round
    "publish": "#56B4E9",
    "send": "#0072B2",
    "call": "#CC79A7",
    "work": "#BBBBBB",
    "answer": "#E69F00",
    "merge": "#D55E00",
}
TEXT, GRID = "#222222", "#DDDDDD"


def paragraph(*parts: str, hanging: str = "") -> str:
    """Sentences as lines of the page."""
    return textwrap.fill(
        " ".join(parts), 118, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
    )


REMEDIES = (
    paragraph(
        "- **Longer rounds** (`sync_every`): the driver's part hardly grows once all rows have changed, and work",
        "does. The price is that actors learn longer without the others.",
        hanging="  ",
    ),
    paragraph(
        "- **A tree of mergers.** What a simulation does to a value is to map q to q_i + k_i (q - q_0), whatever",
        "else was merged before, and such maps can be composed: the changes of eight simulations become one table of",
        "changes, and so on up, to the values that the driver would have come to but for rounding. For the same bits",
        "on any number of actors it has to be a tree of simulations, not of actors. Clew doesn't build it: the",
        "figures are the model's.",
        hanging="  ",
    ),
    paragraph(
        "- **Blocks of states**, spread over the hosts, each with a process that publishes and merges it: transfers",
        "and merging are shared. Clew keeps a table so where no host can hold the whole, but local learners don't",
        "yet send to blocks: these figures are the model's too, as are those of both together.",
        hanging="  ",
    ),
)
LEFT_OUT = paragraph(
    "What the model leaves out: hosts that are slower than others, actors that are lost, links that others use too,",
    "the time that Ray itself takes to follow a thousand actors; and that results are merged while others still",
    "work, which makes rounds shorter than it says. It takes hosts to fetch the values from the driver one after the",
    "other; Ray may pass them on from host to host.",
)


def parameters_of(results: dict[str, Any]) -> Parameters:
    """The measured parameters, on hosts as they are asked about."""
    found = {
        name: value if not isinstance(value, list) else tuple(map(tuple, value)) for name, value in results.items()
    }
    return replace(Parameters(**found), cores=CORES, link_call=LINK_CALL, link_byte=LINK_BYTE)


def rounds(parameters: Parameters, num_states: int, way: dict[str, int]) -> Callable[[int], Round]:
    """The round of a number of actors."""

    def round_of(num_actors: int) -> Round:
        load = Load(num_states, 4, num_actors, STEPS * num_actors)
        return seconds_of_round(parameters, load, Cluster(num_actors, math.ceil(num_actors / CORES), **way))

    return round_of


def speed_up(round_of: Callable[[int], Round], num_actors: int) -> float:
    """Steps a second, as many times those of one actor as the driver merges them."""
    return num_actors * round_of(1).seconds / round_of(num_actors).seconds


def states(n: int) -> str:
    """A number of states in words."""
    return f"{n // 1_000_000} million states" if n >= 1_000_000 else f"{n:,} states"


def write_page(results: dict[str, Any]) -> str:
    """The page as Markdown."""
    parameters = parameters_of(results["parameters"])
    about = results["machine"]
    lines = [
        "<!-- Made by `make scaling`. Don't edit: measure again. -->",
        "# Scaling",
        "",
        paragraph(
            "What would a cluster bring that isn't here? A round of local learners is made of stages that can be",
            "measured one by one on one machine: `clew.distributed.scaling` adds them up for any number of actors",
            f"and hosts. This page holds that model against rounds as they are, and then asks it about {MOST:,}",
            "actors.",
        ),
        "",
        "```",
        "clew bench --calibrate --out round.json    # measures the stages here, or on the cluster at RAY_ADDRESS",
        "make scaling                               # measures, checks, and makes this page",
        "make scaling DRAW=--draw                   # makes this page of what was measured last",
        "```",
        "",
        paragraph(
            f"Measured on {results['date']}: {about['processor']}, {about['processors']} processors; load",
            f"{about['load']}. Every figure is the least of several repetitions, for whatever else a machine does",
            "only adds to it.",
        ),
        *_busy_lines(about),
        "",
        "![Speed by the number of actors, what a round is made of, and the model against measured rounds](scaling.svg)",
        "",
        *_parameter_lines(results["parameters"]),
        *_check_lines(results),
        *_prediction_lines(parameters),
        *_remedy_lines(parameters),
    ]
    return "\n".join(lines) + "\n"


def _busy_lines(about: dict[str, str]) -> list[str]:
    """A warning, if others worked on the machine."""
    if about["load"] == "unknown" or float(about["load"]) <= int(about["processors"]) + 1:
        return []
    warning = paragraph(
        "**The machine was busy with other work.** A round of two actors or more takes its shortest time only when all",
        "processors are free at once, which then hardly ever happens; so those rounds are longer here than the model",
        "says. Measure again on an idle machine.",
    )
    return ["", warning]


def _parameter_lines(found: dict[str, Any]) -> list[str]:
    """The stages, each with what it takes at the smallest and the largest size."""
    meanings = {
        "publish": "a value of the table, copied and put into the object store by the driver",
        "prepare": "a value of the table, copied by an actor for a task, and searched for changes",
        "step": "a step of learning, by the number of states",
        "answer": "a value that changed, put into the object store by the actor",
        "merge": "a value that changed, taken in by the driver",
    }
    lines = [
        "## What a round is made of",
        "",
        "| | smallest | | largest | | |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, meaning in meanings.items():
        (n0, s0), (n1, s1) = found[name][0], found[name][-1]
        lines.append(f"| `{name}` | {n0:,} | {1e9 * s0:.3g} ns | {n1:,} | {1e9 * s1:.3g} ns | {meaning} |")
    return [
        *lines,
        "",
        paragraph(
            f"A call to an actor and back takes {1e3 * found['call']:.2g} ms, and each further one",
            f"{1e3 * found['issue']:.2g} ms of the driver. In a large table one of {1 / found['rows_a_step']:.1f}",
            "steps moves a row that the task hasn't moved before. Between sizes the model goes along straight lines",
            "of logarithms.",
        ),
        "",
    ]


def _check_lines(results: dict[str, Any]) -> list[str]:
    lines = [
        "## The model against rounds as they are",
        "",
        paragraph(
            "Q-learning by agents that wander in an open maze, four simulations, seconds of a round; an error above",
            f"zero says that the model expects too much. This machine has {results['parameters']['cores']}",
            "processors, and four actors share them, as the model knows. Two hosts are network namespaces with an",
            "actor each, and a link that lets so many bits through, which was measured before.",
        ),
        "",
        "| states | actors | link | steps a round | shortest round | median | model | error |",
        "| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in results["rows"]:
        link = f"{row['megabits']:,} Mbit/s" if "megabits" in row else "one host"
        error = row["predicted"] / row["shortest"] - 1
        lines.append(
            f"| {row['side'] ** 2:,} | {row['num_actors']} | {link} | {row['steps']:,} | {row['shortest']:.3f} | "
            f"{row['median']:.3f} | {row['predicted']:.3f} | {error:+.0%} |"
        )
    errors = sorted(abs(row["predicted"] / row["shortest"] - 1) for row in results["rows"])
    lines += ["", f"The median error is {errors[len(errors) // 2]:.0%}, the greatest {errors[-1]:.0%}."]
    if results["without_hosts"]:
        lines += ["", f"Two hosts were not measured: {results['without_hosts']}."]
    return [*lines, ""]


def _prediction_lines(parameters: Parameters) -> list[str]:
    lines = [
        "## To 1,024 actors",
        "",
        paragraph(
            f"Hosts of {CORES} processors with a link of 10 Gbit/s (assumed), one simulation for each actor,",
            f"{STEPS // 1_000_000} million steps of each in a round. How many times as fast as one actor, in steps a",
            "second, and from which number on actors wait for the driver for more than half of a round. It is a",
            "model of time: how much is learned in a step is another question, which [Over Ray](distributed.md)",
            "speaks of.",
        ),
        "",
        f"| states | way | {' | '.join(f'{n:,}' for n in SHOWN)} | half is waiting |",
        "| ---: | --- |" + " ---: |" * (len(SHOWN) + 1),
    ]
    for size in SIZES:
        for name, (way, _) in WAYS.items():
            round_of = rounds(parameters, size, way)
            speeds = " | ".join(f"{speed_up(round_of, n):.3g}" for n in SHOWN)
            lines.append(f"| {size:,} | {name} | {speeds} | {limit_in_words(find_limit(round_of, MOST))} |")
    return [*lines, ""]


def limit_in_words(limit: int | None) -> str:
    """From which number of actors on."""
    return f"not up to {MOST:,}" if limit is None else "always" if limit == 1 else f"from {limit:,} on"


def _remedy_lines(parameters: Parameters) -> list[str]:
    """What becomes the limit, and what helps."""
    lines = ["## What becomes the limit, and what helps", ""]
    for size in SIZES:
        round_of = rounds(parameters, size, {})
        limit = find_limit(round_of, MOST)
        at = round_of(limit or MOST)
        stages = {name: seconds for name, seconds in at._asdict().items() if name != "work"}
        parts = sorted(stages.items(), key=lambda part: -part[1])
        whole = sum(stages.values())
        (first, most), (second, next_most) = parts[:2]
        lines.append(
            paragraph(
                f"- **{states(size).capitalize()}**: {limit_in_words(limit)}. There the driver takes {whole:.2g} s",
                f"of a round of {at.seconds:.2g} s, {most / whole:.0%} of it to {first}, {next_most / whole:.0%} to",
                f"{second}.",
                hanging="  ",
            )
        )
    return [*lines, "", "What helps, the cheapest first:", "", *REMEDIES, "", LEFT_OUT]


def draw(results: dict[str, Any], path: Path) -> None:
    """The picture, as SVG or PNG."""
    matplotlib.use("svg" if path.suffix == ".svg" else "agg")
    parameters = parameters_of(results["parameters"])
    # Fixed salt and no date, so that the same figures make the same file; text stays text.
    with matplotlib.rc_context({"svg.hashsalt": "clew", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = plt.figure(figsize=(10.0, 8.0), layout="constrained", facecolor="white")
        above, below = figure.subfigures(2, 1, height_ratios=(1.1, 1.0))
        panels = above.subplots(1, 3, sharey=True)
        for axes, size in zip(panels, SIZES, strict=True):
            _draw_speed(axes, parameters, size)
        panels[0].set_ylabel("times as fast as one actor", fontsize=9, color=TEXT)
        panels[1].set_xlabel("actors", fontsize=9, color=TEXT)
        handles, labels = panels[0].get_legend_handles_labels()
        above.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8.5, frameon=False)
        left, right = below.subplots(1, 2, width_ratios=(1.35, 1.0))
        _draw_stages(left, parameters, SIZES[1])
        _draw_check(right, results["rows"])
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, metadata=metadata, dpi=110)
        plt.close(figure)


def _plain(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10.5, color=TEXT, fontweight="bold", pad=8)
    axes.tick_params(which="both", length=0, labelsize=8.5, labelcolor=TEXT)
    axes.minorticks_off()
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def _actors_below(axes: Axes) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xlim(0.9, 1.12 * MOST)
    axes.set_xticks([1, 4, 16, 64, 256, 1024], ["1", "4", "16", "64", "256", "1,024"])


def _draw_speed(axes: Axes, parameters: Parameters, size: int) -> None:
    """Speed by the number of actors, and where they begin to wait for more than half of a round."""
    ring = {"s": 44, "color": "white", "linewidth": 1.8, "zorder": 3}
    axes.plot(COUNTS, COUNTS, color="#999999", linewidth=1.0, linestyle=(0, (4, 3)), label="nothing but work")
    for name, (way, colour) in WAYS.items():
        round_of = rounds(parameters, size, way)
        axes.plot(COUNTS, [speed_up(round_of, n) for n in COUNTS], color=colour, linewidth=2.0, label=name)
        limit = find_limit(round_of, MOST)
        if limit is not None:
            axes.scatter(limit, speed_up(round_of, limit), edgecolor=colour, **ring)
    axes.scatter([], [], edgecolor=TEXT, label="from here on half of a round is waiting", **ring)
    _actors_below(axes)
    axes.set_yscale("log", base=2)
    axes.set_ylim(0.7, 1.3 * MOST)
    axes.set_yticks([1, 4, 16, 64, 256, 1024], ["1", "4", "16", "64", "256", "1,024"])
    _plain(axes, states(size))


def _draw_stages(axes: Axes, parameters: Parameters, size: int) -> None:
    """Shares of the stages of a round."""
    round_of = rounds(parameters, size, {})
    found = [round_of(n) for n in COUNTS]
    shares = [[100 * getattr(each, name) / each.seconds for each in found] for name in STAGES]
    axes.stackplot(COUNTS, shares, colors=list(STAGES.values()), labels=list(STAGES))
    _actors_below(axes)
    axes.set_ylim(0, 100)
    axes.set_xlabel("actors", fontsize=9, color=TEXT)
    _plain(axes, f"Share of a round, {states(size)}, in %")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8.5, frameon=False, reverse=True)


def _draw_check(axes: Axes, rows: list[dict[str, Any]]) -> None:
    """What the model says, against what was measured."""
    kinds = {
        "one host": ("#0072B2", "o", [row for row in rows if row["num_hosts"] == 1]),
        "two hosts": ("#D55E00", "s", [row for row in rows if row["num_hosts"] == 2]),
    }
    every = [row[name] for row in rows for name in ("predicted", "shortest")]
    ends = (0.6 * min(every), 1.6 * max(every))
    axes.fill_between(
        ends, [0.8 * x for x in ends], [1.25 * x for x in ends], color="#EEEEEE", label="within a quarter"
    )
    axes.plot(ends, ends, color="#999999", linewidth=1.0)
    for name, (colour, marker, found) in kinds.items():
        axes.scatter(
            [row["shortest"] for row in found], [row["predicted"] for row in found], s=34, color=colour, marker=marker,
            label=name, zorder=3,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([x for x in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5) if ends[0] < x < ends[1]])
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("seconds of a round, measured", fontsize=9, color=TEXT)
    axes.set_ylabel("model", fontsize=9, color=TEXT)
    _plain(axes, "The model and rounds as they are")
    axes.legend(loc="upper left", fontsize=8.5, frameon=False)
