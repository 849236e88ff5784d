"""Compiled learning: update rules, exploration strategies, episode loops, merging."""
