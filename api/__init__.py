"""The door for other systems, under ``/api/v1`` on the webhook's process: a key, a check, one call of a room.

It stands apart from the gateways' path: messages of gateways never come through here, and what waits for the
gateway's answer waits in threads of its own.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from api.description import OPERATIONS, ROOT, Operation, describe, faults
from api.schemas import SCHEMAS
from bootstrap import App
from db.money import Money
from payments.errors import (
    Conflict,
    GatewayError,
    GatewayRefused,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotKept,
    PaymentsError,
)
from payments.gateways import strict_json
from payments.hearing.intake import Intake, Throttle
from payments.registering import api_keys, registered, registrations
from payments.registering.api_keys import Caller
from payments.registering.registered import Registered
from payments.registering.registration_requests import Wanted
from payments.registering.registrations import Outcome
from payments.selling import events, exchange, on_sale, rates
from payments.selling.quotes import Quoted

log = logging.getLogger("paydesk.api")

LARGEST_BODY = 16 * 1024
#: Requests a minute, of a key; and of an address that has no good one.
CALLS_A_MINUTE = 600
STRANGERS_A_MINUTE = 60
#: So many wait for the gateway at the same moment, and so many read: they do not wait for those.
AT_ONCE, READERS = 4, 2

T = TypeVar("T")
_GUARDS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}
_STATUS: Mapping[type[PaymentsError], int] = {
    InvalidInput: 422,
    NotFound: 404,
    NotAllowed: 403,
    Conflict: 409,
    GatewayRefused: 502,
    GatewayError: 503,
    NotKept: 503,
}
_OUTCOME = {Outcome.CREATED: 201, Outcome.CHANGED: 201, Outcome.UNKNOWN: 202}
_RETRY_AFTER_S = {429: 60, 503: 30}


class Problem(Exception):
    """What is answered in place of a result, after RFC 9457."""

    def __init__(self, status: int, detail: str, errors: list[tuple[str, str]] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, errors or []


class Api:
    """What the operations share: who calls, how often, and where work is done."""

    def __init__(self, app: App, intake: Intake, address_of: Callable[[Request], str]) -> None:
        self._app = app
        self._intake = intake
        self._address_of = address_of
        self._calls, self._strangers = Throttle(CALLS_A_MINUTE), Throttle(STRANGERS_A_MINUTE)
        self._workers = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="api")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="api-reader")
        #: One request about a registration at a time: the others wait for what came of it.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        public = urlsplit(app.settings.webhook_url)
        self._description = _json(describe(f"{public.scheme}://{public.netloc}"))

    def starlette(self) -> Starlette:
        does: Mapping[str, Callable[[Request, Caller, Any], Awaitable[Response]]] = {
            "putPayment": self._put,
            "listPayments": self._list,
            "getPayment": self._get,
            "cancelPayment": self._cancel,
            "getEvent": self._event,
        }
        routes = [
            Route(one.path, partial(self._answer, one, does[one.id]), methods=[one.method])
            for one in OPERATIONS
        ]
        routes.append(Route("/openapi.json", self._describe, methods=["GET"]))
        handlers: Mapping[Any, Any] = {
            HTTPException: _refused,
            Problem: _problem,
            PaymentsError: _told,
            ClientDisconnect: _gone,
            Exception: _broken,
        }
        starlette = Starlette(routes=routes, exception_handlers=handlers)
        starlette.router.redirect_slashes = False
        return starlette

    def close(self) -> None:
        for pool in (self._workers, self._readers):
            pool.shutdown(wait=False, cancel_futures=True)

    # -- what every call goes through ----------------------------------------------------------------

    async def _answer(
        self,
        operation: Operation,
        do: Callable[[Request, Caller, Any], Awaitable[Response]],
        request: Request,
    ) -> Response:
        caller = await self._caller(request)
        what = f"{operation.method} {ROOT}{operation.path.format(**request.path_params)}"[:200]
        now = self._app.now()
        await self._intake.write(lambda session: api_keys.called(session, caller, what, now=now))
        if operation.scope:
            caller.needs(operation.scope)
        _check_parameters(operation, request)
        return await do(request, caller, await _body(request, operation))

    async def _caller(self, request: Request) -> Caller:
        """Who calls. A wrong key is as good as none."""
        now, address = self._app.now(), self._address_of(request)
        if self._strangers.spent(address, now):  # before anything is looked up for them
            raise Problem(429, "Too many requests without a good key. Wait a minute.")
        scheme, _, whole = request.headers.get("authorization", "").partition(" ")
        caller = None
        if scheme.lower() == "bearer" and whole:
            caller = await self._read(lambda session: api_keys.find(session, whole.strip()))
        if caller is None:
            self._strangers.allows(address, now)
            raise Problem(401, "Send a key of this desk: Authorization: Bearer pd_… An admin makes one.")
        if not self._calls.allows(str(caller.key_id), now):
            raise Problem(429, f"More than {CALLS_A_MINUTE} requests in a minute. Wait for the next one.")
        return caller

    # -- the operations -------------------------------------------------------------------------------

    async def _put(self, request: Request, caller: Caller, body: Any) -> Response:
        currency = body.pop("currency")
        amount = Money(body.pop("amount_minor"), currency) if "amount_minor" in body else None
        extras = tuple((one["name"], one.get("quantity", 1)) for one in body.pop("extras", ()))
        free = body.pop("complimentary", {}).get("reason", "")
        said = body.pop("quoted", None)
        by_list = said is not None and "amount_minor" not in said
        quoted = Money(said["amount_minor"], said["currency"]) if said and not by_list else None
        wanted = Wanted(
            amount=amount, extras=extras, complimentary=free, quoted=quoted,
            quote_in=said["currency"] if said and by_list else "", **body,
        )  # fmt: skip
        turn = self._turns.setdefault(f"{caller.event_code} {wanted.registration_id}", asyncio.Lock())
        settings = self._app.settings
        async with turn:
            payment, outcome = await self._work(
                partial(
                    registrations.put,
                    self._app.sessions, self._app.gateways, caller.person, caller.event_code, wanted,
                    request.headers["idempotency-key"], key_id=caller.key_id,
                    addresses=settings.addresses, demo=settings.demo, now=self._app.now(),
                )
            )  # fmt: skip
        return _json(self._shown(payment), _OUTCOME.get(outcome, 200))

    async def _list(self, request: Request, caller: Caller, _: Any) -> Response:
        asked = request.query_params
        found = await self._read(
            lambda session: registered.changes(
                session, caller.person, caller.event_code, after=asked.get("after", ""),
                registration_id=asked.get("registration_id", ""), limit=int(asked.get("limit", "100")),
            )
        )  # fmt: skip
        shown = [self._shown(payment) for payment in found.payments]
        return _json({"payments": shown, "next": found.next, "more": found.more})

    async def _get(self, request: Request, caller: Caller, _: Any) -> Response:
        reference = request.path_params["reference"]
        return _json(
            self._shown(await self._read(lambda session: registered.get(session, caller.person, reference)))
        )

    async def _cancel(self, request: Request, caller: Caller, body: Any) -> Response:
        payment = await self._work(
            partial(
                registrations.cancel, self._app.sessions, self._app.gateways, caller.person,
                request.path_params["reference"], body["reason"], now=self._app.now(),
            )
        )  # fmt: skip
        return _json(self._shown(payment))

    async def _event(self, _request: Request, caller: Caller, _: Any) -> Response:
        now = self._app.now()
        view, found, known = await self._read(
            lambda session: (
                events.get_event(session, caller.person, caller.event_code),
                on_sale.offers(session, caller.person, caller.event_code, now=now),
                rates.current(session, now=now),
            )
        )
        lines = [
            {
                "name": line.name, "amount_minor": line.price.minor, "period": line.period,
                "until": line.until.isoformat() if line.until else None, "seats_left": line.seats_left,
                "note": " ".join(line.passed),
                "quoted": [{"amount_minor": one.minor, "currency": one.currency} for one in line.quoted],
            }
            for line in found.categories
        ]  # fmt: skip
        extras = [
            {"name": one.name, "amount_minor": one.price.minor, "seats_left": one.seats_left}
            for one in found.extras
        ]
        return _json(
            {
                "code": view.code, "name": view.name, "mode": self._app.settings.mode,
                "state": str(view.state), "currency": view.currency, "starts_on": view.starts_on.isoformat(),
                "ends_on": view.ends_on.isoformat(), "categories": lines,
                "extras": extras,
                "rates": [
                    {
                        "currency": one.currency, "rate": exchange.decimal(one.micro),
                        "rate_source": one.source, "rate_at": _moment(one.holds_from),
                    }
                    for one in known if not one.is_old(now)
                ],
            }
        )  # fmt: skip

    async def _describe(self, _request: Request) -> Response:
        return self._description

    # -- small things ---------------------------------------------------------------------------------

    def _shown(self, payment: Registered) -> dict[str, Any]:
        token = payment.return_token
        return {
            "reference": payment.reference,
            "registration_id": payment.registration_id,
            "event": payment.event_code,
            "mode": payment.mode,
            "status": str(payment.status),
            "complete": payment.complete,
            "amount_minor": payment.amount.minor,
            "received_minor": payment.received.minor,
            "refunded_minor": payment.refunded.minor,
            "currency": payment.amount.currency,
            "link": payment.url,
            "return_token": token,
            "status_url": f"{self._app.settings.return_url}/{token}" if token else None,
            "credited_minor": payment.credited.minor,
            "replaces": payment.replaces,
            "difference_of": payment.difference_of,
            "lines": [
                {
                    "what": line.what,
                    "quantity": line.quantity,
                    "unit_minor": line.unit.minor,
                    "discount_minor": line.discount.minor,
                    "amount_minor": line.amount.minor,
                }
                for line in payment.lines
            ],
            "quoted": _quoted(payment.quoted) if payment.quoted else None,
            "created_at": _moment(payment.created_at),
            "paid_at": _moment(payment.paid_at) if payment.paid_at else None,
        }

    async def _read(self, read: Callable[..., T]) -> T:
        def work() -> T:
            with self._app.sessions.read() as session:
                return read(session)

        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    async def _work(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._workers, work)


# -- reading a request --------------------------------------------------------------------------------


def _check_parameters(operation: Operation, request: Request) -> None:
    """Raises Problem for what is missing, twice there, unknown or does not fit."""
    where: Mapping[str, Mapping[str, str]] = {
        "path": request.path_params, "query": request.query_params, "header": request.headers,
    }  # fmt: skip
    wrong: list[tuple[str, str]] = []
    for one in operation.parameters:
        value = where[one.where].get(one.name)
        if value is None:
            wrong += [(one.name, "It is missing.")] if one.required else []
        elif one.schema["type"] == "integer":
            number = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else value
            wrong += faults(one.schema, number, one.name)
        else:
            wrong += faults(one.schema, value, one.name)
    known = {one.name for one in operation.parameters if one.where == "query"}
    names = [name for name, _ in request.query_params.multi_items()]
    wrong += [(name[:100], "There is no such parameter.") for name in names if name not in known]
    wrong += [(name, "It is given twice.") for name in known if names.count(name) > 1]
    _raise(wrong)


async def _body(request: Request, operation: Operation) -> Any:
    """The checked body of an operation that has one. Raises Problem, InvalidInput."""
    if not operation.body:
        return None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" or "content-encoding" in request.headers:
        raise Problem(415, "Send the body as application/json, in UTF-8, not encoded.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise Problem(413, f"A body has {LARGEST_BODY} bytes at most.")
    try:
        value = strict_json.loads(bytes(body), longest_text=LARGEST_BODY)
    except InvalidInput as error:
        raise Problem(400, str(error)) from error
    _raise(list(faults(SCHEMAS[operation.body], value, "body")))
    return value


def _raise(wrong: list[tuple[str, str]]) -> None:
    if wrong:
        field, says = wrong[0]
        raise Problem(422, f"{field}: {says}", wrong)


# -- answering ----------------------------------------------------------------------------------------


def _json(
    value: Any,
    status: int = 200,
    kind: str = "application/json",
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, {**_GUARDS, **headers}, media_type=kind)


def _quoted(quoted: Quoted) -> dict[str, Any]:
    return {
        "amount_minor": quoted.amount.minor, "currency": quoted.amount.currency, "rate": quoted.rate,
        "rate_source": quoted.rate_source, "rate_at": _moment(quoted.rate_at),
        "charged_minor": quoted.charged.minor,
    }  # fmt: skip


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _says(status: int, detail: str, errors: list[tuple[str, str]], headers: Mapping[str, str]) -> Response:
    told: dict[str, Any] = {
        "type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail,
    }  # fmt: skip
    if errors:
        told["errors"] = [{"field": field, "detail": says} for field, says in errors]
    more = {"Retry-After": str(_RETRY_AFTER_S[status])} if status in _RETRY_AFTER_S else {}
    if status == 401:
        more["WWW-Authenticate"] = "Bearer"
    if status == 413:  # the rest of the body is not read, and so the connection cannot serve another request
        more["Connection"] = "close"
    return _json(told, status, "application/problem+json", {**headers, **more})


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _says(error.status, error.detail, error.errors, {})


async def _told(_request: Request, error: Exception) -> Response:
    """The rooms' own words are sentences for whoever asked."""
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 503)
    return _says(status, str(error), [], {})


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = {
        404: f"There is nothing here. {ROOT}/openapi.json says what there is.",
        405: "This address takes another method; Allow says which.",
    }
    says = detail.get(error.status_code, str(error.detail))
    return _says(error.status_code, says, [], error.headers or {})


async def _gone(_request: Request, _error: Exception) -> Response:
    return _says(400, "The request broke off.", [], {})


async def _broken(_request: Request, error: Exception) -> Response:
    """A fault of ours, or the database is away: Starlette raises it on, so that it is logged."""
    return _says(503, "It could not be done just now. Send it again in a moment.", [], {})
