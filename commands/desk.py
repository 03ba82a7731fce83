"""Commands about the desk itself: its database, worker, messages, state and health."""

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy import func, select
from sqlalchemy.orm import Session

import bootstrap
from bootstrap import App
from commands import AsJson, answer, command_line, console, open_desk, utc
from db import migrate as migrations
from db.models import InboxEvent, OutboxMail, UnverifiedEvent
from payments import audit, outbox, sync
from payments import worker as workers
from payments.errors import GatewayError, PaymentsError
from payments.lifecycle import Effect

PROJECT = Path(__file__).parent.parent
#: A reference no payment has: asking for it shows that the gateway knows our keys.
_NOBODYS = "PAYDESK_CHECK"


def install() -> None:
    """Install what Paydesk runs on into .venv: `make install`."""
    raise typer.Exit(subprocess.run(["make", "install"], cwd=PROJECT).returncode)


def migrate(as_json: AsJson = False) -> None:
    """Bring the database to this release's tables."""
    app = bootstrap.app()
    waiting = migrations.pending(app.sessions.engine)
    migrations.migrate(app.sessions.engine)
    bootstrap.claim_mode(app.sessions, app.settings.mode)
    done = f"Applied {', '.join(waiting)}." if waiting else "Nothing to do: the database is up to date."
    answer({"applied": waiting}, as_json, lambda: console.print(done))


def worker() -> None:
    """Finish events, poll the gateway, send mail; until it is told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s level=%(levelname)s %(name)s %(message)s")
    app = open_desk()
    settings = app.settings
    transport = outbox.transport_of(settings.mail_url) if settings.mail_url else None
    work = workers.Worker(app.sessions, app.gateways, transport, settings.mail_from)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.is_set():
        work.round(now=app.now())
        stop.wait(1)


def sync_(
    days: Annotated[int, typer.Option(help="Read so many days of the gateway's history as well.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Ask the gateway about everything that is due, once, and read its history."""
    app = open_desk()
    with app.sessions.begin() as session:
        audit.record(session, command_line(), "command_sync", "gateway", now=app.now(), days=days)
    events, asked, effects, errors = 0, 0, list[Effect](), list[str]()
    while not (done := sync.step(app.sessions, app.gateways, now=app.now())).idle:
        events, asked = events + done.events, asked + done.asked
        effects += done.effects
        errors += done.errors
        time.sleep(1)  # the gateway is asked five times a second at most
    if days:
        effects += sync.ask_history(app.sessions, app.gateways, now=app.now(), days=days)
    if errors:
        raise GatewayError(f"The gateway did not answer {len(errors)} times. The last time: {errors[-1]}")
    counts = {str(effect): effects.count(effect) for effect in Effect}
    sentence = f"{events} messages and {asked} links; {counts['paid']} payments turned paid."
    answer({"events": events, "asked": asked, "effects": counts}, as_json, lambda: console.print(sentence))


# -- messages ---------------------------------------------------------------------------------------


def inbox(
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
    unhandled: Annotated[bool, typer.Option("--unhandled", help="Only those that wait.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the newest messages of the gateway, and those nobody proved to be its own."""
    app = open_desk()
    with app.sessions.read() as session:
        proved = select(InboxEvent).order_by(InboxEvent.id.desc()).limit(limit)
        if unhandled:
            proved = proved.where(InboxEvent.handled_at.is_(None))
        events = [_event_told(event) for event in session.scalars(proved)]
        claims = select(UnverifiedEvent).order_by(UnverifiedEvent.id.desc()).limit(0 if unhandled else limit)
        unverified = [_unverified_told(event) for event in session.scalars(claims)]
        waiting = sync.queues(session, now=app.now())["events_unhandled"]
    told = {"unhandled": waiting, "events": events, "unverified": unverified}
    answer(told, as_json, lambda: _show_inbox(told))


def _event_told(event: InboxEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "received_at": utc(event.received_at),
        "gateway": event.gateway,
        "gateway_reference": event.gateway_reference,
        "reference": event.reference,
        "word": event.word,
        "code": event.code,
        "effect": event.effect,
        "seen_count": event.seen_count,
        "attempts": event.attempts,
        "handled_at": utc(event.handled_at),
        "last_error": event.last_error,
    }


def _unverified_told(event: UnverifiedEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "received_at": utc(event.received_at),
        "gateway": event.gateway,
        "gateway_reference": event.gateway_reference,
        "reason": event.reason,
        "seen_count": event.seen_count,
    }


def _show_inbox(told: dict[str, Any]) -> None:
    table = Table("Received (UTC)", "Link", "Word", "Effect", "Seen", "Handled", box=None, pad_edge=False)
    for event in told["events"]:
        table.add_row(
            event["received_at"],
            event["gateway_reference"] or "unreadable",
            event["word"] or "",
            event["effect"] or "",
            str(event["seen_count"]),
            event["handled_at"] or event["last_error"] or "waits",
        )
    for event in told["unverified"]:
        link = event["gateway_reference"] or "?"
        table.add_row(event["received_at"], link, "not proved", event["reason"], str(event["seen_count"]), "")
    console.print(table)
    console.print(f"{told['unhandled']} messages wait.")


# -- state and health -------------------------------------------------------------------------------


def status(as_json: AsJson = False) -> None:
    """Tell the mode, the addresses, the last event, and how much waits."""
    app = open_desk()
    with app.sessions.read() as session:
        told = _status_told(app, session)
    answer(told, as_json, lambda: _show_status(told))


def _status_told(app: App, session: Session) -> dict[str, Any]:
    settings, now = app.settings, app.now()
    pulse = workers.pulse(session)
    addresses = {
        "dashboard": settings.dashboard_url,
        "webhook": settings.webhook_url,
        "return": settings.return_url,
        "gateway": settings.base_url,
    }
    mails = select(OutboxMail.state, func.count()).group_by(OutboxMail.state)
    mail = dict(session.execute(mails).tuples().all())
    return {
        "mode": settings.mode,
        "database": app.sessions.engine.dialect.name,
        "addresses": addresses,
        "last_event": utc(session.scalar(select(func.max(InboxEvent.last_seen_at)))),
        "worker": {
            "seen": utc(pulse.seen_at),
            "alive": pulse.alive(now=now),
            "trouble": pulse.trouble,
        },
        "queues": sync.queues(session, now=now)
        | {"mail_queued": mail.get("queued", 0), "mail_failed": mail.get("failed", 0)},
    }


def _show_status(told: dict[str, Any]) -> None:
    worker = told["worker"]
    alive = "runs" if worker["alive"] else f"does not run (last seen: {worker['seen'] or 'never'})"
    console.print(f"A {told['mode']} desk on {told['database']}. The worker {alive}.")
    if worker["trouble"]:
        console.print(f"It says: {worker['trouble']}", markup=False)
    for name, address in told["addresses"].items():
        console.print(f"  {name:<10} {address}")
    console.print(f"The last message of the gateway came {told['last_event'] or 'never'}.")
    for name, count in told["queues"].items():
        console.print(f"  {name.replace('_', ' '):<18} {count}")


def check(as_json: AsJson = False) -> None:
    """Look whether this desk is fit: settings, database, gateway, worker. Exit 1 when it is not."""
    checks = [
        {"check": name, "ok": not fault, "says": fault or good}
        for name, good, fault in _checks(bootstrap.app())
    ]
    fit = all(one["ok"] for one in checks)
    answer({"fit": fit, "checks": checks}, as_json, lambda: _show_checks(checks))
    if not fit:
        raise typer.Exit(1)


def _checks(app: App) -> Iterator[tuple[str, str, str]]:
    """Each check with what it says when all is well, and the fault that was found."""
    yield "settings", f"They are whole, for {app.settings.mode} mode.", ""
    waiting = migrations.pending(app.sessions.engine)
    if waiting:
        yield "database", "", f"{len(waiting)} migrations wait. Run `python manage.py migrate`."
        return
    yield "database", "It is up to date and keeps what it is told.", _fault(open_desk)
    asked = _fault(lambda: app.gateways["ikhokha"].status_by_reference(_NOBODYS))
    yield "gateway", "It answers, and knows our keys.", asked
    with app.sessions.read() as session:
        pulse = workers.pulse(session)
    dead = "" if pulse.alive(now=app.now()) else "It does not run. Start `python manage.py worker`."
    yield "worker", "It runs.", dead or pulse.trouble
    mail = "" if app.settings.mail_url else "MAIL_URL is empty: confirmations wait, unsent."
    yield "mail", "It has somewhere to go.", mail


def _fault(ask: Any) -> str:
    try:
        ask()
    except PaymentsError as error:
        return str(error)
    return ""


def _show_checks(checks: list[dict[str, Any]]) -> None:
    for one in checks:
        console.print(f"{'✓' if one['ok'] else '✗'} {one['check']}: {one['says']}", markup=False)
