"""Commands about other systems: the keys they call the API with, and where they are told of payments."""

from typing import Annotated

import typer

from commands import AsEmail, AsJson, answer, asking, console, open_desk
from payments.registering import api_keys
from payments.registering.api_keys import Scope
from payments.telling import notifying

_Event = Annotated[str, typer.Argument(help="The event's code.")]


def api_key(
    event: _Event,
    name: Annotated[str, typer.Argument(help="Which system it is for.")],
    read_only: Annotated[bool, typer.Option("--read-only", help="It may not ask for payments.")] = False,
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Make a key for the API. It is shown once, and only its hash is kept."""
    app, scopes = open_desk(), (Scope.READ,) if read_only else (Scope.READ, Scope.WRITE)
    with app.sessions.begin() as session:
        person = asking(session, as_email)
        key = api_keys.make(session, person, event, name, scopes, demo=app.settings.demo, now=app.now())
    answer({"key": key}, as_json, lambda: console.print(key, markup=False))


def notify(
    event: _Event,
    url: Annotated[str, typer.Argument(help="Where its notifications go.")],
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Send an event's notifications to an address. The secret that signs them is shown once."""
    app = open_desk()
    with app.sessions.begin() as session:
        secret = notifying.add(
            session, asking(session, as_email), event, url, app.keys,
            loopback=app.settings.notify_loopback, now=app.now(),
        )  # fmt: skip
    answer({"secret": secret}, as_json, lambda: console.print(secret, markup=False))
