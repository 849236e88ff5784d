"""The tab "Stale values" in a real browser: the dial, the toggle, the sentence and the charts."""

import re

import pytest

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser
LINE = "document.querySelector('[data-testid=over-episodes] svg path[stroke-width=\"4\"]')"
NEVER = re.compile(
    r"^With values never synchronised and ties going to the first action, an episode takes (39|40)\d steps "
)


@pytest.fixture(scope="module")
def measured_page(visit_for_module):
    """The tab, when everything has been measured; the tests of this module share it."""
    return measured(visit_for_module("Stale values", viewport={"width": 1280, "height": 900}))


@pytest.fixture
def page(measured_page):
    """The shared page with the settings that it begins with."""
    measured_page.get_by_test_id("dial").press("End")
    measured_page.get_by_role("button", name="first action").click()
    says(measured_page, NEVER)
    return measured_page


def measured(page):
    sync_api.expect(page.get_by_test_id("lesson-advice")).not_to_be_empty(timeout=120_000)
    return page


def says(page, words):
    sync_api.expect(page.get_by_test_id("lesson-sentence")).to_contain_text(words)


def chosen_line(page):
    """The line of what is chosen: its colour, and where it goes."""
    line = page.get_by_test_id("over-episodes").locator("svg path[stroke-width='4']")
    return line.get_attribute("stroke"), line.get_attribute("d")


def test_it_begins_with_the_chapters_mistakes(visit):
    page = measured(visit("Stale values"))
    says(page, NEVER)
    assert page.get_by_test_id("dial").get_attribute("aria-valuetext") == "never synchronised"
    assert chosen_line(page)[0] == "var(--lesson-first)"
    sync_api.expect(page.get_by_test_id("over-episodes").locator("svg")).to_contain_text("optimum: 8")
    sync_api.expect(page.get_by_test_id("over-settings").locator("svg")).to_contain_text("optimum: 32,000")


def test_the_dial_is_turned_by_keys_and_the_sentence_and_the_charts_follow(page):
    _, before = chosen_line(page)
    total = page.get_by_test_id("over-settings-now").inner_text()
    dial = page.get_by_role("slider", name="Synchronise values every")
    dial.focus()
    page.keyboard.press("ArrowLeft")
    says(page, "With values synchronised every 400 episodes of a simulation and ties going to the first action")
    sync_api.expect(dial).to_have_attribute("aria-valuetext", "synchronised every 400 episodes of a simulation")
    sync_api.expect(page.get_by_test_id("over-settings-now")).not_to_have_text(total)
    page.wait_for_function(
        f"before => {LINE}.getAttribute('d') != before",
        arg=before,
    )
    page.keyboard.press("Home")
    says(
        page,
        re.compile(
            r"synchronised after every episode .* takes 9\.\d\d steps on average, 1\.\d times the optimum of 8\."
        ),
    )
    sync_api.expect(page.get_by_test_id("lesson-command")).to_contain_text("--sync-every 1 ")


def test_the_toggle_changes_ties(page):
    page.get_by_role("button", name="at random").click()
    says(
        page,
        re.compile(
            r"never synchronised and ties broken at random, an episode takes 1[01]\d steps on average, 1[34] times"
        ),
    )
    sync_api.expect(page.get_by_role("button", name="at random")).to_have_attribute("aria-pressed", "true")
    page.wait_for_function(f"{LINE}.getAttribute('stroke') == 'var(--accent)'")
    sync_api.expect(page.get_by_test_id("lesson-command")).to_contain_text("--behaviour epsilon-greedy")


def test_another_seed_is_measured_anew_and_one_that_cannot_be_is_refused(page):
    before = page.get_by_test_id("over-settings-now").inner_text()
    seed = page.get_by_label("first seed")
    seed.fill("-3")
    seed.press("Tab")
    alert = page.get_by_role("alert").filter(
        has_text="The first seed must be a whole number from 0 to 2,147,483,647, not -3."
    )
    sync_api.expect(alert).to_be_visible()
    says(page, NEVER)
    seed.fill("50")
    seed.press("Tab")
    sync_api.expect(page.get_by_test_id("lesson-note")).to_contain_text("seeds 50 to 54", timeout=60_000)
    sync_api.expect(alert).to_be_hidden()
    sync_api.expect(page.get_by_test_id("over-settings-now")).not_to_have_text(before)
    says(page, NEVER)
    seed.fill("0")
    seed.press("Tab")
    sync_api.expect(page.get_by_test_id("lesson-note")).to_contain_text("seeds 0 to 4", timeout=60_000)


def test_a_point_of_the_chart_sets_the_dial_and_the_toggle(page):
    points = page.get_by_test_id("over-settings").locator("svg path[fill='var(--accent)']")
    max(points.all(), key=lambda point: point.bounding_box()["x"]).click()  # values never synchronised, ties at random
    says(page, "With values never synchronised and ties broken at random")
    sync_api.expect(page.get_by_role("button", name="at random")).to_have_attribute("aria-pressed", "true")


def test_all_figures_stand_in_a_table_and_the_chosen_one_is_marked(page):
    page.get_by_text("All figures").click()  # stays open: no other test looks at it
    table = page.get_by_test_id("lesson-table")
    sync_api.expect(table.locator("td")).to_have_count(12)
    sync_api.expect(table.locator("td.lesson-here")).to_contain_text(re.compile(r"^(39|40)\d \("))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_telephone_needs_no_sideways_scrolling_and_colours_can_be_told_from_the_paper(visit, scheme):
    page = measured(visit("Stale values", viewport={"width": 390, "height": 844}, color_scheme=scheme))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for part in ("lesson-sentence", "lesson-note", "lesson-command", "lesson-advice"):
        assert contrast(*page.get_by_test_id(part).evaluate(INK_AND_PAPER)) >= 4.5, part
    svg = page.get_by_test_id("over-settings").locator("svg text").first
    assert contrast(*svg.evaluate(INK_AND_PAPER)) >= 4.5
    for button in ("at random", "first action"):
        assert contrast(*page.get_by_role("button", name=button).evaluate(INK_AND_PAPER)) >= 4.5, button


INK_AND_PAPER = """element => {
    let behind = element;
    while (/rgba\\(.*, 0\\)|transparent/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
    const style = getComputedStyle(element);
    return [element.closest('svg') ? style.fill : style.color, getComputedStyle(behind).backgroundColor];
}"""


def contrast(*colours):
    """Of two colours, by WCAG 2."""

    def luminance(colour):
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted(map(luminance, colours))
    return (light + 0.05) / (dark + 0.05)
