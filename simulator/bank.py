"""The bank: a year of lines with their truth apart, and statements as South African banks print them."""

import csv
import io
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from db.money import Money
from simulator.event_day import Deposit, Takings, Year, bank_day
from simulator.settlements import Less, Payout, settle
from simulator.slips import transfer

OPENING_MINOR = 250_000_00


@dataclass(frozen=True)
class BankLine:
    """A line as the statement shows it."""

    id: int
    on: date
    amount: Money
    description: str
    reference: str
    balance: Money


@dataclass(frozen=True)
class Truth:
    """What a line really is. Only a scorer may look."""

    channel: str  # "eft", "cash", "card", "payout", "foreign", "returned", "none"
    parts: tuple[tuple[int, int], ...] = ()  # registration and minor units
    surplus: int = 0
    reference: str = ""  # whole, damaged or absent
    takings: tuple[int, ...] = ()
    payout: int | None = None
    takes_back: int | None = None  # the line it reverses
    about: tuple[int, ...] = ()  # whose references were meant, whatever the money is for


@dataclass(frozen=True)
class Books:
    """A year at the bank."""

    lines: tuple[BankLine, ...]
    truth: dict[int, Truth]
    payouts: tuple[Payout, ...]
    less: tuple[Less, ...]


@dataclass
class _Draft:
    on: date
    minor: int
    description: str
    reference: str
    truth: Truth
    takes_back: "_Draft | None" = None


def keep(year: Year) -> Books:
    """What the bank makes of a year."""
    dice = random.Random(f"bank {year.seed}")
    payouts, less = settle(year)
    drafts = [draft for deposit in year.deposits for draft in _deposit(dice, year, deposit)]
    drafts += [_payout(dice, payout) for payout in payouts]
    drafts += _takings(dice, year)
    drafts += _others(dice, year)
    return _books(dice, drafts, payouts, less)


def _books(
    dice: random.Random, drafts: list[_Draft], payouts: Sequence[Payout], less: Sequence[Less]
) -> Books:
    dice.shuffle(drafts)
    drafts.sort(key=lambda draft: draft.on)
    numbers = {id(draft): number for number, draft in enumerate(drafts, 1)}
    balance, lines, truth = OPENING_MINOR, [], {}
    for number, draft in enumerate(drafts, 1):
        balance += draft.minor
        lines.append(
            BankLine(number, draft.on, Money(draft.minor), draft.description, draft.reference, Money(balance))
        )
        back = numbers[id(draft.takes_back)] if draft.takes_back else None
        known = draft.truth
        truth[number] = Truth(
            known.channel,
            known.parts,
            known.surplus,
            known.reference,
            known.takings,
            known.payout,
            back,
            known.about,
        )
    return Books(tuple(lines), truth, tuple(payouts), tuple(less))


def _deposit(dice: random.Random, year: Year, deposit: Deposit) -> list[_Draft]:
    about = deposit.about or tuple(number for number, _ in deposit.parts)
    payers = [year.registrations[number] for number in about]
    description, reference, state = transfer(dice, year.rates, deposit, payers)
    minor = sum(part for _, part in deposit.parts) + deposit.surplus
    channel = "foreign" if deposit.abroad else "eft"
    came = _Draft(
        deposit.on,
        minor,
        description,
        reference,
        Truth(channel, deposit.parts, deposit.surplus, state, about=about),
    )
    if deposit.returned_on is None:
        return [came]
    word = dice.choice(("RETURNED DEBIT", "REVERSAL", "RD UNPAID"))
    back = _Draft(
        deposit.returned_on, -minor, f"{word} {description}"[:40], reference, Truth("returned"), came
    )
    return [came, back]


def _payout(dice: random.Random, payout: Payout) -> _Draft:
    text = dice.choice(("IKHOKHA (PTY) LTD", "MAGTAPE CREDIT IKHOKHA PAYOUT", "IKHOKHA SETTLEMENT"))
    return _Draft(payout.on, payout.minor, text, "", Truth("payout", payout=payout.id))


def _takings(dice: random.Random, year: Year) -> list[_Draft]:
    rates, drafts, waiting = year.rates, [], list(year.takings)
    while waiting:
        together = [waiting.pop(0)]
        if (
            together[0].kind == "bag"
            and waiting
            and waiting[0].kind == "bag"
            and dice.random() < rates.two_bags
        ):
            together.append(waiting.pop(0))
        minor = sum(one.amount.minor for one in together)
        if dice.random() < rates.counted_wrong and together[0].kind == "bag":
            minor += dice.choice((-100_00, -50_00, -200_00, 50_00))
        if minor > 0:
            drafts.append(_taking(dice, year, together, minor))
    return drafts


def _taking(dice: random.Random, year: Year, together: list[Takings], minor: int) -> _Draft:
    first = together[0]
    numbers = [_number(dice, year, one.number) for one in together]
    on = bank_day(max(one.on for one in together) + timedelta(days=dice.randrange(1, 5)))
    if first.kind == "bag":
        text = f"{dice.choice(('CASH DEP', 'CASH DEPOSIT', 'ATM DEPOSIT'))} {first.place}"
        reference = " ".join(number for number in numbers if number)
    else:
        text = f"CARD SETTLEMENT {first.place}"
        reference = f"BATCH {numbers[0]}" if numbers[0] else ""
    channel = "cash" if first.kind == "bag" else "card"
    return _Draft(on, minor, text, reference, Truth(channel, takings=tuple(one.id for one in together)))


def _number(dice: random.Random, year: Year, number: str) -> str:
    what = dice.random()
    if what < year.rates.number_absent:
        return ""
    if what < year.rates.number_absent + year.rates.number_damaged:
        at = dice.randrange(len(number))
        return number[:at] + dice.choice("0123456789".replace(number[at], "")) + number[at + 1 :]
    return number


def _others(dice: random.Random, year: Year) -> list[_Draft]:
    """Deposits that are for no payment, and what the account pays itself."""
    drafts = []
    prices = [price for fair in year.fairs[:1] for price, _ in fair.prices]
    firms = ("KAROO VENUES CC", "BLUE CRANE PRINT (PTY) LTD", "PROTEA SOUND", "UBUNTU CATERING NPC")
    for fair in year.fairs:
        start = fair.starts_on.replace(day=1)
        for _ in range(round(year.rates.strangers_a_month)):
            on = bank_day(start + timedelta(days=dice.randrange(27)))
            minor = dice.choice((*prices, dice.randrange(100_00, 20_000_00)))
            text = f"{dice.choice(('EFT', 'IB PAYMENT FROM', 'CAPITEC'))} {dice.choice(firms)}"
            drafts.append(_Draft(on, minor, text, f"INV {dice.randrange(1000, 9999)}", Truth("none")))
        for text, minor in (
            ("MONTHLY ACCOUNT FEE", -69_00),
            ("SERVICE FEES", -dice.randrange(50_00, 300_00)),
        ):
            drafts.append(_Draft(bank_day(start), minor, text, "", Truth("none")))
        hire = -dice.randrange(10_000_00, 60_000_00)
        drafts.append(
            _Draft(bank_day(fair.starts_on), hire, "EFT TO KAROO VENUES CC", "HALL HIRE", Truth("none"))
        )
    return drafts


# -- statements as files -------------------------------------------------------------------------------


def generic(lines: Sequence[BankLine]) -> str:
    """One header row, ISO dates, a signed amount and a running balance."""
    rows = [("Date", "Description", "Reference", "Amount", "Balance")]
    rows += [
        (line.on.isoformat(), line.description, line.reference, line.amount.decimal, line.balance.decimal)
        for line in lines
    ]
    return _csv(rows)


def fnb(lines: Sequence[BankLine], number: str = "62000000000") -> str:
    """Two rows before the header, dates with slashes, capitals as FNB has them."""
    rows: list[tuple[str, ...]] = [
        ("ACCOUNT NUMBER", number),
        (),
        ("Date", "SERVICE FEE", "Amount", "DESCRIPTION", "REFERENCE", "Balance", "CHEQUE NUMBER"),
    ]
    rows += [
        (
            f"{line.on:%Y/%m/%d}", "0.00", line.amount.decimal, line.description, line.reference,
            line.balance.decimal, "0",
        )
        for line in lines
    ]  # fmt: skip
    return _csv(rows)


def standard_bank(lines: Sequence[BankLine]) -> str:
    """No header row: each row says what it is, opening and closing balance have one of their own."""
    opening = lines[0].balance - lines[0].amount if lines else Money(OPENING_MINOR)
    closing = lines[-1].balance if lines else opening
    rows: list[tuple[str, ...]] = [
        ("ALL", "10000000001", "", "", "", ""),
        ("OPEN", "", "", opening.decimal, "", ""),
    ]
    rows += [
        ("HIST", f"{line.on:%Y%m%d}", "", line.amount.decimal, line.description, line.reference)
        for line in lines
    ]
    return _csv([*rows, ("CLOSE", "", "", closing.decimal, "", "")])


def capitec(lines: Sequence[BankLine]) -> str:
    """Money in and money out in columns of their own."""
    rows: list[tuple[str, ...]] = [
        ("Nr", "Account", "Posting Date", "Transaction Date", "Description", "Original Description",
         "Parent Category", "Category", "Money In", "Money Out", "Fee", "Balance")
    ]  # fmt: skip
    for number, line in enumerate(lines, 1):
        money_in = line.amount.decimal if line.amount.minor > 0 else ""
        money_out = line.amount.decimal if line.amount.minor < 0 else ""
        day = line.on.isoformat()
        text = f"{line.description} {line.reference}".strip()
        rows.append(
            (str(number), "1000000001", day, day, text, text, "", "", money_in, money_out, "",
             line.balance.decimal)
        )  # fmt: skip
    return _csv(rows)


#: Layouts by name; each makes the text of a file.
LAYOUTS: dict[str, Callable[[Sequence[BankLine]], str]] = {
    "generic": generic, "fnb": fnb, "standard_bank": standard_bank, "capitec": capitec,
}  # fmt: skip


def _csv(rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()
