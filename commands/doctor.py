"""``manage.py doctor``: is this host as a desk needs it? Looks and asks, and changes nothing."""

import os
import re
import resource
import shutil
import socket
import ssl
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http.client import HTTPException, HTTPSConnection
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import typer
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

import bootstrap
import environment
from bootstrap import App
from commands import AsJson, answer, console
from db import migrate as migrations
from db.session import DatabaseUnfit
from payments.errors import PaymentsError, quoted
from payments.keeping import backups, resealing
from payments.watching.watch import (
    BACKUP_BAD,
    BACKUP_POOR,
    CLOCK_BAD,
    CLOCK_POOR,
    DISK_BAD,
    DISK_POOR,
    NOBODYS,
)
from payments.working import lease
from payments.working import worker as workers

PROJECT = Path(__file__).parent.parent
#: A certificate is renewed a month before it ends; two weeks before, somebody should look why not.
CERTIFICATE_POOR = timedelta(days=14)
#: Every open page, message and connection is an open file.
FILES = 4_096
_ASK_S = 5


class Colour(StrEnum):
    """Green: as it should be. Amber: the desk works, and somebody should see to it. Red: it does not, or
    not safely."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


@dataclass(frozen=True)
class Line:
    part: str
    colour: Colour
    says: str
    remedy: str = ""


def doctor(as_json: AsJson = False) -> None:
    """Look over this host: each part green, amber or red, with its remedy. Exit 1 when anything is red."""
    lines = list(examined())
    worst = max((list(Colour).index(line.colour) for line in lines), default=0)
    told = {
        "worst": list(Colour)[worst],
        "lines": [
            {"part": line.part, "colour": line.colour, "says": line.says, "remedy": line.remedy}
            for line in lines
        ],
    }
    answer(told, as_json, lambda: _show(lines))
    if list(Colour)[worst] is Colour.RED:
        raise typer.Exit(1)


def _show(lines: list[Line]) -> None:
    for line in lines:
        console.print(f"{line.colour.upper():<6} {line.part:<12} {line.says}", markup=False)
        if line.remedy:
            console.print(f"{'':<20}→ {line.remedy}", markup=False)


def examined() -> Iterator[Line]:
    """Every part, in the order in which one would mend them. Without settings there is no more to ask."""
    yield from _python()
    try:
        settings = environment.read_settings()
        app = bootstrap.build(settings)
    except (PaymentsError, DatabaseUnfit) as error:
        yield Line("settings", Colour.RED, str(error), "Every setting is described in .env.example.")
        return
    except SQLAlchemyError as error:
        yield Line("database", Colour.RED, _first(error), "Is it running, and is DATABASE_URL right?")
        return
    try:
        yield Line("settings", Colour.GREEN, f"They are whole, for {settings.mode} mode.")
        for check in CHECKS:
            yield from _safely(check, app)
    finally:
        app.sessions.engine.dispose()


def _safely(check: Callable[[App], Iterator[Line]], app: App) -> Iterator[Line]:
    """What cannot be asked is red; the others are still asked."""
    try:
        yield from check(app)
    except (PaymentsError, DatabaseUnfit, SQLAlchemyError, OSError) as error:
        yield Line(check.__name__.strip("_"), Colour.RED, _first(error))


def _first(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]


# -- the program --------------------------------------------------------------------------------------


def _python() -> Iterator[Line]:
    pinned = re.findall(
        r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)([^\\\n]*)", (PROJECT / "requirements.lock").read_text(), re.M
    )
    other = [name for name, version, when in pinned if not when.strip() and _installed(name) != version]
    said = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    if other:
        told = ", ".join(other[:5]) + (" …" if len(other) > 5 else "")
        yield Line("program", Colour.AMBER, f"{said}; not as locked: {told}.", "make install")
    else:
        yield Line("program", Colour.GREEN, f"{said}, with the packages of requirements.lock.")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit != resource.RLIM_INFINITY and limit < FILES:
        remedy = f"LimitNOFILE={FILES} in the units, or `ulimit -n`."
        yield Line("open files", Colour.AMBER, f"At most {limit} at once.", remedy)


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


# -- files --------------------------------------------------------------------------------------------


def _files(app: App) -> Iterator[Line]:
    """Secrets are for the desk's user alone."""
    folder = app.settings.data_dir
    if not folder.is_dir():
        remedy = "The first start makes it; or `install -d -m 0700 -o paydesk`."
        yield Line("files", Colour.AMBER, f"{folder} is not there yet.", remedy)
        return
    if not os.access(folder, os.W_OK):
        yield Line("files", Colour.RED, f"{folder} cannot be written.", f"chown -R paydesk {folder}")
    secret = (folder, *(folder / name for name in ("audit.keys", "demo.keys", "cookie_secret", "paydesk.db")))
    open_ = [path for path in secret if path.exists() and path.stat().st_mode & stat.S_IRWXO]
    settings = Path(".env")
    if settings.exists() and settings.stat().st_mode & stat.S_IRWXO:
        open_.append(settings.resolve())
    for path in open_:
        yield Line("files", Colour.RED, f"Everybody on this host can read {path}.", f"chmod o-rwx {path}")
    if not open_:
        yield Line("files", Colour.GREEN, "Keys, settings and data are for the desk's user alone.")


def _keys(app: App) -> Iterator[Line]:
    settings = app.settings
    draw = "`manage.py new-key NAME` draws one; keep a copy apart from the database."
    if settings.demo:
        yield Line("keys", Colour.GREEN, "A demo desk draws its own.")
        return
    if not settings.keys.current:
        yield Line("keys", Colour.AMBER, "Without ENCRYPTION_KEYS no proof of payment is taken.", draw)
    elif not settings.audit_keys.current and app.sessions.engine.dialect.name == "postgresql":
        said = "AUDIT_KEYS is drawn on this host: another host's would be another one."
        yield Line("keys", Colour.AMBER, said, "Set what DATA_DIR/audit.keys holds, on each host.")
    else:
        yield Line("keys", Colour.GREEN, f"There are {len(settings.keys.keys)} to encrypt with.")
        yield from _old_keys(app)


def _old_keys(app: App) -> Iterator[Line]:
    """Keys behind the newest: what still needs each, or that it can go."""
    settings = app.settings
    with app.sessions.read() as session:
        told = list(resealing.told(session, settings.keys, settings.backup_folder))
    for name, needs in told:
        if not needs:
            said = f"Nothing is sealed with {quoted(name)} any more."
            yield Line("keys", Colour.AMBER, said, "Take it out of ENCRYPTION_KEYS.")
        elif needs.endswith("backups") and "," not in needs:
            yield Line(
                "keys", Colour.GREEN, f"{quoted(name)} is only needed for {needs}: keep it until they went."
            )
        else:
            yield Line("keys", Colour.AMBER, f"{quoted(name)} still seals {needs}.", "manage.py reseal")


def _disk(app: App) -> Iterator[Line]:
    places = {app.settings.data_dir, app.settings.backup_folder or app.settings.data_dir}
    for folder in sorted(place for place in places if place.exists()):
        free = shutil.disk_usage(folder).free
        colour = Colour.RED if free < DISK_BAD else Colour.AMBER if free < DISK_POOR else Colour.GREEN
        remedy = "" if colour is Colour.GREEN else "Make room, or move the folder to a larger disk."
        yield Line("disk", colour, f"{free / 1024**3:.1f} GB are free at {folder}.", remedy)


# -- the database -------------------------------------------------------------------------------------


def _database(app: App) -> Iterator[Line]:
    waiting = migrations.pending(app.sessions.engine)
    name = app.sessions.engine.dialect.name
    if waiting:
        yield Line("database", Colour.RED, f"{len(waiting)} migrations wait.", "manage.py migrate")
        return
    if migrations.is_newer(app.sessions.engine):
        told = f"It answers, on {name}. A newer release has migrated it; this one works on it."
        yield Line("database", Colour.AMBER, told, "Upgrade again once what sent you back is mended.")
    else:
        yield Line("database", Colour.GREEN, f"It answers, on {name}, with this release's tables.")
    yield from _worker(app)
    yield from _backups(app)


def _worker(app: App) -> Iterator[Line]:
    with app.sessions.read() as session:
        pulse, works = workers.pulse(session), lease.holder(session, workers.LEASE)
    if not pulse.alive(now=app.now()):
        yield Line("worker", Colour.RED, "It does not run.", "systemctl start paydesk-worker")
    elif pulse.trouble:
        yield Line("worker", Colour.AMBER, pulse.trouble, "The page Health says more.")
    else:
        yield Line("worker", Colour.GREEN, f"It runs on {works.host}.")


def _backups(app: App) -> Iterator[Line]:
    settings = app.settings
    if settings.backup_folder is None:
        colour = Colour.GREEN if settings.demo else Colour.RED
        yield Line("backups", colour, "None are made.", "" if settings.demo else "Set BACKUP_FOLDER.")
        return
    postgres = app.sessions.engine.dialect.name == "postgresql"
    tools = str(settings.postgres_bin) if settings.postgres_bin else None
    if postgres and not shutil.which("pg_dump", path=tools):
        yield Line("backups", Colour.RED, "pg_dump is not here.", "apt-get install postgresql-client")
    with app.sessions.read() as session:
        state = backups.state(session)
    age = state.age(now=app.now())
    if state.fault or age is None or age > BACKUP_POOR:
        colour = Colour.RED if age is None or age > BACKUP_BAD else Colour.AMBER
        said = state.fault or ("None was made yet." if age is None else f"The last is {_hours(age)} old.")
        yield Line("backups", colour, said, "manage.py backup")
    else:
        yield Line("backups", Colour.GREEN, f"The last is {_hours(age)} old.")
    yield from _copies(app)


def _copies(app: App) -> Iterator[Line]:
    store = app.settings.backup_copy
    if store is None:
        if not app.settings.demo:
            said = "They stand on this host only, unless BACKUP_FOLDER is another's."
            yield Line("copies", Colour.AMBER, said, "Set BACKUP_COPY.")
        return
    yield Line("copies", Colour.GREEN, f"{backups.newest_in(store)} is in {store.where}.")


def _hours(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"


#: A database so many times what PostgreSQL keeps of it in memory is read anew again and again: a report over
#: a million payments took a quarter longer.
_TIMES = 8


def _memory(app: App) -> Iterator[Line]:
    if app.sessions.engine.dialect.name != "postgresql":
        return
    asked = "SELECT pg_database_size(current_database()), pg_size_bytes(current_setting('shared_buffers'))"
    with app.sessions.read() as session:
        size, kept = session.execute(text(asked)).one()
    yield _told_memory(size, kept)


def _told_memory(size: int, kept: int) -> Line:
    said = f"The database is {size // 1024**2} MB, of which PostgreSQL keeps {kept // 1024**2} MB in memory."
    if size <= _TIMES * kept:
        return Line("memory", Colour.GREEN, said)
    remedy = "In postgresql.conf: shared_buffers = a quarter of its host's memory. Then restart PostgreSQL."
    return Line("memory", Colour.AMBER, said, remedy)


# -- the clock and the world --------------------------------------------------------------------------


def _clock(app: App) -> Iterator[Line]:
    """This host's against the database's, which may be another host's."""
    if app.sessions.engine.dialect.name != "postgresql":
        return
    with app.sessions.read() as session:
        theirs = session.scalars(text("SELECT clock_timestamp()")).one()
    yield _told_time("the database", abs(app.now() - theirs))


def _told_time(who: str, off: timedelta) -> Line:
    colour = Colour.RED if off > CLOCK_BAD else Colour.AMBER if off > CLOCK_POOR else Colour.GREEN
    remedy = "" if colour is Colour.GREEN else "apt-get install systemd-timesyncd, and see `timedatectl`."
    return Line("clock", colour, f"It is within {off.total_seconds():.0f} s of {who}'s.", remedy)


def _gateway(app: App) -> Iterator[Line]:
    app.gateways["ikhokha"].status_by_reference(NOBODYS)
    yield Line("gateway", Colour.GREEN, "It answers, and knows our keys.")


def _addresses(app: App) -> Iterator[Line]:
    """As somebody outside sees them: the name, the certificate, who answers."""
    settings = app.settings
    if settings.demo:
        yield Line("addresses", Colour.GREEN, "A demo desk is reached from this machine only.")
        return
    if urlsplit(settings.dashboard_url).scheme == "https" and not settings.proxy_hops:
        said = "PROXY_HOPS is 0 behind a proxy: everybody seems to come from its address."
        yield Line("addresses", Colour.AMBER, said, "PROXY_HOPS=1")
    for part, url in (("webhook", settings.webhook_url), ("dashboard", settings.dashboard_url)):
        if urlsplit(url).scheme == "https":
            yield from _asked(part, urlsplit(url).netloc, app.now())


def _asked(part: str, netloc: str, now: datetime) -> Iterator[Line]:
    connection = HTTPSConnection(netloc, timeout=_ASK_S, context=ssl.create_default_context())
    try:
        connection.request("GET", "/healthz")
        assert isinstance(connection.sock, ssl.SSLSocket)
        ends = _end_of(connection.sock)
        reply = connection.getresponse()
        told = reply.headers.get("Date")
    except ssl.SSLError as error:
        yield Line(
            part, Colour.RED, f"The certificate of {netloc} does not hold: {error.reason}.", "certbot renew"
        )
        return
    except (OSError, HTTPException) as error:
        remedy = "Does the name point here, is nginx running, is the port open?"
        yield Line(part, Colour.RED, f"{netloc} cannot be reached: {error}.", remedy)
        return
    finally:
        connection.close()
    if reply.status != 200:
        remedy = "See the log of nginx, and `systemctl status 'paydesk-*'`."
        yield Line(part, Colour.RED, f"{netloc}/healthz answers {reply.status}.", remedy)
    elif ends - now < CERTIFICATE_POOR:
        yield Line(
            part, Colour.AMBER, f"The certificate of {netloc} ends on {ends:%-d %B %Y}.", "certbot renew"
        )
    else:
        yield Line(part, Colour.GREEN, f"{netloc} answers; its certificate holds until {ends:%-d %B %Y}.")
    if told:
        yield _told_time(netloc, abs(now - parsedate_to_datetime(told)))


def _end_of(sock: ssl.SSLSocket) -> datetime:
    ends = (sock.getpeercert() or {})["notAfter"]
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(ends)), UTC)


def _mail(app: App) -> Iterator[Line]:
    url = urlsplit(app.settings.mail_url)
    if not app.settings.mail_url:
        yield Line("mail", Colour.AMBER, "It waits, unsent.", "Set MAIL_URL and MAIL_FROM.")
        return
    if url.scheme in ("smtp", "smtps") and url.hostname:
        port = url.port or (465 if url.scheme == "smtps" else 587)
        try:
            socket.create_connection((url.hostname, port), timeout=_ASK_S).close()
        except OSError as error:
            said = f"{url.hostname}:{port} cannot be reached: {error}."
            yield Line("mail", Colour.RED, said, "Is MAIL_URL right? Some hosts may not connect to port 25.")
            return
    yield Line("mail", Colour.GREEN, "It has somewhere to go.")


CHECKS = (_files, _keys, _disk, _database, _memory, _clock, _gateway, _addresses, _mail)
