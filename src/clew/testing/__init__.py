"""Checks of update rules, such as those of users, before results depend on them.

    name                what it is
    ------------------  ------------------------------------------------------------------------------------------------
    check_algorithm     check one or more algorithms, and raise an error that says what is wrong
    CHECKS              what is checked, by name

>>> import clew
>>> list(clew.testing.CHECKS)[:3]
['make', 'draws', 'finite']
"""

from clew.testing.checking import check_algorithm
from clew.testing.table import CHECKS

__all__ = ["CHECKS", "check_algorithm"]
