"""Number of runs that a comparison needs, and the difference that given runs can find.

A difference counts as found if the p-value of a two-sided test is below `SIGNIFICANCE`, and "can be found" means in 80%
of experiments. Holm's correction for several comparisons asks for more runs than these.

Source:
    Colas, Sigaud & Oudeyer (2018), How many random seeds? Noether (1987), Sample size determination for some common
    nonparametric tests, for ranks. Guenther (1981), Sample size formulas for normal theory t tests, for the correction.
"""

from math import ceil, inf, nan, sqrt
from typing import NamedTuple

from clew.experiments.intervals import Floats

# Of 1,000 comparisons of identical learners, fewer than 950 end in "no difference" with probability 0.4%; at 5%, half.
SIGNIFICANCE = 0.035
CRITICAL = 2.108358  # value of the normal distribution: its quantile at 1 - SIGNIFICANCE / 2
DISTANCE = CRITICAL + 0.841621  # the latter at 0.8: how many standard errors away from 0 a difference has to be
FEWEST, FEWEST_PAIRS = 4, 6  # with fewer runs of each sample, no permutation test has a p-value below SIGNIFICANCE
MOST = 1_000_000  # seeds; a difference that takes more is none, or one of rounding


class Power(NamedTuple):
    """Which differences given runs find in 80% of experiments, and how many runs find given differences.

    Attributes:
        deviation: standard deviation of runs, pooled over both samples; NaN if it is unknown.
        detectable: difference of means that as many runs find; NaN if it is unknown, inf if it is none.
        seeds_needed: runs per sample that find the difference seen; None if none was seen, or it takes over a million.
        seeds_for_half: runs per sample that find half a standard deviation; None if it is unknown.
    """

    deviation: float = nan
    detectable: float = nan
    seeds_needed: int | None = None
    seeds_for_half: int | None = None


def power_of_means(a: Floats, b: Floats, difference: float, *, paired: bool) -> Power:
    """Return the power of a test of means; a and b are finite, and one of them varies.

    >>> import numpy as np
    >>> from clew.experiments.power import power_of_means
    >>> power_of_means(np.array([0.0, 2.0] * 15), np.array([1.0, 3.0] * 15), 1.0, paired=False)[2:]
    (20, 71)
    """
    n, variances = min(a.size, b.size), (float(a.var(ddof=1)), float(b.var(ddof=1)))
    deviation = sqrt(sum(variances) / 2)
    variance = float((a - b).var(ddof=1)) if paired else sum(variances)  # of the difference of two runs
    squared_error = variance / n if paired else variances[0] / a.size + variances[1] / b.size
    correction = CRITICAL**2 / (2 if paired else 4)  # runs that Student's t needs more than the normal distribution
    detectable = inf if n < fewest_runs(paired) else DISTANCE * sqrt(squared_error * n / (n - correction))
    needed, half = (
        None if d == 0.0 else _whole(variance * (DISTANCE / d) ** 2 + correction, paired)
        for d in (difference, deviation / 2 if variance else 0.0)  # equal differences tell nothing about others
    )
    return Power(deviation, detectable, needed, half)


def power_of_ranks(probability: float, *, paired: bool) -> Power:
    """Return the power of a test of ranks, from the probability that a run of one sample is better than the other's."""
    excess = abs(probability - 0.5)
    seeds = DISTANCE**2 / ((4 if paired else 6) * excess**2) if excess else inf
    return Power(seeds_needed=_whole(seeds, paired))


def fewest_runs(paired: bool) -> int:
    """Return the number of runs per sample below which no difference can be found."""
    return FEWEST_PAIRS if paired else FEWEST


def _whole(seeds: float, paired: bool) -> int | None:
    """Return a number of runs, rounded up, and of at least those that a permutation test needs; None over a million."""
    return max(ceil(seeds), fewest_runs(paired)) if seeds <= MOST else None
