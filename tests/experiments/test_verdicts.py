"""Verdicts: each is a whole sentence, and says no more than the runs do, over a table of kinds of samples."""

import re
from dataclasses import replace

import numpy as np
import pytest

from clew.experiments.comparisons import compare
from clew.experiments.power import fewest_runs

INF = np.inf
RNG = np.random.default_rng(0)
FIRST, SECOND = RNG.normal(10.0, 3.0, 60), RNG.normal(10.5, 3.0, 60)


def censored(sample, count):
    """Return a sample of which the first runs are censored."""
    return np.where(np.arange(sample.size) < count, INF, sample)


SAMPLES = {
    "near": lambda x, y: (x, y),
    "far": lambda x, y: (x, y + 30.0),
    "same": lambda x, y: (x, x),
    "shifted": lambda x, y: (x, x + 1.0),
    "one constant": lambda x, y: (np.full(x.size, 10.0), y),
    "same mean": lambda x, y: (np.full(x.size, x.mean()), x),
    "constants": lambda x, y: (np.full(x.size, 5.0), np.full(x.size, 4.0)),
    "same constant": lambda x, y: (np.full(x.size, 5.0), np.full(x.size, 5.0)),
    "rates": lambda x, y: ((x > 10.0) * 1.0, (y > 10.0) * 1.0),
    "one censored": lambda x, y: (x, censored(y, 1)),
    "half censored": lambda x, y: (censored(x, x.size // 2), censored(y, max(1, x.size // 3))),
    "far and censored": lambda x, y: (x, censored(y + 30.0, max(1, x.size // 4))),
    "same and censored": lambda x, y: (censored(x, 1), censored(x, 1)),
    "all of one": lambda x, y: (x, censored(y, y.size)),
    "all but a constant": lambda x, y: (np.full(x.size, 5.0), censored(y, y.size)),
    "all but one": lambda x, y: (censored(x, x.size - 1), censored(y, y.size - 1)),
    "all": lambda x, y: (censored(x, x.size), censored(y, y.size)),
}

NUMBER = r"-?\d[\d,]*(\.\d+)?(e[-+]\d+)?"
SIZE = r"-?(\d[\d,]*(\.\d+)?(e[-+]\d+)?)"
P = rf"p = {NUMBER}( after correction)?"
INTERVAL = rf"95% interval {NUMBER} to {NUMBER}"
VALUE = rf"({NUMBER}|censored)"
ALL = rf"all of sarsa's are {VALUE}, and all of q's are {VALUE}"
IN_RANKS = (
    rf"\d+ of \d+ and \d+ of \d+ runs are censored, so that means are unknown; sarsa's is better with probability "
    rf"{NUMBER}, {INTERVAL}, {P}"
)
WHOLE = [
    rf"sarsa's return is (greater|smaller) than q's by {NUMBER} \({INTERVAL}, {P}\)",
    rf"sarsa's return is more often (greater than smaller|smaller than greater) than q's \({IN_RANKS}\)",
    rf"sarsa's return is (greater|smaller) than q's in all of these runs: {ALL}",
    rf"no difference was found: sarsa's return and q's are {NUMBER} in all of these runs(; compare .*steps)?",
    "no difference was found between sarsa's return and q's: all runs of both are censored",
    rf"no difference was found between sarsa's return and q's "
    rf"\((difference {NUMBER}, {INTERVAL}, {P}|{IN_RANKS}|{ALL}, {P})\)"
    rf"(; finding one takes p < 0.035)?"
    rf"(; fewer than [46] runs of each find no difference, however large"
    rf"|; these runs find one of {NUMBER}, {NUMBER} standard deviations, in 80% of experiments)?"
    rf"(; {NUMBER} seeds would find one of half a standard deviation)?"
    rf"((;|, and) {NUMBER} seeds would find one as large as that seen)?"
    rf"(; the correction for several pairs takes more seeds)?",
]


def comparisons(kind):
    """Yield comparisons of samples of a kind: of many sizes, paired or not, and with p-values after correction."""
    for n in (*range(2, 13), 20, 30, 60):
        a, b = SAMPLES[kind](FIRST[:n], SECOND[:n])
        for paired in (False, True):
            for lower_is_better in (False, True):
                words = {"names": ("sarsa", "q"), "what": "return"}
                found = compare(a, b, paired=paired, lower_is_better=lower_is_better, **words)
                yield found
                yield from (replace(found, corrected_p_value=p) for p in (0.04, 0.7) if p > found.p_value)


@pytest.mark.parametrize("kind", SAMPLES)
def test_each_verdict_is_a_whole_sentence(kind):
    for found in comparisons(kind):
        assert sum(re.fullmatch(each, found.verdict) is not None for each in WHOLE) == 1, found.verdict
        assert found.verdict.count("censored") == 0 or found.is_censored


@pytest.mark.parametrize("kind", SAMPLES)
def test_each_verdict_says_what_is_so(kind):
    for found in comparisons(kind):
        verdict, n = found.verdict, min(found.num_runs)
        assert verdict.startswith("no difference was found") != found.is_different
        assert ("no difference, however large" in verdict) <= (n < fewest_runs(found.paired))
        assert found.is_different <= (n >= fewest_runs(found.paired))
        needed = re.search(rf"{SIZE} seeds would find one as large as that seen", verdict)
        if needed is not None:  # fewer seeds than it names have not found it
            assert n < int(needed[1].replace(",", "")) <= 1_000_000
        assert ("as large as that seen" in verdict) <= (found.difference != 0.0)
        if found.is_different and found.constants is None and not found.is_censored:
            assert ("is greater" in verdict) == (found.difference > 0.0)
        if found.is_censored and found.is_different and found.constants is None:
            is_better = found.probability_of_improvement > 0.5
            assert ("often greater" in verdict) == (is_better != found.lower_is_better)


def test_equal_differences_of_pairs_say_nothing_about_others():
    found = compare(FIRST, FIRST, paired=True)
    assert found.power.seeds_for_half is None
    assert (
        found.verdict == "no difference was found between a's figure and b's (difference 0, 95% interval 0 to 0, p = 1)"
    )


def test_a_difference_of_rounding_needs_no_seeds():
    a = np.full(20, FIRST[:20].mean())
    found = compare(a, FIRST[:20])
    assert 0.0 < abs(found.difference) < 1e-14
    assert found.power.seeds_needed is None


def test_constants_may_be_censored():
    found = compare([5.0] * 4, [INF] * 4, names=("sarsa", "q"), what="number of steps")
    assert found.verdict == (
        "sarsa's number of steps is smaller than q's in all of these runs: all of sarsa's are 5, and all of q's are "
        "censored"
    )


@pytest.mark.parametrize("rate", [0.97, 0.9, 0.5])
def test_intervals_of_paired_rates_hold_the_truth(rate):
    rng, num_held = np.random.default_rng(1), 0
    for _ in range(400):
        pair = compare(*(rng.random((2, 30)) < rate).astype(float), paired=True)
        low, high = pair.difference_interval
        num_held += low <= 0.0 <= high
    assert num_held >= 0.93 * 400  # with intervals of the rate of unequal pairs, 45% of those at 0.97
