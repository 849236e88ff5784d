"""Several episodes at a time on one table: the loop of `rollouts`, taken in turns."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import is_outside
from clew.kernels.learning.behaviours import Visits, in_turns
from clew.kernels.learning.rollouts import EpisodeSpec, EpisodeStats, first_action, rates_of, step_parameters, take_step
from clew.kernels.sampling import Stream, draw_start

# Where one of the episodes stands that run side by side: 64 bytes, as much as the processor's cache takes at once.
LANE = np.dtype(
    [
        ("stream", np.uint64, 2),
        ("state", np.int64),
        ("action", np.int64),
        ("steps", np.int64),
        ("episode_return", np.float64),
        ("exploration", np.float64),
        ("alpha", np.float32),
        ("goes_on", np.int32),  # 0 when there was no episode left to begin
    ]
)


class Lanes(NamedTuple):
    """Where all of them stand."""

    rows: npt.NDArray[np.void]  # (num_lanes,) LANE
    counters: npt.NDArray[np.int64]  # (3,): episodes to begin, episodes begun, whose turn it is


def new_lanes(streams: Sequence[Stream], num_episodes: int) -> Lanes:
    """Lanes that will play so many episodes, each with a stream of its own; none has begun."""
    rows = np.zeros(len(streams), LANE)
    rows["stream"] = np.reshape(streams, (-1, 2))
    return Lanes(rows, np.array([num_episodes, 0, 0]))


@kernel
def begin_lane(
    learner: Any, behaviour: Any, visits: Visits, spec: EpisodeSpec, counters: Any, lane: Any, rates: Any, first: int
) -> None:
    """Let a lane begin the next episode, if there is one."""
    number = counters[1]
    lane["goes_on"] = number < counters[0]
    if lane["goes_on"]:
        counters[1] = number + 1
        alpha, exploration = rates_of(rates, number - first)
        s = draw_start(spec.starts, lane["stream"])
        lane["state"] = s
        lane["action"] = first_action(learner, behaviour, visits, spec, s, exploration, lane["stream"])
        lane["steps"], lane["episode_return"] = 0, 0.0
        lane["alpha"], lane["exploration"] = alpha, exploration


@kernel
def learn_interleaved(
    model: Any,
    spec: EpisodeSpec,
    learner: Any,
    behaviour: Any,
    visits: Visits,
    rates: Any,
    lanes: Lanes,
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
    acting, rows, counters = in_turns(behaviour), lanes.rows, lanes.counters
    first, turn, ended = counters[1], counters[2], 0
    if first == 0 and stats.steps.size > 0:
        for i in range(rows.size):
            begin_lane(learner, acting, visits, spec, counters, rows[i], rates, first)
    while ended < stats.steps.size:
        for i in range(turn, rows.size):
            lane = rows[np.uint64(i)]  # unsigned: no test for an index that counts from the end
            if not lane["goes_on"]:
                continue
            steps = lane["steps"] + 1
            now = step_parameters(rates, lane["alpha"], lane["exploration"])
            place, is_last = (lane["state"], lane["action"]), steps == spec.max_steps
            s, a, reward, terminated = take_step(model, learner, acting, visits, place, is_last, now, lane["stream"])
            lane["state"], lane["action"], lane["steps"] = s, a, steps
            lane["episode_return"] += np.float64(reward)
            if terminated or is_last or is_outside(model, s):
                end = np.uint64(ended)
                stats.steps[end], stats.terminated[end] = steps, terminated
                stats.episode_return[end] = lane["episode_return"]
                ended += 1
                begin_lane(learner, acting, visits, spec, counters, lane, rates, first)
                if ended == stats.steps.size:
                    counters[2] = i + 1
                    return
        turn = 0
