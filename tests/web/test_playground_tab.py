"""What the tab "Playground" says, without a browser: it is built in a page that nobody has opened."""

import asyncio
import io
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("nicegui")

from nicegui import Client, core, ui
from PIL import Image

import clew
from clew.policies.plugins import load_plugin
from clew.web.export import command_line, python_code
from clew.web.frames import pack_frame
from clew.web.layers import LAYERS
from clew.web.playground import Playground
from clew.web.playground_tab import PlaygroundTab


@pytest.fixture
def playground():
    made = Playground(clew.TrainingConfig(maze="3x4", alpha=0.5))
    yield made
    made.close()
    made._thread.join(10)


def in_tab(playground, work):
    """Run a coroutine with the tab of a page."""

    async def run():
        core.loop = asyncio.get_running_loop()
        with Client(ui.page("/")) as client:
            await work(PlaygroundTab(playground, "/frames/none"))
            client.delete()

    with ThreadPoolExecutor(1) as thread:  # the browser of other tests has a loop in this one
        thread.submit(asyncio.run, run()).result()


def test_a7_the_values_of_a_cell_are_those_of_the_moment(playground):
    async def work(tab):
        tab.hover([2, 2])
        assert tab.cell_values.text == "row 2, column 2: down 0, left 0, up 0, right 0"
        for _ in range(200):
            await tab.do(playground.episode)
        value = playground.trainer.policy.q[10, 3]
        assert value > 0.9
        assert tab.cell_values.text.endswith(f"right {value:.4g}")
        tab.hover(None)
        await tab.do(playground.episode)
        assert tab.cell_values.text == "Point at a cell to see its action values."

    in_tab(playground, work)


def test_a7_the_colour_key_is_that_of_the_frame_that_is_drawn(playground):
    async def work(tab):
        for _ in range(200):
            await tab.do(playground.episode)
        for show in ("values", "updates"):  # the page shows figures first, and then asks for the frame
            playground.scale = scale = pack_frame(playground, show, 0, with_arrows=True).scale
            tab.refresh()
            assert scale.high > 0.9
            assert tab.low.text == f"{'≤ ' if scale.is_log else ''}{scale.low:.2g}"
            assert tab.high.text == f"{scale.high:.2g}{', log scale' if scale.is_log else ''}"

    in_tab(playground, work)


def test_a_layer_is_drawn_and_named(playground):
    async def work(tab):
        for layer, (_, text) in LAYERS.items():
            tab.choose_layer(SimpleNamespace(value=layer))
            assert (tab.canvas.props["show"], tab.layer.text) == (layer, text)

    in_tab(playground, work)


def test_parameters_of_an_algorithm_are_fields_below_its_name(playground, tables):
    load_plugin(Path(__file__).parents[2] / "examples" / "my_rules.py")

    async def work(tab):
        assert not list(tab.parameters)
        await tab.configure("algorithm", "my_rules:counted")
        (bonus,) = tab.parameters
        assert (bonus.label, bonus.value) == ("bonus", 0.1)
        assert "reward of the first try of an action" in bonus.props["hint"]
        await tab.set_parameter("bonus", 0.5)
        assert playground.config.algorithm_settings == {"bonus": 0.5}
        await tab.set_parameter("bonus", -1.0)
        assert tab.message.text.startswith("bonus must be a finite number in [0, 100] for my_rules:counted, not -1")
        await tab.do(playground.episode)
        code = python_code(playground)
        assert "algorithm_settings={'bonus': 0.5}" in code
        assert f"load_plugin('{Path(__file__).parents[2] / 'examples' / 'my_rules.py'}')" in code
        assert "--plugin /" in command_line(playground)
        await tab.configure("algorithm", "sarsa")
        assert not list(tab.parameters)
        assert playground.config.algorithm_settings == {}

    in_tab(playground, work)


def test_a7_an_old_error_does_not_replace_a_new_one(playground):
    async def work(tab):
        playground.error = "learning was stopped"
        tab.refresh()
        assert tab.message.text == "learning was stopped"
        await tab.do(lambda: playground.configure(alpha=7.0))
        for _ in range(2):
            playground.version += 1
            tab.refresh()
            assert tab.message.text == "alpha must be a finite number in (0, 1], not 7.0"
        await tab.do(playground.episode)
        assert tab.message.text == ""

    in_tab(playground, work)


def test_e4_an_unexpected_exception_is_said_on_the_page(playground, caplog):
    def fail():
        raise ZeroDivisionError

    async def work(tab):
        assert await tab.do(fail) is None
        assert tab.message.text == "That failed unexpectedly; the server has logged why."

    in_tab(playground, work)
    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]


def test_e4_a_picture_is_refused_by_its_size_before_it_is_decoded(playground):
    data = io.BytesIO()
    Image.new("L", (8192, 8192), 255).save(data, "PNG")
    assert len(data.getvalue()) < 100_000

    async def read():
        return data.getvalue()

    async def work(tab):
        tracemalloc.start()
        await tab.upload(SimpleNamespace(file=SimpleNamespace(read=read, name="large.png")))
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
        tracemalloc.stop()
        assert tab.message.text == "the page draws up to 512 x 512 cells, not 8192 x 8192"

    in_tab(playground, work)


def test_the_number_beside_the_tools_is_what_an_exit_pays(playground):
    async def work(tab):
        tab.reward.set_value(2.5)
        tab.select_tool("exit")
        await tab.paint([[0, 2], [1, 2]])
        tab.select_tool("reward")
        await tab.paint([[1, 0]])
        tab.select_tool("hazard")
        await tab.paint([[1, 1]])
        assert (tab.message.text, dict(playground.maze.exits)) == ("", {(0, 2): 2.5, (1, 2): 2.5})
        assert (dict(playground.maze.cell_rewards), int(playground.maze.hazards.sum())) == ({(1, 0): 2.5}, 1)
        tab.reward.set_value(None)
        tab.select_tool("exit")
        await tab.paint([[2, 2]])
        assert tab.message.text == "reward must be given for 'exit'"

    in_tab(playground, work)
