"""Signing in by another house's sign-in: there, and back with whom it says one is."""

import base64
import binascii
import json
from dataclasses import astuple

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

import bootstrap
from gate import safe_page
from payments.access import guesses, identities, signin
from payments.access.oidc import Going, Provider
from payments.errors import NotAllowed, PaymentsError
from signin_pages import SIGN_INS, is_https, page, visitor_of, welcome

#: How long somebody may take at the provider of sign-ins.
GOING_S = 600


async def go_outside(request: Request) -> Response:
    """To the provider; what must come back with whoever does goes into a cookie of a few minutes."""
    app, provider = bootstrap.app(), _provider()
    going = Going.anew(safe_page(request.query_params.get("next", "/")))

    def work() -> str:
        return provider.begin(app.settings.sign_in_back, going, now=app.now())

    try:
        response = RedirectResponse(await anyio.to_thread.run_sync(work, limiter=SIGN_INS), 303)
    except PaymentsError as error:
        return page(503, show="password", problem=str(error), next=going.wanted)
    told = base64.urlsafe_b64encode(json.dumps(astuple(going)).encode()).decode()
    response.set_cookie(
        _going_cookie(), told, max_age=GOING_S, path="/", secure=is_https(), httponly=True, samesite="lax"
    )
    return response


async def come_back(request: Request) -> Response:
    """From the provider, with whom it says it is."""
    app, provider, visitor = bootstrap.app(), _provider(), visitor_of(request)
    going = _going(request)
    answer = dict(request.query_params)

    def work(going: Going) -> str:
        attempt = guesses.attempt(
            app.sessions, f"oidc {visitor.address}", visitor.address, now=app.now(), steady=app.steady()
        )
        arrival = provider.finish(app.settings.sign_in_back, going, answer, now=app.now())
        claims = app.settings.sign_in_claims
        token = identities.come_in(app.sessions, arrival, claims, visitor=visitor, now=app.now())
        with app.sessions.begin() as session:
            guesses.fitted(session, attempt)
        return token

    if going is None:
        return page(400, show="password", problem="This took longer than ten minutes. Begin again.")
    try:
        token = await anyio.to_thread.run_sync(work, going, limiter=SIGN_INS)
    except PaymentsError as error:
        status = 403 if isinstance(error, NotAllowed) else 503
        response: Response = page(status, show="password", problem=str(error), next=going.wanted)
    else:
        response = await welcome(request, token, going.wanted)
    response.delete_cookie(_going_cookie(), path="/", secure=is_https(), httponly=True, samesite="lax")
    return response


def _provider() -> Provider:
    provider = bootstrap.app().provider
    if provider is None:
        raise HTTPException(404, "Not found.")
    return provider


def _going(request: Request) -> Going | None:
    try:
        told = json.loads(base64.urlsafe_b64decode(request.cookies.get(_going_cookie(), "")))
        state, nonce, verifier, wanted = map(str, told)
    except (binascii.Error, ValueError, TypeError):
        return None
    return Going(state, nonce, verifier, safe_page(wanted))


def _going_cookie() -> str:
    """With the prefix of https no page of a neighbouring host can plant it."""
    return f"{signin.cookie_name(bootstrap.app().settings.dashboard_url)}-going"


ROUTES = [
    Route("/signin/outside", go_outside, methods=["GET"]),
    Route("/signin/outside/back", come_back, methods=["GET"]),
]
