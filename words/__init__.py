"""Our words as people see them: each status, method, reason and role has one, with a sign and a colour."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from db.money import Money
from payments.access.people import Role
from payments.at_the_door.admission import Light
from payments.at_the_door.shifts import Move
from payments.deciding.cases import Decision, Reason
from payments.deciding.deeds import Deed
from payments.gateways import Answer
from payments.hearing import inbox
from payments.hearing.replay import View
from payments.lifecycle import Effect, Kind, Method, Review, Source, Status
from payments.live import stages
from payments.live.funnel import Outcome
from payments.live.split import By
from payments.live.stages import Stage
from payments.timeline import UNVERIFIED
from payments.working.job_log import Job


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
        "It was paid after it was closed, or on a link that was replaced. "
        "Decide whether the place is still free.",
    ),
    Review.GATEWAY_TOOK_IT_BACK: ("Taken back", "The gateway said paid and now says otherwise. Ask iKhokha."),
    Review.BANK_TOOK_IT_BACK: (
        "Taken back by the bank",
        "The bank reversed the EFT that paid it: nothing is paid. Ask the payer, and look for their badge.",
    ),
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
#: Those who have a role, in a sentence.
ROLES: Mapping[Role, str] = {
    Role.ADMIN: "admins",
    Role.FINANCE: "finance",
    Role.ORGANISER: "organisers",
    Role.VIEWER: "viewers",
    Role.AUDITOR: "auditors",
}


#: What a record of the earlier system wears wherever it is listed.
OLD = Look("Earlier record", "history", "gray")
#: Where a payment comes from.
ORIGIN: Mapping[str, str] = {"desk": "This desk", "api": "Another system", "legacy": "Earlier records"}

MOVE: Mapping[Move, str] = {
    Move.DROP: "Into a bag",
    Move.TOP_UP: "Change fetched",
    Move.PAY_OUT: "Paid out",
}


def method_word(method: str | None) -> str:
    return METHOD[Method(method)] if method else "–"


def paid_by(kinds: Iterable[str]) -> str:
    """How money came, in a sentence: *cash and EFT*."""
    names = dict.fromkeys(METHOD[Method(kind)] for kind in kinds)
    return " and ".join(name if name.isupper() else name[0].lower() + name[1:] for name in names)


_ACTION: Mapping[str, str] = {
    "sign_off_signed": "Sign day or month",
    "sign_off_approved": "Approve signed day or month",
    "sign_off_refused": "Refuse signed day or month",
    "sign_off_reopening": "Ask to reopen day or month",
    "sign_off_reopened": "Reopen day or month",
    "sign_off_kept_closed": "Keep day or month closed",
}


def action(name: str) -> str:
    """What somebody did, as the audit keeps it, for people: ``issue_link`` is *Issue link*."""
    return _ACTION.get(name) or name.replace("_", " ").capitalize()


def number(value: int) -> str:
    """``1 204``, with a space that does not break."""
    return f"{value:,}".replace(",", "\u00a0")


def count(value: int, one: str, many: str) -> str:
    return f"{number(value)} {one if value == 1 else many}"


def sums(amounts: Mapping[str, Money]) -> str:
    """Amounts of several currencies beside each other; they never add."""
    return " + ".join(str(amounts[currency]) for currency in sorted(amounts)) or str(Money(0))


# -- how far payers came, and what became of payments ----------------------------------------------

#: Who came this far, and who came no further than the stage before it.
STAGE: Mapping[Stage, tuple[str, str]] = {
    Stage.ASKED: ("Asked for", ""),
    Stage.ISSUED: ("Link issued", "without a link"),
    Stage.OPENED: ("Page opened", "not seen on the page"),
    Stage.ATTEMPTED: ("Tried to pay", "came back without trying"),
    Stage.PAID: ("Paid by link", "tried, and not paid"),
}
#: What the funnel of the live page is told apart by.
SPLIT: Mapping[By, str] = {By.EVENT: "Event", By.METHOD: "Method", By.HOUR: "Hour"}
OUTCOME: Mapping[Outcome, Look] = {
    Outcome.PAID: Look("Paid", "check_circle", "green"),
    Outcome.WAITING: Look("Waiting", "schedule", "orange"),
    Outcome.FAILED: Look("Failed", "error", "red"),
    Outcome.CLOSED: Look("Closed", "event_busy", "gray"),
    Outcome.RETURNED: Look("Returned", "undo", "violet"),
}
_ANOTHER_WAY = "Offer another card, Instant EFT, or cash at the door."
#: What is known of why payments fail, and what helps. Two digits are the card networks' own codes.
FAILURE: Mapping[str, tuple[str, str]] = {
    stages.NO_LINK: ("The gateway refused to make a link", "Open the payment: it says why. Then ask again."),
    stages.UNREACHABLE: ("The gateway could not be reached", "Ask for the link again from the same form."),
    stages.NOT_MADE: ("The gateway never made the link", "Ask for the link again from the same form."),
    stages.NO_CODE: ("The attempt failed, no reason given", f"The link still works. {_ANOTHER_WAY}"),
    "05": ("The bank declined, without saying why", f"Only the bank knows why. {_ANOTHER_WAY}"),
    "14": ("The card number is wrong", "Have the payer type it again; the link still works."),
    "51": ("Not enough money on the card", _ANOTHER_WAY),
    "54": ("The card has expired", _ANOTHER_WAY),
    "55": ("The PIN is wrong", "Have the payer try again; the link still works."),
    "61": ("Above the card's limit", "The payer can raise it in their bank's app, or pay by Instant EFT."),
    "91": ("The payer's bank did not answer", "Have the payer try again in ten minutes."),
}


def failure(why: str) -> tuple[str, str]:
    """Why a payment failed, and what staff can do; a code nobody here knows is told as it is."""
    unknown = (f"The gateway's code {why}", f"Ask the payer what their bank says. {_ANOTHER_WAY}")
    what, next_step = FAILURE.get(why, unknown)
    return (f"{what} ({why})" if why.isdigit() and why in FAILURE else what), next_step


# -- messages of the gateway, and what a person must decide -----------------------------------------

EFFECT: Mapping[str, Look] = {
    "": Look("Waits", "schedule", "orange"),
    Effect.PAID: Look("Paid", "check_circle", "green"),
    Effect.PART_PAID: Look("Part paid", "timelapse", "blue"),
    Effect.OPENED: Look("Link ready", "link", "blue"),
    Effect.FAILED: Look("Attempt failed", "error", "red"),
    Effect.FLAGGED: Look("Flagged", "flag", "orange"),
    Effect.NOTHING: Look("Nothing new", "check", "gray"),
    inbox.UNCONFIRMED: Look("Not confirmed", "help", "orange"),
    inbox.UNMATCHED: Look("Fits no payment", "link_off", "orange"),
    inbox.UNREADABLE: Look("Cannot be read", "broken_image", "red"),
    inbox.IGNORED: Look("Ignored", "visibility_off", "gray"),
}
NOT_PROVED = Look("Bad signature", "gpp_bad", "red")
#: The word of the pill, which stands in the URL, and what it lists.
VIEW: Mapping[View, tuple[str, str]] = {
    View.ALL: ("All", "Every message proved to be iKhokha's."),
    View.HANDLED: ("Handled", "Acted on: the gateway was asked and its answer stands."),
    View.UNHANDLED: ("Unhandled", "Still to be acted on. The worker tries them again by itself."),
    View.UNKNOWN_PAYMENT: ("Unknown payment", "Signed by iKhokha, about a link that nobody here made."),
    View.UNREADABLE: ("Unreadable", "Signed by iKhokha, and not in a form that can be read."),
    View.IGNORED: ("Ignored", "A person decided that nothing acts on them."),
    View.BAD_SIGNATURE: ("Bad signature", "Not proved to be iKhokha's. They changed nothing."),
}
#: What the gateway last said of a link, for who has never seen its words.
_SAID: Mapping[Answer, str] = {
    Answer.PAID: "The gateway says it is paid.",
    Answer.OPEN: "The gateway says it is not paid yet.",
    Answer.ATTEMPT_FAILED: "The gateway says the last attempt failed.",
}


def gateway_said(answer: str, word: str | None) -> str:
    return _SAID.get(Answer(answer)) or f"The gateway said {word or 'nothing'}, which we do not know."


def both(reason: Reason | Review, found: Mapping[str, Any]) -> str:
    """Ours and the gateway's, where they differ; nothing where what was found does not tell both."""
    if "asked" not in found or "told" not in found:
        return ""
    ours = "ours" if reason == Review.REFERENCE_MISMATCH else "asked"
    return f"{ours} {found['asked']} · gateway says {found['told']}"


#: What is wrong, and what to do about it.
CASE: Mapping[Reason, tuple[str, str]] = {
    **{Reason(review): told for review, told in REVIEW.items()},
    Reason.DUPLICATE: (
        "Paid twice",
        "The same payer paid the same amount for the same event before. Ask whether both were meant.",
    ),
    Reason.STUCK_PENDING: (
        "Stuck",
        "Open for longer than is usual here, and the gateway says it is not paid. Ask the payer.",
    ),
    Reason.OUTCOME_UNKNOWN: (
        "Outcome unknown",
        "The gateway never said whether it made the link. Ask it again; do not make another.",
    ),
    Reason.MAIL_FAILED: ("Mail failed", "It was given up. Open the payment to correct and send it again."),
    Reason.DOUBTFUL_CLAIM: (
        "Doubtful proof",
        "What the payer showed does not fit what they say. Open the payment: it lists each reason.",
    ),
    Reason.CLAIM_OVERDUE: (
        "Claimed, not here",
        "The payer says it was sent, and the bank has had time. Ask them for the bank's own proof.",
    ),
    Reason.DISPUTE_OPEN: (
        "Disputed",
        "The payer wants it back through their bank. Send the evidence pack before the deadline: Disputes.",
    ),
    Reason.CHARGEBACK_UNBOOKED: (
        "Dispute lost",
        "The gateway takes it off a payout. Write it down under Disputes; a second person approves.",
    ),
    Reason.REFUND_RETURNED: (
        "Refund sent back",
        "The bank could not pay it out, so it is owed again. Ask the payer for their account, and ask anew.",
    ),
    Reason.CREDIT_OWED: (
        "Credit owed back",
        "It costs less than was paid. Give the rest back from its drawer, or keep it for the payer.",
    ),
    Reason.COMPLIMENTARY: (
        "Wished for free",
        "The registration system says that it is complimentary. Have it waived under Money, or make a link.",
    ),
    Reason.UNMATCHED_EVENT: (
        "Fits no payment",
        "The gateway signed a message about a link that nobody here made. Ask iKhokha what it is.",
    ),
    Reason.UNREADABLE_EVENT: (
        "Cannot be read",
        "The gateway signed a message in a form nobody here can read. Look at it as received.",
    ),
}
#: What was found with a case, as far as it tells a person something.
FOUND: Mapping[str, str] = {
    "word": "iKhokha says",
    "asked": "We asked",
    "told": "It says",
    "twin": "Paid before",
    "was": "It was",
    "wire_reference": "Our reference",
    "link": "Money came on",
    "newer": "Replaced by",
    "error": "The error",
    "findings": "Odd about it",
    "due": "It was due",
    "case": "The gateway's case",
}
DECISION: Mapping[Decision, str] = {
    Decision.HEALED: "Settled by itself",
    Decision.GATEWAY_CONFIRMED: "iKhokha confirmed how it is",
    Decision.RETURN_MONEY: "The money goes back to the payer",
    Decision.KEEP_AS_CREDIT: "Kept as the payer's credit",
    Decision.MOVE_TO_OTHER: "It pays for another person",
    Decision.DONE: "Done",
    Decision.ACCEPTED: "Accepted as it is",
    Decision.BOTH_MEANT: "Both were meant",
    Decision.LEAVE_OPEN: "Leave it open",
    Decision.NOT_NEEDED: "Not needed any more",
    Decision.IGNORED: "Ignore the message",
}


# -- what happened to a payment ---------------------------------------------------------------------

LIGHT: Mapping[Light, Look] = {
    Light.GREEN: Look("Come in", "check_circle", "green"),
    Light.AMBER: Look("Wait", "pan_tool", "orange"),
    Light.RED: Look("Not paid", "block", "red"),
}
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
    Kind.ASKED: ("sync", "gray"),
    Kind.ANSWER: ("question_answer", "gray"),
    Kind.RECEIPT: ("payments", "green"),
    Kind.STATUS: ("trending_flat", "gray"),
    Kind.FLAGGED: ("flag", "orange"),
    Kind.ASSIGNED: ("person_check", "gray"),
    Kind.UNFLAGGED: ("task_alt", "green"),
    Kind.REVERSAL: ("undo", "orange"),
    Kind.APPROVAL: ("how_to_reg", "blue"),
    Kind.MATCHED: ("join", "green"),
    Kind.UNMATCHED: ("link_off", "orange"),
    Kind.SURPLUS: ("swap_horiz", "blue"),
    Kind.SETTLED: ("payments", "green"),
    Kind.UNSETTLED: ("undo", "orange"),
    Kind.BANKED: ("account_balance", "green"),
    Kind.UNBANKED: ("undo", "orange"),
    Kind.CLAIM: ("front_hand", "violet"),
    Kind.REFUND: ("undo", "violet"),
    Kind.REFUND_ORDER: ("send_money", "violet"),
    Kind.DISPUTE: ("gavel", "red"),
    Kind.AMOUNT: ("price_change", "violet"),
    Kind.PAPER: ("description", "gray"),
    Kind.MOVED: ("move_up", "gray"),
    Kind.MAIL: ("mail", "gray"),
    Kind.NOTE: ("sticky_note_2", "gray"),
    Kind.ADMITTED: ("door_open", "green"),
    Kind.NOT_ADMITTED: ("door_front", "orange"),
    Kind.RENAMED: ("swap_horiz", "blue"),
    Kind.DETAILS: ("contact_phone", "gray"),
    Kind.NOTIFIED: ("webhook", "gray"),
    UNVERIFIED: ("gpp_bad", "orange"),
}
#: What moved money, or says whether it will.
MONEY_KINDS = frozenset(
    {
        Kind.CREATED,
        Kind.RECEIPT,
        Kind.STATUS,
        Kind.ANSWER,
        Kind.FLAGGED,
        Kind.UNFLAGGED,
        Kind.CLAIM,
        Kind.REFUND,
        Kind.DISPUTE,
        Kind.AMOUNT,
    }
)
SOURCE: Mapping[str, str] = {
    Source.DESK: "at the desk",
    Source.CLI: "on the command line",
    Source.API: "through the API",
    Source.FILE: "by a file of registrations",
    Source.WEBHOOK: "by webhook",
    Source.POLL: "when asked",
    Source.PAYER: "the payer",
    Source.WORKER: "by itself",
    Source.SEED: "demo data",
    Source.LEGACY: "an earlier record",
}


def ago(age: timedelta) -> str:
    """``3 minutes``, ``5 hours``, ``12 days``: how long something waits."""
    minutes = max(0, int(age.total_seconds() // 60))
    if minutes < 60:
        return count(minutes, "minute", "minutes")
    return (
        count(minutes // 60, "hour", "hours") if minutes < 48 * 60 else count(minutes // 1440, "day", "days")
    )


#: What the worker does by its own clock, and how often.
JOB: Mapping[Job, tuple[str, str]] = {
    Job.BOOKS: ("The books are examined", "every hour"),
    Job.SWEEP: ("iKhokha's history is asked for", "every day, and again after a failure"),
    Job.BACKUP: ("A backup is made", "every 50 minutes, where BACKUP_FOLDER is set"),
    Job.NIGHT: ("Bank lines are asked about again, days are drawn up", "every night"),
    Job.REPORTS: ("Scheduled reports are sent", "when one is due"),
    Job.REMINDERS: ("Reminders are queued", "when one is due"),
    Job.MORNING: ("Whoever chose to is told by mail what waits", "every morning at seven"),
    Job.RETENTION: ("Personal data is let go", "every night, once begun under Privacy"),
}

#: What asking the gateway led to, as a sentence.
ANSWERED: Mapping[Effect, str] = {
    Effect.PAID: "It is paid.",
    Effect.PART_PAID: "A part of it is paid.",
    Effect.OPENED: "The link is ready to be paid.",
    Effect.FAILED: "The last attempt to pay failed. The link can still be paid.",
    Effect.FLAGGED: "The answer does not fit this payment. It is marked for a person to look at.",
    Effect.NOTHING: "Nothing new.",
}


# -- one deed on many -------------------------------------------------------------------------------


@dataclass(frozen=True)
class DeedWords:
    """Its name, what it does, what its button says and what is said of it afterwards, both with what it is
    done to (``48 payments``, ``3 cases``, ``2 requests``), and what a person is asked for with it."""

    name: str
    told: str
    button: str
    done: str
    asks: str = ""


DEED: Mapping[Deed, DeedWords] = {
    Deed.ASK: DeedWords(
        "Ask the gateway again",
        "Five a second. What it answers is acted on at once.",
        "Ask about {}",
        "Asked about {}",
    ),
    Deed.CANCEL: DeedWords(
        "Cancel",
        "The gateway is asked first; what is paid stays paid. Money that comes later is paid late.",
        "Cancel {}",
        "Cancelled {}",
        "Why is nobody waiting for them any more?",
    ),
    Deed.RESEND: DeedWords(
        "Send the confirmation again",
        "To the same address, where one was due.",
        "Send it again for {}",
        "Sent the confirmation again for {}",
    ),
    Deed.NOTE: DeedWords(
        "Add a note", "On the timeline of each.", "Add the note to {}", "Added a note to {}", "The note"
    ),
    Deed.WAIVE: DeedWords(
        "Waive",
        "Asks a second person, for each; once they approve, nobody is asked to pay.",
        "Ask to waive {}",
        "Asked to waive {}",
        "Why is it not asked for any more?",
    ),
    Deed.MOVE: DeedWords(
        "Move to another event",
        "Amount, status, receipts and dates stay; both events' totals follow.",
        "Move {}",
        "Moved {}",
        "Why do they belong there?",
    ),
    Deed.APPROVE: DeedWords(
        "Approve",
        "What others asked for. Each is done at once, as it was asked.",
        "Approve {}",
        "Approved {}",
    ),
    Deed.ASSIGN: DeedWords(
        "Assign",
        "An owner, a due date, or both. What you leave empty stays as it is.",
        "Assign {}",
        "Assigned {}",
    ),
    Deed.DECIDE: DeedWords(
        "Decide",
        "Takes them off the queue.",
        "Decide {}",
        "Decided {}",
        "Why, for whoever reads it later",
    ),
}
