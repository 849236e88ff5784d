"""Compiled maze generators: carving, joining, scattering."""
