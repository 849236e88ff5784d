"""Confidence intervals over runs: bootstrap intervals of means and interquartile means, for samples and for curves.

    mean_interval                  bootstrap-t and Student's t, the wider end of both
    interquartile_mean_interval    percentile bootstrap, widened for small samples; may hold censored runs
    median_interval                order statistics; may hold censored runs
    tolerance_interval             where 90% of all runs lie

A run has one number, such as its return. Censored runs, such as those that never reached the optimum within their
budget, have +inf or NaN; both count as greater than all other runs. Resamples are counts of how often each run was
drawn, (num_resamples, n), so that a statistic of all resamples is a product of matrices. A sample is sorted first: its
result depends on the values and the seed, not on the order of runs. `docs/statistics.md` has the measured coverage.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from math import nan

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.settings import check_count

Floats = npt.NDArray[np.float64]
Pair = tuple[float, float]

ERROR = 0.05  # of 95% intervals
RESAMPLES, RESAMPLES_OF_MANY, MANY = 9_999, 999, 2_000  # the second for samples of more than MANY runs
BLOCK = 1 << 21  # elements of a matrix of resamples, 16 MiB
POINTS = 16  # points of a curve that are computed at once
PRIOR = 2 / 3  # successes, and failures, that are added to those of a rate
TOLERANCE_SHARE = 0.9  # share of all runs in a tolerance interval


# Intervals of curves --------------------------------------------------------------------------------------------------


def mean_interval(samples: npt.ArrayLike, axis: int = -1, *, seed: int = 0) -> tuple[Floats, Floats]:
    """Compute 95% confidence intervals of means over runs, for each point of a curve by itself.

    Each end is the wider one of Student's t and the bootstrap-t, which adapts to skewed samples. In a resample, the
    variance counts the sample's variance as one more run, so that resamples of equal runs have a finite t. The error
    of the bootstrap is 5% * n / (n + 3). Where three or more runs have only two values, the interval is that of
    their rate, see `rate_ends`.

    Args:
        samples: one number per run along `axis`, for any number of points; finite, or +inf or NaN for censored runs.
        axis: of the runs.
        seed: of the resamples.

    Returns:
        Low and high ends, float64, of the shape of `samples` without `axis`. NaN where there is a single run, or one is
        censored. Of equal runs, both ends are their value: such a sample says nothing about runs that differ.

    Raises:
        SettingError: if there are no runs, or a number is -inf.

    Source:
        Efron & Tibshirani (1993), section 12.5; Hall (1988), Theoretical comparison of bootstrap confidence intervals.

    >>> import numpy as np
    >>> from clew.experiments.intervals import mean_interval
    >>> curves = np.random.default_rng(0).exponential([1.0, 10.0], size=(30, 2))  # 30 runs, 2 points
    >>> low, high = mean_interval(curves, axis=0)
    >>> low.round(2).tolist(), high.round(2).tolist()
    ([0.86, 4.75], [1.7, 15.93])
    """
    return _for_points(samples, axis, seed, _mean_ends)


def interquartile_mean(samples: npt.ArrayLike, axis: int = -1) -> Floats:
    """Return means of the middle half of the runs: without the n // 4 least and the n // 4 greatest.

    It is infinite where more runs are censored than are left out.

    Args:
        samples: as for `mean_interval`.
        axis: of the runs.

    Raises:
        SettingError: if there are no runs, or a number is -inf.

    Source:
        Agarwal et al. (2021), Deep reinforcement learning at the edge of the statistical precipice.

    >>> from clew.experiments.intervals import interquartile_mean
    >>> float(interquartile_mean([1.0, 2.0, 3.0, float("inf")]))
    2.5
    """
    runs = sorted_runs(samples, axis)
    least = runs.shape[-1] // 4
    middle = _middle(runs)
    return np.asarray(middle + (runs[..., least : runs.shape[-1] - least] - middle[..., None]).mean(axis=-1))


def interquartile_mean_interval(samples: npt.ArrayLike, axis: int = -1, *, seed: int = 0) -> tuple[Floats, Floats]:
    """Compute 95% confidence intervals of interquartile means over runs, for each point of a curve by itself.

    They are quantiles of the interquartile means of resamples, at probabilities that give Student's interval instead
    of the narrower normal one for a mean of as many runs. An end is infinite where too many runs are censored.

    Args:
        samples: as for `mean_interval`.
        axis: of the runs.
        seed: of the resamples.

    Returns:
        Low and high ends, float64, of the shape of `samples` without `axis`; NaN where there is a single run.

    Raises:
        SettingError: if there are no runs, or a number is -inf.

    Source:
        Agarwal et al. (2021); Hesterberg (2015), What teachers should know about the bootstrap, for the probabilities.

    >>> import numpy as np
    >>> from clew.experiments.intervals import interquartile_mean_interval
    >>> low, high = interquartile_mean_interval(np.random.default_rng(0).normal(size=30))
    >>> round(float(low), 2), round(float(high), 2)
    (-0.45, 0.2)
    """
    return _for_points(samples, axis, seed, _interquartile_ends)


def _middle(runs: Floats) -> Floats:
    """Return the middle one of sorted runs, or 0 if it is censored. Means are taken of differences from it.

    Equal runs then have exactly their value as a mean, whatever the rounding of sums.
    """
    middle = runs[..., runs.shape[-1] // 2]
    return np.where(np.isinf(middle), 0.0, middle)


def _for_points(
    samples: npt.ArrayLike, axis: int, seed: int, ends: Callable[[Floats, int], Floats]
) -> tuple[Floats, Floats]:
    """Return the low and high ends of all points, which `ends` computes for some of them at a time."""
    check_count("seed", seed, 0)
    runs = sorted_runs(samples, axis)
    points = runs.reshape(-1, runs.shape[-1])
    found = np.full((2, len(points)), np.nan)
    if runs.shape[-1] > 1:
        for first in range(0, len(points), POINTS):
            part = slice(first, first + POINTS)
            found[:, part] = ends(points[part], seed)
    low, high = found.reshape(2, *runs.shape[:-1])
    return low, high


def sorted_runs(samples: npt.ArrayLike, axis: int = -1) -> Floats:
    """Return samples in float64, with the runs along the last axis, in increasing order, and censored runs as +inf.

    Raises:
        SettingError: if there are no runs, or a number is -inf.
    """
    try:
        runs = np.moveaxis(np.asarray(samples, np.float64), axis, -1)
    except (ValueError, TypeError) as error:
        raise SettingError(f"must be an array of one number per run: {error}", setting="samples") from None
    if runs.shape[-1] == 0:
        raise SettingError("must have at least one run, not none", setting="samples")
    runs = np.sort(np.where(np.isnan(runs), np.inf, runs), axis=-1)
    if np.isneginf(runs[..., 0]).any():
        raise SettingError(
            "must be finite numbers, or +inf or NaN for censored runs, not -inf; negate the samples", setting="samples"
        )
    return runs


# Resamples ------------------------------------------------------------------------------------------------------------


def num_resamples(n: int) -> int:
    """Return the number of resamples, or of permutations, for n runs."""
    return RESAMPLES if n <= MANY else RESAMPLES_OF_MANY


def blocks(make: Callable[[int, int, int, int], Floats], n: int, seed: int) -> Iterator[Floats]:
    """Yield all resamples of n runs in blocks, (rows, n), by `make(n, rows, seed, number of the first)`.

    Each block has a stream of random numbers of its own.
    """
    rows, total = max(1, BLOCK // n), num_resamples(n)
    for first in range(0, total, rows):
        yield make(n, min(rows, total - first), seed, first)


def new_rng(seed: int, *key: int) -> np.random.Generator:
    """Return the stream of random numbers of a key."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


@lru_cache(maxsize=4)
def _counts(n: int, rows: int, seed: int, first: int, sample: int = 0) -> Floats:
    """Return how often each of n runs was drawn by each resample, (rows, n); sums of rows are n."""
    drawn = new_rng(seed, 0, n, (sample << 32) + first).integers(n, size=(rows, n)) + np.arange(0, rows * n, n)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)
    counts.flags.writeable = False
    return counts


@lru_cache(maxsize=4)
def _kept_shares(n: int, rows: int, seed: int, first: int) -> Floats:
    """Return the weight of each run, in increasing order, in the interquartile mean of each resample, (rows, n)."""
    least = n // 4
    below = np.clip(_counts(n, rows, seed, first).cumsum(axis=1), least, n - least)
    shares: Floats = np.diff(below, axis=1, prepend=least) / (n - 2 * least)
    shares.flags.writeable = False
    return shares


def resampled_moments(runs: Floats, seed: int, sample: int = 0) -> tuple[Floats, Floats]:
    """Return the mean of each resample minus that of the runs, and its squared standard error.

    The variance of a resample counts the variance of the runs as one more run.

    Args:
        runs: (num_points, n), finite.
        seed: of the resamples.
        sample: number of the sample; the resamples of two samples are independent.

    Returns:
        Two arrays, (num_points, num_resamples).
    """
    n = runs.shape[1]
    centred = runs - runs.mean(axis=1, keepdims=True)
    draw = partial(_counts, sample=sample)
    means, squares = (
        np.concatenate([values @ counts.T for counts in blocks(draw, n, seed)], axis=1) / n
        for values in (centred, centred**2)
    )
    variances = np.maximum(squares - means**2, 0.0) * (n / (n - 1))
    own = runs.var(axis=1, ddof=1, keepdims=True)
    return means, (variances * n + own) / ((n + 1) * n)


def quantiles_of_t(t: Floats, n: float) -> tuple[Floats, Floats]:
    """Return the low and the high quantile of the resamples' t, (num_points, num_resamples), for about n runs."""
    return _outer(t, ERROR * n / (n + 3) / 2)


def _outer(values: Floats, tail: float) -> tuple[Floats, Floats]:
    """Return the order statistics along the last axis that leave out `tail` at either side."""
    count = values.shape[-1]
    low = max(1, int(tail * (count + 1))) - 1
    values = np.partition(values, (low, count - 1 - low), axis=-1)
    return values[..., low], values[..., count - 1 - low]


# Ends of intervals ----------------------------------------------------------------------------------------------------


def _mean_ends(runs: Floats, seed: int) -> Floats:
    """Return the ends of intervals of means, (2, num_points), of sorted runs, (num_points, n)."""
    least, greatest = runs[:, 0], runs[:, -1]
    finite, equal = np.isfinite(greatest), least == greatest
    two = finite & ~equal & ((runs == least[:, None]) | (runs == greatest[:, None])).all(axis=1)
    two &= runs.shape[1] > 2  # any two runs that differ have two values
    others = finite & ~equal & ~two
    ends = np.full((2, len(runs)), np.nan)
    ends[:, finite & equal] = least[finite & equal]
    if two.any():
        rates = np.array(rate_ends((runs[two] == greatest[two, None]).sum(axis=1), runs.shape[1]))
        ends[:, two] = least[two] * (1 - rates) + greatest[two] * rates
    if others.any():
        ends[:, others] = _bootstrap_t_ends(runs[others], seed)
    return ends


def _bootstrap_t_ends(runs: Floats, seed: int) -> Floats:
    """Return the wider ends of Student's t and the bootstrap-t, (2, num_points), of runs that differ."""
    from scipy.special import stdtrit

    n = runs.shape[1]
    means, squares = resampled_moments(runs, seed)
    low, high = quantiles_of_t(means / np.sqrt(squares), n)
    student = stdtrit(n - 1, 1 - ERROR / 2)
    mean, error = runs.mean(axis=1), runs.std(axis=1, ddof=1) / np.sqrt(n)
    return np.array([mean - np.maximum(high, student) * error, mean - np.minimum(low, -student) * error])


def rate_ends(successes: npt.NDArray[np.int64], n: int | npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the ends of 95% intervals of rates; 0 without a success, and 1 without a failure.

    They are quantiles of the beta distribution, as in Jeffreys' interval. A prior of 2/3 instead of his 1/2 holds rates
    from 0.1 to 0.9 in 95.0% of experiments with 30 to 100 runs, and in no less than 91.5% and no more than 97.2%.

    Source:
        Brown, Cai & DasGupta (2001), Interval estimation for a binomial proportion.
    """
    from scipy.special import betaincinv

    a, b = successes + PRIOR, n - successes + PRIOR
    low, high = (betaincinv(a, b, tail) for tail in (ERROR / 2, 1 - ERROR / 2))
    return np.where(successes == 0, 0.0, low), np.where(successes == n, 1.0, high)


def _interquartile_ends(runs: Floats, seed: int) -> Floats:
    """Return the ends of intervals of interquartile means, (2, num_points), of sorted runs, (num_points, n)."""
    from scipy.special import ndtr, stdtrit

    n = runs.shape[1]
    censored, middle = np.isinf(runs), _middle(runs)[:, None]
    finite = np.where(censored, 0.0, runs - middle)
    shares = list(blocks(_kept_shares, n, seed))
    means = middle + np.concatenate([finite @ each.T for each in shares], axis=1)
    if censored.any():
        infinite = np.concatenate([censored.astype(np.float64) @ each.T for each in shares], axis=1)
        means[infinite > 0.0] = np.inf
    tail = float(ndtr(stdtrit(n - 1, ERROR / 2) * np.sqrt(n / (n - 1))))
    return np.array(_outer(means, tail))


# Order statistics of one sample ---------------------------------------------------------------------------------------


def quantile(runs: Floats, probability: float) -> float:
    """Return a quantile of sorted runs, by linear interpolation; +inf between a finite and a censored run."""
    place = probability * (runs.size - 1)
    return _between(runs, int(place), int(place) + 1, place - int(place))


def _between(runs: Floats, first: int, second: int, share: float) -> float:
    """Return the number between two runs that has a share of the second; +inf between a finite and a censored run."""
    return float(runs[first] if share == 0.0 else runs[first] * (1 - share) + runs[second] * share)


def median_interval(runs: Floats) -> Pair:
    """Return a 95% confidence interval of the median, interpolated between order statistics.

    It holds for any distribution, nearly exactly for a continuous one; where runs are equal it is wider than it has to
    be. The least and greatest of five runs have a confidence of 94%, and those of fewer runs less: NaN is returned.

    Args:
        runs: (n,), in increasing order.

    Source:
        Hettmansperger & Sheather (1986), Confidence intervals based on interpolated order statistics.
    """
    from scipy.special import bdtr

    n = runs.size
    if n < 5:
        return nan, nan
    confidences = 1 - 2 * bdtr(np.arange((n + 1) // 2), n, 0.5)  # of the interval that leaves out as many runs
    below = max(int((confidences >= 1 - ERROR).sum()), 1)  # the rank of its low end, from 1
    wide, narrow = confidences[below - 1 : below + 1]
    share = max(0.0, (wide - (1 - ERROR)) / (wide - narrow))
    share *= (n - below) / (below + (n - 2 * below) * share)
    return _between(runs, below - 1, below, share), _between(runs, n - below, n - below - 1, share)


def tolerance_interval(runs: Floats) -> tuple[Pair, float]:
    """Return an interval of order statistics that holds 90% of all runs, and the confidence that it does.

    It is the narrowest with a confidence of at least 95%, or the least and the greatest run if no interval has it, as
    with fewer than 46 runs. It holds for any distribution.

    Args:
        runs: (n,), in increasing order.

    Source:
        Wilks (1941), Determination of sample sizes for setting tolerance limits.

    >>> import numpy as np
    >>> from clew.experiments.intervals import tolerance_interval
    >>> [round(tolerance_interval(np.arange(n, dtype=float))[1], 3) for n in (10, 30, 38, 46)]
    [0.264, 0.816, 0.905, 0.952]
    """
    from scipy.special import betainc

    if runs.size == 1:
        return (float(runs[0]), float(runs[0])), 0.0
    ranks = np.arange(1, runs.size // 2 + 1)
    confidences = 1 - betainc(runs.size + 1 - 2 * ranks, 2 * ranks, TOLERANCE_SHARE)
    chosen = max(int((confidences >= 1 - ERROR).sum()) - 1, 0)
    return (float(runs[chosen]), float(runs[runs.size - 1 - chosen])), float(confidences[chosen])
