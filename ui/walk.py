"""The list a payment was opened from, so that the drawer can go along it."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Walk:
    """One page of a list, in its order: ``before`` rows came on earlier pages, ``more`` says one follows."""

    references: Sequence[str]
    number: int = 1
    before: int = 0
    more: bool = False

    def place(self, reference: str) -> int | None:
        return self.references.index(reference) if reference in self.references else None

    def neighbour(self, reference: str, by: int) -> str | None:
        """The next one on this page; None past its end."""
        place = self.place(reference)
        to = -1 if place is None else place + by
        return self.references[to] if 0 <= to < len(self.references) else None

    def goes(self, reference: str, by: int) -> bool:
        """Whether anything follows in this direction, on this page or on the next."""
        return self.neighbour(reference, by) is not None or (self.more if by > 0 else self.number > 1)

    def entered(self, by: int) -> str | None:
        """Where somebody who turned to this page comes in: its first row, or coming back its last."""
        if not self.references:
            return None
        return self.references[0 if by > 0 else -1]


def turn_to(reference: str) -> None:
    """The open drawer shows another payment; so does the address."""
    st.query_params["payment"] = st.session_state.drawer_at = reference
