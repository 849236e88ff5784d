"""The explained update in a real browser."""

import re

import pytest
from serving import grave, set_scheme

pytestmark = pytest.mark.browser
NUMBER = r"\(?(-?[\d.e+-]+?)\)?"
TARGET = rf"{NUMBER}(?: \+ {NUMBER} \S {NUMBER})?"  # reward, and gamma times the next value; \S is a sign
EQUATION = re.compile(rf"Q\(s, a\) \S {NUMBER} \+ {NUMBER} \S \({TARGET} \S {NUMBER}\) = {NUMBER}")
CHOICE = re.compile(r"row \d+, column \d+, (down|left|up|right): chosen (at random|greedily), as [\d.]+ [<≥] ε")


def step(page):
    """Press Step, wait for the frame that shows it, and return the text of the explanation."""
    before = page.locator("canvas").first.get_attribute("data-frames")
    page.get_by_role("button", name="Step", exact=True).click()
    page.wait_for_function(f"() => +document.querySelector('canvas').dataset.frames > {before}")
    page.mouse.move(0, 0)  # hides the tooltip
    page.get_by_role("tooltip").wait_for(state="detached")
    page.get_by_test_id("update").wait_for()
    return page.get_by_test_id("update").inner_text()


def test_a_step_is_explained_by_its_equation(visit):
    page = visit()
    assert not page.get_by_test_id("update").is_visible()
    for _ in range(10):
        text = step(page)
        old, alpha, reward, gamma, following, again, new = map(float, EQUATION.search(text).groups(default="0"))
        target = reward + gamma * following
        assert old == again
        assert new == pytest.approx(old + alpha * (target - old), abs=1e-3)
        assert f"target {target:.4g}, TD error {target - old:.4g}" in text
        assert CHOICE.match(text)
    assert page.locator("canvas").first.get_attribute("data-updated") != ""
    page.get_by_role("button", name="Episode", exact=True).click()
    page.get_by_test_id("update").wait_for(state="hidden")


def test_no_equation_is_said_in_words(visit):
    page = visit()
    page.locator("[data-setting=algorithm]").first.click()
    page.get_by_role("option", name="monte-carlo", exact=True).click()
    assert "No equation for this step. Monte Carlo target: the return after the first visit" in step(page)


def test_it_fits_and_can_be_read(visit):
    page = visit()
    step(page)
    for width, height in ((1440, 900), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            set_scheme(page, scheme)
            assert grave(page) == {}
            assert page.evaluate("document.documentElement.scrollWidth") == width
