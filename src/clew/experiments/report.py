"""Comparison of the learners of an experiment: statistics of each, a test of each pair, and verdicts in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.experiments.comparisons import compare, corrected_together
from clew.experiments.intervals import ERROR, Pair
from clew.experiments.statistics import RUNS_FOR_TOLERANCE, Summary, summarise
from clew.experiments.verdicts import Comparison

Samples = Mapping[str, Mapping[str, npt.NDArray[np.float64]]]
"""From the name of each world to the samples of the learners in it, by their names."""

HEAD = (
    "world",
    "learner",
    "mean",
    "95% interval",
    "interquartile mean",
    "95% interval",
    "median",
    "std",
    "90% of runs",
)


@dataclass(frozen=True)
class ExperimentComparison:
    """Learners compared in each world, from `ExperimentResults.compare`. Printed, it is a table with verdicts.

        >>> import clew
        >>> learners = {"Q": {"alpha": 0.5, "gamma": 1.0}, "Sarsa": {"algorithm": "sarsa", "alpha": 0.5, "gamma": 1.0}}
        >>> results = clew.Experiment({"cliff": "cliff"}, learners, range(20), num_episodes=200).run()
        >>> found = results.compare(last=100)
        >>> found.comparisons["Q", "Sarsa", "cliff"].is_different
        True
        >>> found.verdicts[0].partition(" by ")[0]
        "Q's return is smaller than Sarsa's"

    Attributes:
        title: the figure, and which episodes and how many seeds it is of.
        summaries: statistics of the runs, by (learner, world).
        comparisons: comparison of each pair of learners in each world, by (a, b, world). Their corrected p-values are
            those of Holm's method over all pairs in all worlds.
    """

    title: str
    summaries: dict[tuple[str, str], Summary]
    comparisons: dict[tuple[str, str, str], Comparison]

    @property
    def verdicts(self) -> list[str]:
        """A sentence for each comparison; it begins with the world if there are several."""
        is_one = len({world for _, world in self.summaries}) == 1
        return [("" if is_one else f"{key[2]}: ") + each.verdict for key, each in self.comparisons.items()]

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, width: int | None = None) -> str:
        """Return what is printed: the table, or if that is wider than `width` characters, a block for each learner.

        Args:
            width: greatest width of the table; None for any.
        """
        rows = [HEAD, *self._rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
        if width is not None and max(map(len, lines)) > width:
            lines = []
            for world, learner, *cells in rows[1:]:
                named = zip(HEAD[2:], cells, strict=True)
                lines += [f"{world}: {learner}", *(f"  {name:<20}{cell}" for name, cell in named)]
        return "\n".join([self.title, *lines, *self._notes(), *([""] if self.verdicts else []), *self.verdicts])

    def _repr_html_(self) -> str:
        """Return the table and the verdicts, for notebooks."""
        head = "".join(f"<th>{each}</th>" for each in HEAD)
        rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self._rows())
        verdicts = "".join(f"<p>{escape(each)}</p>" for each in [*self._notes(), *self.verdicts])
        return f"<table><caption>{escape(self.title)}</caption><tr>{head}</tr>{rows}</table>{verdicts}"

    def _rows(self) -> list[tuple[str, ...]]:
        """Return the rows of the table, as text."""
        return [
            (
                world,
                learner,
                _number(each.mean),
                _interval(each.mean_interval),
                _number(each.interquartile_mean),
                _interval(each.interquartile_mean_interval),
                _number(each.median),
                _number(each.standard_deviation),
                _interval(each.tolerance_interval),
            )
            for (learner, world), each in self.summaries.items()
        ]

    def _notes(self) -> list[str]:
        """Return what the seeds don't suffice for."""
        confidence = min(each.tolerance_confidence for each in self.summaries.values())
        if confidence >= 1 - ERROR:
            return []
        few = f"90% of all runs lie in the last interval with confidence {confidence:.2g} only"
        return [f"{few}; {RUNS_FOR_TOLERANCE} seeds give 0.95"]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as a dictionary that JSON can hold; None stands for what is infinite or unknown."""
        summaries = [
            {"world": world, "learner": learner, **asdict(each)} for (learner, world), each in self.summaries.items()
        ]
        comparisons = [
            {"world": world, **asdict(each), "is_different": each.is_different, "verdict": each.verdict}
            for (_, _, world), each in self.comparisons.items()
        ]
        content = {"title": self.title, "summaries": summaries, "comparisons": comparisons, "verdicts": self.verdicts}
        plain: dict[str, Any] = _plain(content)
        return plain


def compare_learners(
    samples: Samples,
    title: str,
    *,
    what: str,
    paired: bool = False,
    lower_is_better: bool = False,
    seed: int = 0,
) -> ExperimentComparison:
    """Summarise each sample, and compare each pair of learners in each world, with Holm's correction over all pairs.

    Args:
        samples: of each learner in each world, a number per seed.
        title: of the table.
        what: name of the figure, for the verdicts.
        paired: True if run i of all learners has something in common, as in `compare`.
        lower_is_better: True if less of the figure is better.
        seed: of the bootstrap and of the permutations.

    Raises:
        SettingError: if there are fewer than two seeds.

    >>> import numpy as np
    >>> from clew.experiments.report import compare_learners
    >>> samples = {"maze": {"a": np.array([1.0, 2.0, 1.5, 1.2]), "b": np.array([11.0, 12.0, 12.5, 11.9])}}
    >>> found = compare_learners(samples, "return", what="return")
    >>> round(found.comparisons["a", "b", "maze"].difference, 3)
    -10.425
    """
    if any(sample.size < 2 for each in samples.values() for sample in each.values()):
        raise SettingError("must be at least two that are complete, to be compared; 30 are usual", setting="seeds")
    summaries = {
        (learner, world): summarise(sample, seed=seed)
        for world, each in samples.items()
        for learner, sample in each.items()
    }
    found = {
        (a, b, world): compare(
            each[a], each[b], paired=paired, lower_is_better=lower_is_better, names=(a, b), what=what, seed=seed
        )
        for world, each in samples.items()
        for a, b in combinations(each, 2)
    }
    return ExperimentComparison(title, summaries, corrected_together(found))


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Return the cells of a row, with names on the left and numbers on the right."""
    return [f"{cell:{'<' if i < 2 else '>'}{width}}" for i, (cell, width) in enumerate(zip(row, widths, strict=True))]


def _number(value: float) -> str:
    """Return a figure as text; "-" if it is unknown."""
    return "-" if math.isnan(value) else f"{value:.4g}"


def _interval(ends: Pair) -> str:
    """Return an interval as text; "-" if it is unknown."""
    return "-" if math.isnan(ends[0]) else f"{ends[0]:.4g} to {ends[1]:.4g}"


def _plain(content: Any) -> Any:
    """Return nested content with None instead of infinity and NaN, and lists instead of tuples."""
    if isinstance(content, dict):
        return {name: _plain(each) for name, each in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(each) for each in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
