"""Figures of results.

drawing   draw: a maze with values, policy, path or episode
films     pictures and animations of a run, for `clew render`
curves    learning curves, regret, and steps to the optimum, over seeds
graph     the execution graph of a run, for `clew graph`
"""
