"""Who works for one event reaches nothing of another: by no name, number, reference or word."""

import pytest

from db.money import Money
from payments import cancellation, notes, obligations, references, sheets
from payments.asking import links, part_links, reissue, sharing
from payments.asking.part_links import Wanted
from payments.at_the_door import admission, cash_up, claims, door, eft, my_day, shifts
from payments.at_the_door.claims import ClaimDraft
from payments.at_the_door.door import Taking
from payments.at_the_door.shifts import Move
from payments.dates import business_day, day_span
from payments.errors import NotAllowed, NotFound
from payments.finding import search
from payments.finding.search import Filter
from payments.live import overview
from payments.obligations import Draft
from payments.payers import likeness, payer_account, payer_details, receipts
from payments.proofs import files
from payments.second_person import two_people
from payments.selling import events, moves
from payments.sheets import back
from tests.desk import ADDRESSES, ADMIN, issue
from tests.test_claims import ACCOUNT, KEYS, PAID_ON, photo
from tests.test_door import opened, people, sold
from tests.test_sheets import Gateway, begin, make_all

__all__ = ["people"]

NAME, PRICE, FRESH = "Zanele Mokoena", Money(15_000), references.with_check("REG", "7K2MPQ", demo=True)
#: What whoever works for the event does see: that the others do not is no accident of this test's.
SEEN = {
    "look", "link", "invitation", "account", "eft", "bank", "claims", "proof", "board", "full", "guest",
    "tills", "shift", "roll", "till receipt", "report", "receipt", "receipt sent", "sheet", "sheet back",
    "sheet read", "drawn", "alike",
}  # fmt: skip


@pytest.fixture
def theirs(sessions, people, now):
    """Everything there can be of the other event, by the numbers that a guess would hit."""
    aisha, gateway = people["aisha"], Gateway()
    with sessions.begin() as session:
        eft.set_account(session, ADMIN, "devconf", ACCOUNT, now=now)
    link = issue(sessions, gateway, now=now, payer_name=NAME, payer_phone="082 123 4567")
    shift = opened(sessions, aisha, now)
    taken = sold(sessions, aisha, shift, now)
    with sessions.begin() as session:
        draft = ClaimDraft("k", link.reference, PRICE, PAID_ON)
        claim = claims.record(session, aisha, draft, files.prepare(photo()), KEYS, now=now)
        (view,) = claims.of_payment(session, aisha, link.reference, now=now)
        request = two_people.ask_paid(session, aisha, link.reference, PRICE, "It is on the account", now=now)
        admission.let_in(session, aisha, taken.reference, now=now)
        receipt = receipts.of_till_entry(session, aisha, taken.id)
    sheet = begin(sessions, "name,amount\nThandi Nkosi,100\n", now=now)
    make_all(sessions, gateway, sheet, now)
    return {
        "reference": link.reference, "gateway": gateway, "shift": shift.id, "entry": taken.id, "claim": claim,
        "proof": view.proofs[0].id, "receipt": receipt, "sheet": sheet, "request": request.id,
    }  # fmt: skip


def deeds(it, who, now):
    """Each with the numbers of what is there; all must say that there is no such thing, or not for them."""
    at, by = it["reference"], {"now": now}
    new = Draft(FRESH, "devconf", PRICE, NAME)
    return {
        "look": lambda s: search.get(s, who, at),
        "link": lambda s: links.current(s, who, at),
        "opened": lambda s: links.opened(s, who, at, **by),
        "shared": lambda s: links.shared(s, who, at, "copy", **by),
        "invitation": lambda s: sharing.invitation(s, who, at),
        "mail": lambda s: sharing.mail(s, who, at, **by),
        "note": lambda s: notes.add(s, who, at, "Hello there", **by),
        "details": lambda s: payer_details.add(s, who, at, "Nobody", **by),
        "account": lambda s: payer_account.hand_out(s, who, at, **by),
        "eft": lambda s: eft.sheet(s, who, at, **by),
        "eft asked": lambda s: eft.ask(s, who, new, **by),
        "eft shared": lambda s: eft.shared(s, who, at, "copy", **by),
        "bank": lambda s: eft.account(s, who, "devconf"),
        "claimed": lambda s: claims.record(s, who, ClaimDraft("z", at, PRICE, PAID_ON), None, KEYS, **by),
        "claims": lambda s: claims.of_payment(s, who, at, **by),
        "dropped": lambda s: claims.drop(s, who, it["claim"], "Nothing came", **by),
        "proof": lambda s: claims.open_proof(s, who, it["proof"], KEYS, **by),
        "asked paid": lambda s: two_people.ask_paid(s, who, at, PRICE, "It is there, I saw it", **by),
        "approved": lambda s: two_people.approve(s, who, it["request"], **by),
        "moved": lambda s: moves.move(s, who, at, "gala", "It belongs here", category_id=None, **by),
        "reopened": lambda s: cancellation.reopen(s, who, at, "Wanted after all", **by),
        "board": lambda s: admission.look_up(s, who, "devconf", "zanele"),
        "full": lambda s: admission.fullness(s, who, "devconf"),
        "guest": lambda s: admission.guest(s, who, at),
        "let in": lambda s: admission.let_in(s, who, at, why="A friend", **by),
        "substituted": lambda s: admission.substitute(s, who, at, "Carol", **by),
        "tills": lambda s: shifts.tills(s, who, "devconf"),
        "till": lambda s: shifts.open_shift(s, who, "devconf", "Side door", Money(0), **by),
        "shift": lambda s: shifts.row(s, who, it["shift"]),
        "roll": lambda s: door.roll(s, who, it["shift"], last=9),
        "till receipt": lambda s: door.receipt(s, who, it["entry"]),
        "cash moved": lambda s: shifts.move_cash(
            s, who, it["shift"], Move.DROP, PRICE, key="m", bag_number="1", **by
        ),
        "taken": lambda s: door.take(s, who, Taking("t", it["shift"], at, PRICE), **by),
        "corrected": lambda s: door.correct(
            s, who, it["entry"], "It was mine", shift_id=it["shift"], key="c", **by
        ),
        "counted": lambda s: cash_up.count(s, who, it["shift"], {}, **by),
        "closed": lambda s: cash_up.close(s, who, it["shift"], why="I close it", **by),
        "report": lambda s: cash_up.report(s, who, it["shift"]),
        "receipt": lambda s: receipts.hand_out(s, who, it["receipt"], **by),
        "receipt sent": lambda s: receipts.message(s, who, it["receipt"]),
        "sheet": lambda s: sheets.made(s, who, it["sheet"]),
        "sheet back": lambda s: back.take(s, who, it["sheet"], "csv", **by),
        "sheet read": lambda s: sheets.read(s, who, "devconf", "x.csv", b"name,amount\nA,1\n", now=now),
        "sheet again": lambda s: sheets.retry(s, who, it["sheet"], **by),
        "drawn": lambda s: obligations.draft_reference(s, who, "devconf", demo=True),
        "alike": lambda s: likeness.alike(s, who, new),
    }  # fmt: skip


def asked_of_the_gateway(sessions, it, who, now):
    """What opens its own transactions."""
    at, gateways = it["reference"], {"ikhokha": it["gateway"]}
    new = Draft(FRESH, "devconf", PRICE, NAME)
    more = {"addresses": ADDRESSES, "now": now}
    return {
        "issued": lambda: links.issue(sessions, it["gateway"], new, person=who, **more),
        "part": lambda: part_links.make(sessions, gateways, who, Wanted(at, 1, amount=Money(100)), **more),
        "reissued": lambda: reissue.reissue(
            sessions, gateways, who, at, "They lost it", replaces=at, **more
        ),
        "cancelled": lambda: cancellation.cancel(sessions, gateways, who, at, "Not coming", now=now),
        "sheet made": lambda: sheets.step(sessions, it["gateway"], who, it["sheet"], **more),
    }  # fmt: skip


def test_who_works_for_one_event_reaches_nothing_of_another(sessions, people, theirs, now):
    carol, reached = people["stranger"], []
    for name, deed in deeds(theirs, carol, now).items():
        with sessions.begin() as session:
            try:
                deed(session)
                reached.append(name)
            except (NotFound, NotAllowed):
                session.rollback()
    made = len(theirs["gateway"].links)
    for name, act in asked_of_the_gateway(sessions, theirs, carol, now).items():
        try:
            act()
            reached.append(name)
        except (NotFound, NotAllowed):
            pass
    assert reached == []
    for name, deed in deeds(theirs, people["aisha"], now).items():
        if name in SEEN:
            with sessions.begin() as session:
                deed(session)
    assert len(theirs["gateway"].links) == made, "the gateway was not asked for anything"


@pytest.mark.parametrize("text", [NAME, "mokoena", "0821234567", "4567", "150", "devconf", "the reference"])
def test_no_word_finds_what_another_event_has(sessions, people, theirs, now, text):
    carol, today = people["stranger"], day_span(business_day(now))
    words = theirs["reference"] if text == "the reference" else text
    with sessions.read() as session:
        assert search.find_one(session, carol, words) is None
        assert search.page(session, carol, Filter(text=words), size=9).rows == ()
        assert search.page(session, carol, search.parse(words), size=9).rows == ()
        assert search.totals(session, carol, Filter(text=words)).count == 0
        assert sheets.recent(session, carol) == ()
        assert shifts.latest(session, carol, count=9) == ()
        assert my_day.of(session, carol, today).issued == 0
        assert [event.code for event in events.list_events(session, carol)] == ["gala"]
        assert overview.live(session, carol.events, now=now).newest == ()
