"""CAMT.053, the bank-to-customer statement of ISO 20022, in any version; by lxml, without entities."""

import re
from datetime import date, datetime

from lxml import etree

from payments.dates import business_day
from payments.errors import StatementFormatError, quoted
from payments.statements import amounts, days
from payments.statements.draft import Draft, Entry, masked
from payments.statements.statement import Statement
from payments.statements.tables import Text

_NAMESPACE = re.compile(
    r"\{urn:(?:iso:std:iso:20022:tech:xsd|swift:xsd:\w*\$?):?(camt\.0[0-9]{2})\.[0-9.]+\}Document"
)
_OPENING, _CLOSING = ("OPBD", "PRCD"), ("CLBD",)
_NO_REFERENCE = ("", "NOTPROVIDED", "NONREF")


def read(text: Text) -> Statement:
    draft = Draft(text.file, "camt.053")
    root = _tree(text)
    found = _NAMESPACE.fullmatch(str(root.tag))
    kind = found[1] if found else None
    if kind != "camt.053":
        what = f"a {kind} message" if kind else "XML of another kind"
        raise draft.refuse(None, f"It is {what}, not a CAMT.053 statement.")
    statements = root.findall("./{*}BkToCstmrStmt/{*}Stmt")
    if not statements:
        raise draft.refuse(None, "It holds no statement.")
    rows = 0
    for number, statement in enumerate(statements):
        _head(draft, statement, first=not number)
        for entry in statement.findall("./{*}Ntry"):
            rows += 1
            draft.add(_entry(draft, entry))
    return draft.finish(rows, nul_bytes=text.nul_bytes, encoding=text.encoding)


def _tree(text: Text) -> etree._Element:
    """No document type is allowed: a statement has none, and what it could declare is an attack."""
    if re.search(r"<!(?:DOCTYPE|ENTITY)", text.text, re.IGNORECASE):
        raise StatementFormatError(text.file, None, "It declares a document type; no statement does.")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True,
        remove_pis=True,
    )  # fmt: skip
    declared = re.match(r"\s*<\?xml[^>]*\?>", text.text)  # its encoding is not this text's any more
    body = "\n" * declared[0].count("\n") + text.text[declared.end() :] if declared else text.text
    try:
        return etree.fromstring(body.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise StatementFormatError(
            text.file, error.lineno, "It is not whole XML; it is damaged or cut off."
        ) from error


def _head(draft: Draft, statement: etree._Element, *, first: bool) -> None:
    line = statement.sourceline
    number = _text(statement, "./{*}Acct/{*}Id/{*}IBAN") or _text(statement, "./{*}Acct/{*}Id/{*}Othr/{*}Id")
    if number:
        draft.use_account(line, number)
    balances = list(_balances(draft, statement))
    code = next((currency for _, currency, _, _ in balances), "") or _text(statement, "./{*}Acct/{*}Ccy")
    for currency in [code, *(one for _, one, _, _ in balances)]:
        if currency and not first and currency != draft.currency:
            raise draft.refuse(line, f"It mixes {draft.currency} and {currency}.")
        if currency and currency != code:
            raise draft.refuse(line, f"It mixes {code} and {currency}.")
    if first and code:
        draft.use_currency(line, code)
    opening = next((said for kind in _OPENING for name, _, *said in balances if name == kind), None)
    closing = next((said for name, _, *said in balances if name in _CLOSING), None)
    if not first and draft.closing:
        draft.entries.append(Entry(draft.closing[1], 0, balance=draft.closing[0]))
    if opening and first:
        draft.opening = (opening[0], opening[1])
    elif opening:
        draft.entries.append(Entry(opening[1], 0, balance=opening[0]))
    draft.closing = (closing[0], closing[1]) if closing else None


def _balances(draft: Draft, statement: etree._Element) -> list[tuple[str, str, int, int]]:
    """Kind, currency, minor units and row of each balance."""
    found = []
    for balance in statement.findall("./{*}Bal"):
        kind = _text(balance, "./{*}Tp/{*}CdOrPrtry/{*}Cd")
        amount = balance.find("./{*}Amt")
        row = balance.sourceline or 1
        if kind not in (*_OPENING, *_CLOSING) or amount is None:
            continue
        try:
            found.append((kind, amount.get("Ccy", ""), _signed(balance, amount), row))
        except ValueError as error:
            raise draft.refuse(row, f"The balance {kind} cannot be read.") from error
    return found


def _entry(draft: Draft, element: etree._Element) -> Entry:
    row = element.sourceline or 0
    amount = element.find("./{*}Amt")
    currency = amount.get("Ccy", "") if amount is not None else ""
    if currency and currency != draft.currency:
        raise draft.refuse(row, f"It is in {currency}, and the statement in {draft.currency}.")
    entry = Entry(
        row, None, description=_description(element), reference=_reference(element), raw=_raw(element)
    )
    try:
        entry.minor = _signed(element, amount)
    except ValueError:
        entry.reason = "The amount cannot be read."
    try:
        entry.day = _day(element)
    except ValueError:
        entry.reason = entry.reason or "The date cannot be read."
    if (_text(element, "./{*}Sts/{*}Cd") or _text(element, "./{*}Sts")) in ("PDNG", "INFO"):
        entry.pending = True
        entry.reason = entry.reason or "The bank marks it as pending: it is not on the account yet."
    return entry


def _signed(element: etree._Element, amount: etree._Element | None) -> int:
    """Minor units, negative for DBIT. A reversal's mark already says which way its money goes."""
    text = (amount.text or "").strip() if amount is not None else ""
    if not re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", text):
        raise ValueError(f"{quoted(text)} is not an amount")
    minor = amounts.read(re.sub(r"(\.[0-9]{2})0+$", r"\1", text), ".").minor
    sign = {"CRDT": 1, "DBIT": -1}.get(_text(element, "./{*}CdtDbtInd"))
    if sign is None:
        raise ValueError("neither credit nor debit")
    return minor * sign


def _day(element: etree._Element) -> date:
    for place in ("BookgDt", "ValDt"):
        if said := _text(element, f"./{{*}}{place}/{{*}}Dt"):
            return days.read(said[:10])
        if said := _text(element, f"./{{*}}{place}/{{*}}DtTm"):
            moment = datetime.fromisoformat(said)
            return business_day(moment) if moment.tzinfo else days.read(said[:10])
    raise ValueError("no date")


def _description(element: etree._Element) -> str:
    said = [_text(element, "./{*}AddtlNtryInf")]
    for path in ("./{*}NtryDtls/{*}TxDtls/{*}RmtInf/{*}Ustrd", "./{*}NtryDtls/{*}TxDtls/{*}AddtlTxInf"):
        said += [" ".join((found.text or "").split()) for found in element.findall(path)]
    return masked(" ".join(dict.fromkeys(word for word in said if word)))


def _reference(element: etree._Element) -> str:
    """The payer's reference of an entry that is one payment; a batch has many, and no one of its own."""
    payments = element.findall("./{*}NtryDtls/{*}TxDtls")
    said = _text(payments[0], "./{*}Refs/{*}EndToEndId") if len(payments) == 1 else ""
    said = said or _text(element, "./{*}NtryRef")
    return "" if said.upper() in _NO_REFERENCE else masked(said)


def _raw(element: etree._Element) -> str:
    said = (
        f"{etree.QName(part).localname}={' '.join(part.text.split())}"
        for part in element.iter()
        if part.text and part.text.strip()
    )
    return masked("; ".join(said))


def _text(element: etree._Element, path: str) -> str:
    found = element.find(path)
    return " ".join((found.text or "").split()) if found is not None else ""
