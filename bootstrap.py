"""The wiring: the only reader of the clock. Builds the App of a process once."""

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from sqlalchemy import select

from db.listen import Listener
from db.models import Meta
from db.session import STILL_S, Sessions, check_postgres, open_engine, reached
from db.upsert import insert_once
from environment import Settings, read_settings
from payments.access.oidc import Provider
from payments.books import chain, refusals
from payments.books.chain import Chain
from payments.errors import Conflict
from payments.gateways import Gateway
from payments.gateways.ikhokha import Config, IKhokha
from payments.keeping import keyring, moving
from payments.keeping.backups import Place
from payments.keeping.keyring import KeyRing
from payments.personal_data.tombstones import Stones
from payments.watching import health

if TYPE_CHECKING:
    from payments.reports.shelf import Shelf


def steady_clock() -> Callable[[], datetime]:
    began, ticks = utc_now(), monotonic()
    return lambda: began + timedelta(seconds=monotonic() - ticks)


@dataclass(frozen=True)
class App:
    """What the doors need: who are we, where is it kept, whom do we ask, what time is it."""

    settings: Settings
    sessions: Sessions
    gateways: Mapping[str, Gateway]
    now: Callable[[], datetime]
    #: The time at our start and what has passed since: no jump of the clock reaches it. Only to wait by.
    steady: Callable[[], datetime] = field(default_factory=steady_clock)

    @cached_property
    def keys(self) -> KeyRing:
        """What encrypts. A demo desk that has no key set draws one, and keeps it beside its database."""
        settings = self.settings
        return (
            _drawn_keys(settings.data_dir, "demo")
            if settings.demo and not settings.keys.current
            else settings.keys
        )

    @cached_property
    def provider(self) -> Provider | None:
        """Where people sign in who have no password here."""
        known = self.settings.sign_in_by
        return Provider(known) if known is not None else None

    @cached_property
    def changes(self) -> Listener:
        """What tells that the desk changed, in a process that has it listen."""
        return Listener(self.sessions.engine)

    @cached_property
    def reports(self) -> "Shelf":
        """Reports of late, of a process that shows some."""
        from payments.reports.shelf import Shelf  # numpy with it, which the hook and the worker go without

        return Shelf(self.sessions, demo=self.settings.demo, now=self.now)

    @property
    def stones(self) -> Stones:
        """Where it is kept whose data was erased: apart from the database, and beside its backups."""
        folders = (self.settings.data_dir, self.settings.backup_folder)
        return Stones(tuple(folder for folder in folders if folder is not None))

    def backups_in(self, folder: Path) -> Place:
        """Where backups go, and what they are made with."""
        settings = self.settings
        return Place(folder, settings.data_dir, self.keys, settings.postgres_bin, settings.backup_copy)


@cache
def app() -> App:
    """The App of this process, built on first use."""
    return build()


def build(settings: Settings | None = None, *, busy_timeout_s: int = 10, still_s: int = STILL_S) -> App:
    """Open the database and the gateways. Raises InvalidInput, DatabaseUnfit, or Conflict of modes."""
    settings = settings or read_settings()
    engine = open_engine(settings.database_url, busy_timeout_s=busy_timeout_s, still_s=still_s)
    if engine.dialect.name == "postgresql":
        check_postgres(engine)
    sessions = Sessions(
        engine,
        {chain.CARRIED: _chain(settings)},
        lambda sessions, error: refusals.keep(sessions, error, now=utc_now()),
    )
    return App(settings, sessions, gateways_of(settings), utc_now)


def _chain(settings: Settings) -> Chain:
    """What the audit is chained with; where nobody set a key one is drawn."""
    folder, ring = settings.data_dir, settings.audit_keys
    return Chain(lambda: ring if ring.current else _drawn_keys(folder, "audit"), folder / "audit.anchors")


def _drawn_keys(data_dir: Path, name: str) -> KeyRing:
    """A key that nobody set, drawn by whichever process needs it first."""
    path = data_dir / f"{name}.keys"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = data_dir / f"{name}.keys.{secrets.token_hex(4)}"
        draft.touch(mode=0o600, exist_ok=False)
        draft.write_text(keyring.new_key(name))
        with suppress(FileExistsError):
            os.link(draft, path)  # whole or not at all, and never over another one
        draft.unlink()
    return keyring.read(path.read_text())


def caller(settings: Settings, peer: str, forwarded: Sequence[str]) -> str:
    """Who knocks: the peer, or what the outermost of our own proxies wrote into X-Forwarded-For."""
    addresses = [part.strip() for part in ",".join(forwarded).split(",")]
    hops = settings.proxy_hops
    return addresses[-hops][:64] if hops and len(addresses) >= hops and addresses[-hops] else peer


def utc_now() -> datetime:
    return datetime.now(UTC)


def gateways_of(settings: Settings) -> dict[str, Gateway]:
    """The registry: a new gateway is one more line here."""
    config = Config(
        app_id=settings.app_id,
        secret_key=settings.secret_key,
        previous_secret_key=settings.previous_secret_key,
        base_url=settings.base_url,
        entity_id=settings.entity_id,
        requester_url=settings.return_url,
        link_hosts=settings.link_hosts,
        sign_query=settings.sign_query,
        description_limit=settings.description_limit,
        reference_limit=settings.reference_limit,
    )
    return {IKhokha.name: IKhokha(config)}


def ready(build: Callable[[], App] | None = None) -> App:
    """The App of whoever works on a desk that is there: it can be opened, is migrated, and is of this mode.

    Raises DatabaseUnfit, Conflict.
    """
    with reached():
        desk = (build or app)()
        if health.pending(desk.sessions):
            raise Conflict(
                "The database is not there yet, or of an earlier release. "
                "Run `python manage.py migrate` first; `make run` does so by itself."
            )
        claim_mode(desk.sessions, desk.settings.mode)
    return desk


def claim_mode(sessions: Sessions, mode: str) -> None:
    """A database serves one mode for life: the first start writes it down, every later one must agree.
    So it is with the keys of its audit."""
    with sessions.begin() as session:
        moving.check_here(session)
        insert_once(session, Meta, Meta.key, {"key": "mode", "value": mode})
        kept = session.scalar(select(Meta.value).where(Meta.key == "mode"))
        if kept != mode:
            raise Conflict(
                f"This database holds {kept} payments and the settings say {mode}. "
                f"Demo and live never mix: point DATABASE_URL at another database."
            )
    chain.claim_keys(sessions, now=utc_now())
