"""Take a payment: by a link and its code, by EFT, in cash, or from the slip of a card machine."""

from dataclasses import replace

import streamlit as st

import bootstrap
import ui
import words
from db.money import Money
from payments import dates, obligations
from payments.access.people import Action
from payments.asking import links, part_links
from payments.asking.links import LinkView
from payments.asking.part_links import Wanted
from payments.at_the_door import door, eft, shifts, slips
from payments.at_the_door.door import Taking
from payments.at_the_door.shifts import ShiftView
from payments.at_the_door.slips import Slip, SlipUsed
from payments.errors import Conflict
from payments.finding import search
from payments.finding.search import PaymentDetail
from payments.lifecycle import CLOSED, SETTLED, Status
from payments.obligations import Draft
from payments.payers import likeness
from payments.payers.likeness import Alike
from payments.selling import complimentary, events
from payments.selling.events import EventView, State
from ui.several import PartTaken
from ui.take_form import CASH, EFT, FREE, LINK, SLIP, Sent, choose_event, choose_way, forget_form, take_form

person = ui.require(Action.ISSUE_LINK)
app = bootstrap.app()
settings = app.settings
#: Money on the table: it needs a till.
AT_A_TILL = (CASH, SLIP)
GOES_ON = {
    LINK: "create the link", EFT: "show how to pay", CASH: "take the cash", SLIP: "write the slip down",
    FREE: "ask for the free place",
}  # fmt: skip


#: What was just made is in the address as well: loaded again, the page shows it, and nobody makes it twice.
IN_ADDRESS = {"payment": "take_open", "place": "take_place", "receipt": "take_receipt"}


def next_payer() -> None:
    """What the page held for the last one is gone."""
    forget_form()
    for key in ("draft", "open", "place", "receipt", "guard", "slip_used"):
        st.session_state.pop(f"take_{key}", None)


def reopen(reference: str, place: int = 0) -> None:
    next_payer()
    st.session_state.take_open, st.session_state.take_place = reference, place


def arrive() -> None:
    """Open what the address names, unless this page wrote it itself; then let it name what is open."""
    query, kept = st.query_params, st.session_state
    given = {name: query[name] for name in IN_ADDRESS if name in query}
    if given and given != kept.get("take_address"):
        next_payer()
        with ui.error_boundary(), app.sessions.read() as session:
            if receipt := ui.id_in(given.get("receipt", "")):
                kept.take_receipt = door.receipt(session, person, receipt).id
            elif reference := given.get("payment"):
                kept.take_open = search.get(session, person, reference).row.reference
                kept.take_place = ui.id_in(given.get("place", ""))
    told = {name: str(kept[key]) for name, key in IN_ADDRESS.items() if kept.get(key)}
    for name in IN_ADDRESS:
        if name in told and query.get(name) != told[name]:
            query[name] = told[name]
        elif name not in told and name in query:
            del query[name]
    kept.take_address = told


def draft_reference(event: EventView) -> str:
    """Drawn once a form, however often it is sent: that is what makes two hundred clicks one payment."""
    kept = st.session_state.get("take_draft")
    if kept is None or kept[0] != event.code:
        with app.sessions.read() as session:
            reference = obligations.draft_reference(session, person, event.code, demo=settings.demo)
        kept = st.session_state.take_draft = (event.code, reference)
    return str(kept[1])


# -- the same person again --------------------------------------------------------------------------


def guarded(sent: Sent, shift: ShiftView | None) -> None:
    """Go on, unless the same person seems to have a payment of this event already: who owes one pays that."""
    with app.sessions.read() as session:
        found = likeness.alike(session, person, sent.draft)
    if found:
        st.session_state.take_guard = (sent, found)
        st.rerun()
    go_on(sent, shift)


def same_person(sent: Sent, found: tuple[Alike, ...], shift: ShiftView | None) -> None:
    with st.container(border=True):
        ui.plain(f"{sent.draft.payer_name} seems to be here already", "title")
        st.caption("Open what is there, or go on if this is somebody else.")
        for one in found:
            word = words.STATUS[one.status].word
            st.button(
                ui.escape(f"{one.payer_name} · {one.amount} · {word}, by {one.by}"),
                icon=f":material/{words.STATUS[one.status].icon}:",
                key=f"take_alike_{one.reference}",
                on_click=reopen,
                args=(one.reference,),
                width="stretch",
            )
        with st.container(horizontal=True):
            with ui.error_boundary():
                if st.button(f"Somebody else: {GOES_ON[sent.way]}", type="primary", key="take_other"):
                    go_on(sent, shift)
            st.button("Back", on_click=lambda: st.session_state.pop("take_guard", None), key="take_back")
        slip_used()


def go_on(sent: Sent, shift: ShiftView | None) -> None:
    if sent.way == LINK:
        issue(sent.draft)
    elif sent.way == FREE:
        reference = app.sessions.run(
            lambda session: complimentary.ask(session, person, sent.draft, sent.why, now=app.now())
        )
        reopen(reference)
        st.rerun()
    elif sent.way == EFT:
        reference = app.sessions.run(lambda session: eft.ask(session, person, sent.draft, now=app.now()))
        reopen(reference)
        st.rerun()
    elif shift is None:
        raise Conflict("Your shift was closed meanwhile. Open one, and take the money in it.")
    else:
        take(shift, sent.draft, sent.asked, sent.tendered, sent.slip)


def issue(draft: Draft) -> None:
    with st.spinner("The gateway makes the link …"):
        view = links.issue(
            app.sessions,
            app.gateways["ikhokha"],
            draft,
            person=person,
            addresses=settings.addresses,
            now=app.now(),
        )
    reopen(view.reference)
    st.rerun()


# -- money on the table -----------------------------------------------------------------------------


def take(
    shift: ShiftView, owed: Draft | str, asked: Money, tendered: Money, slip: Slip | None, place: int = 0
) -> None:
    """Sent twice it is one receipt: a draft by its reference, what is there already by the roll so far.

    Raises SlipUsed, and keeps what was sent: ``slip_used`` asks about it.
    """
    key = owed.reference if isinstance(owed, Draft) else f"{owed}-{shift.id}-{shift.receipts}"
    taking = Taking(
        key=key,
        shift_id=shift.id,
        owed=owed,
        amount=asked,
        tendered=None if slip else tendered,
        slip=slip,
        place=place,
    )
    st.session_state.pop("take_slip_used", None)
    try:
        write_down(taking)
    except SlipUsed as error:
        st.session_state.take_slip_used = (taking, str(error))
        st.rerun()


def write_down(taking: Taking) -> None:
    taken = app.sessions.run(lambda session: door.take(session, person, taking, now=app.now()))
    next_payer()
    st.session_state.take_receipt = taken.id
    st.rerun()


def machines_of(shift: ShiftView | None) -> tuple[str, ...]:
    """The card machines that a slip may be of, that of the payer before first."""
    if shift is None:
        return ()
    with app.sessions.read() as session:
        return slips.machines(session, person, shift.id)


def slip_used() -> None:
    """A slip that is on a receipt already is asked about, under the form that still holds what was typed."""
    if (kept := st.session_state.get("take_slip_used")) is None:
        return
    taking, told = kept
    ui.problem(told)
    name = taking.owed.payer_name if isinstance(taking.owed, Draft) else taking.owed
    whose = f"{taking.amount} from {name}" if name else str(taking.amount)
    if isinstance(taking.owed, Draft):  # the form above may have been changed since: this is what is written
        whose += f", {taking.owed.event_code}"
    with ui.error_boundary():
        if st.button(
            ui.escape(f"{taking.slip} is another charge: {whose}"), key="take_another_charge", width="stretch"
        ):
            write_down(replace(taking, another_charge=True))


def money_for_this(detail: PaymentDetail, shift: ShiftView | None) -> None:
    """A payment that is there already: paid at the till instead of by its link, in part or one by one."""
    row = detail.row
    balance = row.amount - row.received
    at_till = shift is not None and shift.event_code == row.event_code and shift.counted_at is None
    may_link = row.status not in CLOSED
    if balance.minor <= 0 or not (at_till or may_link):
        return
    word = f"Paid here instead, in part or one by one: {balance}" if at_till else "A part, or one by one"
    with st.expander(word, icon=":material/payments:"), ui.error_boundary():
        chosen = ui.part_form(
            row.reference, balance, detail.places,
            machines=machines_of(shift) if at_till else None, may_link=may_link,
        )  # fmt: skip
        if chosen is None:
            slip_used()
            return
        if chosen.way == LINK:
            part_link(detail, chosen)
        elif shift is not None:
            take(shift, row.reference, chosen.amount, chosen.tendered, chosen.slip, chosen.place)


def part_link(detail: PaymentDetail, chosen: PartTaken) -> None:
    amount = None if chosen.place else chosen.amount
    wanted = Wanted(detail.row.reference, len(detail.links), chosen.place, amount)
    with st.spinner("The gateway makes the link …"):
        part_links.make(
            app.sessions, app.gateways, person, wanted, addresses=settings.addresses, now=app.now()
        )
    reopen(detail.row.reference, chosen.place)
    st.rerun()


# -- the link ---------------------------------------------------------------------------------------


def panel(reference: str, shift: ShiftView | None) -> None:
    place = st.session_state.get("take_place", 0)
    with app.sessions.read() as session:
        detail = search.get(session, person, reference)
        link = links.current(session, person, reference, place) if detail.links else None
    row, over = detail.row, detail.row.status in SETTLED
    done = over or row.status is Status.WAIVED or (link is not None and link.is_paid)
    free = link is None and row.note.startswith(complimentary.WORD)
    ui.payer_screen(reference, place, key="take_payer", then=next_payer)
    left, right = st.columns(2, gap="medium")
    with left.container(border=True):
        to_be_paid(detail, link, done=done, free=free)
    with right:
        if link is not None and not done:
            status_by_itself(reference, place)
            if link.url:
                ui.share_link(person, row, key="take_share", place=place)
                st.code(link.url, language=None, wrap_lines=True)
        if not over and not free:
            by_eft(detail, place, first=link is None)
        known(detail, over=over)
        if not over:
            money_for_this(detail, shift)
        st.button(
            "Next payer",
            type="primary" if done else "secondary",
            icon=":material/person_add:",
            on_click=next_payer,
            width="stretch",
            shortcut="Enter" if done else None,
        )


def to_be_paid(detail: PaymentDetail, link: LinkView | None, *, done: bool, free: bool) -> None:
    """How much, by whom, for what; the code to scan, or how it stands."""
    row = detail.row
    ui.plain(str(link.amount if link else row.amount), "amount center")
    if detail.quoted and (link is None or link.amount == row.amount):
        ui.plain(detail.quoted.sum, "faint center")
    ui.plain(whose(detail, link), "name center")
    ui.plain(f"{row.event_name} · {row.category}" if row.category else row.event_name, "faint center")
    if done or link is None:
        stands, asked = (link.status, link.amount) if link else (row.status, row.amount)
        status_now(stands, asked, row.payer_name, link, free=free)
    elif link.url and link.fits:
        ui.qr(link.url, f"QR code of the payment link for {link.amount}")


def known(detail: PaymentDetail, *, over: bool) -> None:
    """What else is known of the payment, its payer and the others it is for."""
    row, part = detail.row, detail.row.received and not over
    ui.facts(
        {
            "Reference": row.reference, "E-mail": row.payer_email, "Phone": row.payer_phone,
            "Received": f"{row.received} of {row.amount}" if part else None,
            "Missing": str(row.amount - row.received) if part else None,
        }
    )  # fmt: skip
    ui.details_later(row.reference)
    ui.places_list(detail.places)


def whose(detail: PaymentDetail, link: LinkView | None) -> str:
    """Who pays, and for whom of several people this link is."""
    place = next((one for one in detail.places if link is not None and one.number == link.place), None)
    return f"{place.name} ({detail.row.payer_name})" if place else detail.row.payer_name


def by_eft(detail: PaymentDetail, place: int, *, first: bool) -> None:
    """How to pay without the gateway: at once where there is no link, else for whoever asks."""
    with st.container(border=True) if first else st.expander("Pay by EFT", icon=":material/account_balance:"):
        ui.eft_sheet(person, detail, place, key="take_eft")


@st.fragment(run_every="2s")
@ui.error_boundary()
def status_by_itself(reference: str, place: int) -> None:
    """Looks every two seconds; once the money is here the page is drawn anew, and stops looking."""
    here = ui.require(Action.ISSUE_LINK, active=False)
    with app.sessions.read() as session:
        link = links.current(session, here, reference, place)
    if link.status in SETTLED or link.is_paid:
        st.rerun()
    status_now(link.status, link.amount, link.payer_name, link)


def status_now(
    status: Status, asked: Money, payer: str, link: LinkView | None, *, free: bool = False
) -> None:
    paid = status is Status.PAID
    waits = "Complimentary: waived once a second person approves." if free else waiting_for(status, link)
    ui.status_panel(status, f"{asked} by {payer}" if paid else waits)
    ui.announce(f"Paid: {asked} by {payer}." if paid else "", key="take_announce", ring=True)


def waiting_for(status: Status, link: LinkView | None) -> str:
    if status is Status.CLAIMED:
        return "The payer says it was sent. It is paid once the money is here."
    if link is None:
        return "It is paid by EFT; the bank's line is found by its reference."
    if link.url is None:
        return "The gateway is making the link. It shows here as soon as it is known; do not create another."
    if not link.fits:
        return "Some of it is here, so that this link asks for too much. Make one for what is missing."
    if status is Status.FAILED:
        return "The last attempt failed. The same code can be paid again."
    return "The code can be scanned now. This turns green by itself."


# -- today's links ----------------------------------------------------------------------------------


def todays_links() -> None:
    today = dates.day_span(dates.business_day(app.now()))
    with app.sessions.read() as session:
        page = search.page(session, person, search.Filter(created=today), size=20)
    st.subheader("Payments of today", anchor=False)
    if page.rows:
        ui.payments_list(
            page.rows,
            key="take_today",
            label="Payments of today",
            pick=reopen,
            without=["event", "reference"],
        )
    else:
        ui.empty_state(
            "Nothing yet today",
            "What you take and the links you create show here, each with how it stands.",
            "link",
        )


def ask_for_money(open_events: list[EventView], shift: ShiftView | None) -> None:
    way = choose_way(person)
    if way in AT_A_TILL and (shift is None or shift.counted_at is not None):
        ui.empty_state(
            "Open a shift first" if shift is None else "This shift was counted",
            "Cash and slips are written down in a shift at a till, so that they can be counted at its end.",
            "point_of_sale",
        )
        word = "Open my shift" if shift is None else "See my shift"
        if st.button(word, type="primary", icon=":material/point_of_sale:", key="to_shift", width="stretch"):
            st.switch_page("pages/door/shift.py")
        return
    till = shift if way in AT_A_TILL else None
    event = choose_event(open_events, till)
    if sent := take_form(person, event, way, draft_reference(event), machines_of(till)):
        guarded(sent, till)
    if way == SLIP:
        slip_used()


st.title("Take a payment", anchor=False)
with app.sessions.read() as session:
    there = events.list_events(session, person, states=(State.OPEN,))
    my_shift = shifts.mine(session, person)
open_events = events.nearest_first(there, now=app.now())
arrive()
if receipt_id := st.session_state.get("take_receipt"):
    ui.receipt_panel(person, receipt_id, then=next_payer)
elif opened := st.session_state.get("take_open"):
    panel(opened, my_shift)
    todays_links()
elif guard := st.session_state.get("take_guard"):
    same_person(*guard, my_shift)
elif not open_events:
    ui.empty_state("No event takes payments now", "An admin opens one under Events.", "event_busy")
else:
    left, right = st.columns([3, 2], gap="medium")
    with left.container(border=True), ui.error_boundary():
        ask_for_money(open_events, my_shift)
    with right:
        todays_links()
