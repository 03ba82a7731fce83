"""The index of what is still to be paid by amount and surname goes on to the first letter of the first name.

Of two million that are open, dozens owe one price and have one surname; most bank lines tell which of them.
"""

from alembic import op

revision = "0054"
down_revision = "0053"
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
SURNAME = "lower(replace(payer_name, rtrim(payer_name, replace(payer_name, ' ', '')), ''))"
INITIAL = (
    f"CASE WHEN substr({BEHIND}, 1, 1) NOT IN (' ', '-', '.') OR {FIRST} IN ({SAID})"
    f" THEN '' ELSE substr({FIRST}, 1, 1) END"
)
OWED = "WHERE status IN ('cancelled', 'claimed', 'created', 'expired', 'failed', 'open', 'part_paid')"


def upgrade() -> None:
    # Somebody may have made one of this name by hand. Of what, nobody knows: ours takes its place.
    op.execute("DROP INDEX IF EXISTS ix_payments_rest_name")
    op.execute(
        "CREATE INDEX ix_payments_rest_name ON payments"
        f" ((amount_minor - received_minor), {SURNAME}, ({INITIAL})) {OWED}"
    )
    # Last: from here on PostgreSQL lets nobody read payments until this is committed.
    op.execute("DROP INDEX IF EXISTS ix_payments_rest_surname")


def downgrade() -> None:
    op.execute("DROP INDEX IF EXISTS ix_payments_rest_surname")
    op.execute(
        "CREATE INDEX ix_payments_rest_surname ON payments"
        f" ((amount_minor - received_minor), {SURNAME}) {OWED}"
    )
    op.execute("DROP INDEX IF EXISTS ix_payments_rest_name")
