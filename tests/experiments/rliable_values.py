"""Compute rliable's statistics of fixed samples; its pins exclude our pandas, so it has an environment of its own.

    python -m venv .venv-rliable
    .venv-rliable/bin/pip install rliable==1.2.0 "pandas<3" "arch<8"
    .venv-rliable/bin/python tests/experiments/rliable_values.py > tests/experiments/rliable_values.json

Takes two minutes. `test_beside_rliable.py` compares ours with these values. A sample is one task: a column of
runs. The median of rliable is that of the means of tasks, so that for it each run is a task.
"""

import json
import sys
from importlib.metadata import version

import numpy as np
from rliable import library, metrics
from scipy import stats

RESAMPLES = 10_000
RNG = np.random.default_rng(20)
SAMPLES = {
    "normal": RNG.normal(10.0, 2.0, 30).round(4),
    "skewed": RNG.exponential(5.0, 31).round(4),
    "few": RNG.exponential(5.0, 9).round(4),
    "ties": RNG.integers(0, 4, 40).astype(float),
    "many": RNG.standard_t(3, 101).round(4),
}
PAIRS = [("normal", "skewed"), ("skewed", "few"), ("ties", "skewed"), ("many", "ties"), ("ties", "ties")]


def estimate(scores, metric, size=0.95, task_bootstrap=False):
    """Return the point estimate of a metric, and its percentile bootstrap interval."""
    np.random.seed(0)  # noqa: NPY002 - rliable draws from NumPy's global stream
    points, intervals = library.get_interval_estimates(
        {"sample": scores},
        lambda *each: np.array([metric(*each)]),
        task_bootstrap=task_bootstrap,
        reps=RESAMPLES,
        confidence_interval_size=size,
    )
    return {"estimate": float(points["sample"][0]), "interval": intervals["sample"][:, 0].tolist()}


def student_size(n):
    """Return the confidence at which a normal interval of n runs, without correction for n - 1, is Student's at 95%."""
    return float(1 - 2 * stats.norm.cdf(stats.t.ppf(0.025, n - 1) * np.sqrt(n / (n - 1))))


def main():
    """Return the samples and what rliable says of them."""
    values = {"rliable": version("rliable"), "resamples": RESAMPLES, "samples": {}, "pairs": {}}
    for name, sample in SAMPLES.items():
        runs = sample[:, None]
        values["samples"][name] = {
            "runs": sample.tolist(),
            "mean": estimate(runs, metrics.aggregate_mean),
            "iqm": estimate(runs, metrics.aggregate_iqm),
            "iqm_student": estimate(runs, metrics.aggregate_iqm, student_size(sample.size)),
            "median": estimate(sample[None, :], metrics.aggregate_median, task_bootstrap=True),
        }
    for a, b in PAIRS:
        pair = [SAMPLES[a][:, None], SAMPLES[b][:, None]]
        values["pairs"][f"{a}, {b}"] = estimate(pair, metrics.probability_of_improvement)
    return values


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(), indent=1) + "\n")
