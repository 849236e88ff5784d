"""Policies, exploration strategies, and the playing of episodes.

policy       Policy: action values, and actions chosen by them
behaviours   BEHAVIOURS: the table of exploration strategies, a row each
episodes     Simulation: plays episodes
trajectory   Trajectory, Transition: records of episodes
"""
