"""Compiled maze generation: carving, joining, scattering."""
