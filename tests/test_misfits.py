"""What the gateway may answer that is not about this link, or not its money: nothing of it pays."""

import json
from typing import Any

from sqlalchemy import func, select

from db.models import Link, Receipt
from payments.hearing import answers
from payments.lifecycle import Effect, Review, Source
from tests.desk import issue, make_event, payment_of
from tests.fault_server import FaultServer, reply
from tests.test_ikhokha import client

#: The link was for R150,00: 15000 cents.
AMOUNTS = (
    "14999", "15001", "1500000", "150", "15", "-15000", "0", "1", "15000000000", "115000",
    "15000.0", "150.00", "1.5e4", '"15000"', '"150.00"', '"R150,00"', '"15 000"', '"１５０００"',
    "null", "true", "[15000]", '{"minor":15000}', '""',
)  # fmt: skip
CURRENCIES = ("USD", "zar", "ZAR ", "", "R", 710, ["ZAR"])
_MISSING = object()


def misfits(link: str, reference: str) -> list[tuple[bytes, Review]]:
    def told(**changes: Any) -> bytes:
        answer = {"paylinkID": link, "status": "PAID", "amount": 15_000} | changes
        return json.dumps({key: value for key, value in answer.items() if value is not _MISSING}).encode()

    others = (link.upper(), link[:-1], f"{link}0", "2zh1zj6y8xpb0g3")
    references = (
        f"{reference}-2",
        f"{reference} ",
        reference.lower(),
        "DEMO_REG_2222222",
        "",
        5,
        [reference],
    )
    return [
        *((told(amount="@").replace(b'"@"', text.encode()), Review.AMOUNT_MISMATCH) for text in AMOUNTS),
        (told(amount=_MISSING), Review.AMOUNT_MISMATCH),
        *((told(currency=currency), Review.CURRENCY_MISMATCH) for currency in CURRENCIES),
        *((told(paylinkID=other), Review.REFERENCE_MISMATCH) for other in others),
        *((told(externalTransactionID=other), Review.REFERENCE_MISMATCH) for other in references),
    ]


def test_none_of_forty_answers_that_do_not_fit_pays_and_each_is_for_a_person(sessions, gateway, now):
    """As they come over the wire; the one that fits pays in the end."""
    with sessions.begin() as session:
        make_event(session, now=now)
    wrong, nth = [], 0
    while True:
        view = issue(sessions, gateway, now=now, payer_name=f"Payer {nth}")
        forty = misfits(view.gateway_reference, view.wire_reference)
        if nth == len(forty):
            break
        body, reason = forty[nth]
        effect = answered(sessions, view, body, now)
        with sessions.read() as session:
            payment = payment_of(session, view.reference)
            if (effect, payment.status, payment.review) != (Effect.FLAGGED, "open", reason):
                wrong.append((body, effect, payment.status, payment.review))
        nth += 1
    assert wrong == []
    assert nth > 40
    with sessions.read() as session:
        assert session.scalar(select(func.count(Receipt.id))) == 0
    fits = json.dumps({"paylinkID": view.gateway_reference, "status": "PAID", "amount": 15_000}).encode()
    assert answered(sessions, view, fits, now) is Effect.PAID


def answered(sessions, view, body, now):
    with FaultServer(reply(200, body)) as server:
        status = client(server.origin).status(view.gateway_reference)
    with sessions.begin() as session:
        link = session.scalars(select(Link.id).where(Link.return_token == view.return_token)).one()
        return answers.apply(session, link, status, now=now, source=Source.POLL)
