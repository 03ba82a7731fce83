"""The gateways' door: a process of its own that keeps what they send before it answers.

An event is verified, kept and committed, then answered, then acted on by asking the gateway. The pages
that payers come back to are here as well: they show what is known and change nothing.
"""

import asyncio
import gc
import re
import secrets
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

import bootstrap
from api import Api
from api.description import ROOT
from bootstrap import App
from db.scribe import Scribe
from db.session import DatabaseUnfit
from deadlines import HurriedHttp
from payments.asking import links, reminders
from payments.errors import InvalidInput, NotFound, NotFromGateway, NotKept, PaymentsError
from payments.gateways import Gateway
from payments.hearing import inbox
from payments.hearing.inbox import Message
from payments.hearing.intake import Bells, Intake, Quota, Throttle
from payments.payers import payer_pages
from payments.payers.payer_pages import Page, Word
from payments.telling import outbox
from payments.telling.chat import chat_of
from payments.watching import health
from payments.watching.health import Readiness
from payments.watching.metrics import CONTENT_TYPE, metrics
from payments.watching.stand_in import StandIn
from return_page import GUARDS, PAYER_READS, PLAIN_PAGES, sentence, show

HOOKS = "/webhooks/"
LARGEST_BODY = 64 * 1024
MOST_HEADERS = 100
#: Messages a minute and address that fail verification before they are only counted. Proved ones never are.
FORGERIES_A_MINUTE = 60
#: Return pages a minute and address: a hall full of payers shares one.
VISITS_A_MINUTE = 1_200
RETRY_AFTER_S = 5
#: How long it waits for whoever holds the database.
BUSY_S = 3
#: How long its transactions may stand still: of the same message sent to another host, that one waits for the
#: end of this one's, and every message behind it too.
STILL_S = 5
#: How long an answer of ``/readyz`` holds, so that nobody can have us write without end.
READY_FOR_S = 2

T = TypeVar("T")

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,43}", re.ASCII)
_JSON_TYPE = re.compile(r'application/json(\s*;\s*charset="?utf-8"?)?\s*', re.ASCII | re.IGNORECASE)
_WORDS = {
    200: "kept",
    401: "not verified",
    404: "not found",
    405: "method not allowed",
    413: "too large",
    415: "send application/json, in UTF-8, not encoded",
    429: "too many",
    431: "too many headers",
    503: "not kept, send it again",
}


def main() -> None:
    """Serve until told to stop; what was accepted by then is answered first."""
    try:
        app = bootstrap.ready(partial(bootstrap.build, busy_timeout_s=BUSY_S, still_s=STILL_S))
    except (PaymentsError, DatabaseUnfit) as error:
        sys.exit(str(error))
    scribe = Scribe(app.sessions.engine, busy_timeout_s=BUSY_S, still_s=STILL_S)
    starlette = create_app(app, scribe)
    gc.freeze()  # what was made by now stays: the collector, going over it, would take a fifth of a message
    uvicorn.run(
        starlette,
        host=app.settings.bind_address,
        port=app.settings.webhook_port,
        **server_options(),
    )


def server_options() -> dict[str, Any]:
    """How uvicorn runs the door, wherever it listens."""
    return {
        "http": HurriedHttp,
        "ws": "none",
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # PROXY_HOPS says whom to believe
        "timeout_graceful_shutdown": 10,
    }


def create_app(app: App, scribe: Scribe | None = None) -> Starlette:
    """The door of one desk. Its threads, and the scribe, start and stop with the server that runs it."""
    door = Door(app, scribe)
    routes = [
        Route("/webhooks/{gateway}", _failed, methods=["POST"]),
        Route("/healthz", door.healthz),
        Route("/readyz", door.readyz),
        Route("/metrics", door.metrics),
        Mount(ROOT, app=door.api.starlette()),
        *(Route(f"{path}/{{token}}", door.return_page) for path in door.pages),
        Route(f"{door.public}/{{token}}/pay", door.pay_page, methods=["GET"]),
        Route(f"{door.public}/{{token}}/stop", door.stop_page, methods=["GET", "POST"]),
    ]
    handlers = {
        HTTPException: door.refused,
        NotKept: door.not_kept,
        ClientDisconnect: door.gone,
        Exception: door.not_kept,  # a fault of ours: its traceback is logged, and the sender tries again
    }
    starlette = HookFirst(door, routes=routes, exception_handlers=handlers, lifespan=door.lifespan)
    starlette.router.redirect_slashes = False  # a gateway does not follow redirects
    return starlette


class HookFirst(Starlette):
    """Starlette, but messages do not pass its layers: these would cost as much as all the rest of one.

    What fails does pass them, so that every refusal and fault is answered, counted and logged in one place.
    """

    def __init__(self, door: "Door", **others: Any) -> None:
        super().__init__(**others)
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp = super().__call__
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].startswith(HOOKS):
            try:
                answer = await self._door.webhook(scope, receive)
            except Exception as error:  # noqa: BLE001 raised again by ``_failed``, inside the layers
                scope["failed"] = error
        await answer(scope, receive, send)


async def _failed(request: Request) -> Response:
    raise request.scope["failed"]


class Door:
    """What the endpoints share: the writer, the bells, and who has knocked too often."""

    def __init__(self, app: App, scribe: Scribe | None) -> None:
        settings = app.settings
        self._app = app
        self._scribe = scribe
        self._intake = Intake(app.sessions, scribe)
        self._bells = Bells(app.sessions, app.gateways, app.now, self._intake)
        self._stand_in = StandIn(
            app.sessions, app.now, sender=settings.mail_from, quiet=settings.alert_quiet_hours,
            transport=lambda: outbox.transport_of(settings.mail_url) if settings.mail_url else None,
            chat=lambda: chat_of(settings.alert_urls),
        )  # fmt: skip
        self.api = Api(app, self._intake, self._address)
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="reader")
        self._quota = Quota()
        self._forgers = Throttle(FORGERIES_A_MINUTE)
        self._visitors = Throttle(VISITS_A_MINUTE)
        self._refusals: Counter[int] = Counter()
        self._readiness: tuple[float, Readiness] | None = None
        self._readiness_asked = asyncio.Lock()
        # The gateway signs the path it was told, whatever a proxy makes of it.
        self._signed_path = urlsplit(settings.webhook_url).path
        self.public = urlsplit(settings.return_url).path
        self.pages = {
            "/return": "return",
            urlsplit(settings.cancel_url).path: "cancel",
            urlsplit(settings.failure_url).path: "failure",
            urlsplit(settings.return_url).path: "return",
        }

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._intake.start()
        self._bells.start()
        self._stand_in.start()
        if self._scribe:
            await self._scribe.start()
        yield
        if self._scribe:
            await self._scribe.close()
        await asyncio.to_thread(self._intake.close)
        await asyncio.to_thread(self._bells.close)
        await asyncio.to_thread(self._stand_in.close)
        self._readers.shutdown(wait=False, cancel_futures=True)
        self.api.close()

    # -- the hook ------------------------------------------------------------------------------------

    async def webhook(self, scope: Scope, receive: Receive) -> Response:
        """Size and type, then the signature, then kept and committed, then 200. Acting on it comes after."""
        gateway = self._app.gateways.get(scope["path"].removeprefix(HOOKS))
        if gateway is None:
            raise HTTPException(404)
        headers = _checked_headers(scope)
        message = Message(
            gateway=gateway.name,
            path=self._signed_path,
            headers=headers,
            body=await _body(receive),
            received_at=self._app.now(),
        )
        try:
            event = gateway.read_event(message.path, message.headers, message.body)
        except NotFromGateway as error:
            address = self._address(Request(scope))
            return await self._doubtful(gateway, replace(message, address=address), str(error))
        except InvalidInput:  # signed, and yet unreadable: kept for a person
            await self._intake.accept(message, None)
            return _KEPT
        link, digest = event.gateway_reference, message.digest
        if (stands_for := self._quota.full(link, digest, message.received_at)) is not None:
            await self._further(stands_for, message.received_at)
        inbox_id = await self._intake.accept(message, event)
        self._quota.keep(link, digest, inbox_id)
        self._bells.ring(inbox_id)
        return _KEPT

    async def _further(self, stands_for: int, now: datetime) -> NoReturn:
        """Counted on the last one that was kept, and not acknowledged; it still makes us ask the gateway."""
        await self._intake.write(lambda session: inbox.count_further(session, stands_for, now=now))
        self._bells.ring(stands_for)
        raise HTTPException(429)

    async def _doubtful(self, gateway: Gateway, message: Message, reason: str) -> Response:
        if not self._forgers.allows(message.address, message.received_at):
            raise HTTPException(429)
        claimed = gateway.claimed_link(message.body)
        await self._intake.accept_unverified(message, reason, claimed)
        return _answer(self._app.settings.bad_signature_status, "not verified")

    # -- the payer's pages ---------------------------------------------------------------------------

    async def return_page(self, request: Request) -> Response:
        """What is known of a payment. Coming here proves nothing; it makes us ask the gateway soon."""
        token, now, view = await self._visit(request)
        if view.stale:
            page = self.pages[request.url.path.rpartition("/")[0]]
            with suppress(NotKept):  # the page is shown all the same, and the poll asks anyway
                await self._intake.write(lambda session: links.returned(session, token, page, now=now))
        demo = self._app.settings.demo
        says = sentence(*PAYER_READS[view.status], view.language)
        back = (view.back, payer_pages.WORDS[view.language][Word.BACK]) if view.back else None
        return show(says, language=view.language, view=view, demo=demo, looks=_looks(request), onward=back)

    async def pay_page(self, request: Request) -> Response:
        """Where a reminder leads to: on to the gateway's newest page, unless nothing is owed any more."""
        token, _, view = await self._visit(request)
        url = await self._read(partial(self._page_of, token))
        demo, language = self._app.settings.demo, view.language
        if url is None:
            says = sentence(*PAYER_READS[view.status], language)
            return show(says, language=language, view=view, demo=demo)
        word = payer_pages.WORDS[language][Word.PAY_NOW].format(amount=view.amount)
        says = sentence("wait", Page.PAY, language)
        return show(says, language=language, view=view, demo=demo, again=False, onward=(url, word))

    async def stop_page(self, request: Request) -> Response:
        """No more reminders for this payer: asked on a page, or by a mail program's own button (RFC 8058)."""
        token, now, view = await self._visit(request)
        language = view.language
        if request.method == "GET":  # mail programs look at links too: looking stops nothing
            return show(sentence("wait", Page.STOP, language), language=language, again=False, stop=True)
        await self._intake.write(lambda session: reminders.opt_out_by_token(session, token, now=now))
        return show(sentence("good", Page.STOPPED, language), language=language, again=False)

    async def _visit(self, request: Request) -> tuple[str, datetime, links.PayerView]:
        """A payer's token, the moment, and what they may see. Raises HTTPException."""
        token, now = request.path_params["token"], self._app.now()
        if not self._visitors.allows(self._address(request), now):
            raise HTTPException(429)
        if not _TOKEN.fullmatch(token):
            raise HTTPException(404)
        try:
            return token, now, await self._read(partial(self._for_payer, token, now))
        except NotFound:
            raise HTTPException(404) from None

    def _for_payer(self, token: str, now: datetime) -> links.PayerView:
        with self._app.sessions.read() as session:
            return links.for_payer(session, token, now=now)

    def _page_of(self, token: str) -> str | None:
        with self._app.sessions.read() as session:
            return links.page_of(session, token)

    # -- is it well ----------------------------------------------------------------------------------

    async def healthz(self, request: Request) -> Response:
        """Is this process at work? What else it knows is told on this machine only."""
        well = self._intake.alive
        told: dict[str, Any] = {"status": "ok" if well else "down"}
        if _is_local(request):
            told["refused"] = {str(status): count for status, count in sorted(self._refusals.items())}
            told["waiting"] = {"messages": self._intake.waiting, "bells": self._bells.waiting}
            told["scribe"] = self._scribe.pid if self._scribe else None
        return JSONResponse(told, 200 if well else 503, GUARDS)

    async def readyz(self, request: Request) -> Response:
        """Can messages be kept, and does somebody act on them?"""
        found = await self._ready()
        told: dict[str, Any] = {"status": "ready" if found.ready else "not ready"}
        if _is_local(request):
            told |= {"faults": found.faults, "oldest_event_s": found.oldest_event_s}
        return JSONResponse(told, 200 if found.ready else 503, GUARDS)

    async def _ready(self) -> Readiness:
        async with self._readiness_asked:
            clock = asyncio.get_running_loop().time
            if self._readiness is None or clock() - self._readiness[0] > READY_FOR_S:
                found = await self._read(partial(health.readiness, self._app.sessions, now=self._app.now()))
                self._readiness = clock(), found
            return self._readiness[1]

    async def metrics(self, request: Request) -> Response:
        """For Prometheus on this machine, or with our token. To anybody else this page does not exist."""
        if not (_is_local(request) or self._may_measure(request)):
            raise HTTPException(404)
        return Response(await self._read(self._measure), 200, {**GUARDS, "Content-Type": CONTENT_TYPE})

    def _may_measure(self, request: Request) -> bool:
        ours, given = self._app.settings.metrics_token, request.headers.get("authorization", "")
        return bool(ours) and secrets.compare_digest(given.encode(), f"Bearer {ours}".encode())

    def _measure(self) -> bytes:
        with self._app.sessions.read() as session:
            return metrics(session, self._refusals, now=self._app.now())

    # -- what went otherwise -------------------------------------------------------------------------

    async def refused(self, request: Request, error: Exception) -> Response:
        """A status of 4xx. It is counted; nothing is kept."""
        assert isinstance(error, HTTPException)
        self._refusals[error.status_code] += 1
        # The rest of a refused body is not read, and so the connection cannot serve another request.
        headers = {"Connection": "close", **(error.headers or {})}
        if error.status_code == 429:
            headers["Retry-After"] = "60"
        return self._tell(request, error.status_code, headers)

    async def not_kept(self, request: Request, _: Exception) -> Response:
        return self._tell(request, 503, {"Retry-After": str(RETRY_AFTER_S), "Connection": "close"})

    async def gone(self, _request: Request, _error: Exception) -> Response:
        """The sender hung up, or was too slow: nobody reads this."""
        return _answer(400, "incomplete")

    def _tell(self, request: Request, status: int, headers: Mapping[str, str]) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return show(PLAIN_PAGES.get(status, PLAIN_PAGES[404]), status=status, headers=headers)
        return _answer(status, headers=headers)

    # -- small things --------------------------------------------------------------------------------

    def _address(self, request: Request) -> str:
        peer = request.client.host if request.client else ""
        return bootstrap.caller(self._app.settings, peer, request.headers.getlist("x-forwarded-for"))

    async def _read(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)


# -- reading a request --------------------------------------------------------------------------------


def _checked_headers(scope: Scope) -> dict[str, str]:
    """By lower-case name. Refuses by the head alone what is no message.

    One that came twice is joined by a comma, and so never verifies. Raises HTTPException before a byte of
    body is read.
    """
    if len(scope["headers"]) > MOST_HEADERS:
        raise HTTPException(431)
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        found[name] = f"{found[name]},{value}" if name in found else value
    if not _JSON_TYPE.fullmatch(found.get("content-type", "")) or "content-encoding" in found:
        raise HTTPException(415)
    if int(found.get("content-length", "0")) > LARGEST_BODY:  # the parser let only one number through
        raise HTTPException(413)
    return found


async def _body(receive: Receive) -> bytes:
    """Raises ClientDisconnect when the sender hangs up first."""
    body, more = bytearray(), True
    while more:
        part = await receive()
        if part["type"] == "http.disconnect":
            raise ClientDisconnect
        body += part.get("body", b"")
        if len(body) > LARGEST_BODY:
            raise HTTPException(413)
        more = part.get("more_body", False)
    return bytes(body)


def _looks(request: Request) -> int:
    """How often this page has looked again by itself."""
    told = request.query_params.get("look", "")
    return int(told) if re.fullmatch(r"[0-9]{1,4}", told, re.ASCII) else 0


def _is_local(request: Request) -> bool:
    """From this machine, and not through a proxy on it."""
    if request.client is None or "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    return ip_address(request.client.host).is_loopback


# -- answering ----------------------------------------------------------------------------------------


def _answer(status: int, word: str = "", headers: Mapping[str, str] = MappingProxyType({})) -> Response:
    if status in (204, 304):  # these have no body
        return Response(None, status, {**GUARDS, **headers})
    return JSONResponse({"status": word or _WORDS.get(status, "refused")}, status, {**GUARDS, **headers})


#: Made once: it is what nearly every message is answered.
_KEPT = _answer(200)


if __name__ == "__main__":
    main()
