"""The token, and the world that the page begins with."""

import re
import socket
import time
import urllib.request
import uuid
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode

import pytest
from serving import SECONDS, go, served
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from clew import Maze, TrainingConfig
from clew.runs.run import train_run
from clew.web.server import COOKIE, Gate, find_port, known_hosts

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


# Hosts, origins, cookies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "192.168.1.7",
        "",
        "[foo",
        "127.0.0.1:8931, evil.example",
        "evil.example@127.0.0.1:8931",
        "127.0.0.1:8931/evil.example",
        "127.0.0.1:evil.example",
        "127.0.0.1:",
        "127.0.0.1 evil.example",
        "[::1]evil.example",
        "127.0.0.1?",
        "127.0.0.1:80:80",
    ],
)
def test_e1_a_host_that_was_not_asked_for_is_refused(server, host):
    status, _, text = answer(server[1], Host=host)
    assert status == 403
    assert "--allow-host" in text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9", "[::1]:80"])
def test_e1_names_of_this_machine_are_known(server, host):
    assert answer(server[1], Host=host)[0] == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1.evil.example", "http://localhost:3000", "http://["]
)
def test_e1_a_page_elsewhere_is_refused(server, origin):
    assert answer(server[1], Origin=origin)[0] == 403
    address = server[1].replace("http:", "ws:") + SOCKET
    with pytest.raises(InvalidStatus) as refused, connect(address, proxy=None, origin=origin):
        pass
    assert refused.value.response.status_code == 403
    with connect(address, proxy=None, origin=server[1].rstrip("/")) as connection:
        assert connection.recv(SECONDS).startswith('0{"sid":')


def test_a_head_is_answered_as_a_get_without_a_body(server, guarded):
    def head(address):
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD")) as response:
            return response.status, response.headers["content-type"], response.read()

    assert head(server[1]) == head(guarded[1]) == (200, "text/html; charset=utf-8", b"")
    with pytest.raises(HTTPError, match="401"):
        head(without_token(guarded[1]))


def test_e1_answers_forbid_other_pages_to_frame_them(server):
    headers = answer(server[1])[1]
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_e1_probes_need_no_token_and_take_no_place(guarded):
    for _ in range(50):
        assert answer(without_token(guarded[1]) + "healthz")[::2] == (200, "ok\n")
    assert answer(without_token(guarded[1]) + "healthz", Host="evil.example")[0] == 403


def test_e1_hosts_by_the_address_at_which_the_server_listens():
    assert "*" not in known_hosts("127.0.0.1", [])
    gate = Gate(None, known_hosts("0.0.0.0", ["Proxy.Example"]), None, ["Proxy.Example"])
    assert gate._is_own("https://proxy.example", "10.0.0.7:80")
    assert not gate._is_own("http://6.6.6.6", "10.0.0.7:80")
    assert not gate._is_own("https://evil.example@proxy.example", "10.0.0.7:80")
    assert known_hosts("127.0.0.1", ["Proxy.Example"])[-1] == "proxy.example"
    for host, is_known in (("10.0.0.7:80", True), ("proxy.example", True), ("evil.example", False), ("::1", False)):
        assert gate._is_known(host) is is_known, host


def test_e1_a_host_that_was_asked_for_is_answered(tmp_path):
    (tmp_path / "runs").mkdir()
    with served(tmp_path / "runs", "--allow-host", "proxy.example") as (_, address):
        assert answer(address, Host="proxy.example", Origin="https://proxy.example")[0] == 200
        assert answer(address, Host="other.example")[0] == 403


def test_e3_requests_without_a_browser_take_no_place(server, visit):
    for _ in range(50):
        assert answer(server[1])[0] == 200
    visit()


@pytest.mark.parametrize("other", ['a="b', "é=1", "x", "=", ";;", 'q={"a":1,"b":[2]}', "a=b,c", "a=[]<>@:"])
def test_e4_cookies_of_others_lock_nobody_out(guarded, other):
    cookies = f"{other}; {COOKIE}={TOKEN}; {other}"
    assert answer(without_token(guarded[1]), Cookie=cookies.encode().decode("latin-1"))[0] == 200


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


@pytest.mark.parametrize("token", ["", "é", "a b", "a;b"])
def test_a_token_that_is_none_is_refused(clew, token):
    code, _, error = clew("serve", "--port", "0", "--host", "0.0.0.0", "--token", token)
    assert code == 2
    assert "--token must be letters, digits, - and _ only" in " ".join(error.split())


def test_a_port_in_use_is_refused_and_0_finds_a_free_one(clew):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, error = clew("serve", "--port", port)
    assert code == 2
    assert f"can't listen on port {port} of 127.0.0.1" in " ".join(error.split())
    assert find_port("127.0.0.1", port) == port
    assert find_port("127.0.0.1", 0) > 0


@pytest.mark.nightly
def test_e4_memory_is_flat_over_300_visitors(tmp_path):
    """Each opens the page and its socket, and leaves."""
    (tmp_path / "runs").mkdir()
    with served(tmp_path / "runs") as (process, address):

        def resident():
            status = Path(f"/proc/{process.pid}/status").read_text()
            return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

        def visit():
            """Open the page until it is built; give whether there was a place."""
            page = answer(address)[2]
            query = {
                "client_id": re.search(r"client_id\W+([0-9a-f-]{36})", page)[1],
                "tab_id": uuid.uuid4(),
                "document_id": uuid.uuid4(),
                "next_message_id": 0,
                "implicit_handshake": "true",
            }
            socket_address = address.replace("http:", "ws:") + f"{SOCKET}&{urlencode(query)}"
            with connect(socket_address, proxy=None, max_size=None) as connection:
                connection.recv(SECONDS)
                connection.send("40")
                while True:
                    message = str(connection.recv(SECONDS))
                    if "its maximum" in message or "Playground" in message:
                        return "its maximum" not in message

        sizes, number = {}, 0
        while number < 300:
            number += visit()  # places are free again some seconds after a visitor has left
            if number in (50, 300) and number not in sizes:
                time.sleep(10)  # until the last visitors are forgotten
                sizes[number] = resident()
        assert sizes[300] < 1.05 * sizes[50]
