"""Checks of how episodes end: whether they can, within which steps, and whether a discount may be left out."""

from collections.abc import Iterator

import numpy as np

from clew.learning.findings import Finding
from clew.runs.examination.case import ENDLESS, Case, counted


def check_ends(case: Case) -> Iterator[Finding]:
    """Find start states, and other states that can be reached, from which no end can be."""
    graph = case.graph
    leads = (case.to_end > 0) | graph.is_terminal
    stuck = graph.starts[~leads[graph.starts]]
    rewards = graph.rewards[case.reached]
    is_uniform = rewards.size == 0 or bool((rewards == rewards[0]).all())
    has_ends = bool(graph.ends.any() or graph.is_terminal.any())
    if stuck.size == graph.starts.size and not has_ends and is_uniform:
        yield Finding(
            "unreachable-goal",
            float(stuck.size),
            f"no step ends an episode, and all of them pay {rewards[0]:g}, so there is nothing to learn",
            "add an end, or a reward that depends on the action",
            "error",
        )
    elif stuck.size and has_ends:
        yield Finding(
            "unreachable-goal",
            float(stuck.size),
            f"no {case.end} can be reached from {stuck.size:,} of {counted(graph.starts.size, 'start state')}, such as "
            f"{case.name_state(int(stuck[0]))}",
            f"open a path to the {case.end}, or start elsewhere",
            "error" if stuck.size == graph.starts.size and is_uniform else "warning",
        )
    elif has_ends and (traps := np.flatnonzero(case.reachable & ~leads)).size:
        yield Finding(
            "dead-ends",
            float(traps.size),
            f"from {traps.size:,} of {counted(np.count_nonzero(case.reachable), 'state')} that can be reached, such as "
            f"{case.name_state(int(traps[0]))}, no {case.end} can be reached any more",
            "let the episode end there, or keep the step limit small: until then every step there is wasted",
        )


def check_step_limit(case: Case) -> Iterator[Finding]:
    """Find a world without a step limit whose episodes may never end, and a limit that is too small."""
    distances = case.to_target
    far = np.count_nonzero(distances > case.max_steps)
    if far:
        nearest = int(distances[distances > case.max_steps].min())
        all_far = far == distances.size
        where = "" if all_far else f" from {far:,} of {counted(distances.size, 'start state')}"
        target = case.end if (case.target & case.graph.ends).any() else "first reward"
        yield Finding(
            "short-step-limit",
            float(nearest),
            f"the {target} is at least {counted(nearest, 'step')} away{where}, and episodes are cut off after "
            f"{case.max_steps:,}",
            "take a larger step limit",
            "error" if all_far else "warning",
        )
    if case.has_own_limit and case.max_steps <= ENDLESS:
        return
    endless = case.graph.can_go_on(case.reachable, case.graph.has_outcomes)
    if endless.any():
        states = counted(np.count_nonzero(endless), "state")
        limit = f"the step limit of {case.max_steps:,} is as good as none"
        cut = f"; Clew cuts it off after {counted(case.max_steps, 'step')}, other programs may not"
        yield Finding(
            "no-step-limit",
            float(np.count_nonzero(endless)),
            f"{limit if case.has_own_limit else 'the world has no step limit'}, and an episode can go on forever in "
            f"{states}, such as {case.name_state(int(np.flatnonzero(endless)[0]))}{'' if case.has_own_limit else cut}",
            "set a step limit, such as a few times the steps of a good policy",
            "warning" if case.has_own_limit or case.is_environment else "note",
        )


def check_undiscounted(case: Case) -> Iterator[Finding]:
    """Find start states from which, with gamma 1, no policy is sure to end, or going on forever gains."""
    if case.learning.gamma < 1.0 or not case.is_exact:
        return
    starts = case.graph.starts
    improper = starts[~case.can_end[starts]]
    if improper.size:
        yield Finding(
            "undiscounted-without-end",
            float(improper.size),
            f"with gamma 1 the values of {improper.size:,} of {counted(starts.size, 'start state')} may be infinite: "
            f"from {case.name_state(int(improper[0]))} no policy ends an episode with probability 1",
            "take a gamma below 1, such as 0.99",
            "error",
        )
    elif case.is_thorough and case.optimum is None:
        yield Finding(
            "staying-optimal",
            float("inf"),
            "with gamma 1 an episode can go on forever and gain, or lose too little to tell from rounding, so the "
            f"optimal value may be infinite, and the {case.end} never worth reaching",
            "let each step cost a little, or take a gamma below 1",
            "error",
        )
