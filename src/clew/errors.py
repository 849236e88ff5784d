"""What can go wrong, as a family of exceptions: every one says what was wrong, where, and what to do."""


class ClewError(Exception):
    """The parent of every error that Clew raises on purpose.

    The text of the error begins with one line that stands alone; a drawing of the place may follow it.
    """


class MazeError(ClewError, ValueError):
    """A maze, or a file of one, that can't be right."""


class ModelError(ClewError, ValueError):
    """Arrays that don't describe a finite Markov decision process."""


class SettingError(ClewError, ValueError):
    """A setting outside its range, or settings that contradict each other."""


class RunError(ClewError):
    """A run folder that can't be read or written."""


class ClusterError(ClewError, RuntimeError):
    """A Ray cluster that can't do what was asked of it."""


class StoppedError(ClewError):
    """Training that was asked to end before its last episode, and has kept what it learned."""


class ExtraError(ClewError, ImportError):
    """A package that isn't installed; says which extra of Clew brings it."""
