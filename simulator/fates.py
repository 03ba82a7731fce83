"""What becomes of one payment, from the first deed on: paid at once, lost, told twice, forged, taken back …

Each fate is drawn for itself, as deeds with how long after the payment's beginning they happen.
"""

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from enum import StrEnum


class Deed(StrEnum):
    """One thing that happens. What the gateway is made to do stands beside what the desk does."""

    ISSUE = "issue"
    ISSUE_REFUSED = "issue_refused"
    ISSUE_LOST = "issue_lost"  # the link is made, and nobody hears of it
    ISSUE_DROPPED = "issue_dropped"  # nothing is made, and nobody hears of that either
    SHARE = "share"
    PAY_CARD = "pay_card"
    PAY_EFT = "pay_eft"
    PAY_SHORT = "pay_short"  # the gateway says PAID, one cent below what was asked
    FAIL = "fail"
    RETURN = "return"
    SAYS = "says"  # from now on the gateway answers with this word
    BELL = "bell"  # a signed message with this word
    FORGED_BELL = "forged_bell"
    WRONG_BELL = "wrong_bell"  # signed, with the reference of somebody else
    STRAY_BELL = "stray_bell"  # signed, about a link the desk never issued
    GARBLED_BELL = "garbled_bell"  # signed, and unreadable
    FINISH = "finish"  # the worker tries waiting messages again
    LOOK = "look"  # the worker asks about the link
    CLOSE = "close"  # the event is over; no more money is taken for it


Life = Iterator[tuple[timedelta, Deed, str]]


def _soon(dice: random.Random) -> timedelta:
    """How long somebody takes to pay: minutes mostly, sometimes hours or days."""
    minutes = dice.choices(
        (dice.uniform(0.7, 12), dice.uniform(12, 90), dice.uniform(90, 1440), dice.uniform(1440, 8000)),
        (62, 22, 11, 5),
    )[0]
    return timedelta(seconds=int(minutes * 60))


def _ring(at: timedelta, word: str, dice: random.Random) -> tuple[timedelta, Deed, str]:
    return at + timedelta(seconds=dice.randint(1, 5)), Deed.BELL, word


def _tried(deed: Deed, word: str) -> Callable[[random.Random], Life]:
    """Once, and the gateway says what came of it."""

    def life(dice: random.Random) -> Life:
        yield timedelta(0), Deed.ISSUE, ""
        at = _soon(dice)
        yield at, deed, ""
        yield _ring(at, word, dice)

    return life


def _unpaid(dice: random.Random) -> Life:
    yield timedelta(0), Deed.ISSUE, ""


def _cancels(dice: random.Random) -> Life:
    yield timedelta(0), Deed.ISSUE, ""
    at = _soon(dice)
    yield at, Deed.RETURN, "cancel"
    yield at + timedelta(minutes=1), Deed.LOOK, ""


def _fails_then_pays(dice: random.Random) -> Life:
    yield timedelta(0), Deed.ISSUE, ""
    at = _soon(dice)
    yield at, Deed.FAIL, ""
    yield _ring(at, "FAILURE", dice)
    at += timedelta(seconds=30) + _soon(dice)
    yield at, Deed.PAY_CARD, ""
    yield _ring(at, "SUCCESS", dice)


def _paid_in_silence(dice: random.Random) -> Life:
    """The message never comes: the poll finds it."""
    yield timedelta(0), Deed.ISSUE, ""
    at = _soon(dice)
    yield at, Deed.PAY_EFT, ""
    if dice.random() < 0.5:
        yield at + timedelta(seconds=6), Deed.RETURN, "success"
        yield at + timedelta(seconds=9), Deed.LOOK, ""
    else:
        yield at + timedelta(seconds=dice.randint(60, 240)), Deed.LOOK, ""


def _refused(dice: random.Random) -> Life:
    yield timedelta(0), Deed.ISSUE_REFUSED, ""


def _refused_then_paid(dice: random.Random) -> Life:
    yield timedelta(0), Deed.ISSUE_REFUSED, ""
    yield timedelta(minutes=3), Deed.ISSUE, ""
    at = timedelta(minutes=3) + _soon(dice)
    yield at, Deed.PAY_CARD, ""
    yield _ring(at, "SUCCESS", dice)


def _answer_lost(dice: random.Random) -> Life:
    yield timedelta(0), Deed.ISSUE_LOST, ""
    yield timedelta(minutes=1), Deed.LOOK, ""
    at = timedelta(minutes=1) + _soon(dice)
    yield at, Deed.PAY_CARD, ""
    yield _ring(at, "SUCCESS", dice)


def _never_made(dice: random.Random) -> Life:
    yield timedelta(0), Deed.ISSUE_DROPPED, ""
    for minutes in (1, 2, 4, 8, 12):
        yield timedelta(minutes=minutes), Deed.LOOK, ""


def _told_twice(dice: random.Random) -> Life:
    yield from _tried(Deed.PAY_CARD, "SUCCESS")(dice)
    yield timedelta(minutes=9000), Deed.BELL, "SUCCESS"


def _failure_comes_late(dice: random.Random) -> Life:
    yield from _tried(Deed.PAY_CARD, "SUCCESS")(dice)
    yield timedelta(minutes=9000), Deed.BELL, "FAILURE"


def _forged_first(dice: random.Random) -> Life:
    """The payer posts the success, then really pays."""
    yield timedelta(0), Deed.ISSUE, ""
    yield timedelta(seconds=40), Deed.FORGED_BELL, "SUCCESS"
    yield timedelta(seconds=41), Deed.LOOK, ""
    at = timedelta(minutes=2) + _soon(dice)
    yield at, Deed.PAY_CARD, ""
    yield _ring(at, "SUCCESS", dice)


def _forged_only(dice: random.Random) -> Life:
    yield timedelta(0), Deed.ISSUE, ""
    at = _soon(dice)
    yield at, Deed.FORGED_BELL, "SUCCESS"
    yield at + timedelta(seconds=1), Deed.LOOK, ""


def _unclear_word(dice: random.Random) -> Life:
    yield timedelta(0), Deed.ISSUE, ""
    at = _soon(dice)
    yield at, Deed.SAYS, dice.choice(("EXPIRED", "CANCELLED", "ON_HOLD"))
    yield at + timedelta(minutes=2), Deed.LOOK, ""


def _unconfirmed(dice: random.Random) -> Life:
    """A proved success that the status never bears out."""
    yield timedelta(0), Deed.ISSUE, ""
    at = _soon(dice)
    yield at, Deed.BELL, "SUCCESS"
    for minutes in (1.1, 6.2, 21.3):
        yield at + timedelta(minutes=minutes), Deed.FINISH, ""


def _other_reference(dice: random.Random) -> Life:
    yield timedelta(0), Deed.ISSUE, ""
    yield _soon(dice), Deed.WRONG_BELL, "SUCCESS"


def _taken_back(dice: random.Random) -> Life:
    yield from _tried(Deed.PAY_CARD, "SUCCESS")(dice)
    yield timedelta(minutes=8990), Deed.SAYS, "REVERSED"
    yield timedelta(minutes=9000), Deed.BELL, "FAILURE"


#: Who meets which fate, in parts of a thousand.
FATES: dict[str, tuple[int, Callable[[random.Random], Life]]] = {
    "pays by card": (540, _tried(Deed.PAY_CARD, "SUCCESS")),
    "pays by instant EFT": (175, _tried(Deed.PAY_EFT, "SUCCESS")),
    "fails, then pays": (60, _fails_then_pays),
    "paid, and nobody rang": (42, _paid_in_silence),
    "does not pay": (62, _unpaid),
    "cancels": (22, _cancels),
    "fails": (28, _tried(Deed.FAIL, "FAILURE")),
    "refused": (6, _refused),
    "refused, then paid": (6, _refused_then_paid),
    "answer lost": (12, _answer_lost),
    "never made": (6, _never_made),
    "told twice": (16, _told_twice),
    "failure comes late": (6, _failure_comes_late),
    "forged, then paid": (6, _forged_first),
    "forged only": (4, _forged_only),
    "a cent short": (3, _tried(Deed.PAY_SHORT, "SUCCESS")),
    "unclear word": (3, _unclear_word),
    "unconfirmed success": (2, _unconfirmed),
    "another's reference": (1, _other_reference),
    "taken back": (2, _taken_back),
}
#: Fates that end with money, whoever looks; the others are asked about for ever.
ENDS_PAID = {
    "pays by card", "pays by instant EFT", "fails, then pays", "paid, and nobody rang", "refused, then paid",
    "answer lost", "told twice", "failure comes late", "forged, then paid", "taken back",
}  # fmt: skip
NEVER_ASKED = {"refused"}


def drawn(dice: random.Random, count: int) -> list[str]:
    """Everything happens to somebody: the rare fates early, when there is time for them to unfold."""
    some = dice.choices(list(FATES), [weight for weight, _ in FATES.values()], k=count)
    early = range(count // 20, count // 20 + len(FATES))
    for place, fate in zip(early, FATES, strict=True):
        if place < count:
            some[place] = fate
    return some
