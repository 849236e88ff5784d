"""What is served to whom: the page, frames, limits, and the token that is asked for beyond this machine."""

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
from clew.web.cluster import Cluster
from clew.web.frames import pack
from clew.web.learn import Learn
from clew.web.lesson import Lesson
from clew.web.live import stop_all
from clew.web.playground import Playground
from clew.web.runs import Runs

__all__ = ["COOKIE", "MAX_VISITORS", "TokenGate", "serve"]

logger = logging.getLogger(__name__)

MAX_VISITORS = 8  # each learns in a thread of its own
COOKIE = "clew-token"
HERE = ("127.0.0.1", "::1", "localhost")
STYLE = Path(__file__).with_name("page.css")

visitors: dict[str, Playground] = {}


class TokenGate:
    """Lets in only who knows the token: by the address once, then by a cookie."""

    def __init__(self, app: Callable[..., Awaitable[None]], token: str) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        given = (asked, cookie.value if cookie else "")
        if not any(secrets.compare_digest(each.encode(), self.token.encode()) for each in given):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            words = "This page asks for a token. Open the address that clew serve printed, whole.\n"
            await PlainTextResponse(words, 401)(scope, receive, send)
            return

        async def send_with_cookie(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start" and asked:
                said = f"{COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/"
                message["headers"] = [*message["headers"], (b"set-cookie", said.encode())]
            await send(message)

        await self.app(scope, receive, send_with_cookie)


def serve(run: Path | None, runs: Path, host: str, port: int, token: str | None, *, show: bool) -> None:
    """Serve the page until it's stopped.

    Args:
        run: a run folder, whose world and settings the playground begins with.
        runs: the folder whose run folders are listed.
        host: address to listen at; beyond this machine a token is asked for.
        port: where to listen; 0 takes one that is free.
        token: the token; None makes one, if there is need of it.
        show: open a browser.

    Raises:
        RunError: if the run can't be read.
        SettingError: if its world can't be shown, or the port can't be had.
    """
    config, maze = TrainingConfig(), None
    if run is not None:
        config, env, _ = open_run(run)
        maze = env.maze if config.is_maze else None  # as the run keeps it, whatever has become of the file
    Playground(config, maze).close()  # what can't be shown is said before anything is served
    if token is None and host not in HERE:
        token = secrets.token_urlsafe(16)
    if token is not None:
        app.add_middleware(TokenGate, token=token)
    shown = "127.0.0.1" if host == "0.0.0.0" else host
    port = checked_port(host, port)
    logger.info("http://%s:%d/%s   (Ctrl-C ends it)", shown, port, f"?token={token}" if token else "")

    app.on_shutdown(stop_all)

    @app.get("/frames/{visitor}")
    def frames(visitor: str, show: str = "values", maze: int = 0, version: int = -1, arrows: bool = True) -> Response:
        playground = visitors.get(visitor)
        if playground is None:
            return Response(status_code=404)
        if version == playground.version and not playground.is_moving:
            return Response(status_code=204)
        frame = pack(playground, show, maze, with_arrows=arrows)
        playground.scale = frame.scale
        # Said to be encoded, so that nobody compresses it: that takes longer than to send it.
        headers = {"Cache-Control": "no-store", "Content-Encoding": "identity"}
        return Response(frame.data, media_type="application/octet-stream", headers=headers)

    @ui.page("/", title="Clew")
    def page() -> None:
        _page(config, maze, runs)

    ui.run(
        host=host,
        port=port,
        show=show,
        reload=False,
        title="Clew",
        dark=None,
        favicon="🧶",
        language="en-US",
        show_welcome_message=False,
    )


def checked_port(host: str, port: int) -> int:
    """The port, if nobody listens there; of 0 one that is free.

    Raises:
        SettingError: if it can't be had.
    """
    try:
        with socket.create_server((host, port)) as found:
            return int(found.getsockname()[1])
    except OSError as error:
        raise SettingError(
            f"can't listen at port {port} of {host}: {error.strerror}; take another port, or 0"
        ) from None


def _page(config: TrainingConfig, maze: Maze | None, runs: Path) -> None:
    """What a visitor sees."""
    ui.add_css(STYLE)
    if len(visitors) >= MAX_VISITORS:
        ui.label(f"{MAX_VISITORS} visitors are learning here already; come back when one has left.").classes(
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
            names = ["Playground", "The chapter's lesson", "Runs", "Cluster"]
            for name in names:
                ui.tab(name)
        ui.space()
        switch = ui.button(icon="contrast").props('flat round dense aria-label="light or dark"')
    with ui.tab_panels(tabs, value="Playground", animated=False).props("keep-alive").classes("clew-panels"):
        with ui.tab_panel("Playground"):
            learn = Learn(playground, f"/frames/{visitor}")
        with ui.tab_panel("The chapter's lesson"):
            Lesson()
        with ui.tab_panel("Runs"):
            Runs(runs)
        with ui.tab_panel("Cluster"):
            Cluster()

    async def turn() -> None:
        now = await ui.run_javascript("document.body.classList.contains('body--dark')")
        dark.set_value(not now)
        learn.canvas.light(dark=not now)

    switch.on_click(turn)
