"""Running totals for payments put straight into the tables: what the desk would have kept itself."""

from sqlalchemy import Engine, text

from db.session import Sessions, takes_long
from payments.keeping import upgrading
from tests.crowd import look_over

#: What invented payments lack beside their status: how far the payer came, and why it failed.
_JOURNEYS = (
    "UPDATE payments SET stage = CASE WHEN status IN ('paid', 'refunded') THEN 'paid' WHEN status = 'failed'"
    " THEN 'attempted' WHEN id % 3 = 0 THEN 'opened' ELSE 'issued' END,"
    " failure = CASE WHEN status <> 'failed' THEN '' WHEN id % 5 = 0 THEN '51' ELSE '05' END"
    " WHERE stage = 'asked'",
)
_SUMS = "count(*), sum(amount_minor) FROM payments"


def count(engine: Engine) -> None:
    """Fill every total from the payments that are there. The tables of totals must be empty, but for
    standings, which are counted anew."""
    with engine.begin() as connection:
        takes_long(connection)
        connection.execute(text("DELETE FROM standings"))
        for statement in (*_JOURNEYS, *_totals(engine.dialect.name == "sqlite")):
            connection.execute(text(statement))
    upgrading.upgrade(Sessions(engine))  # it adds up the months
    look_over(engine)


def of_the_first_release(sqlite: bool) -> tuple[str, ...]:
    """The statements that fill the totals it kept."""
    kept = ("INSERT INTO standings", "INSERT INTO tallies")
    return tuple(one.replace("\\:", ":") for one in _totals(sqlite) if one.startswith(kept))


def _totals(sqlite: bool) -> tuple[str, ...]:
    """In the order of time, as a desk writes them."""

    def hour(column: str) -> str:
        if sqlite:
            return f"substr({column}, 1, 13) || '\\:00\\:00.000000'"
        return f"date_trunc('hour', {column}, 'UTC')"

    paid = f"FROM payments WHERE paid_at IS NOT NULL GROUP BY {hour('paid_at')}, event_id, method, 4"
    return (
        f"INSERT INTO standings SELECT event_id, status, amount_currency, {_SUMS} GROUP BY 1, 2, 3",
        f"INSERT INTO made_hours SELECT {hour('created_at')}, event_id, status, stage, failure,"
        f" amount_currency, {_SUMS} GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1",
        f"INSERT INTO paid_hours SELECT {hour('paid_at')}, event_id, method, amount_currency, count(*),"
        f" sum(amount_minor) {paid} ORDER BY 1",
        f"INSERT INTO tallies SELECT {hour('paid_at')}, event_id, 'taken', method, amount_currency, count(*),"
        f" sum(received_minor) {paid.replace('method, 4', 'method, 5')} ORDER BY 1",
        f"INSERT INTO tallies SELECT {hour('created_at')}, event_id, 'status', status, amount_currency,"
        f" {_SUMS} GROUP BY 1, 2, 4, 5 ORDER BY 1",
    )
