"""What a benchmark yields: rows that say who did what, and how fast.

A section is a title, a sentence or two, and a function that measures and returns rows. To add one, write such a
function in a module of its own and name it in `benchmarks.__main__`; the table, the JSON and the page follow.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

OURS = "Clew"


@dataclass(frozen=True)
class Row:
    """One contender at one task.

    Attributes:
        task: what was done; the rows of one task are compared with each other.
        contender: who did it; ours is called `OURS`.
        unit: "steps/s", of which more is better; "s" or "MB", of which less is.
        figures: a figure for each repetition; none if it wasn't measured, and then the note says why.
        note: settings, the error of the result, or why there are no figures.
    """

    task: str
    contender: str
    unit: str
    figures: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def figure(self) -> float:
        """The median of the repetitions."""
        return median(self.figures)

    @property
    def best(self) -> float:
        """The figure of the repetition that was disturbed least by what else the machine did."""
        return max(self.figures) if self.unit.endswith("/s") else min(self.figures)


@dataclass(frozen=True)
class Target:
    """How many times as fast as a contender ours must be at a task."""

    task: str
    contender: str
    at_least: float


@dataclass(frozen=True)
class Section:
    """A chapter of the report: `measure` returns its rows, `targets` are among them."""

    title: str
    text: str
    measure: Callable[[], list[Row]]
    targets: tuple[Target, ...] = ()


def find(rows: list[Row], task: str, contender: str) -> Row | None:
    """The row of a contender at a task, if it was measured."""
    return next((row for row in rows if (row.task, row.contender) == (task, contender) and row.figures), None)


def ratio(rows: list[Row], task: str, contender: str) -> float | None:
    """How many times as good as a contender's our figure is; None unless both were measured.

    Contenders take turns, and a machine that others use changes its speed from one second to the next: so each figure
    is held against the one that was taken beside it, and the median is of these ratios.
    """
    ours, other = find(rows, task, OURS), find(rows, task, contender)
    if ours is None or other is None:
        return None
    more, less = (ours, other) if ours.unit.endswith("/s") else (other, ours)
    if len(more.figures) != len(less.figures):
        return more.figure / less.figure
    return median(a / b for a, b in zip(more.figures, less.figures, strict=True))


def in_order(rows: list[Row], field_name: str) -> list[str]:
    """The tasks or the contenders of some rows, each once, in the order in which they come."""
    return list(dict.fromkeys(getattr(row, field_name) for row in rows))


def judge(targets: tuple[Target, ...], rows: list[Row]) -> list[dict[str, Any]]:
    """Targets whose figures were measured, as JSON can say them, with whether they are met.

    A target is about programs, not about what else the machine does, so the best repetitions are compared. On a machine
    that others use, one program may lose more than the other: in its slow minutes our interleaved loop lost 45% of its
    speed, and C's 20%.
    """
    judged = []
    for target in targets:
        ours, other = find(rows, target.task, OURS), find(rows, target.task, target.contender)
        if ours is not None and other is not None:
            times = ours.best / other.best if ours.unit.endswith("/s") else other.best / ours.best
            judged.append({**vars(target), "ratio": times, "met": times >= target.at_least})
    return judged
