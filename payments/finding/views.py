"""Saved views: a filter with its order and columns, kept for a person and shared with a role.

A view shows whoever opens it the payments of their own events only: it holds the question, never rows.
What is searched for may be a payer's name, so the address of a list carries a view's token in its place.
Days that were asked for by a word move with the day: *last week* is the week before it is opened.
The question itself may tell of a payer or an event. So a view opens for its owner, and for those only who see
every event and category that it names and, when it holds words that may be a payer's, every event that its
owner saw when it was written.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import Select, delete, or_, select
from sqlalchemy.orm import Session

from db.models import PersonRow, SavedView
from payments import dates
from payments.access import people
from payments.access.people import Action, Person, Role, check
from payments.books import audit
from payments.errors import InvalidInput, NotFound
from payments.finding import filters
from payments.finding.search import Filter
from payments.privacy import clean_line
from payments.selling import events

#: So many views without a name are kept for each person; the ones used longest ago make room.
MOST_UNNAMED = 50


@dataclass(frozen=True)
class View:
    """``name`` is None for one that only serves an address. ``columns`` empty: as each person chose."""

    token: str
    name: str | None
    filter: Filter
    sort: str
    columns: tuple[str, ...]
    owner: str
    mine: bool
    shared_with: Role | None


def save(
    session: Session,
    person: Person,
    name: str,
    filter: Filter,  # noqa: A002
    *,
    sort: str = "",
    columns: Sequence[str] = (),
    shared_with: Role | None = None,
    now: datetime,
) -> View:
    """Keep a filter under a name; the same name of the same person again is changed to it.

    Raises InvalidInput, and NotAllowed when somebody who corrects no money would share it.
    """
    check(person, Action.SEE)
    title = clean_line(name, field="The name", longest=60)
    if not title:
        raise InvalidInput("Give the view a name, such as “Unpaid sponsors”.")
    _may_share(person, shared_with)
    row = session.scalar(
        select(SavedView).where(SavedView.owner_id == person.id, SavedView.name == title)
    ) or _new(session, person, now, name=title)
    row.query, row.moving = _written(filter), _moving(filter)
    row.scope, row.sort = people.scope_text(person.events), sort
    row.columns, row.shared_with, row.used_at = ",".join(columns), shared_with, now
    session.flush()
    audit.record(session, person, "save_view", title, now=now, shared_with=shared_with)
    return _view(row, person.name, person, filter)


def keep(session: Session, person: Person, filter: Filter, *, sort: str = "", now: datetime) -> str:  # noqa: A002
    """A token that stands for this filter in an address, its days as they are. The same filter again has the
    same token."""
    check(person, Action.SEE)
    query, scope = _written(filter), people.scope_text(person.events)
    unnamed = (SavedView.owner_id == person.id, SavedView.name.is_(None))
    same = select(SavedView).where(
        *unnamed, SavedView.query == query, SavedView.scope == scope, SavedView.sort == sort
    )
    row = session.scalar(same.limit(1))
    if row is None:
        row = _new(session, person, now)
        row.query, row.scope, row.sort = query, scope, sort
        session.flush()
        newest = select(SavedView.id).where(*unnamed).order_by(SavedView.used_at.desc(), SavedView.id.desc())
        kept = session.scalars(newest.limit(MOST_UNNAMED)).all()
        session.execute(delete(SavedView).where(*unnamed, SavedView.id.not_in(kept)))
    row.used_at = now
    return row.token


def get(session: Session, person: Person, token: str, *, now: datetime) -> View:
    """The view of an address, as of today. Raises NotFound for one that is gone, and for one that is not
    theirs to open: whoever was given an address learns nothing from which of both it is."""
    check(person, Action.SEE)
    found = session.execute(_with_owner().where(SavedView.token == token)).first()
    view = None if found is None else _opened(session, person, *found, now)
    if view is None:
        raise NotFound("There is no such view for you. Its owner may have removed it, or not shared it.")
    return view


def list_views(session: Session, person: Person, *, now: datetime) -> tuple[View, ...]:
    """Somebody's own named views and those shared with their role that they may open, by name."""
    check(person, Action.SEE)
    theirs = or_(SavedView.owner_id == person.id, SavedView.shared_with == person.role)
    rows = session.execute(_with_owner().where(SavedView.name.is_not(None), theirs))
    views = [view for row, owner in rows if (view := _opened(session, person, row, owner, now)) is not None]
    return tuple(sorted(views, key=lambda view: ((view.name or "").casefold(), view.token)))


def share(session: Session, person: Person, token: str, role: Role | None, *, now: datetime) -> None:
    """Share one's own view with a role; None takes it back."""
    row = _own(session, person, token)
    _may_share(person, role)
    row.shared_with = role
    audit.record(session, person, "share_view", row.name or "", now=now, shared_with=role)


def remove(session: Session, person: Person, token: str, *, now: datetime) -> None:
    """Forget one's own view. Addresses that name it find nothing from now on."""
    row = _own(session, person, token)
    audit.record(session, person, "remove_view", row.name or "", now=now)
    session.delete(row)


# -- whose --------------------------------------------------------------------------------------------


def _opened(session: Session, person: Person, row: SavedView, owner: str, now: datetime) -> View | None:
    """The view; None where it is not theirs to open."""
    wanted = _filter(row, dates.business_day(now))
    return _view(row, owner, person, wanted) if _opens(session, person, row, wanted) else None


def _opens(session: Session, person: Person, row: SavedView, wanted: Filter) -> bool:
    """Its owner always; of a view with a name, only the role it is shared with."""
    if row.owner_id == person.id:
        return True
    if row.name is not None and row.shared_with != person.role:
        return False
    return person.events is None or _tells_nothing_new(session, person, person.events, row, wanted)


def _tells_nothing_new(
    session: Session, person: Person, seen: frozenset[int], row: SavedView, wanted: Filter
) -> bool:
    if filters.private_part(wanted) != Filter():
        covers = people.scope_of(row.scope)
        if covers is None or not covers <= seen:
            return False
    theirs = events.list_events(session, person)
    categories = {category.name for event in theirs for category in event.categories}
    return {*wanted.events, *wanted.not_events} <= {event.code for event in theirs} and {
        *wanted.categories,
        *wanted.not_categories,
    } <= categories


# -- inside -------------------------------------------------------------------------------------------


def _may_share(person: Person, role: Role | None) -> None:
    if role is not None:
        check(person, Action.RECORD)


def _new(session: Session, person: Person, now: datetime, *, name: str | None = None) -> SavedView:
    row = SavedView(
        token=secrets.token_urlsafe(12), owner_id=person.id, name=name, query="", scope="", sort="",
        columns="", created_at=now, used_at=now,
    )  # fmt: skip
    session.add(row)
    return row


def _own(session: Session, person: Person, token: str) -> SavedView:
    check(person, Action.SEE)
    mine = select(SavedView).where(SavedView.token == token, SavedView.owner_id == person.id)
    row = session.scalar(mine.where(SavedView.name.is_not(None)))
    if row is None:
        raise NotFound("There is no such view of yours. Only its owner changes a view.")
    return row


def _with_owner() -> Select[SavedView, str]:
    return select(SavedView, PersonRow.name).join(PersonRow, PersonRow.id == SavedView.owner_id)


def _written(wanted: Filter) -> str:
    return urlencode(filters.to_query(wanted))


def _moving(wanted: Filter) -> str | None:
    """The words of days that move, each by the days in ``query`` that it stands for: where a release of
    before wrote others there, the word holds no more."""
    word_of = filters.moving(wanted)
    days = [(name, value) for name, value in filters.to_query(wanted) if name in word_of]
    return urlencode([(f"{name} {value}", word_of[name]) for name, value in days]) or None


def _filter(row: SavedView, today: date) -> Filter:
    word_for = dict(parse_qsl(row.moving or ""))
    pairs = [(name, word_for.get(f"{name} {value}", value)) for name, value in parse_qsl(row.query)]
    return filters.from_query(pairs, today)


def _view(row: SavedView, owner: str, person: Person, wanted: Filter) -> View:
    return View(
        token=row.token,
        name=row.name,
        filter=wanted,
        sort=row.sort,
        columns=tuple(row.columns.split(",")) if row.columns else (),
        owner=owner,
        mine=row.owner_id == person.id,
        shared_with=Role(row.shared_with) if row.shared_with else None,
    )
