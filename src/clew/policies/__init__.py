"""Policies, exploration strategies, and the playing of episodes.

policy       Policy: action values, and actions chosen by them
behaviours   BEHAVIOURS: the table of exploration strategies, a row each
episodes     Simulation: plays episodes
plugins      modules of users that register strategies and algorithms, and how they are found again
trajectory   Trajectory: records of episodes
"""
