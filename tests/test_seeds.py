"""Storms, each drawn from one integer: when they are over, what the desk says is the truth.

``--seeds N`` plays the first N; one alone: ``--seeds 4711:4712``. A failure names its seed and the fewest
steps that still fail.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from db.models import Case, InboxEvent, Link, OutboxMail, Payment, Receipt
from db.session import Sessions, open_engine
from payments.books import integrity
from payments.lifecycle import Review
from tests.storm import PayPage, Storm, steps_of

#: For so many storms on SQLite, one on PostgreSQL.
EACH_ON_POSTGRES = 20
#: A failing storm is played again at most so often, to find the steps that matter.
SHRINKING = 80

Steps = list[tuple[str, int]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    first, _, last = metafunc.config.getoption("--seeds").rpartition(":")
    seeds = range(int(first or 0), int(last))
    storms = [pytest.param("sqlite", seed, id=f"sqlite-{seed}") for seed in seeds]
    storms += [
        pytest.param("postgres", seed, id=f"postgres-{seed}", marks=pytest.mark.postgres)
        for seed in seeds[::EACH_ON_POSTGRES]
    ]
    metafunc.parametrize("kind, seed", storms)


@pytest.fixture
def database_kind(kind: str) -> str:
    return kind


def test_after_any_storm_the_desk_tells_the_truth(new_database, now, seed):
    def play(steps: Steps) -> tuple[Storm, BaseException | None]:
        return _played(new_database, now, steps)

    steps = steps_of(seed)
    _storm, failure = play(steps)
    if failure is not None:
        steps = _shrunk(steps, lambda fewer: play(fewer)[1] is not None)
        storm, smaller = play(steps)
        told = "\n".join(storm.told)
        pytest.fail(f"seed {seed} fails: {failure!r}\nits fewest steps end so: {smaller!r}\n{told}")


def _played(
    new_database: Callable[[bool], str], now: datetime, steps: Steps
) -> tuple[Storm, AssertionError | None]:
    """A storm to its end, and the first rule that it broke."""
    engine = open_engine(new_database(True))
    try:
        storm = Storm(Sessions(engine), now)
        try:
            for step in steps:
                storm.play(step)
                _still_true(storm)
            storm.calm()
            _true_at_last(storm)
        except AssertionError as error:
            return storm, error
        return storm, None
    finally:
        engine.dispose()


def _shrunk(steps: Steps, fails: Callable[[Steps], bool]) -> Steps:
    """Fewer steps that still fail: parts are left out, halves first, then smaller ones."""
    size, tries = len(steps) // 2, SHRINKING
    while size and tries:
        for start in range(0, len(steps), size):
            fewer = steps[:start] + steps[start + size :]
            tries -= 1
            if fails(fewer):
                steps = fewer
                break
            if not tries:
                break
        else:
            size //= 2
    return steps


# -- what must hold -----------------------------------------------------------------------------------


def _still_true(storm: Storm) -> None:
    """After every step: no money that nobody paid, and no money lost."""
    with storm.sessions.read() as session:
        believed = dict(session.execute(select(Receipt.source_reference, Receipt.amount_minor)).all())
        sums = session.execute(select(Payment.status, Payment.received_minor, Payment.amount_minor)).all()
    true = _true_money(storm)
    assert believed.items() <= true.items(), "a receipt that is not true"
    for status, received, owed in sums:
        assert (status == "paid") == (received >= owed), f"{status} with {received} of {owed}"


def _true_money(storm: Storm) -> dict[str, int]:
    return {
        page.gateway_reference: page.amount_minor
        for page in storm.gateway.pages.values()
        if page.paid_at is not None and not page.lies
    }


def _true_at_last(storm: Storm) -> None:
    with storm.sessions.read() as session:
        _money(storm, session)
        _messages(storm, session)
        _mails(storm, session)
        _doubts(storm, session)
    with storm.sessions.read() as session:
        assert integrity.examine(session) == ()
    before = _picture(storm)
    storm.replay()
    assert _picture(storm) == before, "receiving everything again changed something"


def _money(storm: Storm, session: Any) -> None:
    receipts = session.execute(select(Receipt.source_reference, Receipt.amount_minor)).all()
    assert sorted(receipts) == sorted(_true_money(storm).items()), "receipts are not the truth"
    unpaid = [payment for payment in session.scalars(select(Payment)) if payment.status != "paid"]
    assert not any(payment.receipts for payment in unpaid)


def _messages(storm: Storm, session: Any) -> None:
    rows = session.scalars(select(InboxEvent)).all()
    kept = [row.body for row in rows]
    assert len(kept) == len(set(kept)), "one message, two rows"
    assert storm.acked <= set(kept), "an acknowledged message is not in the inbox"
    assert set(kept) <= storm.genuine, "a forged message was believed to be the gateway's"
    ours = set(session.scalars(select(Link.gateway_reference)))
    cases = set(session.scalars(select(Case.inbox_id).where(Case.inbox_id.is_not(None))))
    for row in rows:
        if row.handled_at is None:  # its link could not be told to be ours: for a person
            assert row.gateway_reference not in ours, f"{row.body!r} is not handled, and its link is ours"
            assert row.id in cases, f"{row.body!r} is nobody's"


def _mails(storm: Storm, session: Any) -> None:
    paid = select(Payment.payer_email).where(Payment.status == "paid")
    owed = sorted(session.scalars(paid))
    assert sorted(session.scalars(select(OutboxMail.recipient))) == owed, "mails queued are not mails owed"
    assert sorted(storm.mails) == owed, "mails sent are not mails owed"
    assert all(len(ids) == 1 for ids in storm.mails.values()), "a second mail of one payment"


def _doubts(storm: Storm, session: Any) -> None:
    """What did not fit stands before a person."""
    flagged = set(
        session.execute(
            select(Link.wire_reference, Case.reason).join(Case, Case.payment_id == Link.payment_id)
        ).all()
    )
    for page in storm.gateway.pages.values():
        if page.lies:
            assert (page.reference, _doubt(page)) in flagged, f"{page} is nobody's"


def _doubt(page: PayPage) -> Review:
    if "currency" in page.lies:
        return Review.CURRENCY_MISMATCH
    return Review.REFERENCE_MISMATCH if "reference" in page.lies else Review.AMOUNT_MISMATCH


def _picture(storm: Storm) -> list[Any]:
    """What must not change any more."""
    columns = (Payment.reference, Payment.status, Payment.version, Payment.received_minor, Payment.review)
    with storm.sessions.read() as session:
        return [
            session.execute(select(*columns).order_by(Payment.id)).all(),
            session.execute(select(Receipt.id, Receipt.source_reference).order_by(Receipt.id)).all(),
            session.execute(select(OutboxMail.key, OutboxMail.state).order_by(OutboxMail.id)).all(),
            session.execute(select(InboxEvent.id, InboxEvent.effect).order_by(InboxEvent.id)).all(),
        ]
