"""What payers type and what banks make of it: references mistyped, cut, left out; names in a bank's way."""

import random
import unicodedata

from simulator.event_day import ALPHABET, Deposit, Rates, Registration

WHOLE, DAMAGED, ABSENT = "whole", "damaged", "absent"
_ALIKE = {
    "O": "0",
    "0": "O",
    "I": "1",
    "1": "I",
    "S": "5",
    "5": "S",
    "B": "8",
    "8": "B",
    "Z": "2",
    "2": "Z",
    "G": "6",
    "6": "G",
}
_ANY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def written(dice: random.Random, reference: str) -> str:
    """A reference as people write it when they make no mistake."""
    plain = reference.replace("_", dice.choice(("", "", "", " ", "-", "_")))
    plain = plain.lower() if dice.random() < 0.15 else plain
    return dice.choice(("{}", "{}", "{}", "ref {}", "{} conference", "payment {}", "{} fee")).format(plain)


def damaged(dice: random.Random, reference: str) -> str:
    """One slip; now and then a second one."""
    text = _slip(dice, reference)
    return _slip(dice, text) if dice.random() < 0.06 else text


def _slip(dice: random.Random, reference: str) -> str:
    prefix, line, tail = reference.rpartition("_")
    if not line:
        prefix, tail = reference[:-7], reference[-7:]
    place = dice.randrange(len(tail))
    match dice.choices(
        ("typed", "alike", "swapped", "lost", "doubled", "bare", "prefix", "cut"),
        (18, 14, 16, 14, 12, 10, 8, 8),
    )[0]:
        case "typed":
            tail = tail[:place] + dice.choice(_ANY.replace(tail[place], "")) + tail[place + 1 :]
        case "alike":
            whole = prefix + tail
            places = [at for at, char in enumerate(whole) if char in _ALIKE] or [len(prefix) + place]
            at = dice.choice(places)
            return whole[:at] + _ALIKE.get(whole[at], "0") + whole[at + 1 :]
        case "swapped":
            pairs = [at for at in range(len(tail) - 1) if tail[at] != tail[at + 1]]
            at = dice.choice(pairs)
            tail = tail[:at] + tail[at + 1] + tail[at] + tail[at + 2 :]
        case "lost":
            tail = tail[:place] + tail[place + 1 :]
        case "doubled":
            tail = tail[:place] + tail[place] + tail[place:]
        case "bare":
            prefix = ""
        case "prefix":
            at = dice.randrange(len(prefix)) if prefix else 0
            prefix = prefix[:at] + dice.choice(ALPHABET) + prefix[at + 1 :]
        case "cut":
            tail = tail[: dice.randrange(3, 7)]
    return prefix + tail


def account_holder(dice: random.Random, name: str) -> str:
    """A name as banks print it: mostly an initial and the surname."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().upper()
    first, _, last = plain.partition(" ")
    initials = first[0] + (dice.choice("ABDEGJKLMNPRST") if dice.random() < 0.3 else "")
    title = dice.choice(("", "", "", "", "MR ", "MS ", "MRS "))
    return dice.choice(
        (f"{title}{initials} {last}", f"{first} {last}", f"{last} {initials}", f"{initials} {last}")
    )


def transfer(
    dice: random.Random, rates: Rates, deposit: Deposit, payers: list[Registration]
) -> tuple[str, str, str]:
    """Description and reference of a transfer on our statement, and what became of our reference."""
    state = dice.choices(
        (DAMAGED, ABSENT, WHOLE),
        (
            rates.reference_damaged,
            rates.reference_absent,
            1 - rates.reference_damaged - rates.reference_absent,
        ),
    )[0]
    first_only = state != ABSENT and len(payers) > 1 and dice.random() < 0.4
    if first_only:  # they give one reference for all, and how many they are
        state = WHOLE
    typed = _typed(dice, state, deposit, payers, first_only=first_only)
    if deposit.abroad:
        holder = account_holder(dice, deposit.payer)
        return f"INWARD SWIFT {holder}", typed, state
    if dice.random() >= rates.name_shown:
        return (
            dice.choice(("FNB APP PAYMENT FROM", "DIGITAL PAYMENT CR", "CAPITEC", "RTC CREDIT", "EFT")),
            typed,
            state,
        )
    holder = account_holder(dice, deposit.payer)
    described = dice.choice(
        ("IB PAYMENT FROM {}", "ABSA BANK {}", "CAPITEC {}", "PAYSHAP {}", "MAGTAPE CREDIT {}", "{}")
    ).format(holder)
    if len(typed) > 20 and state == WHOLE and len(payers) == 1:
        typed = payers[0].reference.replace("_", "")  # a bank that takes no more than 20 characters
    return described[:30], typed, state


def _typed(
    dice: random.Random, state: str, deposit: Deposit, payers: list[Registration], *, first_only: bool
) -> str:
    if state == ABSENT:
        return _instead(dice, deposit, payers[0])
    if len(payers) == 1:
        reference = payers[0].reference
        return written(dice, reference) if state == WHOLE else damaged(dice, reference)
    texts = [one.reference.replace("_", "") for one in payers]
    if first_only:
        return f"{texts[0]} X{len(texts)}"
    if state == DAMAGED:
        at = dice.randrange(len(texts))
        texts[at] = damaged(dice, payers[at].reference)
    return dice.choice((" ", ",", " + ")).join(texts)


def _instead(dice: random.Random, deposit: Deposit, one: Registration) -> str:
    """What stands where the reference should."""
    first, _, last = one.name.partition(" ")
    choices = ["CONFERENCE", "REGISTRATION FEE", one.event, f"{first[0]} {last}", one.name, last, "", ""]
    if one.phone:
        choices.append("0" + one.phone[3:])
    if one.name == deposit.payer:
        choices.append(f"{first} conference")
    return dice.choice(choices)
