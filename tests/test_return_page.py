"""What a payer sees who comes back from the gateway or by a reminder: no names, in the event's language."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

import return_page
from db.models import Link, TimelineEntry
from payments import lifecycle
from payments.asking import reminders
from payments.gateways import Answer
from payments.hearing import intake
from payments.lifecycle import SETTLED, Source, Status
from payments.payers import payer_pages
from payments.payers.payer_words import Language
from payments.selling import terms
from tests.desk import ADMIN, issue, make_event, payment_of
from tests.hook import Hook, serving, wait_until
from tests.test_webhook import GOOD, LINK, busy_hook, count, hook, reference, status_of

__all__ = ["busy_hook", "hook", "reference"]


# -- the payer's page ----------------------------------------------------------------------------------


def _page(hook: Hook, reference: str, path: str = "/return", query: str = "", **headers: str):
    with hook.sessions.read() as session:
        token = payment_of(session, reference).links[0].return_token
    return hook.get(f"{path}/{token}{query}", **headers)


def test_the_return_page_shows_amount_event_and_status_and_no_name_or_reference(hook, reference):
    reply = _page(hook, reference)
    text = reply.body.decode()
    assert reply.status == 200
    for shown in ("R150.00", "Devconf 2026", "Waiting for confirmation", "Demo: no real money"):
        assert shown in text
    for hidden in ("Zanele", "Mokoena", "zanele@example.org", reference, LINK):
        assert hidden not in text
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert "noindex" in reply.headers["x-robots-tag"]
    assert "default-src 'none'" in reply.headers["content-security-policy"]


def test_the_return_page_looks_again_until_it_is_paid_or_ten_minutes_have_gone(hook, reference):
    assert _page(hook, reference).headers["refresh"] == "3; url=?look=1"
    assert _page(hook, reference, query="?look=7").headers["refresh"] == "3; url=?look=8"
    assert "refresh" not in _page(hook, reference, query="?look=200").headers
    assert _page(hook, reference, query="?look=<x>").headers["refresh"] == "3; url=?look=1"
    hook.gateway.says(LINK, Answer.PAID, "PAID")
    hook.post(GOOD)
    wait_until(lambda: status_of(hook, reference) == "paid")
    reply = _page(hook, reference)
    assert "refresh" not in reply.headers
    assert '<main class="good">' in reply.body.decode()


def test_coming_back_changes_nothing_but_has_the_gateway_asked_soon_once_a_minute(hook, reference, now):
    def everything():
        with hook.sessions.read() as session:
            link = session.scalars(select(Link)).one()
            return payment_of(session, reference).status, link.state, link.next_ask_at

    assert everything() == ("open", "open", now + timedelta(minutes=1))
    for _ in range(5):
        assert _page(hook, reference, query="?status=SUCCESS&responseCode=00").status == 200
    assert everything() == ("open", "open", now)
    assert count(hook, TimelineEntry, TimelineEntry.kind == "returned") == 1
    assert hook.gateway.asked == []


def test_each_way_back_has_its_address(database_url, now):
    public = {
        "IKHOKHA_RETURN_URL": "https://pay.example.org/thanks",
        "IKHOKHA_FAILURE_URL": "https://pay.example.org/oh",
        "IKHOKHA_CANCEL_URL": "https://pay.example.org/back",
    }
    with serving(database_url, now, **public) as hook:
        with hook.sessions.begin() as session:
            make_event(session, now=now)
        reference = issue(hook.sessions, hook.gateway, now=now).reference
        for path in ("/back", "/oh", "/thanks", "/return"):
            assert _page(hook, reference, path).status == 200
        with hook.sessions.read() as session:
            entry = session.scalars(select(TimelineEntry).where(TimelineEntry.kind == "returned")).one()
            assert entry.detail == {"page": "cancel"}


def _token(hook: Hook, reference: str) -> str:
    with hook.sessions.read() as session:
        return payment_of(session, reference).links[0].return_token


def test_a_reminder_leads_to_a_page_that_goes_on_to_the_gateway(hook, reference):
    reply = hook.get(f"/return/{_token(hook, reference)}/pay")
    text = reply.body.decode()
    assert reply.status == 200
    assert 'href="https://securepay.ikhokha.red/link00000000001"' in text
    assert "Pay R150.00" in text
    assert "refresh" not in reply.headers
    for hidden in ("Zanele", reference):
        assert hidden not in text
    assert hook.get(f"/return/{'A' * 22}/pay").status == 404


def test_once_it_is_paid_there_is_nothing_to_go_on_to(hook, reference, now):
    with hook.sessions.begin() as session:
        payment = payment_of(session, reference)
        lifecycle.receive(
            session, payment, kind="cash", source_reference="t-1", amount=payment.amount,
            now=now, source=Source.DESK, actor="Thandi",
        )  # fmt: skip
    text = hook.get(f"/return/{_token(hook, reference)}/pay").body.decode()
    assert "Paid" in text
    assert "securepay" not in text


def test_looking_stops_no_reminder_and_the_button_does(hook, reference):
    path = f"/return/{_token(hook, reference)}/stop"
    page = hook.get(path)
    assert "form-action 'self'" in page.headers["content-security-policy"]
    with hook.sessions.read() as session:
        assert not reminders.wants_none(session, "zanele@example.org")
    body = b"List-Unsubscribe=One-Click"
    head = f"POST {path} HTTP/1.1\r\nHost: hook\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    for _ in range(2):
        assert hook.send(head.encode() + body).status == 200
    with hook.sessions.read() as session:
        assert reminders.wants_none(session, "Zanele@example.org")


@pytest.mark.parametrize("token", ["A" * 22, "short", "A" * 44, "%2e%2e", "a" * 2_000, "a'b" * 8])
def test_an_unknown_token_is_a_page_that_says_so(busy_hook, token):
    reply = busy_hook.get(f"/return/{token}", Accept="text/html")
    assert reply.status == 404
    assert "There is nothing here" in reply.body.decode()


def test_a_return_page_is_throttled_by_address(busy_hook, monkeypatch):
    monkeypatch.setattr(intake.Throttle, "allows", lambda *_: False)
    reply = busy_hook.get(f"/return/{'A' * 22}", Accept="text/html")
    assert (reply.status, reply.headers["retry-after"]) == (429, "60")


def test_every_status_has_words_for_the_payer_and_only_paid_ones_are_green():
    assert set(return_page.PAYER_READS) == set(Status)
    green = {status for status, (tone, _) in return_page.PAYER_READS.items() if tone == "good"}
    assert green == (SETTLED - {Status.DISPUTED}) | {Status.WAIVED}


# -- in the payer's language ---------------------------------------------------------------------------


@pytest.mark.parametrize("language", Language)
def test_each_language_has_every_page_and_word_with_the_same_places_to_fill(language):
    english = payer_pages.told(Language.ENGLISH)
    told = payer_pages.told(language)
    assert all(text.strip() for text in told)
    assert [re.findall(r"{\w+}", text) for text in told] == [re.findall(r"{\w+}", text) for text in english]


def test_the_pages_speak_the_language_of_their_event(hook, reference, now):
    with hook.sessions.begin() as session:
        terms.save(session, ADMIN, "devconf", terms.Terms(language=Language.AFRIKAANS), now=now)
    token = _token(hook, reference)
    back, pay, stop = (hook.get(f"/return/{token}{page}").body.decode() for page in ("", "/pay", "/stop"))
    assert '<html lang="af">' in back
    assert "Wag vir bevestiging" in back
    assert "Kyk weer" in back
    assert "Betaal R" in pay
    assert "Stuur geen herinnerings meer nie" in stop
