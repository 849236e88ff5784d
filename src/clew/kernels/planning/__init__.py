"""Compiled planning: backups, sweeps, search, evaluation of policies."""
