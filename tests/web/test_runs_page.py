"""Run folders on the page, as a visitor sees them."""

import json
import shutil

import pytest
from serving import grave, set_scheme

from clew.runs.configuration import TrainingConfig
from clew.runs.run import train_run
from clew.web.listing import MAX_LISTED, changed_settings, comparison_table, list_runs, load_details, run_curve

pytestmark = pytest.mark.browser

SETTINGS = {
    "short": {"algorithm": "q-learning", "num_episodes": 400, "gamma": 1.0, "step_reward": -1.0},
    "long": {"algorithm": "sarsa", "num_episodes": 800, "seed": 7, "gamma": 1.0, "step_reward": -1.0},
    "other": {"algorithm": "q-learning", "num_episodes": 400, "maze": "6x7"},
}


@pytest.fixture(scope="module")
def folder(runs_folder):
    """Three runs, one that is damaged, one that hasn't finished, and a folder that is not a run."""
    folder = runs_folder
    for name, settings in SETTINGS.items():
        train_run(TrainingConfig(**{"maze": "wilson:8x9:seed=1", **settings})).save(folder / name)
    shutil.copytree(folder / "short", folder / "damaged")
    table = bytearray((folder / "damaged" / "q.npy").read_bytes())
    table[-1] ^= 1
    (folder / "damaged" / "q.npy").write_bytes(table)
    (folder / "begun.partial").mkdir()
    (folder / "notes").mkdir()
    return folder


@pytest.fixture(scope="module")
def shared_page(visit_for_module, folder):
    """A page for tests that select runs, and open none."""
    return listed_on(visit_for_module("Runs"))


@pytest.fixture
def page(shared_page):
    """The shared page with no run selected."""
    yield shared_page
    for box in reversed(shared_page.locator("[role=checkbox][aria-checked=true]").all()):
        box.click()
    shared_page.locator(".clew-runs-curves").wait_for(state="hidden")


def listed_on(page):
    page.locator("[data-run=short]").wait_for()
    return page


SERIES = 'getElement(Number(document.querySelector(".clew-runs-chart").id.slice(1))).chart.getOption().series'


def series(page):
    """What ECharts has drawn."""
    return page.evaluate(SERIES)


def show(page, figure):
    """Choose the figure that the curves show, and wait until they are drawn."""
    before = page.evaluate(f"JSON.stringify({SERIES})")
    page.get_by_role("button", name=figure).click()
    page.wait_for_function(f"before => JSON.stringify({SERIES}) != before", arg=before)


def choose(page, *names):
    for name in names:
        page.get_by_role("checkbox", name=name, exact=True).click()
    page.locator("[data-testid=figures-of-runs] table").wait_for()
    heads = "[...document.querySelectorAll('[data-testid=figures-of-runs] th[scope=col]')]"
    page.wait_for_function(
        f"names => {heads}.map(head => head.textContent.trim()).join() == names", arg=",".join(names)
    )


def row(page, name):
    return page.locator("[data-testid=figures-of-runs] tr", has=page.get_by_role("rowheader", name=name))


def test_what_cannot_be_read_is_listed_with_the_reason(page):
    assert "5 runs in runs" in page.get_by_test_id("count").inner_text()
    damaged = page.locator("[data-run=damaged]")
    assert "q.npy: damaged: its SHA-256 is not the one in summary.json" in damaged.inner_text()
    assert damaged.get_by_role("checkbox").count() == 0
    assert "continue it with `clew train --resume begun`" in page.locator("[data-run='begun.partial']").inner_text()
    assert page.locator("[data-run=notes]").count() == 0


def test_two_runs_are_laid_over_each_other_and_compared(page, folder):
    choose(page, "short", "long")
    drawn = series(page)
    assert [each["name"] for each in drawn] == ["short", "long"]
    assert len({each["color"] for each in drawn}) == len({json.dumps(each["lineStyle"]["type"]) for each in drawn}) == 2
    for each in drawn:
        saved = [line.split(",") for line in (folder / each["name"] / "metrics.csv").read_text().splitlines()]
        at = saved[0].index("mean_steps")
        assert [point[1] for point in each["data"]] == [pytest.approx(float(line[at]), rel=1e-4) for line in saved[1:]]
        assert each["data"][-1][0] == SETTINGS[each["name"]]["num_episodes"]
        summary = json.loads((folder / each["name"] / "summary.json").read_text())
        assert each["markLine"]["data"][0]["yAxis"] == summary["optimal_steps"]
    for name in ("algorithm", "episodes", "table sha256", "seed"):
        assert row(page, name).get_attribute("data-differs") is not None
        assert "differs" in row(page, name).inner_text()
    assert row(page, "maze").get_attribute("data-differs") is None
    assert row(page, "algorithm").locator("td").all_inner_texts() == ["q-learning", "sarsa"]


def test_returns_have_the_optimum_under_the_step_limit(page, folder):
    choose(page, "short", "other")
    show(page, "mean return")
    for name, each in zip(("short", "other"), series(page), strict=True):
        summary = json.loads((folder / name / "summary.json").read_text())
        assert each["markLine"]["data"][0]["yAxis"] == summary["optimal_return"]
    show(page, "terminated rate")
    assert all(0.0 <= point[1] <= 1.0 for each in series(page) for point in each["data"])
    show(page, "mean steps")


def test_a_run_is_opened(visit, folder):
    page = listed_on(visit("Runs"))
    page.get_by_role("button", name="open long").click()
    picture = page.get_by_test_id("picture")
    picture.wait_for()
    assert picture.evaluate("async each => { await each.decode(); return each.naturalWidth }") > 100
    words = page.get_by_test_id("settings-of-run").inner_text().split("\n")
    assert words[words.index("algorithm") + 1 :][:2] == ["sarsa", "default: q-learning"]
    page.frame_locator("[data-testid=graph]").locator("svg").wait_for()


def test_a_run_that_came_meanwhile_is_there_after_a_refresh(page, folder):
    shutil.copytree(folder / "short", folder / "new")
    try:
        assert page.locator("[data-run=new]").count() == 0
        page.get_by_role("button", name="Refresh").click()
        page.locator("[data-run=new]").wait_for()
    finally:
        shutil.rmtree(folder / "new")
    page.get_by_role("button", name="Refresh").click()
    page.locator("[data-run=new]").wait_for(state="detached")


def test_the_keyboard_is_enough(visit, folder):
    page = listed_on(visit("Runs"))
    page.get_by_role("checkbox", name="other").focus()
    page.keyboard.press("Space")
    page.locator("[data-testid=figures-of-runs] table").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_test_id("picture").wait_for()


def test_a_narrow_page_is_not_wider_than_its_window(page):
    wide = page.viewport_size
    page.set_viewport_size({"width": 390, "height": 844})
    choose(page, "short", "long", "other")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.set_viewport_size(wide)


def test_axe_finds_nothing_grave(visit, folder):
    page = listed_on(visit("Runs"))
    choose(page, "short", "long")
    page.get_by_role("button", name="open long").click()
    page.get_by_test_id("picture").wait_for()
    for scheme in ("light", "dark"):
        set_scheme(page, scheme)
        assert grave(page, ".clew-runs") == {}


# What the page is told ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def listed(folder):
    return {each.name: each for each in list_runs(folder)[0]}


def test_the_newest_are_listed_and_all_are_counted(tmp_path):
    for i in range(MAX_LISTED + 1):
        (tmp_path / f"{i}.partial").mkdir()
    listed, total = list_runs(tmp_path)
    assert (len(listed), total) == (MAX_LISTED, MAX_LISTED + 1)


def test_a_long_curve_is_thinned_to_means(listed):
    run = listed["short"]
    metrics = {"episodes": [float(i + 1) for i in range(1000)], "mean_steps": [float(i % 3) for i in range(1000)]}
    curve = run_curve(type(run)(run.folder, "", run.config, run.summary, metrics), "mean_steps")
    assert len(curve.points) == 334
    assert curve.points[:2] == [(3.0, 1.0), (6.0, 1.0)]
    assert curve.points[-1] == (1000.0, 0.0)


def test_names_are_no_html(listed):
    run = listed["short"]
    evil = type(run)(run.folder.with_name("<b>x"), "", run.config, run.summary, run.metrics)
    assert "<b>" not in comparison_table([evil], [""])
    assert "&lt;b&gt;x" in comparison_table([evil], [""])


def test_settings_are_those_that_are_not_as_by_default(listed):
    assert ("seed", "7", "0") in changed_settings(listed["long"].config)
    assert {name for name, _, _ in changed_settings(listed["other"].config)} == {"maze", "num_episodes"}


def test_a_world_with_rules_of_its_own_has_no_picture(tmp_path):
    train_run(TrainingConfig(maze="warehouse", num_episodes=100)).save(tmp_path / "walk")
    opened = load_details(list_runs(tmp_path)[0][0])
    assert opened.picture == ""
    assert opened.notes == ["No picture: only mazes can be drawn, and this world is not a maze."]
    assert "<svg" in opened.graph


def test_figures_that_are_no_numbers_are_unknown(tmp_path):
    train_run(TrainingConfig(maze="3x3", num_episodes=20, num_simulations=1)).save(tmp_path / "run")
    path = tmp_path / "run" / "summary.json"
    summary = json.loads(path.read_text())
    path.write_text(json.dumps({**summary, "optimal_steps": "four", "seconds": 10**400, "mean_steps": None}))
    (run,), _ = list_runs(tmp_path)
    assert run.problem == ""
    assert run_curve(run, "mean_steps").optimum is None
    assert [run.figure(name) for name in ("seconds", "mean_steps", "excess_steps")] == [None, None, 0.0]
    assert comparison_table([run], [""]).count("<td>-</td>") == 2
