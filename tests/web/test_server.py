"""The token, and the world that the page begins with."""

import socket
import urllib.request
from urllib.error import HTTPError

import pytest
from serving import SECONDS, go, served
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from clew import Maze, TrainingConfig
from clew.runs.run import train_run
from clew.web.server import COOKIE, find_port

TOKEN = "tell-nobody"
SOCKET = "_nicegui_ws/socket.io/?EIO=4&transport=websocket"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server with a token that begins with the world of a run, whose maze file is gone; its process and address."""
    folder = tmp_path_factory.mktemp("guarded") / "runs"
    maze = folder.parent / "maze.txt"
    Maze.open(4, 6, obstacles=[(1, 1)]).save(maze)
    train_run(TrainingConfig(maze=str(maze), num_episodes=50, alpha=0.3)).save(folder / "run")
    maze.unlink()  # the run has saved its maze
    with served(folder, str(folder / "run"), "--token", TOKEN) as process_and_address:
        yield process_and_address


def without_token(address):
    return address.partition("?")[0]


def answer(address, **headers):
    """Return the status, the headers and the text that are answered to a request."""
    try:
        response = urllib.request.urlopen(urllib.request.Request(address, headers=headers))
    except HTTPError as error:
        response = error
    with response:
        return response.status, response.headers, response.read().decode()


@pytest.mark.parametrize("query", ["", "?token=", "?token=tell-nobod", "?token=%C3%A9", "?tokens=tell-nobody"])
def test_a_request_without_the_token_is_refused(guarded, query):
    assert guarded[1].endswith(f"/?token={TOKEN}")
    status, headers, text = answer(without_token(guarded[1]) + query)
    assert status == 401
    assert "requires a token" in text
    assert "set-cookie" not in headers


def test_a_visit_with_the_token_sets_a_cookie_that_scripts_and_other_sites_cannot_use(guarded):
    status, headers, _ = answer(guarded[1])
    assert status == 200
    name_and_value, *flags = headers["set-cookie"].split("; ")
    assert name_and_value == f"{COOKIE}={TOKEN}"
    assert set(flags) == {"HttpOnly", "SameSite=Strict", "Path=/"}


def test_the_cookie_is_enough_and_is_not_set_again(guarded):
    status, headers, _ = answer(without_token(guarded[1]), Cookie=f"{COOKIE}={TOKEN}")
    assert status == 200
    assert "set-cookie" not in headers
    assert answer(without_token(guarded[1]), Cookie=f"{COOKIE}=another")[0] == 401


@pytest.mark.parametrize("cookie", ["", f"{COOKIE}=another"])
def test_a_websocket_without_the_token_is_refused(guarded, cookie):
    address = without_token(guarded[1]).replace("http:", "ws:") + SOCKET
    headers = {"Cookie": cookie}
    with pytest.raises(InvalidStatus) as refused, connect(address, proxy=None, additional_headers=headers):
        pass
    assert refused.value.response.status_code == 403


def test_a_websocket_with_the_cookie_is_opened(guarded):
    address = without_token(guarded[1]).replace("http:", "ws:") + SOCKET
    with connect(address, proxy=None, additional_headers={"Cookie": f"{COOKIE}={TOKEN}"}) as connection:
        assert connection.recv(SECONDS).startswith('0{"sid":')  # the first packet of Engine.IO


@pytest.mark.browser
def test_a_browser_needs_the_token_once_and_the_run_gives_the_world(guarded, browser):
    page = browser.new_page()
    for address in (guarded[1], without_token(guarded[1])):
        go(page, address)
        page.wait_for_selector("canvas[data-frames]")
        assert page.get_by_label("alpha", exact=True).input_value() == "0.3"
    page.close()


def test_a_run_that_cannot_be_read_is_refused(clew, tmp_path):
    code, _, error = clew("serve", tmp_path / "none")
    assert code == 2
    assert "none" in error


def test_a_port_in_use_is_refused_and_0_finds_a_free_one(clew):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, error = clew("serve", "--port", port)
    assert code == 2
    assert f"can't listen on port {port} of 127.0.0.1" in " ".join(error.split())
    assert find_port("127.0.0.1", port) == port
    assert find_port("127.0.0.1", 0) > 0
