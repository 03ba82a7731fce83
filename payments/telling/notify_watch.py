"""Notifications that do not arrive: what ``watch`` tells of them."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Notification, NotifyEndpoint
from payments import dates
from payments.watching.alerts import Alarm, Kind, Severity

#: So long an endpoint may be away, for a restart or a new release, before somebody is told.
LATE = timedelta(hours=1)
#: The newest messages to an endpoint are looked at: older trouble is on the page.
_NEWEST = 1_000


def alarms(session: Session, *, now: datetime) -> Iterator[Alarm]:
    """One for each endpoint in use that takes nothing, or for which messages were given up."""
    in_use = select(NotifyEndpoint.id, NotifyEndpoint.url).where(NotifyEndpoint.stopped_at.is_(None))
    for endpoint_id, url in session.execute(in_use).all():
        newest = (
            select(Notification.state, Notification.created_at)
            .where(Notification.endpoint_id == endpoint_id)
            .order_by(Notification.id.desc())
            .limit(_NEWEST)
        )
        rows = session.execute(newest).all()
        waiting = [at for state, at in rows if state == "waiting"]
        given_up = sum(state == "failed" for state, _ in rows)
        late = bool(waiting) and now - min(waiting) > LATE
        if not (late or given_up):
            continue
        since = f" Messages wait since {dates.say_moment(min(waiting), now=now)}." if late else ""
        lost = f" Messages given up: {given_up}." if given_up else ""
        yield Alarm(
            Kind.NOTIFICATIONS,
            Severity.POOR,
            f"{url} does not take its notifications.{since}{lost} Tell whoever runs it; every attempt stands "
            f"under Other systems, where they can be sent again.",
            key=str(endpoint_id),
        )
