"""What waited each evening of two weeks: is the list getting shorter?"""

from collections.abc import Sequence

import streamlit as st

import words
from payments.reconciling.evenings import Evening
from ui.pieces import bars, plain


def evenings(told: Sequence[Evening], target_days: int) -> None:
    """Each evening, and what is older than it should be."""
    with st.expander("The last two weeks", icon=":material/trending_down:"):
        most = max(1, *(one.waiting for one in told))
        bars(
            (
                f"{one.on:%a %-d %b}",
                f"{words.count(one.waiting, 'line', 'lines')}, {words.sums(one.at_risk) or 'nothing'}, "
                f"{one.old} too old",
                100 * one.waiting // most,
            )
            for one in told
        )
        old = told[-1].old
        waits = words.count(old, "line waits", "lines wait") if old else "No line waits"
        plain(f"Target: none longer than {target_days} days. {waits} longer.")
