"""What the gateway took: its tariff and new rates of it, what each method really cost, fees that differ."""

from datetime import date

import streamlit as st

import bootstrap
from db.money import Money
from payments.access.people import Action, Person
from payments.lump_sums import fees
from payments.lump_sums.tariff import METHODS, Rates
from payments.typed import amount_typed
from ui import charts
from ui.here import error_boundary
from ui.pieces import checks, empty_state, escape, file_link, plain
from ui.proving import go, tell
from ui.sharing import copy_button
from words.bank import day_told, paid_by


def payout_fees(here: Person, found: fees.FeesTold, first: date, last: date) -> None:
    """The tariff, what each method really cost by month, and a letter about what was too much."""
    _tariff(here)
    if not found.checked:
        empty_state(
            "No fee is known yet", "Only iKhokha's own files tell what a payment cost. Bring one in Files.",
            "request_quote",
        )  # fmt: skip
        return
    rows = [
        [
            f"{one.month:%B %Y}", paid_by(one.method), str(one.gross), str(one.charged),
            f"{one.rate_bp // 100}.{one.rate_bp % 100:02d} %",
        ]
        for one in found.rates
    ]  # fmt: skip
    heads = ["Month", "Method", "Gross", "Fees with VAT", "Effective rate"]
    charts.draw(charts.sheet("What it really cost, by month and method", heads, rows), live="payout_rates")
    _variances(found)
    letter = fees.claim_letter(found, first=first, last=last)
    if letter:
        st.subheader("A letter to claim it back", anchor=False)
        # Without a key, since with one it would keep the first letter, whatever rates are added after it.
        changed = st.text_area("Draft", letter, height=420, label_visibility="collapsed")
        with st.container(horizontal=True, vertical_alignment="center"):
            copy_button(changed, key="claim_copy")
            file_link(f"/claim-letter/{first}/{last}.txt", "The draft as it was made")


def _variances(found: fees.FeesTold) -> None:
    if not found.variances:
        checks([("good", "Every fee is as the tariff says", f"{found.checked} payments were looked at.")])
        return
    rows: list[list[charts.Cell | str]] = [
        [
            day_told(one.check.charged.captured_on),
            (one.reference, f"/payments?payment={one.reference}"), one.payer,
            paid_by(one.check.charged.method or "gateway"), str(one.check.charged.gross),
            str(Money(one.check.charged.charged_minor)), str(Money(one.check.expected.most.total_minor)),
            f"{one.off}{', rounding' if one.is_rounding else ''}",
        ]
        for one in found.variances[:200]
    ]  # fmt: skip
    heads = ["Day", "Reference", "Payer", "Method", "Amount", "Charged", "Expected", "Too much"]
    charts.draw(charts.sheet("Fees that differ by a cent or more", heads, rows), live="payout_variances")


def _tariff(here: Person) -> None:
    with bootstrap.app().sessions.read() as session:
        kept = fees.rates(session, here)
    since = f"The tariff since {kept[0].valid_from:%-d %b %Y}"
    with st.expander(escape(f"{since}: {_percents(kept[0])}, without VAT")):
        for one in kept[1:]:
            told = _percents(one)
            plain(f"Since {one.valid_from:%-d %b %Y}: {told}", "faint")
        if here.may(Action.RECONCILE):
            _new_rates(kept[0])


def _percents(one: Rates) -> str:
    told = (f"{paid_by(name)} {bp // 100}.{bp % 100:02d} %" for name, bp in one.rate_bp.items())
    return " · ".join(told)


def _new_rates(now_valid: Rates) -> None:
    with st.form("new_rates", border=False):
        since = st.date_input("New rates hold from", format="DD/MM/YYYY")
        places = st.columns(4)
        typed = {
            name: place.text_input(f"{paid_by(name)}, %", str(Money(now_valid.rate_bp.get(name, 0)).decimal))
            for name, place in zip(METHODS, places, strict=False)
        }
        own = places[3].text_input("Each payout, R", Money(now_valid.payout_fee_minor).decimal)
        if st.form_submit_button("Add these rates", icon=":material/add:"):
            with error_boundary():
                rate_bp = {name: amount_typed(text, "ZAR").minor for name, text in typed.items()}
                _add_rates(since, rate_bp, amount_typed(own, "ZAR").minor)


def _add_rates(since: date, rate_bp: dict[str, int], payout_fee_minor: int) -> None:
    app = bootstrap.app()

    def do(me: Person) -> None:
        app.sessions.run(lambda session: fees.add_rates(
                session, me, valid_from=since, rate_bp=rate_bp, payout_fee_minor=payout_fee_minor,
                now=app.now(),
            ))  # fmt: skip
        tell("The rates are written down; every fee is held against those of its day.")

    go(do)
    st.rerun()
