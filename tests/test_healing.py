"""A damaged reference is healed against what is open, and never onto another's payment."""

import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from payments.references import ALPHABET, Fault, Reader, is_reference, with_check

HEADS = ("REG", "DC26", "DEMO_OPEN26")
READER = Reader(HEADS)
bodies = st.text(ALPHABET, min_size=6, max_size=6)
references = st.builds(
    lambda head, body: f"{head}_{with_check('X', body, demo=False)[2:]}", st.sampled_from(HEADS), bodies
)
REF = with_check("DC26", "7K2MPQ", demo=False)
BARE = REF.replace("_", "")


@given(
    references,
    st.sampled_from(["{}", "payment {} mokoena", "ref:{}", "EFT FROM T MOKOENA{}", "{} conf", "x{}x"]),
)
def test_an_intact_reference_is_found_wherever_it_stands(reference, text):
    for written in (reference, reference.replace("_", ""), reference.lower(), reference.replace("_", " - ")):
        assert reference in READER.exact(text.format(written))


@given(st.lists(st.one_of(references, st.text("A2\n -\rß", max_size=9), st.just("x\nDC26_7K2\nMPQ"))))
def test_many_texts_read_together_are_read_as_each_alone(texts):
    """What one line says never runs into the next, wherever a text itself is broken."""
    assert READER.exact_in_each(texts) == [READER.exact(text) for text in texts]
    told = READER.exact_in_each([*texts, f"payment {REF}", REF[:8], REF[8:]])[len(texts) :]
    assert told == [[REF], [], []]


def test_in_demo_mode_it_is_found_without_the_mode():
    reference = with_check("OPEN26", "7K2MPQ", demo=True)
    assert READER.exact(reference.removeprefix("DEMO_")) == [reference]


@given(references, st.data())
def test_every_single_slip_in_the_tail_is_healed(reference, data):
    head, tail = reference[:-7], reference[-7:]
    place = data.draw(st.integers(0, 6))
    other = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"))
    slips = [
        tail[:place] + other + tail[place + 1 :],
        tail[:place] + tail[place + 1 :],
        tail[:place] + tail[place] + tail[place:],
        tail[:place] + tail[place : place + 2][::-1] + tail[place + 2 :],
    ]
    for slip in slips:
        text = head.replace("_", "") + slip
        assert reference in READER.exact(text) or reference in READER.guesses(text)


@pytest.mark.parametrize(
    "text, fault",
    [
        pytest.param(
            BARE[:-1] + ("2" if BARE[-1] != "2" else "3"), Fault.TYPED, id="check character mistyped"
        ),
        pytest.param(BARE[:5] + BARE[6] + BARE[5] + BARE[7:], Fault.SWAPPED, id="neighbours exchanged"),
        pytest.param(BARE[:6] + BARE[7:], Fault.LOST, id="a character lost"),
        pytest.param(BARE[:6] + BARE[5:], Fault.DOUBLED, id="a character doubled"),
        pytest.param(REF[5:], Fault.PREFIX, id="prefix lost"),
        pytest.param("CD26" + REF[5:], Fault.PREFIX, id="prefix mistyped"),
        pytest.param("DC2G" + REF[5:], Fault.PREFIX, id="prefix with a look-alike"),
        pytest.param(BARE.replace("7", "O"), Fault.TYPED, id="a character references never have"),
    ],
)
def test_what_was_wrong_is_told(text, fault):
    assert READER.guesses(text)[REF].fault is fault


@pytest.mark.parametrize(
    "head, written",
    [
        pytest.param("OPEN26", "0PEN26", id="0 for O"),
        pytest.param("OPEN26", "OPENZ6", id="Z for 2"),
        pytest.param("IBIS26", "1BIS26", id="1 for I"),
        pytest.param("IBIS26", "lBlS26", id="l for I"),
    ],
)
def test_look_alikes_in_a_prefix_are_read_alike(head, written):
    reference = with_check(head, "7K2MPQ", demo=False)
    assert reference in Reader([head]).guesses(f"{written}{reference[-7:]}")


@pytest.mark.parametrize("kept", [3, 4, 5, 6])
@pytest.mark.parametrize("width", [20, 30])
def test_a_text_that_was_cut_shows_the_beginning(kept, width):
    filler = "PAYMENT FROM T MOKOENA THANDEKA"[: width - len("DC26") - kept]
    text = (filler + BARE)[:width]
    (fragment,) = READER.fragments(text)
    assert REF.startswith(fragment.beginning)
    assert fragment.known == kept


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("INV42", id="all zeros lost"),
        pytest.param("INV-00042", id="some lost"),
        pytest.param("inv 42 conference", id="within a text"),
    ],
)
def test_leading_zeros_that_a_spreadsheet_took_are_put_back(typed):
    assert Reader(["INV"]).guesses(typed)["INV_000042"].fault is Fault.ZEROS


@given(st.text(max_size=40))
def test_whatever_is_typed_only_references_are_guessed(text):
    for reference, guess in READER.guesses(text).items():
        assert guess.fault is Fault.ZEROS or is_reference(reference)


@given(references, st.data())
def test_a_guess_is_seldom_anybody_elses(reference, data):
    """What is guessed of one slip are two dozen of 887 million."""
    place = data.draw(st.integers(0, 6))
    typed = reference[:-7] + reference[-7:][:place] + reference[-7:][place + 1 :]
    assume(reference not in READER.exact(typed))
    assert len(READER.guesses(typed)) <= 60


def test_fifty_thousand_open_references_heal_and_none_onto_another():
    """One slip each in 4,000 of 50,000: at least 98 % find one payment, and that is theirs."""
    dice = random.Random(11)
    open_ = {with_check("REG", "".join(dice.choices(ALPHABET, k=6)), demo=False) for _ in range(50_000)}
    reader, healed = Reader(["REG"]), 0
    for reference in dice.sample(sorted(open_), 4_000):
        head, tail = reference[:-7], reference[-7:]
        place, other = dice.randrange(7), dice.choice(ALPHABET)
        slip = dice.choice(
            (
                tail[:place] + other + tail[place + 1 :],
                tail[:place] + tail[place + 1 :],
                tail[:place] + tail[place] + tail[place:],
                tail[:place] + tail[place : place + 2][::-1] + tail[place + 2 :],
            )
        )
        text = head.replace("_", "") + slip
        found = [one for one in {*reader.exact(text), *reader.guesses(text)} if one in open_]
        assert reference in found or not found
        healed += found == [reference]
    assert healed >= 3_920
