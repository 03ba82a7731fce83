"""Charts made of links: every bar is a door to the payments it stands for, in any theme, by pointer or key.

They are plain HTML drawn once for everybody, so that the keyboard and a screen reader find each bar with its
words, and a page of them costs the server one element. Widths and heights are whole percent of pixels, no
money is divided into anything that is not whole.
"""

import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, urlencode, urlsplit

import streamlit as st

import words
from db.money import Money
from payments.finding import filters
from payments.finding.search import Filter
from payments.live.figures import Figure, Summed
from ui.components import component

#: Signs of one word that a card is wide enough for, in its usual size.
_FITS = 11
#: Pages that doors lead to, by the first part of their address.
PAYMENTS = "payments"


@dataclass(frozen=True)
class Bar:
    """A part of a column: what it stands for, how high (any whole unit), and its look (a CSS class)."""

    told: str
    figure: Figure
    height: int
    look: str


@dataclass(frozen=True)
class Column:
    """``bars`` stand in front of each other, the first at the back, or on each other in a stack."""

    label: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Metric:
    """One number that matters, which is a door. ``better`` colours the change: None for neither."""

    title: str
    icon: str
    value: str
    figure: Summed
    change: str = ""
    better: bool | None = None
    note: str = ""
    beside: tuple[str, Summed] | None = None  # a second figure, told in small letters


def door(figure: Figure) -> str:
    """The address of the list of exactly these payments."""
    return _door(figure.filter)


@lru_cache(4096)
def _door(wanted: Filter) -> str:
    """Kept: a day's figures change all the time, their filters do not."""
    return address(PAYMENTS, filters.page_query(wanted))


def address(page: str, query: dict[str, str]) -> str:
    return f"/{page}?{urlencode(query)}" if query else f"/{page}"


@dataclass(frozen=True)
class Leading(Summed):
    """A figure of something else than payments, and the address of the list that it adds up."""

    where: str
    one: str
    many: str


def told(figure: Summed) -> str:
    one, many = (figure.one, figure.many) if isinstance(figure, Leading) else ("payment", "payments")
    return f"{words.count(figure.count, one, many)}, {words.sums(figure.sums)}"


def link(figure: Summed, text: str, *, look: str = "", about: str = "", more: str = "") -> str:
    """A figure as a link, as HTML; a nought is told and leads nowhere, since there is nothing to see.

    Count and sums stand on it beside its words: a test follows each link and compares. ``more`` is HTML.
    """
    said = f' aria-label="{html.escape(about)}"' if about else ""
    where = (
        door(figure) if isinstance(figure, Figure) else figure.where if isinstance(figure, Leading) else ""
    )
    if not figure.count or not where:
        return f'<span class="{look}">{html.escape(text)}</span>'
    sums = html.escape(words.sums(figure.sums))
    return (
        f'<a class="pd-door {look}" href="{html.escape(where)}" data-count="{figure.count}" '
        f'data-sums="{sums}"{said}{more}>{html.escape(text)}</a>'
    )


def draw(inner: str, *, live: str) -> None:
    """Put blocks of this file on the page, as one element. ``live`` names the place for what follows."""
    st.html(f'<div class="pd-blocks" data-live="{live}">{inner}</div>')


def block(title: str, inner: str, told: str = "") -> str:
    """A framed part of the page with its heading."""
    return f'<section class="pd-block"><h3>{html.escape(title)}</h3>{inner}{caption_of(told)}</section>'


def caption_of(told: str) -> str:
    """A sentence beneath a chart that says what it counts."""
    return f'<p class="pd-caption">{html.escape(told)}</p>' if told else ""


def _look(value: str) -> str:
    """A sum breaks nowhere: one of a million is set smaller."""
    longest = max(map(len, value.split(" ")))
    return "pd-value pd-long" if longest > _FITS else "pd-value"


def metrics(shown: Iterable[Metric]) -> str:
    """Numbers side by side, on a phone two in a row; each opens its payments wherever it is touched."""
    drawn = []
    for metric in shown:
        tone = {True: "good", False: "bad", None: "even"}[metric.better]
        change = (
            f' <span class="pd-change {tone}">{html.escape(metric.change)}</span>' if metric.change else ""
        )
        about = f"{metric.title}: {told(metric.figure)}"
        value = link(metric.figure, metric.value, look=_look(metric.value), about=about)
        note = html.escape(metric.note)
        note += f" {link(metric.beside[1], metric.beside[0], look='pd-beside')}" if metric.beside else ""
        sign = f'<span class="pd-icon" aria-hidden="true" translate="no">{html.escape(metric.icon)}</span>'
        drawn.append(
            f'<div class="pd-card"><div class="pd-title">{sign}{html.escape(metric.title)}</div>{value}'
            f'<div class="pd-note">{note}{change}</div></div>'
        )
    return f'<div class="pd-cards">{"".join(drawn)}</div>'


def legend(entries: Iterable[tuple[str, str, Figure | None]]) -> str:
    """Look, word, and where it has one the figure of each kind of bar."""
    drawn = "".join(
        f'<li><span class="pd-key {look}" aria-hidden="true"></span>'
        f"{link(figure, f'{word} {words.number(figure.count)}') if figure else html.escape(word)}</li>"
        for look, word, figure in entries
    )
    return f'<ul class="pd-legend">{drawn}</ul>'


def columns(shown: Sequence[Column], alt: str, *, stacked: bool, unit: str = "") -> str:
    """Columns over a day. Each bar is as high as its share of the scale's top, whose figure tells how much
    room figures take."""
    heights = sum if stacked else max
    most = max((heights([0, *(bar.height for bar in column.bars)]) for column in shown), default=0)
    step = scale_step(most)
    top = max(step, -(-most // step) * step)
    lines = "".join(
        f'<span style="bottom:{at * 100 // top}%">{unit}{words.number(at)}</span>'
        for at in range(0, top + 1, step)
    )
    drawn = "".join(_column(column, top, stacked) for column in shown)
    signs = len(f"{unit}{words.number(top)}")
    return (
        f'<div class="pd-chart{" stacked" if stacked else ""}" style="--signs:{signs}" role="group" '
        f'aria-label="{html.escape(alt)}">'
        f'<div class="pd-scale" aria-hidden="true">{lines}</div><div class="pd-columns">{drawn}</div></div>'
    )


def _column(column: Column, top: int, stacked: bool) -> str:
    """Its words show when a pointer or the keyboard is on it; a screen reader has them always."""
    shown = [bar for bar in column.bars if bar.figure.count]
    bars = [_bar(column.label, bar, top) for bar in (reversed(shown) if stacked else shown)]
    tips = "".join(
        f"<span>{html.escape(bar.told)}<br><strong>{html.escape(told(bar.figure))}</strong></span>"
        for bar in shown
    )
    tip = f'<div class="pd-tip" aria-hidden="true">{html.escape(column.label)}{tips}</div>' if shown else ""
    hour = f'<span class="pd-x" aria-hidden="true">{html.escape(column.label[:2])}</span>'
    return f'<div class="pd-slot">{"".join(bars)}{tip}{hour}</div>'


def _bar(label: str, bar: Bar, top: int) -> str:
    permille = max(bar.height * 1000 // top, 8)  # a bar too low to be seen cannot be clicked
    height = f' style="height:{permille // 10}.{permille % 10}%"'
    about = f"{label}: {bar.told}, {told(bar.figure)}"
    return link(bar.figure, "", look=f"pd-col {bar.look}", about=about, more=height)


def scale_step(most: int) -> int:
    """The distance of the scale's lines: 1, 2 or 5 of a power of ten, so that there are four or five."""
    step = 1
    while most > step * 4:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    return step


def funnel(steps: Iterable[tuple[str, Figure, str, Figure]]) -> str:
    """What each step is, who reached it, and who stayed at the one before: bars that grow shorter."""
    rows, whole = [], 0
    for title, reached, why, stayed in steps:
        whole = whole or max(1, reached.count)
        share, lost = reached.count * 100 // whole, f"{words.number(stayed.count)} {why}"
        number = link(
            reached, words.number(reached.count), look="pd-number", about=f"{title}: {told(reached)}"
        )
        rows.append(
            f'<li><span class="pd-funnel-line"><span>{html.escape(title)}</span>{number}'
            f'<span class="pd-share">{share}\u00a0%</span></span>{_length(share)}'
            f"{link(stayed, lost, look='pd-lost', about=f'{lost}: {told(stayed)}') if stayed.count else ''}"
            "</li>"
        )
    return f'<ol class="pd-funnel">{"".join(rows)}</ol>'


#: Of a stage: who reached it, the word for who came no further than the one before, and those.
Reach = tuple[Figure, str, Figure]


def funnels(caption: str, heads: Sequence[str], rows: Iterable[tuple[str, Sequence[Reach]]]) -> str:
    """Funnels beneath each other, a row each: who came to each stage, with the part of those who came to the
    first, and how many stayed at the one before."""
    head = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in heads)
    drawn = []
    for label, reached in rows:
        whole = max(1, reached[0][0].count)
        cells = "".join(
            _reach(f"{label}, {title}", whole if nth else 0, *one)
            for nth, (title, one) in enumerate(zip(heads[1:], reached, strict=True))
        )
        drawn.append(f'<tr><th scope="row">{html.escape(label)}</th>{cells}</tr>')
    return (
        f'<div class="pd-scroll"><table class="pd-table pd-funnels"><caption>{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(drawn)}</tbody></table></div>"
    )


def _reach(label: str, whole: int, reached: Figure, why: str, stayed: Figure) -> str:
    """``whole``: what it is told as a part of; 0 for nothing."""
    number = link(reached, words.number(reached.count), about=f"{label}: {told(reached)}")
    part = f'<span class="pd-share">{reached.count * 100 // whole}\u00a0%</span>' if whole else ""
    lost = f"−{words.number(stayed.count)}"
    about = f"{label}: {words.number(stayed.count)} {why}, {told(stayed)}"
    more = f' title="{html.escape(why)}"'
    left = link(stayed, lost, look="pd-lost", about=about, more=more) if stayed.count else ""
    return f"<td>{number}{part}{left}</td>"


def _length(share: int) -> str:
    return f'<span class="pd-bar" aria-hidden="true"><span style="width:{share:d}%"></span></span>'


def bars(lines: Sequence[tuple[str, Figure]]) -> str:
    """Figures beneath each other, each as long as its share of their money."""
    whole = max(1, sum(figure.rand.minor for _, figure in lines))
    drawn = "".join(
        f"<li><span>{html.escape(label)} · {words.number(figure.count)}</span>"
        f"{link(figure, words.sums(figure.sums), look='pd-number', about=f'{label}: {told(figure)}')}"
        f"{_length(figure.rand.minor * 100 // whole)}</li>"
        for label, figure in lines
    )
    return f'<ul class="pd-bars">{drawn}</ul>'


def ledger(lines: Iterable[tuple[str, str, str, Summed | None]]) -> str:
    """As ``pieces.ledger``, lines that add up, each beside what its figure leads to."""
    drawn = ""
    for label, value, tone, figure in lines:
        shown = link(figure, value, about=f"{label}: {told(figure)}") if figure else html.escape(value)
        drawn += f'<div class="{html.escape(tone)}"><dt>{html.escape(label)}</dt><dd>{shown}</dd></div>'
    return f'<dl class="pd-ledger">{drawn}</dl>'


def lines(shown: Iterable[tuple[str, str, Figure | str, str]]) -> str:
    """Lines of a list that lead somewhere over their whole width: icon, text, the figure or address, note."""
    drawn = []
    for icon, text, target, note in shown:
        sign = f'<span class="pd-icon" aria-hidden="true" translate="no">{html.escape(icon)}</span>'
        below = f'<span class="pd-below">{html.escape(note)}</span>' if note else ""
        if isinstance(target, Figure):
            inner = link(target, text)
        elif target:
            inner = f'<a class="pd-door" href="{html.escape(target)}">{html.escape(text)}</a>'
        else:
            inner = f"<span>{html.escape(text)}</span>"
        drawn.append(f"<li>{sign}<span>{inner}{below}</span></li>")
    return f'<ul class="pd-lines">{"".join(drawn)}</ul>'


def nothing(title: str, next_step: str) -> str:
    return f'<p class="pd-none"><strong>{html.escape(title)}</strong> {html.escape(next_step)}</p>'


def table(
    caption: str, heads: Sequence[str], rows: Iterable[tuple[str, Sequence[Figure]]], *, money: int
) -> str:
    """A chart as a table of links: the first ``money`` columns in money, the others counted."""
    head = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in heads)
    drawn = []
    for label, figures in rows:
        cells = (
            _cell(each, f"{label}, {title}", as_money=nth < money)
            for nth, (title, each) in enumerate(zip(heads[1:], figures, strict=True))
        )
        drawn.append(f'<tr><th scope="row">{html.escape(label)}</th>{"".join(cells)}</tr>')
    return (
        f'<div class="pd-scroll"><table class="pd-table"><caption>{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(drawn)}</tbody></table></div>"
    )


def _cell(figure: Figure, label: str, *, as_money: bool) -> str:
    shown = words.sums(figure.sums) if as_money else words.number(figure.count)
    return f"<td>{link(figure, shown, about=f'{label}: {told(figure)}') if figure.count else '–'}</td>"


@dataclass(frozen=True)
class Fall:
    """A step of a waterfall: what it is, how much, and its look: ``whole`` stands on the ground, ``off``
    takes away from what is left, ``back`` adds to it."""

    label: str
    amount: Money
    look: str
    note: str = ""


def waterfall(steps: Sequence[Fall], *, alt: str) -> str:
    """From a gross sum to what is left of it, one step below the other, so that it reads on a phone too.

    A step too small to be seen is drawn a little wider than it is; its words tell the cent.
    """
    widest = max(1, *(abs(step.amount.minor) for step in steps))
    at, rows = 0, []
    for step in steps:
        size = abs(step.amount.minor)
        if step.look == "whole":
            left, at = 0, step.amount.minor
        elif step.look == "off":
            at -= size
            left = at
        else:
            left, at = at, at + size
        start, width = max(0, left) * 1000 // widest, max(size * 1000 // widest, 6)
        start = min(start, 1000 - width)
        sign = {"off": "−", "back": "+"}.get(step.look, "")
        note = f'<span class="pd-below">{html.escape(step.note)}</span>' if step.note else ""
        rows.append(
            f'<li class="{html.escape(step.look)}"><span>{html.escape(step.label)}{note}</span>'
            f'<span class="pd-number">{sign}{html.escape(str(Money(size, step.amount.currency)))}</span>'
            f'<span class="pd-fall" aria-hidden="true"><span style="margin-left:{start // 10}.{start % 10}%;'
            f'width:{width // 10}.{width % 10}%"></span></span></li>'
        )
    return f'<ol class="pd-falls" aria-label="{html.escape(alt)}">{"".join(rows)}</ol>'


#: A cell of a sheet: its words, and the address it leads to ("" for none).
Cell = tuple[str, str]


def sheet(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[Cell | str]], total: Sequence[Cell | str] = ()
) -> str:
    """Rows of words and amounts, some of which lead somewhere; on a phone each row is a card of its own, of
    what there is.

    ``total`` is the last of them, and looks so.
    """
    there = [[(cell, "") if isinstance(cell, str) else cell for cell in row] for row in rows]
    there += [[(cell, "") if isinstance(cell, str) else cell for cell in total]] if total else []
    looks = ["" if all(_AMOUNT.match(row[nth][0]) for row in there) else "words" for nth in range(len(heads))]
    head = "".join(
        f'<th scope="col" class="{look}">{html.escape(title)}</th>'
        for title, look in zip(heads, looks, strict=True)
    )
    drawn = []
    for row in there:
        first, *rest = (_sheet_cell(*cell) for cell in row)
        cells = "".join(
            f'<td class="{look}{_empty(cell)}" data-label="{html.escape(title)}">{cell}</td>'
            for cell, title, look in zip(rest, heads[1:], looks[1:], strict=True)
        )
        drawn.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    if total:
        drawn[-1] = drawn[-1].replace("<tr>", '<tr class="total">', 1)
    return (
        f'<div class="pd-scroll"><table class="pd-table pd-sheet"><caption>{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(drawn)}</tbody></table></div>"
    )


_AMOUNT = re.compile(r"[−-]?(?:[R$€£]?[0-9]|–$)")


def _empty(cell: str) -> str:
    return " pd-nothing" if cell in ("–", "") else ""


def _sheet_cell(text: str, where: str) -> str:
    told = html.escape(text)
    return f'<a class="pd-door" href="{html.escape(where)}">{told}</a>' if where else told


@dataclass(frozen=True)
class Told:
    """A figure of a report: what it is, its words, the address it leads to, and how it changed."""

    title: str
    value: str
    where: str = ""
    change: str = ""
    better: bool | None = None
    note: str = ""


def told_figures(shown: Iterable[Told]) -> str:
    """Numbers side by side, as ``metrics``; where no list can show one it leads nowhere."""
    drawn = []
    for one in shown:
        tone = {True: "good", False: "bad", None: "even"}[one.better]
        value, look = html.escape(one.value), _look(one.value)
        if one.where:
            value = f'<a class="pd-door {look}" href="{html.escape(one.where)}">{value}</a>'
        else:
            value = f'<span class="{look}">{value}</span>'
        change = f' <span class="pd-change {tone}">{html.escape(one.change)}</span>' if one.change else ""
        drawn.append(
            f'<div class="pd-card"><div class="pd-title">{html.escape(one.title)}</div>{value}'
            f'<div class="pd-note">{html.escape(one.note)}{change}</div></div>'
        )
    return f'<div class="pd-cards">{"".join(drawn)}</div>'


def lengths(lines: Iterable[tuple[str, str, str, int]], alt: str) -> str:
    """Bars beneath each other: label, its words, the address they lead to, and how long in thousandths."""
    drawn = []
    for label, value, where, permille in lines:
        words_ = html.escape(value)
        if where:
            words_ = f'<a class="pd-door pd-number" href="{html.escape(where)}">{words_}</a>'
        else:
            words_ = f'<span class="pd-number">{words_}</span>'
        drawn.append(
            f"<li><span>{html.escape(label)}</span>{words_}"
            f'<span class="pd-bar" aria-hidden="true"><span style="width:{permille // 10}.{permille % 10}%">'
            "</span></span></li>"
        )
    return f'<ul class="pd-bars" aria-label="{html.escape(alt)}">{"".join(drawn)}</ul>'


def doors(key: str, opened: Callable[[str], None]) -> None:
    """Once a page: what is drawn here opens within the desk. ``opened`` is called with the address."""

    def went() -> None:
        wanted = st.session_state[key].opened
        if isinstance(wanted, str):
            opened(wanted)

    component("doors")(key=key, data={}, on_opened_change=went)


def into(pages: Mapping[str, str]) -> Callable[[str], None]:
    """For ``doors``: an address opens its page, where it is one of ``pages``."""

    def opened(href: str) -> None:
        parts = urlsplit(href)
        if page := pages.get(parts.path.lstrip("/")):
            st.switch_page(page, query_params=dict(parse_qsl(parts.query)))

    return opened
