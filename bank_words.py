"""What the words of reconciliation mean to people: why a line waits, how it was matched, how far a day is."""

from collections.abc import Mapping
from dataclasses import dataclass

from payments.proposing import Reason
from payments.sign_offs import DayState, State
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
        "Too much", "More came than is owed. Accept, and say what becomes of the rest."
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
#: What a part of a line is for, when it is for no payment.
PART: Mapping[str, str] = {
    "bag": "a bag of cash",
    "line": "the line it takes back",
    "payout": "a payout of the gateway",
    "surplus": "surplus of the payer",
    "aside": "no payment of ours",
}
#: How a line found what it is for.
HOW: Mapping[str, Look] = {
    "auto": Look("By itself", "smart_toy", "blue"),
    "person": Look("By a person", "person", "green"),
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
SIGN_OFF: Mapping[State, Look] = {
    State.SIGNED: DAY[DayState.SIGNED],
    State.REFUSED: Look("Refused", "block", "gray"),
    State.APPROVED: DAY[DayState.APPROVED],
    State.REOPENING: DAY[DayState.REOPENING],
    State.REOPENED: DAY[DayState.REOPENED],
}
