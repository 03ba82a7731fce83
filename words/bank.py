"""What the words of reconciliation mean to people: why a line waits, how it was matched, how far a day is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from payments.bank.coverage import Told
from payments.lump_sums.payout_watch import DayState as PayoutDay
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
from payments.matching.rules import State as RuleState
from payments.money_back.disputes import State as DisputeState
from payments.money_back.disputes import Why
from payments.money_back.refund_orders import State as RefundState
from payments.money_back.refund_runs import RunState
from payments.reconciling.exceptions import ExceptionView
from payments.reconciling.matched import Whose
from payments.reconciling.proposing import Reason
from payments.second_person.approvals import What
from payments.sign_off.sign_offs import DayState, State
from words import Look


@dataclass(frozen=True)
class ExceptionWords:
    """Why a bank line waits, in two words, and the remedy."""

    word: str
    remedy: str


#: Why a bank line waits, and what to do about it.
EXCEPTION: Mapping[Reason, ExceptionWords] = {
    Reason.UNSURE: ExceptionWords(
        "Likely, not sure", "Compare what speaks for it. Accept it, or say that it is another."
    ),
    Reason.TIE: ExceptionWords(
        "A tie", "Several payments fit equally well. Ask the payer, then choose the one that is meant."
    ),
    Reason.AMOUNT: ExceptionWords(
        "Amount differs", "It names a payment and another amount. Take it as a part, or write the rest off."
    ),
    Reason.PAID_BEFORE: ExceptionWords(
        "Paid before", "What it names is paid. Set it apart as surplus, and say what becomes of it."
    ),
    Reason.SURPLUS: ExceptionWords(
        "Too much",
        "More came than is owed, and it is not sure whose it is. Split it: what is left over is surplus.",
    ),
    Reason.NOTHING: ExceptionWords(
        "Nothing fits", "Search for the payer, or set it aside as no payment of ours."
    ),
    Reason.PAYOUT: ExceptionWords(
        "Gateway payout",
        "A lump sum of the gateway. Say on Payouts what it is made of; the line is tied to it there.",
    ),
    Reason.CASH: ExceptionWords("Cash deposit", "Hold the slip against the bags of the tills."),
    Reason.CARD: ExceptionWords("Card machine", "Hold the batch against the machine's own total."),
    Reason.TAKEN_BACK: ExceptionWords(
        "Taken back", "The bank took money back. Find the line that brought it."
    ),
    Reason.MONEY_OUT: ExceptionWords("Money out", "Set it aside, and say what it was for."),
    Reason.UNDONE: ExceptionWords("Undone", "Somebody undid its match. Match it anew, by hand."),
}
_OF_A_REST = "More came than was owed. Say what the rest is: another payment's, given back, or kept."
#: What a part of a line is for, when it is for no payment.
PART: Mapping[str, str] = {
    "bag": "a bag of cash",
    "card": "a card machine's batch",
    "line": "the line it takes back",
    "payout": "a payout of the gateway",
    "surplus": "surplus of the payer",
    "aside": "no payment of ours",
}
#: How far a refund by EFT is, and the run it is in.
REFUND: Mapping[RefundState, Look] = {
    RefundState.READY: Look("Ready", "schedule", "orange"),
    RefundState.IN_RUN: Look("In a run", "playlist_add_check", "blue"),
    RefundState.SENT: Look("Sent", "send", "violet"),
    RefundState.PAID: Look("Paid back", "check_circle", "green"),
    RefundState.RETURNED: Look("Sent back", "assignment_return", "red"),
    RefundState.WITHDRAWN: Look("Withdrawn", "undo", "gray"),
}
REFUND_RUN: Mapping[RunState, Look] = {
    RunState.MADE: Look("Made", "playlist_add_check", "blue"),
    RunState.SENT: Look("Sent", "send", "violet"),
    RunState.CALLED: Look("Called back", "undo", "gray"),
}
#: How a line found what it is for.
WHOSE: Mapping[Whose, Look] = {
    Whose.ITSELF: Look("By itself", "smart_toy", "blue"),
    Whose.PERSON: Look("By a person", "person", "green"),
    Whose.TWO: Look("By two people", "group", "violet"),
    Whose.FORCED: Look("Forced", "priority_high", "orange"),
}
#: How far a day is on its way to be closed.
DAY: Mapping[DayState, Look] = {
    DayState.QUIET: Look("Nothing booked", "remove", "gray"),
    DayState.DRAFT: Look("Draft", "edit_note", "orange"),
    DayState.READY: Look("Ready to sign", "draw", "blue"),
    DayState.SIGNED: Look("Signed", "how_to_reg", "violet"),
    DayState.APPROVED: Look("Approved", "lock", "green"),
    DayState.REOPENING: Look("To be reopened", "lock_clock", "orange"),
    DayState.REOPENED: Look("Reopened", "lock_open", "red"),
}
#: A day on which nothing is booked, by what statements tell of it.
UNBOOKED: Mapping[Told, Look] = {
    Told.ONCE: DAY[DayState.QUIET],
    Told.TWICE: DAY[DayState.QUIET],
    Told.STILL: DAY[DayState.QUIET],
    Told.MISSING: Look("Statement missing", "event_busy", "red"),
    Told.UNPROVEN: Look("No statement", "help", "orange"),
    Told.BEFORE: Look("Before the first statement", "more_horiz", "gray"),
    Told.NOT_YET: Look("No statement yet", "hourglass_empty", "orange"),
}
TODAY = Look("Today", "today", "gray")
SIGN_OFF: Mapping[State, Look] = {
    State.SIGNED: DAY[DayState.SIGNED],
    State.REFUSED: Look("Refused", "block", "gray"),
    State.APPROVED: DAY[DayState.APPROVED],
    State.REOPENING: DAY[DayState.REOPENING],
    State.REOPENED: DAY[DayState.REOPENED],
}


# -- payouts ----------------------------------------------------------------------------------------

#: What was taken off a payout besides fees.
PAYOUT_LINE: Mapping[str, str] = {
    "refund": "Refunds",
    "chargeback": "Chargebacks",
    "deduction": "Deductions",
}
LINE_KIND: Mapping[str, str] = {
    "capture": "Payment",
    "refund": "Refund",
    "chargeback": "Chargeback",
    "deduction": "Deduction",
    "payout_fee": "Fee of the payout",
    "rollup": "Whole day",
}
#: Who told of a payout.
PAYOUT_SOURCE: Mapping[str, str] = {
    "settlement": "iKhokha's file",
    "rollup": "iKhokha's daily statement",
    "bank": "the bank's line alone",
}
#: How it is known which payments are in it.
EXPLAINED: Mapping[str, str] = {
    "": "not yet",
    "file": "named by iKhokha's file",
    "auto": "found by itself, the only likely explanation",
    "person": "chosen by a person",
}
PAYOUT_DAY: Mapping[PayoutDay, str] = {
    PayoutDay.WAITS: "On its way",
    PayoutDay.ON_THE_WAY: "Told, not banked",
    PayoutDay.BANKED: "Banked",
    PayoutDay.LATE: "Late",
    PayoutDay.SMALL: "Waits for the next",
}
_METHOD: Mapping[str, str] = {
    "card": "Card",
    "instant_eft": "Instant EFT",
    "international_card": "International card",
}


def paid_by(method: str) -> str:
    """How a settlement line says that somebody paid; ``gateway`` and "" are not told."""
    return _METHOD.get(method, "Not told")


def day_told(day: date) -> str:
    """A day of trading or of the bank: Thu 3 Dec."""
    return f"{day:%a} {day.day} {day:%b}"


# -- rules ------------------------------------------------------------------------------------------

SAYS: Mapping[Says, str] = {
    Says.PAYOUT: "it is a payout of iKhokha",
    Says.CASH: "it is a cash deposit",
    Says.CARD: "it is a card machine's batch",
    Says.FOREIGN: "it came from abroad",
    Says.ASIDE: "it is no payment",
    Says.PAYER: "it pays for",
}
RULE_STATE: Mapping[RuleState, Look] = {
    RuleState.OFF: Look("Off", "power_settings_new", "gray"),
    RuleState.SHADOW: Look("In the shadow", "visibility", "orange"),
    RuleState.LIVE: Look("Live", "bolt", "green"),
}


#: Layouts of files by the names they are kept under; one that a person mapped has the name they gave it.
LAYOUT: Mapping[str, str] = {
    "fnb-history": "FNB, transaction history",
    "fnb-download": "FNB and RMB, download",
    "fnb-recreated": "FNB, file of its 2012 specification",
    "fnb-mail": "FNB, statement by e-mail",
    "standard-bank": "Standard Bank, Business Online",
    "standard-bank-hist": "Standard Bank, older",
    "absa": "Absa",
    "nedbank": "Nedbank, current account",
    "capitec-business": "Capitec Business",
    "capitec": "Capitec, app",
    "investec": "Investec",
    "bank-zero": "Bank Zero",
    "discovery": "Discovery Bank",
    "ofx": "OFX",
    "qif": "QIF",
    "mt940": "MT940",
    "camt.053": "CAMT.053",
}


def layout(name: str) -> str:
    """How a file was read: a bank's layout, or columns that a person said, by the name they gave them."""
    own = name.removeprefix("mapping:")
    return LAYOUT.get(name, name) if own == name else f"{own}, columns said by a person"


#: The rules of every desk, by their names: what their expressions mean.
STANDARD_RULE: Mapping[str, str] = {
    "gateway payout": "When money came in and the text names iKhokha, or IK with a settlement or payout",
    "card machine": (
        "When money came in and the text speaks of a card machine's settlement, batch, deposit or sales"
    ),
    "cash deposit": "When money came in and the text speaks of a deposit of cash, or at an ATM",
    "transfer from abroad": (
        "When money came in and the text speaks of SWIFT, forex, a foreign, inward or telegraphic transfer"
    ),
    "the bank's own fees": (
        "When money went out and the text speaks of bank charges, a service fee, a monthly fee or an "
        "administration charge"
    ),
}


def condition(one: Condition) -> str:
    """A condition as the end of a sentence."""
    match one:
        case Contains():
            return f"{_where(one.field)} has “{one.text}”"
        case Matches():
            return f"{_where(one.field)} fits the expression “{one.pattern}”"
        case Between():
            return f"the amount is {one.least} to {one.most}"
        case Sign():
            return "money came in" if one.money_in else "money went out"
        case Account():
            return f"the account is {one.account}"
        case All():
            return " and ".join(_grouped(each) for each in one.conditions)
        case AnyOf():
            return " or ".join(_grouped(each) for each in one.conditions)


def _where(field: Field) -> str:
    return "the text" if field is Field.TEXT else f"the {field}"


def _grouped(one: Condition) -> str:
    told = condition(one)
    return f"({told})" if isinstance(one, All | AnyOf) and len(one.conditions) > 1 else told


# -- disputes ---------------------------------------------------------------------------------------

DISPUTE: Mapping[DisputeState, Look] = {
    DisputeState.OPEN: Look("To be answered", "schedule", "orange"),
    DisputeState.SENT: Look("Evidence sent", "outgoing_mail", "blue"),
    DisputeState.WON: Look("Won", "check_circle", "green"),
    DisputeState.LOST: Look("Lost", "gavel", "red"),
    DisputeState.ACCEPTED: Look("Accepted", "handshake", "violet"),
}
#: What the cardholder's bank says, in our words.
DISPUTED: Mapping[Why, str] = {
    Why.FRAUD: "Fraud: not the cardholder",
    Why.AUTHORISATION: "No authorisation",
    Why.WRONG_AMOUNT: "Wrong amount",
    Why.DUPLICATE: "Charged twice",
    Why.NOT_PROVIDED: "Service not provided",
    Why.NOT_AS_DESCRIBED: "Not as described",
    Why.CREDIT_NOT_PROCESSED: "Refund not received",
    Why.CANCELLED: "Cancelled by the payer",
    Why.OTHER: "Other",
}
#: What each step means, before it is taken.
DISPUTE_ASKS: Mapping[DisputeState, str] = {
    DisputeState.SENT: "Say where the evidence was sent, and what of it. The deadline is met by that.",
    DisputeState.WON: "The money stays, and the payment is paid again.",
    DisputeState.LOST: "The money goes back to the payer. Which deduction it is, is written down next.",
    DisputeState.ACCEPTED: "You do not fight it: the money goes back as if it were lost.",
}
DISPUTE_DONE: Mapping[DisputeState, str] = {
    DisputeState.SENT: "Noted. The card scheme decides; say here what came of it.",
    DisputeState.WON: "Won. The payment is what its money says again.",
    DisputeState.LOST: "Lost. Write down which of the gateway's deductions it is.",
    DisputeState.ACCEPTED: "Accepted. Write down which of the gateway's deductions it is.",
}
DISPUTES_HELP: Mapping[str, str] = {
    "To be answered": "Take the evidence pack, send it to the gateway before the deadline, and say that you "
    "did.",
    "Lost, to be written down": "The gateway takes the money off a payout. Say which deduction it is; a "
    "second person approves, and it counts as given back.",
}


def asked_of_two(view: ExceptionView) -> str | None:
    """What a second person is asked about a line: short, where it stands with others."""
    if (asked := view.asked) is None:
        return None
    what = "to write off" if asked.what is What.WRITE_OFF else "to accept unexplained"
    return f"{asked.requester} asked {what} {asked.amount}"


def remedy(view: ExceptionView) -> str:
    """What to do about a line; where what is owed is paid, about what came too much."""
    if asked := asked_of_two(view):
        return f"{asked}. A second person decides under Approvals; until then the line waits."
    return _OF_A_REST if view.part_id else EXCEPTION[view.reason].remedy
