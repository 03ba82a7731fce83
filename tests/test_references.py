"""A reference survives being read aloud and retyped; a mistyped one is never another's."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments import references
from payments.references import (
    ALPHABET,
    is_prefix,
    is_reference,
    readings,
    spoken,
    wire_reference,
    with_check,
)

bodies = st.text(ALPHABET, min_size=6, max_size=6)
prefixes = st.from_regex(r"[A-Z][A-Z0-9]{1,7}", fullmatch=True).filter(is_prefix)
drawn = st.builds(with_check, prefixes, bodies, demo=st.booleans())


def test_the_alphabet_has_nothing_that_looks_like_something_else():
    assert len(set(ALPHABET)) == 31
    assert not set("01ILO") & set(ALPHABET)


@pytest.mark.parametrize("demo", [True, False])
def test_a_drawn_reference_is_one(demo):
    reference = references.draw("REG", demo=demo)
    assert is_reference(reference)
    assert re.fullmatch(r"(DEMO_)?REG_[2-9A-HJKMNP-Z]{7}", reference)
    assert reference.startswith("DEMO_") == demo


def test_references_are_not_drawn_twice():
    assert len({references.draw("REG", demo=False) for _ in range(2000)}) == 2000


@given(drawn)
def test_every_single_mistyped_character_is_caught(reference):
    head, tail = reference[:-7], reference[-7:]
    for place, right in enumerate(tail):
        for wrong in ALPHABET.replace(right, ""):
            assert not is_reference(head + tail[:place] + wrong + tail[place + 1 :])


@given(drawn)
def test_every_exchange_of_neighbours_is_caught(reference):
    head, tail = reference[:-7], reference[-7:]
    for place, (one, other) in enumerate(pairwise(tail)):
        if one != other:
            assert not is_reference(head + tail[:place] + other + one + tail[place + 2 :])


@given(drawn)
def test_a_reference_is_found_however_it_is_written(reference):
    bare = spoken(reference)
    for text in (reference, reference.lower(), bare, f" {bare[:4]} {bare[4:]} ", reference.replace("_", "-")):
        assert reference in readings(text)


@given(drawn, st.integers(2, 999))
def test_the_reference_of_a_later_link_means_its_payment(reference, nth):
    wire = wire_reference(reference, nth)
    assert wire == f"{reference}-{nth}"
    assert reference in readings(wire)
    assert reference in readings(spoken(wire))


@given(prefixes, bodies)
def test_without_the_mode_both_are_meant(prefix, body):
    live, demo = with_check(prefix, body, demo=False), with_check(prefix, body, demo=True)
    assert {live, demo} <= set(readings(spoken(live)))
    assert live not in readings(demo)


@given(st.text(max_size=40))
def test_whatever_is_typed_only_references_are_read(text):
    assert all(is_reference(reference) for reference in readings(text))


def test_the_first_link_has_the_payments_own_reference():
    assert wire_reference("REG_7K2MPQ4", 1) == "REG_7K2MPQ4"


@given(drawn)
def test_spoken_is_what_a_bank_app_takes(reference):
    assert spoken(reference).isascii()
    assert spoken(reference).isalnum()


@pytest.mark.parametrize(
    "text, good",
    [
        pytest.param("REG", True, id="the default"),
        pytest.param("DC26", True, id="with digits"),
        pytest.param("DC2026", True, id="with a year"),
        pytest.param("A41111", False, id="with five digits, like a card number"),
        pytest.param("AB", True, id="shortest"),
        pytest.param("ABCDEFGH", True, id="longest"),
        pytest.param("A", False, id="too short"),
        pytest.param("ABCDEFGHI", False, id="too long"),
        pytest.param("2026", False, id="a digit first"),
        pytest.param("reg", False, id="small letters"),
        pytest.param("RE_G", False, id="separator"),
        pytest.param("RÉG", False, id="accent"),
        pytest.param("DEMO", False, id="the mode's own"),
        pytest.param("DEMOX", False, id="beginning like the mode's"),
        pytest.param("REG\n", False, id="new line"),
        pytest.param("", False, id="empty"),
    ],
)
def test_what_a_prefix_may_be(text, good):
    assert is_prefix(text) is good


@pytest.mark.parametrize(
    "text",
    [
        "",
        "REG_",
        "REG_7K2MPQ",
        "reg_" + with_check("REG", "7K2MPQ", demo=False)[4:],
        with_check("REG", "7K2MPQ", demo=False) + "\n",
        "DEMO_" + with_check("REG", "7K2MPQ", demo=True),
        with_check("REG", "7K2MPQ", demo=False).replace("_", ""),
    ],
)
def test_only_the_exact_form_is_a_reference(text):
    assert not is_reference(text)
