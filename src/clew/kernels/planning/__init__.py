"""Compiled planning kernels: backups, sweeps, searches, end components, and policy evaluation on Markov chains."""
