"""Many runs together.

samples        runs grouped by their settings, one sample per seed
statistics     one sample: mean, interquartile mean, median, spread and where 90% of runs lie
comparisons    pairs of samples: difference, probability of improvement, tests, and a verdict in words
verdicts       the result of a comparison
intervals      confidence intervals of samples and of curves
permutations   permutation tests
power          how many runs a difference needs
"""
