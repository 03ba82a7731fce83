"""What the earlier system said of a payment: its words, its proof, and what of it wants a look."""

import streamlit as st

import bootstrap
import words
from payments import legacy
from payments.access.people import Person
from payments.finding.search import PaymentRow
from payments.legacy import RecordView
from ui.pieces import facts, plain

_CLAIMED = "claimed"
#: Fields of a record as people call them, in this order.
_FIELDS = {
    "payment_method": "To be paid by",
    "registration_type": "Registered as",
    "registration_period": "Period",
    "workshop": "Workshop",
    "banquet": "Banquet",
    "extra_paper": "Extra paper",
    "institution": "Institution",
    "country": "Country",
    "payment_notes": "Payment notes",
    "admin_notes": "Admin notes",
    "rejection_reason": "Rejected because",
}


def old_record(here: Person, row: PaymentRow) -> None:
    """Nothing for a payment that was made here."""
    if row.origin != "legacy":
        return
    with bootstrap.app().sessions.read() as session:
        record = legacy.of_payment(session, here, row.reference)
    if record is None:
        return
    if row.status == _CLAIMED:
        st.warning(
            "**Claimed paid, unverified.** The earlier system wrote *paid* without asking anybody. A line of"
            " the bank, or two people, can confirm it.",
            icon=":material/help:",
        )
    with st.expander("Earlier record", icon=f":material/{words.OLD.icon}:", expanded=True):
        _shown(record)


def _shown(record: RecordView) -> None:
    proof = record.proof
    facts(
        {
            "Its id there": record.key,
            "Its word": record.word or "none",
            "References": ", ".join(record.references) or None,
            **{label: record.told.get(field) for field, label in _FIELDS.items()},
            "Proof": proof.told if proof else None,
            "Proof file": (proof.link or "file not available") if proof else None,
        }
    )
    for sentence in record.issues:
        plain(sentence, "faint")
    if st.toggle("As it came", key=f"raw_{record.key}"):
        st.code(record.raw, language="json", wrap_lines=True)
