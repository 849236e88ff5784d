"""The trace: what is kept of what was noted, and how it is written down."""

import json

import pytest

from clew.tracing import trace as traces
from clew.tracing.trace import Event, Trace, from_csv, to_chrome, to_csv

FIRST = "what,who,begun,seconds,round,version,simulation,num_simulations,num_bytes,attempt,host"

NOT_VALID = "line 2 has an unknown kind, process or host, or a number out of range"


def noted(num_rounds, seconds=0.5, lost=()):
    """A trace of rounds of one second, each with a publish, a put and a piece of work."""
    trace = Trace()
    for number in range(num_rounds):
        at = trace.began + number
        trace.add("publish", "driver", at, 0.125, number, version=max(0, number - 2))
        trace.add("put", "store", at + 0.125, 0.125, number, num_bytes=1000)
        if number in lost:
            trace.add("lost", "actor 1", at + 0.2, 0.0, number)
        trace.add("work", "actor 0", at + 0.25, seconds, number, simulation=0, num_simulations=2, num_bytes=10)
        trace.finish(number)
    return trace


def test_work_has_the_version_that_was_published_for_its_round():
    works = [event for event in noted(6).events if event.what == "work"]
    assert [event.version for event in works] == [0, 0, 0, 1, 2, 3]
    assert [event.staleness for event in works] == [0, 1, 2, 2, 2, 2]


def test_bytes_are_those_that_travelled_for_a_round():
    trace = Trace()
    trace.add("put", "store", 0.0, 0.1, 3, num_bytes=1000)
    trace.add("work", "actor 0", 0.1, 0.1, 3, simulation=0, num_bytes=20)
    trace.add("work", "actor 1", 0.1, 0.1, 4, simulation=0, num_bytes=7)
    trace.add("checkpoint", "driver", 0.3, 0.1, 3, num_bytes=5000)
    assert [trace.finish(3), trace.finish(3), trace.finish(4)] == [1020, 0, 7]


def test_what_goes_on_without_a_pause_is_one_event():
    trace = Trace()
    for i, begun in enumerate((1.0, 1.5, 2.00005, 3.0)):
        trace.add("work", "actor 0", trace.began + begun, 0.5, 0, version=0, simulation=i, num_bytes=10)
    one, other = trace.events
    assert (one.simulation, one.num_simulations, one.num_bytes) == (0, 3, 30)
    assert one.seconds == pytest.approx(1.50005, abs=1e-5)
    assert (other.simulation, other.num_simulations) == (3, 1)


@pytest.mark.parametrize(
    "change", [{"who": "actor 1"}, {"round": 1}, {"attempt": 1}, {"simulation": 2}, {"what": "merge"}, {"version": 3}]
)
def test_what_differs_stays_apart(change):
    trace = Trace()
    second = {"what": "work", "who": "actor 0", "round": 0, "simulation": 1, "version": 0, **change}
    trace.add("work", "actor 0", trace.began, 0.5, 0, version=0, simulation=0)
    trace.add(begun=trace.began + 0.5, seconds=0.5, **second)
    assert len(trace.events) == 2


def test_a_long_run_keeps_every_second_round_then_every_fourth_but_all_losses(monkeypatch):
    monkeypatch.setattr(traces, "MAX_EVENTS", 90)
    trace = noted(101, lost=(33,))
    assert len(trace.events) <= 90
    kept = {event.round for event in trace.events}
    assert kept - {33} == set(range(0, 101, 8))  # of the whole run
    assert trace.count("lost") == 1
    assert sum(event.round == 40 for event in trace.events) == 3  # rounds are kept whole
    assert len(trace.events) + trace.num_dropped == 3 * 101 + 1


def test_memory_is_bounded_even_if_only_losses_are_noted(monkeypatch):
    monkeypatch.setattr(traces, "MAX_EVENTS", 50)
    trace = Trace()
    for i in range(200):
        trace.add("lost", f"actor {i}", trace.began + i, 0.0, i)
    assert (len(trace.events), trace.num_dropped) == (50, 150)


def test_csv_comes_back_as_it_was():
    events = noted(5, seconds=0.25, lost=(2,)).events
    text = to_csv(events)
    assert text.splitlines()[0] == FIRST
    back = from_csv(text)
    assert to_csv(back) == text
    for event, same in zip(events, back, strict=True):
        assert same == event._replace(begun=pytest.approx(event.begun, abs=1e-6))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("work,driver,1,2,3,4,5", "line 2 is not an event"),
        ("work,driver,1,2,3,4,5,6,7,8", "line 2 is not an event"),
        ("work,driver,1,two,3,4,5,6,7,8,", "line 2 is not an event"),
        ("work,driver,nan,2,3,4,5,6,7,8,", NOT_VALID),
        ("work,driver,1,-2,3,4,5,6,7,8,", NOT_VALID),
        ("work,driver,1,2,-3,4,5,6,7,8,", NOT_VALID),
        ("sleep,driver,1,2,3,4,5,6,7,8,", NOT_VALID),
        ("work,actor <b>,1,2,3,4,5,6,7,8,", NOT_VALID),
        ("work,driver,1,2,3,4,5,6,7,8,<b>", NOT_VALID),
        ("work,driver,1,2,3,4,5,6,7,8,9,10", NOT_VALID),
    ],
)
def test_damage_is_named(row, message):
    with pytest.raises(ValueError, match=message):
        from_csv(f"{FIRST}\n{row}\n")


def test_a_host_is_named_where_an_actor_starts():
    trace = Trace()
    trace.add("start", "actor 0", trace.began, 0.5, -1, host="node-1.example")
    trace.add("start", "actor 1", trace.began, 0.5, -1, host="a, b")
    (one, other) = from_csv(to_csv(trace.events))
    assert (one.host, other.host) == ("node-1.example", "a__b")
    rows = json.loads(to_chrome(trace.events))["traceEvents"]
    assert [row["args"]["host"] for row in rows if row["name"] == "start"] == ["node-1.example", "a__b"]


def test_a_file_of_another_kind_is_refused():
    for text in ("", "round,num_rounds\n"):
        with pytest.raises(ValueError, match="the first line must be what,who"):
            from_csv(text)


def test_chromes_trace_has_threads_microseconds_and_our_figures():
    events = [
        Event("publish", "driver", 0.5, 0.25, 7, 6, -1, 0, 0, 0),
        Event("work", "actor 3", 0.75, 0.125, 7, 6, 2, 2, 99, 1),
        Event("lost", "actor 3", 1.0, 0.0, 7, -1, -1, 0, 0, 0),
    ]
    rows = json.loads(to_chrome(events))["traceEvents"]
    names = {row["tid"]: row["args"]["name"] for row in rows if row["ph"] == "M"}
    assert list(names.values()) == ["driver", "store", "actor 3"]
    work = next(row for row in rows if row["name"] == "work 7")
    assert (work["ph"], work["ts"], work["dur"], names[work["tid"]]) == ("X", 750_000, 125_000, "actor 3")
    assert work["args"] == {
        "round": 7,
        "version": 6,
        "simulation": 2,
        "num_simulations": 2,
        "num_bytes": 99,
        "attempt": 1,
        "staleness": 1,
    }
    assert next(row for row in rows if row["name"] == "lost 7")["ph"] == "i"
    assert all({"name", "ph", "pid", "tid"} <= row.keys() for row in rows)
