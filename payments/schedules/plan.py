"""What goes out, to whom and how: as somebody fills it in, and as it is kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from payments.errors import InvalidInput
from payments.exports.layout import COLUMNS, DEFAULT_COLUMNS
from payments.payers import contacts
from payments.privacy import clean_line
from payments.reports import asking
from payments.reports.period import PRESETS, Period
from payments.reports.report import Asked
from payments.schedules import recurrence
from payments.schedules.outside import Outside
from payments.schedules.recurrence import Recurrence

MOST_RECIPIENTS = 20
#: A file of a view has no column that tells of a payer.
COLUMNS_OF_VIEWS = tuple(name for name in DEFAULT_COLUMNS if not COLUMNS[name].personal)
#: Beside the presets of a report: the days since the last time it went, up to yesterday.
SINCE_LAST = "since-last"
PERIODS = (SINCE_LAST, *PRESETS)
REPORT_FORMATS = ("pdf", "xlsx", "csv")
VIEW_FORMATS = ("xlsx", "csv")


class Way(StrEnum):
    """A link that opens the file for seven days, or the file with the mail."""

    LINK = "link"
    FILE = "file"


@dataclass(frozen=True)
class ReportOf:
    """A report; ``period`` is one of ``PERIODS``, ``event`` a code or "" for all."""

    kind: str
    basis: str
    period: str
    event: str


@dataclass(frozen=True)
class ViewOf:
    """A saved view, by its token; ``name`` as it was called when it was chosen."""

    token: str
    name: str


@dataclass(frozen=True)
class Plan:
    title: str
    what: ReportOf | ViewOf
    format: str
    recurrence: Recurrence
    recipients: tuple[str, ...]
    way: Way


def checked(plan: Plan, outside: Outside, *, now: datetime) -> Plan:
    """The plan in one spelling. Raises InvalidInput, NotFound (no such report)."""
    title = clean_line(plan.title, field="The name", longest=80)
    if not title:
        raise InvalidInput(
            "Give it a name, such as “Takings for the treasurer”. It is the subject of the mail."
        )
    if plan.format not in (REPORT_FORMATS if isinstance(plan.what, ReportOf) else VIEW_FORMATS):
        raise InvalidInput(f"It cannot be sent as {plan.format}. Choose another format.")
    if isinstance(plan.what, ReportOf):
        asked(plan.what, plan.recurrence, plan.recurrence.after(now))
    return Plan(title, plan.what, plan.format, plan.recurrence, addresses(plan.recipients, outside), plan.way)


def addresses(given: Iterable[str], outside: Outside) -> tuple[str, ...]:
    """Each address once. Raises InvalidInput, also for one that nothing may be sent to."""
    if not outside.domains:
        raise InvalidInput(
            "No domain is allowed yet. Set REPORT_DOMAINS to those of the people who get reports, "
            "such as example.org, and start the desk anew."
        )
    found = tuple(dict.fromkeys(one for one in map(contacts.email_address, given) if one))
    if not found:
        raise InvalidInput("Say who gets it: an e-mail address, or several on a line each.")
    if len(found) > MOST_RECIPIENTS:
        raise InvalidInput(f"It goes to {MOST_RECIPIENTS} addresses at most. Give a list's own address.")
    for one in found:
        if not outside.allows(one):
            raise InvalidInput(
                f"{one} is not within a domain that reports may go to: {', '.join(outside.domains)}. "
                f"An operator adds a domain by REPORT_DOMAINS."
            )
    return found


def asked(what: ReportOf, when: Recurrence, due_at: datetime) -> Asked:
    """The report that was meant for this time, however late it is made. Raises InvalidInput, NotFound."""
    if what.period not in PERIODS:
        raise InvalidInput("Choose the days that the report is about.")
    day = when.meant(due_at)
    if what.period != SINCE_LAST:
        return asking.read(what.kind, what.basis, what.period, what.event, day)
    last = day - timedelta(days=1)
    days = Period(min(_day_before(when, due_at), last), last)
    return asking.read(what.kind, what.basis, days.word, what.event, day)


def _day_before(when: Recurrence, due_at: datetime) -> date:
    """The day it went the time before: that day's own figures were not whole then."""
    return when.meant(when.latest(due_at - timedelta(microseconds=1)))


# -- as it is kept ------------------------------------------------------------------------------------


def to_plain(plan: Plan) -> dict[str, Any]:
    kind = "report" if isinstance(plan.what, ReportOf) else "view"
    return {
        kind: vars(plan.what), "format": plan.format, "recurrence": recurrence.to_plain(plan.recurrence),
        "to": list(plan.recipients), "way": str(plan.way),
    }  # fmt: skip


def from_plain(title: str, told: Mapping[str, Any]) -> Plan:
    what = ReportOf(**told["report"]) if "report" in told else ViewOf(**told["view"])
    when = recurrence.from_plain(told["recurrence"])
    return Plan(title, what, told["format"], when, tuple(told["to"]), Way(told["way"]))
