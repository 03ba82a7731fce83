"""Bring a database to this release: its tables, and the totals that a release of before did not keep."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Date, cast, delete, func, insert, select, text

from db import migrate
from db.models import LiveHour, MadeHour, Tally, TallyMonth
from db.session import Sessions, takes_long
from payments import totals
from payments.dates import business_day, day_span

#: So far back a release that was taken back is looked for; all of it is examined with the books.
_BACK = timedelta(days=35)


@dataclass(frozen=True)
class Upgrade:
    """Which migrations were applied, and how many totals of months were added up again."""

    applied: tuple[str, ...]
    months: int


def upgrade(sessions: Sessions) -> Upgrade:
    """Whoever is first does it; to do it again changes nothing."""
    applied = tuple(migrate.pending(sessions.engine))
    migrate.migrate(sessions.engine)
    months = _add_up_months(sessions)
    _add_up_events(sessions)
    return Upgrade(applied, months)


def _add_up_months(sessions: Sessions) -> int:
    """How many were off: a release that knew only hours may have worked on these tables, when this one was
    taken back for a while. The hours themselves are examined against the payments."""
    with sessions.begin() as session:
        takes_long(session)
        sqlite = session.get_bind().dialect.name == "sqlite"
        if not sqlite:  # nobody writes an hour whose month was read already
            session.execute(text("LOCK TABLE tallies, tally_months IN SHARE ROW EXCLUSIVE MODE"))
        off = sum(1 for _ in totals.months(session))
        if off:
            month = totals.month_of(session, Tally.hour)
            by = (Tally.event_id, Tally.measure, Tally.key, Tally.currency)
            hours = select(
                month if sqlite else cast(month, Date), *by, func.sum(Tally.count), func.sum(Tally.sum_minor)
            ).group_by(month, *by)
            session.execute(delete(TallyMonth))
            session.execute(insert(TallyMonth).from_select(list(TallyMonth.__table__.columns.keys()), hours))
    return off


def _add_up_events(sessions: Sessions) -> None:
    """The same for what is kept of all events together, of the last weeks: what open pages read."""
    with sessions.begin() as session:
        takes_long(session)
        if session.get_bind().dialect.name != "sqlite":
            session.execute(text("LOCK TABLE made_hours, paid_hours, live_hours IN SHARE ROW EXCLUSIVE MODE"))
        last = session.scalar(select(func.max(MadeHour.hour)))
        empty = session.scalar(select(func.count()).select_from(LiveHour)) == 0
        since = None if last is None or empty else day_span(business_day(last - _BACK)).start
        kept = select(LiveHour.hour, LiveHour.measure, LiveHour.key, LiveHour.currency)
        kept = kept.add_columns(LiveHour.count, LiveHour.sum_minor)
        old = delete(LiveHour)
        if since is not None:
            kept, old = kept.where(LiveHour.hour >= since), old.where(LiveHour.hour >= since)
        if totals.differ(session, kept, totals.of_all_events(session, since)):
            session.execute(old)
            names = list(LiveHour.__table__.columns.keys())
            session.execute(insert(LiveHour).from_select(names, totals.of_all_events(session, since)))
