"""Calls of actors: which are late, and which actor is slow; without Ray."""

import math
import time

from clew.distributed.calls import LATE, MAX_WAIT, SECONDS_LATE, ActorHandle, Call, TaskBatch, find_late
from clew.distributed.speeds import MIN_RATIOS, Speeds
from clew.distributed.tasks import Task


def batch_of(first, num_tasks=1, round=0):
    tasks = [Task(1, 0.1, 0.1, (0, round, i)) for i in range(first, first + num_tasks)]
    return TaskBatch(round, None, None, tasks)


def actor_with(*batches, seconds_ago=0.0):
    """An actor that runs the first of some batches since a number of seconds; the others wait there."""
    calls = [Call(batch, i, 0, None, begun=time.monotonic() - seconds_ago) for i, batch in enumerate(batches)]
    return ActorHandle("actor 0", None, None, None, calls=calls)


def speeds_of(seconds, round=0):
    speeds = Speeds()
    speeds.add("actor 1", round, seconds)
    return speeds


def test_the_usual_duration_is_the_median_of_the_round_and_of_all_before_one_has_ended():
    speeds = Speeds()
    assert speeds.usual(0) == math.inf
    for seconds in (1.0, 2.0, 9.0):
        speeds.add("actor 0", 0, seconds)
    speeds.add("actor 0", 1, 0.5)
    assert (speeds.usual(0), speeds.usual(1), speeds.usual(2)) == (2.0, 0.5, 1.5)


def test_an_actor_is_compared_with_the_others_in_the_same_round():
    """Tasks become ten times shorter from round to round, and actor 2 takes four times as long as the others."""
    speeds = Speeds()
    for round in range(MIN_RATIOS):
        assert speeds.slowness("actor 2") == 1.0  # too little is known
        for who, times in (("actor 0", 1.0), ("actor 1", 1.0), ("actor 2", 4.0), ("actor 0", 1.0)):
            speeds.add(who, round, times * 10.0**-round)
    assert speeds.slowness("actor 2") == 4.0
    assert speeds.slowness("actor 0") <= 1.0


def test_a_call_is_late_after_twice_the_usual_duration_of_its_tasks():
    batch, speeds = batch_of(0, num_tasks=3), speeds_of(1.0)
    found, seconds = find_late([actor_with(batch, seconds_ago=3 * LATE - 0.5)], speeds)
    assert found is None
    assert 0.4 < seconds <= 0.5
    assert find_late([actor_with(batch, seconds_ago=3 * LATE + 0.1)], speeds) == (batch, 0.0)


def test_short_calls_have_some_time_for_their_messages():
    batch, speeds = batch_of(0), speeds_of(0.001)
    assert find_late([actor_with(batch, seconds_ago=SECONDS_LATE / 2)], speeds)[0] is None
    assert find_late([actor_with(batch, seconds_ago=SECONDS_LATE * 2)], speeds)[0] is batch


def test_nothing_is_late_before_one_call_has_ended():
    assert find_late([actor_with(batch_of(0), seconds_ago=1e6)], Speeds()) == (None, MAX_WAIT)


def test_a_call_that_waits_behind_another_has_not_begun():
    """It is taken at once: its actor is busy. The one before it is on time."""
    first, second = batch_of(0), batch_of(1)
    assert find_late([actor_with(first, second)], speeds_of(1.0)) == (second, 0.0)


def test_the_batch_that_is_merged_first_is_chosen():
    late = [actor_with(batch_of(i, round=number), seconds_ago=9.0) for number, i in ((1, 0), (0, 5), (0, 2))]
    assert find_late(late, speeds_of(1.0))[0].place == (0, 2)


def test_a_batch_is_run_a_second_time_only_once_unless_the_copy_is_late_too():
    batch = batch_of(0)
    original, copy = actor_with(batch, seconds_ago=9.0), actor_with(batch, seconds_ago=1.0)
    assert find_late([original, copy], speeds_of(1.0))[0] is None
    assert find_late([original, actor_with(batch, seconds_ago=3.0)], speeds_of(1.0))[0] is batch


def test_calls_that_are_not_needed_are_never_late():
    handle = actor_with(batch_of(0), seconds_ago=9.0)
    handle.calls[0].is_needed = False
    assert find_late([handle], speeds_of(1.0)) == (None, MAX_WAIT)
    assert handle.is_late


def test_the_end_of_a_call_is_that_of_those_before_it_that_are_not_needed():
    handle = actor_with(batch_of(0), batch_of(1), batch_of(2), seconds_ago=9.0)
    handle.calls[0].is_needed = False
    last = handle.calls[2]
    handle.end(handle.calls[1])
    assert handle.calls == [last]
    assert time.monotonic() - last.begun < 5.0  # it begins now


def test_an_answer_that_comes_before_that_of_an_earlier_call_drops_none_that_is_needed():
    """Ray may deliver the answers of two short calls in another order; a training then waited for ever."""
    handle = actor_with(batch_of(0), batch_of(1), batch_of(2), batch_of(3))
    first, second, third, last = handle.calls
    second.is_needed = False  # another actor has answered it
    handle.end(third)
    assert handle.calls == [first, last]
    handle.end(first)
    assert handle.calls == [last]
    handle.end(last)
    assert handle.calls == []
