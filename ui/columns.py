"""What the columns of a sheet of people mean: shown as their headings say it, and asked of a person."""

from collections.abc import Mapping, Sequence

import streamlit as st

from payments.sheets.reading import Column, Opened

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
