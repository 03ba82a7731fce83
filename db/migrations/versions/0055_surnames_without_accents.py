"""The index of what is still to be paid files a surname as a bank writes it: without accents and apostrophes.

``MULLER R`` of a statement had never found Ravi Müller, nor ``OCONNOR`` anybody: their lines waited.
"""

import unicodedata

from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

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
    """.split()  # noqa: SIM905 - as they were then
BEHIND = "ltrim(lower(payer_name), 'abcdefghijklmnopqrstuvwxyz')"
FIRST = f"substr(lower(payer_name), 1, length(lower(payer_name)) - length({BEHIND}))"
SAID = ", ".join(f"'{word}'" for word in SAYING_NOTHING)
INITIAL = (
    f"CASE WHEN substr({BEHIND}, 1, 1) NOT IN (' ', '-', '.') OR {FIRST} IN ({SAID})"
    f" THEN '' ELSE substr({FIRST}, 1, 1) END"
)
OWED = "WHERE status IN ('cancelled', 'claimed', 'created', 'expired', 'failed', 'open', 'part_paid')"
BEFORE = "lower(replace(payer_name, rtrim(payer_name, replace(payer_name, ' ', '')), ''))"


LETTERS = "áãäçèéêëíïñóôöúûüš"


def without_accents(text: str) -> str:
    for letter in LETTERS:
        text = f"replace({text}, '{letter}', '{unicodedata.normalize('NFKD', letter)[0]}')"
    return text


WORD = "replace(replace(payer_name, ' ', ''), '-', '')"
LAST = f"lower(replace(replace(payer_name, rtrim(payer_name, {WORD}), ''), '''', ''))"
IS_PLAIN = "ltrim(lower(payer_name), 'abcdefghijklmnopqrstuvwxyz ''-.') = ''"
SURNAME = f"(CASE WHEN {IS_PLAIN} THEN {LAST} ELSE {without_accents(LAST)} END)"


def upgrade() -> None:
    _file_by(SURNAME)


def downgrade() -> None:
    _file_by(BEFORE)


def _file_by(surname: str) -> None:
    op.execute("DROP INDEX IF EXISTS ix_payments_rest_name")
    op.execute(
        "CREATE INDEX ix_payments_rest_name ON payments"
        f" ((amount_minor - received_minor), {surname}, ({INITIAL})) {OWED}"
    )
