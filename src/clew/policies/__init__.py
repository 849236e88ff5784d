"""Policies, exploration strategies, and the playing of episodes.

policy       Policy: actions for each state, by action values, by themselves or by probabilities
tables       the arrays of these kinds of policies, checked
given        policies as users give them: also solutions and arrays
files        policies in files: arrays, and tables for people
behaviours   BEHAVIOURS: the table of exploration strategies, a row each
episodes     Simulation: plays episodes
plugins      modules of users that register strategies and algorithms, and how they are found again
trajectory   Trajectory: records of episodes
"""
