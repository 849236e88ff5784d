"""Statistics of runs beside those of rliable 1.2.0, recorded by `rliable_values.py` in an environment of its own."""

import json
from pathlib import Path

import pytest

from clew.experiments.comparisons import compare
from clew.experiments.intervals import interquartile_mean_interval
from clew.experiments.statistics import summarise

VALUES = json.loads((Path(__file__).parent / "rliable_values.json").read_text())
SAMPLES, PAIRS = VALUES["samples"], VALUES["pairs"]


def differences(ours, theirs):
    """Return by how much ours begins earlier and ends later than theirs, in widths of theirs."""
    low, high = theirs
    return (low - ours[0]) / (high - low), (ours[1] - high) / (high - low)


@pytest.mark.parametrize("name", SAMPLES)
def test_estimates_are_those_of_rliable(name):
    values = SAMPLES[name]
    summary = summarise(values["runs"])
    assert summary.mean == pytest.approx(values["mean"]["estimate"], rel=1e-12)
    assert summary.interquartile_mean == pytest.approx(values["iqm"]["estimate"], rel=1e-12)
    assert summary.median == pytest.approx(values["median"]["estimate"], rel=1e-12)


@pytest.mark.parametrize("pair", PAIRS)
def test_the_probability_of_improvement_is_that_of_rliable(pair):
    a, b = (SAMPLES[name]["runs"] for name in pair.split(", "))
    found = compare(a, b)
    assert found.probability_of_improvement == pytest.approx(PAIRS[pair]["estimate"], rel=1e-12)
    assert differences(found.improvement_interval, PAIRS[pair]["interval"]) == pytest.approx((0, 0), abs=0.15)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_interquartile_interval_is_that_of_rliable_at_the_same_probabilities(name):
    runs = SAMPLES[name]["runs"]
    ours = interquartile_mean_interval(runs)
    # Of few runs, a quantile of 10,000 resamples jumps from one of few distinct values to another.
    tolerance = 0.1 if len(runs) < 10 else 0.03
    assert differences(ours, SAMPLES[name]["iqm_student"]["interval"]) == pytest.approx((0, 0), abs=tolerance)


@pytest.mark.parametrize("name", SAMPLES)
def test_intervals_are_near_those_of_rliable_and_wider_for_few_runs(name):
    values = SAMPLES[name]
    summary = summarise(values["runs"])
    few = len(values["runs"]) < 10
    for ours, theirs in (
        (summary.mean_interval, values["mean"]),
        (summary.interquartile_mean_interval, values["iqm"]),
        (summary.median_interval, values["median"]),
    ):
        early, late = differences(ours, theirs["interval"])
        assert -0.03 < early < (0.25 if few else 0.1)
        assert -0.03 < late < (0.6 if few else 0.15)
    # rliable's percentile intervals hold the truth less often than they say, the less so the fewer the runs.
    assert sum(differences(summary.mean_interval, values["mean"]["interval"])) > (0.5 if few else 0.0)
