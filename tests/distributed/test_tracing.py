"""What is noted of real runs, in this process and on actors that are killed."""

from collections import Counter
from itertools import pairwise

import pytest

from clew.distributed import train_policy_parallel
from clew.environments import Environment
from clew.mazes import Maze
from clew.tracing.trace import Trace


@pytest.fixture(scope="module")
def env():
    return Environment(Maze.open(6, 7), random_start=True)


def train(env, **settings):
    trace, rows = Trace(), []
    policy = train_policy_parallel(env, 110, 4, sync_every=5, seed=2, callback=rows.append, trace=trace, **settings)
    return policy, trace.events, rows


def counted(events):
    """How often each task, a simulation of a round, was worked on in a way that counted."""
    return Counter(
        (event.round, event.simulation + i)
        for event in events
        if event.what == "work"
        for i in range(event.num_simulations)
    )


TASKS = {(number, simulation): 1 for number in range(6) for simulation in range(4)}  # the last round has 10 episodes


@pytest.mark.parametrize("sharing", ["local", "central"])
@pytest.mark.parametrize("rounds_ahead", [0, 1, 2])
def test_every_task_is_in_one_piece_of_work_and_its_version_follows_from_rounds_ahead(env, sharing, rounds_ahead):
    _, events, rows = train(env, num_actors=0, sharing=sharing, rounds_ahead=rounds_ahead)
    assert counted(events) == TASKS
    kinds = {event.what for event in events}
    assert kinds == {"publish", "work", "merge"} - ({"merge"} if sharing == "central" else set())  # learned at once
    for what in kinds:
        versions = {event.round: event.version for event in events if event.what == what}
        assert versions == {number: max(0, number - rounds_ahead) for number in range(6)}
    assert [row.staleness for row in rows] == [min(number, rounds_ahead) for number in range(6)]
    assert [row.num_bytes for row in rows] == [0] * 6
    assert {event.who for event in events} == {"driver"}


def test_this_process_does_one_thing_at_a_time(env):
    _, events, _ = train(env, num_actors=0)
    for one, other in pairwise(sorted(events, key=lambda event: event.begun)):
        assert other.begun >= one.ended - 1e-4  # two clocks: of the day, and of durations


def test_one_learner_has_a_trace_and_is_never_stale(env):
    trace, rows = Trace(), []
    train_policy_parallel(env, 30, 1, callback=rows.append, trace=trace)
    assert [(event.what, event.who, event.round, event.version) for event in trace.events] == [
        ("work", "driver", number, number) for number in range(30)
    ]
    assert all(0.0 < event.seconds <= row.seconds for event, row in zip(trace.events, rows, strict=True))
    assert {(row.staleness, row.num_bytes) for row in rows} == {(0, 0)}


@pytest.mark.ray
@pytest.mark.parametrize("rounds_ahead", [pytest.param(0, marks=pytest.mark.nightly), 1])
def test_actors_that_are_killed(ray_up, env, rounds_ahead):
    here, *_ = train(env, num_actors=0, rounds_ahead=rounds_ahead)
    there, events, rows = train(env, num_actors=2, rounds_ahead=rounds_ahead, chaos=0.3)
    assert there.q.tobytes() == here.q.tobytes()

    assert counted(events) == TASKS
    assert [row.staleness for row in rows] == [min(number, rounds_ahead) for number in range(6)]
    kinds = Counter(event.what for event in events)
    assert kinds["kill"] >= kinds["lost"] >= 1
    assert kinds["abandoned"] >= kinds["reissue"] >= 1  # unless an idle actor had begun the same work already
    assert any(event.what == "work" and event.attempt > 0 for event in events)

    for who in {event.who for event in events if event.who.startswith("actor")}:
        own = sorted(event for event in events if event.who == who)
        works = sorted((event.begun, event.ended) for event in own if event.what == "work")
        for one, other in pairwise(works):
            assert other[0] >= one[1] - 1e-4
        lost = [event.begun for event in own if event.what == "lost"]
        assert len(lost) <= 1
        assert not lost or not works or works[-1][1] <= lost[0]


@pytest.mark.ray
def test_bytes_are_those_of_the_values_and_of_what_came_back(ray_up, env):
    """Local learners begin with a table of float32; simulations with parts of it, and counts, send less than all."""
    _, events, rows = train(env, num_actors=1, sharing="local")
    put = [event.num_bytes for event in events if event.what == "put"]
    assert put == [env.mdp.num_states * 4 * 4] * 6
    for row in rows:
        back = sum(event.num_bytes for event in events if event.what == "work" and event.round == row.round)
        assert 0 < back <= 4 * env.mdp.num_states * (4 + 4 * (4 + 4))  # rows, values and moves
        assert row.num_bytes == put[row.round] + back
