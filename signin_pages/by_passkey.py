"""The plain pages of passkeys: signing in by one, one's own, and confirming that it is oneself."""

from collections.abc import Callable

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

import bootstrap
from gate import LOOKS, safe_page, token_of, who
from payments.access import by_passkey, passkeys, people, proving, signin
from payments.access.passkeys import Asked, Party, PasskeyView
from payments.access.signin import SignedIn
from payments.errors import CannotOpen, Conflict, NotAllowed, PaymentsError, ProveAgain
from signin_pages import SIGN_INS, form_of, page, set_cookie, visitor_of, welcome

_FIRST = "/confirm?next=/passkeys"


async def do_come_in(request: Request) -> Response:
    form = await form_of(request)
    app, party, visitor = bootstrap.app(), _party(), visitor_of(request)
    wanted, governed = safe_page(form.get("next", "/")), bool(app.settings.sign_in_claims.roles)

    def work() -> str:
        return by_passkey.come_in(
            app.sessions, form.get("answer", ""), form.get("sealed", ""), app.keys, party, visitor=visitor,
            governed=governed and app.provider is not None, now=app.now(), steady=app.steady(),
        )  # fmt: skip

    try:
        token = await anyio.to_thread.run_sync(work, limiter=SIGN_INS)
    except PaymentsError as error:
        return page(401, show="password", problem=str(error), next=wanted)
    return await welcome(request, token, wanted)


# -- one's own --------------------------------------------------------------------------------------


async def show_passkeys(request: Request) -> Response:
    here = await who(request)
    return await _mine(here) if here else RedirectResponse("/signin", 303)


async def do_add(request: Request) -> Response:
    form, visitor = await form_of(request), visitor_of(request)
    app, party, token = bootstrap.app(), _party(), token_of(request)

    def work() -> str:
        return by_passkey.add(
            app.sessions, token, form.get("answer", ""), form.get("sealed", ""), form.get("name", ""),
            form.get("current", ""), app.keys, party, visitor=visitor, now=app.now(), steady=app.steady(),
        )  # fmt: skip

    return await _changed(request, work)


async def do_remove(request: Request) -> Response:
    form, visitor = await form_of(request), visitor_of(request)
    app, token = bootstrap.app(), token_of(request)
    passkey_id = int(form["id"]) if form.get("id", "").isdecimal() and len(form["id"]) < 19 else 0

    def work() -> str:
        return by_passkey.remove(app.sessions, token, passkey_id, visitor=visitor, now=app.now())

    return await _changed(request, work)


async def _changed(request: Request, work: Callable[[], str]) -> Response:
    """Back to the list, in a session of its own."""
    here = await who(request, active=True)
    if here is None:  # the session ended between the gate and here
        return RedirectResponse("/signin", 303)
    try:
        fresh = await anyio.to_thread.run_sync(work, limiter=SIGN_INS)
    except ProveAgain:
        return RedirectResponse(_FIRST, 303)
    except PaymentsError as error:
        return await _mine(here, 422, problem=str(error))
    response = RedirectResponse("/passkeys", 303)
    set_cookie(response, fresh)
    return response


async def _mine(here: SignedIn, status: int = 200, problem: str = "") -> Response:
    app, party = bootstrap.app(), bootstrap.app().settings.party
    proven = people.is_proven(here.person, now=app.now())
    waits = not proven and (here.has_codes or here.has_passkeys)

    def look() -> tuple[list[PasskeyView], Asked | None, str]:
        with app.sessions.read() as session:
            own = passkeys.mine(session, here.person)
            if party is None or waits:
                return own, None, ""
            try:
                return own, passkeys.ask_new(session, here.person, app.keys, party, now=app.now()), ""
            except (CannotOpen, Conflict) as error:
                return own, None, str(error)

    own, asked, why_not = await anyio.to_thread.run_sync(look, limiter=LOOKS)
    needs_password = here.has_password and not here.has_codes and not here.has_passkeys
    return page(
        status, show="passkeys", problem=problem, own=own, asked=asked, why_not=why_not, waits=waits,
        here=here, needs_password=needs_password, first=_FIRST,
    )  # fmt: skip


# -- confirming -------------------------------------------------------------------------------------


async def show_confirm(request: Request) -> Response:
    here = await who(request)
    wanted = safe_page(request.query_params.get("next", "/"))
    return await _confirm(here, wanted) if here else RedirectResponse("/signin", 303)


async def do_confirm(request: Request) -> Response:
    """Where one wanted to go, with the cookie of a session that proved who it is."""
    form, here, token = await form_of(request), await who(request, active=True), token_of(request)
    if here is None or token is None:
        return RedirectResponse("/signin", 303)
    app, wanted = bootstrap.app(), safe_page(form.get("next", "/"))

    def work() -> str:
        if form.get("answer"):
            return by_passkey.prove(
                app.sessions, token, form["answer"], form.get("sealed", ""), app.keys, _party(), now=app.now()
            )
        return proving.prove(
            app.sessions, token, form.get("typed", ""), app.keys, demo=app.settings.demo, now=app.now(),
            steady=app.steady(),
        )  # fmt: skip

    try:
        word = await anyio.to_thread.run_sync(work, limiter=SIGN_INS)
    except PaymentsError as error:
        status = 429 if isinstance(error, NotAllowed) else 422
        return await _confirm(here, wanted, status, problem=str(error))
    response = RedirectResponse(wanted, 303)
    set_cookie(response, signin.renewed(token, word))
    return response


async def _confirm(here: SignedIn, wanted: str, status: int = 200, problem: str = "") -> Response:
    app, party = bootstrap.app(), bootstrap.app().settings.party

    def look() -> Asked | None:
        if party is None or not here.has_passkeys:
            return None
        with app.sessions.read() as session:
            return passkeys.ask_proof(session, here.person, app.keys, party, now=app.now())

    how, asked = proving.asks_for(here, demo=app.settings.demo), None
    try:
        asked = await anyio.to_thread.run_sync(look, limiter=LOOKS)
    except CannotOpen as error:
        problem = problem or str(error)
    return page(
        status, show="confirm", problem=problem, next=wanted, asked=asked, how=how, here=here,
        set_up_first=proving.SET_UP_FIRST,
    )  # fmt: skip


def _party() -> Party:
    party = bootstrap.app().settings.party
    if party is None:
        raise HTTPException(404, "Not found.")
    return party


ROUTES = [
    Route("/signin/passkey", do_come_in, methods=["POST"]),
    Route("/passkeys", show_passkeys, methods=["GET"]),
    Route("/passkeys/add", do_add, methods=["POST"]),
    Route("/passkeys/remove", do_remove, methods=["POST"]),
    Route("/confirm", show_confirm, methods=["GET"]),
    Route("/confirm", do_confirm, methods=["POST"]),
]
