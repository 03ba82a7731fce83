"""OFX 1 (SGML) and 2 (XML), by ofxtools: its tree, not its conversion, so that one bad row is one bad row.

Dates are the bank's own; one with a time and an offset is the business day here at that moment. OFX has no
opening balance, and its ledger balance is the closing one only as far as the file says so.
"""

import io
import re
from datetime import UTC, date, datetime, timedelta
from xml.etree.ElementTree import Element

from ofxtools.Parser import OFXTree

from payments.dates import business_day
from payments.errors import StatementFormatError, quoted
from payments.statements import amounts, days
from payments.statements.draft import Draft, Entry, masked
from payments.statements.statement import Statement
from payments.statements.tables import Text

_ROW = re.compile(r"<STMTTRN>", re.IGNORECASE)
_MOMENT = re.compile(
    r"([0-9]{8})(?:([0-9]{2})([0-9]{2})(?:[0-9]{2}(?:\.[0-9]+)?)?)?(?:\[([-+]?[0-9]{1,2})(?:\.([0-9]{1,2}))?[^\]]*\])?"
)
#: Parts that change what is read elsewhere, or that no row of ours can be.
_OTHERS = ("INVSTMTRS", "LOANSTMTRS")


def read(text: Text) -> Statement:
    root = _tree(text)
    draft = Draft(text.file, "ofx")
    rows = [text.text.count("\n", 0, match.start()) + 1 for match in _ROW.finditer(text.text)]
    if any(root.find(f".//{tag}") is not None for tag in _OTHERS):
        raise draft.refuse(None, "It holds an investment or loan account, not a bank account.")
    lists = [found for tag in ("STMTRS", "CCSTMTRS") for found in root.iter(tag)]
    if not lists:
        raise draft.refuse(None, "It holds no statement.")
    for found in lists:
        _account(draft, found)
    elements = [row for found in lists for row in found.iter("STMTTRN")]
    if len(elements) != len(rows):
        raise draft.refuse(
            None, f"It holds {len(rows)} rows, of which {len(elements)} can be read; it is damaged."
        )
    for number, element in zip(rows, elements, strict=True):
        draft.add(_entry(draft, number, element))
    return draft.finish(len(rows), nul_bytes=text.nul_bytes, encoding=text.encoding)


def _tree(text: Text) -> Element:
    """The parsed file. Its header's word on encodings is not needed any more: the text is decoded."""
    if not text.text.rstrip().upper().endswith("</OFX>"):  # the library closes what was left open
        raise StatementFormatError(text.file, None, "It does not end as OFX does; it is cut off.")
    body = re.sub(r"(?m)^(ENCODING:).*$", r"\1USASCII", text.text, count=1)
    body = re.sub(r"(?m)^(CHARSET:).*$", r"\g<1>1252", body, count=1)
    try:  # every parse error of the library is a SyntaxError
        charset = "utf-8" if "<?xml" in body[:200] else "cp1252"
        return OFXTree().parse(io.BytesIO(body.encode(charset, "xmlcharrefreplace")))
    except (
        SyntaxError,
        ValueError,
        AttributeError,
        IndexError,
        AssertionError,
        TypeError,
    ) as error:
        raise StatementFormatError(
            text.file, None, "It is not whole OFX; it is damaged or cut off."
        ) from error


def _account(draft: Draft, found: Element) -> None:
    if number := _text(found, ".//ACCTID"):
        draft.use_account(None, number)
    if currency := _text(found, "CURDEF").upper():
        if draft.entries and currency != draft.currency:
            raise draft.refuse(None, f"It mixes {draft.currency} and {currency}.")
        draft.use_currency(None, currency)
    if (balance := _text(found, "LEDGERBAL/BALAMT")) and draft.closing is None:
        try:
            draft.closing = (amounts.read(balance).minor, 1)
        except ValueError as error:
            raise draft.refuse(
                None, f"The ledger balance {quoted(masked(balance))} cannot be read."
            ) from error


def _entry(draft: Draft, number: int, element: Element) -> Entry:
    said = {child.tag: " ".join((child.text or "").split()) for child in element}
    if (other := _text(element, "CURRENCY/CURSYM").upper()) and other != draft.currency:
        raise draft.refuse(number, f"It is in {other}, and the statement in {draft.currency}.")
    name, memo = said.get("NAME") or _text(element, "PAYEE/NAME"), said.get("MEMO", "")
    words = [name, *([memo] if memo != name else [])]
    entry = Entry(
        number, None,
        description=masked(" ".join(word for word in words if word)),
        reference=masked(said.get("REFNUM") or said.get("CHECKNUM") or ""),
        raw=masked(" ".join(f"{tag}={text}" for tag, text in said.items())),
    )  # fmt: skip
    for part in (_amount, _day):
        try:
            part(entry, said)
        except ValueError as error:
            entry.reason = entry.reason or str(error)
    return entry


def _amount(entry: Entry, said: dict[str, str]) -> None:
    text = said.get("TRNAMT", "")
    try:
        entry.minor = amounts.read(text).minor
    except ValueError:
        raise ValueError(
            f"The amount {quoted(masked(text))} cannot be read." if text else "It has no amount."
        ) from None


def _day(entry: Entry, said: dict[str, str]) -> None:
    text = said.get("DTPOSTED", "")
    match = _MOMENT.fullmatch(text)
    try:
        if not match:
            raise ValueError(text)
        entry.day = _business_day(match)
    except ValueError:
        raise ValueError(
            f"The date {quoted(masked(text))} cannot be read." if text else "It has no date."
        ) from None


def _business_day(match: re.Match[str]) -> date:
    day, hour, minute, offset, part = match.groups()
    plain = days.read(day, "ymd")
    if hour is None or offset is None:
        return plain
    minutes = int(part) * 60 // 10 ** len(part) if part else 0
    shift = timedelta(hours=int(offset), minutes=-minutes if offset.startswith("-") else minutes)
    moment = datetime(plain.year, plain.month, plain.day, int(hour), int(minute), tzinfo=UTC) - shift
    return business_day(moment)


def _text(element: Element, path: str) -> str:
    found = element.find(path)
    return " ".join((found.text or "").split()) if found is not None else ""
