"""Commands about people: who may sign in, and one-time links to do so."""

from typing import Annotated
from urllib.parse import urlencode

import typer
from rich.table import Table

from bootstrap import App
from commands import AsJson, answer, asking, command_line, console, open_desk
from payments.access import second_factor, signin_links, staff
from payments.access.people import Role
from payments.access.staff import PersonView
from payments.selling import events

app = typer.Typer(no_args_is_help=True, help="Who may sign in.")
Email = Annotated[str, typer.Argument(help="The person's e-mail address.")]


@app.command()
def add(
    name: Annotated[str, typer.Option(help="As colleagues know them.")],
    email: Annotated[str, typer.Option(help="They sign in with it.")],
    role: Annotated[Role, typer.Option(help="What they may do.")],
    event: Annotated[
        list[str] | None, typer.Option(help="Code of an event they may reach; again for more. Without: all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add somebody to the desk and print a one-time link to sign in with."""
    desk = open_desk()
    with desk.sessions.begin() as session:
        by = command_line()
        ids = [events.get_event(session, by, code).id for code in event] if event else None
        person = staff.create_person(
            session, by, name=name, email=email, role=role, events=ids, now=desk.now()
        )
        token = signin_links.make_sign_in_link(session, by, person.id, now=desk.now())
    told = {"id": person.id, "email": person.email, "sign_in": _url(desk, token)}
    answer(told, as_json, lambda: _say_link(name, str(told["sign_in"])))


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List everybody who ever could sign in."""
    desk = open_desk()
    with desk.sessions.read() as session:
        found = staff.list_people(session, command_line(), now=desk.now())
    told = [
        {
            "id": view.id,
            "name": view.name,
            "email": view.email,
            "role": str(view.role),
            "events": None if view.events is None else list(view.events),
            "disabled": view.disabled,
        }
        for view in found
    ]
    answer({"people": told}, as_json, lambda: _show(found))


@app.command("sign-in")
def sign_in(email: Email, as_json: AsJson = False) -> None:
    """Print a link that signs this person in, once, within 15 minutes."""
    desk = open_desk()
    with desk.sessions.begin() as session:
        person = asking(session, email)
        token = signin_links.make_sign_in_link(session, command_line(), person.id, now=desk.now())
    told = {"email": person.email, "sign_in": _url(desk, token)}
    answer(told, as_json, lambda: _say_link(person.name, told["sign_in"]))


@app.command()
def disable(email: Email, as_json: AsJson = False) -> None:
    """End somebody's access, their open pages included."""
    desk = open_desk()
    with desk.sessions.begin() as session:
        person = asking(session, email)
        staff.disable_person(session, command_line(), person.id, now=desk.now())
    told = {"email": person.email, "disabled": True}
    answer(told, as_json, lambda: console.print(f"{person.name} can no longer sign in."))


@app.command("reset-codes")
def reset_codes(email: Email, as_json: AsJson = False) -> None:
    """Take a lost phone's app, and the password, away from somebody, and print a link to come in by."""
    desk = open_desk()
    with desk.sessions.begin() as session:
        person = asking(session, email)
        second_factor.reset(session, command_line(), person.id, now=desk.now())
        token = signin_links.make_sign_in_link(session, command_line(), person.id, now=desk.now())
    told = {"email": person.email, "sign_in": _url(desk, token)}
    answer(told, as_json, lambda: _say_link(person.name, told["sign_in"]))


def first_links(desk: App) -> list[tuple[str, str]]:
    """Whom the first links are for, and the links: in demo mode one for each role, in live mode one that
    creates the first admin, and none once there is one."""
    by, now = command_line(), desk.now()
    with desk.sessions.begin() as session:
        everybody = staff.list_people(session, by, now=now)
        if desk.settings.demo:
            chosen = {view.role: view for view in reversed(everybody) if not view.disabled}
            tokens = [
                (f"{view.name} ({view.role})", signin_links.make_sign_in_link(session, by, view.id, now=now))
                for view in sorted(chosen.values(), key=lambda view: list(Role).index(view.role))
            ]
        elif signin_links.has_admin(session):
            return []
        else:
            tokens = [("The first admin", signin_links.make_sign_in_link(session, by, None, now=now))]
    return [(who, _url(desk, token)) for who, token in tokens]


def _url(desk: App, token: str) -> str:
    return f"{desk.settings.dashboard_url}/signin/link?{urlencode({'token': token})}"


def _say_link(name: str, url: str) -> None:
    console.print(f"{name} signs in here, once, within 15 minutes:\n{url}", markup=False)


def _show(found: list[PersonView]) -> None:
    table = Table("Name", "E-mail", "Role", "Events", "", box=None, pad_edge=False)
    for view in found:
        reach = "all" if view.events is None else ", ".join(view.events)
        table.add_row(view.name, view.email, str(view.role), reach, "disabled" if view.disabled else "")
    console.print(table)
