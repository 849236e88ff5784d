"""The result of comparing two samples of runs, and its verdict in words."""

from dataclasses import dataclass
from math import inf

from clew.experiments.intervals import Pair
from clew.experiments.power import SIGNIFICANCE, Power, fewest_runs


@dataclass(frozen=True)
class Comparison:
    """Difference between two samples of runs, a and b, from `compare`; intervals are pairs (low, high) of 95%.

    Where runs are censored, means are unknown: their difference is NaN, and the test is one of ranks.

    Attributes:
        names: of the samples.
        what: name of the figure.
        num_runs: of each sample.
        num_censored: runs of each sample that are censored.
        paired: True if run i of a was compared with run i of b.
        lower_is_better: True if a lower figure is an improvement.
        constants: the number that all runs of each sample have; None if runs of a sample differ.
        difference: mean of a minus mean of b.
        difference_interval: interval of that.
        probability_of_improvement: probability that a run of a is better than one of b, a tie counting half.
        improvement_interval: interval of that.
        p_value: of a two-sided permutation test, of means or of ranks.
        corrected_p_value: the same after Holm's correction for several comparisons.
        power: which difference as many runs can find, and how many runs would find the one seen.

    >>> from clew.experiments.comparisons import compare
    >>> compare([1.0, 1.0, 1.0], [1.0, 1.0, 1.0]).verdict
    "no difference was found: a's figure and b's are 1 in all of these runs"
    """

    names: tuple[str, str]
    what: str
    num_runs: tuple[int, int]
    num_censored: tuple[int, int]
    paired: bool
    lower_is_better: bool
    constants: Pair | None
    difference: float
    difference_interval: Pair
    probability_of_improvement: float
    improvement_interval: Pair
    p_value: float
    corrected_p_value: float
    power: Power

    @property
    def is_different(self) -> bool:
        """True if a difference was found: by the corrected test and by the interval as well.

        The corrected p-value must be below 3.5%, so that of 1,000 comparisons of identical learners about 965 end in
        "no difference"; with 5% it would be 950, more or less.
        """
        nothing, (low, high) = (0.5, self.improvement_interval) if self.is_censored else (0.0, self.difference_interval)
        return self.corrected_p_value < SIGNIFICANCE and not low <= nothing <= high

    @property
    def is_censored(self) -> bool:
        """True if a run of either sample is censored, so that means are unknown."""
        return any(self.num_censored)

    @property
    def is_greater(self) -> bool:
        """True if the figure of a is greater, by the difference of means or, if runs are censored, in most pairs."""
        if self.is_censored:
            return (self.probability_of_improvement > 0.5) != self.lower_is_better
        return self.difference > 0.0

    @property
    def verdict(self) -> str:
        """Result in words; if no difference was found, also what these runs can find, and how many would find more."""
        (a, b), what = self.names, self.what
        larger = "greater" if self.is_greater else "smaller"
        if self.constants is not None and (self.is_different or self.constants[0] == self.constants[1]):
            return self._describe_constants(larger)
        if not self.is_different:
            words = f"no difference was found between {a}'s {what} and {b}'s ({self._describe_difference()})"
            is_near = SIGNIFICANCE <= self.corrected_p_value < 0.05
            return "; ".join([words, *[f"finding one takes p < {SIGNIFICANCE}"] * is_near, *self._describe_power()])
        if self.is_censored:
            smaller = "smaller" if self.is_greater else "greater"
            often = f"more often {larger} than {smaller} than {b}'s"
            return f"{a}'s {what} is {often} ({self._describe_difference()})"
        ends = sorted(abs(end) for end in self.difference_interval)
        interval = f"95% interval {ends[0]:.4g} to {ends[1]:.4g}"
        return f"{a}'s {what} is {larger} than {b}'s by {abs(self.difference):.4g} ({interval}, {self._describe_p()})"

    def _describe_constants(self, larger: str) -> str:
        """Return the result in words where the runs of each sample don't vary."""
        assert self.constants is not None
        (a, b), what = self.names, self.what
        if self.is_different:
            return f"{a}'s {what} is {larger} than {b}'s in all of these runs: {self._describe_values(self.constants)}"
        if self.is_censored:
            return f"no difference was found between {a}'s {what} and {b}'s: all runs of both are censored"
        hint = "; compare their numbers of steps" if what in ("return", "regret") else ""
        value = f"{self.constants[0]:.6g}"
        return f"no difference was found: {a}'s {what} and {b}'s are {value} in all of these runs{hint}"

    def _describe_values(self, constants: Pair) -> str:
        """Return the numbers in words that all runs of each sample have."""
        first, second = ("censored" if value == inf else f"{value:.6g}" for value in constants)
        return f"all of {self.names[0]}'s are {first}, and all of {self.names[1]}'s are {second}"

    def _describe_difference(self) -> str:
        """Return the difference in words, or the probability of improvement where runs are censored."""
        if self.constants is not None:
            return f"{self._describe_values(self.constants)}, {self._describe_p()}"
        if not self.is_censored:
            low, high = self.difference_interval
            return f"difference {self.difference:.4g}, 95% interval {low:.4g} to {high:.4g}, {self._describe_p()}"
        low, high = self.improvement_interval
        counts = " and ".join(f"{c} of {n}" for c, n in zip(self.num_censored, self.num_runs, strict=True))
        return (
            f"{counts} runs are censored, so that means are unknown; {self.names[0]}'s is better with probability "
            f"{self.probability_of_improvement:.2g}, 95% interval {low:.2g} to {high:.2g}, {self._describe_p()}"
        )

    def _describe_p(self) -> str:
        """Return the p-value in words."""
        corrected = " after correction" if self.corrected_p_value != self.p_value else ""
        return f"p = {self.corrected_p_value:.2g}{corrected}"

    def _describe_power(self) -> list[str]:
        """Return what these runs can find, and how many runs would find more."""
        deviation, detectable, needed, half = self.power
        few, words, seeds = fewest_runs(self.paired), [], []
        if min(self.num_runs) < few:
            words.append(f"fewer than {few} runs of each find no difference, however large")
        elif 0.0 < detectable < inf:
            share = detectable / deviation
            words.append(
                f"these runs find one of {detectable:.3g}, {share:.2g} standard deviations, in 80% of experiments"
            )
        if half is not None:
            seeds.append(f"{half:,} seeds would find one of half a standard deviation")
        if needed is not None and needed > min(self.num_runs):  # as many have not found it
            seeds.append(f"{needed:,} seeds would find one as large as that seen")
        words += [", and ".join(seeds)] * bool(seeds)
        is_corrected = self.corrected_p_value != self.p_value
        is_lost = bool(words) or self.p_value < SIGNIFICANCE
        return [*words, *["the correction for several pairs takes more seeds"] * (is_corrected and is_lost)]
