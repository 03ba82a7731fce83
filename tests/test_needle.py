"""What somebody who searches may mean, without a database."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.finding import needle
from payments.privacy import fold
from payments.references import ALPHABET, near, readings, with_check

BODIES = st.text(ALPHABET, min_size=6, max_size=6)
PREFIXES = ("REG", "JOZI", "RUN")
DEVCONF = {1: "devconf\ndevconf 2026", 2: "gala\nwinter gala dinner"}


def mistakes(reference: str) -> list[str]:
    """Every reference a single mistake away: a character wrong, missing, too many, or two exchanged."""
    prefix, tail = reference.split("_")
    places, letters = range(len(tail)), ALPHABET + "01ILO"
    wrong = {tail[:n] + char + tail[n + 1 :] for n in places for char in letters}
    wrong |= {tail[:n] + tail[n + 1] + tail[n] + tail[n + 2 :] for n in places[:-1]}
    wrong |= {tail[:n] + tail[n + 1 :] for n in places}
    wrong |= {tail[:n] + char + tail[n:] for n in range(8) for char in ALPHABET[:5]}
    return [f"{prefix}_{one}" for one in wrong - {tail}]


@settings(max_examples=20, deadline=None)
@given(body=BODIES)
def test_a_reference_with_one_mistake_in_it_may_have_been_the_right_one(body: str):
    """A digit too many behind it reads as a link of it already."""
    right = with_check("REG", body, demo=False)
    for wrong in mistakes(right):
        candidates = near(wrong, PREFIXES)
        assert {right, f"DEMO_{right}"} <= {*candidates, *readings(wrong)}, wrong
        assert len(candidates) <= 60


@given(body=BODIES, prefix=st.sampled_from(("RGE", "REC", "JOSI")))
def test_a_reference_with_another_prefix_may_have_been_one_of_ours(body: str, prefix: str):
    wrong = with_check(prefix, body, demo=False)
    assert {with_check(known, body, demo=False) for known in PREFIXES} <= set(near(wrong, PREFIXES))


@pytest.mark.parametrize("text", ["mokoena", "regina", "0821234567", "thandi mokoena", "R1 500", ""])
def test_what_is_no_reference_is_not_taken_for_a_mistyped_one(text: str):
    assert near(text, PREFIXES) == ()


@pytest.mark.parametrize(
    "word, looked_for",
    [
        pytest.param("tha", ("tha",), id="three letters anywhere"),
        pytest.param("mo", (" mo", "\nmo"), id="two at the start of a word"),
        pytest.param("x", (" x ", " x\n", "\nx ", "\nx\n"), id="one by itself"),
    ],
)
def test_short_words_are_looked_for_where_an_index_of_three_letters_finds_them(word, looked_for):
    assert needle.literals(word) == looked_for
    assert all(len(one) >= 3 for one in looked_for)


def test_a_word_that_names_an_event_means_the_event_or_the_word():
    ways = needle.read("nkosi gala", DEVCONF, PREFIXES).ways
    assert {(way.words, way.events) for way in ways} == {
        ((("nkosi",), ("gala",)), None),
        ((("nkosi",),), frozenset({2})),
    }


def test_words_of_two_events_cannot_both_be_meant_as_events():
    ways = needle.read("devconf winter", DEVCONF, PREFIXES).ways
    assert frozenset() not in {way.events for way in ways}


def test_many_words_that_name_events_do_not_multiply():
    assert len(needle.read("2026 dev conf devconf winter gala dinner", DEVCONF, PREFIXES).ways) <= 2**4


def test_the_groups_of_a_phone_number_mean_nothing_alone():
    ways = needle.read("+27 82 194 0417", DEVCONF, PREFIXES).ways
    assert {way.words for way in ways} == {
        (("+27 82 194 0417",),),
        (("+27821940417",),),
        (("821940417",),),
    }


@pytest.mark.parametrize(
    "typed", ["082", "0825", "082 5", "(082) 5", "00 27 82", "00 27 82 5", "+27 (0)82 5"]
)
def test_a_phone_number_is_found_while_it_is_typed_from_its_start(typed: str):
    """The list was empty from 082 on until 082 19 was typed."""
    other = [(2, "\n+27610825000\n", 0, "", "+27610825000", 1)]
    known = (1, "\nthandi\n+27825550417\n", 0, "", "+27825550417", 1)
    ways = needle.read(typed, {}, PREFIXES).ways
    assert any(needle.fitting(way, [known]) for way in ways)
    begun = needle.Way(words=((next(way.words[0][0] for way in ways if way.words[0][0].startswith("\n+")),),))
    assert needle.fitting(begun, other) == []


@pytest.mark.parametrize("typed", ["0", "08", "00", "0027", "+27", "0.82", "0.825", "+27 8"])
def test_too_little_of_a_number_is_none_that_begins_so(typed: str):
    ways = needle.read(typed, {}, PREFIXES).ways
    assert not any(
        one.startswith("\n+") and len(one) > 5 for way in ways for some in way.words for one in some
    )


def test_a_number_from_abroad_begins_with_its_own_country():
    assert needle.Way(words=(("\n+442",),)) in needle.read("0044 2", {}, PREFIXES).ways


@given(
    words=st.lists(st.text("abmox417 -'\"", min_size=1, max_size=7), min_size=1, max_size=3),
    around=st.sampled_from(["\n{}\n", "\na {} b\n", "\na-{}-b\n", "\na{}b\n", "\n{}b\n", "\na{}\n"]),
)
def test_what_stands_on_top_is_among_what_was_found(words: list[str], around: str):
    text = " ".join(words)
    meant = needle.read(text, {}, PREFIXES)
    for known in (around.format(fold(text)), around.format("".join(fold(text).split()))):
        one = [(1, known, 0, "", "417", 1)]
        if any(needle.fitting(way, one) for way in meant.surest):
            assert any(needle.fitting(way, one) for way in meant.ways), (text, known)


@pytest.mark.parametrize(
    "text, shown, marked",
    [
        pytest.param("thandeka", "Thandéka Nkosi", True, id="accents aside"),
        pytest.param("REG 7K2MPQ", "DEMO_REG_7K2MPQ6", True, id="separators aside"),
        pytest.param("082 194 0417", "+27821940417", True, id="a phone number as said here"),
        pytest.param('"van der"', "Pieter van der Merwe", True, id="words that stand together"),
        pytest.param("082 5", "+27825550417", True, id="one that is still typed"),
        pytest.param("zanele", "Thandéka Nkosi", False, id="something else"),
        pytest.param("", "Thandéka Nkosi", False, id="nothing"),
    ],
)
def test_what_was_found_is_pointed_at(text: str, shown: str, marked: bool):
    assert needle.points_at(needle.marks(text), shown) is marked
