"""The people's door: the dashboard behind the gate, and the plain pages it cannot be."""

import gc
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime
from functools import cache, wraps
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio
import anyio.to_thread
import streamlit
import streamlit.config
import uvicorn
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from streamlit.runtime.pages_manager import PagesManager

import bootstrap
import shared_pages
import signin_pages
from ahead import Ahead
from db.session import DatabaseUnfit
from gate import Gate, allowed_hosts, who
from nowhere import Nowhere
from payments import dates
from payments.access.people import Person
from payments.at_the_door import claims
from payments.at_the_door.claims import ProofFile
from payments.books import audit_book
from payments.books.audit_book import Wanted
from payments.errors import CannotOpen, Conflict, NotAllowed, NotFound, PaymentsError, ProveAgain
from payments.exports import layout as layouts
from payments.exports import records
from payments.exports.delivery import Delivery
from payments.exports.layout import MEDIA_TYPES
from payments.exports.run import BrokenOff, Children
from payments.finding import filters
from payments.lump_sums import fees
from payments.money_back import evidence, refund_runs
from payments.papers import handing, pdf
from payments.payers import account_pdf, payer_account, receipt_pdf, receipts
from payments.personal_data import breach, subject_export
from payments.reports import papers
from payments.sheets import back
from payments.sheets.back import File
from payments.sign_off import closing_papers
from pulse import pulse
from signin_pages import by_house, by_passkey
from words.files import EXAMPLES

HERE = Path(__file__).parent


# -- files ------------------------------------------------------------------------------------------

#: Files written at a time; who comes then waits a little.
_AT_ONCE = anyio.Semaphore(6)
_WAIT_S = 20
#: Threads of their own: each waits for a child most of the time.
_FILES = anyio.CapacityLimiter(24)


@cache
def _children() -> Children:
    return Children(bootstrap.app().sessions.engine.dialect.name)


async def export(request: Request) -> Response:
    """Exactly what is filtered, as a file, streamed: asked for and fetched in one."""
    query = request.query_params.multi_items()

    def ask(person: Person) -> str:
        layout, rest = layouts.take_from(query)
        wanted, app = filters.from_query(rest), bootstrap.app()
        with app.sessions.begin() as session:
            asked = records.ask(session, person, wanted, layout, demo=app.settings.demo, now=app.now())
        return asked.reference

    return await _delivered(request, ask)


async def fetch(request: Request) -> Response:
    """A file that was asked for on a page: nothing of its filter stands in the address."""
    reference = request.path_params["reference"]
    return await _delivered(request, lambda _person: reference)


async def _delivered(request: Request, ask: Callable[[Person], str]) -> Response:
    """A stream that breaks ends without its last chunk, so that no browser takes it for whole."""
    here = await who(request, active=True)
    if here is None:  # the session ended between the gate and here
        return RedirectResponse("/signin", 303)
    if request.method == "HEAD":  # would fetch what can be fetched once
        return Response(status_code=405, headers={"Allow": "GET"})
    app, person = bootstrap.app(), here.person

    def begin() -> Delivery:
        return Delivery(app.sessions, _children(), person, ask(person), app.now)

    try:
        with anyio.fail_after(_WAIT_S):
            await _AT_ONCE.acquire()
    except TimeoutError:
        return PlainTextResponse("Too many files are being written now. Try again in a minute.", 503)
    try:
        delivery = await anyio.to_thread.run_sync(begin, limiter=_FILES)
    except BaseException as error:
        _AT_ONCE.release()
        if not isinstance(error, PaymentsError):
            raise
        return PlainTextResponse(str(error), _STATUS.get(type(error), 400))
    return _Download(delivery)


async def sheet_back(request: Request) -> Response:
    """A sheet of people with the links that were made for it."""
    return await _taken(request, back.take, request.path_params["sheet_id"], request.path_params["format"])


Endpoint = Callable[[Request], Awaitable[Response]]


def _written_down(endpoint: Endpoint) -> Endpoint:
    """That somebody took what it gives stands in the record. HEAD would put it there for nobody, and make an
    original a copy."""

    @wraps(endpoint)
    async def only_taken(request: Request) -> Response:
        if request.method == "HEAD":
            return Response(status_code=405, headers={"Allow": "GET"})
        return await endpoint(request)

    return only_taken


_NONE: Mapping[str, str] = MappingProxyType({})
#: What keeps a stranger's file from being anything but saved.
_STRANGERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


async def _taken(
    request: Request, take: Callable[..., File | ProofFile], *which: Any, headers: Mapping[str, str] = _NONE
) -> Response:
    """A file that ``take`` makes in one transaction for whoever is here."""

    def make(person: Person) -> File | ProofFile:
        app = bootstrap.app()
        with app.sessions.begin() as session:
            return take(session, person, *which, now=app.now())

    return await _small_file(request, make, headers)


async def _small_file(
    request: Request,
    make: Callable[[Person], File | ProofFile],
    headers: Mapping[str, str] = _NONE,
) -> Response:
    """A file that is made in memory, for whoever is here; what refuses it is a sentence."""
    here = await who(request, active=True)
    if here is None:  # the session ended between the gate and here
        return RedirectResponse("/signin", 303)
    try:
        file = await anyio.to_thread.run_sync(make, here.person, limiter=_FILES)
    except PaymentsError as error:
        return PlainTextResponse(str(error), _STATUS.get(type(error), 400))
    saved = {"Content-Disposition": f'attachment; filename="{file.name}"', "Cache-Control": "no-store"}
    return Response(file.data, headers={**headers, **saved}, media_type=file.media_type)


_STATUS = {NotAllowed: 403, ProveAgain: 403, NotFound: 404, Conflict: 409, BrokenOff: 500, CannotOpen: 500}


@_written_down
async def refund_file(request: Request) -> Response:
    """A refund run for the bank, with whole account numbers; who took it is written down."""
    which = (request.path_params["run_id"], request.path_params["format"], bootstrap.app().keys)
    return await _taken(request, refund_runs.file, *which)


@_written_down
async def evidence_pack(request: Request) -> Response:
    """What the desk knows of a disputed payment, to be sent to the gateway; who took it is written down."""
    whole, demo = request.query_params.get("whole") == "yes", bootstrap.app().settings.demo
    return await _taken(request, evidence.take, request.path_params["dispute_id"], whole, demo)


@_written_down
async def subject_file(request: Request) -> Response:
    """All that is held on a payer, for their own request to see it; who took it is written down."""
    return await _taken(request, subject_export.take, request.path_params["request_id"], bootstrap.app().keys)


@_written_down
async def proof(request: Request) -> Response:
    """A proof of payment, to be saved: a stranger's file is never shown within the desk's own pages."""
    asked = request.path_params["proof_id"]
    proof_id = int(asked) if re.fullmatch("[0-9]{1,18}", asked, re.ASCII) else 0
    return await _taken(request, claims.open_proof, proof_id, bootstrap.app().keys, headers=_STRANGERS)


def _pdf(about: str, hand_out: Callable[..., Any], render: Callable[[Any], bytes]) -> Endpoint:
    """A paper as a PDF, for whoever may have it; that somebody took it is written down first."""

    async def give(request: Request) -> Response:
        def make(person: Person) -> File:
            app = bootstrap.app()
            with app.sessions.begin() as session:
                told = hand_out(session, person, request.path_params[about], now=app.now())
            return File(told.file_name, "application/pdf", render(told))

        return await _small_file(request, make)

    return _written_down(give)


@_written_down
async def paper(request: Request) -> Response:
    """A reconciliation statement or a journal; that it was made, and its hash, is written down first."""
    asked = request.path_params
    if asked["kind"] not in (closing_papers.STATEMENT, closing_papers.JOURNAL):
        return PlainTextResponse("There is no such paper.", 404)

    def make(person: Person) -> File:
        first, last = _day(asked["first"]), _day(asked["last"])
        app, number = bootstrap.app(), asked["account_id"]
        more: dict[str, Any] = {"demo": app.settings.demo, "now": app.now()}
        with app.sessions.begin() as session:
            if asked["kind"] == closing_papers.JOURNAL:
                return closing_papers.make_journal(session, person, number, (first, last), **more)
            return closing_papers.make_statement(session, person, number, last, **more)

    return await _small_file(request, make)


def _day(told: str) -> date:
    """A day of an address. Raises NotFound."""
    if (day := dates.day_in(told)) is None:
        raise NotFound("There is no such day.")
    return day


async def claim_letter(request: Request) -> Response:
    """The draft to the gateway about fees above the tariff, of the days in the address."""

    def make(person: Person) -> File:
        first, last = (_day(request.path_params[name]) for name in ("first", "last"))
        with bootstrap.app().sessions.read() as session:
            letter = fees.claim_letter(fees.told(session, person, first, last), first=first, last=last)
        if not letter:
            raise NotFound("On these days nothing was charged above the tariff: there is nothing to claim.")
        return File(f"claim-{last}.txt", "text/plain; charset=utf-8", letter.encode())

    return await _small_file(request, make)


async def example(request: Request) -> Response:
    """A file to fill in and bring back."""
    name = request.path_params["name"]
    if name not in EXAMPLES:
        return PlainTextResponse("There is no such example.", 404)
    return await _small_file(request, lambda _: File(name, "text/csv", EXAMPLES[name].encode()))


@_written_down
async def report(request: Request) -> Response:
    """A report as a file; that somebody took it, and its hashes, is written down first."""
    app, asked = bootstrap.app(), {**request.query_params, **request.path_params}
    demo, now = app.settings.demo, app.now()
    return await _small_file(
        request, lambda person: papers.hand_out(app.sessions, person, asked, demo=demo, now=now)
    )


@_written_down
async def audit_file(request: Request) -> Response:
    """Entries of the audit as a CSV file; that somebody took them is written down first."""
    asked = request.query_params
    who_, action, subject = (asked.get(name, "")[:200] for name in ("who", "action", "subject"))

    def take(session: Any, person: Person, *, now: datetime) -> File:
        first, last = (_day(asked[name]) if name in asked else None for name in ("first", "last"))
        return audit_book.take(session, person, Wanted(who_, action, subject, first, last), now=now)

    return await _taken(request, take)


@_written_down
async def access_file(request: Request) -> Response:
    """Who saw whose data on some days, as a CSV file; that somebody took it is written down."""
    asked = request.query_params

    def take(session: Any, person: Person, *, now: datetime) -> File:
        first, last = (_day(asked.get(name, "")) for name in ("first", "last"))
        span = dates.day_span(first, max(first, last))
        window = breach.Window(
            span.start, span.end, asked.get("account", "")[:200], asked.get("host", "")[:64]
        )
        return breach.take(session, person, window, now=now)

    return await _taken(request, take)


class _Download(StreamingResponse):
    """Its end is always told, also when nobody read a byte of it. Compressing is left to the proxy: here it
    would take several times as long as the file itself."""

    def __init__(self, delivery: Delivery) -> None:
        asked = delivery.asked
        headers = {
            "Content-Disposition": f'attachment; filename="{asked.file_name}"',
            "Content-Encoding": "identity",
            "Cache-Control": "no-store",
            "X-Export": asked.reference,
        }
        if delivery.rows is not None:
            headers["X-Row-Count"] = str(delivery.rows)
        super().__init__(self._pieces(), headers=headers, media_type=MEDIA_TYPES[asked.layout.format])
        self._delivery = delivery

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._delivery.end, limiter=_FILES)
            _AT_ONCE.release()
            await anyio.to_thread.run_sync(_children().warm, limiter=_FILES)

    async def _pieces(self) -> AsyncIterator[bytes]:
        """Read in threads."""
        pieces = self._delivery.pieces()
        while (piece := await anyio.to_thread.run_sync(next, pieces, None, limiter=_FILES)) is not None:
            if piece:
                yield piece


# -- the app ----------------------------------------------------------------------------------------


async def first_page(request: Request) -> Response:
    """Live's own address is the desk's: Streamlit knows its first page by no other."""
    query = request.url.query
    return RedirectResponse(f"/?{query}" if query else "/", 307)


async def healthz(_request: Request) -> Response:
    return PlainTextResponse("ok")


@asynccontextmanager
async def _warm(_app: Any) -> AsyncIterator[None]:
    """Load what the first page needs before the first visitor waits for it, and listen for changes."""
    changes = bootstrap.app().changes
    changes.start()
    await anyio.to_thread.run_sync(_load_the_heavy)
    await anyio.to_thread.run_sync(_children().warm)
    yield
    _children().close()
    await anyio.to_thread.run_sync(bootstrap.app().reports.close)
    await anyio.to_thread.run_sync(changes.close)


def _load_the_heavy() -> None:
    import altair  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow  # noqa: F401
    import webauthn  # noqa: F401

    _ = bootstrap.app().reports


ROUTES = [
    Route("/healthz", healthz),
    Route("/live", first_page, methods=["GET"]),
    *signin_pages.ROUTES,
    *by_house.ROUTES,
    *by_passkey.ROUTES,
    *shared_pages.ROUTES,
    Route("/export", export, methods=["GET"]),
    Route("/export/{reference}", fetch, methods=["GET"]),
    Route("/sheet/{sheet_id:int}.{format}", sheet_back, methods=["GET"]),
    Route("/refund-run/{run_id:int}.{format}", refund_file, methods=["GET"]),
    Route("/evidence/{dispute_id:int}.pdf", evidence_pack, methods=["GET"]),
    Route("/pulse", pulse, methods=["GET"]),
    Route("/subject/{request_id:int}.zip", subject_file, methods=["GET"]),
    Route("/proof/{proof_id}", proof, methods=["GET"]),
    Route("/receipt/{id:int}", _pdf("id", receipts.hand_out, receipt_pdf.render), methods=["GET"]),
    Route("/bill/{id:int}", _pdf("id", handing.hand_out, pdf.render), methods=["GET"]),
    Route("/account/{of}", _pdf("of", payer_account.hand_out, account_pdf.render), methods=["GET"]),
    Route("/report/{kind}.{format}", report, methods=["GET"]),
    Route("/claim-letter/{first}/{last}.txt", claim_letter, methods=["GET"]),
    Route("/example/{name}", example, methods=["GET"]),
    Route("/access.csv", access_file, methods=["GET"]),
    Route("/audit.csv", audit_file, methods=["GET"]),
    Route("/paper/{kind}/{account_id:int}/{first}/{last}", paper, methods=["GET"]),
]

# Until the first st.navigation of a process Streamlit takes pages/ for its older scheme: it would run a file
# of it without dashboard.py, and tell the first visitor's deep link that there is no such page.
PagesManager.uses_pages_directory = False
app = streamlit.App(
    HERE / "dashboard.py",
    routes=ROUTES,
    middleware=[
        Middleware(Gate),
        Middleware(Nowhere, routes=ROUTES),
        Middleware(Ahead),
    ],
    lifespan=_warm,
)


def main() -> None:
    """Serve until told to stop."""
    try:
        desk = bootstrap.ready()
    except (PaymentsError, DatabaseUnfit) as error:
        sys.exit(str(error))
    settings = desk.settings
    streamlit.config.set_option("server.allowedHosts", allowed_hosts(settings))
    streamlit.config.set_option("server.port", settings.dashboard_port)
    gc.freeze()  # what was made by now stays: the collector goes over what pages made, not over all of pandas
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
