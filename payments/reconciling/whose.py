"""Whose a bank line may be, where matching found nothing: payments that wait, by the name the line bears."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import MatchRefusal
from payments.access.people import Action, Person, check
from payments.matching import names
from payments.reconciling import exceptions
from payments.reconciling.exceptions import Candidate, ExceptionView

SHOWN = 3
#: A surname alone is the least: what it is worth is for a person to say.
LEAST = 60
#: So many words of a line are looked up by themselves, the longest: a name is rarely its shortest.
LOOKED_UP = 4


def by_name(session: Session, person: Person, view: ExceptionView) -> list[Candidate]:
    """Those of the very amount first; none of which somebody said that the line is not for it."""
    check(person, Action.RECONCILE)
    said = names.words(view.text)
    if view.amount.minor <= 0 or not said:
        return []
    refused = set(
        session.scalars(select(MatchRefusal.payment_id).where(MatchRefusal.line_id == view.line_id))
    )
    score = dict[Candidate, int]()
    for text in dict.fromkeys((" ".join(said), *sorted(said, key=len, reverse=True)[:LOOKED_UP])):
        for one in exceptions.find_payments(session, person, text, view.amount):
            if one.payable and one.payment_id not in refused:
                score[one] = names.likeness(said, names.words(one.payer)).score
    likely = [one for one in score if score[one] >= LEAST]
    return sorted(likely, key=lambda one: (one.rest != view.amount, -score[one]))[:SHOWN]
