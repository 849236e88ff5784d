"""Statistics over runs: numbers by hand and by SciPy, edge cases, and how often intervals and verdicts are right."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from clew.errors import SettingError
from clew.experiments.comparisons import compare, compare_all, holm
from clew.experiments.intervals import (
    _counts,
    blocks,
    interquartile_mean,
    interquartile_mean_interval,
    mean_interval,
    median_interval,
    rate_ends,
    tolerance_interval,
)
from clew.experiments.permutations import permutation_test, sign_flip_test
from clew.experiments.power import SIGNIFICANCE, fewest_runs, power_of_means
from clew.experiments.statistics import summarise

INF, NAN = math.inf, math.nan
RNG = np.random.default_rng(20)
NORMAL, SKEWED, OTHER = RNG.normal(10.0, 2.0, 30), RNG.exponential(5.0, 31), RNG.normal(11.5, 3.0, 30)


# Point estimates ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 30, 31, 33])
def test_the_interquartile_mean_is_scipys_trimmed_mean(n):
    sample = np.random.default_rng(n).lognormal(size=n)
    assert interquartile_mean(sample) == pytest.approx(stats.trim_mean(sample, 0.25), rel=1e-12)


def test_figures_of_a_summary_by_hand():
    summary = summarise([4.0, 1.0, 2.0, 3.0, 10.0])
    assert (summary.num_runs, summary.num_censored) == (5, 0)
    assert (summary.mean, summary.interquartile_mean, summary.median) == (4.0, 3.0, 3.0)
    assert summary.standard_deviation == pytest.approx(math.sqrt((0 + 9 + 4 + 1 + 36) / 4))
    assert summary.quartiles == (2.0, 4.0)
    assert summary.median_interval == (1.0, 10.0)  # confidence 1 - 2 / 32
    assert summary.tolerance_interval == (1.0, 10.0)
    assert summary.tolerance_confidence == pytest.approx(1 - 5 * 0.9**4 + 4 * 0.9**5)


@pytest.mark.parametrize(("n", "confidence"), [(10, 0.264), (30, 0.816), (38, 0.905), (46, 0.952)])
def test_confidence_of_a_tolerance_interval(n, confidence):
    interval, found = tolerance_interval(np.arange(n, dtype=float))
    assert interval == (0, n - 1)
    assert found == pytest.approx(confidence, abs=5e-4)
    words = summarise(np.arange(n, dtype=float)).describe()
    assert ("46 runs give 0.95" in words) == (n < 46)


def test_a_tolerance_interval_of_many_runs_leaves_out_the_outermost():
    (low, high), confidence = tolerance_interval(np.arange(1000, dtype=float))
    assert confidence >= 0.95
    assert low == 999 - high > 30
    narrower = 1 - stats.beta.cdf(0.9, 1001 - 2 * (low + 2), 2 * (low + 2))
    assert narrower < 0.95


def test_the_interval_of_a_median_lies_between_those_of_order_statistics():
    assert 1 - 2 * stats.binom.cdf(9, 31, 0.5) > 0.95 > 1 - 2 * stats.binom.cdf(10, 31, 0.5)
    low, high = median_interval(np.arange(31.0))
    # Confidences 0.97055 and 0.92923 of ranks 10 and 11: 0.4973 of the way; 21 * 0.4973 / (10 + 11 * 0.4973) = 0.675.
    assert low == pytest.approx(9.675, abs=1e-3)
    assert high == pytest.approx(30.0 - low)
    assert median_interval(np.arange(5.0)) == (0.0, 4.0)
    runs = np.sort(np.random.default_rng(0).exponential(size=(4_000, 31)), axis=1)
    held = [low <= math.log(2) <= high for low, high in map(median_interval, runs)]
    assert 0.94 < np.mean(held) < 0.96


# Intervals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", [NORMAL, SKEWED], ids=["normal", "skewed"])
def test_intervals_are_near_those_of_scipys_bootstrap(sample):
    for statistic, ours in ((np.mean, mean_interval), (interquartile_mean, interquartile_mean_interval)):
        found = stats.bootstrap((sample,), statistic, n_resamples=9_999, method="BCa", rng=np.random.default_rng(0))
        theirs, ends = found.confidence_interval, ours(sample)
        assert theirs.high - theirs.low == pytest.approx(ends[1] - ends[0], rel=0.25)
        assert ends[0] == pytest.approx(theirs.low, abs=0.15 * (theirs.high - theirs.low))


def test_an_interval_is_never_narrower_than_students():
    for sample in (NORMAL, SKEWED, -SKEWED):
        student = stats.t.interval(0.95, sample.size - 1, sample.mean(), stats.sem(sample))
        low, high = mean_interval(sample)
        assert low <= student[0] + 1e-12
        assert high >= student[1] - 1e-12
    low, high = mean_interval(SKEWED)
    assert high - SKEWED.mean() > 1.1 * (SKEWED.mean() - low)  # towards the long tail


def test_the_interquartile_interval_is_that_of_the_same_resamples_by_scipy():
    counts = np.concatenate(list(blocks(_counts, 30, 0))).astype(int)
    assert counts.shape == (9_999, 30)
    assert (counts.sum(axis=1) == 30).all()
    resamples = np.repeat(np.tile(np.sort(NORMAL), len(counts)), counts.ravel()).reshape(counts.shape)
    means = np.sort(stats.trim_mean(resamples, 0.25, axis=1))
    place = int(10_000 * stats.norm.cdf(-math.sqrt(30 / 29) * stats.t.ppf(0.975, 29)))
    assert place == 187  # of 10,000, instead of 250
    assert interquartile_mean_interval(NORMAL) == pytest.approx((means[place - 1], means[-place]), rel=1e-12)


def test_a_curve_has_the_intervals_of_its_points():
    curve = RNG.exponential(size=(30, 40))
    for interval in (mean_interval, interquartile_mean_interval):
        low, high = interval(curve, axis=0)
        assert low.shape == high.shape == (40,)
        for point in (0, 17, 39):
            assert (low[point], high[point]) == pytest.approx(interval(curve[:, point]), rel=1e-9)


def test_a_curve_may_have_points_of_every_kind():
    points = [[7.0] * 8, [1.0] * 3 + [2.0] * 5, np.arange(8.0), [1.0] * 7 + [NAN], [INF] * 8]
    for interval in (mean_interval, interquartile_mean_interval):
        low, high = interval(points)
        alone = np.array([interval(point) for point in points]).T
        assert np.array([low, high]) == pytest.approx(alone, rel=1e-9, nan_ok=True)
    assert np.isnan(mean_interval(points)[0]).tolist() == [False] * 3 + [True] * 2


def test_intervals_depend_on_the_seed_and_not_on_the_order_of_runs():
    assert mean_interval(SKEWED[::-1]) == mean_interval(SKEWED)
    assert mean_interval(SKEWED, seed=1) != mean_interval(SKEWED)
    assert mean_interval(SKEWED, seed=1) == pytest.approx(mean_interval(SKEWED), rel=0.05)
    assert summarise(SKEWED) == summarise(np.roll(SKEWED, 7))
    assert compare(NORMAL, OTHER) == compare(NORMAL[::-1], np.roll(OTHER, 3))


def test_intervals_are_in_the_units_of_the_sample():
    for interval in (mean_interval, interquartile_mean_interval):
        ends = np.array(interval(SKEWED))
        assert np.array(interval(1e100 * SKEWED)) == pytest.approx(1e100 * ends, rel=1e-9)
        assert np.array(interval(SKEWED + 1e6)) == pytest.approx(ends + 1e6, rel=1e-12)


def test_equal_runs_have_an_interval_of_no_width():
    low, high = mean_interval([[0.1] * 30, [7.0] * 30])
    assert low.tolist() == high.tolist() == [0.1, 7.0]
    for n in (30, 60, 61):
        summary = summarise([0.1] * n)
        assert summary.standard_deviation == 0.0
        assert {summary.mean, summary.interquartile_mean, *summary.interquartile_mean_interval} == {0.1}
        assert interquartile_mean_interval([0.1] * (n - 2) + [5.0, 6.0]) == (0.1, 0.1)


def test_two_values_have_the_interval_of_a_rate():
    low, high = mean_interval([10.0] * 27 + [20.0] * 3)
    ends = stats.beta.ppf([0.025, 0.975], 3 + 2 / 3, 27 + 2 / 3)
    assert (low, high) == pytest.approx(10 + 10 * ends, rel=1e-9)


def test_two_runs_have_students_interval():
    assert mean_interval([9.0, 11.0]) == pytest.approx((10 - 12.706, 10 + 12.706), abs=1e-3)


def test_a_single_run_has_no_interval():
    summary = summarise([5.0])
    assert summary.mean == summary.median == summary.interquartile_mean == 5.0
    for each in (summary.mean_interval, summary.interquartile_mean_interval, summary.median_interval):
        assert np.isnan(each).all()
    assert "one run says nothing about others" in summary.describe()


def test_outliers_in_few_runs_give_a_finite_interval():
    sample = np.array([13.0] * 28 + [20.0, 100.0])  # most resamples have no variance, or that of a single run
    low, high = mean_interval(sample)
    assert 10.0 < low < sample.mean() < high < 40.0


# Censored runs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [INF, NAN])
def test_censored_runs_are_greater_than_all_others(value):
    summary = summarise([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, value])
    assert summary.num_censored == 1
    assert np.isnan([summary.mean, summary.standard_deviation, *summary.mean_interval]).all()
    assert (summary.median, summary.interquartile_mean, summary.quartiles) == (4.5, 4.5, (2.75, 6.25))
    assert summary.tolerance_interval == (1.0, INF)
    assert summary.interquartile_mean_interval[0] > 1.0
    assert "1 of them censored, so that the mean is unknown" in summary.describe()


def test_the_interval_is_unbounded_where_too_many_runs_are_censored():
    few, many, most = (np.where(np.arange(40) < count, INF, np.arange(40.0)) for count in (1, 8, 30))
    assert np.isfinite(interquartile_mean_interval(few)).all()
    low, high = interquartile_mean_interval(many)
    assert np.isfinite(low)
    assert high == INF
    assert interquartile_mean(many) < INF
    assert interquartile_mean_interval(most)[1] == INF
    summary = summarise(most)
    assert (summary.median, summary.quartiles[1], summary.interquartile_mean) == (INF, INF, INF)


def test_all_runs_may_be_censored():
    summary = summarise([INF] * 30)
    assert (summary.num_censored, summary.median, summary.interquartile_mean_interval) == (30, INF, (INF, INF))
    assert summarise([INF] * 5).median_interval == (INF, INF)


# Tests and corrections ------------------------------------------------------------------------------------------------


def mean_difference(a, b, axis=-1):
    return a.mean(axis=axis) - b.mean(axis=axis)


@pytest.mark.parametrize("sizes", [(2, 3), (4, 4), (6, 5)])
def test_the_permutation_test_of_few_runs_is_scipys(sizes):
    rng = np.random.default_rng(sizes)
    a, b = rng.normal(size=sizes[0]), rng.normal(1.0, 1.0, size=sizes[1])
    theirs = stats.permutation_test((a, b), mean_difference, n_resamples=INF, vectorized=True)
    assert permutation_test(a, b) == pytest.approx(theirs.pvalue, abs=1e-12)


def test_the_permutation_test_of_many_runs_is_near_scipys():
    theirs = stats.permutation_test((NORMAL, OTHER), mean_difference, n_resamples=9_999, rng=np.random.default_rng(0))
    assert 0.01 < theirs.pvalue < 0.5
    assert permutation_test(NORMAL, OTHER) == pytest.approx(theirs.pvalue, abs=0.02)
    assert permutation_test(NORMAL, NORMAL + 100.0) == 2 / 10_000  # 1 with the division that was seen, on either side


@pytest.mark.parametrize("n", [3, 8, 30])
def test_the_test_of_pairs_is_scipys(n):
    a, b = NORMAL[:n], NORMAL[:n] + np.random.default_rng(n).normal(0.3, 1.0, n)
    theirs = stats.permutation_test(
        (a, b), mean_difference, permutation_type="samples", n_resamples=9_999, rng=np.random.default_rng(0)
    )
    assert sign_flip_test(a - b) == pytest.approx(theirs.pvalue, abs=1e-12 if n < 10 else 0.02)


def test_equal_values_are_ties_whatever_their_rounding():
    a, b = np.array([0.1, 0.2, 0.3]), np.array([0.3, 0.1, 0.2])
    assert permutation_test(a, b) == 1.0
    for seed in range(10):
        a, b = np.random.default_rng(seed).integers(20, size=(2, 6)).astype(float)
        assert permutation_test(a / 10, b / 10) == permutation_test(a, b)
        assert sign_flip_test(a / 10 - b / 10) == sign_flip_test(a - b)


def test_holms_correction():
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == [0.03, 0.06, 0.06, 0.02]
    assert holm([0.6, 0.9]).tolist() == [1.0, 1.0]
    assert holm([]).size == 0


def test_all_pairs_are_corrected_together():
    rng = np.random.default_rng(1)
    samples = {"a": rng.normal(0, 1, 30), "b": rng.normal(0.9, 1, 30), "c": rng.normal(3, 1, 30)}
    pairs = compare_all(samples, what="return")
    assert list(pairs) == [("a", "b"), ("a", "c"), ("b", "c")]
    alone = [compare(samples[x], samples[y]).p_value for x, y in pairs]
    assert [each.p_value for each in pairs.values()] == alone
    assert [each.corrected_p_value for each in pairs.values()] == holm(alone).tolist()
    assert "after correction" in pairs["a", "b"].verdict


# Comparisons ----------------------------------------------------------------------------------------------------------


def test_figures_of_a_comparison():
    found = compare(NORMAL, OTHER)
    assert found.difference == pytest.approx(NORMAL.mean() - OTHER.mean(), rel=1e-12)
    better = np.mean([(x > y) + (x == y) / 2 for x, y in itertools.product(NORMAL, OTHER)])
    assert found.probability_of_improvement == pytest.approx(better, rel=1e-12)
    welch = stats.ttest_ind(NORMAL, OTHER, equal_var=False).confidence_interval()
    assert found.difference_interval[0] <= welch.low
    assert found.difference_interval[1] >= welch.high
    assert found.difference_interval == pytest.approx(tuple(welch), abs=0.2)
    other = compare(OTHER, NORMAL)
    assert other.difference_interval == tuple(-end for end in reversed(found.difference_interval))
    assert other.p_value == found.p_value
    many = compare(np.random.default_rng(1).normal(10.0, 2.0, 2_500), OTHER).difference_interval  # fewer resamples
    assert many == pytest.approx(compare(np.full(30, 10.0), OTHER).difference_interval, abs=0.2)
    lower = compare(NORMAL, OTHER, lower_is_better=True)
    assert lower.probability_of_improvement == pytest.approx(1 - better)
    assert sum(lower.improvement_interval) == pytest.approx(2 - sum(found.improvement_interval))


def test_the_interval_of_the_probability_of_improvement_has_a_width_where_all_runs_are_greater():
    found = compare(NORMAL, NORMAL - 100.0)
    assert found.probability_of_improvement == found.improvement_interval[1] == 1.0
    assert 0.9 < found.improvement_interval[0] < 0.95


def test_ties_make_the_probability_of_improvement_more_precise():
    a, b = [1.0] * 9 + [0.0] * 21, [1.0] * 8 + [0.0] * 22  # the probability is 0.5 + (9 - 8) / 60
    low, high = compare(a, b).improvement_interval
    half = 1.96 * 0.5 * math.sqrt((0.3 * 0.7 + 8 * 22 / 900) / 30)  # of a difference of rates
    assert (low, high) == pytest.approx((0.5 + 1 / 60 - half, 0.5 + 1 / 60 + half), abs=0.005)


def test_a_difference_needs_the_test_and_the_interval():
    found = compare(NORMAL + 5.0, OTHER)
    assert found.is_different
    assert not replace(found, difference_interval=(-1.0, 9.0)).is_different
    near = replace(found, corrected_p_value=0.04)
    assert not near.is_different
    assert "p = 0.04 after correction); finding one takes p < 0.035; these runs" in near.verdict
    assert "takes p" not in replace(found, corrected_p_value=0.06).verdict


def test_pairs_are_compared_with_each_other():
    near = NORMAL + np.random.default_rng(0).normal(0.3, 0.2, 30)
    assert not compare(near, NORMAL).is_different
    found = compare(near, NORMAL, paired=True)
    assert found.is_different
    assert found.difference_interval == pytest.approx(mean_interval(near - NORMAL))
    assert found.probability_of_improvement == (near > NORMAL).mean()
    with pytest.raises(SettingError, match="b must have as many runs as a, 30, not 29; take paired=False"):
        compare(NORMAL, OTHER[:29], paired=True)


def test_verdicts_say_which_is_greater_and_by_how_much():
    names = {"names": ("sarsa", "q-learning"), "what": "return"}
    larger = compare(NORMAL + 5.0, OTHER, **names)
    low, high = larger.difference_interval
    begin = (
        f"sarsa's return is greater than q-learning's by {larger.difference:.4g} (95% interval {low:.4g} to {high:.4g}"
    )
    assert larger.verdict == f"{begin}, p = 0.0002)"
    smaller = compare(OTHER, NORMAL + 5.0, **names).verdict
    assert smaller.startswith(f"sarsa's return is smaller than q-learning's by {larger.difference:.4g} (95% interval ")


def test_a_verdict_of_no_difference_says_what_would_be_found():
    found = compare(NORMAL, NORMAL + 0.5)
    power = found.power
    assert not found.is_different
    assert power.seeds_for_half == 71
    assert power.seeds_needed == power_of_means(NORMAL, NORMAL, 0.5, paired=False).seeds_needed
    assert found.verdict.startswith("no difference was found between a's figure and b's (difference -0.5, ")
    assert f"and {power.seeds_needed:,} seeds would find one as large as that seen" in found.verdict
    assert "0.78 standard deviations, in 80% of experiments" in found.verdict
    unequal = compare(NORMAL[:20], np.tile(NORMAL, 20) + 0.5).power
    assert unequal.seeds_for_half == 71  # of each learner, whatever there is now
    error = math.sqrt(NORMAL[:20].var(ddof=1) / 20 + np.tile(NORMAL, 20).var(ddof=1) / 600)
    assert unequal.detectable == pytest.approx(2.95 * error, rel=0.04)  # and a little for Student's t


def test_constants_are_certain():
    equal = compare([5.0] * 30, [5.0] * 30)
    assert not equal.is_different
    assert (equal.difference, equal.p_value, equal.power.seeds_needed) == (0.0, 1.0, None)
    assert equal.verdict == "no difference was found: a's figure and b's are 5 in all of these runs"
    few = compare([5.0] * 3, [4.0] * 3)
    assert not few.is_different
    values = "all of a's are 5, and all of b's are 4"
    assert few.verdict == (
        f"no difference was found between a's figure and b's ({values}, p = 0.1); fewer than 4 runs of each find no "
        "difference, however large"
    )
    corrected = replace(compare([5.0] * 4, [4.0] * 4), corrected_p_value=0.09)
    assert corrected.verdict == (
        f"no difference was found between a's figure and b's ({values}, p = 0.09 after correction); the correction for "
        "several pairs takes more seeds"
    )
    differ = compare([5.0] * 4, [4.0] * 4)
    assert differ.is_different
    assert differ.difference_interval == (1.0, 1.0)
    assert differ.verdict == f"a's figure is greater than b's in all of these runs: {values}"
    one = compare([5.0] * 30, NORMAL)
    assert one.is_different
    assert np.isfinite(one.difference_interval).all()
    assert compare(NORMAL, NORMAL, paired=True).difference_interval == (0.0, 0.0)
    assert compare(NORMAL + 1.0, NORMAL, paired=True).is_different
    assert compare([5.0] * 4, [4.0] * 4, paired=True).p_value == 2 / 2**4  # of signs, not of divisions


def test_censored_runs_are_compared_by_ranks():
    slow, fast = SKEWED.copy(), SKEWED / 4
    slow[:5], fast[0] = INF, NAN
    found = compare(slow, fast, lower_is_better=True, names=("slow", "fast"), what="number of steps")
    assert found.num_censored == (5, 1)
    assert found.is_different
    assert found.is_greater
    assert np.isnan([found.difference, *found.difference_interval]).all()
    assert found.probability_of_improvement < 0.3
    assert "5 of 31 and 1 of 31 runs are censored" in found.verdict
    assert found.verdict.startswith("slow's number of steps is more often greater than smaller than fast's (")
    mann_whitney = stats.mannwhitneyu(slow, np.nan_to_num(fast, nan=INF)).pvalue
    assert found.p_value == pytest.approx(mann_whitney, abs=0.005)
    assert not compare(slow, slow, paired=True).is_different
    assert not compare([INF] * 5, [INF] * 5).is_different
    assert compare([INF] * 5, [3.0] * 5).is_different
    assert compare(slow, fast, paired=True).is_different


def test_too_few_runs_are_named():
    found = compare([1.0, 2.0, 3.0], [7.0, 8.0, 9.5])
    assert found.p_value == 0.1
    assert "fewer than 4 runs of each find no difference, however large" in found.verdict
    for paired, size in ((False, fewest_runs(False)), (True, fewest_runs(True))):
        a, b = np.arange(size) / 10, np.arange(size) / 7 - 100.0
        assert compare(a, b, paired=paired).p_value < SIGNIFICANCE
        assert compare(a[1:], b[1:], paired=paired).p_value > SIGNIFICANCE


@pytest.mark.parametrize(
    ("sample", "problem"),
    [
        ([], "samples must have at least one run"),
        ([[1.0, 2.0]], r"sample must be an array of one number per run, \(num_runs,\), not of shape \(1, 2\)"),
        ([1.0, -INF], "samples must be finite numbers, or .* not -inf; negate"),
        (["a"], "samples must be an array of one number per run"),
        ([[1.0], [1.0, 2.0]], "samples must be an array of one number per run"),
    ],
)
def test_samples_that_are_none(sample, problem):
    with pytest.raises(SettingError, match=problem):
        summarise(sample)


def test_settings_are_checked():
    with pytest.raises(SettingError, match="a must have at least two runs, not 1: run more seeds"):
        compare([1.0], [1.0, 2.0])
    with pytest.raises(SettingError, match="seed must be a whole number of at least 0"):
        summarise([1.0, 2.0], seed=-1)
    with pytest.raises(SettingError, match="paired must be True or False"):
        compare([1.0, 2.0], [1.0, 2.0], paired="yes")


# Simulated experiments ------------------------------------------------------------------------------------------------
# Each experiment is a sample whose distribution is known. Of 1,000, a share of 95% is measured with an error of 0.7%.

EXPERIMENTS = 1_000
UNIT = (np.arange(200_000) + 0.5) / 400_000 + 0.25  # probabilities of the middle half


def middle(distribution):
    """Interquartile mean of a distribution."""
    return distribution.ppf(UNIT).mean()


FAMILIES = {
    "normal": stats.norm(3.0, 2.0),
    "exponential": stats.expon(),
    "lognormal": stats.lognorm(1.0),
    "negative lognormal": stats.lognorm(0.5),
    **{f"two-valued {p}": stats.bernoulli(p) for p in (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)},
}


def draw(name, size, seed):
    """Samples of a family, its mean and its interquartile mean."""
    distribution, sign = FAMILIES[name], -1.0 if name.startswith("negative") else 1.0
    samples = distribution.rvs(size=size, random_state=np.random.default_rng(seed))
    return sign * samples, sign * distribution.mean(), sign * middle(distribution)


def coverage(ends, truth):
    low, high = ends
    return float(np.mean((low <= truth) & (truth <= high)))


@pytest.mark.parametrize("name", ["normal", "lognormal"])
def test_intervals_hold_the_truth(name):
    samples, mean, interquartile = draw(name, (EXPERIMENTS, 30), 0)
    assert 0.92 <= coverage(mean_interval(samples), mean) <= 0.97
    assert 0.92 <= coverage(interquartile_mean_interval(samples), interquartile) <= 0.97


@pytest.mark.nightly
@pytest.mark.parametrize("n", [30, 50, 100])
@pytest.mark.parametrize("name", FAMILIES)
def test_intervals_hold_the_truth_in_all_families(name, n):
    samples, mean, interquartile = draw(name, (EXPERIMENTS, n), 1)
    assert 0.92 <= coverage(mean_interval(samples), mean) <= 0.97
    if name not in ("two-valued 0.1", "two-valued 0.2", "two-valued 0.9"):  # of which the middle half is constant
        assert 0.92 <= coverage(interquartile_mean_interval(samples), interquartile) <= 0.97
    if not name.startswith("two-valued"):
        median = math.copysign(FAMILIES[name].median(), mean)
        ends = np.array([median_interval(each) for each in np.sort(samples)]).T
        assert 0.92 <= coverage(ends, median) <= 0.97


def test_intervals_of_rates_hold_the_truth():
    for n in range(30, 101, 5):
        low, high = rate_ends(np.arange(n + 1), n)
        held = [stats.binom.pmf(np.arange(n + 1), n, p)[(low <= p) & (p <= high)].sum() for p in np.arange(1, 10) / 10]
        assert 0.92 < min(held) <= max(held) < 0.97


@pytest.mark.nightly
@pytest.mark.parametrize("n", [30, 50, 100])
@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_intervals_hold_the_truth_where_runs_are_censored(share, n):
    times = np.random.default_rng(2).exponential(size=(EXPERIMENTS, n))
    times[times > -math.log(share)] = NAN
    assert 0.92 <= coverage(interquartile_mean_interval(times), middle(stats.expon())) <= 0.97
    ends = np.array([summarise(each).median_interval for each in times]).T
    assert 0.92 <= coverage(ends, math.log(2)) <= 0.97


def compare_many(draw_sample, shift, n, experiments=EXPERIMENTS, paired=False):
    """Comparisons of samples of n runs from the same distribution, of which one is shifted."""
    rng = np.random.default_rng(n)
    return [compare(draw_sample(rng, n) + shift, draw_sample(rng, n), paired=paired) for _ in range(experiments)]


SAMPLES = {
    "normal": lambda rng, n: rng.normal(size=n),
    "skewed": lambda rng, n: rng.lognormal(size=n),
    "two-valued": lambda rng, n: (rng.random(n) < 0.3) * 1.0,
    "censored": lambda rng, n: np.where(rng.random(n) < 0.15, INF, rng.exponential(size=n)),
}


def test_identical_learners_do_not_differ():
    found = compare_many(SAMPLES["normal"], 0.0, 30, experiments=200)
    assert sum(each.is_different for each in found) <= 10


@pytest.mark.nightly
@pytest.mark.parametrize("n", [30, 60])
@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("name", SAMPLES)
def test_identical_learners_do_not_differ_in_all_families(name, paired, n):
    found = compare_many(SAMPLES[name], 0.0, n, paired=paired)
    assert np.mean([each.is_different for each in found]) <= 0.05
    if not (paired and name == "two-valued"):  # most pairs are ties, which Wilson's interval knows nothing about
        ends = np.array([each.improvement_interval for each in found]).T
        assert 0.92 <= coverage(ends, 0.5) <= 0.97
    if name != "censored":
        ends = np.array([each.difference_interval for each in found]).T
        assert 0.92 <= coverage(ends, 0.0) <= 0.97


@pytest.mark.nightly
def test_one_of_three_identical_learners_is_rarely_different():
    rng = np.random.default_rng(7)
    found = [compare_all({name: rng.normal(size=30) for name in "abc"}) for _ in range(EXPERIMENTS)]
    assert np.mean([any(pair.is_different for pair in pairs.values()) for pairs in found]) <= 0.05


@pytest.mark.nightly
def test_differences_are_found():
    for experiments_of, shift, n in (("normal", 0.8, 60), ("normal", 0.5, 71), ("normal", 0.8, 29)):
        found = np.mean([each.is_different for each in compare_many(SAMPLES[experiments_of], shift, n)])
        assert found >= 0.8 - 0.025  # 71 and 29 runs are those that 80% need
    skewed = compare_many(lambda rng, n: rng.exponential(size=n), 0.8, 60)
    assert np.mean([each.is_different for each in skewed]) >= 0.8
