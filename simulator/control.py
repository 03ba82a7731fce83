"""The strings behind the pretend world, under ``/_sim``: for tests, benchmarks and the demo's traffic.

Only this machine, never a web page (those send an Origin), and only who knows the token of this run.
"""

import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from payments.errors import Conflict, InvalidInput, NotFound, quoted
from payments.gateways.ikhokha import LOOPBACK
from simulator.bell import Ring
from simulator.ledger import SimulatedLink
from simulator.world import Act, World

TOKEN_HEADER = "X-Simulator-Token"  # noqa: S105 - the header's name, not a token

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(world: World) -> list[Route]:
    """``switches`` (GET all, POST some), ``reset``, ``links`` and ``{link}/{pay|pay-eft|fail|cancel}``."""

    async def switches(request: Request) -> Response:
        if request.method == "POST":
            world.switches = world.switches.with_changes(_json(await request.body()))
        return JSONResponse(asdict(world.switches))

    async def reset(_: Request) -> Response:
        world.switches = world.config.switches
        return JSONResponse(asdict(world.switches))

    async def links(_: Request) -> Response:
        rings: dict[str, list[Ring]] = {}
        for ring in tuple(world.bell.rings):
            rings.setdefault(ring.link_id, []).append(ring)
        return JSONResponse([_truth(link, rings.get(link.link_id, [])) for link in world.ledger.all()])

    async def act(request: Request) -> Response:
        link = world.act(request.path_params["link_id"], _act(request.path_params["act"]))
        return JSONResponse({"paylinkID": link.link_id, "status": link.status})

    return [
        Route("/_sim/switches", _guarded(world, switches), methods=["GET", "POST"]),
        Route("/_sim/reset", _guarded(world, reset), methods=["POST"]),
        Route("/_sim/links", _guarded(world, links)),
        Route("/_sim/{link_id}/{act}", _guarded(world, act), methods=["POST"]),
    ]


def _guarded(world: World, endpoint: Endpoint) -> Endpoint:
    async def guarded(request: Request) -> Response:
        reason = _why_not(request, world.config.control_token)
        if reason:
            return _no(reason, 403)
        try:
            return await endpoint(request)
        except NotFound as error:
            return _no(str(error), 404)
        except Conflict as error:
            return _no(str(error), 409)
        except InvalidInput as error:
            return _no(str(error), 400)

    return guarded


def _why_not(request: Request, token: str | None) -> str:
    """Why this request may not pull strings; empty when it may."""
    if _host(request) not in LOOPBACK:
        return "The simulator is controlled from this machine only."
    if "origin" in request.headers:
        return "The simulator is not controlled by web pages."
    if token is not None:
        sent = request.headers.get(TOKEN_HEADER, "")
        if not hmac.compare_digest(sent.encode(), token.encode()):
            return f"The header {TOKEN_HEADER} is missing or not the token of this run."
    return ""


def _host(request: Request) -> str | None:
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        return None


def _act(name: str) -> Act:
    try:
        return Act(name)
    except ValueError as error:
        raise NotFound(f"A payer can {', '.join(Act)}, not {quoted(name)}.") from error


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise InvalidInput("The body is not JSON.") from error


def _truth(link: SimulatedLink, rings: list[Ring]) -> dict[str, Any]:
    """What was really paid, and which webhooks went out for it: more than the gateway ever tells."""
    return {
        "paylinkID": link.link_id,
        "externalTransactionID": link.reference,
        "amount": link.amount_minor,
        "status": link.status,
        "method": link.method,
        "paid_at": link.paid_at.isoformat() if link.paid_at else None,
        "attempts": link.attempts,
        "webhooks": [{"status": ring.word, "answer": ring.answer} for ring in rings],
    }


def _no(message: str, status: int) -> Response:
    return JSONResponse({"error": message}, status_code=status)
