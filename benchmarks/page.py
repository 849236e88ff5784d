"""The page beside no page: frames a second in a real Chromium while it learns, and what that costs the learning.

    python -m benchmarks.page          a minute; needs Chromium and Playwright

Learning with and without a page that is looked at take turns, in the same server; figures are medians.
"""

import json
import re
import shutil
import statistics
import struct
import subprocess
import sys
import time
from typing import Any
from urllib.request import urlopen

from playwright.sync_api import sync_playwright

MAZES = ("rooms:128x128", "random:512x512:density=0.2")
SECONDS = 3.0
TURNS = 5
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


HOLD = """() => { window.ask = window.fetch; window.fetch = (what, ...more) => String(what).includes("/frames/")
    ? new Promise((done) => setTimeout(() => done({ status: 204 }), 200)) : window.ask(what, ...more); }"""
RELEASE = "() => { window.fetch = window.ask; }"


def source_of(page: Any) -> str:
    """The address of the page's frames."""
    entries = "performance.getEntriesByType('resource').map(e => e.name)"
    return str(page.evaluate(f"() => {entries}.find(name => name.includes('/frames/'))")).partition("?")[0]


def steps(source: str) -> int:
    """Steps that were learned from, as a frame says."""
    data = urlopen(f"{source}?maze=-1").read()
    return int(json.loads(data[4 : 4 + struct.unpack("<I", data[:4])[0]])["steps"])


def open_maze(page: Any, name: str) -> None:
    """Open a maze, and begin anywhere in it."""
    page.get_by_test_id("world").get_by_text("World").click()
    page.get_by_test_id("world").locator("input").first.fill(name)
    before = page.get_by_test_id("maze").get_attribute("data-maze")
    page.get_by_role("button", name="Open").click()
    page.wait_for_function(f"() => document.querySelector('canvas').dataset.maze !== '{before}'")


def speed(page: Any, source: str) -> tuple[float, float]:
    """Frames and steps a second."""
    frames = "() => +document.querySelector('canvas').dataset.frames"
    begun, first, learned = time.perf_counter(), page.evaluate(frames), steps(source)
    page.wait_for_timeout(1000 * SECONDS)
    seconds = time.perf_counter() - begun
    return (page.evaluate(frames) - first) / seconds, (steps(source) - learned) / seconds


def unseen_speed(page: Any, source: str) -> float:
    """Steps a second while no frames are asked for, as in a tab behind another."""
    page.evaluate(HOLD)
    page.wait_for_timeout(500)
    result = speed(page, source)[1]
    page.evaluate(RELEASE)
    page.wait_for_timeout(500)
    return result


def main() -> None:
    """Measure both mazes."""
    words = [sys.executable, "-m", "clew", "serve", "--port", "0"]
    server = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    address = next(found[0] for line in server.stderr if (found := re.search(r"http://\S+", line)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        for maze in MAZES:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            while True:
                try:
                    page.goto(address)
                    break
                except Exception:  # it says where a moment before it listens
                    time.sleep(0.1)
            page.wait_for_selector("canvas[data-frames]")
            open_maze(page, maze)
            page.get_by_role("button", name="maximum").click()
            page.get_by_test_id("go").click()
            page.wait_for_timeout(3000)
            seen, unseen, frames, source = [], [], [], source_of(page)
            for _ in range(TURNS):
                unseen.append(unseen_speed(page, source))
                rate, learned = speed(page, source)
                seen.append(learned)
                frames.append(rate)
            ratio = statistics.median(a / b for a, b in zip(seen, unseen, strict=True))
            print(
                f"{maze}: {statistics.median(frames):.0f} frames/s; {statistics.median(seen) / 1e6:.1f} M steps/s, "
                f"{statistics.median(unseen) / 1e6:.1f} unseen: {ratio:.3f}",
                flush=True,
            )
            page.close()
        browser.close()
    server.terminate()
    server.communicate()


if __name__ == "__main__":
    main()
