"""Our words as people see them: each status, method, reason and role has one, with a sign and a colour."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from db.money import Money
from payments import dates
from payments.lifecycle import CLOSED, SETTLED, Kind, Method, Review, Source, Status
from payments.people import Role
from payments.search import Filter
from payments.timeline import UNVERIFIED


@dataclass(frozen=True)
class Look:
    """How a word of ours is shown: never by its colour alone."""

    word: str
    icon: str
    tone: str


STATUS: Mapping[Status, Look] = {
    Status.CREATED: Look("Being made", "hourglass_empty", "gray"),
    Status.OPEN: Look("Waiting", "schedule", "orange"),
    Status.FAILED: Look("Failed", "error", "red"),
    Status.CLAIMED: Look("Claimed", "front_hand", "violet"),
    Status.PART_PAID: Look("Part paid", "timelapse", "blue"),
    Status.PAID: Look("Paid", "check_circle", "green"),
    Status.EXPIRED: Look("Expired", "event_busy", "gray"),
    Status.CANCELLED: Look("Cancelled", "cancel", "gray"),
    Status.WAIVED: Look("Waived", "money_off", "gray"),
    Status.PART_REFUNDED: Look("Part refunded", "undo", "violet"),
    Status.REFUNDED: Look("Refunded", "undo", "violet"),
    Status.DISPUTED: Look("Disputed", "gavel", "red"),
}
METHOD: Mapping[Method, str] = {
    Method.GATEWAY: "iKhokha",
    Method.CARD: "Card",
    Method.INSTANT_EFT: "Instant EFT",
    Method.CASH: "Cash",
    Method.CARD_SLIP: "Card slip",
    Method.EFT: "EFT",
}
REVIEW: Mapping[Review, tuple[str, str]] = {
    Review.AMOUNT_MISMATCH: (
        "Amount differs",
        "The gateway names another amount. Compare both before acting.",
    ),
    Review.CURRENCY_MISMATCH: ("Currency differs", "The gateway names another currency. Ask iKhokha."),
    Review.REFERENCE_MISMATCH: (
        "Reference differs",
        "The gateway's answer names another payment. Ask iKhokha.",
    ),
    Review.UNCLEAR_STATUS: (
        "Unclear answer",
        "The gateway used a word we do not know. Look at it as received.",
    ),
    Review.OVERPAID: ("Overpaid", "More came than was asked for. Return the difference to the payer."),
    Review.PAID_LATE: (
        "Paid late",
        "It was paid after it was closed. Decide whether the place is still free.",
    ),
    Review.GATEWAY_TOOK_IT_BACK: ("Taken back", "The gateway said paid and now says otherwise. Ask iKhokha."),
    Review.SUCCESS_UNCONFIRMED: (
        "Not confirmed",
        "A message said paid, the gateway's status does not. It is asked again.",
    ),
}
ROLE: Mapping[Role, tuple[str, str]] = {
    Role.ADMIN: ("Admin", "Everything, people and settings included."),
    Role.FINANCE: ("Finance", "Sees, exports, and corrects money."),
    Role.ORGANISER: ("Organiser", "Takes payments for their events and sees them."),
    Role.VIEWER: ("Viewer", "Sees, and changes nothing."),
    Role.AUDITOR: ("Auditor", "Sees everything, the record of changes too, for a time."),
}


def method_word(method: str | None) -> str:
    return METHOD[Method(method)] if method else "–"


def number(value: int) -> str:
    """``1 204``, with a space that does not break."""
    return f"{value:,}".replace(",", "\u00a0")


def count(value: int, one: str, many: str) -> str:
    return f"{number(value)} {one if value == 1 else many}"


def sums(amounts: Mapping[str, Money]) -> str:
    """Amounts of several currencies beside each other; they never add."""
    return " + ".join(str(amounts[currency]) for currency in sorted(amounts)) or str(Money(0))


# -- what happened to a payment ---------------------------------------------------------------------

KIND: Mapping[str, tuple[str, str]] = {
    Kind.CREATED: ("add", "gray"),
    Kind.LINK_ASKED: ("link", "gray"),
    Kind.LINK_OPEN: ("link", "blue"),
    Kind.LINK_REFUSED: ("link_off", "red"),
    Kind.OUTCOME_UNKNOWN: ("help", "orange"),
    Kind.LINK_MISSING: ("link_off", "orange"),
    Kind.SHARED: ("send", "blue"),
    Kind.RETURNED: ("keyboard_return", "gray"),
    Kind.EVENT: ("notifications", "blue"),
    Kind.ANSWER: ("question_answer", "gray"),
    Kind.RECEIPT: ("payments", "green"),
    Kind.STATUS: ("trending_flat", "gray"),
    Kind.FLAGGED: ("flag", "orange"),
    Kind.UNFLAGGED: ("task_alt", "green"),
    Kind.MAIL: ("mail", "gray"),
    Kind.NOTE: ("sticky_note_2", "gray"),
    UNVERIFIED: ("gpp_bad", "orange"),
}
SOURCE: Mapping[str, str] = {
    Source.DESK: "at the desk",
    Source.CLI: "on the command line",
    Source.WEBHOOK: "by webhook",
    Source.POLL: "when asked",
    Source.PAYER: "the payer",
    Source.WORKER: "by itself",
    Source.SEED: "demo data",
}


# -- the filter bar's words, which stand in the URL as well ------------------------------------------

#: Groups of statuses, as people at a desk speak of them.
GROUPS: Mapping[str, tuple[Status, ...]] = {
    "Paid": (Status.PAID,),
    "Waiting": (Status.CREATED, Status.OPEN, Status.CLAIMED, Status.PART_PAID),
    "Failed": (Status.FAILED,),
    "Closed": tuple(sorted(CLOSED)),
    "Returned": tuple(sorted(SETTLED - {Status.PAID})),
}
#: What needs a person, and the field of Filter that finds it.
TROUBLES: Mapping[str, str] = {
    "Does not fit": "review_only",
    "Outcome unknown": "outcome_unknown",
    "Mail failed": "mail_failed",
}


def trouble_query(wanted: Filter) -> dict[str, str]:
    """The part of the payments page's URL that shows what needs a person."""
    meant = [word for word, name in TROUBLES.items() if getattr(wanted, name)]
    return {"trouble": meant[0]} if meant else {}


def days_of(choice: str, today: date) -> dates.Span | None:
    """The span of a preset; None for any time."""
    match choice:
        case "Today":
            return dates.day_span(today)
        case "Yesterday":
            return dates.day_span(today - timedelta(days=1))
        case "7 days":
            return dates.day_span(today - timedelta(days=6), today)
        case "30 days":
            return dates.day_span(today - timedelta(days=29), today)
    return None
