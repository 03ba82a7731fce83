"""The guide: each page has its sentence, advice names pages one may open, and the first day is observed."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.text_encoding import CEscape

import menu
import words
from db.models import BankAccount, InboxEvent, Meta, OutboxMail, SecondFactor, StatementFile
from payments.access import people, signin, signin_links, staff
from payments.access.people import Person, Role
from payments.errors import NotAllowed
from payments.gateways import Answer
from payments.hearing import sync
from payments.selling import first_day
from payments.selling.first_day import SetUp, Step
from tests.desk import ADMIN, issue, make_event, proved
from tests.test_pages import desk, everything
from words import guide as guide_words

ROOT = Path(__file__).parent.parent
__all__ = ["desk"]
NOTHING = SetUp(live=False, reachable=False, has_keys=False)
ENTRIES = {entry.path: entry for entries in menu.MENU.values() for entry in entries}


def test_each_page_is_in_the_menu_once_and_says_what_it_answers():
    files = sorted(
        str(path.relative_to(ROOT / "pages").with_suffix("")) for path in ROOT.glob("pages/*/*.py")
    )
    assert sorted(entry.path for entries in menu.MENU.values() for entry in entries) == files
    assert all(entry.answers.endswith((".", "?")) for entry in ENTRIES.values())


@pytest.mark.parametrize("role", Role)
def test_advice_names_only_pages_that_its_reader_may_open(role):
    person = Person(1, "Somebody", "somebody@example.org", role, None)
    theirs = {entry.path for _, entries in menu.of(person) for entry in entries}
    for happens, then in guide_words.WHEN[role]:
        assert set(re.findall(r"\{(.*?)\}", then)) <= theirs, happens


#: What the guide sets apart that is no button: how a payment stands, as its badge says it.
_STANDING = {look.word.lower() for look in words.STATUS.values()}


@pytest.mark.parametrize("role", Role)
def test_each_button_that_advice_names_is_on_a_page_of_its_readers(desk, role):
    """A viewer was told to press Ask the gateway, which is for those who take payments."""
    waits, paid = (issue(desk.sessions, desk.gateway, now=desk.now) for _ in range(2))
    desk.gateway.says(paid.gateway_reference, Answer.PAID, "PAID")
    sync.ask(desk.sessions, {"ikhokha": desk.gateway}, 2, now=desk.now)
    desk.sign_in(role)
    reader = Person(1, "Somebody", "somebody@example.org", role, None)
    shown = "".join(
        each
        for page, query in (
            ("monitor/payments", {}),
            ("monitor/payments", {"payment": waits.reference}),
            ("monitor/payments", {"payment": paid.reference}),
            ("finance/reports", {}),
            ("admin/privacy", {}),
        )
        if reader.may(ENTRIES[page].action)
        for each in everything(desk.open(f"pages/{page}.py", **query))
    )
    for happens, then in guide_words.WHEN[role]:
        for named in set(re.findall(r"\*(.*?)\*", then)) - _STANDING:
            assert f'"{CEscape(named, as_utf8=True)}"' in shown, (happens, named)


def test_each_step_of_the_first_day_says_what_to_do():
    assert set(guide_words.FIRST_DAY) == set(Step)


def test_no_word_is_explained_twice():
    terms = [word for word, _ in guide_words.GLOSSARY]
    assert len(set(terms)) == len(terms)


# -- what the desk sees -------------------------------------------------------------------------------


@pytest.fixture
def done(sessions, now) -> Callable[..., set[Step]]:
    def seen(set_up: SetUp = NOTHING) -> set[Step]:
        with sessions.read() as session:
            return {
                step
                for step, is_done in first_day.observed(session, ADMIN, set_up, now=now).items()
                if is_done
            }

    return seen


def test_nothing_of_an_empty_desk_is_done(done):
    assert done() == set()


@pytest.mark.parametrize(
    ("set_up", "step"),
    [
        (SetUp(live=True, reachable=False, has_keys=False), Step.CREDENTIALS),
        (SetUp(live=False, reachable=True, has_keys=False), Step.ADDRESSES),
        (SetUp(live=False, reachable=False, has_keys=True), Step.KEYS),
    ],
)
def test_what_is_set_is_done(done, set_up, step):
    assert done(set_up) == {step}


def test_people_are_enough_when_it_takes_two_and_their_codes_when_all_have_an_app(sessions, now, done):
    """Somebody who was invited was enough here, while People still gave access alone."""

    def join(email: str, role: Role) -> int:
        with sessions.begin() as session:
            return staff.create_person(
                session, proved(ADMIN), name=email, email=email, role=role, events=None, now=now
            ).id

    def has_app(person_id: int) -> None:
        with sessions.begin() as session:
            session.add(SecondFactor(person_id=person_id, sealed=b"x", last_step=0, since=now))

    def come_in(person_id: int) -> None:
        with sessions.begin() as session:
            link = signin_links.make_sign_in_link(session, people.SYSTEM, person_id, now=now)
        signin_links.sign_in_by_link(sessions, link, visitor=signin.Visitor("127.0.0.1"), now=now)

    first = join("thandi@example.org", Role.ADMIN)
    join("viewer@example.org", Role.VIEWER)
    assert done() == set()
    come_in(first)
    has_app(first)
    assert done() == {Step.CODES}
    second = join("sipho@example.org", Role.FINANCE)
    assert done() == set()
    come_in(second)
    with sessions.read() as session:
        assert people.takes_two(session)
    assert done() == {Step.PEOPLE}
    has_app(second)
    assert done() == {Step.PEOPLE, Step.CODES}


def test_the_first_payment_is_one_that_came_by_the_gateway(sessions, gateway, now, done):
    with sessions.begin() as session:
        make_event(session, now=now)
    assert done() == {Step.EVENT}
    link = issue(sessions, gateway, now=now)
    assert done() == {Step.EVENT}
    gateway.says(link.gateway_reference, Answer.PAID, "PAID")
    sync.ask(sessions, {"ikhokha": gateway}, 1, now=now)
    assert done() == {Step.EVENT, Step.PAYMENT}
    # a live desk is not shown to work by what a demo took
    assert Step.PAYMENT not in done(SetUp(live=True, reachable=True, has_keys=True))


def test_a_message_a_mail_a_statement_and_a_backup_are_seen(sessions, now, done):
    mail = {"recipient": "a@example.org", "subject": "x", "body": "x", "message_id": "<x@example.org>"}
    with sessions.begin() as session:
        session.add(OutboxMail(key="queued", state="queued", created_at=now, **mail))
        session.add(BankAccount(name="Cheque", currency="ZAR", created_at=now, created_by="x"))
    assert done() == set()
    with sessions.begin() as session:
        session.add(OutboxMail(key="sent", state="sent", created_at=now, sent_at=now, **mail))
        session.add(
            InboxEvent(
                gateway="ikhokha", digest=b"x" * 32, received_at=now, path="/", headers={}, body=b"{}",
                last_seen_at=now,
            )
        )  # fmt: skip
        file = {
            "name": "x.csv",
            "sha256": "0" * 64,
            "size_bytes": 1,
            "data": b"x",
            "layout": "x",
            "named": {},
        }
        session.add(
            StatementFile(
                account_id=1, currency="ZAR", rows=0, new_lines=0, imported_at=now, imported_by="x", **file
            )
        )
        backup = {
            "at": now.isoformat(),
            "file": "x",
            "size": 1,
            "sha256": "",
            "rows": 1,
            "took_s": 1,
            "findings": [],
        }
        session.merge(Meta(key="backup", value=json.dumps(backup)))
    assert done() == {Step.MAIL, Step.MESSAGE, Step.STATEMENT, Step.BACKUP}
    with sessions.begin() as session:
        session.query(StatementFile).one().undone_at = now
    assert Step.STATEMENT not in done()


def test_only_who_sets_up_the_desk_is_told(sessions, now):
    finance = Person(2, "Sipho", "sipho@example.org", Role.FINANCE, None)
    with sessions.read() as session, pytest.raises(NotAllowed):
        first_day.observed(session, finance, NOTHING, now=now)
