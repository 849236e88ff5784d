"""Many runs together.

samples   runs grouped by their settings, one sample per seed
"""
