"""A run over Ray on the page: it is started, looked at, stopped."""

import time
from pathlib import Path

import pytest
from serving import go, grave, served

from clew.errors import SettingError
from clew.runs.configuration import TrainingConfig
from clew.tracing.timeline import recent_svg
from clew.tracing.trace import Trace
from clew.web.cluster import without_style
from clew.web.live import LiveRun, start_run

pytestmark = [pytest.mark.browser, pytest.mark.ray]

PATIENCE = 60_000  # milliseconds
LONG = {"maze": "12x12", "episodes": 40_000_000, "sync every": 2_000, "chaos": 0.1}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page") / "runs"
    folder.mkdir()
    # As in the fixture `ray_up`, see there.
    with served(folder, RAY_worker_cap_enabled="0") as (process, address):
        yield process, address


def visit(browser, address):
    page = browser.new_page()
    go(page, address)
    page.get_by_role("tab", name="Cluster").click()
    page.get_by_test_id("cluster-go").wait_for()
    return page


@pytest.fixture
def page(browser, server):
    page = visit(browser, server[1])
    wrong = []
    page.on("pageerror", lambda error: wrong.append(error))
    yield page
    assert wrong == []
    page.close()
    gone(server[0])


def fill(page, settings):
    for name, value in settings.items():
        page.get_by_label(name, exact=True).fill(str(value))


def start(page):
    page.get_by_role("button", name="Start").click()


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
    deadline = time.monotonic() + seconds
    while found := descendants(process):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    assert process.poll() is None


def test_actors_are_lost_and_their_work_is_given_to_others_until_it_is_stopped(page, server, browser):
    fill(page, LONG)
    start(page)
    lanes = page.get_by_test_id("lanes")
    for words in ("driver", "object store", "actor 0", "actor 1"):
        lanes.get_by_text(words, exact=True).wait_for(timeout=PATIENCE)
    says(page, "cluster-status", "Going on")
    page.wait_for_function(
        """() => ["actors lost", "pieces re-issued"].every(
            name => parseInt(document.querySelector(`[data-figure="${name}"]`).textContent) > 0)""",
        timeout=PATIENCE,
    )
    lanes.get_by_text("lost work is given to another").wait_for(timeout=PATIENCE)
    assert lanes.locator("path.cross").count() > 0
    assert any("raylet" in name for name in descendants(server[0]))
    assert float(figure(page, "travelled").split()[0]) > 0.0

    other = visit(browser, server[1])
    start(other)
    says(other, "cluster-message", "a cluster run goes on already, started on another page")
    other.close()

    page.get_by_role("button", name="Stop").click()
    says(page, "cluster-status", "Stopped after")
    gone(server[0])
    lanes.get_by_text("actors in all").wait_for(timeout=PATIENCE)  # the execution graph of all that was done
    assert int(figure(page, "rounds done").split()[0].replace(",", "")) < 5000
    page.get_by_role("button", name="Start").wait_for()


def test_a_run_ends_by_itself_and_says_if_one_process_would_do(page, server):
    fill(page, {"maze": "6x7", "episodes": 400, "rounds ahead": 1})
    start(page)
    says(page, "cluster-status", "All 100 rounds are done")
    says(page, "verdict", "One process would do.")
    assert figure(page, "rounds done") == "100 of 100"
    assert figure(page, "staleness") == "1"
    page.get_by_test_id("lanes").get_by_text("100 rounds in").wait_for()


def test_who_closes_the_page_stops_the_run(browser, server):
    page = visit(browser, server[1])
    fill(page, LONG)
    start(page)
    says(page, "cluster-status", "Going on")
    page.close()
    gone(server[0])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"actors": 0}, "take 1 to 16 actors here"),
        ({"simulations": 1}, "take 2 simulations or more"),
        ({"maze": "nowhere"}, "no maze is called 'nowhere'"),
        ({"episodes": 2.5}, "num_episodes must be a whole number"),
        ({"chaos": 0.9}, "chaos is a probability, here from 0 to 0.5"),
    ],
)
def test_what_cannot_be_is_said_in_words(page, settings, words):
    fill(page, settings)
    start(page)
    says(page, "cluster-message", words)
    assert page.get_by_test_id("cluster-message").get_attribute("role") == "alert"


def test_every_input_is_explained(page):
    inputs = page.locator("[data-setting]")
    assert inputs.count() == 9
    for name in ("maze", "episodes", "simulations", "actors", "sync every", "rounds ahead", "chaos"):
        assert page.get_by_label(name, exact=True).count() == 1
    page.get_by_text("decides only the speed").wait_for()


def test_a_narrow_page_is_not_wider_than_its_window(browser, server):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    go(page, server[1])
    page.get_by_role("tab", name="Cluster").click()
    page.get_by_test_id("cluster-go").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_grave(browser, server, scheme):
    page = browser.new_page(color_scheme=scheme)
    go(page, server[1])
    page.get_by_role("tab", name="Cluster").click()
    fill(page, {"maze": "6x7", "episodes": 400})
    start(page)
    says(page, "cluster-status", "All 100 rounds are done")
    page.get_by_test_id("lanes").get_by_text("100 rounds in").wait_for()
    assert grave(page, ".clew-cluster") == {}
    page.close()


# What the page is told ------------------------------------------------------------------------------------------------


def test_no_run_begins_without_actors():
    with pytest.raises(SettingError, match="take 1 to 16 actors"):
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
    assert LiveRun(TrainingConfig(num_actors=2), 0.0).picture() == ""
