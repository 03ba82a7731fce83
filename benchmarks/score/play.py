"""One simulated year, night by night."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from benchmarks.score.tally import Tally
from db.money import Money
from payments import payouts
from payments.lump_sums.tariff import Rates as TariffRates
from payments.lump_sums.tariff import Tariff
from payments.matching import (
    Batch,
    BatchKind,
    Confirmed,
    Line,
    Memory,
    MemoryBook,
    Obligation,
    Past,
    Proposal,
    Target,
    Way,
    propose,
)
from payments.payouts import Explanation, Item, Less, Lump, explain_all, in_order
from payments.references import with_check
from simulator import bank, event_day, settlements
from simulator.bank import BankLine, Books, Truth
from simulator.event_day import Year

#: How far back a line can be taken back.
_LOOK_BACK = timedelta(days=90)
#: After so many days without a payout somebody looks at a capture, a hold or a refund.
_LATE_DAYS = 14


@dataclass(frozen=True)
class Options:
    months: int = 12
    prices: tuple[int, ...] = event_day.PRICES
    rates: event_day.Rates = event_day.Rates()  # noqa: RUF009 - frozen
    told: str = "nothing"  # by the gateway of a payout: "nothing", its "rollup", or "methods" as well
    patience: int = 7  # days a payout that is not sure waits for what later ones tell, before somebody looks


def make_reference(prefix: str, body: str) -> str:
    return with_check(prefix, body, demo=False)


def score(seed: int, options: Options) -> Tally:
    """Play a year and count."""
    year = event_day.play(
        seed, make_reference, months=options.months, rates=options.rates, prices=options.prices
    )
    desk = _Desk(year, bank.keep(year), options)
    by_day: dict[date, list[BankLine]] = defaultdict(list)
    for line in desk.books.lines:
        by_day[line.on].append(line)
    for day in sorted(by_day):
        desk.night(day, by_day[day])
    return desk.tally


class _Desk:
    """What a desk knows, and what it closed."""

    def __init__(self, year: Year, books: Books, options: Options) -> None:
        self.year, self.books, self.tally = year, books, Tally()
        self._options = options
        self._tariff = Tariff(TariffRates(date(2020, 1, 1)))
        self._book, self._memory = MemoryBook(), Memory()
        self._registered = sorted(year.registrations.values(), key=lambda one: one.created_on, reverse=True)
        self._captured = sorted(year.captures, key=lambda one: one.on, reverse=True)
        self._taken = sorted(year.takings, key=lambda one: one.on, reverse=True)
        self._told = list(reversed(books.less))
        self._unsettled: dict[int, payouts.Capture] = {}
        self._held: dict[int, payouts.Capture] = {}
        self._settled: dict[int, payouts.Capture] = {}
        self._items: dict[int, Item] = {}
        self._gone: dict[int, Item] = {}  # taken off
        self._paid: set[date] = set()  # trading days, as far as the desk knows
        self._lines: list[Line] = []
        self._waiting: list[Line] = []  # payouts nobody has explained yet
        self._booked: dict[int, tuple[tuple[int, int], ...]] = {}  # of each line: registration, minor units
        self._sums: Counter[str] = Counter()
        self._really_paid = {one.registration: paid.id for paid in books.payouts for one in paid.captures}
        self._really_due = {day: paid.id for paid in books.payouts for day in paid.days}
        self._really_taken = {one.id: paid.id for paid in books.payouts for one in paid.less}
        self._off: list[bool] = []  # of each payout closed by itself: was it off by a cent or two?
        self._decided: set[int] = set()  # payouts, by the desk or by hand

    def night(self, day: date, lines: list[BankLine]) -> None:
        self._morning(day)
        self._look_at_the_late(day)
        today = [Line(one.id, one.on, one.amount, one.description, one.reference) for one in lines]
        past = Past(settled=[one for one in self._lines if one.on > day - _LOOK_BACK])
        lumps = []
        for proposal in propose(today, self._book, memory=self._memory, past=past):
            if proposal.way is Way.PAYOUT:
                lumps.append(proposal.line)
            else:
                self._line(proposal, self.books.truth[proposal.line.id])
        self._payouts(day, lumps)
        self._lines += today
        self._sum_law(lines)

    def _morning(self, day: date) -> None:
        """What became known since the last night."""
        while self._registered and self._registered[-1].created_on <= day:
            one = self._registered.pop()
            self._book.put(
                Obligation(
                    one.id, one.reference, one.event, one.amount, Money(0), one.name, one.created_on,
                    one.phone, one.email, quoted=one.quoted,
                )
            )  # fmt: skip
        while self._captured and self._captured[-1].on <= day:
            capture = self._captured.pop()
            method = capture.method if self._options.told == "methods" else None
            self._unsettled[capture.registration] = payouts.Capture(
                capture.registration, capture.on, capture.gross, method
            )
            self._receive(capture.registration, capture.gross.minor)
        while self._taken and self._taken[-1].on <= day:
            kept = self._taken.pop()
            for number in kept.registrations:
                self._receive(number, self.year.registrations[number].amount.minor)
            kind = BatchKind(kept.kind)
            self._book.put_batch(Batch(kept.id, kind, kept.number, kept.place, kept.amount, kept.on))
        while self._told and self._told[-1].on <= day:
            less = self._told.pop()
            self._items[less.id] = Item(less.id, Less(less.kind), Money(less.minor), less.on)

    def _look_at_the_late(self, day: date) -> None:
        """Captures without their payout raise an alarm; somebody looks and puts right what was put wrong.

        One of two of equal price may have been taken for the other: then the other is what is still open.
        What is in a payout that nobody has decided yet is not late: nobody knows more of it than the desk.
        """
        for known in (self._unsettled, self._held):
            for number, one in list(known.items()):
                if (day - one.on).days > _LATE_DAYS and self._really_paid.get(number) in self._decided:
                    self.tally.corrected += 1
                    del known[number]
                    self._put_back_its_twin(one)
        for number, item in list(self._items.items()):
            if (day - item.on).days > _LATE_DAYS and self._really_taken.get(number) in self._decided:
                self.tally.corrected += 1
                del self._items[number]
                self._put_back_its_like(item)

    def _put_back_its_twin(self, one: payouts.Capture) -> None:
        for number, other in self._settled.items():
            if other.gross == one.gross and self._really_paid.get(number) not in self._decided:
                was_held = self._really_due.get(other.on) in self._decided
                (self._held if was_held else self._unsettled)[number] = self._settled.pop(number)
                return

    def _put_back_its_like(self, item: Item) -> None:
        for number, other in self._gone.items():
            if other.amount == item.amount and self._really_taken.get(number) not in self._decided:
                self._items[number] = self._gone.pop(number)
                return

    def _receive(self, number: int, minor: int, *, closes: bool = False) -> None:
        one = self._book.get(number)
        received = Money(one.received.minor + minor)
        self._book.put(one._replace(received=received, payable=not closes and received < one.amount))

    # -- one line ----------------------------------------------------------------------------------

    def _line(self, proposal: Proposal, truth: Truth) -> None:
        waits = _rest(proposal)
        right = proposal.safe and (_is_right_so_far if waits else _is_right)(proposal, truth)
        self.tally.count(truth, proposal.line.amount.minor, closed=proposal.safe, right=right, waits=waits)
        if truth.reference == "damaged" and proposal.allocations:
            told = {part.id for part in proposal.allocations if part.id is not None}
            self.tally.healed += told == set(truth.about)
            self.tally.healed_wrong += bool(told - set(truth.about)) and proposal.safe
        whole = " (the rest by hand)" if waits else ""
        self.tally.ways[f"{proposal.way.value}{whole if proposal.safe else ' (by hand)'}"] += 1
        if proposal.safe and not right:
            self.tally.slips.append(f"{proposal.way}: {proposal.line} {proposal.allocations} was {truth}")
        if proposal.safe:
            self._book_it(proposal)
            self._rest_by_hand(proposal.line, truth, waits)
        else:
            self._by_hand(proposal.line, truth)

    def _book_it(self, proposal: Proposal) -> None:
        line, parts = proposal.line, []
        for part in proposal.allocations:
            self._sums[part.target] += part.amount.minor
            match part.target:
                case Target.PAYMENT if part.id is not None:
                    self._receive(part.id, part.amount.minor, closes=proposal.short is not None)
                    parts.append((part.id, part.amount.minor))
                    self._learn(line, part.id, by_person=False)
                case Target.BATCH if part.id is not None:
                    self._book.banked(BatchKind.BAG, part.id)
                case Target.CARD if part.id is not None:
                    self._book.banked(BatchKind.CARD, part.id)
                case Target.LINE if part.id is not None:
                    self._take_back(part.id)
        self._booked[line.id] = tuple(parts)

    def _by_hand(self, line: Line, truth: Truth) -> None:
        """Somebody looks, and knows."""
        for number, minor in truth.parts:
            self._receive(number, minor, closes=truth.channel == "foreign")
            self._learn(line, number, by_person=True)
        for batch in list(self._book.batches()):
            if batch.id in truth.takings:
                self._book.banked(batch.kind, batch.id)
        if truth.takes_back is not None:
            self._take_back(truth.takes_back)
        self._booked[line.id] = truth.parts
        self._sums["by hand"] += line.amount.minor

    def _rest_by_hand(self, line: Line, truth: Truth, waits: int) -> None:
        """Somebody says whose the rest is of a line that paid what one payment lacked."""
        if not waits:
            return
        done = self._booked[line.id]
        others = tuple(part for part in truth.parts if part[0] not in dict(done))
        for number, minor in others:
            self._receive(number, minor)
            self._learn(line, number, by_person=True)
        self._booked[line.id] = (*done, *others)

    def _take_back(self, line_id: int) -> None:
        for number, minor in self._booked.pop(line_id, ()):
            self._receive(number, -minor)

    def _learn(self, line: Line, number: int, *, by_person: bool) -> None:
        one = self._book.get(number)
        self._memory.learn(Confirmed(line.description, one.email or one.phone, line.on, by_person))

    # -- one payout --------------------------------------------------------------------------------

    def _payouts(self, today: date, lines: list[Line]) -> None:
        """All that wait are explained together, and closed in their order, as the desk does it.

        What is not sure waits for what its neighbours tell; after ``patience`` days somebody looks.
        """
        self._waiting += lines
        while self._waiting:
            told = explain_all(
                [self._lump(line) for line in self._waiting], self._unsettled.values(), self._tariff,
                held=self._held.values(), items=self._items.values(), paid=self._paid,
                habits=payouts.Habits().seen(len(self._off), sum(self._off)),
            )  # fmt: skip
            for lines in in_order(self._waiting, told):
                night = [told[line.id][0] for line in lines]
                self._close_together(lines, told)
                for line, best in zip(lines, night, strict=True):
                    self._waiting.remove(line)
                    self._settle(best.captures, best.held, best.items)
                    self._off += [bool(best.difference)] if len(lines) == 1 else []  # as the desk does
                    self._paid |= set(best.days)
                    self.tally.waited[(today - line.on).days] += 1
            if not self._waiting or (today - self._waiting[0].on).days < self._options.patience:
                return
            line = self._waiting.pop(0)  # somebody says what it was, and that tells of the others as well
            self._close(line, told[line.id])
            self._settle_as_it_was(self._real(line))

    def _lump(self, line: Line) -> Lump:
        truth = self.books.truth[line.id]
        if self._options.told == "nothing" or truth.payout is None:
            return Lump(line.id, line.on, line.amount)
        gross, fees = settlements.roll_up(self.books.payouts[truth.payout - 1])
        return Lump(line.id, line.on, line.amount, Money(gross), Money(fees))

    def _real(self, line: Line) -> settlements.Payout:
        return self.books.payouts[(self.books.truth[line.id].payout or 0) - 1]

    def _close_together(self, lines: Sequence[Line], told: Mapping[int, list[Explanation]]) -> None:
        """By itself: one payout, or several of one night for what they brought together and no more."""
        night = [told[line.id][0] for line in lines]
        right = _explains(night, [self._real(line) for line in lines])
        self.tally.of_a_night += len(lines) if len(lines) > 1 else 0
        for line in lines:
            self._close(line, told[line.id], closed=True, right=right)

    def _close(
        self, line: Line, found: list[Explanation], *, closed: bool = False, right: bool = False
    ) -> None:
        real, best = self._real(line), found[0] if found else None
        self.tally.ambiguous += len({one.composition for one in found}) > 1
        self._decided.add(real.id)
        self._count_payout(best, real)
        self.tally.count(self.books.truth[line.id], line.amount.minor, closed=closed, right=right)
        if best and not (right or _explains([best], [real])):
            self.tally.slips.append(("closed " if closed else "open ") + _slip(best, real))
        self._sums["payout" if closed else "by hand"] += line.amount.minor

    def _settle_as_it_was(self, real: settlements.Payout) -> None:
        """Somebody tells what was in it; a twin of one price taken for another stands for it."""
        known = {**self._held, **self._unsettled}
        held = [known[one.registration] for one in real.held if one.registration in self._unsettled]
        inside = [one for one in self._unsettled.values() if one.on in real.days and one not in held]
        missing = Counter(one.gross.minor for one in real.captures)
        missing.subtract(one.gross.minor for one in inside)
        for one in sorted(self._held.values(), key=lambda one: (one.on, one.id)):
            if missing[one.gross.minor] > 0:
                missing[one.gross.minor] -= 1
                inside.append(one)
        self._settle(inside, held, self._taken_off(real))
        self._paid |= set(real.days)

    def _taken_off(self, real: settlements.Payout) -> list[Item]:
        left, found = Counter(one.minor for one in real.less), []
        for item in sorted(self._items.values(), key=lambda item: (item.on, item.id)):
            if left[item.amount.minor] > 0:
                left[item.amount.minor] -= 1
                found.append(item)
        return found

    def _settle(
        self, inside: Sequence[payouts.Capture], held: Sequence[payouts.Capture], less: Sequence[Item]
    ) -> None:
        for one in inside:
            self._unsettled.pop(one.id, None)
            self._held.pop(one.id, None)
            self._settled[one.id] = one
        for one in held:
            if self._unsettled.pop(one.id, None):
                self._held[one.id] = one
        for item in less:
            self._gone[item.id] = self._items.pop(item.id)

    def _count_payout(self, best: Explanation | None, real: settlements.Payout) -> None:
        """By value: what the explanation and the truth have in common, less what it has too much."""
        truth = _real_prices(real)
        told = _prices(best) if best and best.is_whole else Counter()
        self.tally.payouts_minor += _value(truth)
        self.tally.explained_minor += max(0, _value(truth & told) - _value(told - truth))
        self.tally.right_days += bool(best and best.is_whole and set(best.days) == set(real.days))

    def _sum_law(self, lines: list[BankLine]) -> None:
        """What came in is booked to the cent: to payments, batches, payouts, aside or by hand."""
        self.tally.nights += 1
        change = lines[-1].balance.minor - bank.OPENING_MINOR
        waiting = sum(line.amount.minor for line in self._waiting)
        self.tally.nights_out += sum(self._sums.values()) + waiting != change


def _slip(best: Explanation, real: settlements.Payout) -> str:
    truth, told = _real_prices(real), _prices(best)
    days = [str(day) for day in real.days]
    return (
        f"payout {real.id} of {days} on {real.on}: {best.says}, days {[str(day) for day in best.days]}, "
        f"{best.points} points; too much {list((told - truth).elements())}, "
        f"missing {list((truth - told).elements())}, less {[(one.kind, one.minor) for one in real.less]}"
    )


def _prices(found: Explanation) -> Counter[int]:
    """Captures as far as money can tell them apart."""
    return Counter(one.gross.minor for one in found.captures)


def _real_prices(real: settlements.Payout) -> Counter[int]:
    return Counter(one.gross.minor for one in real.captures)


def _value(prices: Counter[int]) -> int:
    return sum(minor * count for minor, count in prices.items())


def _explains(found: Sequence[Explanation], real: Sequence[settlements.Payout]) -> bool:
    """Exactly what was paid: the same days, as many captures of each price, the same sums taken off."""
    told = Counter(item.amount.minor for one in found for item in one.items)
    taken = Counter(less.minor for one in real for less in one.less)
    same_days = {day for one in found for day in one.days} == {day for one in real for day in one.days}
    prices = _all(map(_prices, found)) == _all(map(_real_prices, real))
    return all(one.is_whole for one in found) and same_days and prices and told == taken


def _all(prices: Iterable[Counter[int]]) -> Counter[int]:
    return sum(prices, Counter())


def _rest(proposal: Proposal) -> int:
    """What of a line that is accepted by itself waits for a person."""
    apart = (part.amount.minor for part in proposal.allocations if part.target is Target.SURPLUS)
    return sum(apart) if proposal.safe else 0


def _is_right_so_far(proposal: Proposal, truth: Truth) -> bool:
    """What was paid was meant for just these, and just as much of it; nothing is said of the rest."""
    paid = [(part.id, part.amount.minor) for part in proposal.allocations if part.target is Target.PAYMENT]
    return set(paid) <= set(truth.parts)


def _is_right(proposal: Proposal, truth: Truth) -> bool:
    """Exactly what happened: the same payments with the same amounts, the same bags, the same line."""
    told: dict[Target, list[tuple[int | None, int]]] = defaultdict(list)
    for part in proposal.allocations:
        told[part.target].append((part.id, part.amount.minor))
    surplus = sum(minor for _, minor in told.pop(Target.SURPLUS, []))
    if Target.ASIDE in told:
        return truth.channel == "none" and len(told) == 1
    parts, batches = told.pop(Target.PAYMENT, []), told.pop(Target.BATCH, []) + told.pop(Target.CARD, [])
    back = [number for number, _ in told.pop(Target.LINE, [])]
    return (
        sorted(parts) == sorted(truth.parts)
        and surplus == truth.surplus
        and {number for number, _ in batches} == set(truth.takings)
        and back == ([] if truth.takes_back is None else [truth.takes_back])
    )
