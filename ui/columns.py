"""Sheets of people: what their columns mean, as a person says it, and those that were brought before."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

import streamlit as st

from payments.sheets.reading import Column, Opened
from ui.pieces import moment, plain

_NONE = ""


def column_screen(
    there: Opened, told: Mapping[Column, str], wanted: Sequence[Column], *, needs: Column, key: str
) -> dict[Column, str]:
    """The heading of each column as a person leaves it; open at once when what it ``needs`` is not told."""
    headings = [heading for _, heading in there.named if heading]
    with st.expander(
        "What the columns mean", expanded=needs not in told, icon=":material/view_column:", key=f"{key}_open"
    ):
        places = st.columns(3)
        answers = {
            column: _ask(places[nth % 3], column, headings, told.get(column, _NONE), key)
            for nth, column in enumerate(wanted)
        }
    return {column: heading for column, heading in answers.items() if heading}


def _ask(
    place: st.delta_generator.DeltaGenerator, column: Column, headings: Sequence[str], told: str, key: str
) -> str:
    choices = [_NONE, *dict.fromkeys(headings)]
    got = place.selectbox(
        column.capitalize(), choices, index=choices.index(told) if told in choices else 0,
        format_func=lambda heading: heading or "–", key=f"{key}_{column.name.lower()}",
    )  # fmt: skip
    return got or _NONE


class Brought(Protocol):
    """A file that was brought; ``left`` of its rows still wait."""

    @property
    def id(self) -> int: ...
    @property
    def file(self) -> str: ...
    @property
    def event_name(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def brought_by(self) -> str: ...
    @property
    def left(self) -> int: ...


View = TypeVar("View", bound=Brought)


def brought_before(
    views: Iterable[View],
    heading: str,
    told: Callable[[View], str],
    opens: Callable[[int], None],
    *,
    key: str,
) -> None:
    """Each with what became of it, to be opened, or gone on with while rows wait."""
    st.subheader(heading, anchor=False)
    for view in views:
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            with st.container():
                plain(f"{view.file} · {view.event_name}", "name")
                plain(f"{moment(view.created_at)} by {view.brought_by}: {told(view)}", "faint")
            st.button(
                "Go on" if view.left else "Open", key=f"{key}_{view.id}",
                icon=":material/play_arrow:" if view.left else ":material/folder_open:",
                on_click=opens, args=(view.id,),
            )  # fmt: skip
