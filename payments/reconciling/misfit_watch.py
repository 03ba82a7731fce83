"""Money that does not fit its payment: what ``watch`` tells of it, until somebody has decided.

Whoever is at the desk sees these, of whichever event: so no payment is named, and no amount.
"""

from collections.abc import Iterator, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Case
from payments.deciding.cases import Reason
from payments.watching.alerts import Alarm, Kind, Severity

SAYS: Mapping[Reason, str] = {
    Reason.OVERPAID: "More came for a payment than was asked for, and all of it is kept",
    Reason.AMOUNT_MISMATCH: "The gateway tells of another amount than we asked for, so nothing is paid",
    Reason.CURRENCY_MISMATCH: "The gateway tells of another currency than we asked for, so nothing is paid",
    Reason.REFERENCE_MISMATCH: "The gateway's answer is about another payment than the one we asked about",
}
_WHERE = "Decide what becomes of it under Needs attention."
#: So many are told one by one. A gateway gone wrong tells of hundreds, and nobody reads hundreds of mails.
ONE_BY_ONE = 10


def alarms(session: Session) -> Iterator[Alarm]:
    """One for each case that is open, the oldest first; those past the first ten share one."""
    query = select(Case.id, Case.reason).where(Case.closed_at.is_(None), Case.reason.in_(SAYS))
    found = session.execute(query.order_by(Case.id)).all()
    for case_id, reason in found[:ONE_BY_ONE]:
        yield Alarm(Kind.MISFIT, Severity.POOR, f"{SAYS[Reason(reason)]}. {_WHERE}", key=str(case_id))
    if further := found[ONE_BY_ONE:]:
        cases = "case" if len(further) == 1 else "cases"
        sentence = f"Money does not fit its payment in {len(further)} more {cases}. {_WHERE}"
        yield Alarm(Kind.MISFIT, Severity.POOR, sentence, key="further")


def reason_of(sentence: str) -> Reason | None:
    """Of which reason's cases an alarm tells; None for all that is told together."""
    return next((reason for reason, says in SAYS.items() if sentence.startswith(says)), None)
