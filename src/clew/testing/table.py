"""The table of checks, in the order in which they run.

>>> from clew.testing.table import CHECKS
>>> [name for name, check in CHECKS.items() if check.is_compiled][0]
'same seed'
"""

from collections.abc import Callable
from typing import NamedTuple

from clew.testing import ties, training, updates
from clew.testing.subject import Subject


class Check(NamedTuple):
    """A row of the table.

    Attributes:
        find: function that returns in words what is wrong, or "" if all is well.
        is_compiled: True if it runs compiled, with bounds checks; False if it runs in plain Python.
        is_basis: True if the checks after it mean nothing where it fails.
    """

    find: Callable[[Subject], str]
    is_compiled: bool = False
    is_basis: bool = False


CHECKS: dict[str, Check] = {
    "make": Check(updates.check_make, is_basis=True),
    "draws": Check(updates.check_draws, is_basis=True),
    "finite": Check(updates.check_finite, is_basis=True),
    "terminal mask": Check(updates.check_terminal_mask),
    "truncation": Check(updates.check_truncation),
    "step size": Check(updates.check_step_size),
    "rows": Check(updates.check_rows),
    "next action": Check(updates.check_next_action),
    "memory": Check(updates.check_memory),
    "merge": Check(updates.check_merge),
    "interleaving": Check(updates.check_interleaving),
    "ties": Check(ties.check_ties),
    "availability": Check(training.check_availability),
    "same seed": Check(training.check_seed, is_compiled=True, is_basis=True),
    "convergence": Check(training.check_convergence, is_compiled=True),
    "step limit": Check(training.check_step_limit, is_compiled=True),
    "twin": Check(training.check_twin, is_compiled=True),
    "step by step": Check(training.check_stepwise, is_compiled=True),
    "resumed": Check(training.check_resumed, is_compiled=True),
    "actors": Check(training.check_actors, is_compiled=True),
}
