"""What holds of proposals for any lines and any book, and that nobody is wrongly paid among five hundred."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.matching import MemoryBook, Obligation, Target, Way, independent, propose
from payments.references import ALPHABET
from simulator.families import Families
from tests.test_matching import ABROAD, BAG, CARDS, EVERYBODY, OTHER_BAG, PRICE, SIPHO, bare, line, owed

texts = st.lists(
    st.sampled_from(
        [*(bare(each) for each in EVERYBODY), bare(SIPHO)[:-1], "T MOKOENA", "S DLAMINI", "EFT", "CASH DEP",
         "X2", "104882", "INWARD SWIFT", "IKHOKHA", "REVERSAL", "082 555 0001"]
    ),
    max_size=4,
).map(" ".join)  # fmt: skip
amounts = st.sampled_from([PRICE, 950_00, 3000_00, 2450_00, 7350_00, 1, -PRICE]) | st.integers(
    -(10**7), 10**7
)


@given(st.lists(st.tuples(texts, amounts.filter(bool)), max_size=8))
def test_allocations_are_the_deposit_always(asked):
    lines = [line(text, minor, number=number) for number, (text, minor) in enumerate(asked)]
    found = propose(lines, MemoryBook(EVERYBODY, [BAG, OTHER_BAG, CARDS]))
    assert [proposal.line for proposal in found] == lines
    taken: dict[int, int] = {}
    for proposal in found:
        parts = sum(part.amount.minor for part in proposal.allocations)
        assert parts == (proposal.line.amount.minor if proposal.allocations else 0)
        assert not proposal.safe or (proposal.allocations and not proposal.tie)
        assert not proposal.safe or independent(proposal.evidence) >= 2 or proposal.way is Way.RULE
        for part in proposal.allocations:
            if proposal.safe and part.target is Target.PAYMENT:
                taken[part.id] = taken.get(part.id, 0) + part.amount.minor
    owing = {each.id: each.outstanding.minor * each.payable for each in EVERYBODY}
    assert all(minor <= owing[number] or number == ABROAD.id for number, minor in taken.items())


@given(st.lists(st.tuples(texts, amounts.filter(bool)), max_size=5), st.randoms())
def test_a_proposal_does_not_depend_on_what_else_is_on_other_accounts(asked, dice):
    """The same lines and book give the same proposals."""
    lines = [line(text, minor, number=number) for number, (text, minor) in enumerate(asked)]
    assert propose(lines, MemoryBook(EVERYBODY)) == propose(lines, MemoryBook(EVERYBODY))


@pytest.mark.parametrize("seed", range(3))
def test_five_hundred_payers_of_one_price_give_no_wrong_automatic_match(seed):
    """Rentemester #138: amounts tie, and here all amounts are equal."""
    dice = random.Random(seed)
    people = Families(dice, shared=0.05)
    owing = []
    for number in range(1, 501):
        name = people.name()
        email, phone = people.contact(name)
        body = "".join(dice.choices(ALPHABET, k=6))
        owing.append(owed(number, body, name, email=email, phone=phone))
    lines, truth = [], {}
    for number, payer in enumerate(dice.sample(owing, 400), 1):
        truth[number] = payer.id
        lines.append(line(*written(dice, payer, dice.choice(owing)), number=number))
    found = propose(lines, MemoryBook(owing))
    assert [p for p in found if p.safe and p.payments != (truth[p.line.id],)] == []
    assert sum(p.safe for p in found) >= 240


def written(dice: random.Random, payer: Obligation, friend: Obligation) -> tuple[str, int, str]:
    """A bank's text and what was typed. Who pays for a friend gives the friend's reference, well or badly."""
    first, last = payer.name.split(" ", 1)
    reference_ = dice.choice((bare(payer), damage(dice, bare(payer))))
    if dice.random() < 0.2:
        return f"CAPITEC {friend.name}", PRICE, reference_
    holder = dice.choice((f"{first[0]} {last}", payer.name, "EFT", last))
    return f"CAPITEC {holder}", PRICE, dice.choice((reference_, "", "CONFERENCE", last, first))


def damage(dice: random.Random, text: str) -> str:
    place = dice.randrange(4, len(text))
    return dice.choice(
        (
            text[:place] + text[place + 1 :],
            text[:place] + dice.choice(ALPHABET) + text[place + 1 :],
            text[:place] + text[place] + text[place:],
            text[: len(text) - 3],
        )
    )
