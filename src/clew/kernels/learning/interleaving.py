"""Several episodes at a time on one table: the loop of `rollouts`, taken in turns."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import is_outside_section
from clew.kernels.learning.behaviours import Visits, branchless
from clew.kernels.learning.rollouts import (
    EpisodeSpec,
    EpisodeStats,
    choose_first_action,
    episode_rates,
    step_parameters,
    take_step,
)
from clew.kernels.sampling import Stream, draw_start

# Where one of the episodes stands that run side by side: 64 bytes, as much as the processor's cache takes at once.
SLOT_DTYPE = np.dtype(
    [
        ("stream", np.uint64, 2),
        ("state", np.int64),
        ("action", np.int64),
        ("steps", np.int64),
        ("episode_return", np.float64),
        ("exploration", np.float64),
        ("alpha", np.float32),
        ("is_running", np.int32),  # 0 when there was no episode left to begin
    ]
)


class EpisodeSlots(NamedTuple):
    """Where all of them stand."""

    rows: npt.NDArray[np.void]  # (num_lanes,) LANE
    counters: npt.NDArray[np.int64]  # (3,): episodes to begin, episodes begun, whose turn it is


def new_episode_slots(streams: Sequence[Stream], num_episodes: int) -> EpisodeSlots:
    """Lanes that will play so many episodes, each with a stream of its own; none has begun."""
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
    """Let a lane begin the next episode, if there is one."""
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
    """Play several episodes in turns, a step each, all learning on the same table at once.

    While one waits for its row to come from memory, the processor goes on with the others. It is another algorithm
    than one episode at a time: what an episode learns, the others know at once.

    Args:
        model: world, see `dynamics`; `fast_model` gives the form that is played fastest.
        spec: how episodes begin, and when they are cut off.
        learner: see `learners`; without memory of an episode; changed in place.
        behaviour: see `behaviours`.
        visits: (num_states, num_actions) int32, counted in place; empty if nobody asks.
        rates: of the episodes that may begin in this call, one a lane more than end in it.
        lanes: where the episodes stand; changed in place, to go on from in the next call.
        stats: one entry for each episode that ends in this call, in the order of their ends; filled in place.
    """
    branchless_behaviour, rows, counters = branchless(behaviour), slots.rows, slots.counters
    first_episode, first_slot, num_ended = counters[1], counters[2], 0
    if first_episode == 0 and stats.steps.size > 0:
        for i in range(rows.size):
            begin_next_episode(learner, branchless_behaviour, visits, spec, counters, rows[i], rates, first_episode)
    while num_ended < stats.steps.size:
        for i in range(first_slot, rows.size):
            slot = rows[np.uint64(i)]  # unsigned: no test for an index that counts from the end
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
