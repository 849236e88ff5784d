"""Grading a policy: from which states it may choose a suboptimal action later, or may fail to end."""

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.planning.chains import Chain, Components


@kernel
def propagate_suboptimal(
    chain: Chain,
    components: Components,
    num_components: int,
    must_end: npt.NDArray[np.bool_],
    nonterminating: npt.NDArray[np.bool_],
    suboptimal: npt.NDArray[np.bool_],
) -> None:
    """Mark the states from which a policy may reach a suboptimal state, or may never end although it must.

    The marks are propagated backwards along the chain: components are visited successors first.

    Args:
        chain: Markov chain of the policy.
        components: its strongly connected components.
        num_components: number of components.
        must_end: (num_states,) bool, states from which the episode has to end with probability 1.
        nonterminating: (num_states,) bool, filled in place: states from which the policy may never end.
        suboptimal: (num_states,) bool, states in which the policy may choose a suboptimal action; the states described
            above are added in place.
    """
    for c in range(num_components):
        first, last = components.firsts[c], components.firsts[c + 1]
        is_suboptimal, may_not_end, has_to_end = False, False, False
        for i in range(first, last):
            s = components.order[i]
            nonterminating[s] = components.recurrent[s]  # later also True if a successor is
            is_suboptimal, may_not_end, has_to_end = (
                is_suboptimal or suboptimal[s],
                may_not_end or nonterminating[s],
                has_to_end or must_end[s],
            )
        for i in range(first, last):
            for k in range(chain.offsets[components.order[i]], chain.offsets[components.order[i] + 1]):
                s_next = chain.next_states[k]
                is_suboptimal, may_not_end = (
                    is_suboptimal or suboptimal[s_next],
                    may_not_end or nonterminating[s_next],
                )
        for i in range(first, last):
            suboptimal[components.order[i]] = is_suboptimal or (may_not_end and has_to_end)
            nonterminating[components.order[i]] = may_not_end
