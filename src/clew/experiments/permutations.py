"""Permutation tests: how often runs that are exchanged at random differ as much as those that were seen."""

from functools import lru_cache, partial
from itertools import combinations, product
from math import comb

import numpy as np

from clew.experiments.intervals import Floats, blocks, new_rng, num_resamples

ROUNDING = 1e-9  # statistics nearer than this share of the largest number are equal


def permutation_test(a: Floats, b: Floats, *, seed: int = 0) -> float:
    """Return the two-sided p-value of a difference of means between two independent samples.

    All runs are divided at random into two samples of these sizes; the p-value is twice the smaller share of divisions
    with a difference as large, or as small, as that of `a` and `b`. All divisions are tried if they are no more than
    the number of random ones, which is `num_resamples` of all runs; the division that was seen counts as one of these.

    Args:
        a: (num_runs,), finite.
        b: (num_other_runs,), finite.
        seed: of the permutations.

    Source:
        Efron & Tibshirani (1993), chapter 15; Phipson & Smyth (2010), Permutation p-values should never be zero.

    >>> import numpy as np
    >>> from clew.experiments.permutations import permutation_test
    >>> permutation_test(np.array([1.0, 2.0, 3.0]), np.array([7.0, 8.0, 9.0]))  # 2 of 20 divisions
    0.1
    """
    a, b = sorted((np.sort(a), np.sort(b)), key=np.ndarray.tolist)  # so that the p-value of b and a is the same
    runs = np.concatenate([a, b])
    seen = float((a - runs.mean()).sum())
    runs = np.sort(runs - runs.mean())
    if comb(runs.size, a.size) <= num_resamples(runs.size):
        chosen = np.array(list(combinations(range(runs.size), a.size)))
        return _two_sided(runs[chosen].sum(axis=1), seen, exact=True)
    sums = [runs @ each.T for each in blocks(partial(_divisions, size=a.size), runs.size, seed)]
    return _two_sided(np.concatenate(sums), seen, exact=False)


def sign_flip_test(differences: Floats, *, seed: int = 0) -> float:
    """Return the two-sided p-value of the mean of paired differences: their signs are changed at random.

    All signs are tried if there are no more than random ones.

    Args:
        differences: (num_pairs,), finite.
        seed: of the signs.

    Source:
        Fisher (1935), The design of experiments, section 21.

    >>> import numpy as np
    >>> from clew.experiments.permutations import sign_flip_test
    >>> sign_flip_test(np.array([1.0, 2.0, 3.0, 4.0]))  # 2 of 16 signs
    0.125
    """
    differences = np.sort(differences)
    n, seen = differences.size, float(differences.sum())
    if n < 60 and 2**n <= num_resamples(n):
        signs = np.array(list(product((-1.0, 1.0), repeat=n)))
        return _two_sided(signs @ differences, seen, exact=True)
    sums = [differences @ each.T for each in blocks(_signs, n, seed)]
    return _two_sided(np.concatenate(sums), seen, exact=False)


def _two_sided(sums: Floats, seen: float, *, exact: bool) -> float:
    """Return twice the smaller share of sums that are as large, or as small, as the one that was seen; at most 1."""
    near = ROUNDING * max(float(np.abs(sums).max()), abs(seen))
    more = int((sums >= seen - near).sum()), int((sums <= seen + near).sum())
    return min(1.0, 2 * (min(more) + (not exact)) / (sums.size + (not exact)))


@lru_cache(maxsize=4)
def _divisions(n: int, rows: int, seed: int, first: int, size: int) -> Floats:
    """Return random divisions of n runs, (rows, n), with 1 for the `size` runs of the first sample and 0 for others."""
    places = new_rng(seed, 1, n, first, size).random((rows, n), np.float32).argpartition(size - 1, axis=1)[:, :size]
    chosen = np.zeros((rows, n))
    np.put_along_axis(chosen, places, 1.0, axis=1)
    chosen.flags.writeable = False
    return chosen


@lru_cache(maxsize=4)
def _signs(n: int, rows: int, seed: int, first: int) -> Floats:
    """Return random signs, (rows, n) of -1 and 1."""
    signs = new_rng(seed, 2, n, first).integers(2, size=(rows, n)).astype(np.float64) * 2 - 1
    signs.flags.writeable = False
    return signs
