"""The bank account that payers are told: one asks for another, a second person decides, and then it is so."""

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from db.models import AuditEntry, BankAccount, EventAccount, PersonRow
from payments.access import people
from payments.access.people import SYSTEM, Role
from payments.at_the_door import eft
from payments.at_the_door.eft import Account, AccountKind
from payments.bank import accounts
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound, ProveAgain
from payments.second_person import approvals, entrusting, two_people
from payments.second_person.approvals import State, What
from payments.watching import standstill
from tests.desk import ADMIN
from tests.test_approvals import somebody
from tests.test_entrusting import alone, came_in, desk, did, entries
from tests.test_pages import all_html
from tests.test_pages import desk as page_desk

__all__ = ["alone", "desk", "page_desk"]

WHY = "We have moved to another bank"
OURS = Account("Fictional Bank", "Devconf Trust", "4071234567", "250655")
THEIRS = Account("Other Bank", "Devconf Trust", "62000012345", "051001", AccountKind.SAVINGS)


@pytest.fixture
def told(sessions, desk, now):
    """Payers of devconf are told ``OURS``."""
    did(sessions, eft.set_account, SYSTEM, "devconf", OURS, now=now)
    return desk


def asked(sessions, desk, now, wanted=THEIRS, why=WHY, who="thandi"):
    return did(sessions, entrusting.set_account, desk[who], "devconf", wanted, why, now=now)


def approved(sessions, desk, request, now, who="pieter"):
    return did(sessions, two_people.approve, desk[who], request.id, now=now)


def payers_are_told(sessions, desk) -> Account | None:
    with sessions.read() as session:
        return eft.account(session, desk["thandi"], "devconf")


def test_payers_are_told_another_account_once_a_second_person_allowed_exactly_that(sessions, told, now):
    request = asked(sessions, told, now)
    assert payers_are_told(sessions, told) == OURS
    assert request.bound["account_now"] == eft.told(OURS)
    assert request.bound["account_then"] == eft.told(THEIRS)
    with pytest.raises(NotAllowed, match="another person"):
        approved(sessions, told, request, now, who="thandi")
    assert approved(sessions, told, request, now).state is State.USED
    assert payers_are_told(sessions, told) == THEIRS
    with pytest.raises(Conflict, match="was approved by"):
        approved(sessions, told, request, now)
    told_of = entries(sessions, "set_bank_account")[-1]
    assert (told_of["actor"], told_of["approved_by"]) == ("thandi@example.org", "Pieter")
    assert (told_of["was"], told_of["became"]) == (eft.told(OURS), eft.told(THEIRS))
    steps = ("ask_approval", "approve", "use_approval")
    assert [len(entries(sessions, step)) for step in steps] == [1, 1, 1]


def test_the_first_account_of_an_event_takes_two_as_well(sessions, desk, now):
    request = asked(sessions, desk, now)
    assert payers_are_told(sessions, desk) is None
    assert request.bound["account_now"] == {}
    approved(sessions, desk, request, now)
    assert payers_are_told(sessions, desk) == THEIRS


def test_one_person_past_the_page_changes_nothing(sessions, told, now):
    for by in (told["thandi"], told["pieter"], told["sipho"]):
        with pytest.raises((Conflict, NotAllowed)), sessions.begin() as session:
            eft.set_account(session, by, "devconf", THEIRS, now=now)
    other = asked(sessions, told, now, replace(OURS, kind=AccountKind.SAVINGS))
    approved(sessions, told, other, now)
    later = now + timedelta(seconds=1)  # used up, of another moment
    with pytest.raises(Conflict, match="takes two"), sessions.begin() as session:
        eft.set_account(session, told["thandi"], "devconf", THEIRS, now=later, approval=other.id)
    assert payers_are_told(sessions, told) == replace(OURS, kind=AccountKind.SAVINGS)


def test_the_machines_owner_and_whoever_is_alone_set_it_and_the_audit_says_so(sessions, alone, now):
    assert asked(sessions, alone, now, OURS) is None
    assert entries(sessions, "set_bank_account")[-1]["alone"] is True
    with sessions.begin() as session:
        came_in(session, alone["pieter"], now)
    assert asked(sessions, alone, now).state is State.WAITING
    did(sessions, eft.set_account, replace(SYSTEM, name="cli:naledi"), "devconf", THEIRS, now=now)
    assert payers_are_told(sessions, alone) == THEIRS


SINCE = {
    "payers are told another account": lambda s, now: eft.set_account(
        s, SYSTEM, "devconf", replace(OURS, number="1112223334"), now=now
    ),
    "they are told none": lambda s, now: eft.stop_account(s, SYSTEM, "devconf", now=now),
    "it is kept under another holder": lambda s, now: accounts.create(
        s, ADMIN, name="Theirs", bank="Other Bank", number=THEIRS.number, holder="Somebody", now=now
    ),
    "it is spelled otherwise": lambda s, now: accounts.create(
        s, ADMIN, name="Theirs", bank="OTHER BANK", number=THEIRS.number, holder="Devconf Trust", now=now
    ),
    "who asked is no admin any more": lambda s, now: s.execute(
        update(PersonRow).where(PersonRow.name == "Thandi").values(role="finance")
    ),
    "who asked is shut out": lambda s, now: s.execute(
        update(PersonRow).where(PersonRow.name == "Thandi").values(disabled_at=now)
    ),
}


@pytest.mark.parametrize("since", SINCE)
def test_what_is_not_as_it_was_when_it_was_asked_for_is_not_done(sessions, told, now, since):
    request = asked(sessions, told, now)
    with sessions.begin() as session:
        SINCE[since](session, now)
    before = payers_are_told(sessions, told)
    with pytest.raises(Conflict):
        approved(sessions, told, request, now)
    assert payers_are_told(sessions, told) == before != THEIRS


def test_it_takes_an_admin_a_reason_and_a_fresh_proof_and_is_good_for_a_day(sessions, told, now):
    for who in ("pieter", "sipho"):
        with pytest.raises(NotAllowed):
            asked(sessions, told, now, who=who)
    with pytest.raises(InvalidInput, match="Say why"):
        asked(sessions, told, now, why="new")
    with pytest.raises(Conflict, match="exactly this account already"):
        asked(sessions, told, now, OURS)
    stale = {"thandi": replace(told["thandi"], proved_at=now - timedelta(minutes=6))}
    with pytest.raises(ProveAgain):
        asked(sessions, stale, now)
    request = asked(sessions, told, now)
    with pytest.raises(Conflict, match="asked for exactly this already"):
        asked(sessions, told, now)
    with pytest.raises(ProveAgain), sessions.begin() as session:
        two_people.approve(session, replace(told["pieter"], proved_at=None), request.id, now=now)
    with pytest.raises(Conflict, match="expired"):
        approved(sessions, told, request, now + timedelta(hours=24))
    assert payers_are_told(sessions, told) == OURS


def test_whoever_asked_takes_it_back(sessions, told, now):
    request = asked(sessions, told, now)
    with pytest.raises(NotAllowed):
        did(sessions, approvals.withdraw, told["pieter"], request.id, now=now)
    did(sessions, approvals.withdraw, told["thandi"], request.id, now=now)
    with pytest.raises(Conflict, match="withdrawn"):
        approved(sessions, told, request, now)
    assert payers_are_told(sessions, told) == OURS


def test_it_is_told_whom_it_waits_for(sessions, told, now):
    with sessions.begin() as session:
        gala = session.scalar(select(EventAccount.event_id)) + 1
        somebody(session, "Gugu", Role.FINANCE, frozenset({gala}), now=now)
    request = asked(sessions, told, now)
    assert did(sessions, approvals.who_decides, told["thandi"], request.id, now=now) == ("Pieter",)
    with pytest.raises(NotFound):
        did(sessions, approvals.who_decides, told["sipho"], request.id, now=now)


def test_of_two_that_are_approved_at_once_one_is_done(sessions, told, now):
    """Two requests of one moment, each by the account that payers are told now."""
    with sessions.begin() as session:
        told["naledi"] = somebody(session, "Naledi", Role.ADMIN, now=now)
    requests = [asked(sessions, told, now), asked(sessions, told, now, replace(THEIRS, number="1112223334"))]

    def decide(request) -> bool:
        try:
            approved(sessions, told, request, now)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(decide, requests)) == [False, True]
    with sessions.read() as session:
        assert len(session.scalars(select(EventAccount).where(EventAccount.active)).all()) == 1
    assert len(entries(sessions, "set_bank_account")) == 2


def test_an_account_that_gets_another_number_meanwhile_is_not_told_with_that(sessions, told, now):
    """One person may change a number that no payer was told: not while two allow exactly that one."""
    of_theirs = {"bank": THEIRS.bank, "number": THEIRS.number, "holder": THEIRS.holder}
    with sessions.begin() as session:
        kept = accounts.create(
            session, ADMIN, name="Theirs", branch_code=THEIRS.branch_code, now=now, **of_theirs
        ).id
    request = asked(sessions, told, now)
    with ThreadPoolExecutor(1) as pool:
        with sessions.begin() as session:
            accounts.change(session, ADMIN, kept, name="Theirs", number="1112223334", now=now)
            decided = pool.submit(approved, sessions, told, request, now)
            wait([decided], timeout=2)  # it has found the account by its number, and waits for its row
        wait([decided])
    assert payers_are_told(sessions, told) == (OURS if decided.exception() else THEIRS)


def test_one_stops_it_at_once_and_to_tell_one_again_takes_two(sessions, told, now):
    for who in ("pieter", "sipho"):
        with pytest.raises(NotAllowed):
            did(sessions, eft.stop_account, told[who], "devconf", now=now)
    did(sessions, eft.stop_account, told["thandi"], "devconf", now=now)
    assert payers_are_told(sessions, told) is None
    with sessions.read() as session:  # a proof of who was told it still fits
        assert eft.accounts_of(session, 1) == [OURS]
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "stop_bank_account")).one()
    assert entry.detail["was"] == eft.told(OURS)
    with pytest.raises(Conflict, match="told no account"):
        did(sessions, eft.stop_account, told["thandi"], "devconf", now=now)
    with pytest.raises(Conflict, match="takes two"), sessions.begin() as session:
        eft.set_account(session, told["thandi"], "devconf", OURS, now=now)


@pytest.mark.parametrize("moment", ["nothing is wrong", "the desk stands still"])
def test_it_is_stopped_also_while_the_desk_stands_still_and_set_only_when_it_works(
    sessions, told, now, moment
):
    """An account that is not ours takes payers' money also while the books do not add up (rulings 6)."""
    request = asked(sessions, told, now)
    with sessions.begin() as session:
        if moment == "the desk stands still":
            standstill.begin(session, "Receipts differ.", now=now)
    if moment == "the desk stands still":
        for who, change in (("thandi", asked), ("pieter", lambda *_: approved(sessions, told, request, now))):
            with pytest.raises(Conflict, match="read-only: Receipts differ"):
                change(sessions, told, now, replace(OURS, number="1112223334"))
            assert payers_are_told(sessions, told) == OURS, who
    did(sessions, eft.stop_account, told["thandi"], "devconf", now=now)
    assert payers_are_told(sessions, told) is None
    assert len(entries(sessions, "stop_bank_account")) == 1


def test_an_account_that_only_ends_like_one_of_ours_is_not_taken_for_it(sessions, told, now):
    """Else two people would allow one number, and payers be told another."""
    with pytest.raises(Conflict, match="ends like the account 4071234567"):
        asked(sessions, told, now, replace(OURS, number="994071234567", bank="Other Bank"))
    zeros = asked(sessions, told, now, replace(OURS, number="0004071234567", kind=AccountKind.SAVINGS))
    assert zeros.bound["account_then"]["number"] == OURS.number
    with sessions.read() as session:
        assert len(session.scalars(select(BankAccount)).all()) == 1


# -- the pages -----------------------------------------------------------------------------------------------


def filled(at, account: Account, why: str):
    by_label = {one.label: one for one in at.text_input}
    for label, value in (
        ("Account holder", account.holder), ("Bank", account.bank), ("Account number", account.number),
        ("Branch code", account.branch_code),
    ):  # fmt: skip
        by_label[label].set_value(value)
    if why:
        at.text_input(key="account_why").set_value(why)
    label = "Ask for this account" if why else "Save the account"
    next(one for one in at.button if one.label == label).click().run()
    assert not at.exception
    return at


def opened(page_desk):
    at = page_desk.open("pages/admin/events.py")
    return at.button(key="change_devconf").click().run()


def test_the_page_asks_says_whom_it_waits_for_and_shows_both_accounts(page_desk):
    page_desk.sign_in(Role.ADMIN)
    at = filled(opened(page_desk), OURS, "")
    assert at.success[0].value == r"The bank account of Devconf 2026 is saved\."
    admin = page_desk.cookie
    page_desk.sign_in(Role.FINANCE)
    finance, page_desk.cookie = page_desk.cookie, admin
    at = filled(opened(page_desk), replace(THEIRS, number="12"), WHY)
    assert "6 to 13 digits" in at.error[0].value
    at = filled(at, THEIRS, WHY)
    assert "Payers are told what they were" in at.success[0].value
    assert "waits for finance person" in at.warning[0].value
    assert "62000012345" in all_html(at)
    page_desk.cookie = finance
    at = page_desk.open("pages/monitor/approvals.py")
    shown = all_html(at)
    assert "<td>4071234567</td><td><ins>62000012345</ins></td>" in shown
    assert "<td>Devconf Trust</td><td>Devconf Trust</td>" in shown
    at.button(key="approve_1").click().run()
    assert at.success[0].value == r"Approved\."
    page_desk.cookie = admin
    at = opened(page_desk)
    assert not at.warning
    at.button(key="stop_account_sure").click().run()
    assert at.success[0].value == r"Payers of Devconf 2026 are told no account\."


def test_whoever_asked_takes_it_back_where_they_asked(page_desk):
    page_desk.sign_in(Role.FINANCE)
    page_desk.sign_in(Role.ADMIN)
    at = filled(opened(page_desk), OURS, WHY)
    at.button(key="account_back_1").click().run()
    assert "Taken back" in at.success[0].value
    assert not at.warning
    with page_desk.sessions.read() as session:
        me = people.person_of(session.scalars(select(PersonRow).where(PersonRow.role == "admin")).one())
        assert approvals.get(session, me, 1, now=page_desk.now).state is State.WITHDRAWN
        assert approvals.get(session, me, 1, now=page_desk.now).what is What.SET_ACCOUNT
