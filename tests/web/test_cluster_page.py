"""A run over Ray on the page: it is started, looked at, stopped."""

import re
from pathlib import Path

import pytest
from serving import grave, set_scheme

from clew.errors import SettingError
from clew.runs.configuration import TrainingConfig
from clew.tracing.timeline import recent_svg
from clew.tracing.trace import Trace
from clew.web.cluster_tab import without_style
from clew.web.live import LiveRun, compare_times, start_run
from waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.ray]

PATIENCE = 60_000  # milliseconds
LONG = {"maze": "12x12", "episodes": 40_000_000, "sync every": 2_000, "chaos": 0.1}


@pytest.fixture(scope="module")
def idle_page(visit_for_module):
    """A page on which no run has been started."""
    return visit_for_module("Cluster")


@pytest.fixture(scope="module")
def finished_page(visit_for_module, server):
    """A page on which a run has ended by itself."""
    page = visit_for_module("Cluster")
    fill(page, {"maze": "6x7", "episodes": 400, "rounds ahead": 1})
    start(page)
    says(page, "cluster-status", "episodes done")
    page.get_by_test_id("lanes").get_by_text(re.compile(r"\d rounds in")).wait_for()
    gone(server[0])
    return page


def fill(page, settings):
    for name, value in settings.items():
        page.get_by_label(name, exact=True).fill(str(value))


def start(page):
    page.get_by_test_id("cluster-go").filter(has_text="Start").click()


def says(page, test_id, words):
    page.get_by_test_id(test_id).get_by_text(words).wait_for(timeout=PATIENCE)


def figure(page, name):
    return page.locator(f'[data-figure="{name}"]').inner_text()


def descendants(process):
    """The commands of all processes below one, of which Ray's are some."""
    parents = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                stat = (path / "stat").read_text()
            except OSError:
                continue
            name, _, rest = stat.partition("(")[2].rpartition(")")
            if rest.split()[0] != "Z":
                parents[int(path.name)] = int(rest.split()[1]), name
    found, wanted = [], {process.pid}
    while wanted:
        children = {pid for pid, (parent, _) in parents.items() if parent in wanted}
        found += [parents[pid][1] for pid in children]
        wanted = children
    return found


def gone(process, seconds=30):
    """Wait until a server has no processes below it, which is when Ray has stopped; and make sure that it goes on."""
    wait_until(lambda: not descendants(process), seconds=seconds)
    assert process.poll() is None


def test_actors_are_lost_and_their_work_is_given_to_others_until_it_is_stopped(visit, server):
    page = visit("Cluster")
    fill(page, LONG)
    start(page)
    lanes = page.get_by_test_id("lanes")
    for words in ("driver", "object store", "actor 0", "actor 1"):
        lanes.get_by_text(words, exact=True).wait_for(timeout=PATIENCE)
    says(page, "cluster-status", "Running")
    page.wait_for_function(
        """() => ["actors lost", "work reissued"].every(
            name => parseInt(document.querySelector(`[data-figure="${name}"]`).textContent) > 0)""",
        timeout=PATIENCE,
    )
    lanes.get_by_text("lost work reissued").wait_for(timeout=PATIENCE)
    assert lanes.locator("path.cross").count() > 0
    assert any("raylet" in name for name in descendants(server[0]))
    page.wait_for_function(  # it's of rounds that were merged
        """() => parseFloat(document.querySelector('[data-figure="data sent"]').textContent) > 0""", timeout=PATIENCE
    )

    other = visit("Cluster")
    start(other)
    says(other, "cluster-message", "a run over Ray is in progress, started on another page")

    page.get_by_test_id("cluster-go").filter(has_text="Stop").click()
    says(page, "cluster-status", "Stopped after")
    gone(server[0])
    lanes.get_by_text(" rounds in ").wait_for(timeout=PATIENCE)  # the execution graph of all that was done
    assert int(figure(page, "episodes done").split()[0].replace(",", "")) < LONG["episodes"]
    page.get_by_test_id("cluster-go").filter(has_text="Start").wait_for()


def test_a_run_ends_by_itself_and_compares_its_time_with_that_of_one_process(finished_page):
    assert "excess steps" in finished_page.get_by_test_id("cluster-status").inner_text()
    says(finished_page, "verdict", "The work takes one process")  # which is faster depends on the machine
    assert figure(finished_page, "episodes done") == "400 of 400"
    assert figure(finished_page, "staleness") == "1"


def test_one_process_is_enough_if_it_is_as_fast():
    times = "The work takes one process 2 s. The actors took {} s, and 5 s to start."
    assert compare_times(2.0, 2.0, 5.0) == "One process is enough. " + times.format(2)
    assert compare_times(2.0, 1.5, 5.0) == times.format(1.5)


def test_closing_the_page_stops_the_run(visit, server):
    page = visit("Cluster")
    fill(page, LONG)
    start(page)
    says(page, "cluster-status", "Running")
    page.close()
    gone(server[0])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"actors": 0}, "num_actors must be from 1 to 16"),
        ({"simulations": 1}, "num_simulations must be at least 2"),
        ({"maze": "nowhere"}, "no maze is called 'nowhere'"),
        ({"episodes": 2.5}, "num_episodes must be a whole number"),
        ({"chaos": 0.9}, "chaos must be a probability from 0 to 0.5"),
    ],
)
def test_what_cannot_be_is_said_in_words(idle_page, settings, words):
    before = {name: idle_page.get_by_label(name, exact=True).input_value() for name in settings}
    fill(idle_page, settings)
    start(idle_page)
    says(idle_page, "cluster-message", words)
    assert idle_page.get_by_test_id("cluster-message").get_attribute("role") == "alert"
    fill(idle_page, before)


def test_every_input_is_explained(idle_page):
    page = idle_page
    inputs = page.locator("[data-setting]")
    assert inputs.count() == 9
    for name in ("maze", "episodes", "simulations", "actors", "sync every", "rounds ahead", "chaos"):
        assert page.get_by_label(name, exact=True).count() == 1
    page.get_by_text("decides only the speed").wait_for()
    page.get_by_text("or book; or another name that clew worlds lists").wait_for()  # neither files nor gym:ID


def test_a_narrow_page_is_not_wider_than_its_window(finished_page):
    wide = finished_page.viewport_size
    finished_page.set_viewport_size({"width": 390, "height": 844})
    assert finished_page.evaluate("document.documentElement.scrollWidth") == 390
    finished_page.set_viewport_size(wide)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_grave(finished_page, scheme):
    set_scheme(finished_page, scheme)
    assert grave(finished_page, ".clew-cluster") == {}


# What the page is told ------------------------------------------------------------------------------------------------


def test_no_run_begins_without_actors():
    with pytest.raises(SettingError, match="num_actors must be from 1 to 16"):
        start_run(TrainingConfig(num_actors=0), 0.0)


def test_of_a_trace_that_goes_on_the_last_seconds_are_drawn():
    trace = Trace()
    for number in range(20):
        at = trace.began + number
        trace.add("publish", "driver", at, 0.1, number, version=number)
        trace.add("put", "store", at + 0.1, 0.1, number)
        trace.add("work", "actor 0", at + 0.2, 0.7, number, simulation=0)
    drawn = recent_svg(trace.events, 14.5, 20.5, title="<now>")
    assert "&lt;now&gt;" in drawn
    assert "15 with v15" in drawn
    assert "19 with v19" in drawn
    assert "13 with v13" not in drawn
    assert recent_svg([], 0.0, 6.0, title="nothing yet").count("<text") > 0
    assert "<style>" not in without_style(drawn)
    assert without_style(drawn).startswith("<svg")


def test_what_has_not_begun_has_no_picture():
    assert LiveRun(TrainingConfig(num_actors=2), 0.0).timeline() == ""
