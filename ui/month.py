"""A month as a calendar: every day is a door, with its state in word, sign and colour, by pointer or keys."""

import html
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import parse_qsl, urlsplit

import streamlit as st

from ui.charts import address, doors, draw
from ui.components import component

_WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class Sign:
    """What stands on a day: a sign, and its word for whoever reads or hears it. ``means``: on any day."""

    icon: str
    word: str
    means: str = ""


@dataclass(frozen=True)
class Tile:
    """A day: its state, its ``look`` as a tone, what is in it, and ``signs`` of what else is to be seen."""

    on: date
    state: Sign
    look: str
    told: str
    signs: Sequence[Sign]
    page: str
    query: tuple[tuple[str, str], ...]
    chosen: bool = False


def month(tiles: Sequence[Tile], label: str, key: str) -> None:
    """Days of one month from its first on, in weeks. Choosing one writes its query into the address."""
    stop = next((tile for tile in tiles if tile.chosen), tiles[-1])
    week = "".join(f"<span>{day}</span>" for day in _WEEK)
    days = "".join(_day(tile, stops=tile is stop) for tile in tiles)
    draw(
        f'<div><div class="pd-week" aria-hidden="true">{week}</div>'
        f'<ol class="pd-month" aria-label="{html.escape(label)}">{days}</ol>{_legend(tiles)}</div>',
        live=key,
    )
    component("month")(key=key, data={"chosen": stop.on.isoformat() if stop.chosen else ""})
    doors(f"{key}_doors", _open)


def _open(href: str) -> None:
    st.query_params.update(dict(parse_qsl(urlsplit(href).query)))


def _day(tile: Tile, *, stops: bool) -> str:
    """Only one day is a stop of the Tab key; the arrows go to the others."""
    here = ' aria-current="date"' if tile.chosen else ""
    column = f' style="grid-column:{tile.on.isoweekday()}"' if tile.on.day == 1 else ""
    said = (tile.state.word, tile.told, *(sign.word for sign in tile.signs))
    signs = "".join(f'<span class="pd-sign">{_sign(sign)}</span>' for sign in tile.signs)
    spoken = f"{tile.on:%A %-d %B %Y}: {', '.join(word for word in said if word)}"
    return (
        f'<li{column}><a class="pd-door {html.escape(tile.look)}" tabindex="{0 if stops else -1}"{here} '
        f'href="{html.escape(address(tile.page, dict(tile.query)))}" target="_self" '
        f'aria-label="{html.escape(spoken)}"><strong>{tile.on.day}</strong>'
        f'<span class="pd-state">{_sign(tile.state)}</span>'
        f'<span class="pd-told">{html.escape(tile.told)}</span>'
        f"{signs}</a></li>"
    )


def _sign(sign: Sign) -> str:
    icon = f'<span class="pd-icon" aria-hidden="true" translate="no">{html.escape(sign.icon)}</span>'
    return f'{icon}<span class="pd-word">{html.escape(sign.word)}</span>'


def _legend(tiles: Iterable[Tile]) -> str:
    """What the signs mean and how many days bear them, where there is no room for words within the days."""
    found = Counter(
        (sign.icon, sign.means or sign.word) for tile in tiles for sign in (tile.state, *tile.signs)
    )
    shown = "".join(
        f'<li><span class="pd-icon" translate="no">{html.escape(icon)}</span>{html.escape(word)} · '
        f"{count}</li>"
        for (icon, word), count in found.items()
    )
    return f'<ul class="pd-signs" aria-hidden="true">{shown}</ul>'
