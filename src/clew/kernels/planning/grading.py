"""Grading: which actions are best, and from where a policy may take another."""

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.planning.chains import Chain, Components


@kernel
def spread_wrong(
    chain: Chain,
    found: Components,
    num_components: int,
    must_end: npt.NDArray[np.bool_],
    endless: npt.NDArray[np.bool_],
    wrong: npt.NDArray[np.bool_],
) -> None:
    """Mark the states from which a policy may come to a wrong state, or may go on for ever though it must end.

    Args:
        chain: what the policy does.
        found: its components.
        num_components: how many they are.
        must_end: (num_states,) bool, the states from which an end is due.
        endless: (num_states,) bool, the states from which the policy may go on for ever; filled in place.
        wrong: (num_states,) bool; changed in place.
    """
    for c in range(num_components):
        first, last = found.firsts[c], found.firsts[c + 1]
        is_wrong, is_endless, is_due = False, False, False
        for i in range(first, last):
            s = found.order[i]
            endless[s] = found.stays[s]  # until the states that follow have been looked at, those of this component too
            is_wrong, is_endless, is_due = is_wrong or wrong[s], is_endless or endless[s], is_due or must_end[s]
        for i in range(first, last):
            for k in range(chain.offsets[found.order[i]], chain.offsets[found.order[i] + 1]):
                s_next = chain.next_states[k]
                is_wrong, is_endless = is_wrong or wrong[s_next], is_endless or endless[s_next]
        for i in range(first, last):
            wrong[found.order[i]] = is_wrong or (is_endless and is_due)
            endless[found.order[i]] = is_endless
