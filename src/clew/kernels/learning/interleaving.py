"""The learning loop of `rollouts` for several episodes at a time, which share one table and step in turn."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import is_outside_section
from clew.kernels.learning.behaviours import Visits, branchless
from clew.kernels.learning.rates import episode_rates, step_parameters
from clew.kernels.learning.rollouts import EpisodeSpec, EpisodeStats, choose_first_action, take_step
from clew.kernels.sampling import Stream, draw_start

# One running episode: 64 bytes, a cache line.
SLOT_DTYPE = np.dtype(
    [
        ("stream", np.uint64, 2),
        ("state", np.int64),
        ("action", np.int64),
        ("steps", np.int64),
        ("episode_return", np.float64),
        ("exploration", np.float64),
        ("alpha", np.float32),
        ("is_running", np.int32),  # 0 if no episode was left to begin
    ]
)


class EpisodeSlots(NamedTuple):
    """Running episodes that are interleaved, one in each slot."""

    rows: npt.NDArray[np.void]  # (num_slots,), of SLOT_DTYPE
    counters: npt.NDArray[np.int64]  # (3,): episodes in total, episodes begun, slot that steps next


def new_episode_slots(streams: Sequence[Stream], num_episodes: int) -> EpisodeSlots:
    """Allocate one slot per stream, for a number of episodes in total; no episode has begun."""
    rows = np.zeros(len(streams), SLOT_DTYPE)
    rows["stream"] = np.reshape(streams, (-1, 2))
    return EpisodeSlots(rows, np.array([num_episodes, 0, 0]))


@kernel
def begin_next_episode(
    learner: Any,
    behaviour: Any,
    visits: Visits,
    spec: EpisodeSpec,
    counters: Any,
    slot: Any,
    rates: Any,
    first_episode: int,
) -> None:
    """Begin the next episode in a slot, or mark the slot as not running if all episodes have begun.

    Args:
        learner: see `learners`; only its action values are read.
        behaviour: see `behaviours`.
        visits: (num_states, num_actions) int32, or empty; only read.
        spec: where episodes begin.
        counters: `EpisodeSlots.counters`, changed in place.
        slot: element of `EpisodeSlots.rows`, changed in place.
        rates: step size and exploration of the episodes that may begin in this call of `learn_interleaved`.
        first_episode: number of the episode that the first entry of `rates` is for.
    """
    number = counters[1]
    slot["is_running"] = number < counters[0]
    if slot["is_running"]:
        counters[1] = number + 1
        alpha, exploration = episode_rates(rates, number - first_episode)
        s = draw_start(spec.starts, slot["stream"])
        slot["state"] = s
        slot["action"] = choose_first_action(learner, behaviour, visits, spec, s, exploration, slot["stream"])
        slot["steps"], slot["episode_return"] = 0, 0.0
        slot["alpha"], slot["exploration"] = alpha, exploration


@kernel
def learn_interleaved(
    model: Any,
    spec: EpisodeSpec,
    learner: Any,
    behaviour: Any,
    visits: Visits,
    rates: Any,
    slots: EpisodeSlots,
    stats: EpisodeStats,
) -> None:
    """Play several episodes at a time, a step of each in turn, which all learn on the same table.

    While the values of one episode are read from memory, the processor works on the others. It isn't the same algorithm
    as one episode at a time: what is learned in one episode is known in the others at once.

    Args:
        model: world, see `dynamics`; `fast_model` gives the form that is fastest to step.
        spec: where episodes begin, and after how many steps they are truncated.
        learner: see `learners`; one that remembers nothing of the current episode; changed in place.
        behaviour: see `behaviours`.
        visits: (num_states, num_actions) int32, counted in place; empty if the behaviour doesn't use it.
        rates: step size and exploration of the episodes that may begin in this call: as many as `stats` has entries,
            and one more for each slot.
        slots: running episodes, changed in place; the next call goes on from there.
        stats: one entry for each episode that ends in this call, in the order in which they end; filled in place. The
            call returns when it is full.
    """
    branchless_behaviour, rows, counters = branchless(behaviour), slots.rows, slots.counters
    first_episode, first_slot, num_ended = counters[1], counters[2], 0
    if first_episode == 0 and stats.steps.size > 0:
        for i in range(rows.size):
            begin_next_episode(learner, branchless_behaviour, visits, spec, counters, rows[i], rates, first_episode)
    while num_ended < stats.steps.size:
        for i in range(first_slot, rows.size):
            slot = rows[np.uint64(i)]  # unsigned: Numba then omits the check for negative indices
            if not slot["is_running"]:
                continue
            steps = slot["steps"] + 1
            parameters = step_parameters(rates, slot["alpha"], slot["exploration"])
            state_action, is_last = (slot["state"], slot["action"]), steps == spec.max_steps
            s, a, reward, terminated = take_step(
                model, learner, branchless_behaviour, visits, state_action, is_last, parameters, slot["stream"]
            )
            slot["state"], slot["action"], slot["steps"] = s, a, steps
            slot["episode_return"] += np.float64(reward)
            if terminated or is_last or is_outside_section(model, s):
                end = np.uint64(num_ended)
                stats.steps[end], stats.terminated[end] = steps, terminated
                stats.episode_return[end] = slot["episode_return"]
                num_ended += 1
                begin_next_episode(learner, branchless_behaviour, visits, spec, counters, slot, rates, first_episode)
                if num_ended == stats.steps.size:
                    counters[2] = i + 1
                    return
        first_slot = 0
