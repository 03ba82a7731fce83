"""A rule as a form: conditions joined by and/or, lines it must fit, and lines it must leave alone.

Conditions stand alone or in a group. The groups are joined as the rest is, and what is within one the other
way: *all of* A, and *any of* B or C. Deeper than that is no form, and hardly a rule.
"""

from collections.abc import Sequence
from datetime import date

import streamlit as st

from db.money import Money
from payments.errors import InvalidInput
from payments.matching import Line
from payments.matching.rules import (
    Account,
    All,
    AnyOf,
    Between,
    Condition,
    Contains,
    Field,
    Matches,
    Says,
    Sign,
)
from payments.reconciling.rule_book import RuleDraft
from ui.pieces import plain, problem

TEXT, PATTERN, AMOUNT, WAY, ACCOUNT = "Text has", "Expression fits", "Amount is", "Money goes", "Account is"
_KINDS = [TEXT, PATTERN, AMOUNT, WAY, ACCOUNT]
_ALL, _ANY = "All of them", "Any of them"
_FIELDS = {Field.TEXT: "anywhere", Field.DESCRIPTION: "description", Field.REFERENCE: "reference"}
_SAYS = {
    Says.ASIDE: "it is no payment",
    Says.PAYER: "it pays for one person",
    Says.PAYOUT: "it is a payout of iKhokha",
    Says.CASH: "it is a cash deposit",
    Says.CARD: "it is a card machine's batch",
    Says.FOREIGN: "it came from abroad",
}
MOST_ROWS = 8


class _Unwritten(Exception):
    """A condition that somebody has only begun: nothing is wrong yet."""


ALONE = "alone"
_GROUPS = [ALONE, "group A", "group B", "group C"]
#: A condition as it was written before: kind, value, field, group.
_Row = tuple[str, str, Field, str]


def rule_form(key: str, draft: RuleDraft | None, accounts: Sequence[str]) -> RuleDraft | None:
    """The rule as answered so far; None while it cannot be one, which is said on the page."""
    left, middle, right = st.columns([3, 1, 2])
    name = left.text_input("Name", draft.name if draft else "", max_chars=60, key=f"{key}_name")
    order = middle.number_input(
        "Place", 1, 9999, draft.order if draft else 100, key=f"{key}_order",
        help="Rules are asked in this order; the first that fits decides.",
    )  # fmt: skip
    says = right.selectbox(
        "It says that", list(_SAYS), index=list(_SAYS).index(draft.says) if draft else 0,
        format_func=lambda one: _SAYS[one], key=f"{key}_says",
    )  # fmt: skip
    value = draft.value if draft else ""
    if says is Says.ASIDE:
        value = st.text_input("Why it is no payment", value, max_chars=200, key=f"{key}_value")
    elif says is Says.PAYER:
        label = "E-mail address or phone number of whom it pays for"
        value = st.text_input(label, value, max_chars=200, key=f"{key}_value")
    conditions = _conditions(key, draft.condition if draft else None, accounts)
    must, must_not = st.columns(2)
    fits = _examples(must, "Lines it must fit, one a row", draft.must if draft else (), f"{key}_must")
    leaves = _examples(
        must_not, "Lines it must leave alone", draft.must_not if draft else (), f"{key}_must_not"
    )
    st.caption(
        r"One line each, or more. A line may end with its amount: `CASH FEE ; -12.50`. Without one it is "
        r"R100.00 in."
    )
    if conditions is None or fits is None or leaves is None:
        return None
    return RuleDraft(name.strip(), int(order), conditions, says, value.strip(), fits, leaves)


def _conditions(key: str, told: Condition | None, accounts: Sequence[str]) -> Condition | None:
    """Rows joined by and, or by or, groups of them the other way; a row of texts may name several with |."""
    known = _rows(told)
    count = st.session_state.setdefault(f"{key}_rows", max(1, len(known)))
    joined = st.radio(
        "It fits when", [_ALL, _ANY], index=1 if isinstance(told, AnyOf) else 0, horizontal=True,
        key=f"{key}_joined",
    )  # fmt: skip
    found: list[tuple[str, Condition]] = []
    faults, begun = [], False
    for nth in range(count):
        told_of = known[nth] if nth < len(known) else None
        try:
            found.append(_row(f"{key}_{nth}", told_of, accounts, alone=count == 1))
        except _Unwritten:
            begun = True
        except (InvalidInput, ValueError) as error:
            faults.append(str(error))
    with st.container(horizontal=True):
        st.button(
            "Another condition", icon=":material/add:", key=f"{key}_more", disabled=count >= MOST_ROWS,
            on_click=_count, args=(key, 1),
        )  # fmt: skip
        st.button(
            "Take the last away", icon=":material/remove:", key=f"{key}_less", disabled=count <= 1,
            on_click=_count, args=(key, -1),
        )  # fmt: skip
    for fault in faults:
        problem(fault)
    if begun:
        plain("Write what the line must have: what the rule would have matched is then told below.", "faint")
    if faults or begun:
        return None
    return _joined(found, every=joined == _ALL)


def _joined(found: Sequence[tuple[str, Condition]], *, every: bool) -> Condition:
    """Each group where its first condition stands."""
    outer, inner = (All, AnyOf) if every else (AnyOf, All)
    some: list[Condition] = []
    for place, (group, condition) in enumerate(found):
        together = tuple(one for of, one in found if of == group)
        if group == ALONE or len(together) == 1:
            some.append(condition)
        elif all(of != group for of, _ in found[:place]):
            some.append(inner(together))
    return outer(tuple(some))


def _count(key: str, by: int) -> None:
    st.session_state[f"{key}_rows"] += by


def _rows(told: Condition | None) -> list[_Row]:
    if told is None:
        return []
    groups = iter(_GROUPS[1:])
    rows: list[_Row] = []
    for one in told.conditions if isinstance(told, All | AnyOf) else (told,):
        if isinstance(one, All | AnyOf) and not _is_texts(one):
            group = next(groups, None)
            if group is None:
                raise InvalidInput("This rule has more groups than this form can show; write it anew.")
            rows += [(*_as_row(each), group) for each in one.conditions]
        else:
            rows.append((*_as_row(one), ALONE))
    return rows


def _is_texts(one: Condition) -> bool:
    """Several texts in one place: one row holds them."""
    return isinstance(one, AnyOf) and (
        all(isinstance(each, Contains) for each in one.conditions)
        and len({each.field for each in one.conditions if isinstance(each, Contains)}) == 1
    )


def _as_row(one: Condition) -> tuple[str, str, Field]:
    match one:
        case Contains():
            return TEXT, one.text, one.field
        case AnyOf() if _is_texts(one):
            texts = [each for each in one.conditions if isinstance(each, Contains)]
            return TEXT, " | ".join(each.text for each in texts), texts[0].field
        case Matches():
            return PATTERN, one.pattern, one.field
        case Between():
            return AMOUNT, f"{one.least.decimal} – {one.most.decimal}", Field.TEXT
        case Sign():
            return WAY, "in" if one.money_in else "out", Field.TEXT
        case Account():
            return ACCOUNT, one.account, Field.TEXT
    raise InvalidInput("This rule has groups that this form cannot show; write it anew.")


def _row(key: str, told: _Row | None, accounts: Sequence[str], *, alone: bool) -> tuple[str, Condition]:
    """A condition, and the group it stands in; one that is ``alone`` has nothing to be grouped with."""
    kind_at, value_at, field_at, *rest = st.columns([2, 4, 2] if alone else [2, 4, 2, 2])
    if alone:
        return ALONE, _condition(key, told, accounts, (kind_at, value_at, field_at))
    group = rest[0].selectbox(
        "Stands", _GROUPS, index=_GROUPS.index(told[3]) if told else 0, key=f"{key}_group",
        help="Conditions of one group are joined the other way: any of them, where all must fit.",
    )  # fmt: skip
    return group, _condition(key, told, accounts, (kind_at, value_at, field_at))


def _condition(
    key: str,
    told: _Row | None,
    accounts: Sequence[str],
    places: "tuple[st.delta_generator.DeltaGenerator, ...]",
) -> Condition:
    kind_at, value_at, field_at = places
    kind = kind_at.selectbox(
        "Condition", _KINDS, index=_KINDS.index(told[0]) if told else 0, key=f"{key}_kind",
    )  # fmt: skip
    value = told[1] if told and told[0] == kind else ""
    if kind == WAY:
        way = value_at.selectbox("Which way", ["in", "out"], index=int(value == "out"), key=f"{key}_way")
        return Sign(money_in=way == "in")
    if kind == ACCOUNT:
        there = [*accounts] or [value]
        place = there.index(value) if value in there else 0
        return Account(value_at.selectbox("Which account", there, index=place, key=f"{key}_account") or "")
    hints = {TEXT: "Texts; several with | between them", PATTERN: "Regular expression", AMOUNT: "From – to"}
    text = value_at.text_input(hints[kind], value, key=f"{key}_value", max_chars=200).strip()
    if kind == AMOUNT and text:
        return _between(text)
    if kind == AMOUNT:
        raise _Unwritten
    field = field_at.selectbox(
        "Where", list(_FIELDS), index=list(_FIELDS).index(told[2]) if told else 0,
        format_func=lambda one: _FIELDS[one], key=f"{key}_field",
    )  # fmt: skip
    if not text:
        raise _Unwritten
    if kind == PATTERN:
        return Matches(text, field)
    texts = [part.strip() for part in text.split("|") if part.strip()]
    if len(texts) == 1:
        return Contains(texts[0], field)
    return AnyOf(tuple(Contains(part, field) for part in texts))


def _between(text: str) -> Between:
    least, dash, most = text.replace("—", "–").replace(" - ", "–").partition("–")
    if not dash:
        most = least
    try:
        return Between(Money.parse(least), Money.parse(most))
    except ValueError as error:
        raise InvalidInput(f"An amount is written 100 – 250.50: {error}.") from error


def _examples(
    place: "st.delta_generator.DeltaGenerator", label: str, told: Sequence[Line], key: str
) -> tuple[Line, ...] | None:
    usual = "\n".join(_example_told(one) for one in told)
    found = []
    for row in place.text_area(label, usual, key=key, height=110).splitlines():
        if not row.strip():
            continue
        text, _, amount = row.partition(";")
        try:
            minor = _signed(amount) if amount.strip() else 100_00
        except ValueError as error:
            problem(f"{row.strip()}: {error}.")
            return None
        found.append(Line(0, date(2026, 1, 5), Money(minor), text.strip()))
    return tuple(found)


def _example_told(line: Line) -> str:
    return line.description if line.amount == Money(100_00) else f"{line.description} ; {line.amount.decimal}"


def _signed(text: str) -> int:
    plain = text.strip()
    minus = plain[:1] in ("-", "−")
    minor = Money.parse(plain[1:] if minus else plain).minor
    return -minor if minus else minor
