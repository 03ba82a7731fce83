"""Card numbers never get in, however they are spelled; references and ID numbers always do (R44)."""

import random
from itertools import product

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn
from stdnum.za import idnr

from payments import privacy, references
from payments.errors import InvalidInput
from payments.payers import contacts
from payments.privacy import clean, fold, has_card_number, mask_card_bytes, mask_card_numbers

#: The networks' and processors' published test numbers: every network and every length they issue.
CARDS = (
    "4111111111111111",
    "4012888888881881",
    "4222222222222",
    "4000000000000000006",
    "5555555555554444",
    "5105105105105100",
    "2223003122003222",
    "2720992720992729",
    "378282246310005",
    "371449635398431",
    "30569309025904",
    "38520000023237",
    "36700102000000",
    "6011111111111117",
    "6011000990139424",
    "6445644564456445",
    "6500000000000002",
    "6250941006528599",
    "6205500000000000004",
    "3530111333300000",
    "3566002020360505",
    "5018000000000009",
    "6759649826438453",
    "6304000000000000",
)
SEPARATORS = {
    "none": "",
    "space": " ",
    "two spaces": "  ",
    "hyphen": "-",
    "spaced hyphen": " - ",
    "dot": ".",
    "slash": "/",
    "backslash": "\\",
    "underscore": "_",
    "comma": ",",
    "pipe": "|",
    "star": "*",
    "colon": ":",
    "tab": "\t",
    "new line": "\r\n",
    "NBSP": "\u00a0",
    "thin space": "\u2009",
    "ideographic space": "\u3000",
    "en dash": "–",
    "em dash": "—",
    "minus": "−",
    "middle dot": "·",
    "bullet": "•",
    "zero-width space": "\u200b",
    "joiner": "\u200d",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "right-to-left mark": "\u200f",
    "grapheme joiner": "\u034f",
    "Hangul filler": "\u3164",
    "variation selector": "\ufe0f",
}
ZEROS = {
    "ASCII": "0",
    "full-width": "０",
    "Arabic-Indic": "٠",
    "Persian": "۰",
    "Devanagari": "०",
    "bold": "𝟎",
    "superscript": None,
}
SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def in_script(digits: str, script: str) -> str:
    zero = ZEROS[script]
    return "".join(chr(ord(zero) + int(digit)) for digit in digits) if zero else digits.translate(SUPERSCRIPT)


def grouped(card: str, groups: str) -> list[str]:
    if groups == "every digit":
        return list(card)
    if groups == "four, six, rest":
        return [part for part in (card[:4], card[4:10], card[10:]) if part]
    return [card[at : at + 4] for at in range(0, len(card), 4)]


SPELLINGS = [
    pytest.param(
        [
            separator.join(in_script(part, script) for part in grouped(card, groups))
            for card, groups in product(CARDS, ("fours", "four, six, rest", "every digit"))
        ],
        id=f"{script} {name}",
    )
    for (name, separator), script in product(SEPARATORS.items(), ZEROS)
]


def test_there_are_more_than_a_thousand_spellings():
    assert sum(len(spelling.values[0]) for spelling in SPELLINGS) > 10_000
    assert all(luhn.is_valid(card) for card in CARDS)


@pytest.mark.parametrize("spellings", SPELLINGS)
def test_every_spelling_of_a_card_number_is_found_and_masked(spellings):
    missed = [text for text in spellings if not has_card_number(text)]
    masked = {mask_card_numbers(f"pay {text} now") for text in spellings}
    assert missed == []
    assert masked <= {f"pay ****{card[-4:]} now" for card in CARDS}


@pytest.mark.parametrize(
    "text, masked",
    [
        pytest.param("12 4111 1111 1111 1111", "12 ****1111", id="a number before it"),
        pytest.param("4111111111111111 12/27", "****1111 12/27", id="its expiry after it"),
        pytest.param("4111 1111 1111 1111 150", "****1111 150", id="an amount after it"),
        pytest.param("4111111111111111|12|2027|123", "****1111|12|2027|***", id="expiry and code after it"),
        pytest.param("4111111111111111 exp 12/27 CVV: 123", "****1111 exp 12/27 CVV: ***", id="a named code"),
        pytest.param('{"cvc": "1234", "n": "378282246310005"}', '{"cvc": "***", "n": "****0005"}', id="JSON"),
        pytest.param("x4111111111111111y", "x****1111y", id="between letters"),
        pytest.param("4111111111111111, 5555555555554444", "****1111, ****4444", id="two of them"),
        pytest.param("8001015009087 4111111111111111", "8001015009087 ****1111", id="an ID number before it"),
        pytest.param("(4111) (1111) (1111) (1111)", "(****1111)", id="in brackets"),
    ],
)
def test_what_stands_beside_a_card_number_hides_nothing(text, masked):
    assert mask_card_numbers(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("4111111111111112", id="one digit off"),
        pytest.param("9111111111111111", id="no network's"),
        pytest.param("411111111111", id="too short"),
        pytest.param("41111111111111110000", id="too long"),
        pytest.param("4111 1111 and 1111 1111", id="two numbers with a word between"),
        pytest.param("2026-11-23 10:00:00,123456", id="a moment"),
        pytest.param("+27 82 555 0142, +27 83 555 0199", id="telephone numbers"),
        pytest.param("R4 500.00 of R15 000.00", id="amounts"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_is_no_card_number_stays(text):
    assert not has_card_number(text)
    assert mask_card_numbers(text) == text


@pytest.mark.parametrize("demo", [True, False])
def test_no_reference_of_ours_looks_like_a_card(demo):
    drawn = [references.draw(prefix, demo=demo) for prefix in ("REG", "X4", "AB4111") for _ in range(1000)]
    told = [
        form for drawn_one in drawn for form in (drawn_one, references.spoken(drawn_one), f"{drawn_one}-2")
    ]
    assert [text for text in told if has_card_number(text)] == []
    assert not has_card_number(" ".join(drawn))


def test_an_identity_number_is_no_card():
    dice = random.Random(44)
    ids = []
    while len(ids) < 1000:
        start = f"{dice.randrange(100):02d}{dice.randrange(1, 13):02d}{dice.randrange(1, 29):02d}"
        body = f"{start}{dice.randrange(10_000):04d}{dice.randrange(2)}8"
        ids.append(body + luhn.calc_check_digit(body))
    assert all(idnr.is_valid(number) for number in ids)
    spaced = [f"{number[:6]} {number[6:10]} {number[10:]}" for number in ids]
    assert [text for text in [*ids, *spaced] if has_card_number(text)] == []
    assert [text for text in ids if has_card_number(f"{text} 150")] == []


def test_few_long_numbers_of_others_raise_a_false_alarm():
    dice = random.Random(44)
    numbers = ["".join(dice.choices("0123456789", k=dice.randint(13, 19))) for _ in range(20_000)]
    assert sum(map(has_card_number, numbers)) <= 0.02 * len(numbers)


@given(st.text())
def test_masking_never_fails_and_leaves_no_card(text):
    assert not has_card_number(mask_card_numbers(text))


@given(st.binary())
def test_bytes_without_a_card_stay_as_they_are(body):
    assert mask_card_bytes(body) == body or has_card_number(body.decode("utf-8", "surrogateescape"))


def test_a_card_in_a_body_is_masked_and_its_other_bytes_stay():
    assert mask_card_bytes(b'\xff{"note": "4111-1111-1111-1111"}\x00') == b'\xff{"note": "****1111"}\x00'


@pytest.mark.parametrize(
    "typed, kept",
    [
        pytest.param("  Thandi \t Nkosi ", "Thandi Nkosi", id="spaces"),
        pytest.param("Thande\u0301ka", "Thand\u00e9ka", id="one form of an accent"),
        pytest.param("a\x00b\x07c", "abc", id="control characters"),
        pytest.param("one\r\ntwo", "one\ntwo", id="lines"),
        pytest.param("Nkosi\u202egnp", "Nkosignp", id="turned direction"),
        pytest.param("\u200d", "", id="nothing to see"),
        pytest.param("\u00a0R 150\u00a0", "R 150", id="NBSP"),
    ],
)
def test_what_a_person_typed_is_made_fit_to_keep(typed, kept):
    assert clean(typed, field="Note") == kept


def test_a_card_number_typed_is_refused_with_what_to_do():
    with pytest.raises(InvalidInput, match="Note holds a card number"):
        clean("card 4111 1111 1111 1111", field="Note")


def test_a_text_too_long_is_refused_never_cut():
    assert clean("é" * 200, field="Name") == "é" * 200
    with pytest.raises(InvalidInput, match="Name is too long: 201 characters, and 200 fit"):
        clean("é" * 201, field="Name")


@pytest.mark.parametrize(
    "text",
    ["Thandéka", "THANDÉKA", "thande\u0301ka", "Ｔｈａｎｄéｋａ", " thandeka ", "𝐓𝐡𝐚𝐧𝐝𝐞𝐤𝐚", "ᵀʰandeka"],
)
def test_folding_sets_case_accents_and_width_aside(text):
    assert fold(text) == "thandeka"


@given(st.text(st.sampled_from("ab 1\t\n\u200d\u0301é~\x7f "), max_size=8))
def test_what_is_plain_already_is_what_cleaning_makes_of_it(text: str):
    assert privacy.clean(text, field="x") == privacy._plain(text)


@given(st.from_regex(r"\+27[0-9]{7,10}", fullmatch=True))
def test_a_number_that_is_written_out_is_what_taking_it_apart_makes_of_it(written: str):
    number = phonenumbers.parse(written, "ZA")
    if phonenumbers.is_possible_number(number):
        made = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        assert contacts.phone_number(written) == made
    else:
        with pytest.raises(InvalidInput):
            contacts.phone_number(written)
