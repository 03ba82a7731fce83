"""Who may approve a signed day hears that it waits, the signer how it ended: once, and no figure of it."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from db.models import OutboxMail, PersonRow
from payments.access import choices
from payments.access.choices import Mail
from payments.second_person import owing
from payments.sign_off import sign_offs
from payments.sign_off.sign_offs import Period
from payments.telling import morning
from tests.test_approval_mails import DESK, send, told
from tests.test_closing import MONDAY, WHY, closed, desk, matched
from tests.test_reconciliation import PRICE

__all__ = ["closed", "desk", "matched"]

WAITS = "A signed day waits for a second person"
NO = "The deposit of eleven o'clock is not on the statement"


@pytest.fixture
def signed(matched):
    """Farai signed Monday; besides Gugu, who may approve it, there is an auditor, who may not."""
    send(matched.sessions, matched.now)  # the payer's
    matched.number = matched.sign()
    return matched


def heard(desk):
    return told(desk.sessions, desk.now)


def kept(desk):
    """What the outbox holds of such mails."""
    with desk.sessions.read() as session:
        query = select(OutboxMail.body).where(OutboxMail.key.startswith(owing.SIGN_OFFS))
        return session.scalars(query).all()


def test_each_who_may_approve_it_hears_that_a_day_waits_and_nobody_else(signed):
    (mail,) = send(signed.sessions, signed.now)
    assert (mail["To"], mail["Subject"]) == ("gugu@example.org", WAITS)
    body = mail.get_content()
    assert "Farai signed 23 Nov 2026 of " in body
    assert f"{DESK}/closing?account={signed.account}&day=2026-11-23\n" in body
    assert heard(signed) == []


def test_no_figure_stands_in_it_and_the_outbox_keeps_no_word_of_it(signed):
    assert kept(signed) == [""]
    (mail,) = send(signed.sessions, signed.now)
    for private in (str(PRICE), PRICE.decimal, signed.paid):
        assert private not in f"{mail['Subject']}{mail.get_content()}"


def test_a_month_says_so_and_leads_to_the_month(closed):
    send(closed.sessions, closed.now)
    closed.now += timedelta(days=10)
    closed.sign(period=Period.MONTH)
    (mail,) = send(closed.sessions, closed.now)
    assert mail["Subject"] == "A signed month waits for a second person"
    assert "Farai signed November 2026 of " in mail.get_content()
    assert "&month=2026-11-01\n" in mail.get_content()


@pytest.mark.parametrize(
    "end, words, subject, said",
    [
        (sign_offs.approve, (), "The day you signed was approved", "Gugu approved 23 Nov 2026"),
        (sign_offs.refuse, (NO,), "The day you signed was refused", f"It is open again.\n\nWhy: {NO}"),
    ],
    ids=["approved", "refused"],
)
def test_the_signer_hears_how_it_ended(signed, end, words, subject, said):
    send(signed.sessions, signed.now)
    signed.do(end, signed.gugu, signed.number, *words)
    (mail,) = send(signed.sessions, signed.now)
    assert (mail["To"], mail["Subject"]) == ("farai@example.org", subject)
    assert said in mail.get_content()


@pytest.mark.parametrize(
    "end, words, subject, said",
    [
        (sign_offs.reopen, (), "The day you asked to reopen is open", "Gugu reopened 23 Nov 2026"),
        (sign_offs.keep_closed, (NO,), "The day you asked to reopen stays closed", NO),
    ],
    ids=["reopened", "kept closed"],
)
def test_reopening_is_told_as_well(closed, end, words, subject, said):
    send(closed.sessions, closed.now)
    closed.do(sign_offs.ask_reopen, closed.farai, closed.number, WHY)
    (asked,) = send(closed.sessions, closed.now)
    assert (asked["To"], asked["Subject"]) == (
        "gugu@example.org",
        "A closed day waits for a second person to reopen it",
    )
    assert WHY in asked.get_content()
    closed.do(end, closed.gugu, closed.number, *words)
    (mail,) = send(closed.sessions, closed.now)
    assert (mail["To"], mail["Subject"]) == ("farai@example.org", subject)
    assert said in mail.get_content()


def test_what_somebody_takes_back_themselves_is_no_news_to_anybody(signed):
    signed.do(sign_offs.refuse, signed.farai, signed.number, NO)
    assert heard(signed) == []


def test_what_was_decided_before_the_mail_went_is_not_asked_for_any_more(signed):
    signed.do(sign_offs.approve, signed.gugu, signed.number)
    assert heard(signed) == [("farai@example.org", "The day you signed was approved")]


def test_who_may_not_approve_any_more_when_it_goes_does_not_hear(signed):
    with signed.sessions.begin() as session:
        session.execute(update(PersonRow).where(PersonRow.name == "Gugu").values(role="viewer"))
    assert heard(signed) == []


def test_it_is_told_as_requests_are_or_not_at_all(matched):
    for person, wanted in ((matched.gugu, Mail(requests=False)), (matched.farai, Mail(answers=False))):
        with matched.sessions.begin() as session:
            choices.choose_mail(session, person, wanted)
    matched.close()
    assert kept(matched) == []


def test_the_morning_tells_who_may_approve_it_and_not_the_signer(signed):
    def lines(person):
        with signed.sessions.read() as session:
            waits = morning.waits_for(session, person, Mail(morning=True), now=signed.now)
        return [one for one in waits if one.page == "/closing"]

    (line,) = lines(signed.gugu)
    assert (line.short, line.told) == ("1 signed", "1 signed period waits for a second person.")
    assert lines(signed.farai) == lines(signed.audra) == []
    signed.do(sign_offs.approve, signed.gugu, signed.number)
    assert lines(signed.gugu) == []
    signed.do(sign_offs.ask_reopen, signed.gugu, signed.number, WHY)
    assert len(lines(signed.farai)) == 1


def test_the_day_can_be_signed_again_after_it_was_refused_and_is_told_again(signed):
    send(signed.sessions, signed.now)
    signed.do(sign_offs.refuse, signed.gugu, signed.number, NO)
    signed.sign(MONDAY)
    assert ("gugu@example.org", WAITS) in heard(signed)
