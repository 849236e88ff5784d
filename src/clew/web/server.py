"""The web server of `clew serve`: start it, check the token, build the page for each visitor."""

import logging
import secrets
import socket
from collections.abc import Awaitable, Callable
from http.cookies import SimpleCookie
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
from clew.web.lesson_tab import LessonTab
from clew.web.live import stop_current_run
from clew.web.playground import Playground
from clew.web.playground_tab import PlaygroundTab
from clew.web.runs_tab import RunsTab

logger = logging.getLogger(__name__)

MAX_VISITORS = 8  # each has a learning thread
COOKIE = "clew-token"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
STYLE = Path(__file__).with_name("page.css")

visitors: dict[str, Playground] = {}


class TokenGate:
    """ASGI middleware that refuses HTTP requests and websockets without the token.

    The token is accepted as the query parameter `token`, which also sets a cookie, or as that cookie.

    Args:
        app: ASGI application to protect.
        token: expected token.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], token: str) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass a request on to the application, or answer 401; close a websocket with code 1008."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        query_token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        candidates = (query_token, cookie.value if cookie else "")
        if not any(secrets.compare_digest(each.encode(), self.token.encode()) for each in candidates):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            text = "This page requires a token. Open the complete address that clew serve printed.\n"
            await PlainTextResponse(text, 401)(scope, receive, send)
            return

        async def send_with_cookie(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start" and query_token:
                set_cookie = f"{COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/"
                message["headers"] = [*message["headers"], (b"set-cookie", set_cookie.encode())]
            await send(message)

        await self.app(scope, receive, send_with_cookie)


def serve(run: Path | None, runs: Path, host: str, port: int, token: str | None, *, show: bool) -> None:
    """Serve the page until the process is interrupted.

    Args:
        run: run folder whose world and settings the playground starts with; None starts with the defaults.
        runs: folder whose run folders the tab "Runs" lists.
        host: address to listen on; any but a loopback address requires a token.
        port: port to listen on; 0 chooses a free one.
        token: token that visitors must give; None generates one if the host requires it.
        show: open the page in a browser.

    Raises:
        RunError: if the run can't be read.
        SettingError: if the page can't show the run's world, or the port is unavailable.
    """
    config, maze = TrainingConfig(), None
    if run is not None:
        config, env, _ = open_run(run)
        maze = env.maze if config.is_maze else None  # the run's own copy: the maze file may have changed or gone
    Playground(config, maze).close()  # raises here, before anything is served, if the page can't show the world
    if token is None and host not in LOOPBACK:
        token = secrets.token_urlsafe(16)
    if token is not None:
        app.add_middleware(TokenGate, token=token)
    printed_host = "127.0.0.1" if host == "0.0.0.0" else host
    port = find_port(host, port)
    logger.info("http://%s:%d/%s   (Ctrl-C stops the server)", printed_host, port, f"?token={token}" if token else "")

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


def _add_routes(config: TrainingConfig, maze: Maze | None, runs: Path) -> None:
    """Register the two addresses of the server: the page, and the frames of each visitor's maze."""

    @app.get("/frames/{visitor}")
    def frames(visitor: str, show: str = "values", maze: int = 0, version: int = -1, arrows: bool = True) -> Response:
        playground = visitors.get(visitor)
        if playground is None:
            return Response(status_code=404)
        if version == playground.version and not playground.is_animated:
            return Response(status_code=204)
        frame = pack_frame(playground, show, maze, with_arrows=arrows)
        playground.scale = frame.scale
        # Declared as encoded, so that NiceGUI doesn't compress it: compressing takes longer than sending.
        headers = {"Cache-Control": "no-store", "Content-Encoding": "identity"}
        return Response(frame.data, media_type="application/octet-stream", headers=headers)

    @ui.page("/", title="Clew")
    def page() -> None:
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
    ui.add_css(STYLE)
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
