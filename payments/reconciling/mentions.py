"""Mentions: ``@sipho`` in a comment tells that colleague by mail, in the transaction that keeps the comment.

The mail says where the comment stands and not what it says, which may be about a payer.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from db.models import PersonRow
from payments.access import people
from payments.access.people import Action
from payments.errors import InvalidInput
from payments.telling import outbox

_MENTION = re.compile(r"(?<![\w@.])@([^\W\d_](?:[\w.-]*\w)?)")
MAILS = "mention:"


class Author(Protocol):
    """Who wrote the comment, and was let to by the room that keeps it."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...


def tell(
    session: Session,
    text: str,
    *,
    by: Author,
    before: str = "",
    where: str,
    action: Action,
    event_id: int | None = None,
    now: datetime,
) -> tuple[str, ...]:
    """Queue a mail to whom ``text`` mentions, and ``before``, what it was, did not. Returns their names.

    ``where`` is where it stands, ``action`` what somebody must be allowed to, to see it there. Raises
    InvalidInput for a name that nobody here has, or several.
    """
    known = set(_named(before))
    words = [word for word in _named(text) if word not in known]
    there = people.able(session, action, event_id, now=now) if words else []
    found = {row.id: row for word in words for row in [_who(word, there)] if row.id != by.id}
    for row in found.values():
        _queue(session, by.name, row, where, now)
    return tuple(row.name for row in found.values())


def _named(text: str) -> Iterator[str]:
    """Each once, as they come."""
    yield from dict.fromkeys(word.casefold() for word in _MENTION.findall(text))


def _who(word: str, there: list[PersonRow]) -> PersonRow:
    exact = [row for row in there if word in (_whole(row), row.email.partition("@")[0].casefold())]
    found = exact or [row for row in there if word == row.name.split()[0].casefold()]
    if len(found) == 1:
        return found[0]
    if not found:
        raise InvalidInput(
            f"Nobody here who can see this is called @{word}. Write a colleague's first name, or leave out "
            "the @."
        )
    names = " or ".join(f"@{_whole(row)}" for row in found)
    raise InvalidInput(f"There are several @{word} here: write {names}.")


def _whole(row: PersonRow) -> str:
    return "".join(row.name.split()).casefold()


def _queue(session: Session, author: str, row: PersonRow, where: str, now: datetime) -> None:
    """One for a comment: whoever saves the same words twice in a moment tells nobody twice."""
    body = f"{author} mentions you in a comment.\n\nYou find it in Paydesk: {where}.\n"
    key = f"{MAILS}{row.id}:{now.timestamp():.6f}"
    outbox.to_person(
        session, key, row.email, f"{author} mentions you: {where}", body, about="mention", now=now
    )
