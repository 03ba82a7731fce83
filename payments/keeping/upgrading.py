"""Bring a database to this release: its tables, and the totals that a release of before did not keep."""

from dataclasses import dataclass

from sqlalchemy import Date, cast, delete, func, insert, literal_column, select, text

from db import migrate
from db.models import LiveHour, Tally, TallyMonth
from db.session import Sessions, takes_long
from payments.books import totals


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
    """The same for what is kept of all events together: what open pages read. All hours are looked at, since
    a payment that was made long ago moves its own hour whenever it is paid."""
    with sessions.begin() as session:
        takes_long(session)
        if session.get_bind().dialect.name != "sqlite":
            session.execute(text("LOCK TABLE made_hours, paid_hours, live_hours IN SHARE ROW EXCLUSIVE MODE"))
        if next(totals.together(session), None) is not None:
            session.execute(delete(LiveHour))
            names = list(LiveHour.__table__.columns.keys())
            # in the order of time, as a desk writes them: a day's rows lie together
            hours = totals.of_all_events(session).order_by(literal_column("1"))
            session.execute(insert(LiveHour).from_select(names, hours))
