"""Papers in the drawer: what was issued for a payment, and the form that issues one."""

import secrets

import streamlit as st

import bootstrap
import words
from db.money import Money
from payments import dates
from payments.access.people import Action, Person
from payments.finding.search import PaymentDetail
from payments.lifecycle import CLOSED, SETTLED
from payments.papers import handing, issuing
from payments.papers.bodies import BillTo, PaperKind
from payments.papers.handing import PaperView
from payments.papers.issuing import Credit, Wanted
from payments.typed import amount_typed
from ui.here import error_boundary, require
from ui.pieces import file_link, plain, problem

KINDS = {
    PaperKind.QUOTATION: "Quotation",
    PaperKind.PRO_FORMA: "Pro-forma invoice",
    PaperKind.INVOICE: "Invoice, a tax invoice with a VAT number",
}
_KEY = "paper_key"


def papers_of(here: Person, detail: PaymentDetail) -> None:
    """The papers of a payment, and a form for another one."""
    if not here.may(Action.ISSUE_LINK, detail.event_id):
        return
    with bootstrap.app().sessions.read() as session:
        papers = handing.of_payment(session, here, detail.row.reference)
    if papers:
        st.subheader("Quotations and invoices", anchor=False)
    for paper in papers:
        _paper(here, detail, paper)
    billed = any(paper.left for paper in papers)
    kinds = _kinds(detail, billed=billed)
    if kinds:
        with st.expander("Make a quotation or an invoice", icon=":material/description:"):
            _form(here, detail, kinds)


def _kinds(detail: PaymentDetail, *, billed: bool) -> list[PaperKind]:
    """What can be made for it now; the rest would be refused."""
    status = detail.row.status
    if status in CLOSED or status == "refunded" or not detail.row.amount:
        return []
    before = [] if status in SETTLED else [PaperKind.QUOTATION, PaperKind.PRO_FORMA]
    return [*before, *([] if billed else [PaperKind.INVOICE])]


def _paper(here: Person, detail: PaymentDetail, paper: PaperView) -> None:
    credited = paper.kind is PaperKind.INVOICE and paper.left < paper.total
    told = [
        f"{paper.title} {paper.label}",
        f"{paper.total}, {dates.say_days(paper.issued_on, paper.issued_on)}, to {paper.bill_to.name}",
    ]
    if paper.payments > 1:
        told.append(f"for {words.number(paper.payments)} payments")
    if paper.credits:
        told.append(f"takes from {paper.credits}")
    if credited:
        told.append(f"{paper.left} of it stands" if paper.left else "credited in full")
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        plain("\n".join((told[0], "; ".join(told[1:]))), "faint")
        with st.container(horizontal=True, gap="small", width="content"):
            file_link(f"/bill/{paper.id}", "Copy" if paper.handed_out else "PDF")
            with st.popover("Mail", icon=":material/mail:"):
                _mail(paper)
            if paper.left and here.may(Action.RECORD, detail.event_id):
                with st.popover("Credit", icon=":material/undo:"):
                    _credit(detail, paper)
    if paper.lost:
        problem(f"{paper.label} stands, and nobody owes it any more: it is for finance to credit it.")


def _mail(paper: PaperView) -> None:
    with st.form(f"paper_mail_{paper.id}", border=False):
        to = st.text_input(
            "To", paper.bill_to.email, key=f"paper_to_{paper.id}", placeholder="name@example.org"
        )
        if st.form_submit_button("Send it", type="primary"):
            with error_boundary():
                app = bootstrap.app()
                app.sessions.run(
                    lambda session: handing.send(
                        session, require(Action.ISSUE_LINK), paper.id, to or "", now=app.now()
                    )
                )
                st.session_state.drawer_said = f"{paper.title} {paper.label} is queued to {to}."
                st.rerun(scope="fragment")


def _credit(detail: PaymentDetail, paper: PaperView) -> None:
    """All that is left, or an amount of this payment."""
    with st.form(f"paper_credit_{paper.id}", border=False):
        plain(
            f"{paper.left} of {paper.label} stands. The invoice stays; a credit note takes from it.", "faint"
        )
        amount = st.text_input(
            "Amount for this payment", key=f"paper_credit_amount_{paper.id}", placeholder="all that is left",
            help="Empty: all that is left of the invoice.",
        )  # fmt: skip
        why = st.text_input("Why? It stands on the credit note.", key=f"paper_credit_why_{paper.id}")
        if st.form_submit_button("Issue the credit note", type="primary"):
            with error_boundary():
                money = _money(amount, paper.total.currency)
                wanted = Credit(_key(), paper.id, why or "", money, detail.row.reference if money else "")
                app = bootstrap.app()
                app.sessions.run(
                    lambda session: issuing.credit(session, require(Action.RECORD), wanted, now=app.now())
                )
                _issued(f"A credit note for {paper.label} is issued.")


def _form(here: Person, detail: PaymentDetail, kinds: list[PaperKind]) -> None:
    with bootstrap.app().sessions.read() as session:
        known = handing.last_bill_to(session, here, detail.row.reference)
    with st.form("paper", border=False):
        kind = st.selectbox("What", kinds, format_func=KINDS.__getitem__, key="paper_kind")
        left, right = st.columns(2)
        name = left.text_input("Name or company", known.name, key="paper_name")
        attention = right.text_input("For the attention of", known.attention, key="paper_attention")
        address = st.text_area(
            "Address", known.address, key="paper_address", height="content",
            help="A tax invoice above R5 000 shows it, and the VAT number if there is one.",
        )  # fmt: skip
        left, right = st.columns(2)
        vat_number = left.text_input("Their VAT number", known.vat_number, key="paper_vat")
        po_number = right.text_input("Their order number", known.po_number, key="paper_po")
        email = st.text_input("E-mail", known.email, key="paper_email")
        others = st.text_area(
            "Other payments on it", key="paper_others", height="content",
            placeholder="References of the same event, one a line",
            help="A company or a group that pays for many gets one paper for all of them.",
        )  # fmt: skip
        note = st.text_input("Note on it", key="paper_note", max_chars=500)
        if not st.form_submit_button("Issue it", type="primary", icon=":material/check:"):
            return
        with error_boundary():
            references = (detail.row.reference, *(others or "").replace(",", " ").split())
            bill_to = BillTo(
                name or "", address or "", vat_number or "", attention or "", po_number or "", email or ""
            )
            app = bootstrap.app()
            paper = Wanted(_key(), kind, references, bill_to, note or "")
            here = require(Action.ISSUE_LINK)
            app.sessions.run(lambda session: issuing.issue(session, here, paper, now=app.now()))
            _issued("It is issued, and stands below with its number.")


def _key() -> str:
    """One for each form until it went through: a double click is one paper."""
    return str(st.session_state.setdefault(_KEY, secrets.token_urlsafe(16)))


def _issued(said: str) -> None:
    st.session_state.pop(_KEY, None)
    st.session_state.drawer_said = said
    st.rerun(scope="fragment")


def _money(text: str | None, currency: str) -> Money | None:
    if not (text or "").strip():
        return None
    return amount_typed(text or "", currency)
