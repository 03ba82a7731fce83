"""The people's door: the dashboard behind a gate, and the plain pages it cannot be.

Streamlit serves pages, uploads and files to whoever asks. The gate stands before all of it, HTTP and
WebSocket alike, and lets nobody pass without a session; what a person may do is decided behind it.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import anyio.to_thread
import jinja2
import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import bootstrap
from bootstrap import LOOPBACK, Settings
from payments import audit, exports, filters, search, signin
from payments.errors import NotAllowed, NotFound, PaymentsError
from payments.people import Action, Person, check
from payments.signin import SignedIn, Visitor

HERE = Path(__file__).parent
#: What answers without a session. Everything else does not exist for a stranger.
OPEN = ("/signin", "/signin/link", "/signout", "/healthz", "/_stcore/health")
#: Sessions, caches and versions of this process: nobody's business from outside.
CLOSED = ("/_stcore/metrics",)
LARGEST_FORM = 16 * 1024


# -- the gate ---------------------------------------------------------------------------------------


class Gate:
    """Nobody passes without a session, under another host's name, or from another site's page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        settings = bootstrap.app().settings
        connection = HTTPConnection(scope)
        if (refused := _refusal(connection, settings)) is not None:
            await _close(scope, receive, send, refused)
        elif scope["path"] in OPEN or await _who(connection) is not None:
            await self._app(scope, receive, _with_headers(send, scope, settings))
        else:
            wanted = quote(
                scope["path"] + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
            )
            await _close(scope, receive, send, RedirectResponse(f"/signin?next={wanted}", 303))


def _refusal(connection: HTTPConnection, settings: Settings) -> Response | None:
    """Why a connection is not for us, whoever sends it."""
    if _host(connection.headers.get("host", "")) not in allowed_hosts(settings):
        return PlainTextResponse("This desk is not at that address.", 421)
    if connection.scope["path"].rstrip("/") in CLOSED:
        return PlainTextResponse("Not found.", 404)
    origin = connection.headers.get("origin")
    if connection.scope["type"] == "websocket" and origin not in _origins(settings):
        return PlainTextResponse("Open the desk itself; other pages cannot talk to it.", 403)
    if connection.scope.get("method") == "POST" and not _from_here(connection.headers, settings):
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


def _origins(settings: Settings) -> set[str]:
    parts = urlsplit(settings.dashboard_url)
    local = {f"http://{name}:{settings.dashboard_port}" for name in ("127.0.0.1", "localhost", "[::1]")}
    return {f"{parts.scheme}://{parts.netloc}", *local}


def _from_here(headers: Headers, settings: Settings) -> bool:
    """A form of our own: browsers say where a POST comes from, and only they carry a cookie."""
    origin = headers.get("origin")
    if origin is not None and origin != "null":
        return origin in _origins(settings)
    return headers.get("sec-fetch-site", "none") in ("same-origin", "none")


def _host(netloc: str) -> str:
    return re.sub(r":[0-9]+$", "", netloc).strip("[]").lower()


async def _who(connection: HTTPConnection) -> SignedIn | None:
    """Whose session the cookie is, by the database, now."""
    app = bootstrap.app()
    token = connection.cookies.get(signin.cookie_name(app.settings.dashboard_url))

    def look() -> SignedIn | None:
        with app.sessions.read() as session:
            return signin.session_of(session, token, now=app.now())

    return await anyio.to_thread.run_sync(look) if token else None


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
            if scope["path"].startswith("/media"):
                headers["Cache-Control"] = "no-store"
            if settings.dashboard_url.startswith("https:"):
                headers["Strict-Transport-Security"] = "max-age=31536000"
        await send(message)

    return sending


# -- signing in and out -----------------------------------------------------------------------------

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)
_ICON = (
    "data:image/svg+xml;base64," + base64.b64encode((HERE / "static" / "favicon.svg").read_bytes()).decode()
)


def _page(status: int = 200, *, show: str, problem: str = "", **told: Any) -> HTMLResponse:
    """One of the sign-in pages. It runs no script and loads nothing."""
    nonce = secrets.token_urlsafe(16)
    text = _TEMPLATES.get_template("signin.html").render(
        show=show, problem=problem, icon=_ICON, nonce=nonce, demo=bootstrap.app().settings.demo,
        **{"email": "", "next": "/", "token": "", "person": None, "name": ""} | told,
    )  # fmt: skip
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    return HTMLResponse(text, status, {"Content-Security-Policy": policy, "Cache-Control": "no-store"})


async def show_signin(request: Request) -> Response:
    """The form; whoever is signed in goes on to where they wanted."""
    wanted = _safe(request.query_params.get("next", "/"))
    if await _who(request) is not None:
        return RedirectResponse(wanted, 303)
    return _page(show="password", next=wanted)


async def do_signin(request: Request) -> Response:
    form = await _form(request)
    email, wanted = form.get("email", ""), _safe(form.get("next", "/"))
    app, visitor = bootstrap.app(), _visitor(request)

    def work() -> str | None:
        with app.sessions.begin() as session:
            return signin.sign_in(session, email, form.get("password", ""), visitor=visitor, now=app.now())

    try:
        token = await anyio.to_thread.run_sync(work)
    except NotAllowed as refusal:
        return _page(429, show="password", problem=str(refusal), email=email, next=wanted)
    if token is None:
        return _page(401, show="password", problem=signin.refusal(), email=email, next=wanted)
    return _welcome(token, wanted)


async def show_link(request: Request) -> Response:
    """Whom the link is for. Looking uses nothing up: mail programs and chats look at links too."""
    token = request.query_params.get("token", "")
    app = bootstrap.app()

    def work() -> signin.Invited | None:
        with app.sessions.read() as session:
            return signin.who_comes_by_link(session, token, now=app.now())

    try:
        person = await anyio.to_thread.run_sync(work)
    except PaymentsError as error:
        return _page(404, show="nothing", problem=str(error))
    return _page(show="link" if person else "first", token=token, person=person)


async def do_link(request: Request) -> Response:
    form = await _form(request)
    app, visitor, token = bootstrap.app(), _visitor(request), form.get("token", "")

    def work() -> str:
        with app.sessions.begin() as session:
            if "email" not in form:
                return signin.sign_in_by_link(session, token, visitor=visitor, now=app.now())
            return signin.create_first_admin(
                session, token, name=form.get("name", ""), email=form["email"],
                password=form.get("password", ""), visitor=visitor, now=app.now(),
            )  # fmt: skip

    try:
        return _welcome(await anyio.to_thread.run_sync(work), "/")
    except NotFound as error:
        return _page(404, show="nothing", problem=str(error))
    except PaymentsError as error:
        named = {"email": form.get("email", ""), "name": form.get("name", "")}
        return _page(422, show="first", problem=str(error), token=token, **named)


async def show_signout(request: Request) -> Response:
    return _page(show="out") if await _who(request) else RedirectResponse("/signin", 303)


async def do_signout(request: Request) -> Response:
    app = bootstrap.app()
    name = signin.cookie_name(app.settings.dashboard_url)

    def work() -> None:
        with app.sessions.begin() as session:
            signin.sign_out(session, request.cookies.get(name), now=app.now())

    await anyio.to_thread.run_sync(work)
    response = RedirectResponse("/signin", 303)
    response.delete_cookie(name, path="/", secure=_is_https(), httponly=True, samesite="lax")
    return response


def _welcome(token: str, wanted: str) -> Response:
    response = RedirectResponse(wanted, 303)
    name = signin.cookie_name(bootstrap.app().settings.dashboard_url)
    response.set_cookie(name, token, path="/", secure=_is_https(), httponly=True, samesite="lax")
    return response


def _safe(wanted: str) -> str:
    """A path of our own and nothing else: a link to the sign-in page must not lead to another site."""
    own = re.fullmatch(r"/(?![/\\])[^\\\x00-\x1f]*", wanted)
    return wanted if own and not wanted.startswith(("/signin", "/signout")) else "/"


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form; files and anything larger are none of it."""
    if int(request.headers.get("content-length") or 0) > LARGEST_FORM:
        return {}
    async with request.form(max_files=0, max_fields=8) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


def _visitor(request: Request) -> Visitor:
    peer = request.client.host if request.client else ""
    forwarded: Sequence[str] = request.headers.getlist("x-forwarded-for")
    address = bootstrap.caller(bootstrap.app().settings, peer, forwarded)
    return Visitor(address, request.headers.get("user-agent", ""))


def _is_https() -> bool:
    return bootstrap.app().settings.dashboard_url.startswith("https:")


# -- files ------------------------------------------------------------------------------------------


async def export(request: Request) -> Response:
    """Exactly what is filtered, as CSV, streamed. A stream that breaks ends without its last chunk."""
    here = await _who(request)
    assert here is not None, "the gate lets nobody else in"
    try:
        count, lines = await anyio.to_thread.run_sync(
            _start_export,
            here.person,
            filters.from_query(request.query_params.multi_items()),
            str(request.query_params),
        )
    except NotAllowed as error:
        return PlainTextResponse(str(error), 403)
    except PaymentsError as error:
        return PlainTextResponse(str(error), 400)
    name = exports.file_name(bootstrap.app().now())
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Row-Count": str(count),
    }
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


def _start_export(person: Person, wanted: search.Filter, query: str) -> tuple[int, Iterator[str]]:
    """Write down who takes what, then begin: an export that cannot be recorded does not happen."""
    app = bootstrap.app()
    with app.sessions.begin() as session:
        check(person, Action.EXPORT)
        count = search.totals(session, person, wanted).count
        audit.record(session, person, "export", "payments", now=app.now(), filter=query, rows=count)
    return count, _lines(person, wanted)


def _lines(person: Person, wanted: search.Filter) -> Iterator[str]:
    """In one reading session, many lines at a time."""
    with bootstrap.app().sessions.read() as session:
        batch: list[str] = []
        for line in exports.csv_lines(session, person, wanted):
            batch.append(line)
            if len(batch) >= 200:
                yield "".join(batch)
                batch.clear()
        yield "".join(batch)


# -- the app ----------------------------------------------------------------------------------------


async def healthz(_request: Request) -> Response:
    return PlainTextResponse("ok")


@asynccontextmanager
async def _warm(_app: Any) -> AsyncIterator[None]:
    """Load what the first page needs before the first visitor waits for it."""
    bootstrap.app()
    await anyio.to_thread.run_sync(_import_the_heavy)
    yield


def _import_the_heavy() -> None:
    import altair  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow  # noqa: F401


ROUTES = [
    Route("/healthz", healthz),
    Route("/signin", show_signin, methods=["GET"]),
    Route("/signin", do_signin, methods=["POST"]),
    Route("/signin/link", show_link, methods=["GET"]),
    Route("/signin/link", do_link, methods=["POST"]),
    Route("/signout", show_signout, methods=["GET"]),
    Route("/signout", do_signout, methods=["POST"]),
    Route("/export", export, methods=["GET"]),
]

app = streamlit.App(HERE / "dashboard.py", routes=ROUTES, middleware=[Middleware(Gate)], lifespan=_warm)


def sign_in_address(settings: Settings, token: str) -> str:
    """Where a one-time link leads."""
    return f"{settings.dashboard_url}/signin/link?{urlencode({'token': token})}"


def main() -> None:
    settings = bootstrap.app().settings
    app.run(
        config={
            "server.port": settings.dashboard_port,
            "server.address": settings.bind_address,
            "server.allowedHosts": allowed_hosts(settings),
        }
    )


if __name__ == "__main__":
    main()
