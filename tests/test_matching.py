"""Which payment a line is for: what is safe, what is only shown, what never is. Each trap has its case."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import product

import pytest

from db.money import Money
from payments.matching import (
    Batch,
    BatchKind,
    Confirmed,
    Kind,
    Line,
    Memory,
    MemoryBook,
    Obligation,
    Past,
    Proposal,
    Target,
    Way,
    independent,
    propose,
    reversals,
)
from payments.matching.clues import papers_in
from payments.matching.rules import STANDARD, Contains, Rule, Says
from payments.matching.weigh import EXACT_AMOUNT, NAMED_BY_PAPER
from payments.references import ALPHABET, with_check

DAY = date(2026, 3, 10)
PRICE = 1500_00


def reference(body: str) -> str:
    return with_check("DC26", body, demo=False)


def owed(number: int, body: str, name: str, minor: int = PRICE, **more) -> Obligation:
    start = DAY - timedelta(days=5)
    return Obligation(number, reference(body), "DC26", Money(minor), Money(0), name, start, **more)


THANDEKA = owed(1, "222222", "Thandeka Mokoena", email="thandeka@example.org", phone="+27825550001")
SIPHO = owed(2, "333333", "Sipho Dlamini", email="sipho@example.org")
LERATO = owed(3, "444444", "Lerato van der Merwe", 950_00)
PAID = owed(4, "555555", "Zanele Khumalo")._replace(received=Money(PRICE), payable=False)
ABROAD = owed(5, "666666", "Wanjiru Kamau")._replace(quoted=Money(81_00, "USD"))
PART = owed(6, "777777", "Johan Botha")._replace(received=Money(500_00))
EVERYBODY = (THANDEKA, SIPHO, LERATO, PAID, ABROAD, PART)
BAG = Batch(1, BatchKind.BAG, "104882", "ROSEBANK", Money(7350_00), DAY - timedelta(days=2))
OTHER_BAG = Batch(2, BatchKind.BAG, "104999", "SANDTON", Money(4200_00), DAY - timedelta(days=1))
SAME_BAG = Batch(3, BatchKind.BAG, "118800", "SANDTON", Money(7350_00), DAY - timedelta(days=1))
CARDS = Batch(4, BatchKind.CARD, "0042", "MACHINE 1", Money(18_222_15), DAY - timedelta(days=1))


#: A machine whose name holds no number; its row has the number of a bag's.
NAMELESS = replace(CARDS, id=1, number="", expected=Money(7350_00))


def line(text: str, minor: int = PRICE, typed: str = "", *, number: int = 1, on: date = DAY) -> Line:
    return Line(number, on, Money(minor), text, typed)


def bare(obligation: Obligation) -> str:
    return obligation.reference.replace("_", "")


def one(asked: Line, *, book: MemoryBook | None = None, **more):
    (found,) = propose([asked], book or MemoryBook(EVERYBODY), **more)
    return found


@pytest.mark.parametrize(
    "text, minor, payments, way",
    [
        pytest.param(f"EFT {bare(THANDEKA)}", PRICE, (1,), Way.EXACT, id="exact reference and amount"),
        pytest.param(
            f"EFT {bare(PART)}", 1000_00, (6,), Way.EXACT, id="exact reference, what was left to pay"
        ),
        pytest.param(f"EFT {bare(THANDEKA)[:-1]}", PRICE, (1,), Way.HEALED, id="check character lost"),
        pytest.param("CAPITEC T MOKOENA", PRICE, (1,), Way.NAME, id="name and amount"),
        pytest.param("EFT 082 555 0001", PRICE, (1,), Way.CONTACT, id="phone number and amount"),
        pytest.param(
            f"{bare(THANDEKA)} {bare(SIPHO)}", 3000_00, (1, 2), Way.GROUP, id="two references, their sum"
        ),
        pytest.param(
            f"{bare(THANDEKA)},{bare(LERATO)[:-1]}", 2450_00, (1, 3), Way.GROUP, id="a group, one damaged"
        ),
        pytest.param(
            f"EFT T MOKOENA {bare(THANDEKA)}", 700_00, (1,), Way.EXACT, id="a part, and the name agrees"
        ),
        pytest.param(
            f"INWARD SWIFT W KAMAU {bare(ABROAD)}", 1238_40, (5,), Way.FOREIGN, id="short by bank charges"
        ),
    ],
)
def test_two_independent_kinds_of_evidence_are_safe(text, minor, payments, way):
    found = one(line(text, minor))
    assert found.safe
    assert found.way is way
    assert found.payments == payments
    assert independent(found.evidence) >= 2


@pytest.mark.parametrize(
    "text, minor",
    [
        pytest.param("EFT", PRICE, id="the amount alone"),
        pytest.param("EFT CONFERENCE FEE", PRICE, id="the amount and what everybody writes"),
        pytest.param("CAPITEC MOKOENA", PRICE, id="a surname without an initial"),
        pytest.param("CAPITEC S MOKOENA", PRICE, id="another Mokoena"),
        pytest.param("CAPITEC T MOKOENA", 1400_00, id="a name and another amount"),
        pytest.param(f"EFT {bare(THANDEKA)}", 1400_00, id="a real reference and another amount"),
        pytest.param(f"EFT {bare(THANDEKA)}", 1600_00, id="more than is owed"),
        pytest.param(f"EFT {bare(PAID)}", PRICE, id="already paid"),
        pytest.param(f"EFT {bare(PAID)[:-1]}", PRICE, id="already paid, and damaged"),
        pytest.param(f"{bare(THANDEKA)} X3", 3000_00, id="one reference for three, and the price of two"),
        pytest.param(f"{bare(THANDEKA)} {bare(PAID)} X2", 3000_00, id="two references, one of them paid"),
        pytest.param("CAPITEC T MOKOENA S DLAMINI", PRICE, id="two names that both fit"),
        pytest.param(
            f"T MOKOENA {reference('ZZZZZZ')}", PRICE, id="a name, and a reference that is another's"
        ),
        pytest.param("EFT DC26222", PRICE, id="three characters of a reference"),
    ],
)
def test_less_than_that_waits_for_a_person(text, minor):
    bodies = ("".join(letters) for letters in product("ABCDEFGH", "KMNP", "99", "RSTUVWX", "3", "Y"))
    book = MemoryBook([*EVERYBODY, *(owed(n, body, f"Nobody {n}") for n, body in enumerate(bodies, 100))])
    assert not one(line(text, minor), book=book).safe


@pytest.mark.parametrize(
    "text, minor, says",
    [
        pytest.param(f"{bare(THANDEKA)} X2", 3000_00, "2 times what is owed, as it says", id="for two"),
        pytest.param(f"EFT {bare(THANDEKA)} for 3", 4500_00, "3 times what is owed, as it says", id="for 3"),
        pytest.param(f"T MOKOENA {bare(THANDEKA)}", 1600_00, "name 85 of 100", id="a little too much"),
        pytest.param(f"T MOKOENA {bare(THANDEKA)} X2", 2450_00, "name 85 of 100", id="for two of two prices"),
        pytest.param(
            f"T MOKOENA {bare(THANDEKA)[:-1]}", 1600_00, "name 85 of 100", id="a slip, and too much"
        ),
    ],
)
def test_who_is_named_beyond_doubt_is_paid_what_they_owe_and_the_rest_is_nobodys(text, minor, says):
    found = one(line(text, minor))
    assert found.safe
    assert [(part.target, part.id, part.amount.minor) for part in found.allocations] == [
        (Target.PAYMENT, THANDEKA.id, PRICE), (Target.SURPLUS, THANDEKA.id, minor - PRICE),
    ]  # fmt: skip
    assert says in {each.says for each in found.evidence if each.agrees}


def test_too_much_that_just_pays_another_payment_of_theirs_waits_for_a_person():
    """She owes two, and may have taken the reference of the other."""
    dearer = owed(8, "888888", "Thandeka Mokoena", minor=2500_00)
    text = f"T MOKOENA {bare(THANDEKA)}"
    assert not one(line(text, 2500_00), book=MemoryBook([THANDEKA, dearer])).safe
    assert one(line(text, 2600_00), book=MemoryBook([THANDEKA, dearer])).safe


TSHEPO = owed(7, "888888", "Tshepo Mokoena")


def test_a_tie_is_none_when_another_line_takes_up_all_but_one():
    """Two namesakes owe the same; one of them is named by a reference with a slip in it."""
    book = MemoryBook([THANDEKA, TSHEPO])
    tied, healed = line("IB PAYMENT FROM T MOKOENA"), line(f"EFT {slip(THANDEKA)}", number=2)
    assert propose([tied], book)[0].tie
    first, second = propose([tied, healed], book)
    assert (second.way, second.payments) == (Way.HEALED, (THANDEKA.id,))
    assert (first.safe, first.tie, first.payments) == (True, False, (TSHEPO.id,))


def test_what_is_asked_again_is_still_contested():
    """Two payers who both may mean the payment that is left: neither gets it."""
    thandi = owed(8, "999999", "Thandi Mokoena", minor=PRICE)
    book = MemoryBook([THANDEKA, thandi])
    lines = [line("EFT T MOKOENA"), line("CAPITEC TA MOKOENA", number=2), line(slip(THANDEKA), number=3)]
    first, second, third = propose(lines, book)
    assert third.payments == (THANDEKA.id,)
    assert (first.safe, second.safe) == (False, False)


def slip(obligation: Obligation) -> str:
    """Its reference with the last but one character left out."""
    plain = bare(obligation)
    return plain[:-2] + plain[-1]


def test_a_tie_is_shown_as_a_tie_with_all_candidates():
    themba = owed(7, "888888", "Themba Mokoena")
    found = one(line("CAPITEC T MOKOENA"), book=MemoryBook([*EVERYBODY, themba]))
    assert found.tie
    assert not found.allocations
    assert {rival.id for rival in found.rivals} == {1, 7}


def test_a_name_in_the_reference_field_outweighs_the_account_holders():
    found = one(line("CAPITEC T MOKOENA", typed="S DLAMINI"))
    assert not found.safe
    assert {rival.id for rival in found.rivals} >= {1, 2}


def test_a_reference_beats_the_name_of_whoever_pays():
    found = one(line("CAPITEC T MOKOENA", typed=bare(SIPHO)))
    assert found.safe
    assert found.payments == (2,)


def test_what_was_damaged_is_told():
    typed = bare(SIPHO)[:4] + "K" + bare(SIPHO)[4:]
    assert one(line("EFT", typed=typed)).healed == ((2, "one character too many"),)


def test_a_deposit_is_never_allocated_twice_in_one_run():
    first, second = propose(
        [
            line("EFT", typed=bare(THANDEKA)),
            line("EFT", typed=bare(THANDEKA), number=2, on=DAY + timedelta(1)),
        ],
        MemoryBook(EVERYBODY),
    )
    assert first.safe
    assert not second.safe
    assert second.way is Way.PAID_BEFORE
    assert [part.target for part in second.allocations] == [Target.SURPLUS]


def test_of_two_deposits_for_one_payment_the_earlier_pays_it_wherever_it_stands():
    text = bare(THANDEKA)
    late = line(text, number=1, on=DAY + timedelta(days=2))
    second, first = propose([late, line(text, number=2)], MemoryBook(EVERYBODY))
    assert (first.way, first.payments, first.safe) == (Way.EXACT, (1,), True)
    assert second.way is Way.PAID_BEFORE


def test_several_deposits_that_make_up_one_payment():
    parts = [line("EFT", 600_00, typed=bare(THANDEKA)), line("EFT", 900_00, typed=bare(THANDEKA), number=2)]
    found = propose(parts, MemoryBook(EVERYBODY))
    assert [(one.way, one.safe, one.payments) for one in found] == [(Way.PARTS, True, (1,))] * 2


def test_a_name_only_points_to_what_was_asked_for_before():
    later = THANDEKA._replace(created_on=DAY + timedelta(days=3))
    assert not one(line("CAPITEC T MOKOENA"), book=MemoryBook([later])).safe


# -- people, rules, memory -----------------------------------------------------------------------------


def test_what_a_person_decided_is_not_asked_again():
    """OCA #43: a second run of auto-matching destroyed partial matches made by hand."""
    lines = [line("EFT", typed=bare(THANDEKA)), line("EFT", typed=bare(SIPHO), number=2)]
    found = propose(lines, MemoryBook(EVERYBODY), past=Past(decided=frozenset({1})))
    assert [proposal.line.id for proposal in found] == [2]


def test_what_a_person_refused_is_not_proposed_again():
    found = one(line("CAPITEC T MOKOENA", typed=bare(THANDEKA)), past=Past(refused=frozenset({(1, 1)})))
    assert 1 not in found.payments
    assert all(rival.id != 1 for rival in found.rivals)


def seen(times: int, contact: str, *, text: str = "ACME HOLDINGS", days_ago: int = 20) -> Memory:
    return Memory(Confirmed(text, contact, DAY - timedelta(days=days_ago)) for _ in range(times))


@pytest.mark.parametrize(
    "times, days_ago, safe",
    [
        pytest.param(2, 20, True, id="seen twice lately"),
        pytest.param(1, 20, False, id="seen once"),
        pytest.param(2, 200, False, id="twice, half a year ago: faded"),
        pytest.param(4, 200, True, id="four times, half a year ago"),
        pytest.param(4, 600, False, id="long ago"),
    ],
)
def test_a_payer_seen_before_is_evidence_that_fades(times, days_ago, safe):
    memory = seen(times, "thandeka@example.org", text="KAROO", days_ago=days_ago)
    found = one(line("EFT KAROO"), memory=memory)
    assert found.safe is safe
    if safe:
        assert found.way is Way.MEMORY
        assert any(e.says == f"payer seen before ×{times}" for e in found.evidence)


# -- the number of an invoice ---------------------------------------------------------------------------


def billed(text, minor=PRICE, **papers) -> Proposal:
    """A line at a desk whose papers bill these payments: ``INV_2_000042=[1]``."""
    book = MemoryBook(EVERYBODY)
    for number, payments in papers.items():
        book.put_paper(number.replace("_", "-"), payments)
    (found,) = propose([line(text, minor)], book)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "INV-2-000042", "UNIVERSITY inv 2 000042", "INV2000042", "DEMO-INV-2-000042",
        "demoinv2000042", "Payment INV_2_000042 thanks",
    ],
)  # fmt: skip
def test_the_number_of_an_invoice_names_its_payment_and_a_person_decides(text):
    found = billed(text, INV_2_000042=[2])
    assert (found.way, found.payments, found.safe, found.healed) == (Way.PAPER, (2,), False, ())
    assert NAMED_BY_PAPER in found.evidence
    assert EXACT_AMOUNT in found.evidence


def test_with_the_payers_name_beside_it_it_is_safe():
    found = billed("INV-2-000042 SIPHO DLAMINI", INV_2_000042=[2])
    assert (found.payments, found.safe) == ((2,), True)


def test_one_deposit_for_an_invoice_of_several_payments_is_proposed_for_all():
    both = PRICE + 950_00
    found = billed("UNIVERSITY INV-2-000042", both, INV_2_000042=[2, 3])
    assert (found.way, found.payments, found.safe) == (Way.GROUP, (2, 3), False)
    assert billed("UNIVERSITY INV-2-000042", both - 1, INV_2_000042=[2, 3]).way is not Way.GROUP


def test_an_invoice_that_is_paid_already_is_money_of_whoever_paid_it_twice():
    found = billed("INV-2-000042", INV_2_000042=[4])
    assert (found.way, found.safe) == (Way.PAID_BEFORE, False)
    assert [part.target for part in found.allocations] == [Target.SURPLUS]


def test_an_exact_reference_is_worth_more_than_the_number_of_an_invoice():
    found = billed(f"INV-2-000042 {bare(THANDEKA)}", INV_2_000042=[2])
    assert (found.way, found.payments, found.safe) == (Way.EXACT, (1,), True)


@pytest.mark.parametrize(
    "text",
    ["INV-2-00042", "XINV-2-000042", "INV-2-0000421234", "INV-0-000042", "INVOICE 2 42", "CRN-2-000042"],
)
def test_what_is_no_number_of_ours_names_nothing(text):
    assert papers_in(text) == ()


def test_a_long_number_needs_its_separators():
    assert papers_in("INV-2-1000042 and inv 13000042") == ("INV-2-1000042", "INV-13-000042")


def test_memory_never_beats_an_open_exact_reference():
    """Xero's complaint: what was learned overrode an open invoice."""
    found = one(line("EFT KAROO", typed=bare(SIPHO)), memory=seen(9, "thandeka@example.org", text="KAROO"))
    assert found.payments == (2,)
    assert found.way is Way.EXACT


def test_what_was_struck_out_of_memory_is_not_learned_again():
    memory = Memory(struck=[("KAROO", "thandeka@example.org")])
    memory.learn(Confirmed("EFT KAROO", "thandeka@example.org", DAY))
    assert not memory.recall("EFT KAROO", DAY)


def test_a_rule_may_name_a_payer_and_its_version_is_told():
    rule = Rule("Karoo pays for Sipho", 5, Contains("KAROO"), Says.PAYER, "sipho@example.org", version=3)
    found = one(line("EFT KAROO"), rules=[rule, *STANDARD])
    assert found.safe
    assert (found.way, found.payments, found.rule) == (Way.RULE, (2,), "Karoo pays for Sipho v3")


def test_a_rule_does_not_beat_an_exact_reference():
    rule = Rule("Karoo pays for Sipho", 5, Contains("KAROO"), Says.PAYER, "sipho@example.org")
    assert one(line("EFT KAROO", typed=bare(THANDEKA)), rules=[rule]).payments == (1,)


def test_the_banks_own_fees_are_set_aside():
    found = one(line("MONTHLY ACCOUNT FEE", -69_00))
    assert found.safe
    assert [part.target for part in found.allocations] == [Target.ASIDE]


# -- money taken back ----------------------------------------------------------------------------------


CAME = line(f"CAPITEC T MOKOENA {bare(THANDEKA)}", number=11, on=DAY - timedelta(days=3))


@pytest.mark.parametrize(
    "text, minor, safe, back",
    [
        pytest.param(f"RD UNPAID {bare(THANDEKA)}", -PRICE, True, 11, id="the same reference"),
        pytest.param("REVERSAL T MOKOENA", -PRICE, True, 11, id="the same payer"),
        pytest.param("REVERSAL", -PRICE, False, None, id="only the amount"),
        pytest.param(f"REVERSAL {bare(SIPHO)}", -PRICE, False, None, id="another's reference"),
        pytest.param(f"REVERSAL {bare(THANDEKA)}", -1400_00, False, None, id="another amount"),
    ],
)
def test_money_taken_back_is_held_against_the_line_that_brought_it(text, minor, safe, back):
    found = one(line(text, minor), past=Past(settled=[CAME]))
    assert found.safe is safe
    assert [part.id for part in found.allocations] == ([back] if back else [])


def test_one_deposit_is_taken_back_once():
    lines = [line(f"REVERSAL {bare(THANDEKA)}", -PRICE, number=n) for n in (1, 2)]
    found = propose(lines, MemoryBook(EVERYBODY), past=Past(settled=[CAME]))
    assert [proposal.safe for proposal in found] == [True, False]


def test_a_line_that_names_two_payments_is_no_rival_of_itself():
    both = line(f"{bare(THANDEKA)} {bare(SIPHO)}", 2 * PRICE, number=11, on=DAY - timedelta(days=3))
    found = one(line(f"RD {bare(SIPHO)} {bare(THANDEKA)}", -2 * PRICE), past=Past(settled=[both]))
    assert (found.safe, found.rivals) == (True, ())


def test_what_names_other_payments_is_not_even_weighed(monkeypatch):
    """Prices are equal: thousands of lines of a year brought the same, and nearly all name whose they are."""
    names = [with_check("DC26", f"{tail}22222", demo=False) for tail in "3456789ABC"]
    many = [line(f"T MOKOENA {name}", number=n, on=DAY - timedelta(1)) for n, name in enumerate(names, 20)]
    weighed = []
    real = reversals.likeness
    monkeypatch.setattr(reversals, "likeness", lambda *asked: weighed.append(1) or real(*asked))
    found = one(line(f"RD T MOKOENA {names[4]}", -PRICE), past=Past(settled=[*many, CAME]))
    assert ([part.id for part in found.allocations], len(weighed)) == ([24], 1)


# -- bags and card batches -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, minor, batches, safe, ids",
    [
        pytest.param("CASH DEP BAG 104882", 7350_00, (BAG, OTHER_BAG), True, [1], id="number and sum"),
        pytest.param("CASH DEP BAG 0104882", 7350_00, (BAG, SAME_BAG), True, [1], id="a leading zero"),
        pytest.param("CASH DEP BAG 104892", 7350_00, (BAG, OTHER_BAG), True, [1], id="one digit wrong"),
        pytest.param("CASH DEP ROSEBANK", 7350_00, (BAG, OTHER_BAG), True, [1], id="the only such sum"),
        pytest.param("CASH DEP", 7350_00, (BAG, SAME_BAG), False, [], id="two bags of one sum: a tie"),
        pytest.param("CASH DEP BAG 104882", 7300_00, (BAG,), False, [1], id="counted R50 less"),
        pytest.param(
            "CASH DEP 104882 104999", 11550_00, (BAG, OTHER_BAG), True, [1, 2], id="two bags, numbered"
        ),
        pytest.param("CASH DEP", 11550_00, (BAG, OTHER_BAG), False, [1, 2], id="two bags, by their sum only"),
        pytest.param("CARD SETTLEMENT BATCH 42", 18_222_15, (CARDS, BAG), True, [4], id="a card batch"),
        pytest.param("CARD SETTLEMENT", 17_677_31, (CARDS, BAG), False, [4], id="less what the bank kept"),
        pytest.param("CARD SETTLEMENT", 17_000_00, (CARDS, BAG), False, [], id="too little to be a batch"),
        pytest.param("CARD SETTLEMENT", 18_222_16, (CARDS, BAG), False, [], id="more than was counted"),
        pytest.param(
            "CARD SETTLEMENT", 7350_00, (NAMELESS, BAG), True, [1], id="a batch and a bag of one number"
        ),
        pytest.param("CASH DEP", 18_222_15, (CARDS, BAG), False, [], id="a card batch is no cash"),
    ],
)
def test_bags_and_batches_find_their_lines(text, minor, batches, safe, ids):
    found = one(line(text, minor), book=MemoryBook(EVERYBODY, batches))
    assert found.safe is safe
    assert sorted(part.id for part in found.allocations) == ids
    target = Target.CARD if text.startswith("CARD") else Target.BATCH
    assert {part.target for part in found.allocations} <= {target}


def test_a_batch_is_banked_once():
    lines = [line("CASH DEP BAG 104882", 7350_00, number=n) for n in (1, 2)]
    found = propose(lines, MemoryBook(EVERYBODY, [BAG]))
    assert [proposal.safe for proposal in found] == [True, False]


# -- abroad --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "minor, safe",
    [
        pytest.param(1238_40, True, id="short by charges"),
        pytest.param(1520_00, True, id="the rate moved"),
        pytest.param(700_00, False, id="short by more than banks take"),
        pytest.param(1600_00, False, id="more than the rate explains"),
    ],
)
def test_a_transfer_from_abroad_may_be_short_by_charges(minor, safe):
    found = one(line("INWARD SWIFT", minor, typed=bare(ABROAD)))
    assert found.safe is safe
    if safe:
        assert found.short == Money(PRICE - minor)


def test_a_friends_name_and_nothing_else_is_taken_for_the_friend():
    """A line tells all there is: who pays for a friend and says so nowhere is taken for the friend."""
    assert one(line("CAPITEC T MOKOENA", typed="CONFERENCE")).payments == (1,)


# -- dates, and a year's lines -------------------------------------------------------------------------


def test_the_date_counts_for_nothing_by_itself():
    assert independent(one(line("EFT")).evidence) <= 1
    assert Kind.DATE not in {e.kind for e in one(line("EFT", typed=bare(THANDEKA))).evidence if not e.agrees}


def test_few_payments_are_in_hand_at_a_time_and_deposits_far_apart_still_see_each_other():
    """A year's lines: asked a thousand at a time, but two deposits with one reference make up one payment."""
    day, asked = date(2026, 3, 4), []

    class Counting(MemoryBook):
        def by_references(self, references):
            asked.append(len(references))
            return super().by_references(references)

    tails = [f"{ALPHABET[n // 961]}{ALPHABET[n // 31 % 31]}{ALPHABET[n % 31]}222" for n in range(2_500)]
    names = [with_check("DC26", tail, demo=False) for tail in tails]
    book = Counting(
        Obligation(number, name, "1", Money(1500_00), Money(0), "Thandeka Mokoena", day)
        for number, name in enumerate(names)
    )
    lines = [Line(number, day, Money(1500_00), name) for number, name in enumerate(names)]
    lines[0] = Line(0, day, Money(1000_00), names[0])
    lines.append(Line(2_500, day, Money(500_00), names[0]))
    told = propose(lines, book)
    assert max(asked) <= 1_000
    assert [one.line.id for one in told] == [line.id for line in lines]
    assert {one.payments for one in told if one.safe} == {(number,) for number in range(2_500)}
    assert (told[0].way, told[-1].way) == (Way.PARTS, Way.PARTS)


@pytest.mark.parametrize(
    "days, says",
    [
        pytest.param(-1, "paid before it was asked for", id="before"),
        pytest.param(0, "the same day", id="same"),
        pytest.param(1, "1 day later", id="one"),
        pytest.param(12, "12 days later", id="more"),
    ],
)
def test_how_long_after_it_was_asked_for_is_said_in_words(days, says):
    (read,) = propose(
        [line("T MOKOENA", on=THANDEKA.created_on + timedelta(days=days))], MemoryBook(EVERYBODY)
    )
    signs = [*read.evidence, *(sign for rival in read.rivals for sign in rival.evidence)]
    assert [sign.says for sign in signs if sign.kind is Kind.DATE] == [says]
