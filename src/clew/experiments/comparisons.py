"""Comparisons of samples of runs.

compare        two samples
compare_all    each pair of several samples, with Holm's correction
holm           that correction by itself
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import combinations
from math import nan, sqrt
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.evaluation.intervals import NORMAL, rate_interval
from clew.experiments.intervals import (
    ERROR,
    Floats,
    Pair,
    mean_interval,
    num_resamples,
    quantiles_of_t,
    rate_ends,
    resampled_moments,
)
from clew.experiments.permutations import permutation_test, sign_flip_test
from clew.experiments.power import Power, power_of_means, power_of_ranks
from clew.experiments.statistics import as_pair, as_sample, mean_of
from clew.experiments.verdicts import Comparison
from clew.settings import check_count, check_flag, check_type

Key = TypeVar("Key")


def compare(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    paired: bool = False,
    lower_is_better: bool = False,
    names: tuple[str, str] = ("a", "b"),
    what: str = "figure",
    seed: int = 0,
) -> Comparison:
    """Compare two samples of runs: difference of means, probability of improvement, permutation test and verdict.

    The interval of the difference is the wider one, at each end, of Welch's and the two-sample bootstrap-t; of rates
    (numbers of two values), Newcombe's; of paired runs, `mean_interval` of their differences, or Bonett and Price's if
    these are 0, d and -d alone. The permutation test is exact for few runs. The interval of the probability of
    improvement is Newcombe's, or Wilson's for paired runs.

    Args:
        a: (num_runs,), a number per run; +inf or NaN for censored runs.
        b: (num_other_runs,), the other sample.
        paired: True if run i of both has something in common, such as the same maze; they must be of the same length.
        lower_is_better: True for figures such as steps.
        names: of the samples, for the verdict.
        what: name of the figure, for the verdict.
        seed: of the bootstrap and of the permutations. The order of runs doesn't matter, unless they are paired.

    Returns:
        The difference, with a verdict in words.

    Raises:
        SettingError: if a sample has fewer than two runs, a number is -inf, or paired samples differ in length.

    Source:
        Welch (1947); Efron & Tibshirani (1993); Agarwal et al. (2021) for the probability of improvement.

    >>> import numpy as np
    >>> from clew.experiments.comparisons import compare
    >>> rng = np.random.default_rng(0)
    >>> sarsa, q_learning = rng.normal(-25.0, 5.0, 30), rng.normal(-45.0, 15.0, 30)
    >>> compare(sarsa, q_learning, names=("sarsa", "q-learning"), what="return").verdict
    "sarsa's return is greater than q-learning's by 15.25 (95% interval 9.648 to 20.98, p = 0.0002)"
    """
    check_flag("paired", paired)
    check_flag("lower_is_better", lower_is_better)
    check_type("what", what, str, "text")
    check_count("seed", seed, 0)
    x, y = _checked(a, b, paired)
    censored = int(np.isinf(x).sum()), int(np.isinf(y).sum())
    better, interval = _improvement(x, y, paired=paired)
    difference, ends, p_value, power = (
        _compare_ranks(x, y, better, paired, seed) if any(censored) else _compare_means(x, y, paired, seed)
    )
    return Comparison(
        names=(str(names[0]), str(names[1])),
        what=what,
        num_runs=(x.size, y.size),
        num_censored=censored,
        paired=paired,
        lower_is_better=lower_is_better,
        constants=(float(x[0]), float(y[0])) if _is_constant(x) and _is_constant(y) else None,
        difference=difference,
        difference_interval=ends,
        probability_of_improvement=1 - better if lower_is_better else better,
        improvement_interval=(1 - interval[1], 1 - interval[0]) if lower_is_better else interval,
        p_value=p_value,
        corrected_p_value=p_value,
        power=power,
    )


def compare_all(
    samples: Mapping[str, npt.ArrayLike],
    *,
    paired: bool = False,
    lower_is_better: bool = False,
    what: str = "figure",
    seed: int = 0,
) -> dict[tuple[str, str], Comparison]:
    """Compare each pair of samples of runs, with Holm's correction: errors in any pair are as rare as in a single one.

    Args:
        samples: of each learner, by name; see `compare`.
        paired: as for `compare`, for all samples.
        lower_is_better: as for `compare`.
        what: as for `compare`.
        seed: as for `compare`.

    Returns:
        Comparison of each pair, by their names, in the order of `samples`. `verdict` uses the corrected p-value.

    Raises:
        SettingError: as for `compare`.

    Source:
        Holm (1979), A simple sequentially rejective multiple test procedure.

    >>> from clew.experiments.comparisons import compare_all
    >>> pairs = compare_all({"sarsa": [1, 2, 3, 4, 5], "q-learning": [2, 3, 5, 4, 1], "random": [9, 9, 8, 9, 7]})
    >>> [names for names, pair in pairs.items() if pair.is_different]
    [('sarsa', 'random'), ('q-learning', 'random')]
    """
    found = {
        (a, b): compare(
            samples[a],
            samples[b],
            paired=paired,
            lower_is_better=lower_is_better,
            names=(a, b),
            what=what,
            seed=seed,
        )
        for a, b in combinations(samples, 2)
    }
    return corrected_together(found)


def corrected_together(found: Mapping[Key, Comparison]) -> dict[Key, Comparison]:
    """Return comparisons by their keys, with the p-values of Holm's correction over all of them."""
    corrected = holm([each.p_value for each in found.values()]).tolist()
    return {key: replace(each, corrected_p_value=p) for (key, each), p in zip(found.items(), corrected, strict=True)}


def holm(p_values: npt.ArrayLike) -> Floats:
    """Return p-values corrected for several comparisons, by Holm's method, in the given order.

    Args:
        p_values: (num_comparisons,), in [0, 1].

    Source:
        Holm (1979), A simple sequentially rejective multiple test procedure.

    >>> from clew.experiments.comparisons import holm
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)))
    return corrected


def _checked(a: npt.ArrayLike, b: npt.ArrayLike, paired: bool) -> tuple[Floats, Floats]:
    """Return two samples in float64, with censored runs as +inf; in increasing order unless they are paired.

    Raises:
        SettingError: if a sample has fewer than two runs, a number is -inf, or paired samples differ in length.
    """
    x, y = as_sample("a", a), as_sample("b", b)
    for name, sample in (("a", x), ("b", y)):
        if sample.size < 2:
            raise SettingError("must have at least two runs, not 1: run more seeds", setting=name)
    if not paired:
        return x, y
    if x.size != y.size:
        raise SettingError(f"must have as many runs as a, {x.size}, not {y.size}", setting="b", take={"paired": False})
    x, y = (np.asarray(each, np.float64) for each in (a, b))
    return np.where(np.isnan(x), np.inf, x), np.where(np.isnan(y), np.inf, y)


def _is_constant(sample: Floats) -> bool:
    """Return whether all runs are equal."""
    return bool((sample == sample[0]).all())


# Means ----------------------------------------------------------------------------------------------------------------


def _compare_means(x: Floats, y: Floats, paired: bool, seed: int) -> tuple[float, Pair, float, Power]:
    """Return the difference of means of finite samples, its interval, the p-value and the power."""
    difference = mean_of(np.sort(x)) - mean_of(np.sort(y))
    p_value = sign_flip_test(x - y, seed=seed) if paired else permutation_test(x, y, seed=seed)
    if _is_constant(x) and _is_constant(y):
        return difference, (difference, difference), p_value, Power(deviation=0.0)
    if paired:
        difference, ends = mean_of(np.sort(x - y)), _pairs_interval(x - y, seed)
    elif np.unique(np.concatenate([x, y])).size == 2:
        ends = _rates_interval(x, y)
    else:
        ends = _means_interval(x, y, seed)
    return difference, ends, p_value, power_of_means(x, y, difference, paired=paired)


def _means_interval(x: Floats, y: Floats, seed: int) -> Pair:
    """Return the wider ends of Welch's interval and of the two-sample bootstrap-t."""
    from scipy.special import stdtrit

    numbers = (0, 1) if x.tolist() < y.tolist() else (1, 0)  # so that the interval of y and x has the same ends
    count = num_resamples(max(x.size, y.size))
    (means_x, squares_x), (means_y, squares_y) = (
        [each[0, :count] for each in resampled_moments(runs[None], seed, number)]
        for number, runs in zip(numbers, (x, y), strict=True)
    )
    low, high = quantiles_of_t((means_x - means_y) / np.sqrt(squares_x + squares_y), min(x.size, y.size))
    errors = np.array([each.var(ddof=1) / each.size for each in (x, y)])
    freedom = errors.sum() ** 2 / (errors**2 / [x.size - 1, y.size - 1]).sum()
    welch = float(stdtrit(freedom, 1 - ERROR / 2))
    difference, error = float(x.mean() - y.mean()), sqrt(errors.sum())
    return difference - max(float(high), welch) * error, difference - min(float(low), -welch) * error


def _pairs_interval(differences: Floats, seed: int) -> Pair:
    """Return the interval of the mean difference of pairs; of differences of 0, d and -d alone, from their numbers.

    If no pair has the difference -d, others may have: the interval of a rate would leave out a mean of 0.

    Source:
        Bonett & Price (2012), Adjusted Wald confidence interval for a difference of binomial proportions based on
        paired data.
    """
    sizes = np.unique(np.abs(differences))
    if sizes.size != 2 or sizes[0] != 0.0:
        return as_pair(mean_interval(differences, seed=seed))
    n, more, less = differences.size + 2, (differences > 0).sum() + 1, (differences < 0).sum() + 1
    middle, half = (more - less) / n, NORMAL * sqrt((more + less - (more - less) ** 2 / n) / n**2)
    return float((middle - half) * sizes[1]), float((middle + half) * sizes[1])


def _rates_interval(x: Floats, y: Floats) -> Pair:
    """Return the interval of a difference of two rates: numbers of two values, which both samples have in common.

    Source:
        Newcombe (1998), Interval estimation for the difference between independent proportions, method 10, with
        the intervals of `rate_ends` instead of Wilson's.
    """
    least, greatest = min(x.min(), y.min()), max(x.max(), y.max())
    successes = [int((each == greatest).sum()) for each in (x, y)]
    sizes = np.array([x.size, y.size])
    p, q = successes / sizes
    (p_low, q_low), (p_high, q_high) = rate_ends(np.array(successes), sizes)
    low, high = p - q - np.hypot(p - p_low, q_high - q), p - q + np.hypot(p_high - p, q - q_low)
    return float(low * (greatest - least)), float(high * (greatest - least))


# Ranks ----------------------------------------------------------------------------------------------------------------


def _compare_ranks(x: Floats, y: Floats, better: float, paired: bool, seed: int) -> tuple[float, Pair, float, Power]:
    """Return the same as `_compare_means` for samples with censored runs: p-value and power are those of ranks."""
    if paired:
        p_value = sign_flip_test((x > y).astype(np.float64) - (x < y), seed=seed)
    else:
        ranks = _ranks(np.concatenate([x, y]))
        p_value = permutation_test(ranks[: x.size], ranks[x.size :], seed=seed)
    return nan, (nan, nan), p_value, power_of_ranks(better, paired=paired)


def _ranks(values: Floats) -> Floats:
    """Return the ranks of values, from 1; equal ones have the mean of their ranks."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[places]


def _improvement(x: Floats, y: Floats, *, paired: bool) -> tuple[float, Pair]:
    """Return the probability that a run of x is greater than one of y, a tie counting half, and its interval."""
    if paired:
        greater = float((x > y).sum() + (x == y).sum() / 2)
        return greater / x.size, rate_interval(greater, x.size)
    runs = np.concatenate([x, y])
    greater = (float(_ranks(runs)[: x.size].sum()) - x.size * (x.size + 1) / 2) / (x.size * y.size)
    equal = np.unique(runs, return_counts=True)[1].astype(np.float64)
    ties = float((equal**3 - equal).sum()) / (runs.size**3 - runs.size)
    return greater, _probability_interval(greater, x.size, y.size, ties)


def _probability_interval(probability: float, n: int, m: int, ties: float) -> Pair:
    """Return the 95% interval of the probability that one run is greater than another, of n and m runs.

    It holds the probabilities whose distance from the one seen is at most 1.96 of their own standard errors, so that
    it has a width where all runs of one sample are greater. Ties reduce the variance, as in the Mann-Whitney test.

    Source:
        Newcombe (2006), Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part 2,
        method 5; Lehmann (1975), Nonparametrics, appendix, for ties.
    """
    scale = NORMAL * sqrt((1 - ties) / (n * m))
    half = (n + m) / 2 - 1

    def excess(p: float) -> float:
        return scale * sqrt(p * (1 - p) * (1 + half * ((1 - p) / (2 - p) + p / (1 + p)))) - abs(p - probability)

    return _bisect(excess, probability, 0.0), _bisect(excess, probability, 1.0)


def _bisect(f: Callable[[float], float], inside: float, outside: float) -> float:
    """Return where f becomes negative between a point at which it is not and one at which it is, or `outside`."""
    if f(outside) >= 0.0:
        return outside
    for _ in range(50):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if f(middle) >= 0.0 else (inside, middle)
    return inside
