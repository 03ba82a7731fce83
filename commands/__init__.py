"""What the commands of ``manage.py`` share: the desk they work on, who asks, and how they answer."""

import getpass
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from sqlalchemy.orm import Session

import bootstrap
from bootstrap import App
from environment import Settings
from payments.access.people import ALWAYS, Person, Role, system_person
from payments.errors import InvalidInput

#: Who a command acts as in demo mode when nobody is named.
DEMO_ADMIN = "thandi@example.org"

AsJson = Annotated[bool, typer.Option("--json", help="Answer with JSON on standard output.")]
AsEmail = Annotated[
    str | None, typer.Option("--as", metavar="EMAIL", help="Act and see as this person of the desk.")
]

#: In a file or a pipe a table has the width it needs.
console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)
aside = Console(stderr=True)  # progress: standard output is for answers


def open_desk() -> App:
    """The App of this command; its database is migrated and of the same mode as the settings."""
    return bootstrap.ready()


def command_line() -> Person:
    """Whoever has a shell on this machine: sees all, and is named in the audit."""
    return Person(0, f"cli:{getpass.getuser()}", "", Role.ADMIN, None, ALWAYS)


def asking(session: Session, email: str | None) -> Person:
    """Who looks: the person named by ``--as``, else the command line itself."""
    return _here(session, email) if email else command_line()


def acting(session: Session, settings: Settings, email: str | None) -> Person:
    """Who moves money: a person of the desk, never the command line itself."""
    email = email or (DEMO_ADMIN if settings.demo else None)
    if email is None:
        raise InvalidInput("Say who takes this money: --as EMAIL, one of the people of the desk.")
    return _here(session, email)


def _here(session: Session, email: str) -> Person:
    """Somebody of the desk, whom a shell on its machine speaks for: that is proof enough."""
    return replace(system_person(session, email), proved_at=ALWAYS)


def answer(told: dict[str, Any], as_json: bool, show: Callable[[], None]) -> None:
    """``told`` as JSON on standard output, or whatever ``show`` prints for a person."""
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        show()


def utc(moment: datetime | None) -> str | None:
    """A moment in JSON: ``2026-11-23T21:02:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
