"""The people's door: the dashboard behind the gate, and the plain pages it cannot be."""

import base64
import secrets
import sys
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import anyio
import anyio.to_thread
import jinja2
import streamlit
import streamlit.config
import uvicorn
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from streamlit.runtime.pages_manager import PagesManager

import bootstrap
from gate import LOOKS, Gate, allowed_hosts, safe_page, token_of, who
from payments import audit, exports, filters, health, search, signin
from payments.errors import Conflict, NotAllowed, NotFound, PaymentsError
from payments.people import Person
from payments.signin import Visitor

HERE = Path(__file__).parent
LARGEST_FORM = 16 * 1024
LINES_AT_ONCE = 500
#: Threads of their own, so that a rush of sign-ins, which wait for each other, never holds up who is in.
_SIGN_INS = anyio.CapacityLimiter(4)


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
        **{"email": "", "next": "/", "token": "", "person": None, "name": "", "here": None} | told,
    )  # fmt: skip
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    return HTMLResponse(text, status, {"Content-Security-Policy": policy, "Cache-Control": "no-store"})


async def show_signin(request: Request) -> Response:
    """The form; whoever is signed in goes on to where they wanted."""
    wanted = safe_page(request.query_params.get("next", "/"))
    if await who(request) is not None:
        return RedirectResponse(wanted, 303)
    return _page(show="password", next=wanted)


async def do_signin(request: Request) -> Response:
    form = await _form(request)
    email, wanted = form.get("email", ""), safe_page(form.get("next", "/"))
    app, visitor = bootstrap.app(), _visitor(request)

    def work() -> str | None:
        password = form.get("password", "")
        return signin.sign_in(
            app.sessions, email, password, visitor=visitor, now=app.now(), steady=app.steady()
        )

    try:
        token = await anyio.to_thread.run_sync(work, limiter=_SIGN_INS)
    except NotAllowed as refusal:
        return _page(429, show="password", problem=str(refusal), email=email, next=wanted)
    if token is None:
        return _page(401, show="password", problem=signin.refusal(), email=email, next=wanted)
    return await _welcome(request, token, wanted)


async def show_link(request: Request) -> Response:
    """Whom the link is for. Looking uses nothing up: mail programs and chats look at links too."""
    return await _link_page(request.query_params.get("token", ""))


async def do_link(request: Request) -> Response:
    form = await _form(request)
    app, visitor, token = bootstrap.app(), _visitor(request), form.get("token", "")
    password = form.get("password") or (None if app.settings.demo else "")

    def work() -> str:
        if "email" not in form:
            return signin.sign_in_by_link(
                app.sessions, token, visitor=visitor, now=app.now(), new_password=password
            )
        return signin.create_first_admin(
            app.sessions, token, name=form.get("name", ""), email=form["email"],
            password=password or "", visitor=visitor, now=app.now(),
        )  # fmt: skip

    try:
        return await _welcome(request, await anyio.to_thread.run_sync(work, limiter=_SIGN_INS), "/")
    except NotFound as error:
        return _page(404, show="nothing", problem=str(error))
    except PaymentsError as error:
        typed = {name: form.get(name, "") for name in ("email", "name")}
        return await _link_page(token, 422, problem=str(error), **typed)


async def _link_page(token: str, status: int = 200, **told: Any) -> Response:
    app = bootstrap.app()

    def look() -> signin.Invited | None:
        with app.sessions.read() as session:
            return signin.who_comes_by_link(session, token, now=app.now())

    try:
        person = await anyio.to_thread.run_sync(look, limiter=LOOKS)
    except PaymentsError as error:
        return _page(404, show="nothing", problem=str(error))
    return _page(status, show="link" if person else "first", token=token, person=person, **told)


async def show_password(request: Request) -> Response:
    return _page(show="change", here=await who(request))


async def do_password(request: Request) -> Response:
    """Another password for whoever is here; their other sessions end."""
    form, here = await _form(request), await who(request, active=True)
    if here is None:  # the session ended between the gate and here
        return RedirectResponse("/signin", 303)
    app, visitor, person = bootstrap.app(), _visitor(request), here.person

    def work() -> str:
        current, new = form.get("current", ""), form.get("password", "")
        return signin.change_password(
            app.sessions, person, current, new, visitor=visitor, now=app.now(), steady=app.steady()
        )

    try:
        return await _welcome(request, await anyio.to_thread.run_sync(work, limiter=_SIGN_INS), "/")
    except PaymentsError as error:
        return _page(422, show="change", problem=str(error), here=here)


async def show_signout(request: Request) -> Response:
    return _page(show="out") if await who(request) else RedirectResponse("/signin", 303)


async def do_signout(request: Request) -> Response:
    await _end_session(request)
    response = RedirectResponse("/signin", 303)
    name = signin.cookie_name(bootstrap.app().settings.dashboard_url)
    response.delete_cookie(name, path="/", secure=_is_https(), httponly=True, samesite="lax")
    return response


async def _end_session(request: Request) -> None:
    """The session this browser came with, if it came with one."""
    app, token = bootstrap.app(), token_of(request)

    def work() -> None:
        with app.sessions.begin() as session:
            signin.sign_out(session, token, now=app.now())

    if token:
        await anyio.to_thread.run_sync(work, limiter=LOOKS)


async def _welcome(request: Request, token: str, wanted: str) -> Response:
    await _end_session(request)
    response = RedirectResponse(wanted, 303)
    name = signin.cookie_name(bootstrap.app().settings.dashboard_url)
    response.set_cookie(name, token, path="/", secure=_is_https(), httponly=True, samesite="lax")
    return response


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form; anything larger is none of ours."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise HTTPException(413, "This form is too large.")
    try:
        return dict(parse_qsl(body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=8))
    except ValueError as error:
        raise HTTPException(400, "This form has too many fields.") from error


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
    here = await who(request, active=True)
    if here is None:  # the session ended between the gate and here
        return RedirectResponse("/signin", 303)
    query = request.query_params
    try:
        wanted = filters.from_query(query.multi_items())
        count, lines = await anyio.to_thread.run_sync(_start_export, here.person, wanted, str(query))
    except NotAllowed as error:
        return PlainTextResponse(str(error), 403)
    except PaymentsError as error:
        return PlainTextResponse(str(error), 400)
    headers = {
        "Content-Disposition": f'attachment; filename="{exports.file_name(bootstrap.app().now())}"',
        "Cache-Control": "no-store",
        "X-Row-Count": str(count),
    }
    return StreamingResponse(_streamed(lines), media_type="text/csv; charset=utf-8", headers=headers)


Lines = Generator[str, None, None]


def _start_export(person: Person, wanted: search.Filter, query: str) -> tuple[int, Lines]:
    """Write down who takes what, then begin: an export that cannot be recorded does not happen.

    The count and the lines are of one picture of the database.
    """
    app = bootstrap.app()
    with ExitStack() as opened:
        session = opened.enter_context(app.sessions.read())
        lines = exports.csv_lines(session, person, wanted)
        count = search.totals(session, person, wanted).count
        with app.sessions.begin() as writing:
            audit.record(writing, person, "export", "payments", now=app.now(), filter=query, rows=count)
        batches = _batches(lines, opened.pop_all())
        next(batches)
        return count, batches


def _batches(lines: Iterator[str], opened: ExitStack) -> Lines:
    """Many lines at a time, and before them "" for the caller that makes this start, so that it can end."""
    with opened:
        yield ""
        while batch := "".join(islice(lines, LINES_AT_ONCE)):
            yield batch


async def _streamed(lines: Lines) -> AsyncIterator[str]:
    """Read in threads; closed at the end, also when the reader has gone."""
    try:
        while batch := await anyio.to_thread.run_sync(next, lines, ""):
            yield batch
    finally:
        lines.close()


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
    Route("/password", show_password, methods=["GET"]),
    Route("/password", do_password, methods=["POST"]),
    Route("/signout", show_signout, methods=["GET"]),
    Route("/signout", do_signout, methods=["POST"]),
    Route("/export", export, methods=["GET"]),
]

# Until the first st.navigation of a process Streamlit takes pages/ for its older scheme: it would run a file
# of it without dashboard.py, and tell the first visitor's deep link that there is no such page.
PagesManager.uses_pages_directory = False
app = streamlit.App(HERE / "dashboard.py", routes=ROUTES, middleware=[Middleware(Gate)], lifespan=_warm)


def main() -> None:
    """Serve until told to stop."""
    try:
        desk = bootstrap.app()
        if health.pending(desk.sessions):
            raise Conflict("The database is not up to date. Run `python manage.py migrate` first.")
        bootstrap.claim_mode(desk.sessions, desk.settings.mode)
    except PaymentsError as error:
        sys.exit(str(error))
    settings = desk.settings
    streamlit.config.set_option("server.allowedHosts", allowed_hosts(settings))
    streamlit.config.set_option("server.port", settings.dashboard_port)
    uvicorn.run(
        app,
        host=settings.bind_address,
        port=settings.dashboard_port,
        ws="websockets-sansio",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # PROXY_HOPS says whom to believe
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
