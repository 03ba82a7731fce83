"""How long a caller's Idempotency-Key is remembered: longer than anybody tries again, not for ever."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select

from db.models import ApiRequest
from db.session import Sessions

#: Said in docs/api.md. A wish that is sent again later is taken for a new one.
KEPT = timedelta(days=90)
#: So many are forgotten in one transaction: on SQLite nobody else writes meanwhile.
AT_ONCE = 500


def sweep(sessions: Sessions, *, now: datetime) -> int:
    """Forget keys that were first sent longer ago than they are kept; returns how many."""
    gone = 0
    while True:
        with sessions.begin() as session:
            old = select(ApiRequest.id).where(ApiRequest.at < now - KEPT).order_by(ApiRequest.id)
            ids = session.scalars(old.limit(AT_ONCE)).all()
            session.execute(delete(ApiRequest).where(ApiRequest.id.in_(ids)))
        gone += len(ids)
        if len(ids) < AT_ONCE:
            return gone
