"""Take a payment: what for, from whom; then a code to scan, and the news that it is paid."""

import streamlit as st

import bootstrap
import ui
from db.money import Money
from payments import dates, events, links, obligations, search
from payments.errors import InvalidInput
from payments.events import EventView, State
from payments.lifecycle import SETTLED, Status
from payments.links import LinkView
from payments.obligations import Draft
from payments.people import Action

person = ui.require(Action.ISSUE_LINK)
app = bootstrap.app()
settings = app.settings
OWN_AMOUNT = 0


def draft_reference(event: EventView) -> str:
    """Drawn once a form, however often it is sent: that is what makes two hundred clicks one link."""
    kept = st.session_state.get("take_draft")
    if kept is None or kept[0] != event.code:
        with app.sessions.read() as session:
            reference = obligations.draft_reference(session, person, event.code, demo=settings.demo)
        kept = st.session_state.take_draft = (event.code, reference)
    return str(kept[1])


def next_payer() -> None:
    for key in (
        "take_draft",
        "take_open",
        "take_name",
        "take_email",
        "take_phone",
        "take_amount",
        "take_note",
    ):
        st.session_state.pop(key, None)


def reopen(reference: str) -> None:
    next_payer()
    st.session_state.take_open = reference


# -- the form ---------------------------------------------------------------------------------------


def choose_event(open_events: list[EventView]) -> EventView:
    by_code = {event.code: event for event in open_events}
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


def choose_price(event: EventView) -> int:
    """The id of a line of the price list, or OWN_AMOUNT."""
    prices = {line.id: line for line in event.categories if line.active and line.price}
    if not prices:
        return OWN_AMOUNT
    words = {line.id: f"{ui.escape(line.name)} · **{line.price}**" for line in prices.values()}
    words[OWN_AMOUNT] = "Another amount"
    chosen = st.pills(
        "For what",
        list(words),
        format_func=words.__getitem__,
        default=next(iter(words)),
        required=True,
        key=f"take_price_{event.code}",
        persist_state="session",
    )
    return chosen if chosen in words else OWN_AMOUNT


def form(event: EventView) -> None:
    price = choose_price(event)
    reference = draft_reference(event)
    with st.form("take", border=False):
        typed = ""
        if price == OWN_AMOUNT:
            typed = st.text_input(
                "Amount in rand", key="take_amount", required=True, placeholder="150 or 1 500.00"
            )
        name = st.text_input(
            "Who pays",
            key="take_name",
            required=True,
            placeholder="Name, nickname or badge number",
            autocomplete="off",
        )
        left, right = st.columns(2)
        email = left.text_input(
            "E-mail for the receipt (optional)",
            key="take_email",
            type="email",
            placeholder="thandi@example.org",
            autocomplete="off",
            icon=":material/mail:",
        )
        phone = right.text_input(
            "Phone (optional)",
            key="take_phone",
            type="phone",
            placeholder="082 123 4567",
            autocomplete="off",
            icon=":material/call:",
        )
        sent = st.form_submit_button(
            "Create link", type="primary", icon=":material/qr_code_2:", width="stretch"
        )
    if sent:
        category = next((line for line in event.categories if line.id == price), None)
        draft = Draft(
            reference=reference,
            event_code=event.code,
            amount=category.price if category else amount(typed),
            payer_name=name or "",
            payer_email=email or "",
            payer_phone=phone or "",
            category_id=category.id if category else None,
        )
        issue(draft)


def amount(text: str) -> Money:
    try:
        return Money.parse(text)
    except ValueError as error:
        raise InvalidInput(
            f"{error}." if text else "How much is it? Write the amount like 150 or 1 500.00."
        ) from error


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
    st.session_state.take_open = view.reference
    st.rerun()


# -- the link ---------------------------------------------------------------------------------------


def panel(reference: str) -> None:
    with app.sessions.read() as session:
        link = links.current(session, person, reference)
        detail = search.get(session, person, reference)
    row, over = detail.row, link.status in SETTLED
    left, right = st.columns(2, gap="medium")
    with left.container(border=True):
        ui.plain(str(link.amount), "amount center")
        ui.plain(link.payer_name, "name center")
        ui.plain(f"{row.event_name} · {row.category}" if row.category else row.event_name, "faint center")
        if over:
            status_now(link)
        elif link.url:
            ui.qr(link.url, f"QR code of the payment link for {link.amount}")
    with right:
        if not over:
            status_by_itself(reference)
        if link.url and not over:
            ui.share(
                link.url,
                f"{row.event_name}: please pay {link.amount} here:",
                key="take_share",
                phone=row.payer_phone,
                email=row.payer_email,
                tell=lambda how: tell_shared(reference, how),
            )
            st.code(link.url, language=None, wrap_lines=True)
        ui.facts({"Reference": reference, "E-mail": row.payer_email, "Phone": row.payer_phone})
        st.button(
            "Next payer",
            type="primary" if over else "secondary",
            icon=":material/person_add:",
            on_click=next_payer,
            width="stretch",
            shortcut="Enter" if over else None,
        )


def tell_shared(reference: str, how: str) -> None:
    with ui.error_boundary(), app.sessions.begin() as session:
        links.shared(session, person, reference, how, now=app.now())


@st.fragment(run_every="2s")
@ui.error_boundary()
def status_by_itself(reference: str) -> None:
    """Looks every two seconds; once the money is here the page is drawn anew, and stops looking."""
    here = ui.require(Action.ISSUE_LINK, active=False)
    with app.sessions.read() as session:
        link = links.current(session, here, reference)
    if link.status in SETTLED:
        st.rerun()
    status_now(link)


def status_now(link: LinkView) -> None:
    paid = link.status is Status.PAID
    ui.status_panel(link.status, f"{link.amount} by {link.payer_name}" if paid else waiting_for(link))
    ui.announce(f"Paid: {link.amount} by {link.payer_name}." if paid else "", key="take_announce", ring=True)


def waiting_for(link: LinkView) -> str:
    if link.url is None:
        return "The gateway is making the link. It shows here as soon as it is known; do not create another."
    if link.status is Status.FAILED:
        return "The last attempt failed. The same code can be paid again."
    return "The code can be scanned now. This turns green by itself."


# -- today's links ----------------------------------------------------------------------------------


def todays_links() -> None:
    today = dates.day_span(dates.business_day(app.now()))
    with app.sessions.read() as session:
        page = search.page(session, person, search.Filter(created=today), size=20)
    st.subheader("Links of today", anchor=False)
    if page.rows:
        ui.payments_list(
            page.rows,
            key="take_today",
            label="Links of today",
            pick=reopen,
            without=["method", "event", "reference"],
        )
    else:
        ui.empty_state(
            "No links yet today", "The links you create show here, each with how it stands.", "link"
        )


st.title("Take a payment", anchor=False)
with app.sessions.read() as session:
    open_events = events.list_events(session, person, states=(State.OPEN,))
if opened := st.session_state.get("take_open"):
    panel(opened)
    todays_links()
elif not open_events:
    ui.empty_state("No event takes payments now", "An admin opens one under Events.", "event_busy")
else:
    left, right = st.columns([3, 2], gap="medium")
    with left.container(border=True), ui.error_boundary():
        form(choose_event(open_events))
    with right:
        todays_links()
