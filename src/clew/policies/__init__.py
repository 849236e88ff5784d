"""Policies, exploration strategies, and the playing of episodes.

policy       Policy: made of action values, of actions or of probabilities of actions
tables       the arrays of these kinds of policies, checked
given        policies as users give them: also solutions and arrays
files        policies in files: arrays, and tables for people
behaviours   BEHAVIOURS: the table of exploration strategies, a row each
episodes     Simulation: plays episodes and records them
stepwise     episodes played step by step in Python
plugins      modules of users that register strategies and algorithms, and how they are found again
trajectory   Trajectory: records of episodes
"""
