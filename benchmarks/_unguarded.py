"""The dashboard with its guards taken away, for ``benchmarks/guarded.py`` alone: nobody is stopped here.

``python -m benchmarks._unguarded`` serves as ``server.py`` does, but looks a session up once and never again,
allows everybody everything of all events, masks nothing, turns no host and no origin away, and sets no
headers. What reads or writes is the same.
"""

from dataclasses import replace
from typing import Any

from payments.access import people, signin
from payments.access.signin import SignedIn

_looked_up = signin.who
_known: dict[str | None, SignedIn | None] = {}


def _who(sessions: Any, token: str | None, **asked: Any) -> SignedIn | None:
    if _known.get(token) is None:
        found = _looked_up(sessions, token, **asked)
        _known[token] = replace(found, person=replace(found.person, events=None)) if found else None
    return _known[token]


def _allowed(*_what: Any, **_more: Any) -> bool:
    return True


signin.who = _who
people.check = _allowed  # type: ignore[assignment]
people.Person.may = _allowed  # type: ignore[method-assign]

# what takes these by name comes after
import gate
import server


async def _answer(passed: gate.Gate, scope: Any, receive: Any, send: Any) -> None:
    token = gate.token_of(gate.HTTPConnection(scope))
    scope[gate.HERE] = _known.get(token) or await gate.who(gate.HTTPConnection(scope))
    await passed._app(scope, receive, send)


gate.Gate._answer = _answer  # type: ignore[method-assign]

if __name__ == "__main__":
    server.main()
