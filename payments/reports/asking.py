"""What report an address asks for, and the address of a report."""

from collections.abc import Mapping
from datetime import date
from urllib.parse import urlencode

from payments.access.people import Person
from payments.errors import InvalidInput, NotFound
from payments.finding import when
from payments.reports import making
from payments.reports.making import ABOUT
from payments.reports.period import Basis
from payments.reports.period import read as read_period
from payments.reports.report import Asked, Kind

#: Days that are asked for where nothing else is.
USUAL_PERIOD = "this-month"


def read(kind: str, basis: str, period: str, event: str, today: date, as_of: str = "") -> Asked:
    """What is empty is as usual. Raises NotFound (no such report), InvalidInput."""
    if kind not in tuple(Kind):
        raise NotFound("There is no such report. Open Reports and choose one.")
    if basis not in ("", *Basis):
        raise InvalidInput(f"There is no basis “{basis}”. Open Reports and choose one.")
    which = Kind(kind)
    on = Basis(basis) if basis else ABOUT[which].bases[0]
    moment = when.read_moment(as_of, today) if as_of else None
    return Asked(which, on, read_period(period or USUAL_PERIOD, today), event, moment)


def of_page(person: Person, query: Mapping[str, str], today: date) -> Asked:
    """What the page of reports shows this person at an address. Raises InvalidInput, NotFound (none is for
    them)."""
    offered = making.offered(person)
    if not offered:
        raise NotFound("There is no report for your role.")
    kind = query.get("report", "")
    return read(
        kind if kind in offered else offered[0], query.get("basis", ""), query.get("period", ""),
        query.get("event", ""), today, query.get("as-of", ""),
    )  # fmt: skip


def query(asked: Asked) -> dict[str, str]:
    """As ``read`` takes it, beside the kind; days are told as days, so that they stay the same tomorrow."""
    told = {"basis": str(asked.basis), "period": asked.period.word, "event": asked.event}
    if asked.as_of:
        told["as-of"] = when.moment_words(asked.as_of)
    return {name: value for name, value in told.items() if value}


def kept_address(reference: str) -> str:
    return f"/report/kept.csv?{urlencode({'reference': reference})}"


def file_address(asked: Asked, format_: str) -> str:
    return f"/report/{asked.kind}.{format_}?{urlencode(query(asked))}"
