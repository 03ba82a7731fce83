"""The shared look in pieces of HTML: text, money and moments, badges, cards, panels, links.

Text of payers is never Markdown here: it goes through ``facts`` and ``plain``, which escape it, or through
the components of ``ui.components``, which set it as text. Only this file writes HTML.
"""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import segno
import streamlit as st

import bootstrap
import words
from payments import dates
from payments.lifecycle import Status

STATIC = Path(__file__).parent.parent / "static"

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&^=@/\"'])")


def escape(text: str) -> str:
    """Text as itself where Streamlit reads Markdown: no emphasis, no pictures, no links.

    Addresses would become links even escaped; an invisible joiner inside them prevents that.
    """
    joined = re.sub(r"(?i)(:)(?=//)|(www)(?=\.)|(?=@)", lambda match: f"{match[0]}\u2060", text)
    return _MARKDOWN.sub(r"\\\1", " ".join(joined.split()))


def problem(sentence: str) -> None:
    st.error(escape(sentence), icon=":material/error:")


def moment(at: datetime | None, *, brief: bool = False) -> str:
    """``today 14:02``, ``yesterday 09:30``, ``3 Mar 2026, 17:45``; a dash for never. ``brief``, where many
    stand below each other: this year's go without saying it."""
    return dates.say_moment(at, now=bootstrap.app().now(), brief=brief) if at else "–"


def clock(at: datetime) -> str:
    return at.astimezone(dates.SAST).strftime("%H:%M:%S")


def badge(status: Status) -> None:
    look = words.STATUS[status]
    st.badge(look.word, icon=f":material/{look.icon}:", color=look.tone)  # type: ignore[arg-type]


# -- pieces of HTML: the only ones in the project ---------------------------------------------------


def style() -> None:
    """Once a page: what Streamlit's theme cannot say (phone sizes, the mode's sign, our own pieces)."""
    st.html(STATIC / "desk.css")


def page_title(page: str) -> None:
    """What tabs, bookmarks and the history call this page."""
    st.session_state.page_title = page
    st.set_page_config(page_title=f"{page} · Paydesk")


def of_one(reference: str) -> None:
    """A drawer is open on the page: its tab is told from another of the same page."""
    st.set_page_config(page_title=f"{reference} · {st.session_state.get('page_title', '')} · Paydesk")


def mode_banner(mode: str) -> None:
    """Demo stands on every page, over everything else."""
    if mode == "demo":
        st.html('<div class="pd-mode" role="note">DEMO <span>· no real money</span></div>')


def way_in() -> None:
    st.html('<a class="pd-button" href="/signin">Sign in</a>')


def sign_out() -> None:
    st.html('<a class="pd-out" href="/signout">Sign out</a>')


def link_here(address: str, word: str) -> None:
    """One of the plain pages of ``signin_pages``."""
    st.html(f'<a class="pd-button" href="{html.escape(address)}">{html.escape(word)}</a>', width="content")


def link_out(address: str, word: str) -> None:
    """A page of ours in a tab of its own: what is half done here stays."""
    st.html(
        f'<a class="pd-button" href="{html.escape(address)}" target="_blank">{html.escape(word)}</a>',
        width="content",
    )


def _icon(name: str) -> str:
    return f'<span class="pd-icon" aria-hidden="true" translate="no">{html.escape(name)}</span>'


def plain(text: str, look: str = "") -> None:
    """Any text, as itself; ``look`` is one of our style names."""
    st.html(f'<div class="pd-plain {look}">{html.escape(text)}</div>')


def facts(values: Mapping[str, str | None]) -> None:
    """Labels and values; what is empty is left out."""
    rows = "".join(
        f"<div><dt>{html.escape(label)}</dt><dd>{html.escape(value)}</dd></div>"
        for label, value in values.items()
        if value
    )
    st.html(f'<dl class="pd-facts">{rows}</dl>')


def side_by_side(heads: tuple[str, str], lines: Iterable[tuple[str, str, str]]) -> None:
    """What was, and what would be, line by line: what differs stands out, for ears too."""
    columns = "".join(f'<th scope="col">{html.escape(head)}</th>' for head in heads)
    rows = ""
    for label, was, becomes in lines:
        then = html.escape(becomes) if becomes == was else f"<ins>{html.escape(becomes)}</ins>"
        cells = f"<td>{html.escape(was or '–')}</td><td>{then}</td>"
        rows += f'<tr><th scope="row">{html.escape(label)}</th>{cells}</tr>'
    head = f"<thead><tr><td></td>{columns}</tr></thead>"
    st.html(f'<table class="pd-table pd-sides">{head}<tbody>{rows}</tbody></table>')


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows of text, each named by its first cell; on a phone a card each."""
    columns = "".join(f'<th scope="col" class="words">{html.escape(head)}</th>' for head in heads)
    drawn = ""
    for first, *others in rows:
        cells = "".join(
            f'<td class="words" data-label="{html.escape(head)}">{html.escape(cell)}</td>'
            for head, cell in zip(heads[1:], others, strict=True)
        )
        drawn += f'<tr><th scope="row">{html.escape(first)}</th>{cells}</tr>'
    head = f"<thead><tr>{columns}</tr></thead>"
    st.html(f'<table class="pd-table pd-sheet">{head}<tbody>{drawn}</tbody></table>')


def empty_state(title: str, next_step: str, icon: str = "inbox") -> None:
    """Nothing here, and what to do about it."""
    st.html(
        f'<div class="pd-empty">{_icon(icon)}'
        f"<strong>{html.escape(title)}</strong><p>{html.escape(next_step)}</p></div>"
    )


_CHECK = {"good": ("Good", "check_circle"), "poor": ("Look", "warning"), "bad": ("Wrong", "error")}


def checks(lines: Iterable[tuple[str, str, str]]) -> None:
    """A self-check: state, what is meant, what to do; each in word, sign and colour."""
    drawn = []
    for state, title, remedy in lines:
        word, icon = _CHECK[state]
        drawn.append(
            f'<div class="pd-check {state}">{_icon(icon)}<span><strong>{html.escape(title)}</strong><br>'
            f'{html.escape(remedy)}</span><span class="pd-word">{word}</span></div>'
        )
    st.html("".join(drawn))


@dataclass(frozen=True)
class Strip:
    """Something that is done again and again. ``bars``: of each time whether it went well, its height in
    percent, and what is told when a pointer rests on it; ``label`` says the same in words."""

    title: str
    often: str
    told: str
    label: str
    bars: Sequence[tuple[bool, int, str]]


def strips(shown: Iterable[Strip]) -> None:
    """One beneath the other, the last time in words, those before it as bars."""
    drawn = []
    for one in shown:
        title, often, told, label = map(html.escape, (one.title, one.often, one.told, one.label))
        bars = "".join(
            f'<span class="{"good" if good else "bad"}" style="height:{height:d}%" '
            f'title="{html.escape(said)}"></span>'
            for good, height, said in one.bars
        )
        strip = f'<span class="pd-strip" role="img" aria-label="{label}">{bars}</span>' if bars else ""
        drawn.append(
            f'<li><span><strong>{title}</strong> <span class="pd-often">{often}</span><br>{told}</span>'
            f"{strip}</li>"
        )
    st.html(f'<ul class="pd-jobs">{"".join(drawn)}</ul>')


@dataclass(frozen=True)
class Card:
    """One number that matters. ``better`` colours the change: None for neither good nor bad."""

    title: str
    icon: str
    value: str
    change: str = ""
    better: bool | None = None
    note: str = ""


def trouble(title: str, told: str, *, bad: bool) -> None:
    """Something is wrong with the desk: over everything else on a page, and read aloud when it appears."""
    st.html(trouble_block(title, told, bad=bad))


def trouble_block(title: str, told: str, *, bad: bool) -> str:
    tone, icon = ("bad", "error") if bad else ("poor", "warning")
    return (
        f'<div class="pd-trouble {tone}" role="alert">{_icon(icon)}'
        f"<span><strong>{html.escape(title)}</strong> {html.escape(told)}</span></div>"
    )


def cards(shown: Iterable[Card]) -> None:
    """Numbers side by side; on a phone two in a row, the first over the whole width, none of them cut."""
    drawn = []
    for card in shown:
        title, value, change, note = map(html.escape, (card.title, card.value, card.change, card.note))
        tone = {True: "good", False: "bad", None: "even"}[card.better]
        told = f'<span class="pd-change {tone}">{change}</span> ' if change else ""
        drawn.append(
            f'<div class="pd-card"><div class="pd-title">{_icon(card.icon)}{title}</div>'
            f'<div class="pd-value">{value}</div><div class="pd-note">{told}{note}</div></div>'
        )
    st.html(f'<div class="pd-cards">{"".join(drawn)}</div>')


def bars(lines: Iterable[tuple[str, str, int]]) -> None:
    """Label, value, and its share in percent as the length of a bar."""
    drawn = "".join(
        f'<li><span>{html.escape(label)}</span><span class="pd-number">{html.escape(value)}</span>'
        f'<span class="pd-bar" aria-hidden="true"><span style="width:{share:d}%"></span></span></li>'
        for label, value, share in lines
    )
    st.html(f'<ul class="pd-bars">{drawn}</ul>')


@dataclass(frozen=True)
class Stage:
    """A stage of a payment's money: ``state`` is reached, part, waits, ended or unknown; ``note`` tells."""

    name: str
    note: str
    state: str


_STAGE = {
    "reached": "check_circle",
    "part": "timelapse",
    "waits": "schedule",
    "ended": "cancel",
    "unknown": "help",
}


def trail(stages: Iterable[Stage]) -> None:
    """How far money has come, as a line of stages: each in word, sign and colour."""
    drawn = "".join(
        f'<li class="{stage.state}">{_icon(_STAGE[stage.state])}<strong>{html.escape(stage.name)}</strong>'
        f"<span>{html.escape(stage.note)}</span></li>"
        for stage in stages
    )
    st.html(f'<ul class="pd-trail" aria-label="How far the money has come">{drawn}</ul>')


def freshness(at: datetime) -> None:
    """That the page is alive, and how old what it shows is; its script says there when it is not."""
    st.html(
        '<div class="pd-fresh"><span class="pd-pulse" aria-hidden="true"></span>'
        f'<span class="pd-told">updated <span data-live="at">{clock(at)}</span></span>'
        '<span role="status"></span></div>',
        width="content",
    )


def status_panel(status: Status, sentence: str) -> None:
    """How a payment stands, large enough to be read across a counter."""
    look, tone = words.STATUS[status], "pd-paid" if status is Status.PAID else "pd-wait"
    st.html(
        f'<div class="{tone}">{_icon(look.icon)}<strong>{look.word}</strong>{html.escape(sentence)}</div>'
    )


def big(title: str, told: str, note: str = "", *, tone: str = "green") -> None:
    """What somebody must see from an arm's length: the change to give back, a door that is open. ``tone``:
    green, amber, red or grey."""
    st.html(
        f'<div class="pd-big {html.escape(tone)}"><span>{html.escape(title)}</span>'
        f"<strong>{html.escape(told)}</strong><span>{html.escape(note)}</span></div>"
    )


def ledger(lines: Iterable[tuple[str, str, str]]) -> None:
    """Lines that add up: what it is, how much, and a tone: ``sum`` is ruled off above, ``bad`` stands out."""
    drawn = "".join(
        f'<div class="{html.escape(tone)}"><dt>{html.escape(label)}</dt><dd>{html.escape(value)}</dd></div>'
        for label, value, tone in lines
    )
    st.html(f'<dl class="pd-ledger">{drawn}</dl>')


def file_link(address: str, word: str) -> None:
    """A file of ours; a plain link to the server, which streams it at any size."""
    st.html(
        f'<a class="pd-button" href="{html.escape(address)}" download>{html.escape(word)}</a>',
        width="content",
    )


def qr(url: str, about: str) -> None:
    """The code a payer's camera reads; white around it in every theme, or cameras do not find it."""
    picture = html.escape(qr_picture(url))
    st.html(f'<img class="pd-qr" src="{picture}" alt="{html.escape(about)}">')


def qr_picture(url: str) -> str:
    """The code as the address of a picture: black on white."""
    return segno.make(url, error="m").svg_data_uri(scale=8, border=2, light="#fff")
