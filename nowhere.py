"""Between the gate and the dashboard: addresses that lead nowhere, or to a page of other roles.

Streamlit would open its first page under a dialog of its own: the same words for both, and no next step.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import jinja2
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

import menu
import words
from gate import HERE, here
from menu import Entry
from payments.access.people import POLICY, Person

#: What Streamlit serves beside its pages.
THEIRS = {"_stcore", "component", "components", "media", "static"}
#: Longer ones are no slip of the finger.
LONGEST = 60
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)
PAGES: Mapping[str, Entry] = {
    entry.path.rpartition("/")[2]: entry for entries in menu.MENU.values() for entry in entries
}


class Nowhere:
    """A person who opens a page that is not there, or not theirs, reads so, and where to go instead.

    ``routes`` are what answers beside the pages: of one that wants more than stands in an address there is
    no page either.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._app, self._routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answer(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        await (answer or self._app)(scope, receive, send)

    def _answer(self, scope: Scope) -> HTMLResponse | None:
        wanted, rest = _first(scope["path"])
        # a browser, and not what a page fetches
        opens = "text/html" in Headers(scope=scope).get("accept", "")
        entry = PAGES.get(wanted) if not rest else None
        if not wanted or not opens or "." in wanted or wanted in THEIRS:
            return None
        if entry is None and any(route.matches(scope)[0] is not Match.NONE for route in self._routes):
            return None
        person = _person(scope)
        if person is None:
            return None
        if entry is None:
            near = [PAGES[name] for name in _near(wanted, person)]
            return _page(404, "There is no such page", f"Nothing is at “{wanted[:LONGEST]}”.", near)
        if person.may(entry.action):
            return None
        told = (
            f"{entry.title} is for {_roles(entry)}. Ask an admin, if you need it: they say who may do what."
        )
        return _page(403, "This page is not yours", told, [])


def _person(scope: Scope) -> Person | None:
    """Whom the gate let in; on what it opens for strangers, nobody."""
    return here(HTTPConnection(scope)).person if HERE in scope else None


def _first(path: str) -> tuple[str, str]:
    first, _, rest = path.strip("/").partition("/")
    return first, rest


def _near(wanted: str, person: Person) -> list[str]:
    """Pages of theirs that it may be a slip for, by address or by title."""
    names = {
        name: each
        for each, entry in PAGES.items()
        if person.may(entry.action)
        for name in (each, entry.title.casefold().replace(" ", "-"))
    }
    close = get_close_matches(wanted[:LONGEST].casefold().replace("_", "-"), names, n=3, cutoff=0.6)
    return list(dict.fromkeys(names[name] for name in close))


def _roles(entry: Entry) -> str:
    *others, last = [told for role, told in words.ROLES.items() if role in POLICY[entry.action]]
    return f"{', '.join(others)} and {last}" if others else last


def _page(status: int, title: str, told: str, near: list[Entry]) -> HTMLResponse:
    links: list[dict[str, Any]] = [
        {"href": f"/{entry.path.rpartition('/')[2]}", "title": entry.title, "answers": entry.answers}
        for entry in near
    ]
    text = _TEMPLATES.get_template("nowhere.html").render(title=title, told=told, links=links)
    return HTMLResponse(text, status)
