"""The list something was opened from, so that its drawer can go along it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

import words
from ui.components import hotkeys
from ui.pieces import plain


@dataclass(frozen=True)
class Walk:
    """One page of a list, in its order: ``before`` rows came on earlier pages, ``more`` says one follows, and
    ``of`` how many there are in all, where that is not what stands here."""

    references: Sequence[str]
    number: int = 1
    before: int = 0
    more: bool = False
    of: str = ""

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


def way_along(walk: Walk | None, at: str, *, key: str, go: Callable[[Walk, str, int], None]) -> None:
    """Previous and next, by button and by key, and where this one stands. ``go`` is a callback that takes the
    walk, what is open, and 1 or -1."""
    place = walk.place(at) if walk else None
    if walk is None or place is None:
        return
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key=f"{key}_walk"
    ):
        for name, label, icon, by in (
            ("before", "Previous", "arrow_back", -1), ("next", "Next", "arrow_forward", 1),
        ):  # fmt: skip
            st.button(
                label, key=f"{key}_{name}", icon=f":material/{icon}:", type="tertiary", on_click=go,
                args=(walk, at, by), disabled=not walk.goes(at, by),
            )  # fmt: skip
        of = walk.of or words.number(len(walk.references))
        plain(f"{words.number(walk.before + place + 1)} of {of}", "faint")
    on, back = ("j", "n", "ArrowRight"), ("k", "p", "ArrowLeft")
    hotkeys(dict.fromkeys(on, f"{key}_next") | dict.fromkeys(back, f"{key}_before"), key=f"{key}_way")


def turn_to(reference: str) -> None:
    """The open drawer shows another payment; so does the address."""
    st.query_params["payment"] = st.session_state.drawer_at = reference
