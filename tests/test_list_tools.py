"""What is done with the list of payments as a whole: views, columns, and one deed on all that match."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

import bootstrap
import words
from db.models import Event, Export, Payment, PersonSession, TimelineEntry
from payments.access.people import Person, Role
from payments.dates import business_day
from payments.deciding import bulk
from payments.deciding.deeds import Deed, Given
from payments.exports import records
from payments.exports.layout import Layout
from payments.finding.grammar import read
from payments.lifecycle import Kind
from tests.desk import ADMIN, issue, make_event
from tests.test_pages import Desk, all_html, component, desk, everything, harmless
from ui import many
from ui.payments_list import USUAL

PAGE = "pages/monitor/payments.py"
NOTE = "Called them all on Monday."
__all__ = ["desk"]


@pytest.fixture
def full(desk: Desk) -> Desk:
    """Two payments of devconf, one of them expired, and one of another event."""
    with desk.sessions.begin() as session:
        make_event(session, "minefest", now=desk.now)
    for name, event in (("Naledi Moloi", "devconf"), ("**evil** Zola", "devconf"), ("Sipho", "minefest")):
        issue(desk.sessions, desk.gateway, now=desk.now, event=event, payer_name=name)
    return desk


def columns(at) -> list[str]:
    return [name for name, _ in component(at, "payments")[0]["columns"]]


def payers(at) -> list[str]:
    return [row["payer"] for each in component(at, "payments") for row in each["rows"]]


def labels(at) -> list[str]:
    return [one.label for one in at.button]


def query(at, name: str) -> str | None:
    given = at.query_params.get(name)
    return given if given is None or isinstance(given, str) else given[-1]


def save_view(at, name: str, role: Role | None = None):
    at.text_input(key="view_name").set_value(name)
    if role is not None:
        at.selectbox(key="view_role").select(role)
    next(one for one in at.button if one.label == "Save view").click().run()
    return at


# -- columns ------------------------------------------------------------------------------------------


def test_columns_are_kept_for_each_person_in_their_order(full):
    full.sign_in(Role.FINANCE)
    finance = full.cookie
    at = full.open(PAGE)
    assert columns(at) == list(USUAL)
    at.multiselect(key="columns_chosen").set_value(["payer", "amount", "note"]).run()
    assert columns(at) == ["payer", "amount", "note", "reference"]
    assert columns(full.open(PAGE)) == ["payer", "amount", "note", "reference"]
    full.sign_in(Role.VIEWER)
    assert columns(full.open(PAGE)) == list(USUAL)
    full.cookie = finance
    at = full.open(PAGE)
    at.multiselect(key="columns_chosen").set_value([]).run()
    assert columns(at) == ["reference"]


# -- views --------------------------------------------------------------------------------------------


def test_a_saved_view_is_opened_by_its_address_and_left_by_another_filter(full):
    full.sign_in(Role.FINANCE)
    at = full.open(PAGE, q="event:minefest")
    save_view(at, "Mine only")
    assert not at.error
    token = query(at, "view")
    again = full.open(PAGE, view=token)
    assert payers(again) == ["Sipho"]
    again.text_input(key="box").set_value("naledi").run()
    assert payers(again) == []
    assert query(again, "view") is None


def test_a_saved_view_comes_back_in_its_order(full):
    full.sign_in(Role.FINANCE)
    at = full.open(PAGE)
    at.selectbox(key="sort").set_value("payer").run()
    save_view(at, "By name")
    assert full.open(PAGE, view=query(at, "view")).selectbox(key="sort").value == "payer"


def test_a_view_that_is_shared_is_opened_by_who_may_and_holds_only_their_events(full):
    full.sign_in(Role.FINANCE)
    at = full.open(PAGE, q="status:open")
    save_view(at, "Waiting", Role.ORGANISER)
    token = query(at, "view")
    (link,) = {data["copy"] for data in component(at, "share")}
    assert link.endswith(f"/payments?q=status%3Aopen&view={token}")
    with full.sessions.begin() as session:
        third = make_event(session, "thirdfest", now=full.now).id
    issue(full.sessions, full.gateway, now=full.now, event="thirdfest", payer_name="Own payer")
    full.sign_in(Role.ORGANISER, [third])
    at = full.open(PAGE)
    assert "shared by finance person" in all_html(at)
    at.button(key=f"view_{token}").click().run()
    assert payers(at) == ["Own payer"]


def test_a_shared_view_with_a_payers_words_is_not_shown_to_who_sees_less(full):
    full.sign_in(Role.FINANCE)
    at = full.open(PAGE)
    at.text_input(key="box").set_value("naledi").run()
    assert "do not see it" in all_html(at)
    save_view(at, "A payer of ours", Role.ORGANISER)
    token, kept = query(at, "view"), query(at, "kept")
    with full.sessions.begin() as session:
        third = make_event(session, "thirdfest", now=full.now).id
    full.sign_in(Role.ORGANISER, [third])
    for address in ({}, {"view": token}, {"kept": kept}, {"view": token, "kept": kept}):
        at = full.open(PAGE, **address)
        told = "".join(everything(at))
        assert "naledi" not in told.casefold(), address
        assert "A payer of ours" not in told, address
        assert len(at.error) == bool(address), address


def test_only_the_office_is_offered_to_share_and_only_an_owner_to_remove(full):
    full.sign_in(Role.FINANCE)
    at = save_view(full.open(PAGE), "Everything", Role.VIEWER)
    assert "Remove" in labels(at)
    full.sign_in(Role.VIEWER)
    at = full.open(PAGE)
    assert "Remove" not in labels(at)
    assert [one.key for one in at.selectbox if one.key == "view_role"] == []


def test_a_removed_view_says_so_to_whoever_comes_by_its_address(full):
    full.sign_in(Role.FINANCE)
    at = save_view(full.open(PAGE, q="status:open"), "Waiting")
    token = query(at, "view")
    at.button(key=f"unview_{token}").click().run()
    assert not at.exception
    at = full.open(PAGE, view=token)
    assert "no such view" in at.error[0].value
    assert len(payers(at)) == 3


def test_the_name_of_a_view_stays_text(full):
    full.sign_in(Role.FINANCE)
    at = save_view(full.open(PAGE), "**evil** ![x](http://evil.example) [a](b)")
    assert not at.error
    harmless(full.open(PAGE))


# -- one deed on all that match -----------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_only_who_may_is_offered_a_deed_on_all(full, role):
    full.sign_in(role)
    offered = "Do to all" in labels(full.open(PAGE))
    assert offered is (role in (Role.ADMIN, Role.FINANCE, Role.ORGANISER))


def test_a_deed_is_told_before_then_done_to_each_that_matches_and_to_no_other(full):
    full.sign_in(Role.FINANCE)
    at = full.open(PAGE, q="event:devconf")
    at.button(key="bulk_open").click().run()
    assert "All 2 payments that match" in all_html(at)
    at.radio(key="bulk_deed").set_value("note").run()
    at.button(key="bulk_look").click().run()
    assert "Write the note first" in at.error[0].value
    at.text_area(key="bulk_text").set_value(NOTE).run()
    at.button(key="bulk_look").click().run()
    assert "Add a note: 2 of 2" in all_html(at)
    assert "It cannot be undone" in all_html(at)
    assert noted(full) == []
    at.button(key="bulk_back").click().run()
    assert at.text_area(key="bulk_text").value == NOTE
    at.button(key="bulk_look").click().run()
    at.button(key="bulk_do").click().run()
    assert not at.error
    assert "Add a note: 2 done" in all_html(at)
    harmless(at)
    assert sorted(noted(full)) == ["**evil** Zola", "Naledi Moloi"]


def test_what_comes_to_match_while_the_preview_stands_is_not_done(full):
    full.sign_in(Role.FINANCE)
    at = full.open(PAGE, q="event:devconf")
    at.button(key="bulk_open").click().run()
    at.radio(key="bulk_deed").set_value("note").run()
    at.text_area(key="bulk_text").set_value(NOTE).run()
    at.button(key="bulk_look").click().run()
    issue(full.sessions, full.gateway, now=full.now, event="devconf", payer_name="Came later")
    at.button(key="bulk_do").click().run()
    assert not at.error
    assert "Add a note: 2 done" in all_html(at)
    assert sorted(noted(full)) == ["**evil** Zola", "Naledi Moloi"]


def noted(full: Desk) -> list[str]:
    query = select(Payment.payer_name).join(TimelineEntry, TimelineEntry.payment_id == Payment.id)
    with full.sessions.read() as session:
        return list(session.scalars(query.where(TimelineEntry.kind == Kind.NOTE)))


def test_a_deed_of_an_organiser_reaches_their_events_only(full):
    with full.sessions.begin() as session:
        third = make_event(session, "thirdfest", now=full.now).id
    issue(full.sessions, full.gateway, now=full.now, event="thirdfest", payer_name="Own payer")
    full.sign_in(Role.ORGANISER, [third])
    at = full.open(PAGE)
    at.button(key="bulk_open").click().run()
    at.radio(key="bulk_deed").set_value("note").run()
    at.text_area(key="bulk_text").set_value(NOTE).run()
    at.button(key="bulk_look").click().run()
    at.button(key="bulk_do").click().run()
    assert noted(full) == ["Own payer"]


def test_many_are_cancelled_after_the_gateway_was_asked_and_opened_again(full):
    full.sign_in(Role.FINANCE)
    at = full.open(PAGE, q="event:devconf")
    at.button(key="bulk_open").click().run()
    at.radio(key="bulk_deed").set_value("cancel").run()
    at.text_area(key="bulk_text").set_value("The event has moved.").run()
    at.button(key="bulk_look").click().run()
    assert "It can be undone" in all_html(at)
    assert "“The event has moved.”" in all_html(at)
    assert "**evil** Zola" in all_html(at)  # beside its reference
    assert at.button(key="bulk_do").label == "Cancel 2 payments"
    full.gateway.asked.clear()
    at.button(key="bulk_do").click().run()
    assert "Cancel: 2 done" in all_html(at)
    assert len(full.gateway.asked) == 2
    assert statuses(full) == ["cancelled", "cancelled", "open"]
    at.button(key="bulk_undo").click().run()
    assert "Cancel: 2 undone" in all_html(at)
    assert statuses(full) == ["open", "open", "open"]


def test_a_file_tells_what_it_was_asked_for_by_name_and_to_the_word(full):
    """Of everything pending and of links just issued it had said *Waiting*, and of an event its code."""
    with full.sessions.begin() as session:
        for typed in ("status:pending event:devconf", "status:open naledi@example.org"):
            records.ask(
                session, ADMIN, read(typed, business_day(full.now)), Layout(), demo=True, now=full.now
            )
        session.execute(update(Export).values(state=records.RUNNING))
    full.sign_in(Role.ADMIN)
    told = all_html(full.open("pages/finance/exports.py"))
    for says in ("Waiting for money", "Status: Waiting", "Devconf 2026", "status:pending event:devconf"):
        assert says in told
    assert "naledi" not in told


def statuses(full: Desk) -> list[str]:
    with full.sessions.read() as session:
        return sorted(session.scalars(select(Payment.status)))


def test_what_was_done_last_is_undone_after_its_dialog_was_closed_and_the_page_loaded_again(full):
    """One Escape had taken the only Undo away: forty-eight drawers were left."""
    full.sign_in(Role.FINANCE)
    at = full.open(PAGE, q="event:devconf")
    at.button(key="bulk_open").click().run()
    assert not [one for one in at.button if one.key == "bulk_last_undo"]
    at.radio(key="bulk_deed").set_value("cancel").run()
    at.text_area(key="bulk_text").set_value("The event has moved.").run()
    at.button(key="bulk_look").click().run()
    at.button(key="bulk_do").click().run()
    at = full.open(PAGE, q="event:devconf status:open")  # where the list is empty by now
    assert at.button(key="bulk_last").label.startswith("Cancelled 2 payments today ")
    at = full.open(PAGE, q="event:devconf")
    at.button(key="bulk_open").click().run()
    assert "Cancelled 2 payments today" in all_html(at)
    at.button(key="bulk_last_look").click().run()
    assert "Cancel: 2 done" in all_html(at)
    at = full.open(PAGE, q="event:devconf")
    at.button(key="bulk_open").click().run()
    at.button(key="bulk_last_undo").click().run()
    assert "Cancel: 2 undone" in all_html(at)
    assert statuses(full) == ["open", "open", "open"]
    at = full.open(PAGE, q="event:devconf")
    at.button(key="bulk_open").click().run()
    assert "2 undone since" in all_html(at)
    assert not [one for one in at.button if one.key == "bulk_last_undo"]


def test_a_deed_has_one_word_and_is_said_of_what_it_is_done_to():
    """“Assign 3 cases” stood in the list above as “Give an owner”; what is approved are requests."""
    said = {deed: words.DEED[deed].button.format(many._them(deed, 3)) for deed in Deed}
    assert said[Deed.APPROVE] == "Approve 3 requests"
    assert said[Deed.ASSIGN] == f"{words.DEED[Deed.ASSIGN].name} 3 cases"
    assert words.DEED[Deed.APPROVE].done.format(many._them(Deed.APPROVE, 1)) == "Approved 1 request"


# -- those that are ticked ----------------------------------------------------------------------------


def ids_of(at) -> dict[str, int]:
    return {row["payer"]: row["id"] for each in component(at, "payments") for row in each["rows"]}


def test_a_deed_is_done_to_those_that_were_ticked_and_to_no_other(full):
    """Five of a list needed a filter that hits just these five."""
    full.sign_in(Role.FINANCE)
    at = full.open(PAGE, q="status:open")
    assert "bulk_these" not in {one.key for one in at.button}
    ids = ids_of(at)
    of = at.session_state["wanted"]
    at.session_state["payments_chosen"] = (of, [ids["Sipho"], ids["Naledi Moloi"]])
    at.run()
    assert component(at, "payments")[0]["chosen"] == sorted([ids["Sipho"], ids["Naledi Moloi"]])
    at.button(key="bulk_these").click().run()
    assert "The 2 payments that you chose" in all_html(at)
    at.radio(key="bulk_deed").set_value("note").run()
    at.text_area(key="bulk_text").set_value(NOTE).run()
    at.button(key="bulk_look").click().run()
    assert at.button(key="bulk_do").label == "Add the note to 2 payments"
    at.button(key="bulk_do").click().run()
    assert sorted(noted(full)) == ["Naledi Moloi", "Sipho"]
    assert component(at, "payments")[0]["chosen"] == []  # it was asked for, and is not offered again


def test_what_was_ticked_is_let_go_with_its_filter(full):
    full.sign_in(Role.FINANCE)
    at = full.open(PAGE, q="status:open")
    of = at.session_state["wanted"]
    at.session_state["payments_chosen"] = (of, list(ids_of(at).values()))
    at.run()
    assert "**3 payments chosen**" in [one.value for one in at.markdown]
    at.text_input(key="box").set_value("naledi").run()
    assert component(at, "payments")[0]["chosen"] == []
    assert "bulk_these" not in {one.key for one in at.button}


def test_what_was_ticked_in_days_that_moved_on_is_let_go_and_it_is_said(full, monkeypatch):
    """At midnight the same words mean other days: the ticks had gone without a word."""
    full.sign_in(Role.FINANCE)
    at = full.open(PAGE, q="status:open created:7-days")
    of, ids = at.session_state["wanted"], list(ids_of(at).values())
    at.session_state["payments_chosen"] = (of, ids)
    at.run()
    assert "let_go" not in {one.key for one in at.button}
    app, tomorrow = bootstrap.app(), full.now + timedelta(days=1)
    moved = replace(app, now=lambda: tomorrow)
    monkeypatch.setattr(bootstrap, "app", lambda: moved)
    with full.sessions.begin() as session:
        lasts = {"expires_at": tomorrow + timedelta(days=1), "active_at": tomorrow}
        session.execute(update(PersonSession).values(**lasts))
    at.run()
    assert component(at, "payments")[0]["chosen"] == []
    assert "payments are not chosen any more: a new day began" in all_html(at)
    at.button(key="choose_again").click().run()
    assert "not chosen any more" not in all_html(at)


def test_who_may_do_nothing_to_many_has_no_boxes(full):
    full.sign_in(Role.VIEWER)
    (shown,) = component(full.open(PAGE), "payments")
    assert "chosen" not in shown


def test_named_payments_of_another_event_are_not_touched(full):
    full.sign_in(Role.FINANCE)
    at = full.open(PAGE)
    with full.sessions.begin() as session:
        mine = session.scalars(select(Event.id).where(Event.code.ilike("minefest"))).one()
    organiser = Person(9, "O", "o@example.org", Role.ORGANISER, frozenset({mine}))
    with full.sessions.read() as session:
        told = bulk.preview(session, organiser, Deed.NOTE, tuple(ids_of(at).values()), Given(NOTE))
    assert told.ids == (ids_of(at)["Sipho"],)
