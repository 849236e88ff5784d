"""Version of Clew, as `clew.__version__` and the headers of checkpoints say it; pyproject.toml has the same."""

__version__ = "0.1.0"
