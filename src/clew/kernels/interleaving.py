"""Several episodes at a time on one table: the loop of `rollouts`, taken in turns."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.behaviours import Visits
from clew.kernels.dynamics import is_outside
from clew.kernels.rollouts import Terms, Totals, as_asked, first_action, rates_of, take_step
from clew.kernels.sampling import draw_start


class Lanes(NamedTuple):
    """Where episodes stand that run side by side. What belongs to a lane lies side by side too."""

    places: npt.NDArray[np.int64]  # (num_lanes * 4,): state, action, steps, 1 while an episode goes on
    sums: npt.NDArray[np.float64]  # (num_lanes * 4,): rewards so far, step size, exploration, nothing
    streams: npt.NDArray[np.uint64]  # (num_lanes, 2)
    counters: npt.NDArray[np.int64]  # (3,): episodes to begin, episodes begun, whose turn it is


STATE, ACTION, STEPS, GOES_ON = 0, 1, 2, 3
RETURN, ALPHA, EXPLORATION = 0, 1, 2


@kernel
def begin_lane(
    learner: Any, behaviour: Any, visits: Visits, terms: Terms, lanes: Lanes, lane: int, rates: Any, first: int
) -> None:
    """Let a lane begin the next episode, if there is one."""
    places, sums, number, k = lanes.places, lanes.sums, lanes.counters[1], 4 * lane
    if number == lanes.counters[0]:
        places[k + GOES_ON] = 0
        return
    lanes.counters[1] = number + 1
    stream, (alpha, exploration) = lanes.streams[lane], rates_of(rates, number - first)
    s = draw_start(terms.starts, stream)
    places[k + STATE] = s
    places[k + ACTION] = first_action(learner, behaviour, visits, terms, s, exploration, stream)
    places[k + STEPS] = 0
    places[k + GOES_ON] = 1
    sums[k + RETURN] = 0.0
    sums[k + ALPHA], sums[k + EXPLORATION] = alpha, exploration


@kernel
def learn_interleaved(
    model: Any,
    terms: Terms,
    learner: Any,
    behaviour: Any,
    visits: Visits,
    rates: Any,
    lanes: Lanes,
    totals: Totals,
) -> None:
    """Play several episodes in turns, a step each, all learning on the same table at once.

    While one waits for its row to come from memory, the processor goes on with the others. It is another algorithm
    than one episode at a time: what an episode learns, the others know at once.

    Args:
        model: world, see `dynamics`; `simplest` gives the form that is played fastest.
        terms: how episodes begin, and when they are cut off.
        learner: see `learners`; without memory of an episode; changed in place.
        behaviour: see `behaviours`.
        visits: (num_states, num_actions) int32, counted in place; empty if nobody asks.
        rates: of the episodes that may begin in this call, one a lane more than end in it.
        lanes: where the episodes stand; changed in place, to go on from in the next call.
        totals: one entry for each episode that ends in this call, in the order of their ends; filled in place.
    """
    places, sums, num_lanes = lanes.places, lanes.sums, lanes.streams.shape[0]
    first, lane, ended = lanes.counters[1], lanes.counters[2], 0
    if first == 0 and totals.steps.size > 0:
        for new in range(num_lanes):
            begin_lane(learner, behaviour, visits, terms, lanes, new, rates, first)
    while ended < totals.steps.size:
        k = np.uint64(4 * lane)  # unsigned: no test for an index that counts from the end
        if places[k + np.uint64(GOES_ON)]:
            steps = places[k + np.uint64(STEPS)] + 1
            now = as_asked(rates, np.float32(sums[k + np.uint64(ALPHA)]), sums[k + np.uint64(EXPLORATION)])
            place, is_last = (places[k + np.uint64(STATE)], places[k + np.uint64(ACTION)]), steps == terms.max_steps
            s, a, reward, terminated = take_step(
                model, learner, behaviour, visits, place, is_last, now, lanes.streams[lane]
            )
            places[k + np.uint64(STATE)], places[k + np.uint64(ACTION)], places[k + np.uint64(STEPS)] = s, a, steps
            sums[k + np.uint64(RETURN)] += np.float64(reward)
            if terminated or is_last or is_outside(model, s):
                totals.steps[ended] = steps
                totals.episode_return[ended] = sums[k + np.uint64(RETURN)]
                totals.terminated[ended] = terminated
                ended += 1
                begin_lane(learner, behaviour, visits, terms, lanes, lane, rates, first)
        lane = lane + 1 if lane + 1 < num_lanes else 0
    lanes.counters[2] = lane
