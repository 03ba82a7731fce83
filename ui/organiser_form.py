"""Who an event's organiser is, as receipts and invoices show it, under Events; and receipts in the drawer."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import streamlit as st

import bootstrap
import words
from payments import dates
from payments.access.people import Action, Person
from payments.at_the_door import door
from payments.finding.search import PaymentDetail, ReceiptDetail
from payments.lifecycle import Kind
from payments.payers import receipts
from payments.reconciling import matched
from payments.reconciling.matched import MatchView
from payments.reconciling.reconciliation import BANK_LINE
from payments.selling import organisers
from payments.selling.events import EventView
from payments.selling.organisers import Organiser
from ui.here import error_boundary
from ui.matches import MATCHED
from ui.pieces import file_link, moment, plain
from ui.proving import go, tell
from ui.sharing import share_text


def organiser_form(event: EventView) -> None:
    app = bootstrap.app()
    with app.sessions.read() as session:
        kept = organisers.of(session, event.id)
    with st.form("organiser"):
        plain("Who bills", "title")
        left, right = st.columns([3, 2])
        name = left.text_input("Organiser", kept.name, key="organiser_name", placeholder="Example Events NPC")
        vat_number = right.text_input(
            "VAT number", kept.vat_number, key="organiser_vat",
            help="Ten digits. With it, invoices are tax invoices, receipts up to R5 000 abridged ones.",
        )  # fmt: skip
        address = st.text_area("Address", kept.address, key="organiser_address", height="content")
        first, second, third = st.columns(3)
        registration = first.text_input(
            "Registration number",
            kept.registration,
            key="organiser_registration",
            placeholder="2019/123456/08",
        )
        contact = second.text_input(
            "Questions go to", kept.contact, key="organiser_contact", placeholder="accounts@example.org"
        )
        supplier = third.text_input(
            "Supplier number", kept.supplier_number, key="organiser_supplier",
            help="As buyers know you: of the Central Supplier Database, or a university's.",
        )  # fmt: skip
        sent = st.form_submit_button("Save the organiser", icon=":material/check:")
    if sent:
        _save(
            event,
            Organiser(
                name or "", address or "", vat_number or "", registration or "", contact or "", supplier or ""
            ),
        )


def _save(event: EventView, wanted: Organiser) -> None:
    """Payers read it beside the bank account: whoever changes it confirms that it is them."""
    app = bootstrap.app()

    def do(me: Person) -> None:
        app.sessions.run(lambda session: organisers.save(session, me, event.code, wanted, now=app.now()))
        tell("The organiser is saved.")

    with error_boundary():
        go(do)
        st.rerun()


class _Told:
    """What each receipt goes back to. Of a bank's line the payment's own timeline knows the day, for anybody;
    the line itself, with its whole amount, is for who may see the bank's."""

    def __init__(self, here: Person, detail: PaymentDetail) -> None:
        self._matched = {
            f"{BANK_LINE}{entry.detail['match']}": entry.detail
            for entry in detail.timeline
            if entry.kind == Kind.MATCHED and "match" in entry.detail
        }
        ids = {entry["line"] for entry in self._matched.values()}
        self._lines: dict[int, MatchView] = {}
        if ids and here.may(Action.SEE_BANK):
            with bootstrap.app().sessions.read() as session:
                found = matched.list_matches(session, here, line_ids=ids, standing=True)
            self._lines = {one.line_id: one for one in found}

    def _entry(self, receipt: ReceiptDetail) -> Mapping[str, Any] | None:
        return self._matched.get(receipt.source_reference.rpartition("-")[0])

    def line_of(self, receipt: ReceiptDetail) -> MatchView | None:
        entry = self._entry(receipt)
        return self._lines.get(entry["line"]) if entry else None

    def source(self, receipt: ReceiptDetail) -> str:
        if (entry := self._entry(receipt)) is None:
            return receipt.source_reference
        on, line = date.fromisoformat(entry["on"]), self.line_of(receipt)
        whole = f", {line.amount}" if line else ""
        return f"Bank line of {dates.say_days(on, on)}{whole}"


def receipts_of(here: Person, detail: PaymentDetail) -> None:
    """The money that came, each with its receipt for who may hand it out, and the payer's account."""
    if detail.receipts:
        st.subheader("Money", anchor=False)
    told = _Told(here, detail)
    for one in detail.receipts:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            how = words.method_word(one.kind)
            plain(
                f"{one.amount} by {how}, {moment(one.received_at)}\n"
                f"{told.source(one)}, on the word of {one.recorded_by}",
                "faint",
            )
            if told.line_of(one):
                st.page_link(
                    "pages/finance/workbench.py",
                    label="The bank's line",
                    icon=":material/account_balance:",
                    query_params={"reason": MATCHED, "find": detail.row.reference},
                )
            if here.may(Action.ISSUE_LINK, detail.event_id):
                file_link(f"/receipt/{one.id}", "Receipt")
    if detail.receipts and here.may(Action.ISSUE_LINK, detail.event_id):
        with st.expander("Send the last receipt as a message", icon=":material/chat:"):
            receipt_message(here, detail.receipts[-1].id, detail.row.payer_phone, detail.row.payer_email)
    if here.may(Action.ISSUE_LINK, detail.event_id):
        file_link(f"/account/{detail.row.reference}", "Statement of account")


def receipt_message(here: Person, receipt_id: int, phone: str = "", email: str = "") -> None:
    """A receipt by WhatsApp, SMS or e-mail, or copied; sent once, it says COPY from then on."""
    app = bootstrap.app()
    with app.sessions.read() as session:
        text = receipts.message(session, here, receipt_id)

    def tell(how: str) -> None:
        with error_boundary():
            app.sessions.run(lambda session: receipts.sent(session, here, receipt_id, how, now=app.now()))

    plain(text, "faint")
    share_text(
        text, key=f"receipt_message_{receipt_id}", subject="Receipt", phone=phone, email=email, tell=tell
    )


def till_receipt(here: Person, entry_id: int) -> None:
    """A link to the receipt of what was taken at a till."""
    with bootstrap.app().sessions.read() as session:
        receipt_id = receipts.of_till_entry(session, here, entry_id)
        payer = door.receipt(session, here, entry_id)
    file_link(f"/receipt/{receipt_id}", "Receipt as PDF")
    with st.expander("Send it as a message", icon=":material/chat:"):
        receipt_message(here, receipt_id, payer.payer_phone)
