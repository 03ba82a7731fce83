"""How what is still to be paid is filed by its payer's name, in words that both databases have.

An index rests on it: another word here is a migration. ``payments.matching.names`` says the same in Python.
"""

import unicodedata

#: First words that say nothing of who somebody is: titles, particles, company forms, bank boilerplate.
SAYING_NOTHING = """
    absa acb acc account adv and app application bank banking banquet batch betaling bk bpk by capitec
    card cash cc cellphone clearing conf conference cr credit de debit delegate demo den dep deposit der
    digital dinner discovery dr du edms eft event expo fee fees fnb for forex from funds gala group
    holdings ib ibank immediate inbetaling inc intala internet inv investec invoice inward kontant la le
    llc ltd magtape member mev miss mnr mobile mr mrs ms nedbank no npc npo nr number of on online our
    paid pay payer payment payments payshap plc pmt prof pty pymt rd real realtime ref reference reg
    regfee registration returned rev reversal reversed rsa rtc rtgs sa settlement soc standard student
    summit swift ter tfr the ticket tickets time to transaction transfer trf trust tymebank unpaid van
    via von workshop your
    """.split()  # noqa: SIM905 - a hundred words read better as words

_NAME = "lower(payer_name)"
_BEHIND = f"ltrim({_NAME}, 'abcdefghijklmnopqrstuvwxyz')"
_FIRST = f"substr({_NAME}, 1, length({_NAME}) - length({_BEHIND}))"
_SAID = ", ".join(f"'{word}'" for word in SAYING_NOTHING)

REST = "(amount_minor - received_minor)"
#: What names at South African desks have. Not more of them: each is one deeper, and an SQLite of 3.40, by
#: which somebody may read a desk (``sqlite3``, Datasette), gives up at twenty.
_LETTERS = "áãäçèéêëíïñóôöúûüš"


def _without_accents(text: str) -> str:
    """SQLite has neither ``translate`` nor the small letters of capitals with accents: those stay."""
    for letter in _LETTERS:
        text = f"replace({text}, '{letter}', '{unicodedata.normalize('NFKD', letter)[0]}')"
    return text


_WORD = "replace(replace(payer_name, ' ', ''), '-', '')"
_LAST = f"lower(replace(replace(payer_name, rtrim(payer_name, {_WORD}), ''), '''', ''))"
_IS_PLAIN = "ltrim(lower(payer_name), 'abcdefghijklmnopqrstuvwxyz ''-.') = ''"
#: The last word of a name, as a bank writes it: Müller is MULLER, O'Connor OCONNOR, Nkosi-Dlamini DLAMINI. Of
#: most names every letter is plain, and nothing is replaced. ``names.surname`` also skips titles and company
#: forms behind a name: what that would add is left to a person.
SURNAME = f"(CASE WHEN {_IS_PLAIN} THEN {_LAST} ELSE {_without_accents(_LAST)} END)"
#: The first letter of the first name; "" where it takes a closer look to tell which word that is.
INITIAL = (
    f"CASE WHEN substr({_BEHIND}, 1, 1) NOT IN (' ', '-', '.') OR {_FIRST} IN ({_SAID})"
    f" THEN '' ELSE substr({_FIRST}, 1, 1) END"
)
