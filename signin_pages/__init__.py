"""The plain pages of the people's door: signing in and out, one-time links, a password, an app for codes.

They load nothing and work before there is a session: what Streamlit's pages cannot. None runs a script but
those that ask a browser for a passkey, and those run that one.
"""

import base64
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio
import anyio.to_thread
import jinja2
import segno
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

import bootstrap
from gate import LOOKS, safe_page, token_of, who
from payments import dates
from payments.access import (
    invitations,
    passkeys,
    passwords,
    people,
    proving,
    second_factor,
    signin,
    signin_links,
)
from payments.access.passkeys import Asked, Party
from payments.access.second_factor import MONEY_ROLES, Offer, Standing
from payments.access.signin import SignedIn, Visitor
from payments.errors import CannotOpen, NotAllowed, NotFound, PaymentsError, ProveAgain

HERE = Path(__file__).parent.parent
LARGEST_FORM = 16 * 1024
#: Threads of their own, so that a rush of sign-ins, which wait for each other, never holds up who is in.
SIGN_INS = anyio.CapacityLimiter(4)


# -- signing in and out -----------------------------------------------------------------------------

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)
_TEMPLATES.filters["moment"] = lambda at: dates.say_moment(at, now=bootstrap.app().now())
_ICON = (
    "data:image/svg+xml;base64," + base64.b64encode((HERE / "static" / "favicon.svg").read_bytes()).decode()
)


def page(status: int = 200, *, show: str, problem: str = "", **told: Any) -> HTMLResponse:
    """One of the sign-in pages. It loads nothing, and runs our script where a passkey is ``asked`` for."""
    nonce, asked = secrets.token_urlsafe(16), told.get("asked")
    party = bootstrap.app().settings.party
    if show == "password" and party is not None:
        asked = _asked_in(party)
    text = _TEMPLATES.get_template("signin.html").render(
        show=show, problem=problem, icon=_ICON, nonce=nonce, demo=bootstrap.app().settings.demo,
        **{"email": "", "next": "/", "token": "", "person": None, "name": "", "here": None,
            "outside": _outside_name(), "shortest": passwords.SHORTEST, "standing": None,
            "needed": False} | told | {"asked": asked, "party": party},
    )  # fmt: skip
    script = f"script-src 'nonce-{nonce}'; " if asked else ""
    policy = (
        f"default-src 'none'; {script}style-src 'nonce-{nonce}'; img-src data:; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    return HTMLResponse(text, status, {"Content-Security-Policy": policy, "Cache-Control": "no-store"})


def _asked_in(party: Party) -> Asked | None:
    app = bootstrap.app()
    try:
        return passkeys.ask_in(app.keys, party, now=app.now())
    except CannotOpen:  # without ENCRYPTION_KEYS nobody can have added one
        return None


def _outside_name() -> str:
    provider = bootstrap.app().provider
    return provider.registered.name if provider else ""


async def show_signin(request: Request) -> Response:
    """The form; whoever is signed in goes on to where they wanted."""
    wanted = safe_page(request.query_params.get("next", "/"))
    if await who(request) is not None:
        return RedirectResponse(wanted, 303)
    return page(show="password", next=wanted)


async def do_signin(request: Request) -> Response:
    form = await form_of(request)
    email, wanted = form.get("email", ""), safe_page(form.get("next", "/"))
    app, visitor = bootstrap.app(), visitor_of(request)

    def work() -> str | None:
        return signin.sign_in(
            app.sessions, email, form.get("password", ""), code=form.get("code", ""), keys=app.keys,
            visitor=visitor, now=app.now(), steady=app.steady(),
        )  # fmt: skip

    try:
        token = await anyio.to_thread.run_sync(work, limiter=SIGN_INS)
    except NotAllowed as refusal:
        return page(429, show="password", problem=str(refusal), email=email, next=wanted)
    if token is None:
        return page(401, show="password", problem=signin.refusal(), email=email, next=wanted)
    return await welcome(request, token, wanted)


async def show_forgot(_request: Request) -> Response:
    return page(show="forgot")


async def do_forgot(request: Request) -> Response:
    """A mail for whoever has this address; the answer is the same when nobody has."""
    form = await form_of(request)
    app, visitor, email = bootstrap.app(), visitor_of(request), form.get("email", "")

    def work() -> None:
        invitations.forgot(
            app.sessions,
            email,
            app.settings.dashboard_url,
            visitor=visitor,
            now=app.now(),
            steady=app.steady(),
        )

    try:
        await anyio.to_thread.run_sync(work, limiter=SIGN_INS)
    except NotAllowed as refusal:
        return page(429, show="forgot", problem=str(refusal), email=email)
    return page(show="sent")


async def show_link(request: Request) -> Response:
    """Whom the link is for. Looking uses nothing up: mail programs and chats look at links too."""
    return await _link_page(request.query_params.get("token", ""))


async def do_link(request: Request) -> Response:
    form = await form_of(request)
    app, visitor, token = bootstrap.app(), visitor_of(request), form.get("token", "")
    password = form.get("password") or (None if app.settings.demo else "")

    def work() -> str:
        if "email" not in form:
            return signin_links.sign_in_by_link(
                app.sessions, token, visitor=visitor, now=app.now(), steady=app.steady(),
                new_password=password, code=form.get("code", ""), keys=app.keys,
            )  # fmt: skip
        return signin_links.create_first_admin(
            app.sessions, token, name=form.get("name", ""), email=form["email"],
            password=password or "", visitor=visitor, now=app.now(),
        )  # fmt: skip

    try:
        return await welcome(request, await anyio.to_thread.run_sync(work, limiter=SIGN_INS), "/")
    except NotFound as error:
        return page(404, show="nothing", problem=str(error))
    except PaymentsError as error:
        typed = {name: form.get(name, "") for name in ("email", "name")}
        return await _link_page(token, 422, problem=str(error), **typed)


async def _link_page(token: str, status: int = 200, **told: Any) -> Response:
    app = bootstrap.app()

    def look() -> signin_links.Invited | None:
        with app.sessions.read() as session:
            return signin_links.who_comes_by_link(session, token, now=app.now())

    try:
        person = await anyio.to_thread.run_sync(look, limiter=LOOKS)
    except PaymentsError as error:
        return page(404, show="nothing", problem=str(error))
    return page(status, show="link" if person else "first", token=token, person=person, **told)


async def show_password(request: Request) -> Response:
    return page(show="change", **_changing(await who(request)))


async def do_password(request: Request) -> Response:
    """Another password for whoever is here; their other sessions end."""
    form, here = await form_of(request), await who(request, active=True)
    if here is None:  # the session ended between the gate and here
        return RedirectResponse("/signin", 303)
    app, visitor, person = bootstrap.app(), visitor_of(request), here.person

    def work() -> str:
        current, new = form.get("current", ""), form.get("password", "")
        return signin.change_password(
            app.sessions, person, current, new, visitor=visitor, now=app.now(), steady=app.steady()
        )

    try:
        return await welcome(request, await anyio.to_thread.run_sync(work, limiter=SIGN_INS), "/")
    except PaymentsError as error:
        return page(422, show="change", problem=str(error), **_changing(here))


def _changing(here: SignedIn | None) -> dict[str, Any]:
    coded = here is not None and here.has_codes
    return {"here": here, "shortest": passwords.WITH_CODE if coded else passwords.SHORTEST}


# -- another token ----------------------------------------------------------------------------------


async def do_renewed(request: Request) -> Response:
    """The cookie of a session that was proved on an open page, for the browser that has both the cookie of
    before and the page's word."""
    form, before = await form_of(request), token_of(request)
    token = signin.renewed(before or "", form.get("word", ""))
    if await _who_is(token) is None:
        return PlainTextResponse("Sign in first.", 401)
    response = Response(status_code=204)
    set_cookie(response, token)
    return response


# -- an app for codes -------------------------------------------------------------------------------


async def show_code_app(request: Request) -> Response:
    """A square to scan, and what it takes to take it into use."""
    here = await who(request)
    if here is None:  # the session ended between the gate and here
        return RedirectResponse("/signin", 303)
    app = bootstrap.app()
    if here.has_passkeys and not here.has_codes and not people.is_proven(here.person, now=app.now()):
        return RedirectResponse("/confirm?next=/code-app", 303)
    try:
        offer = second_factor.offer(here.person, app.keys, issuer=_issuer(), now=app.now())
    except PaymentsError as error:
        return page(503, show="nothing", problem=str(error))
    return await _code_page(here, offer)


async def do_code_app(request: Request) -> Response:
    """The app is theirs from now on; the codes for a lost phone are shown, this once."""
    form, here = await form_of(request), await who(request, active=True)
    if here is None:
        return RedirectResponse("/signin", 303)
    app, visitor, token = bootstrap.app(), visitor_of(request), token_of(request)
    offer, code, current = (form.get(name, "") for name in ("offer", "code", "current"))

    def work() -> tuple[str, tuple[str, ...]]:
        return proving.set_up(
            app.sessions, token, offer, code, current, app.keys,
            visitor=visitor, now=app.now(), steady=app.steady(),
        )  # fmt: skip

    try:
        fresh, papers = await anyio.to_thread.run_sync(work, limiter=SIGN_INS)
    except ProveAgain:
        return RedirectResponse("/confirm?next=/code-app", 303)
    except PaymentsError as error:
        try:
            again = second_factor.offered(here.person, offer, app.keys, issuer=_issuer(), now=app.now())
        except PaymentsError:
            again = second_factor.offer(here.person, app.keys, issuer=_issuer(), now=app.now())
        return await _code_page(here, again, 422, problem=str(error))
    response = page(show="papers", papers=papers)
    set_cookie(response, fresh)
    return response


async def _code_page(here: SignedIn, offer: Offer, status: int = 200, **told: Any) -> Response:
    app = bootstrap.app()

    def look() -> Standing | None:
        with app.sessions.read() as session:
            return second_factor.standing(session, here.person.id)

    standing = await anyio.to_thread.run_sync(look, limiter=LOOKS)
    square = segno.make(offer.uri, error="m").svg_data_uri(scale=5, border=3, light="#fff")
    needed = here.person.role in MONEY_ROLES and not app.settings.demo
    return page(
        status, show="codes", here=here, offer=offer, square=square, standing=standing, needed=needed, **told
    )


def _issuer() -> str:
    """What the app writes over the code: several desks in one phone must differ."""
    app = bootstrap.app()
    return f"Paydesk {urlsplit(app.settings.dashboard_url).hostname}{' demo' if app.settings.demo else ''}"


# -- going ------------------------------------------------------------------------------------------


async def show_signout(request: Request) -> Response:
    return page(show="out") if await who(request) else RedirectResponse("/signin", 303)


async def do_signout(request: Request) -> Response:
    await _end_session(request)
    response = RedirectResponse("/signin", 303)
    name = signin.cookie_name(bootstrap.app().settings.dashboard_url)
    response.delete_cookie(name, path="/", secure=is_https(), httponly=True, samesite="lax")
    return response


async def _end_session(request: Request) -> None:
    """The session this browser came with, if it came with one."""
    app, token = bootstrap.app(), token_of(request)

    def work() -> None:
        with app.sessions.begin() as session:
            signin.sign_out(session, token, now=app.now())

    if token:
        await anyio.to_thread.run_sync(work, limiter=LOOKS)


async def _who_is(token: str | None) -> SignedIn | None:
    """Whose session it is, which this does not keep awake."""
    app = bootstrap.app()

    def look() -> SignedIn | None:
        return signin.who(app.sessions, token, now=app.now(), active=False)

    return await anyio.to_thread.run_sync(look, limiter=LOOKS)


async def welcome(request: Request, token: str, wanted: str) -> Response:
    """Into the desk; who moves money and has no app for codes yet comes by the page where it is set up."""
    await _end_session(request)
    app = bootstrap.app()

    here = await _who_is(token)
    if here is not None and proving.asks_for(here, demo=app.settings.demo) == "set up":
        wanted = "/code-app"
    response = RedirectResponse(wanted, 303)
    set_cookie(response, token)
    return response


def set_cookie(response: Response, token: str) -> None:
    name = signin.cookie_name(bootstrap.app().settings.dashboard_url)
    response.set_cookie(name, token, path="/", secure=is_https(), httponly=True, samesite="lax")


async def form_of(request: Request) -> dict[str, str]:
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


def visitor_of(request: Request) -> Visitor:
    peer = request.client.host if request.client else ""
    forwarded: Sequence[str] = request.headers.getlist("x-forwarded-for")
    address = bootstrap.caller(bootstrap.app().settings, peer, forwarded)
    return Visitor(address, request.headers.get("user-agent", ""))


def is_https() -> bool:
    return bootstrap.app().settings.dashboard_url.startswith("https:")


ROUTES = [
    Route("/signin", show_signin, methods=["GET"]),
    Route("/signin", do_signin, methods=["POST"]),
    Route("/signin/link", show_link, methods=["GET"]),
    Route("/signin/link", do_link, methods=["POST"]),
    Route("/signin/forgot", show_forgot, methods=["GET"]),
    Route("/signin/forgot", do_forgot, methods=["POST"]),
    Route("/signin/renewed", do_renewed, methods=["POST"]),
    Route("/password", show_password, methods=["GET"]),
    Route("/password", do_password, methods=["POST"]),
    Route("/code-app", show_code_app, methods=["GET"]),
    Route("/code-app", do_code_app, methods=["POST"]),
    Route("/signout", show_signout, methods=["GET"]),
    Route("/signout", do_signout, methods=["POST"]),
]
