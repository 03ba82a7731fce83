"""The plain pages for whoever got a report by mail and has no login here: what it is, and the file.

The link's token stands in the query, which no access log keeps. Every opening is written down.
"""

import secrets
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

import bootstrap
from payments import dates
from payments.errors import Conflict, PaymentsError
from payments.hearing.intake import Throttle
from payments.schedules import links
from payments.schedules.links import Opened

HERE = Path(__file__).parent
#: Openings a minute and address: an office shares one. Guessing one of 2^256 is no matter of how often.
A_MINUTE = 60
_ASKED = Throttle(A_MINUTE)
_LOOKS = anyio.CapacityLimiter(2)
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)


async def show(request: Request) -> Response:
    """What the link opens. Mail programs look at links too: the file itself is asked for by a person."""
    found = await _open(request, links.PAGE)
    if isinstance(found, Response):
        return found
    return _page(opened=found, token=request.query_params["token"])


async def file(request: Request) -> Response:
    """The very bytes that were made, to be saved."""
    found = await _open(request, links.FILE)
    if isinstance(found, Response):
        return found
    saved = {
        "Content-Disposition": f'attachment; filename="{found.file_name}"',
        "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    }
    return Response(found.data, headers={**_HEADERS, **saved}, media_type=found.media_type)


async def _open(request: Request, what: str) -> Opened | Response:
    """What the link opens, or the page that says why it opens nothing."""
    if request.method == "HEAD":  # would be written down as an opening of nobody's
        return Response(status_code=405, headers={**_HEADERS, "Allow": "GET"})
    app, token = bootstrap.app(), request.query_params.get("token", "")[:200]
    peer = request.client.host if request.client else ""
    address = bootstrap.caller(app.settings, peer, request.headers.getlist("x-forwarded-for"))
    now = app.now()
    if not _ASKED.allows(address, now):
        return _page(429, problem="Too many files are asked for from where you are. Wait a minute.")

    def look() -> Opened:
        with app.sessions.begin() as session:
            return links.open_(session, token, what, address, now=now)

    try:
        return await anyio.to_thread.run_sync(look, limiter=_LOOKS)
    except Conflict as error:
        return _page(429, problem=str(error))
    except PaymentsError as error:
        return _page(404, problem=str(error))


def _page(status: int = 200, *, opened: Opened | None = None, token: str = "", problem: str = "") -> Response:
    """It runs no script and loads nothing."""
    nonce = secrets.token_urlsafe(16)
    told: dict[str, Any] = {"made": "", "until": "", "size": ""}
    if opened is not None:
        told = {
            "made": dates.say_moment(opened.made_at), "until": dates.say_moment(opened.expires_at),
            "size": _size(opened.size_bytes),
        }  # fmt: skip
    text = _TEMPLATES.get_template("shared.html").render(
        opened=opened, token=token, problem=problem, nonce=nonce, demo=bootstrap.app().settings.demo, **told
    )
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    )
    return HTMLResponse(text, status, {**_HEADERS, "Content-Security-Policy": policy})


def _size(size_bytes: int) -> str:
    return f"{max(1, size_bytes // 1024)} kB"


ROUTES = [
    Route("/shared", show, methods=["GET"]),
    Route("/shared/file", file, methods=["GET"]),
]
