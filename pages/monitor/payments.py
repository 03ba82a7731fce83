"""Payments: find any of them by whatever is known, see exactly how many and how much, open one."""

from datetime import timedelta

import streamlit as st

import bootstrap
import ui
import words
from db.money import Money
from payments import dates, events, links, outbox, overview, references, search, sync
from payments.errors import InvalidInput, PaymentsError
from payments.lifecycle import SETTLED, Effect, Source, Status
from payments.people import Action, Person
from payments.search import Filter, LinkDetail, PaymentDetail, Totals

person = ui.require(Action.SEE)
app = bootstrap.app()
PAGE_SIZE = 50
ANY_DAY, OWN_DAYS = "Any day", "Days…"
DAYS = [ANY_DAY, "Today", "Yesterday", "7 days", "30 days", OWN_DAYS]
#: The filter bar's keys, which are the names in the URL, with nothing wished for.
NOTHING = {
    "q": "", "event": None, "days": ANY_DAY, "status": [], "trouble": None, "exact": [], "method": [],
    "least": "", "most": "", "dated": "Created",
}  # fmt: skip


# -- the filter bar ---------------------------------------------------------------------------------


def clear_filters() -> None:
    st.session_state.update(NOTHING)
    first_page()


def first_page() -> None:
    """Another question starts at its first page again."""
    if st.session_state.get("page", 1) != 1:
        st.session_state["page"] = 1


def search_box() -> str:
    """What is searched for stands in the URL only when it is a reference: names and addresses do not."""
    if "q" not in st.session_state:
        st.session_state.q = st.query_params.get("q", "")
    text = st.text_input(
        "Search",
        key="q",
        type="search",
        icon=":material/search:",
        placeholder="Name, e-mail, phone, reference, amount",
        label_visibility="collapsed",
        on_change=first_page,
        persist_state="session",
    )
    if text and references.readings(text):
        st.query_params["q"] = text
    elif "q" in st.query_params:
        del st.query_params["q"]
    return text or ""


def event_box() -> tuple[str, ...]:
    with app.sessions.read() as session:
        names = {event.code: event.name for event in events.list_events(session, person)}
    code = st.selectbox(
        "Event",
        list(names),
        index=None,
        placeholder="All events",
        format_func=names.__getitem__,
        key="event",
        label_visibility="collapsed",
        on_change=first_page,
        bind="query-params",
    )
    return (code,) if code else ()


def day_bar() -> dates.Span | None:
    choice = st.segmented_control(
        "Days",
        DAYS,
        default=ANY_DAY,
        required=True,
        key="days",
        label_visibility="collapsed",
        on_change=first_page,
        bind="query-params",
    )
    today = dates.business_day(app.now())
    if choice != OWN_DAYS:
        return words.days_of(choice or ANY_DAY, today)
    chosen = st.date_input(
        "From and to",
        (today - timedelta(days=6), today),
        key="own_days",
        format="DD/MM/YYYY",
        on_change=first_page,
    )
    return dates.day_span(min(chosen), max(chosen)) if chosen else None


def status_pills() -> tuple[set[Status], str | None]:
    groups = st.pills(
        "Status",
        list(words.GROUPS),
        selection_mode="multi",
        key="status",
        label_visibility="collapsed",
        on_change=first_page,
        bind="query-params",
    )
    trouble = st.pills(
        "Needs a person",
        list(words.TROUBLES),
        key="trouble",
        label_visibility="collapsed",
        on_change=first_page,
        bind="query-params",
    )
    return {status for group in groups for status in words.GROUPS[group]}, trouble


def amount(label: str, key: str) -> Money | None:
    text = st.text_input(label, key=key, placeholder="150.00", on_change=first_page, bind="query-params")
    try:
        return Money.parse(text) if text else None
    except ValueError as error:
        raise InvalidInput(f"{error}.") from error


def rarer_filters() -> tuple[list[str], list[str], str | None]:
    """Words of exact statuses and methods, and which day of a payment the days are about."""
    statuses = [look.word for look in words.STATUS.values()]
    bound = {"on_change": first_page, "bind": "query-params"}
    exact = st.multiselect("Exact status", statuses, key="exact", **bound)
    methods = st.multiselect("Method", list(words.METHOD.values()), key="method", **bound)
    dated = st.segmented_control(
        "Days are those it was", ["Created", "Paid"], default="Created", required=True, key="dated", **bound
    )
    return exact, methods, dated


def filter_bar() -> Filter:
    left, right = st.columns([3, 2])
    with left:
        text = search.parse(search_box()).text
    with right.container(horizontal=True):
        codes = event_box()
        with st.popover("More", icon=":material/tune:"):
            exact, methods, dated = rarer_filters()
            least, most = amount("Amount from", "least"), amount("Amount up to", "most")
    with st.container(horizontal=True, gap="small"):
        span = day_bar()
        statuses, trouble = status_pills()
        clear = st.empty()
    wanted = Filter(
        text=text,
        statuses=tuple(
            sorted(statuses | {status for status, look in words.STATUS.items() if look.word in exact})
        ),
        methods=tuple(method for method, word in words.METHOD.items() if word in methods),
        events=codes,
        amount_from=least,
        amount_to=most,
        created=span if dated != "Paid" else None,
        paid=span if dated == "Paid" else None,
        **{words.TROUBLES[trouble]: True} if trouble else {},
    )
    if wanted != Filter():
        clear.button("Clear filters", icon=":material/close:", type="tertiary", on_click=clear_filters)
    return wanted


# -- the list ---------------------------------------------------------------------------------------


@st.cache_data(max_entries=500, show_spinner=False)
def exact_totals(
    _here: Person, version: int, scope: frozenset[int] | None, mode: str, wanted: Filter
) -> Totals:
    """Exact count and sums, added up once for everybody who may see the same."""
    with app.sessions.read() as session:
        return search.totals(session, _here, wanted)


def told(totals: Totals) -> str:
    line = f"**{words.count(totals.count, 'payment', 'payments')}**"
    if totals.count:
        line += f" · **{words.sums(totals.sums)}** asked · **{words.sums(totals.received)}** received"
    return line


def open_payment(reference: str) -> None:
    st.query_params["payment"] = reference
    st.session_state.payment_picked = True


def nothing_found(wanted: Filter) -> None:
    if wanted != Filter():
        ui.empty_state(
            "No payment fits", "Take a filter away, or search for a part of the name.", "search_off"
        )
        st.button("Clear all filters", on_click=clear_filters)
    elif person.may(Action.ISSUE_LINK):
        ui.empty_state("No payments yet", "Take the first one: it shows here at once.", "receipt_long")
        st.page_link("pages/door/take.py", label="Take a payment", icon=":material/qr_code_2:")
    else:
        ui.empty_state("No payments yet", "They show here as soon as an organiser takes one.", "receipt_long")


@st.fragment(run_every="3s")
@ui.error_boundary()
def found(wanted: Filter) -> None:
    """The list, drawn anew when something changed; filter, page and scroll stay. While a later page is
    read, payments that arrive do not push its rows on."""
    here = ui.require(Action.SEE, active=False)
    if st.session_state.pop("payment_picked", False):
        st.rerun()
    line = st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute")
    total = line.empty()
    with app.sessions.read() as session:
        version = overview.version(session)
        some = search.capped_count(session, here, wanted)
        place, pages = st.container(), -(-min(some, search.COUNT_CAP) // PAGE_SIZE)
        number = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
        held = st.session_state.get("held") if number > 1 else None
        newest_id = held[1] if held and held[0] == wanted else None
        page = search.page(session, here, wanted, number=number, size=PAGE_SIZE, newest_id=newest_id)
    if number == 1 and page.rows:
        st.session_state.held = (wanted, page.rows[0].id)
    total.markdown(f"**{words.count(min(some, search.COUNT_CAP), 'payment', 'payments')}** …")
    with place:
        if page.rows:
            ui.payments_list(page.rows, key="payments_list", label="Payments", pick=open_payment)
        else:
            nothing_found(wanted)
    totals = exact_totals(here, version, here.events, app.settings.mode, wanted)
    total.markdown(told(totals))
    if totals.count and here.may(Action.EXPORT):
        with line:
            ui.export_link(wanted, totals.count)


# -- one payment ------------------------------------------------------------------------------------


def close_payment() -> None:
    st.session_state.pop("drawer_of", None)
    st.query_params.pop("payment", None)


@st.dialog("Payment", position="right", width="medium", on_dismiss=close_payment)
@ui.error_boundary()
def drawer(reference: str) -> None:
    """Everything about one payment. It is named by its reference, so it is the right one whatever moves."""
    here = ui.require(Action.SEE)
    if st.session_state.get("drawer_of") != reference:
        st.session_state.drawer_of = reference
        with app.sessions.begin() as session:
            links.opened(session, here, reference, now=app.now())
    with app.sessions.read() as session:
        detail = search.get(session, here, reference)
    top(detail)
    gateway_word(here, detail)
    if link := payable(detail):
        how_to_pay(here, detail, link)
    money_trail(detail)
    mails(here, detail)
    st.subheader("What happened", anchor=False)
    ui.timeline(detail.timeline, key="drawer_timeline")


def top(detail: PaymentDetail) -> None:
    row = detail.row
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        ui.plain(row.reference, "reference")
        ui.badge(row.status)
    ui.plain(str(row.amount), "amount")
    ui.plain(row.payer_name, "name")
    if row.review:
        word, advice = words.REVIEW[row.review]
        st.warning(f"**{word}.** {advice}", icon=":material/flag:")
    ui.facts(
        {
            "Event": f"{row.event_name}, {row.category}" if row.category else row.event_name,
            "E-mail": row.payer_email,
            "Phone": row.payer_phone,
            "Received": str(row.received) if row.received else "nothing yet",
            "Returned": str(detail.refunded) if detail.refunded else None,
            "Method": words.method_word(row.method) if row.method else None,
            "Created": f"{ui.moment(row.created_at)} by {detail.created_by}",
            "Paid": ui.moment(row.paid_at) if row.paid_at else None,
            "At iKhokha": row.gateway_reference,
            "Bank reference": references.spoken(row.reference),
            "Note": row.note,
        }
    )


def payable(detail: PaymentDetail) -> LinkDetail | None:
    """The link a payer can use now: the newest, unless the money is here."""
    if detail.row.status in SETTLED or not detail.links or detail.links[-1].state == "paid":
        return None
    return detail.links[-1]


def gateway_word(here: Person, detail: PaymentDetail) -> None:
    """What the gateway last said, and a way to ask it again."""
    if not detail.links:
        return
    link, waits = detail.links[-1], payable(detail) is not None
    said = f" It said {link.answer_word}." if link.answer_word else ""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        if link.asked_at:
            still = ", still waiting" if waits else ""
            ui.plain(f"Checked {ui.moment(link.asked_at)}{still}.{said}", "faint")
        else:
            ui.plain("Not checked yet: the gateway is asked a minute after the link was made.", "faint")
        if waits and here.may(Action.ASK_GATEWAY, detail.event_id):
            st.button(
                "Ask the gateway now", icon=":material/sync:", key="drawer_ask", on_click=ask, args=(link.id,)
            )
    if answer := st.session_state.pop("drawer_said", None):
        st.info(ui.escape(answer), icon=":material/info:")


def ask(link_id: int) -> None:
    """Its outcome is told in the drawer, which is drawn anew after this."""
    try:
        effect = sync.ask(app.sessions, app.gateways, link_id, now=app.now(), source=Source.DESK)
        st.session_state.drawer_said = ANSWERED[effect]
    except PaymentsError as error:
        st.session_state.drawer_said = str(error)


ANSWERED = {
    Effect.PAID: "It is paid.",
    Effect.PART_PAID: "A part of it is paid.",
    Effect.OPENED: "The link is ready to be paid.",
    Effect.FAILED: "The last attempt to pay failed. The link can still be paid.",
    Effect.FLAGGED: "The answer does not fit this payment. It is marked for a person to look at.",
    Effect.NOTHING: "Nothing new.",
}


def how_to_pay(here: Person, detail: PaymentDetail, link: LinkDetail) -> None:
    if link.url is None:
        ui.plain(
            "The gateway has not confirmed the link. It is looked up by itself; do not create another.",
            "faint",
        )
        return
    row = detail.row
    with st.expander("Payment link and QR code", icon=":material/qr_code_2:"):
        ui.qr(link.url, f"QR code of the payment link for {link.amount}")
        st.code(link.url, language=None, wrap_lines=True)
        if here.may(Action.ISSUE_LINK):
            ui.share(
                link.url,
                f"{row.event_name}: please pay {link.amount} here:",
                key="drawer_share",
                phone=row.payer_phone,
                email=row.payer_email,
                tell=lambda how: tell_shared(row.reference, how),
            )


def tell_shared(reference: str, how: str) -> None:
    with ui.error_boundary(), app.sessions.begin() as session:
        links.shared(session, person, reference, how, now=app.now())


def money_trail(detail: PaymentDetail) -> None:
    if detail.receipts:
        st.subheader("Money", anchor=False)
    ui.facts(
        {
            f"{ui.moment(receipt.received_at)}": f"{receipt.amount} by {words.method_word(receipt.kind)}, "
            f"{receipt.source_reference}, on the word of {receipt.recorded_by}"
            for receipt in detail.receipts
        }
    )


MAIL = {"queued": "waits to be sent", "failed": "could not be sent"}


def mails(here: Person, detail: PaymentDetail) -> None:
    if detail.mails:
        st.subheader("Mail", anchor=False)
    for mail in detail.mails:
        sent = f"sent {ui.moment(mail.sent_at)}" if mail.state == "sent" else MAIL[mail.state]
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            ui.plain(f"{mail.subject}\nto {mail.recipient}, {sent}", "faint")
            if here.may(Action.ISSUE_LINK):
                st.button(
                    "Resend",
                    icon=":material/send:",
                    key=f"resend_{mail.id}",
                    on_click=resend,
                    args=(mail.id,),
                )
        if mail.last_error and not mail.sent_at:
            ui.problem(f"The last try failed: {mail.last_error}")
        with st.expander("Read it"):
            ui.plain(mail.body)


def resend(mail_id: int) -> None:
    with ui.error_boundary(), app.sessions.begin() as session:
        outbox.resend(session, person, mail_id, now=app.now())


st.title("Payments", anchor=False)
with ui.error_boundary():
    found(filter_bar())
if opened := st.query_params.get("payment"):
    drawer(opened)
