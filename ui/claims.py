"""What a payer says: the claims of a payment with what is odd about them, their proofs, and the form."""

import secrets
from collections.abc import Mapping

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

import bootstrap
import words
from db.money import Money
from payments import dates
from payments.access.people import Action, Person
from payments.at_the_door import claims
from payments.at_the_door.claims import ClaimDraft, ClaimView, ProofView, Suspicion
from payments.errors import InvalidInput
from payments.proofs import files
from payments.proofs.files import Prepared
from payments.proofs.suspicion import Finding
from ui.here import error_boundary, require
from ui.pieces import facts, file_link, moment, plain, trouble

#: What is odd about a claim or its proof, and what to do about it.
FINDING: Mapping[Finding, str] = {
    Finding.ALREADY_USED: "The same file was shown for another payment",
    Finding.LOOKS_ALIKE: "It looks like what was shown for another payment",
    Finding.REFERENCE_USED: "Another payment was claimed with this bank reference",
    Finding.OTHER_AMOUNT: "It names other amounts, and not the one they say they paid",
    Finding.OTHER_DATE: "It names other days, and not the one they say they paid on",
    Finding.OTHER_BENEFICIARY: "It names neither our account nor its holder",
    Finding.EDITED: "It was changed after it was made, or made by a program that changes files",
    Finding.UNREADABLE: "Its text could not be read",
}
#: Pictures of an iPhone are chosen as well, so that it is said in words why not.
KINDS = ["jpg", "jpeg", "png", "pdf", "heic", "heif"]


def ask_proof(key: str, label: str = "Proof: a photo, screenshot or PDF") -> UploadedFile | None:
    """A file from the phone's camera, its pictures, or a disk. Its name is never believed."""
    most_mb = files.LARGEST_BYTES // 2**20
    brought = st.file_uploader(label, type=KINDS, max_upload_size=most_mb, key=key)
    if brought is None:
        plain(f"JPEG, PNG or PDF, up to {most_mb} MB. Of a larger one, take a photo.", "faint")
    return brought


def prepared(upload: UploadedFile | None) -> Prepared | None:
    """The file fit to be kept. Raises InvalidInput. It takes a moment, which is shown."""
    if upload is None:
        return None
    with st.spinner("The proof is looked at …"):
        return files.prepare(upload.getvalue())


def amount_of(text: str, currency: str) -> Money:
    try:
        return Money.parse(text, currency)
    except ValueError as error:
        raise InvalidInput(
            f"{error}." if text else "How much is it? Write the amount like 150 or 1 500.00."
        ) from error


def claim_form(here: Person, reference: str, balance: Money, *, key: str) -> int | None:
    """What they say they paid, when, and with which reference; returns the claim once it is written down.

    What was typed, and a proof that was chosen, stay with this claim: the next payment, and the next claim,
    have fields of their own.
    """
    kept = f"{key}_{reference}_key"
    form_key = st.session_state.setdefault(kept, secrets.token_urlsafe(16))
    key = f"{key}_{form_key}"
    app = bootstrap.app()
    today = dates.business_day(app.now())
    with st.form(f"{key}_form", border=False):
        left, right = st.columns(2)
        typed = left.text_input("How much", balance.decimal, key=f"{key}_amount", required=True)
        paid_on = right.date_input(
            "Paid on", today, max_value=today, min_value=today - claims.LONGEST_AGO, format="DD/MM/YYYY",
            key=f"{key}_on",
        )  # fmt: skip
        bank = st.text_input(
            "Reference at their bank (optional)", key=f"{key}_bank", autocomplete="off", max_chars=60
        )
        upload = ask_proof(f"{key}_proof", "Proof (optional): a photo, screenshot or PDF")
        sent = st.form_submit_button(
            "They say they paid", type="primary", icon=":material/front_hand:", width="stretch"
        )
    if not sent:
        return None
    draft = ClaimDraft(form_key, reference, amount_of(typed or "", balance.currency), paid_on, bank or "")
    proof = prepared(upload)
    claim = app.sessions.run(
        lambda session: claims.record(session, here, draft, proof, app.keys, now=app.now())
    )
    st.session_state.pop(kept, None)
    return claim


# -- what was said ----------------------------------------------------------------------------------


def claims_list(here: Person, reference: str) -> None:
    """Each claim of a payment, the newest first."""
    app = bootstrap.app()
    with app.sessions.read() as session:
        found = claims.of_payment(session, here, reference, now=app.now())
    if found:
        st.subheader("What the payer says", anchor=False)
    for claim in found:
        with st.container(border=True):
            _claim(here, claim)


def claims_told(here: Person, reference: str) -> None:
    """Of each claim that is believed: when, how much, and until when to wait."""
    app = bootstrap.app()
    with app.sessions.read() as session:
        found = claims.of_payment(session, here, reference, now=app.now())
    for claim in found:
        if claim.dropped is None:
            by = dates.say_days(claim.due_on, claim.due_on)
            plain(f"Claimed {moment(claim.at)}: {claim.amount}, money usually here by {by}", "title")
            for proof in claim.proofs:
                proof_line(here, proof)


def _claim(here: Person, claim: ClaimView) -> None:
    day = dates.say_days(claim.paid_on, claim.paid_on)
    plain(f"{claim.amount} by EFT on {day}", "title")
    facts(
        {
            "Reference": claim.bank_reference,
            "Money": None
            if claim.dropped
            else f"usually here by {dates.say_days(claim.due_on, claim.due_on)}",
            "Written down": f"{moment(claim.at)} by {claim.by}",
            "Not believed": claim.dropped,
        }
    )
    if claim.overdue:
        trouble(
            "It is not here.", "The bank has had time. Ask the payer for their bank's own proof.", bad=True
        )
    odd(claim.findings)
    for proof in claim.proofs:
        proof_line(here, proof)
    if claim.dropped is None and here.may(Action.TAKE_MONEY):
        with st.popover("Not believed", icon=":material/block:"):
            drop_form(claim)


def proof_line(here: Person, proof: ProofView) -> None:
    kind = "PDF" if proof.kind == "pdf" else "Picture"
    size = f"{words.number(-(-proof.size_bytes // 1024))} kB"
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        plain(f"{kind}, {size}, {moment(proof.at)} by {proof.by}", "faint")
        if here.may(Action.SEE_PROOFS):
            file_link(f"/proof/{proof.id}", "Save the proof")
    odd(proof.findings)


def odd(findings: tuple[Suspicion, ...]) -> None:
    """Each reason to look closely."""
    for each in findings:
        other = {None: "", "": " (of another event)"}.get(each.other, f": {each.other}")
        trouble("Odd:", f"{FINDING[each.finding]}{other}.", bad=True)


def drop_form(claim: ClaimView) -> None:
    with st.form(f"drop_{claim.id}", border=False):
        why = st.text_area("Why is it not believed?", key=f"drop_why_{claim.id}", max_chars=1000)
        if st.form_submit_button("It is not believed", type="primary", shortcut="Mod+Enter"):
            with error_boundary():
                app = bootstrap.app()
                app.sessions.run(
                    lambda session: claims.drop(session, require(Action.SEE), claim.id, why, now=app.now())
                )
                st.session_state.drawer_said = "Nobody waits for that money any more; the payment is open."
                st.rerun(scope="fragment")
