"""Take a payment: by a link and its code, by EFT, in cash, or from the slip of a card machine."""

from dataclasses import dataclass, replace

import streamlit as st

import bootstrap
import ui
import words
from db.money import Money
from payments import (
    complimentary,
    contacts,
    dates,
    door,
    eft,
    events,
    likeness,
    links,
    obligations,
    on_sale,
    part_links,
    search,
    shifts,
)
from payments.door import Slip, Taking
from payments.errors import Conflict
from payments.events import EventView, State
from payments.lifecycle import CLOSED, SETTLED, Status
from payments.likeness import Alike
from payments.links import LinkView
from payments.obligations import Draft
from payments.on_sale import CategoryOffer, Offers
from payments.part_links import Wanted
from payments.people import Action
from payments.search import PaymentDetail
from payments.shifts import ShiftView
from ui.several import PartTaken

person = ui.require(Action.ISSUE_LINK)
app = bootstrap.app()
settings = app.settings
OWN_AMOUNT = 0
EXTRAS_ONLY = -1
IN_ANOTHER_CURRENCY = -2
LINK, EFT, CASH, SLIP, FREE = "Link", "EFT", "Cash", "Card slip", "Complimentary"
#: As they stand beside each other on a phone.
SHORT = {SLIP: "Card", FREE: "Free"}
#: Money on the table: it needs a till.
AT_A_TILL = (CASH, SLIP)
GOES_ON = {
    LINK: "create the link", EFT: "show how to pay", CASH: "take the cash", SLIP: "write the slip down",
    FREE: "ask for the free place",
}  # fmt: skip
WORDS = {
    LINK: "Create link", EFT: "Show how to pay", CASH: "Take cash", SLIP: "Write the slip down",
    FREE: "Ask a second person",
}  # fmt: skip
SENDS = {
    LINK: "qr_code_2", EFT: "account_balance", CASH: "payments", SLIP: "receipt", FREE: "volunteer_activism",
}  # fmt: skip
#: What a payer's form holds. The till's machine, the event and the way stay for the next payer.
FORM = (
    "draft", "open", "place", "receipt", "guard", "who", "people", "names", "amount", "what_for", "part",
    "tendered", "slip", "last_four", "code", "free_why", "quote_amount",
)  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """A form as it was sent, kept while somebody looks whether its payer is here already."""

    draft: Draft
    way: str
    asked: Money
    tendered: int
    slip: Slip | None
    why: str = ""  # it is complimentary


def next_payer() -> None:
    extras = [key for key in st.session_state if str(key).startswith("take_extra_")]
    for key in (*extras, *(f"take_{field}" for field in FORM)):
        st.session_state.pop(key, None)


def reopen(reference: str, place: int = 0) -> None:
    next_payer()
    st.session_state.take_open, st.session_state.take_place = reference, place


def draft_reference(event: EventView) -> str:
    """Drawn once a form, however often it is sent: that is what makes two hundred clicks one payment."""
    kept = st.session_state.get("take_draft")
    if kept is None or kept[0] != event.code:
        with app.sessions.read() as session:
            reference = obligations.draft_reference(session, person, event.code, demo=settings.demo)
        kept = st.session_state.take_draft = (event.code, reference)
    return str(kept[1])


# -- what is asked ----------------------------------------------------------------------------------


def choose_way() -> str:
    icons = {LINK: "qr_code_2", CASH: "payments", SLIP: "credit_card", EFT: "account_balance"}
    if person.may(Action.RECORD):
        icons[FREE] = "volunteer_activism"
    return str(
        st.segmented_control(
            "How it is paid",
            list(icons),
            format_func=lambda way: f":material/{icons[way]}: {SHORT.get(way, way)}",
            default=LINK,
            required=True,
            key="take_how",
            persist_state="session",
            label_visibility="collapsed",
            width="stretch",
        )
    )


def choose_event(open_events: list[EventView], shift: ShiftView | None) -> EventView:
    """A till belongs to an event: money on the table is for that one."""
    by_code = {event.code: event for event in open_events}
    if shift is not None and shift.event_code in by_code:
        ui.plain(f"{shift.event_name} · {shift.till}", "title")
        return by_code[shift.event_code]
    if len(by_code) == 1:
        ui.plain(open_events[0].name, "title")
        return open_events[0]
    code = st.selectbox(
        "Event",
        list(by_code),
        format_func=lambda code: by_code[code].name,
        key="take_event",
        persist_state="session",
    )
    return by_code[code]


def choose_price(event: EventView, offers: Offers, currencies: tuple[str, ...]) -> int:
    """The id of a line of the price list, or EXTRAS_ONLY, IN_ANOTHER_CURRENCY or OWN_AMOUNT."""
    prices = {line.id: line for line in offers.categories if line.price}
    if not prices and not offers.extras and not currencies:
        return OWN_AMOUNT
    labels = {line.id: f"{ui.escape(line.name)} · **{line.price}**{period(line)}" for line in prices.values()}
    if offers.extras:
        labels[EXTRAS_ONLY] = "Extras only"
    if currencies:
        labels[IN_ANOTHER_CURRENCY] = f"Quoted in {' or '.join(currencies)}"
    labels[OWN_AMOUNT] = "Another amount"
    chosen = st.pills(
        "For what",
        list(labels),
        format_func=labels.__getitem__,
        default=next(iter(labels)),
        required=True,
        key=f"take_price_{event.code}",
        persist_state="session",
    )
    return chosen if chosen in labels else OWN_AMOUNT


def period(line: CategoryOffer) -> str:
    """Which of its prices holds, and how many seats it has left."""
    left = "" if line.seats_left is None else f", {line.seats_left} left"
    return f" · {ui.escape(line.period)}{left}" if line.period else ""


def form(event: EventView, way: str, shift: ShiftView | None) -> None:
    with app.sessions.read() as session:
        offers = on_sale.offers(session, person, event.code, now=app.now())
    currencies = ui.quoting_in(now=app.now()) if event.currency == "ZAR" else ()
    price = choose_price(event, offers, currencies)
    category = next((line for line in offers.categories if line.id == price), None)
    reference = draft_reference(event)
    in_another = price == IN_ANOTHER_CURRENCY
    priced = offers.priced and price not in (OWN_AMOUNT, IN_ANOTHER_CURRENCY)
    several = ui.ask_several(
        category.price if category and not priced else None, may_be_part=way not in (EFT, FREE)
    )
    asked: ui.Asked | ui.AskedQuote | None = None
    if priced:
        asked = ui.ask_priced(person, event.code, offers, category, several.people, now=app.now())
    elif in_another:
        asked = ui.ask_quoted(person, event.code, offers, currencies, several.people, now=app.now())
    if asked is None and (priced or in_another):
        return
    with st.form("take", border=False):
        typed, what_for = ("", ask_what_for() if in_another else "") if category or asked else ask_amount()
        who = ask_who()
        expected = expects(several, asked, category)
        tendered = ui.ask_tendered(expected, key="take_tendered") if way == CASH else ui.EXACT
        slip = ui.ask_slip() if way == SLIP else None
        why = st.text_input("Why does it cost nothing?", key="take_free_why") if way == FREE else ""
        sent = st.form_submit_button(
            WORDS[way], type="primary", icon=f":material/{SENDS[way]}:", width="stretch"
        )
    if not sent:
        return
    if asked is not None:
        if not asked.seen:
            raise Conflict("Look at the amount in rand, and send it again.")
        whole = asked.whole
        places = asked.places(several.places(whole))
    else:
        each = category.price if category else ui.amount_of(typed, event.currency)
        whole, places = several.whole(each), several.places(each)
    now, payer = several.now(whole), contacts.payer(who or "")
    priced_as = asked.category_id if asked else category.id if category else None
    draft = Draft(
        reference, event.code, whole, payer.name, payer.email, payer.phone, priced_as, what_for, places, now,
        choice=asked.choice if asked else None, quoted=asked.quoted if asked else None,
    )  # fmt: skip
    guarded(Sent(draft, way, now, tendered, slip, why or ""), shift)


def expects(
    several: ui.Several, asked: ui.Asked | ui.AskedQuote | None, category: CategoryOffer | None
) -> Money | None:
    """What will be on the table, for the round sums that may be handed over."""
    if asked is not None:
        return ui.price_now(replace(several, people=1), asked.whole)
    return ui.price_now(several, category.price if category else None)


def ask_amount() -> tuple[str, str]:
    """Not ``required``: a browser far away would hold back the press of who has chosen a price just now."""
    left, right = st.columns(2)
    typed = left.text_input("Amount in rand", key="take_amount", placeholder="150 or 1 500.00")
    with right:
        return typed or "", ask_what_for()


def ask_who() -> str | None:
    return st.text_input(
        "Who pays (optional)", key="take_who", placeholder="Name, badge number, phone or e-mail",
        autocomplete="off",
    )  # fmt: skip


def ask_what_for() -> str:
    return st.text_input("What for", key="take_what_for", placeholder="Late workshop seat") or ""


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
    shift: ShiftView, owed: Draft | str, asked: Money, tendered: int, slip: Slip | None, place: int = 0
) -> None:
    """Sent twice it is one receipt: a draft by its reference, what is there already by the roll so far."""
    key = owed.reference if isinstance(owed, Draft) else f"{owed}-{shift.id}-{shift.receipts}"
    taking = Taking(
        key=key,
        shift_id=shift.id,
        owed=owed,
        amount=asked,
        tendered=None if slip else Money(tendered or asked.minor, asked.currency),
        slip=slip,
        place=place,
    )
    taken = app.sessions.run(lambda session: door.take(session, person, taking, now=app.now()))
    next_payer()
    st.session_state.take_receipt = taken.id
    st.rerun()


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
        chosen = ui.part_form(row.reference, balance, detail.places, at_till=at_till, may_link=may_link)
        if chosen is None:
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
    with right:
        if link is not None and not done:
            status_by_itself(reference, place)
        if link is not None and link.url and not done:
            ui.share_link(person, row, key="take_share", place=place)
            st.code(link.url, language=None, wrap_lines=True)
        if not over and not free:
            by_eft(detail, place, first=link is None)
        balance = row.amount - row.received
        ui.facts(
            {
                "Reference": reference, "E-mail": row.payer_email, "Phone": row.payer_phone,
                "Received": f"{row.received} of {row.amount}" if row.received and not over else None,
                "Missing": str(balance) if row.received and not over else None,
            }
        )  # fmt: skip
        ui.details_later(reference)
        ui.places_list(detail.places)
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
    way = choose_way()
    if way in AT_A_TILL and (shift is None or shift.counted_at is not None):
        ui.empty_state(
            "Open a shift first" if shift is None else "This shift was counted",
            "Cash and slips are written down in a shift at a till, so that they can be counted at its end.",
            "point_of_sale",
        )
        st.page_link("pages/door/shift.py", label="My shift", icon=":material/point_of_sale:")
        return
    till = shift if way in AT_A_TILL else None
    form(choose_event(open_events, till), way, till)


st.title("Take a payment", anchor=False)
with app.sessions.read() as session:
    open_events = events.list_events(session, person, states=(State.OPEN,))
    my_shift = shifts.mine(session, person)
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
