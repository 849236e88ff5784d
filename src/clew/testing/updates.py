"""Checks of single updates, on episodes that are made up. They run without the compiler.

Each check takes a `Subject`, and returns in words what is wrong: what was expected, what was found, and what to do. It
returns "" if all is well.
"""

from itertools import pairwise

import numpy as np

from clew.distributed.local import memory_of
from clew.kernels.learning.learners import (
    BEFORE_UPDATE,
    EITHER_ORDER,
    Step,
    begin_episode,
    next_action_order,
)
from clew.kernels.sampling import new_stream
from clew.kernels.wide import MIN_WIDE_ACTIONS
from clew.learning.declarations import EPISODE, RUN, STEP
from clew.learning.learner import Learner
from clew.testing.subject import (
    CUT,
    END,
    LENGTH,
    LIVE,
    NUM_ACTIONS,
    Counts,
    Subject,
    Table,
    arrays_in,
    copies,
    first_difference,
    learn_end,
    learn_step,
    learner_with_tables_of,
    make_episodes,
    new_learner,
    play,
    value_arrays,
)

NUM_TRIALS = 6
NUM_REPEATS = 60  # of an episode, until its values must have settled

# What the other checks rely on ----------------------------------------------------------------------------------------


def check_make(subject: Subject) -> str:
    """Check that learners share no memory."""
    first, second = (list(arrays_in(new_learner(subject).rule)) for _ in range(2))
    if any(np.shares_memory(one, other) for one in first for other in second if one.size and one.flags.writeable):
        return "make must allocate new arrays for each learner, and two learners share one; call np.zeros in `make`"
    return ""


def check_draws(subject: Subject) -> str:
    """Check that the same steps and the same stream give the same bits."""
    for seed in range(NUM_TRIALS):
        one, other = new_learner(subject), new_learner(subject)
        for learner in (one, other):
            play(learner, make_episodes(subject, seed) * 3, new_stream(seed))
        if difference := first_difference(value_arrays(one), value_arrays(other)):
            return (
                f"the same steps must be learned to the same bits, and the second time {difference}; draw random "
                "numbers from `stream` alone (next_bits, below, uniform), and let `make` fill its arrays alike"
            )
    return ""


def check_finite(subject: Subject) -> str:
    """Check that values stay finite numbers."""
    for seed in range(NUM_TRIALS):
        learner = new_learner(subject)
        play(learner, make_episodes(subject, seed) * 3, new_stream(seed))
        if (wrong := np.argwhere(~np.isfinite(learner.q))).size:
            s, a = wrong[0].tolist()
            return (
                f"values must stay finite numbers, and after a few steps with rewards of up to 2 q[{s}, {a}] is "
                f"{learner.q[s, a]:g}; look for a division by 0, such as by a count that is raised later, and for "
                "roots and logarithms of negative numbers"
            )
    return ""


# Learned values -------------------------------------------------------------------------------------------------------


def _learned(subject: Subject, seed: int, episodes: list[list[Step]], state: int) -> tuple[Learner, Learner]:
    """Return two learners after the same episodes; the second began with values of a state that were 100 higher."""
    learners = new_learner(subject), new_learner(subject)
    for values in value_arrays(learners[1]):
        values[state] += 100.0
    for learner in learners:
        play(learner, episodes, new_stream(seed))
    return learners


def check_terminal_mask(subject: Subject) -> str:
    """Check that the values of a state in which an episode has ended change no others."""
    for seed in range(NUM_TRIALS):
        one, other = _learned(subject, seed, make_episodes(subject, seed), END)
        if difference := first_difference(value_arrays(one), value_arrays(other), but_for=END):
            return (
                "a step that ends the episode must have a next state of value 0, and with higher values of that state "
                f"{difference}; add the value of step.next_state only `if not step.terminated`"
            )
    return ""


def check_truncation(subject: Subject) -> str:
    """Check that the last step before the step limit is learned with the value of its next state."""
    for seed in range(NUM_TRIALS):
        episodes = make_episodes(subject, seed, last_terminated=False)[-1:] * 3
        last = episodes[-1][-1]
        before, after = (learner.q[last.state, last.action] for learner in _learned(subject, seed, episodes, CUT))
        if before == after:
            return (
                "a step limit doesn't end the world: the last step before it must be learned with the value of its "
                f"next state, and with higher values there q[{last.state}, {last.action}] is {after:g} as before; "
                "leave out the value of the next state only `if step.terminated`"
            )
    return ""


def check_step_size(subject: Subject) -> str:
    """Check that values settle if the same episode is learned again and again, with step sizes of 1/2 and 1."""
    path = [*LIVE[:4], END]
    order = next_action_order(new_learner(subject).rule)
    episode = []
    for t, (s, s_next) in enumerate(pairwise(path)):
        is_end = s_next == END
        a_next = -1 if is_end or order not in (BEFORE_UPDATE, EITHER_ORDER) else (t + 1) % NUM_ACTIONS
        episode.append(Step(s, t % NUM_ACTIONS, np.float32(1.0), s_next, a_next, is_end))
    for alpha in (0.5, 1.0):
        learner, stream, changes = new_learner(subject), new_stream(0), []
        for _ in range(NUM_REPEATS):
            before = learner.q.copy()
            play(learner, [episode], stream, alpha)
            changes.append(float(np.abs(learner.q - before).max()))
        largest = np.abs(learner.q).max()
        if not largest < 100.0 or not max(changes[-5:]) <= 0.2 * max(changes):
            return (
                f"values must settle if the same steps with rewards of 1 are learned {NUM_REPEATS} times with a step "
                f"size of {alpha:g}, and the last changes were up to {max(changes[-5:]):g}, to values up to "
                f"{largest:g}; move a value by td_update, with the step size step_size(alpha, s, a)"
            )
    return ""


# Written values -------------------------------------------------------------------------------------------------------


def check_rows(subject: Subject) -> str:
    """Check that only values of states in which an action was taken are written, and that updates are counted."""
    for num_actions in (NUM_ACTIONS, 4, MIN_WIDE_ACTIONS):  # each has another form of the table
        for seed in range(NUM_TRIALS if num_actions == NUM_ACTIONS else 2):
            if problem := _wrong_writes(subject, num_actions, seed):
                return problem
    return ""


def _wrong_writes(subject: Subject, num_actions: int, seed: int) -> str:
    """Return in words which value is written in some episodes, though it must not, or is not counted."""
    learner, stream = new_learner(subject, num_actions), new_stream(seed)
    only_here = next_action_order(learner.rule) == EITHER_ORDER or subject.row.memory == STEP
    seen: set[int] = set()
    for episode in make_episodes(subject, seed, num_actions=num_actions):
        begin_episode(learner.rule)
        seen = seen if subject.row.memory == RUN else set()
        counts = [counts.copy() for _, counts in _tables(learner)]
        for step in (*episode, None):  # None is the end of the episode
            before = [table.copy() for table, _ in _tables(learner)]
            if step is None:
                learn_end(learner, stream)
            else:
                learn_step(learner, step, stream)
                seen.add(step.state)
            here = set() if step is None else {step.state}
            if problem := _wrong_write(before, counts, _tables(learner), here if only_here else seen):
                return f"{'end_episode' if step is None else 'learn'} {problem}"
    return ""


def _tables(learner: Learner) -> list[tuple[Table, Counts]]:
    """Return the tables with the counts of their updates, and q, which may be their mean, without."""
    return [*learner.tables, (learner.q, np.zeros((0, 0), np.int32))]


def _wrong_write(
    before: list[Table], counts_before: list[Counts], after: list[tuple[Table, Counts]], allowed: set[int]
) -> str:
    """Return in words which value has changed though its state is not allowed, or is not counted; "" if there is none.

    Args:
        before: tables before an update.
        counts_before: counts of their updates when the episode began; empty where there are none.
        after: tables and counts after the update.
        allowed: states whose values may change.
    """
    for old, old_counts, (new, new_counts) in zip(before, counts_before, after, strict=True):
        for s, a in np.argwhere(old != new).tolist():
            if s not in allowed:
                return (
                    f"must write values of states {sorted(allowed)} alone here, and wrote q[{s}, {a}]; write those of "
                    "step.state, and of others only if next_action_order doesn't return EITHER_ORDER, and memory is "
                    "'episode' or 'run'"
                )
            if new_counts.size and new_counts[s, a] == old_counts[s, a]:
                return (
                    "must count its updates, because tables of simulations are merged by these counts, and wrote "
                    f"q[{s}, {a}] without a count; take its step size from step_size(alpha, s, a), once"
                )
    return ""


def check_next_action(subject: Subject) -> str:
    """Check that the next action is used only by a rule that asks for it."""
    if next_action_order(new_learner(subject).rule) == BEFORE_UPDATE:
        return ""
    for seed in range(NUM_TRIALS):
        episodes, found = make_episodes(subject, seed), []
        for a_next in (-1, 0, 1):
            learner = new_learner(subject)
            play(learner, [[step._replace(next_action=a_next) for step in each] for each in episodes], new_stream(seed))
            found.append(copies(learner))
        if difference := first_difference(found[0], found[1]) or first_difference(found[0], found[2]):
            return (
                "step.next_action is -1 where the next action isn't chosen yet, which must not change what is learned, "
                f"and with another next action {difference}; register next_action_order to return BEFORE_UPDATE, or "
                "don't use it: only step.terminated says that an episode has ended"
            )
    return ""


# Memory ---------------------------------------------------------------------------------------------------------------


def check_memory(subject: Subject) -> str:
    """Check that a rule remembers nothing for longer than its row declares."""
    memory = subject.row.memory
    for seed in range(NUM_TRIALS if memory != RUN else 0):
        stream, (*history, episode) = new_stream(seed), make_episodes(subject, seed, last_terminated=seed % 2 == 0)
        used = new_learner(subject)
        play(used, history, stream)
        rest = episode
        if memory == STEP:
            begin_episode(used.rule)
            for step in episode[: LENGTH // 2]:
                learn_step(used, step, stream)
            rest = episode[LENGTH // 2 :]
        new = learner_with_tables_of(subject, used)
        for learner in (new, used):
            if learner is new or memory == EPISODE:
                begin_episode(learner.rule)
            draws = stream.copy()
            for step in rest:
                learn_step(learner, step, draws)
            learn_end(learner, draws)
        ours, others = ([table for table, _ in _tables(learner)] for learner in (used, new))
        if difference := first_difference(ours, others):
            longer = "'episode' or 'run'" if memory == STEP else "'run', or clear it in begin_episode"
            return (
                f"with memory={memory!r} a new learner with the same tables must learn the same from the next "
                f"{memory}, and there {difference}; declare memory={longer}"
            )
    return ""


def check_merge(subject: Subject) -> str:
    """Check that what a single simulation remembers is what the run remembers after it is merged."""
    if (merge := subject.row.merge) is None:
        return ""
    for seed in range(NUM_TRIALS):
        learner, stream = new_learner(subject), new_stream(seed)
        first, *others = make_episodes(subject, seed)
        play(learner, [first], stream)
        memory, before = ({name: array.copy() for name, array in memory_of(learner).items()} for _ in range(2))
        play(learner, others, stream)
        after = memory_of(learner)
        merge(memory, before, after)
        for name, array in after.items():
            tolerance = 1e-5 if array.dtype.kind == "f" else 0.0  # sums and differences of floats are rounded
            if not np.allclose(memory[name], array, rtol=tolerance, atol=tolerance, equal_nan=True):
                return (
                    f"merge must give the memory of a simulation if it is the only one, and {name} has other values; "
                    f"add what it has changed, as in memory[{name!r}] += after[{name!r}] - before[{name!r}]"
                )
    return ""


def check_interleaving(subject: Subject) -> str:
    """Check that a rule whose episodes may be interleaved does nothing where an episode begins or ends."""
    if not subject.row.interleaves:
        return ""
    for seed in range(NUM_TRIALS):
        learner, stream = new_learner(subject), new_stream(seed)
        play(learner, make_episodes(subject, seed), stream)
        before = [each.tobytes() for each in arrays_in(learner.rule)]
        learn_end(learner, stream)
        begin_episode(learner.rule)
        if before != [each.tobytes() for each in arrays_in(learner.rule)]:
            return (
                "with interleaves=True steps of several episodes come in any order, so begin_episode and end_episode "
                "must change nothing, and they changed the learner; declare interleaves=False"
            )
    return ""
