"""Exceptions: each message says what was expected, what was given, and what to do."""

from collections.abc import Callable, Mapping
from typing import Any


class ClewError(Exception):
    """Base class of all errors that Clew raises on purpose.

    The first line of the message stands alone; a drawing of the place that is wrong may follow it.

    >>> import clew
    >>> for settings in {"gamma": 1.5}, {"maze": "cliff", "slip": 0.1}:
    ...     try:
    ...         clew.TrainingConfig(**settings).make_environment()
    ...     except clew.ClewError as error:
    ...         print(type(error).__name__, "-", error)
    SettingError - gamma must be a finite number in [0, 1], not 1.5
    SettingError - slip has no effect on 'cliff', which has rules of its own
    """


class PrecisionWarning(UserWarning):
    """A figure that is less precise than was asked for, or values that float32 can't learn as precisely as they need.

    >>> import clew
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     solution = clew.solve(clew.Maze.open(2, 2), tolerance=1e-300)
    >>> caught[0].category.__name__, solution.bound > 1e-300
    ('PrecisionWarning', True)
    """


class PrecisionError(ClewError, ArithmeticError):
    """Values that aren't proved to be exact enough to grade a policy, or expected steps or visits, or total rewards.

    >>> import clew
    >>> def drift(s, a):  # nine steps away from the end for each step towards it
    ...     return [(0.9, min(s + 1, 39), 0.0, False), (0.1, max(s - 1, 0), 0.0, s == 0)]
    >>> try:
    ...     clew.policy_steps(clew.FiniteMDP.from_function(40, 1, drift), [0] * 40)
    ... except clew.PrecisionError as error:
    ...     print(str(error).partition(":")[0])
    expected steps are not proved to within a relative error of 1e-09
    """


class MazeError(ClewError, ValueError):
    """A maze, or a file with a maze, that isn't valid.

    >>> import clew
    >>> clew.TrainingConfig(maze="cliff").make_maze()
    Traceback (most recent call last):
        ...
    clew.errors.MazeError: 'cliff' is a world with rules of its own, not only a maze; see clew worlds cliff
    """


class NoPathError(MazeError):
    """A maze in which no goal can be reached from the start.

    Args:
        message: what is wrong.
        cells: (rows, columns) uint8, cells of the maze.
        start: (row, column) of its start.

    Attributes:
        cells, start: as given.

    >>> import clew
    >>> try:
    ...     clew.Maze.from_text("S#G")
    ... except clew.errors.NoPathError as error:
    ...     print(error.start)
    (0, 0)
    """

    def __init__(self, message: str, cells: Any, start: tuple[int, int]) -> None:
        super().__init__(message)
        self.cells, self.start = cells, start

    def __reduce__(self) -> tuple[Any, ...]:
        return NoPathError, (str(self), self.cells, self.start)


class MazeSizeError(MazeError):
    """A maze with more cells than Clew can hold.

    >>> import clew
    >>> clew.Maze.open(100_000, 100_000)
    Traceback (most recent call last):
        ...
    clew.errors.MazeSizeError: a maze of 100000 x 100000 cells is too large: the limit is 67,108,864 cells
    """


class ModelError(ClewError, ValueError):
    """Arrays that don't describe a finite Markov decision process.

    >>> import clew
    >>> clew.FiniteMDP.from_function(2, 1, lambda state, action: [(0.5, 1, 0.0, True)])
    Traceback (most recent call last):
        ...
    clew.errors.ModelError: state 0, action 0: probabilities sum to 0.5, not 1; divide them by their sum, in float64
    """


class PolicyError(ClewError, ValueError):
    """A file that can't be read or written as a policy.

    >>> import clew
    >>> clew.Policy.load("nothing.npz")
    Traceback (most recent call last):
        ...
    clew.errors.PolicyError: nothing.npz: can't be read: No such file or directory
    """


class SettingError(ClewError, ValueError):
    """A setting out of its range, or settings that contradict each other.

    Args:
        problem: what is wrong. With a `setting` it is the rest of a sentence that begins with the name of the setting,
            such as "must be above 0, not -1".
        setting: name of the wrong setting: a field of `clew.TrainingConfig`, or an argument of the function called.
        take: other settings that would help, by name; each is an alternative.

    Attributes:
        problem: as given.
        setting: as given; None if the error is not about one setting.
        take: as given; empty if there is no such advice.

    >>> import clew
    >>> clew.TrainingConfig(gamma=1.5)
    Traceback (most recent call last):
        ...
    clew.errors.SettingError: gamma must be a finite number in [0, 1], not 1.5
    """

    def __init__(self, problem: str, *, setting: str | None = None, take: Mapping[str, Any] | None = None) -> None:
        super().__init__(problem)
        self.problem, self.setting, self.take = problem, setting, dict(take or {})

    def __str__(self) -> str:
        return self.describe(str, lambda name, value: f"{name}={value!r}")

    def describe(self, name_setting: Callable[[str], str], assign: Callable[[str, Any], str]) -> str:
        """Return the message with settings called as the reader knows them, such as options of the command line.

        Args:
            name_setting: returns the reader's name of a setting.
            assign: returns how the reader writes a setting with its value.
        """
        subject = "" if self.setting is None else f"{name_setting(self.setting)} "
        advice = ", or ".join(assign(name, value) for name, value in self.take.items())
        return f"{subject}{self.problem}{'; take ' if advice else ''}{advice}"


class SizeError(SettingError):
    """A world, a table or a list that is larger than this machine, or Clew, can hold.

    >>> import clew
    >>> from clew.errors import SizeError
    >>> try:
    ...     clew.Environment(clew.Maze.open(300, 300), random_goal=True)
    ... except SizeError as error:
    ...     print(error.setting)
    random_goal
    """


class KernelError(ClewError, TypeError):
    """A function of a user that can't be compiled as a kernel; the message names it, its file and line, and the reason.

    >>> import clew
    >>> import numpy as np
    >>> from clew.kernels import kernel
    >>> __name__ = "my_rules"  # a kernel of another module than Clew's
    >>> @kernel
    ... def smooth(q):
    ...     return q.copy()
    >>> try:
    ...     smooth(np.zeros(3))
    ... except clew.KernelError as error:
    ...     print(str(error).partition(";")[2].strip())
    let `make` allocate it as a field of the learner's named tuple, and fill it here
    """


class CheckError(ClewError, AssertionError):
    """Algorithms that fail checks of `clew.testing`: what was expected, what was found, and what to do.

    Args:
        problems: messages, by algorithm and check.

    Attributes:
        problems: as given.

    >>> from clew.errors import CheckError
    >>> print(CheckError({"my_rules:counted": {"draws": "the same steps must be learned to the same bits"}}))
    my_rules:counted fails a check of clew.testing
    - draws: the same steps must be learned to the same bits
    """

    def __init__(self, problems: Mapping[str, Mapping[str, str]]) -> None:
        lines = []
        for name, found in problems.items():
            lines.append(f"{name} fails {'a check' if len(found) == 1 else f'{len(found)} checks'} of clew.testing")
            lines += [f"- {check}: {problem}" for check, problem in found.items()]
        super().__init__("\n".join(lines))
        self.problems = {name: dict(found) for name, found in problems.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return CheckError, (self.problems,)


class RunError(ClewError):
    """A run folder that can't be read or written.

    >>> import clew
    >>> clew.runs.open_run("runs/none")
    Traceback (most recent call last):
        ...
    clew.errors.RunError: runs/none: there is no such run folder; `clew train --out runs/none` makes one
    """


class ClusterError(ClewError, RuntimeError):
    """A Ray cluster that can't be reached, or that lacks the processors or the memory for the actors.

    >>> import clew
    >>> try:
    ...     raise clew.ClusterError("an actor can't be started: the cluster has no free processor")
    ... except clew.ClewError as error:
    ...     print(error)
    an actor can't be started: the cluster has no free processor
    """


class ClusterLostError(ClusterError):
    """A Ray whose own processes have ended in the middle of the work.

    >>> from clew.errors import ClusterLostError
    >>> try:
    ...     raise ClusterLostError("Ray has died in the middle of the work")
    ... except ClusterLostError as error:
    ...     print(error)
    Ray has died in the middle of the work
    """


class StoppedError(ClewError):
    """Training that was stopped before its last episode, after saving a checkpoint of what was learned.

    Or an experiment that was stopped before it had any results.

    >>> from clew.errors import StoppedError
    >>> try:
    ...     raise StoppedError("stopped; go on with `clew train --resume runs/first`")
    ... except StoppedError as error:
    ...     print(error)
    stopped; go on with `clew train --resume runs/first`
    """


class StopTraining(Exception):  # noqa: N818  # like Python's StopIteration, not an error
    """Raised by a callback to end a training, which then returns the policy so far.

    It ends `train_policy`, `train_policy_parallel`, `run_agent` and `clew.runs.train_run`. Where checkpoints are saved,
    one of that moment is saved too, from which the same training without this callback continues. Raised by the
    `progress` of `Experiment.run`, it ends the experiment, whose results have the seeds that are complete.

    >>> import clew
    >>> def stop_when_short(row):
    ...     if row.mean_steps < 10.0:
    ...         raise clew.StopTraining
    >>> env = clew.Environment(clew.Maze.open(5, 5))
    >>> policy = clew.train_policy(env, 100_000, callback=stop_when_short)
    >>> clew.evaluate_policy(env, policy).mean_steps
    8.0
    """


class ExtraError(ClewError, ImportError):
    """A package that isn't installed; the message names the extra of Clew that installs it.

    >>> import clew
    >>> try:
    ...     raise clew.ExtraError('plots need Matplotlib, which is not installed: pip install "clew[plots]"')
    ... except ImportError as error:
    ...     print(error)
    plots need Matplotlib, which is not installed: pip install "clew[plots]"
    """
