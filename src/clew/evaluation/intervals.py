"""Confidence intervals of the figures of played episodes: Student's t for means, Wilson's score for rates."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Interval = tuple[float, float]
NORMAL = 1.959963984540054  # 97.5% quantile of the normal distribution


def rate_with_interval(name: str, flags: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return the share of episodes that have a flag, and its interval, by name."""
    return {name: float(flags.mean()), f"{name}_interval": rate_interval(int(flags.sum()), flags.size)}


def mean_interval(sample: npt.NDArray[Any]) -> Interval | None:
    """Return the 95% confidence interval of a mean by Student's t; None for a sample of one."""
    n = sample.size
    if n < 2:
        return None
    mean, margin = float(sample.mean()), student(n - 1) * float(sample.std(ddof=1)) / math.sqrt(n)
    return mean - margin, mean + margin


def student(freedom: int) -> float:
    """Return the 97.5% quantile of Student's t with `freedom` degrees of freedom, to 0.1%.

    Source:
        Abramowitz & Stegun (1964), 26.7.5: an expansion in 1 / freedom, good from 4 on.
    """
    if freedom <= 3:
        return (12.70620474, 4.30265273, 3.18244631)[freedom - 1]
    x, n = NORMAL, float(freedom)
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + sum(term / n**power for power, term in enumerate(terms, 1))


def rate_interval(successes: float, n: int) -> Interval:
    """Return the 95% confidence interval of a rate by Wilson's score, which also holds near 0 and 1.

    Source:
        Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    rate, z2 = successes / n, NORMAL**2
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    margin = NORMAL / (1 + z2 / n) * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    # Without a success, or without a failure, one end is exact; rounding must not move it.
    return 0.0 if successes == 0 else centre - margin, 1.0 if successes == n else centre + margin
