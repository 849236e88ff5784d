"""The web server of `clew serve`: start it, check the token, build the page for each visitor."""

import ctypes
import gc
import logging
import re
import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from nicegui import app, ui
from starlette.responses import PlainTextResponse, Response

from clew.errors import SettingError
from clew.mazes import Maze
from clew.runs.configuration import TrainingConfig
from clew.runs.run import open_run
from clew.web.cluster_tab import ClusterTab
from clew.web.frames import pack_frame
from clew.web.layers import LAYERS
from clew.web.lesson_tab import LessonTab
from clew.web.live import stop_current_run
from clew.web.playground import Playground
from clew.web.playground_tab import PlaygroundTab
from clew.web.runs_tab import RunsTab

logger = logging.getLogger(__name__)

MAX_VISITORS = 8  # each has a learning thread
COOKIE = "clew-token"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
HEALTH = "/healthz"  # for probes; takes no visitor's place
# Host of a request or an origin: a name, an IPv4 address or an IPv6 address in brackets, with or without a port.
HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?", re.IGNORECASE)
STYLE = Path(__file__).with_name("page.css")
SECURITY_HEADERS = [  # Vue compiles its templates in the browser, hence unsafe-eval
    (
        b"content-security-policy",
        b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; base-uri 'self'; "
        b"form-action 'self'; frame-ancestors 'self'",
    ),
    (b"x-content-type-options", b"nosniff"),
]
CONNECT_SECONDS = 60.0  # that a browser has to connect after it has loaded the page

visitors: dict[str, Playground] = {}


class Gate:
    """ASGI middleware that refuses requests for another host, from a page elsewhere, or without the token.

    A page elsewhere can reach the server through the visitor's browser, by a name of its own that leads to this
    machine. So the host of a request must be one that was asked for, and its origin, if it has one, too. The token is
    accepted as the query parameter `token`, which also sets a cookie, or as that cookie. `/healthz` answers without.

    Args:
        app: ASGI application to protect.
        hosts: names and addresses that requests may be for; "*" stands for every IP address, which no other page can
            have as its name.
        token: expected token; None if none is needed.
        proxies: names of proxies, whose pages are ours.
    """

    def __init__(
        self, app: Callable[..., Awaitable[None]], hosts: Sequence[str], token: str | None, proxies: Sequence[str] = ()
    ) -> None:
        self.app, self.hosts, self.token, self.proxies = app, hosts, token, [name.lower() for name in proxies]

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass a request on to the application, or refuse it; a websocket is closed with code 1008."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query_token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        refusal = self._refusal(headers, scope["path"], query_token)
        if refusal is not None and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if refusal is not None or scope["path"] == HEALTH:
            status, text = refusal or (200, "ok")
            await PlainTextResponse(f"{text}\n", status)(scope, receive, send)
            return
        if scope.get("method") == "HEAD":  # the server sends no body then, but NiceGUI knows GET alone
            scope = {**scope, "method": "GET"}

        async def send_with_headers(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *SECURITY_HEADERS]
                if query_token and self.token is not None:
                    set_cookie = f"{COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/"
                    message["headers"].append((b"set-cookie", set_cookie.encode()))
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _refusal(self, headers: dict[str, str], path: str, query_token: str) -> tuple[int, str] | None:
        """Return status and text with which a request is refused; None if it isn't."""
        origin = headers.get("origin")
        if not self._is_known(headers.get("host", "")):
            return 403, "This server doesn't answer for that host. Use its address, or clew serve --allow-host NAME."
        if origin is not None and not self._is_own(origin, headers["host"]):
            return 403, "A page elsewhere can't use this server."
        tokens = [query_token, *_cookies(headers.get("cookie", ""))]
        if self.token is None or path == HEALTH:
            return None
        if any(secrets.compare_digest(each.encode(), self.token.encode()) for each in tokens):
            return None
        return 401, "This page requires a token. Open the complete address that clew serve printed."

    def _is_known(self, host: str) -> bool:
        """Return whether the host of a request, with its port, is one that was asked for."""
        name = _name_of(host)
        return name in self.hosts or ("*" in self.hosts and _is_address(name))

    def _is_own(self, origin: str, host: str) -> bool:
        """Return whether a page of an origin is one of ours: of the host of the request, or of a proxy."""
        host_of_origin = origin.partition("//")[2]
        return host_of_origin.lower() == host.lower() or _name_of(host_of_origin) in self.proxies


def _name_of(host: str) -> str:
    """Return a host in small letters, without its port and brackets; empty if it is none, or more than a host."""
    match = HOST.fullmatch(host)
    return (match[1] or match[2]).lower() if match else ""


def _cookies(header: str) -> list[str]:
    """Return the values of our cookie; those of others may hold any characters."""
    pairs = (each.strip().partition("=") for each in header.split(";"))
    return [value for name, _, value in pairs if name == COOKIE]


def _is_address(name: str) -> bool:
    """Return whether a host is an IP address."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def known_hosts(host: str, allowed: Sequence[str]) -> list[str]:
    """Return the hosts that requests may be for.

    Args:
        host: address at which the server listens.
        allowed: further names, such as that of a proxy.
    """
    names = [*LOOPBACK, *allowed]
    if host not in LOOPBACK:
        names += [host, socket.gethostname(), socket.getfqdn(), "*"]
    return [name.lower() for name in names]


def serve(
    run: Path | None,
    runs: Path,
    host: str,
    port: int,
    token: str | None,
    *,
    show: bool,
    allowed_hosts: Sequence[str] = (),
) -> None:
    """Serve the page until the process is interrupted.

    Args:
        run: run folder whose world and settings the playground starts with; None starts with the defaults.
        runs: folder whose run folders the tab "Runs" lists.
        host: address to listen on; any but a loopback address requires a token.
        port: port to listen on; 0 chooses a free one.
        token: token that visitors must give; None generates one if the host requires it.
        show: open the page in a browser.
        allowed_hosts: names that requests may be for besides the address, such as that of a proxy.

    Raises:
        RunError: if the run can't be read.
        SettingError: if the page can't show the run's world, or the port is unavailable.
    """
    config, maze = TrainingConfig(), None
    if run is not None:
        config, env, _ = open_run(run)
        maze = env.maze if config.is_maze else None  # the run's own copy: the maze file may have changed or gone
    Playground(config, maze).close()  # raises here, before anything is served, if the page can't show the world
    if token is not None and not re.fullmatch(r"[A-Za-z0-9_-]+", token):
        raise SettingError("must be letters, digits, - and _ only", setting="token")
    if token is None and host not in LOOPBACK:
        token = secrets.token_urlsafe(16)
    app.add_middleware(Gate, hosts=known_hosts(host, allowed_hosts), token=token, proxies=allowed_hosts)
    printed_host = "127.0.0.1" if host == "0.0.0.0" else host
    port = find_port(host, port)
    logger.info("http://%s:%d/%s   (Ctrl-C stops the server)", printed_host, port, f"?token={token}" if token else "")

    gc.set_threshold(2_000, 10, 10)  # the pages of visitors who have left are garbage in cycles
    _share_memory_of_threads()
    app.on_shutdown(stop_current_run)
    _add_routes(config, maze, runs)
    ui.run(
        host=host,
        port=port,
        show=show,
        reload=False,
        title="Clew",
        dark=None,
        language="en-US",
        favicon="🧶",
        show_welcome_message=False,
    )


def _share_memory_of_threads() -> None:
    """Let glibc keep freed memory in two pools, not in one for each thread: every visitor has a thread."""
    with suppress(AttributeError, OSError):  # another C library has no such setting
        ctypes.CDLL(None).mallopt(-8, 2)  # M_ARENA_MAX


def _add_routes(config: TrainingConfig, maze: Maze | None, runs: Path) -> None:
    """Register the two addresses of the server: the page, and the frames of each visitor's maze."""

    @app.get("/frames/{visitor}")
    def frames(visitor: str, show: str = "values", maze: int = 0, version: int = -1, arrows: bool = True) -> Response:
        playground = visitors.get(visitor)
        if playground is None or show not in LAYERS:
            return Response(status_code=404)
        if version == playground.version and not playground.is_animated:
            return Response(status_code=204)
        frame = pack_frame(playground, show, maze, with_arrows=arrows)
        playground.scale = frame.scale
        # Declared as encoded, so that NiceGUI doesn't compress it: compressing takes longer than sending.
        headers = {"Cache-Control": "no-store", "Content-Encoding": "identity"}
        return Response(frame.data, media_type="application/octet-stream", headers=headers)

    @ui.page("/", title="Clew")
    async def page() -> None:
        ui.add_css(STYLE)
        try:
            # A visitor is counted when the browser connects; an HTTP request alone takes no place.
            await ui.context.client.connected(timeout=CONNECT_SECONDS)
        except TimeoutError:
            return
        if not ui.context.client.is_deleted:
            _build_page(config, maze, runs)


def find_port(host: str, port: int) -> int:
    """Return the given port if it is free, or any free port for 0.

    Raises:
        SettingError: if the port is in use, or not permitted.
    """
    try:
        with socket.create_server((host, port)) as server:
            return int(server.getsockname()[1])
    except OSError as error:
        raise SettingError(
            f"can't listen on port {port} of {host}: {error.strerror}; choose another port, or 0 for any free one"
        ) from None


def _build_page(config: TrainingConfig, maze: Maze | None, runs: Path) -> None:
    """Build the page with its four tabs for a new visitor, or a notice if there are `MAX_VISITORS` already."""
    if len(visitors) >= MAX_VISITORS:
        ui.label(f"This page has {MAX_VISITORS} visitors, its maximum. Reload it when one has left.").classes(
            "clew-full"
        )
        return
    visitor, playground = secrets.token_hex(16), Playground(config, maze)
    visitors[visitor] = playground

    def leave() -> None:
        if visitors.pop(visitor, None):
            playground.close()

    ui.context.client.on_delete(leave)
    dark = ui.dark_mode(None)
    with ui.header().classes("clew-header"):
        ui.label("Clew").classes("clew-name")
        with ui.tabs().props("no-caps inline-label align=left") as tabs:
            for name in ("Playground", "Stale values", "Runs", "Cluster"):
                ui.tab(name)
        ui.space()
        switch = ui.button(icon="contrast").props('flat round dense aria-label="switch between light and dark"')
    with ui.tab_panels(tabs, value="Playground", animated=False).props("keep-alive").classes("clew-panels"):
        with ui.tab_panel("Playground"):
            playground_tab = PlaygroundTab(playground, f"/frames/{visitor}")
        with ui.tab_panel("Stale values"):
            LessonTab()
        with ui.tab_panel("Runs"):
            RunsTab(runs)
        with ui.tab_panel("Cluster"):
            ClusterTab()

    async def switch_theme() -> None:
        is_dark = await ui.run_javascript("document.body.classList.contains('body--dark')")
        dark.set_value(not is_dark)
        playground_tab.canvas.set_dark(not is_dark)

    switch.on_click(switch_theme)
