"""Many runs together.

experiment     Experiment: learners x worlds x seeds, run in one call; begin reading here
cells          a learner in a world, and what is given as learners and worlds
changes        worlds that change in the course of a run
running        blocks of seeds over threads
collecting     what is collected in memory and in a folder
folder         the files of that folder
listing        experiments in a folder, and how many of their runs are complete
fingerprints   what decides the results of a cell, by which they are found again
results        ExperimentResults: arrays (learner, world, seed, episode)
optimum        runs against the exact optimum: regret, time until they are near it, suboptimality
report         ExperimentComparison: statistics, tests and verdicts of all learners in all worlds
sweep          Sweep: settings chosen on some seeds, reported on fresh ones
grids          grids and random draws of settings
samples        saved runs grouped by their settings, one sample per seed
statistics     one sample: mean, interquartile mean, median, spread and where 90% of runs lie
comparisons    pairs of samples: difference, probability of improvement, tests, and a verdict in words
verdicts       the result of a comparison
intervals      confidence intervals of samples and of curves
permutations   permutation tests
power          how many runs a difference needs
"""
