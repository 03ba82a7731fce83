"""A name tells who somebody is; what everybody writes tells nothing."""

import pytest

from payments.matching.names import likeness, surname, words


@pytest.mark.parametrize(
    "text, name, score",
    [
        pytest.param("CAPITEC THANDEKA MOKOENA", "Thandeka Mokoena", 100, id="the whole name"),
        pytest.param("MOKOENA THANDEKA", "Thandeka Mokoena", 100, id="the other way round"),
        pytest.param("THANDÉKA MOKOENA", "Thandeka Mokoena", 100, id="an accent more"),
        pytest.param("THANDEKA MOKEONA", "Thandeka Mokoena", 93, id="mistyped"),
        pytest.param("T MOKOENA", "Thandeka Mokoena", 85, id="an initial"),
        pytest.param("MRS TN MOKOENA", "Thandeka Mokoena", 85, id="two initials and a title"),
        pytest.param("IB PAYMENT FROM T VAN DER MERWE", "Thandeka van der Merwe", 85, id="particles"),
        pytest.param("J O'CONNOR", "Jane O'Connor", 85, id="an apostrophe"),
        pytest.param("MOKOENA", "Thandeka Mokoena", 60, id="the surname alone"),
        pytest.param("S MOKOENA", "Thandeka Mokoena", 25, id="another initial"),
        pytest.param("SIPHO MOKOENA", "Thandeka Mokoena", 25, id="another first name"),
        pytest.param("THANDEKA", "Thandeka Mokoena", 30, id="the first name alone"),
        pytest.param("T MOLOI", "Thandeka Molefe", 0, id="another surname that begins alike"),
        pytest.param("CONFERENCE PAYMENT (PTY) LTD", "Thandeka Mokoena", 0, id="boilerplate"),
        pytest.param("ABSA BANK THANDEKA MOKO", "Thandeka Mokoena", 93, id="cut by the bank"),
    ],
)
def test_how_alike_a_text_and_a_name_are(text, name, score):
    assert likeness(words(text), words(name)).score == score


@pytest.mark.parametrize(
    "one, other",
    [
        pytest.param("Acme (Pty) Ltd", "Zebra (Pty) Ltd", id="(Pty) Ltd"),
        pytest.param("Karoo CC", "Fynbos CC", id="CC"),
        pytest.param("Ubuntu NPC", "Protea NPC", id="NPC"),
        pytest.param("payment conference Sipho", "payment conference Lerato", id="what everybody writes"),
    ],
)
def test_company_forms_and_boilerplate_weigh_nothing(one, other):
    assert likeness(words(one), words(other)).score == 0


@pytest.mark.parametrize(
    "name, filed",
    [
        ("Thandeka van der Merwe", "MERWE"),
        ("Naledi Naudé", "NAUDE"),
        ("Cher", "CHER"),
        ("(Pty) Ltd", ""),
        ("", ""),
    ],
)
def test_a_payer_is_filed_by_surname(name, filed):
    assert surname(name) == filed
