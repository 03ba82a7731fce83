"""``@sipho`` in a comment tells that colleague by mail, once, where it stands and not what it says."""

import pytest
from sqlalchemy import select

from db.models import OutboxMail, PersonRow
from payments import lifecycle, notes, timeline
from payments.access.people import Role
from payments.deciding import attention
from payments.errors import InvalidInput
from payments.lifecycle import Kind, Review, Source
from payments.reconciling import exceptions
from tests.desk import ADMIN, payment_of
from tests.test_approvals import somebody
from tests.test_reconciliation import Bench


class Team(Bench):
    def __init__(self, sessions, now):
        super().__init__(sessions, now)
        with sessions.begin() as session:
            self.farai = somebody(session, "Farai", Role.FINANCE, now=now)
            somebody(session, "Gugu", Role.FINANCE, now=now)
        self.paid = self.owes()

    def note(self, text: str) -> None:
        with self.sessions.begin() as session:
            notes.add(session, self.farai, self.paid, text, now=self.now)

    def mails(self) -> list[tuple[str, str, str]]:
        with self.sessions.read() as session:
            rows = session.scalars(select(OutboxMail).where(OutboxMail.key.startswith("mention:")))
            return [(row.recipient, row.subject, row.body) for row in rows]

    def told(self) -> list[str]:
        return [recipient for recipient, *_ in self.mails()]

    def rename(self, old: str, new: str) -> None:
        with self.sessions.begin() as session:
            session.scalars(select(PersonRow).where(PersonRow.name == old)).one().name = new


@pytest.fixture
def team(sessions, now):
    return Team(sessions, now)


def test_who_is_mentioned_is_told_where_and_not_what(team):
    team.note("@gugu, Thandeka of 082 555 0101 rang; @GUGU please call back. Ask x@gugu.example.org too.")
    ((recipient, subject, body),) = team.mails()
    assert recipient == "gugu@example.org"
    assert subject == f"Farai mentions you: Payments, {team.paid}"
    assert "082" not in body
    assert team.paid in body


def test_nobody_is_told_of_their_own_words_or_of_an_address_or_an_at(team):
    team.note("I, @farai, wrote to info@gugu.example.org at R100 @ 3.")
    assert team.mails() == []


def test_a_name_that_nobody_has_keeps_the_note_back_and_says_why(team):
    with pytest.raises(InvalidInput, match="called @siphoo"):
        team.note("@siphoo please look")
    with team.sessions.read() as session:
        told = timeline.entries(session, payment_of(session, team.paid))
        assert Kind.NOTE not in [one.kind for one in told]


def test_of_two_of_one_name_the_whole_name_says_who(team):
    team.rename("Gugu", "Zola Dube")
    team.rename("Farai", "Zola Nkosi")
    with pytest.raises(InvalidInput, match="write @zoladube or @zolankosi"):
        team.note("@Zola.")
    team.note("@ZolaDube.")
    assert team.told() == ["gugu@example.org"]


def test_who_may_not_see_it_is_not_told(team, now):
    with team.sessions.begin() as session:
        somebody(session, "Sipho", Role.ORGANISER, now=now)
        somebody(session, "Aisha", Role.ORGANISER, frozenset(), now=now)
    team.note("@sipho, one of yours.")
    assert team.told() == ["sipho@example.org"]
    with pytest.raises(InvalidInput, match="called @aisha"):
        team.note("@aisha, not yours.")


def test_a_comment_of_a_line_tells_once_whoever_is_new_in_it(team):
    (line,) = team.bank(("EFT X", "12.00"))
    team.propose()

    def assign(note: str) -> None:
        with team.sessions.begin() as session:
            exceptions.assign(session, team.farai, line, owner_id=None, due_on=None, note=note, now=team.now)

    assign("@gugu knows them.")
    assign("@gugu knows them, from last year.")
    ((recipient, subject, _),) = team.mails()
    assert (recipient, subject) == ("gugu@example.org", "Farai mentions you: Reconcile, R12.00 of 2026-11-23")


def test_a_comment_of_a_case_tells_too(team):
    with team.sessions.begin() as session:
        payment = payment_of(session, team.paid)
        lifecycle.flag(session, payment, Review.OVERPAID, now=team.now, source=Source.POLL, actor="iKhokha")
        (group,) = attention.queue(session, ADMIN, now=team.now)
        case = group.cases[0]
        attention.assign(
            session, team.farai, case.id, owner_id=None, due_on=None, note="Ask @gugu.", now=team.now
        )
    assert team.told() == ["gugu@example.org"]
