"""The playground in a real browser: what a user does."""

import contextlib
import io
import re
import urllib.request
import zipfile
from pathlib import Path
from urllib.error import HTTPError

import pytest
from serving import grave, served, set_scheme, visiting

import clew

pytestmark = pytest.mark.browser
EXAMPLE = Path(__file__).parents[2] / "examples" / "my_rules.py"


def maze_of(page):
    return page.get_by_test_id("maze")


def data(page, name):
    """What the canvas says of the last frame."""
    return int(maze_of(page).get_attribute(f"data-{name}"))


def wait_until(page, condition):
    """Wait until the canvas says so; `d` is its dataset, whose entries are strings."""
    page.wait_for_function(f"() => {{ const d = document.querySelector('canvas').dataset; return {condition}; }}")


def settled(page, what):
    """Do something, and wait for a frame that came after it."""
    frames = data(page, "frames")
    what()
    wait_until(page, f"+d.frames > {frames}")


def tool(page, name):
    """Select a tool, and wait until the canvas has it."""
    page.get_by_role("button", name=name, exact=True).click()
    page.locator(f"[aria-label='{name}'][aria-pressed=true]").wait_for()


def cell(page, row, column, rows, columns):
    """Where a cell is on the screen."""
    box = maze_of(page).bounding_box()
    return box["x"] + (column + 0.5) * box["width"] / columns, box["y"] + (row + 0.5) * box["height"] / rows


def drag(page, places, rows, columns):
    """Draw the pointer over cells."""
    first, *others = [cell(page, *place, rows, columns) for place in places]
    page.mouse.move(*first)
    page.mouse.down()
    for place in others:
        page.mouse.move(*place)
    page.mouse.up()


def undo(page):
    page.get_by_role("button", name="undo the last edit").click()


def open_maze(page, name):
    world = page.get_by_test_id("world")
    if not world.locator("input").first.is_visible():
        world.get_by_text("World").click()
    world.locator("input").first.fill(name)
    number = data(page, "maze")
    world.get_by_role("button", name="Open").click()
    wait_until(page, f"+d.maze > {number}")


def take_code(page):
    part = page.get_by_test_id("export")
    if not part.get_by_role("button", name="Show code").is_visible():
        part.get_by_text("Export").click()
    part.get_by_role("button", name="Show code").click()
    page.wait_for_function("() => /: [0-9a-f]{64}$/.test(document.querySelector('[data-testid=hash]').textContent)")
    _, _, digest = part.get_by_test_id("hash").inner_text().partition("table sha256: ")
    return part.get_by_test_id("code").locator("pre").inner_text(), digest


def run_code(code):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {})
    return printed.getvalue().strip()


def test_a_wall_across_the_path_moves_it_during_learning(visit):
    page = visit()
    open_maze(page, "7x9")
    page.get_by_test_id("go").click()
    wait_until(page, "d.pathLength === '15'")
    tool(page, "paint walls")
    drag(page, [(3, 0), (3, 7)], 7, 9)
    wait_until(page, "d.pathLength === '15' && d.path.split(',').includes('35')")  # through the gap, row 3, column 8
    drag(page, [(5, 2), (5, 8)], 7, 9)
    wait_until(
        page, "+d.pathLength > 15 && d.path.split(',').includes('35')"
    )  # and then back to the left, round the second
    page.get_by_test_id("go").click()
    page.get_by_test_id("go").filter(has_text="Start").wait_for()
    code, digest = take_code(page)
    assert code.count("change_world") == 2
    assert run_code(code) == digest


def test_steps_episodes_reset_and_speed(visit):
    page = visit()
    for _ in range(3):
        settled(page, lambda: page.get_by_role("button", name="Step", exact=True).click())
    assert data(page, "episodes") == 0
    settled(page, lambda: page.get_by_role("button", name="Episode", exact=True).click())
    assert data(page, "episodes") == 1
    page.get_by_role("button", name="30/s", exact=True).click()
    page.get_by_test_id("go").click()
    page.wait_for_function("() => /Pause/.test(document.querySelector('[data-testid=go]').textContent)")
    wait_until(page, f"+d.frames > {data(page, 'frames') + 10}")
    assert data(page, "episodes") < 50, "thirty steps a second are no thousands of episodes"
    page.get_by_role("button", name="maximum").click()
    wait_until(page, "+d.episodes > 5000 && d.pathLength === '9'")
    page.get_by_test_id("go").click()
    page.get_by_test_id("go").filter(has_text="Start").wait_for()
    settled(page, lambda: page.get_by_role("button", name="Replay").click())
    page.get_by_role("button", name="Reset").click()
    wait_until(page, "d.episodes === '0' && d.pathLength === '1'")


def test_settings_are_changed_and_mistakes_are_said_in_words(visit):
    page = visit()
    settings = page.get_by_test_id("settings")
    settings.get_by_label("alpha", exact=True).fill("0.5")
    settings.get_by_label("alpha", exact=True).press("Enter")
    settings.get_by_label("slip", exact=True).fill("0.2")
    settings.get_by_label("slip", exact=True).press("Enter")
    page.get_by_role("button", name="Episode", exact=True).click()
    wait_until(page, "d.episodes === '1'")
    code, digest = take_code(page)
    assert "slip=0.2" in code
    assert "alpha=0.5" in code
    assert run_code(code) == digest
    settings.get_by_label("alpha", exact=True).fill("7")
    settings.get_by_label("alpha", exact=True).press("Enter")
    page.get_by_role("alert").filter(has_text="alpha must be").wait_for()
    assert data(page, "episodes") == 1, "nothing has changed"


def test_parameters_of_a_plug_in_are_fields(browser, tmp_path, tables):
    (tmp_path / "runs").mkdir()
    with served(tmp_path / "runs", "--plugin", str(EXAMPLE)) as (_, address), visiting(browser, address) as visit:
        page = visit()
        settings = page.get_by_test_id("settings")
        assert not settings.get_by_label("bonus", exact=True).is_visible()
        settings.get_by_label("algorithm", exact=True).click()
        page.get_by_role("option", name="my_rules:counted").click()
        bonus = settings.get_by_label("bonus", exact=True)
        assert bonus.input_value() == "0.1"
        bonus.fill("0.5")
        bonus.press("Enter")
        page.get_by_role("button", name="Episode", exact=True).click()
        wait_until(page, "d.episodes === '1'")
        code, digest = take_code(page)
        assert "algorithm_settings={'bonus': 0.5}" in code
        assert run_code(code) == digest
        bonus.fill("-1")
        bonus.press("Enter")
        page.get_by_role("alert").filter(has_text="bonus must be a finite number in [0, 100]").wait_for()


def test_the_key_has_the_colours_of_the_canvas_once_something_is_known(visit):
    page = visit()
    key = page.get_by_test_id("key")
    page.get_by_test_id("figures").get_by_text("episodes").wait_for()
    assert not key.is_visible()
    page.get_by_test_id("go").click()
    wait_until(page, "d.pathLength === '9'")
    page.get_by_test_id("go").click()
    page.get_by_test_id("go").filter(has_text="Start").wait_for()
    key.wait_for()
    shown = key.locator(".clew-ramp").evaluate("element => getComputedStyle(element).backgroundImage")
    first, *_, last = [tuple(map(int, colour)) for colour in re.findall(r"rgb\((\d+), (\d+), (\d+)\)", shown)]
    floor = page.locator(".clew-floor").evaluate(
        "each => [...each.getContext('2d').getImageData(0, 0, each.width, each.height).data]"
    )
    drawn = set(zip(floor[::4], floor[1::4], floor[2::4], strict=True))
    assert {first, last} <= drawn, "of the lowest and the highest value"
    page.get_by_role("button", name="Reset").click()
    key.wait_for(state="hidden")


def test_an_error_goes_when_the_next_request_begins(visit):
    page = visit()
    world = page.get_by_test_id("world")
    world.get_by_text("World").click()
    world.locator("input").first.fill("9" * 100_000)
    world.get_by_role("button", name="Open").click()
    page.get_by_role("alert").filter(has_text="up to 200 characters, not 100,000").wait_for()
    world.locator("input").first.fill("random:20x20:density=1")  # refused, after some seconds
    world.get_by_role("button", name="Open").click()
    page.get_by_role("alert").filter(has_text="characters").wait_for(state="detached")


def test_settings_that_are_rounded_are_said(visit):
    page = visit()
    settings = page.get_by_test_id("settings")
    settings.get_by_label("seed", exact=True).fill("1e40")
    settings.get_by_label("seed", exact=True).press("Enter")
    page.get_by_role("alert").filter(
        has_text="seed must be a whole number up to 9,007,199,254,740,991 on the page, not 1e+40"
    ).wait_for()
    settings.get_by_text("More settings").click()
    settings.get_by_label("goal reward", exact=True).fill("16777217")
    settings.get_by_label("goal reward", exact=True).press("Enter")
    page.get_by_test_id("notice").filter(has_text="becomes 16777216 in float32").wait_for()


def test_a_gamma_that_is_too_small_for_the_maze_is_said_in_the_words_of_doctor(visit):
    page = visit()
    open_maze(page, "60x60")
    gamma = page.get_by_test_id("settings").get_by_label("gamma", exact=True)
    gamma.fill("0.4")
    gamma.press("Enter")
    notice = page.get_by_test_id("notice")
    notice.filter(has_text="no value will reach").wait_for()
    [finding] = clew.examine(clew.Environment(clew.Maze.open(60, 60)), gamma=0.4)
    assert notice.inner_text() == str(finding)
    assert "the goal is 118 steps away, and 0.4^118 = 1.1e-47" in str(finding)
    assert grave(page, "[data-testid=notice]") == {}
    box = notice.bounding_box()
    assert box["y"] + box["height"] < 900, "on the first screen"
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    gamma.fill("0.9")
    gamma.press("Enter")
    notice.wait_for(state="hidden")


def test_values_are_said_of_the_cell_under_the_pointer_and_updates_are_shown(visit):
    page = visit()
    page.get_by_test_id("go").click()
    wait_until(page, "d.pathLength === '9'")
    page.get_by_test_id("go").click()
    page.mouse.move(*cell(page, 4, 3, 5, 5))
    page.get_by_text("row 4, column 3: down").wait_for()
    said = page.get_by_text("row 4, column 3: down").inner_text()
    assert float(said.rpartition("right ")[2]) == pytest.approx(1.0, abs=0.01)
    for layer in ("actions", "errors", "updates", "traces", "values"):
        settled(page, lambda layer=layer: page.get_by_role("button", name=layer, exact=True).click())


def test_the_keyboard_alone_paints_and_undoes(visit):
    page = visit()
    tool(page, "paint hazards")
    maze_of(page).focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert page.locator(".clew-hidden-text[aria-live]").inner_text() == "row 2, column 2: free"
    number = data(page, "maze")
    page.keyboard.press(" ")
    wait_until(page, f"+d.maze > {number}")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    assert page.locator(".clew-hidden-text[aria-live]").inner_text() == "row 2, column 2: hazard"
    number = data(page, "maze")
    undo(page)
    wait_until(page, f"+d.maze > {number}")


def test_an_exit_is_painted_that_pays_the_number_beside_the_tools(visit):
    page = visit()
    open_maze(page, "russell")
    page.get_by_label("reward of exits and cells").fill("-3")
    tool(page, "add an exit with the reward on the right")
    number = data(page, "maze")
    drag(page, [(2, 3)], 3, 4)
    wait_until(page, f"+d.maze > {number}")
    maze_of(page).focus()
    for key in (*["ArrowDown"] * 3, *["ArrowRight"] * 3):
        page.keyboard.press(key)
    assert page.locator(".clew-hidden-text[aria-live]").inner_text() == "row 2, column 3: exit, pays -3"
    page.get_by_role("button", name="Episode", exact=True).click()
    wait_until(page, "d.episodes === '1'")
    code, digest = take_code(page)
    assert ("exit -3" in code, run_code(code)) == (True, digest)


FILES = {
    "own.txt": "S..\n#.#\n..G\n",
    "exits.txt": "S.A\n#.b\n...\n\nA exit 1\nb reward -0.5\n",
    "map.map": "type octile\nheight 2\nwidth 3\nmap\n.@.\n...\n",
    "mouse.maze": "+---+---+\n| S |   |\n+   +   +\n|     G |\n+---+---+\n",
    "pac.lay": "%%%%\n%P.%\n%%%%\n",
}


@pytest.fixture(scope="module")
def file_page(visit_for_module):
    """A page that opens one file after the other."""
    page = visit_for_module()
    page.get_by_test_id("world").get_by_text("World").click()
    return page


@pytest.mark.parametrize("name", [*FILES, "picture.png"])
def test_every_kind_of_file_is_opened(file_page, tmp_path, name):
    path = tmp_path / name
    if name in FILES:
        path.write_text(FILES[name])
    else:
        clew.Maze.open(3, 4, obstacles=[(1, 1)]).save(path)
    page = file_page
    if name == "map.map":  # has neither start nor goal: they can be put by settings, and a maze without is refused
        page.locator("input[type=file]").first.set_input_files(path)
        page.get_by_role("alert").filter(has_text="the maze has no start").wait_for()
        return
    number = data(page, "maze")
    page.locator("input[type=file]").first.set_input_files(path)
    wait_until(page, f"+d.maze > {number}")


def test_a_bad_file_is_refused_in_words(file_page, tmp_path):
    bad = tmp_path / "bad.txt"
    bad.write_text("S.x\n..G\n")
    page = file_page
    page.locator("input[type=file]").first.set_input_files(bad)
    page.get_by_role("alert").filter(has_text="bad.txt").wait_for()
    words = page.get_by_role("alert").inner_text()
    assert "line 1, column 3" in words
    assert str(tmp_path) not in words


def test_all_is_downloaded_in_one_file(visit, tmp_path):
    page = visit()
    page.get_by_role("button", name="Episode", exact=True).click()
    wait_until(page, "d.episodes === '1'")
    page.get_by_test_id("export").get_by_text("Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download all").click()
    path = tmp_path / "clew.zip"
    download.value.save_as(path)
    assert "run.html" in zipfile.ZipFile(path).namelist()


def test_two_visitors_do_not_mix(visit):
    one, other = visit(), visit()
    open_maze(one, "4x4")
    one.get_by_test_id("go").click()
    wait_until(one, "d.pathLength === '7'")
    assert data(other, "episodes") == 0
    tool(other, "paint walls")
    settled(other, lambda: drag(other, [(2, 2)], 5, 5))
    assert data(one, "path-length") == 7


def is_served(source):
    try:
        urllib.request.urlopen(source).close()
    except HTTPError as error:
        error.close()
        return error.code != 404
    return True


def test_nothing_is_left_when_a_tab_is_closed(visit):
    page, other = visit(), visit()
    resources = "performance.getEntriesByType('resource').map(e => e.name)"
    source = page.evaluate(f"() => {resources}.find(name => name.includes('/frames/'))").partition("?")[0]
    page.get_by_test_id("go").click()
    wait_until(page, "d.pathLength === '9'")
    assert is_served(source)
    page.close()
    while is_served(source):
        settled(other, lambda: other.get_by_role("button", name="Episode", exact=True).click())
    wait_until(other, "+d.episodes > 0")


def test_axe_finds_nothing_grave(visit):
    page = visit()
    page.get_by_test_id("export").get_by_text("Export").click()  # first, for what opens above moves it
    page.get_by_role("button", name="Show code").wait_for()
    page.get_by_test_id("world").get_by_text("World").click()
    page.get_by_role("button", name="Open").wait_for()
    assert grave(page) == {}
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert grave(page) == {}
    set_scheme(page, "dark")
    assert grave(page) == {}
    chart = page.locator(".clew-chart").last
    name, optimum = (chart.locator("text", has_text=text) for text in ("episodes", "optimum"))
    assert name.evaluate("text => getComputedStyle(text).fill") == "rgb(169, 182, 192)"  # --soft of the dark page
    assert optimum.bounding_box()["y"] >= chart.bounding_box()["y"] + 6, "below the title, which reaches into the chart"
