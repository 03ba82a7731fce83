"""Close, as people of each role use it: the strip, a day's draft, one who signs and another who approves."""

from datetime import date, timedelta

import pytest
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext

import bootstrap
from db.models import BankAccount, ClosingPaper
from payments.access import people
from payments.access.people import Role
from payments.bank import imports
from payments.books import audit
from payments.reconciling import exceptions
from payments.sign_off import sign_offs
from payments.sign_off.sign_offs import Period, State
from tests.desk import ADMIN, proved
from tests.test_pages import Desk, all_html, component, desk, everything, harmless
from tests.test_payout_pages import There
from tests.test_reconcile_pages import banked, button, owes

CLOSE = "pages/finance/closing.py"
__all__ = ["desk"]


@pytest.fixture
def evening(desk: Desk, monkeypatch) -> Desk:
    """The day after one on which a payment came and a stranger paid."""
    desk.now += timedelta(days=1)
    app = bootstrap.app()
    monkeypatch.setattr(bootstrap, "app", lambda: bootstrap.App(
        app.settings, app.sessions, app.gateways, lambda: desk.now
    ))  # fmt: skip
    one = owes(desk, "Zanele Mokoena")
    banked(desk, (f"EFT {one.replace('_', '')}", "1500.00"), ("EFT <b>ABC</b>", "70.00"))
    return desk


def explain(desk: Desk) -> None:
    """Whoever is at the desk owns what waits, and says what is known of it."""
    with desk.sessions.begin() as session:
        (view,) = exceptions.queue(session, ADMIN, now=desk.now)
        (owner, *_) = exceptions.owners(session, ADMIN, now=desk.now)
        exceptions.assign(
            session, ADMIN, view.line_id, owner_id=owner, due_on=None, note="Asked by phone.", now=desk.now
        )


def signed(desk: Desk) -> list[sign_offs.SignOffView]:
    with desk.sessions.read() as session:
        account = session.query(BankAccount).one().id
        return sign_offs.history(session, ADMIN, account, Period.DAY, (desk.now - timedelta(days=1)).date())


def test_the_audit_tells_what_was_signed_in_words_with_its_day_as_people_write_it(desk):
    """“Sign off signed · Payouts account, 2026-11-06”."""
    with desk.sessions.begin() as session:
        for step, period in (("signed", "day"), ("approved", "month")):
            subject = "Payouts, 2026 account, 2026-11-01"
            audit.record(session, ADMIN, f"sign_off_{step}", subject, now=desk.now, period=period)
        audit.record(session, ADMIN, "add_note", "Typed, 2026-11-01", now=desk.now)
    desk.sign_in(Role.ADMIN)
    (shown,) = component(desk.open("pages/admin/audit.py"), "timeline")
    titles = [entry["title"] for day in shown["days"] for entry in day["entries"]]
    assert [title for title in titles if "2026" in title] == [
        "Add note · Typed, 2026-11-01",
        "Approve signed day or month · Payouts, 2026 account, Nov 2026",
        "Sign day or month · Payouts, 2026 account, 1 Nov 2026",
    ]


def opened(desk: Desk):
    at = desk.open(CLOSE, day="2026-11-23")
    assert not at.exception
    harmless(at)
    return at


def test_a_desk_without_an_account_or_a_booking_says_where_to_begin(desk):
    desk.sign_in(Role.FINANCE)
    assert "Add one and import its statement" in all_html(desk.open(CLOSE))
    banked(desk, ("EFT", "1.00"))
    assert "Nothing is booked in this month" in all_html(desk.open(CLOSE, month="2026-10-01"))


def test_a_day_that_a_link_of_the_page_opens_stays_in_the_address(evening, monkeypatch):
    """A browser leaves its address alone for such a link, so the page tells it; with the next click the day
    would be gone, as for whoever approves one."""
    told, enqueue = [], ScriptRunContext.enqueue

    def heard(context, message):
        if message.WhichOneof("type") == "page_info_changed":
            told.append(message.page_info_changed.query_string)
        enqueue(context, message)

    monkeypatch.setattr(ScriptRunContext, "enqueue", heard)
    evening.sign_in(Role.FINANCE)
    opened(evening)
    assert told == ["day=2026-11-23"]


def test_the_month_shows_each_day_with_its_state_and_its_statements(evening):
    evening.sign_in(Role.AUDITOR)
    shown = all_html(evening.open(CLOSE, month="2026-11-01"))
    assert "Monday 23 November 2026: Draft, 2 lines · R1\u00a0570.00, 1 line waits" in shown
    assert "Tuesday 24 November 2026: Today" in shown
    assert "Sunday 22 November 2026: Before the first statement" in shown
    assert shown.count('tabindex="0"') == 1
    with evening.sessions.begin() as session:
        again = b"Date,Text,Amount\n2026-11-20,EFT A,7.00\n2026-11-23,EFT LATE,7.00\n"
        imports.import_file(session, ADMIN, 1, "b.csv", again, now=evening.now, mapping=LATE)
    shown = all_html(opened(evening))
    assert "Monday 23 November 2026: Draft, 3 lines · R1\u00a0577.00, 2 lines wait, 2 statements" in shown
    assert "Saturday 21 November 2026: Nothing booked" in shown
    assert "Told by b.csv and a.csv" in shown
    assert "No statement tells of this day yet" in all_html(evening.open(CLOSE, day="2026-11-24"))


def test_a_day_is_signed_by_one_approved_by_another_and_reopened_by_two(evening):
    desk = evening
    desk.sign_in(Role.FINANCE)
    at = opened(desk)
    shown = all_html(at)
    assert "2 lines · R1\u00a0570.00" in shown
    assert "Draft" in shown
    assert "R1\u00a0500.00 · EFT" in shown
    assert "by Paydesk" in shown
    assert "it waits, and lacks an owner and an explanation" in shown
    assert not [one for one in at.button if one.label.startswith("Sign")]
    explain(desk)
    at = opened(desk)
    assert "Ready to sign" in all_html(at)
    button(at, "Sign 23 Nov 2026").click().run()
    assert "is signed" in at.success[0].value
    assert "This was yours" in all_html(at)
    assert not [one for one in at.button if one.label == "Approve"]
    desk.sign_in(Role.ADMIN)
    waits = desk.open("pages/monitor/approvals.py")
    assert "23 Nov 2026" in all_html(waits)
    assert "finance person" in all_html(waits)
    with desk.sessions.read() as session:
        two = [people.system_person(session, f"{role}@example.org") for role in (Role.FINANCE, Role.ADMIN)]
        assert [len(sign_offs.waiting_for(session, one)) for one in two] == [0, 1]
    at = opened(desk)
    button(at, "Approve").click().run()
    (view,) = signed(desk)
    assert (view.state, view.signer, view.approver) == (State.APPROVED, "finance person", "admin person")
    reason = f"Reopen_why_{view.id}"
    at.text_area(key=reason).set_value("no")
    button(at, "Reopen").click().run()
    assert "Say why" in at.error[0].value
    at.text_area(key=reason).set_value("The bank sent a corrected statement.")
    button(at, "Reopen").click().run()
    assert "This was yours" in all_html(at)
    desk.cookie = None
    with desk.sessions.begin() as session:
        finance = people.system_person(session, "finance@example.org")
        sign_offs.reopen(session, proved(finance), view.id, now=desk.now)
    assert [one.state for one in signed(desk)] == [State.REOPENED]


def test_an_auditor_sees_who_did_what_and_does_nothing(evening):
    evening.sign_in(Role.FINANCE)
    explain(evening)
    at = opened(evening)
    button(at, "Sign 23 Nov 2026").click().run()
    with evening.sessions.begin() as session:
        imports.import_file(
            session, ADMIN, 1, "late.csv", b"Date,Text,Amount\n2026-11-23,EFT LATE,7.00\n", now=evening.now,
            mapping=LATE,
        )  # fmt: skip
    evening.sign_in(Role.AUDITOR)
    at = opened(evening)
    assert "finance person · signed" in all_html(at)
    assert not [one for one in at.button if one.label in ("Approve", "Refuse")]
    told = all_html(evening.open(CLOSE, day="2026-11-24"))
    assert "Belongs to 23 Nov 2026: R7.00 · EFT LATE · came after its day was signed" in told


LATE = imports.Mapping(name="Plain", date=0, description=(1,), amount=2, heading=("Date", "Text", "Amount"))


def test_papers_that_were_taken_are_told_under_exports_with_a_door_to_their_day(evening):
    with evening.sessions.begin() as session:
        account = session.query(BankAccount).one().id
        session.add(
            ClosingPaper(
                reference="DEMO_CLO_1", kind="journal", account_id=account, first_on=date(2026, 11, 23),
                last_on=date(2026, 11, 23), file_name="journal-xero.csv", size_bytes=1, sha256="0" * 64,
                at=evening.now, by="Farai",
            )
        )  # fmt: skip
    evening.sign_in(Role.FINANCE)
    at = evening.open("pages/finance/exports.py")
    assert not at.exception
    said = "".join(everything(at))
    assert "Journals and statements taken" in said
    assert "journal-xero.csv · Events, 23 Nov 2026" in said.replace("\\", "")
    assert "finance/closing" in said or "closing" in said


def test_what_the_gateway_holds_has_a_name_of_its_own_on_close(evening):
    evening.sign_in(Role.FINANCE)
    bench = object.__new__(There)  # its account is there
    bench.sessions, bench.now, bench.gateway = evening.sessions, evening.now, evening.gateway
    bench.paid(at=evening.now - timedelta(days=1))
    at = opened(evening)
    assert "Captured and not on a statement here" in [one.value for one in at.subheader]
    assert "Payouts says less under “On its way”: only the last weeks" in all_html(at)
