"""Findings: reasons why a training may learn nothing, each with a number and a remedy."""

from dataclasses import dataclass

SEVERITIES = ("error", "warning", "note")  # nothing useful can be learned; learning may fail; it may matter


@dataclass(frozen=True)
class Finding:
    """A reason why a training may learn nothing, or less than it could, from `clew.examine`.

    Attributes:
        name: name of the finding, such as "short-step-limit"; `clew doctor` prints it.
        number: the number that decides; the reason says which it is.
        reason: what is wrong, with the number.
        remedy: what to do.
        severity: "error" if nothing useful can be learned, "warning" if learning may fail, "note" if it may matter.

    >>> import clew
    >>> env = clew.Environment(clew.Maze.open(5, 5), max_episode_steps=7)
    >>> [finding] = clew.examine(env)
    >>> finding.name, finding.number, finding.severity
    ('short-step-limit', 8.0, 'error')
    >>> print(finding)
    the goal is at least 8 steps away, and episodes are cut off after 7; take a larger step limit
    """

    name: str
    number: float
    reason: str
    remedy: str
    severity: str = "warning"

    def __str__(self) -> str:
        return f"{self.reason}; {self.remedy}"
