"""Statistics of one sample of runs: how large a figure is, how sure that is, and how much runs differ."""

from dataclasses import dataclass
from math import nan

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.experiments.intervals import (
    ERROR,
    Pair,
    interquartile_mean,
    interquartile_mean_interval,
    mean_interval,
    median_interval,
    quantile,
    sorted_runs,
    tolerance_interval,
)

RUNS_FOR_TOLERANCE = 46  # with as many, the least and the greatest hold 90% of all runs with a confidence of 95%


@dataclass(frozen=True)
class Summary:
    """Statistics of a sample of runs, from `summarise`; intervals are pairs (low, high) with a confidence of 95%.

    A figure is NaN if it is unknown: the mean and the standard deviation where runs are censored, and intervals of too
    few runs. It is infinite where more runs are censored than it leaves out.

    Attributes:
        num_runs: number of runs, with censored ones.
        num_censored: number of runs with an unknown number, which is greater than those of all others.
        mean: mean of all runs.
        mean_interval: the wider ends of Student's t and the bootstrap-t.
        interquartile_mean: mean of the middle half of the runs, which a few failed runs don't change.
        interquartile_mean_interval: percentile bootstrap interval of it.
        median: half of the runs are less.
        median_interval: order statistics around it.
        standard_deviation: spread of the runs, with n - 1.
        quartiles: a quarter of the runs are less than the first, and a quarter are greater than the second.
        tolerance_interval: where 90% of all runs of this kind lie, of which these are a sample.
        tolerance_confidence: probability that a sample's tolerance interval holds 90% of all runs.

    >>> from clew.experiments.statistics import summarise
    >>> summarise([13.0, 15.0, 13.0, 17.0, float("inf")]).num_censored
    1
    """

    num_runs: int
    num_censored: int
    mean: float
    mean_interval: Pair
    interquartile_mean: float
    interquartile_mean_interval: Pair
    median: float
    median_interval: Pair
    standard_deviation: float
    quartiles: Pair
    tolerance_interval: Pair
    tolerance_confidence: float

    def describe(self) -> str:
        """Return the statistics in words, which say what these runs don't suffice for."""
        runs = "1 run" if self.num_runs == 1 else f"{self.num_runs} runs"
        if self.num_censored:
            runs += f", {self.num_censored} of them censored, so that the mean is unknown"
        figures = [
            _words("mean", self.mean, self.mean_interval),
            _words("interquartile mean", self.interquartile_mean, self.interquartile_mean_interval),
            _words("median", self.median, self.median_interval),
        ]
        return f"{runs}: {', '.join(filter(None, figures))}; {self._describe_tolerance()}"

    def _describe_tolerance(self) -> str:
        """Return the tolerance interval in words, and how many runs it needs."""
        low, high = self.tolerance_interval
        if self.num_runs == 1:
            return "one run says nothing about others"
        words = f"90% of all runs lie between {low:.4g} and {high:.4g} with confidence {self.tolerance_confidence:.3g}"
        if self.tolerance_confidence < 1 - ERROR:
            words += f" only; {RUNS_FOR_TOLERANCE} runs give 0.95"
        return words


def _words(name: str, value: float, interval: Pair) -> str:
    """Return a figure and its interval in words; nothing if it is unknown."""
    if np.isnan(value):
        return ""
    low, high = interval
    return f"{name} {value:.4g}" + ("" if np.isnan(low) else f" (95% interval {low:.4g} to {high:.4g})")


def summarise(sample: npt.ArrayLike, *, seed: int = 0) -> Summary:
    """Compute statistics of a sample of runs, with 95% confidence intervals.

    Args:
        sample: (num_runs,), a number per run; +inf or NaN for censored runs, such as those that never reached the
            optimum within their budget.
        seed: of the bootstrap. The order of runs doesn't matter.

    Returns:
        Mean, interquartile mean, median, spread and a tolerance interval; see `Summary` for where they are unknown.

    Raises:
        SettingError: if there are no runs, there is more than one axis, or a number is -inf.

    Source:
        Agarwal et al. (2021); Patterson et al. (2024), Empirical design in reinforcement learning.

    >>> from clew.experiments.statistics import summarise
    >>> summary = summarise([13.0, 15.0, 13.0, 17.0, 14.0, 13.0, 21.0, 15.0])
    >>> summary.mean, summary.interquartile_mean, summary.median
    (15.125, 14.25, 14.5)
    >>> print(summary.describe().partition("; ")[2])
    90% of all runs lie between 13 and 21 with confidence 0.187 only; 46 runs give 0.95
    """
    runs = as_sample("sample", sample)
    censored = int(np.isinf(runs).sum())
    spread = nan
    if runs.size > 1 and not censored:
        spread = 0.0 if runs[0] == runs[-1] else float(runs.std(ddof=1))
    tolerance, confidence = tolerance_interval(runs)
    return Summary(
        num_runs=runs.size,
        num_censored=censored,
        mean=mean_of(runs),
        mean_interval=as_pair(mean_interval(runs, seed=seed)),
        interquartile_mean=float(interquartile_mean(runs)),
        interquartile_mean_interval=as_pair(interquartile_mean_interval(runs, seed=seed)),
        median=quantile(runs, 0.5),
        median_interval=median_interval(runs),
        standard_deviation=spread,
        quartiles=(quantile(runs, 0.25), quantile(runs, 0.75)),
        tolerance_interval=tolerance,
        tolerance_confidence=confidence,
    )


def as_sample(name: str, sample: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return a sample in increasing order, (num_runs,) float64, with censored runs as +inf.

    Raises:
        SettingError: if it is not an array of one axis, there are no runs, or a number is -inf.
    """
    runs = sorted_runs(sample)
    if runs.ndim != 1:
        raise SettingError(
            f"must be an array of one number per run, (num_runs,), not of shape {runs.shape}", setting=name
        )
    return runs


def mean_of(runs: npt.NDArray[np.float64]) -> float:
    """Return the mean of sorted runs; NaN if a run is censored, and exactly their value if they are equal."""
    if np.isinf(runs[-1]):
        return nan
    return float(runs[0] if runs[0] == runs[-1] else runs.mean())


def as_pair(ends: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]) -> Pair:
    """Return the interval of a single point as a pair of numbers."""
    return float(ends[0]), float(ends[1])
