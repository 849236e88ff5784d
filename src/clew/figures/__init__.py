"""Figures of results.

drawing   draw: a maze with values, policy, path or episode
films     `clew render`: pictures and animations of a run
curves    learning curves, regret, steps to the optimum, over seeds
graph     the execution graph of a run
"""
