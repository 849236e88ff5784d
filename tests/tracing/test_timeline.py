"""The execution graph: what is drawn, counted in the SVG itself."""

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest

from clew.errors import SettingError
from clew.tracing.axes import TimeScale, format_seconds
from clew.tracing.overview import mean_active
from clew.tracing.page import timeline_html
from clew.tracing.timeline import recent_svg, timeline_svg
from clew.tracing.trace import Event, Trace


def make_trace(num_rounds, num_actors=2, lost_in=None, rounds_ahead=0):
    """Rounds of a second: a put of 1000 bytes, then all work for half of it; actor 0 may be lost in one of them."""
    trace = Trace()
    for number in range(num_rounds):
        at, version = trace.began + number, max(0, number - rounds_ahead)
        trace.add("publish", "driver", at, 0.02, number, version=version)
        trace.add("put", "store", at + 0.05, 0.02, number, num_bytes=1000)
        for i in range(num_actors):
            if number == lost_in and i == 0:
                begun, ends = at + 0.1, {"simulation": 0, "version": version}
                trace.add("abandoned", "actor 0", begun, 0.1, number, **ends)
                trace.add("lost", "actor 0", begun + 0.1, 0.0, number)
                trace.add("reissue", "driver", begun + 0.1, 0.0, number, **ends)
                trace.add("work", "actor 1", at + 0.65, 0.2, number, attempt=1, num_bytes=8, **ends)
            elif i > 0 or lost_in is None or number < lost_in:
                trace.add("work", f"actor {i}", at + 0.1, 0.5, number, simulation=i, num_bytes=8)
        trace.add("merge", "driver", at + 0.9, 0.08, number, simulation=0, num_simulations=num_actors)
        trace.finish(number)
    return trace.events


def draw(events, **settings):
    return ElementTree.fromstring(timeline_svg(events, **settings))


def count(picture, name):
    """How many elements have all these classes; those of the legend, which have no title, don't count."""
    names = set(name.split())
    found = [each for each in picture.iter() if names <= set((each.get("class") or "").split())]
    return sum(len(each) > 0 for each in found)


def words(picture):
    return [each.text for each in picture.iter() if each.tag.endswith("text")]


def test_a_short_run_is_drawn_whole():
    picture = draw(make_trace(3), title="three <rounds> & more")
    said = words(picture)
    assert said[0] == "three <rounds> & more"
    assert said[1] == "3 rounds in 3.04 s · 2 actors · staleness 0 · 0.00305 MB sent"
    assert [each for each in said if each in ("driver", "object store", "actor 0", "actor 1")] == [
        *("driver", "object store", "actor 0", "actor 1")
    ]
    assert "Whole run" not in said
    assert count(picture, "work") == 6
    assert count(picture, "merge") == 3
    assert count(picture, "work s0 even") == 4  # rounds 0 and 2
    arrows = [each.get("class") for each in picture.iter() if (each.get("class") or "").startswith("arrow")]
    # To the store once a round, from there to each actor, and back; one more of each kind in the legend.
    assert (arrows.count("arrow send"), arrows.count("arrow return")) == (3 + 6 + 1, 6 + 1)


def test_a_long_run_shows_all_of_it_and_the_rounds_round_the_first_loss():
    picture = draw(make_trace(200, lost_in=70))
    said = words(picture)
    assert "Whole run" in said
    assert "actor 0 lost in round 70" in said
    assert "Rounds 69 to 72 in detail, where the first actor was lost" in said
    assert count(picture, "work s0") == 200 + 2 + 2 + 1 + 1  # a stripe each, and the bars of four rounds
    assert count(picture, "cross") == 1
    assert count(picture, "abandoned") == 1
    assert count(picture, "reissued") == 1
    assert count(picture, "gone") == 1
    assert "2nd attempt" in " ".join(said)
    hands = [each for each in picture.iter() if each.get("class") == "arrow reissue"]
    assert len(hands) == 2  # the arrow, and the one of the legend


def test_other_rounds_can_be_asked_for():
    picture = draw(make_trace(200, lost_in=70), rounds=(100, 103))
    assert "Rounds 100 to 102 in detail" in words(picture)
    assert "actor 0" not in words(picture)  # it was lost before
    assert count(picture, "cross") == 0
    with pytest.raises(SettingError, match="there are no rounds 300:400 in this run; it has 0:200"):
        timeline_svg(make_trace(200), rounds=(300, 400))
    with pytest.raises(SettingError, match="no events of rounds"):
        timeline_svg([])


@pytest.mark.parametrize(("rounds_ahead", "label"), [(0, "staleness 0"), (1, "staleness 1"), (3, "staleness 3")])
def test_staleness_has_a_colour_and_words(rounds_ahead, label):
    picture = draw(make_trace(12, rounds_ahead=rounds_ahead), rounds=(8, 11))
    assert next(each for each in words(picture) if each.startswith("round 9")) == f"round 9: {label}"
    bars = [each for each in picture.iter() if each.get("class") == f"work s{min(rounds_ahead, 2)} odd" and len(each)]
    # Of the 6 stripes of odd rounds those of rounds that are too early have fresher values; then the bars of round 9.
    assert len(bars) == 6 - rounds_ahead // 2 + 2


def test_one_process_has_one_lane():
    events = [event for event in make_trace(4, num_actors=1) if event.what != "put"]
    said = words(draw([event._replace(who="driver") for event in events]))
    assert "driver" in said
    assert "object store" not in said
    assert any("one process, no actors" in each for each in said)


@pytest.mark.parametrize(("num_rounds", "num_actors"), [(20_000, 2), (1500, 40), (25, 2000)])
def test_a_hundred_thousand_events_stay_readable_and_small(num_rounds, num_actors):
    events = make_trace(num_rounds, num_actors)
    assert len(events) > 50_000
    for rounds in (None, (0, num_rounds)):
        text = timeline_svg(events, rounds=rounds)
        assert len(text) < 1_000_000
        ElementTree.fromstring(text)


def test_text_is_large_enough_and_nothing_is_outside():
    picture = draw(make_trace(200, lost_in=199))
    sizes = [float(each.get("font-size", 12)) for each in picture.iter() if each.tag.endswith("text")]
    assert min(sizes) >= 11
    width, height = (float(each) for each in picture.get("viewBox").split()[2:])
    for each in picture.iter():
        if each.get("x") is not None:
            assert 0 <= float(each.get("x")) <= width
            assert 0 <= float(each.get("y")) <= height
            assert float(each.get("x")) + float(each.get("width", 0)) <= width


class Outside(HTMLParser):
    """Collects whatever a page would ask for elsewhere."""

    def __init__(self):
        super().__init__()
        self.found, self.tags = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.found += [
            (tag, name, value) for name, value in attributes if name in ("src", "href", "xlink:href", "data")
        ]


def test_the_page_asks_for_nothing_from_elsewhere():
    page = timeline_html(make_trace(200, lost_in=70), title="a </script> & <b>")
    outside = Outside()
    outside.feed(page)
    assert outside.found == []
    assert outside.tags.count("script") == 1
    assert "b" not in outside.tags
    assert re.findall(r"https?://[^\"' ]+", page) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"@import|url\((?!#)|fetch\(|XMLHttpRequest|import\(", page)
    assert "prefers-color-scheme:dark" in page
    assert "2nd attempt" in page


def test_scales_have_round_ticks():
    scale = TimeScale(0.0, 1.0, 100.0, 1100.0)
    assert scale.ticks() == pytest.approx([i / 10 for i in range(11)])
    assert (scale.x(0.25), scale.x(-5.0), scale.x(7.0)) == (350.0, 100.0, 1100.0)
    assert [format_seconds(0.0004), format_seconds(0.25), format_seconds(2.0)] == ["0.4 ms", "0.25 s", "2 s"]
    assert [format_seconds(t, 0.02, 0.08) for t in (0.0, 0.02, 0.08)] == ["0 ms", "20 ms", "80 ms"]
    assert [format_seconds(t, 0.05, 1.2) for t in (0.9, 1.2)] == ["0.90 s", "1.20 s"]


def test_how_busy_someone_was():
    """One event lasts all of the first bin, and half of the second; another is wholly in the third."""
    events = [Event("work", "actor 0", begun, seconds, 0, 0, 0, 1, 0, 0) for begun, seconds in ((0, 1.5), (2.25, 0.25))]
    assert mean_active(np.arange(5.0), events).tolist() == [1.0, 0.5, 0.25, 0.0]


def test_a_live_trace_in_which_work_was_lost_before_any_has_ended_is_drawn():
    trace = Trace()
    trace.add("publish", "driver", trace.began, 0.02, 0, version=0)
    trace.add("abandoned", "actor 0", trace.began + 0.1, 0.1, 0, simulation=0, version=0)
    trace.add("lost", "actor 0", trace.began + 0.2, 0.0, 0)
    trace.add("reissue", "driver", trace.began + 0.2, 0.0, 0, simulation=0, version=0)
    drawn = recent_svg(trace.events, 0.0, 6.0, title="the last seconds")
    assert "work lost with it" in drawn
    assert "hatched: work reissued" in drawn


def test_late_work_that_was_run_twice_is_drawn_with_the_answer_that_came_too_late():
    trace = Trace()
    trace.add("publish", "driver", trace.began, 0.02, 0, version=0)
    trace.add("copy", "driver", trace.began + 0.3, 0.0, 0, simulation=2, num_simulations=3, version=0, attempt=1)
    trace.add("work", "actor 1", trace.began + 0.3, 0.1, 0, simulation=2, num_simulations=3, version=0, attempt=1)
    trace.add("unused", "actor 0", trace.began + 0.02, 0.9, 0, simulation=2, num_simulations=3, version=0)
    drawn = timeline_svg(trace.events)
    assert "3 late tasks run twice" in drawn
    assert "late work: another actor was first" in drawn
    assert "<title>unused: actor 0" in drawn
    assert "2nd attempt" in drawn
