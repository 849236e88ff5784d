"""Policies, and the episodes that they play.

policy       Policy: action values, and the actions chosen by them
behaviours   BEHAVIOURS: the table of exploration strategies, a row each
episodes     Simulation, Trajectory: playing episodes and recording them
"""
