"""The gateway over HTTP: its four calls as documented, beside the payer's pages and the controls."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from payments.errors import InvalidInput, NotFound
from payments.gateways import strict_json
from payments.gateways.ikhokha import sign
from simulator import control, payer
from simulator.ledger import SimulatedLink, new_link_id
from simulator.world import Config, World

__all__ = ["BASE_PATH", "Config", "create_app"]

BASE_PATH = "/public-api/v1/api"
_REQUIRED_TEXTS = ("entityID", "currency", "requesterUrl", "mode", "externalTransactionID")
_REQUIRED_URLS = ("callbackUrl", "successPageUrl", "failurePageUrl")
_LONGEST_REFERENCE = 50
_HTML = "<!doctype html><title>Service unavailable</title><h1>We will be back soon</h1>"

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(config: Config) -> Starlette:
    world = World(config)
    api = _Api(world)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await world.bell.stop()
        world.ledger.close()

    app = Starlette(
        lifespan=lifespan,
        routes=[
            Route(f"{BASE_PATH}/payment", api.signed(api.create), methods=["POST"]),
            Route(f"{BASE_PATH}/getStatus/external", api.signed(api.status_by_reference)),
            Route(f"{BASE_PATH}/getStatus/{{link_id}}", api.signed(api.status)),
            Route(f"{BASE_PATH}/payments/history", api.signed(api.history)),
            Route("/healthz", _healthz),
            *control.routes(world),
            *payer.routes(world),
        ],
    )
    app.state.world = world
    return app


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok")


class _Api:
    """The gateway's side of the wire."""

    def __init__(self, world: World) -> None:
        self._world = world

    def signed(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, for those who sign with the right secret."""

        async def checked(request: Request) -> Response:
            if not self._is_signed(request, await request.body()):
                status = self._world.switches.bad_signature_status
                return _error("IK-001", "Token or Hash invalid", status)
            return await endpoint(request)

        return checked

    def _is_signed(self, request: Request, body: bytes) -> bool:
        config, verify = self._world.config, self._world.switches.verify
        bodies = [body] if verify != "canonical" else []
        if verify != "raw":
            bodies.append(_canonical(body))
        good = [sign(request.url.path, text, config.secret_key) for text in bodies]
        sent = request.headers.get("ik-sign", "")
        return hmac.compare_digest(
            request.headers.get("ik-appid", "").encode(), config.app_id.encode()
        ) and any(hmac.compare_digest(sent.encode(), one.encode()) for one in good)

    # -- the four calls --------------------------------------------------------------------------

    async def create(self, request: Request) -> Response:
        fault = self._world.switches.create
        await asyncio.sleep(self._world.switches.answer_ms / 1_000)
        if fault == "code-99":
            return _error("99", "The payment link could not be created", 200)
        if fault in ("400", "403", "429", "500"):
            return _error(fault, "Refused by a switch of the simulator", int(fault))
        if fault == "html":
            return HTMLResponse(_HTML)
        if fault == "drop-before":
            return _hang_up(request)
        if fault == "slow":
            await asyncio.sleep(self._world.switches.slow_s)
        try:
            link = self._world.ledger.add(self._read(await request.body()))
        except InvalidInput as error:
            return _error("IK-400", str(error), 400)
        if fault == "drop-after":
            return _hang_up(request)
        if fault == "500-after":
            return _error("500", "Something went wrong", 500)
        return JSONResponse(
            {
                "responseCode": "00",
                "message": "",
                "paylinkUrl": f"{self._world.config.public_url}/{link.link_id}",
                "paylinkID": link.link_id,
                "externalTransactionID": link.reference,
            }
        )

    async def status(self, request: Request) -> Response:
        fault = await self._status_fault(request)
        if fault is not None:
            return fault
        try:
            link = self._world.ledger.get(request.path_params["link_id"])
        except NotFound:
            return self._unknown()
        return JSONResponse(self._status_of(link))

    async def status_by_reference(self, request: Request) -> Response:
        fault = await self._status_fault(request)
        if fault is not None:
            return fault
        link = self._world.ledger.find_by_reference(request.query_params.get("externalReference", ""))
        return self._unknown() if link is None else JSONResponse(self._status_of(link))

    async def history(self, request: Request) -> Response:
        fault = await self._status_fault(request)
        if fault is not None:
            return fault
        try:
            first, last = (date.fromisoformat(request.query_params[key]) for key in ("startDate", "endDate"))
        except (KeyError, ValueError):
            return _error("IK-400", "startDate and endDate must be YYYY-MM-DD", 400)
        items = [self._status_of(link) for link in self._world.ledger.between(first, last)]
        under = self._world.switches.history_under
        return JSONResponse({under: items} if under else items)

    # -- answers ---------------------------------------------------------------------------------

    async def _status_fault(self, request: Request) -> Response | None:
        fault = self._world.switches.status
        await asyncio.sleep(self._world.switches.answer_ms / 1_000)
        if fault in ("403", "429", "500"):
            return _error(fault, "Refused by a switch of the simulator", int(fault))
        if fault == "html":
            return HTMLResponse(_HTML)
        if fault == "drop":
            return _hang_up(request)
        if fault == "slow":
            await asyncio.sleep(self._world.switches.slow_s)
        return None

    def _unknown(self) -> Response:
        return _error("IK-404", "Payment link not found", self._world.switches.unknown_reference_status)

    def _status_of(self, link: SimulatedLink) -> dict[str, Any]:
        switches = self._world.switches
        created_at = link.created_at.astimezone(UTC)
        return {
            "paylinkID": link.link_id,
            "status": switches.status_word or link.status,
            "createdAt": created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "amount": link.amount_minor + switches.amount_off_by,
            "description": link.description,
        }

    def _read(self, body: bytes) -> SimulatedLink:
        """The link a create asks for. Raises InvalidInput naming what is wrong."""
        asked = strict_json.loads(body, longest_text=2_000)
        if not isinstance(asked, dict) or not isinstance(asked.get("urls"), dict):
            raise InvalidInput("urls is required")
        for key in _REQUIRED_TEXTS:
            _need_text(asked, key)
        for key in _REQUIRED_URLS:
            _need_url(asked["urls"], key)
        if asked["currency"] != "ZAR" or asked["mode"] != "live":
            raise InvalidInput("currency must be ZAR and mode must be live")
        if type(asked.get("amount")) is not int or asked["amount"] < 1:
            raise InvalidInput("amount must be a whole number of cents")
        if len(asked["externalTransactionID"]) > _LONGEST_REFERENCE:
            raise InvalidInput(f"externalTransactionID is longer than {_LONGEST_REFERENCE}")
        if "cancelUrl" in asked["urls"]:
            _need_url(asked["urls"], "cancelUrl")
        return _new_link(asked, self._world.config.now())


def _new_link(asked: dict[str, Any], now: datetime) -> SimulatedLink:
    return SimulatedLink(
        link_id=new_link_id(),
        reference=asked["externalTransactionID"],
        amount_minor=asked["amount"],
        description=str(asked.get("description", "")),
        created_at=now,
        callback_url=asked["urls"]["callbackUrl"],
        success_url=asked["urls"]["successPageUrl"],
        failure_url=asked["urls"]["failurePageUrl"],
        cancel_url=asked["urls"].get("cancelUrl", ""),
    )


def _need_text(values: dict[str, Any], key: str) -> None:
    if not isinstance(values.get(key), str) or not values[key].strip():
        raise InvalidInput(f"{key} is required")


def _need_url(values: dict[str, Any], key: str) -> None:
    _need_text(values, key)
    try:
        parts = urlsplit(values[key])
    except ValueError as error:
        raise InvalidInput(f"{key} is not a URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not values[key].isprintable():
        raise InvalidInput(f"{key} is not a URL")


def _canonical(body: bytes) -> bytes:
    """The body as the gateway is thought to check it: read and written again. What is no JSON stays."""
    try:
        return strict_json.dumps(strict_json.loads(body, longest_text=2_000)).encode()
    except (InvalidInput, TypeError):
        return body


def _error(code: str, message: str, status: int) -> Response:
    return JSONResponse({"responseCode": code, "message": message}, status_code=status)


def _hang_up(request: Request) -> Response:
    """Cut the connection. ``simulator.server`` hands each request its transport for this."""
    request.state.transport.abort()
    return Response(status_code=500)  # goes nowhere
