"""The gate: nobody comes past it without a session, under another host's name, or from another site's page.

Streamlit serves pages, uploads and files to whoever asks. This stands before all of it, HTTP and
WebSocket alike; what a person may do is decided behind it.
"""

import base64
import hashlib
import logging
import re
from pathlib import Path
from urllib.parse import quote, urlsplit

import anyio
import anyio.to_thread
import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import bootstrap
from environment import Settings
from payments.access import signin
from payments.access.signin import SignedIn
from payments.watching import health
from payments.web_address import LOOPBACK

log = logging.getLogger("paydesk.gate")

#: What answers without a session. Everything else does not exist for a stranger.
OPEN = (
    "/signin",
    "/signin/link",
    "/signin/forgot",
    "/signin/outside",
    "/signin/outside/back",
    "/signin/renewed",
    "/signin/passkey",
    "/signout",
    "/healthz",
    "/_stcore/health",
    "/shared",
    "/shared/file",
)
#: Sessions, caches and versions of this process: nobody's business from outside.
CLOSED = ("/_stcore/metrics", "/media")
#: Nowhere to come back to after signing in.
NO_PAGES = re.compile(
    r"/(?:(?:signin|signout|export|proof|pulse|shared)(?![\w-])|_stcore|media|static|component)"
)
#: Where a request holds whom the gate let in.
HERE = "paydesk.here"
#: Threads of their own, so that a rush of sign-ins, which wait for each other, never holds up who is in.
LOOKS = anyio.CapacityLimiter(8)


class Gate:
    """Nobody passes without a session, under another host's name, or from another site's page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        started = _Started(send)
        try:
            await self._answer(scope, receive, started.send)
        except Exception as error:
            said = health.told(error)
            if started.yes or said is None:
                raise
            log.warning("the database did not do it: %s", error)
            await _close(scope, receive, send, _not_now(said))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        settings = bootstrap.app().settings
        connection = HTTPConnection(scope)
        if (refused := _refusal(connection, settings)) is not None:
            await _close(scope, receive, send, refused)
        elif _is_open(scope):
            await self._app(scope, receive, _with_headers(send, scope, settings))
        elif (found := await who(connection)) is not None:
            scope[HERE] = found
            await self._app(scope, receive, _with_headers(send, scope, settings))
        else:
            await _close(scope, receive, send, _to_signin(scope))


class _Started:
    """Whether an answer has begun: then there is no other one any more."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.yes = False

    async def send(self, message: Message) -> None:
        self.yes = True
        await self._send(message)


def _not_now(said: str) -> Response:
    """For a person who meets us without our database; their browser looks again by itself, but asks for
    nothing anew that took too long."""
    again = {} if said == health.TOO_LONG else {"Refresh": "5"}
    return PlainTextResponse(said, 503, {"Retry-After": "5", **again})


def _is_open(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["path"] in OPEN


def _to_signin(scope: Scope) -> Response:
    if scope.get("method") not in ("GET", "HEAD"):
        return PlainTextResponse("Sign in first.", 401)
    query = scope["query_string"].decode("latin-1")
    wanted = safe_page(quote(scope["path"], safe="/") + (f"?{query}" if query else ""))
    return RedirectResponse(f"/signin?next={quote(wanted, safe='/')}", 303)


def safe_page(wanted: str) -> str:
    """A path of our own and nothing else: a link to the sign-in page must not lead to another site."""
    own = re.fullmatch(r"/(?!/)[!-\[\]-~]{0,2000}", wanted)  # visible ASCII without the backslash
    return wanted if own and not NO_PAGES.match(wanted) else "/"


def _refusal(connection: HTTPConnection, settings: Settings) -> Response | None:
    """Why a connection is not for us, whoever sends it."""
    if _host(connection.headers.get("host", "")) not in allowed_hosts(settings):
        return PlainTextResponse("This desk has another address; it is set as DASHBOARD_URL.", 421)
    if any(f"{connection.scope['path']}/".startswith(f"{closed}/") for closed in CLOSED):
        return PlainTextResponse("Not found.", 404)
    origin = connection.headers.get("origin")
    if connection.scope["type"] == "websocket" and origin not in _origins(connection.headers, settings):
        return PlainTextResponse("Open the desk itself; other pages cannot talk to it.", 403)
    reads = connection.scope.get("method", "GET") in ("GET", "HEAD", "OPTIONS")
    if not reads and not _from_here(connection.headers, settings):
        return PlainTextResponse("This form was sent from another site.", 403)
    return None


async def _close(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 4403 if response.status_code == 403 else 4401})
    else:
        await response(scope, receive, _with_headers(send, scope, bootstrap.app().settings))


def allowed_hosts(settings: Settings) -> list[str]:
    """The names this desk answers to: its public one, and loopback."""
    return sorted({_host(urlsplit(settings.dashboard_url).netloc), *LOOPBACK})


def _origins(headers: Headers, settings: Settings) -> set[str]:
    """Where our own pages come from. What runs on a visitor's own machine is not one of them."""
    public = urlsplit(settings.dashboard_url)
    if _host(headers.get("host", "")) not in LOOPBACK:
        return {f"{public.scheme}://{public.netloc}"}
    return {f"http://{name}:{settings.dashboard_port}" for name in ("127.0.0.1", "localhost", "[::1]")}


def _from_here(headers: Headers, settings: Settings) -> bool:
    """A form of our own: browsers say where a POST comes from, and only they carry a cookie."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin == "null":  # a page that hides who it is: ours only when the browser itself says so
        return site == "same-origin"
    if origin is not None:
        return origin in _origins(headers, settings)
    return site in ("same-origin", "none", None)


def _host(netloc: str) -> str:
    return re.sub(r":[0-9]+$", "", netloc).strip("[]").lower()


async def who(connection: HTTPConnection, *, active: bool = False) -> SignedIn | None:
    """Whose session the cookie is, by the database, now."""
    app, token = bootstrap.app(), token_of(connection)

    def look() -> SignedIn | None:
        return signin.who(app.sessions, token, now=app.now(), active=active)

    return await anyio.to_thread.run_sync(look, limiter=LOOKS) if token else None


def here(connection: HTTPConnection) -> SignedIn:
    """Whom the gate let in with this request, as it found them then: for what only shows something."""
    found: SignedIn = connection.scope[HERE]
    return found


def token_of(connection: HTTPConnection) -> str | None:
    return connection.cookies.get(signin.cookie_name(bootstrap.app().settings.dashboard_url))


# -- what every answer says to the browser ----------------------------------------------------------


def _inline_scripts() -> str:
    """Hashes of the scripts inside Streamlit's own page; they change with its version."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text()
    found = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", page, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in found)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


_POLICY = (
    f"default-src 'self'; script-src 'self' {_inline_scripts()}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def _with_headers(send: Send, scope: Scope, settings: Settings) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
            if settings.dashboard_url.startswith("https:"):
                headers["Strict-Transport-Security"] = "max-age=31536000"
        await send(message)

    return sending
