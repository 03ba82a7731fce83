"""Commands about the desk itself: its database, worker, messages, state and health."""

import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

import bootstrap
from bootstrap import App
from commands import AsJson, answer, command_line, console, open_desk, utc
from db import migrate as migrations
from payments import dates
from payments.books import audit, integrity
from payments.errors import GatewayError, PaymentsError
from payments.hearing import sync
from payments.keeping import keyring, upgrading
from payments.lifecycle import Effect
from payments.watching import vitals
from payments.watching.vitals import MessageView, Vitals
from payments.watching.watch import NOBODYS
from payments.working import lease
from payments.working import worker as workers

PROJECT = Path(__file__).parent.parent


def install() -> None:
    """Install what Paydesk runs on into .venv: `make install`."""
    raise typer.Exit(subprocess.run(["make", "install"], cwd=PROJECT).returncode)


def migrate(as_json: AsJson = False) -> None:
    """Bring the database to this release's tables."""
    app = bootstrap.app()
    upgrade = upgrading.upgrade(app.sessions)
    bootstrap.claim_mode(app.sessions, app.settings.mode)
    done = [f"Applied {', '.join(upgrade.applied)}."] if upgrade.applied else []
    if upgrade.months:
        done.append(
            f"Added up {upgrade.months} totals of months again: an earlier release had not kept them."
        )
    told = " ".join(done) or "Nothing to do: the database is up to date."
    answer({"applied": upgrade.applied, "months": upgrade.months}, as_json, lambda: console.print(told))


def new_key(name: Annotated[str, typer.Argument(help="Its name: letters, digits, dashes.")]) -> None:
    """Draw a key for ENCRYPTION_KEYS. It is shown once, and kept nowhere."""
    key = keyring.new_key(name)
    keyring.read(key)
    typer.echo(key)


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


# -- messages and state -----------------------------------------------------------------------------


def inbox(
    limit: Annotated[int, typer.Option(min=1, max=500, help="Messages at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the newest messages of the gateway, and those nobody proved to be its own."""
    app = open_desk()
    with app.sessions.read() as session:
        messages = vitals.messages(session, command_line(), limit=limit)
        waiting = sync.queues(session, now=app.now())["events_unhandled"]
    told = [
        {
            "received_at": utc(message.received_at),
            "proved": message.proved,
            "gateway_reference": message.gateway_reference,
            "word": message.word,
            "effect": message.effect,
            "seen_count": message.seen_count,
            "handled": message.handled,
            "body": message.body,
        }
        for message in messages
    ]
    answer({"unhandled": waiting, "messages": told}, as_json, lambda: _show_inbox(messages, waiting))


def _show_inbox(messages: list[MessageView], waiting: int) -> None:
    table = Table("Received", "Link", "Word", "Effect", "Seen", box=None, pad_edge=False)
    for message in messages:
        link, word = message.gateway_reference or "unreadable", message.word or "not proved"
        seen = str(message.seen_count)
        table.add_row(dates.say_moment(message.received_at), link, word, message.effect, seen)
    console.print(table)
    console.print(f"{waiting} messages wait.")


def status(as_json: AsJson = False) -> None:
    """Tell the mode, the addresses, the last event, and how much waits."""
    app = open_desk()
    settings, now = app.settings, app.now()
    with app.sessions.read() as session:
        signs = vitals.vitals(session, command_line(), now=now)
        works = lease.holder(session, workers.LEASE)
    told = {
        "mode": settings.mode,
        "database": app.sessions.engine.dialect.name,
        "addresses": {
            "dashboard": settings.dashboard_url,
            "webhook": settings.webhook_url,
            "return": settings.return_url,
            "gateway": settings.base_url,
        },
        "last_event": utc(signs.last_event_at),
        "worker": {
            "seen": utc(signs.pulse.seen_at),
            "alive": signs.pulse.alive(now=now),
            "trouble": signs.pulse.trouble,
            "host": works.host,
        },
        "queues": dict(signs.waiting) | {"mail_queued": signs.mail_queued, "mail_failed": signs.mail_failed},
    }
    answer(told, as_json, lambda: _show_status(told, signs, now))


def _show_status(told: dict[str, Any], signs: Vitals, now: datetime) -> None:
    seen, last = (_ago(moment, now) for moment in (signs.pulse.seen_at, signs.last_event_at))
    runs = f"runs on {told['worker']['host']}"
    alive = runs if signs.pulse.alive(now=now) else f"does not run (last seen: {seen})"
    console.print(f"A {told['mode']} desk on {told['database']}. The worker {alive}.")
    if signs.pulse.trouble:
        console.print(f"It says: {signs.pulse.trouble}", markup=False)
    for name, address in told["addresses"].items():
        console.print(f"  {name:<18} {address}")
    console.print(f"The last message of the gateway came {last}.")
    for name, count in told["queues"].items():
        console.print(f"  {name.replace('_', ' '):<18} {count}")


def _ago(moment: datetime | None, now: datetime) -> str:
    return dates.say_moment(moment, now=now) if moment else "never"


# -- health -----------------------------------------------------------------------------------------


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
    asked = _fault(lambda: app.gateways["ikhokha"].status_by_reference(NOBODYS))
    yield "gateway", "It answers, and knows our keys.", asked
    with app.sessions.read() as session:
        pulse = workers.pulse(session)
    dead = "" if pulse.alive(now=app.now()) else "It does not run. Start `python manage.py worker`."
    yield "worker", "It runs.", dead or pulse.trouble
    yield "integrity", "The books add up.", _broken(app)
    mail = "" if app.settings.mail_url else "MAIL_URL is empty: confirmations wait, unsent."
    yield "mail", "It has somewhere to go.", mail


def _broken(app: App) -> str:
    """The rules that do not hold, with the rows that break them; examined now, and acted on."""
    report = integrity.run(app.sessions, now=app.now())
    told = (f"{finding.sentence} ({'; '.join(finding.rows)})" for finding in report.findings)
    return " ".join(told)


def _fault(ask: Any) -> str:
    try:
        ask()
    except PaymentsError as error:
        return str(error)
    return ""


def _show_checks(checks: list[dict[str, Any]]) -> None:
    for one in checks:
        console.print(f"{'✓' if one['ok'] else '✗'} {one['check']}: {one['says']}", markup=False)
