"""Take each guard away, one at a time, in a copy of the project: a test must go red. ``make guards``.

A guard is named with the exact text that is replaced. A text that is no longer there is a failure as well:
this list cannot silently outlive the code. ``python tests/guards.py WORD`` tries those whose name holds it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
LONGEST_S = 170
_LEFT_OUT = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache", "var", "*.db*", "pictures")
_TABLES = "db/migrations/versions/0001_first_tables.py"
_RED = re.compile(r"^(?:FAILED|ERROR) \S+?::(.+?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Guard:
    """In ``file``, ``stands`` is replaced by ``without``; one of ``tests`` must notice."""

    name: str
    file: str
    stands: str
    without: str
    tests: str


GUARDS = (
    Guard(
        "unique key of messages",
        _TABLES,
        'sa.UniqueConstraint("gateway", "digest", name=op.f("uq_inbox_gateway_digest")),',
        "",
        "tests/test_engine.py -k second_row",
    ),
    Guard(
        "unique key of receipts",
        _TABLES,
        'sa.UniqueConstraint("kind", "source_reference", name=op.f("uq_receipts_kind_source_reference")),',
        "",
        "tests/test_engine.py -k second_row",
    ),
    Guard(
        "unique key of mails",
        _TABLES,
        'sa.UniqueConstraint("key", name=op.f("uq_outbox_key")),',
        "",
        "tests/test_engine.py -k second_row",
    ),
    Guard(
        "a receipt that is known is not taken again",
        "payments/lifecycle.py",
        "    if session.scalar(known) is not None:\n",
        "    if session.scalar(known) == 0:\n",
        "tests/test_engine.py -k same_money",
    ),
    Guard(
        "conditional update of the status",
        "payments/lifecycle.py",
        "Payment.id == payment.id, Payment.status == was, Payment.version == payment.version",
        "Payment.id == payment.id",
        "tests/test_lifecycle.py -k two_at_once",
    ),
    Guard(
        "the payment's row is held while it changes",
        "payments/holding.py",
        "        .with_for_update()\n        .execution_options(populate_existing=True)\n",
        "        .execution_options(populate_existing=True)\n",
        "tests/test_races.py -k 'at_once and postgres'",
    ),
    Guard(
        "payment first, then link",
        "payments/sync.py",
        "        link = holding.link(session, link_id)\n        _reschedule(link, now)\n",
        "        link = session.get_one(Link, link_id)\n        _reschedule(link, now)\n",
        "tests/test_races.py -k 'poll and postgres'",
    ),
    Guard(
        "a message is looked at again once its payment is held",
        "payments/inbox.py",
        "    session.refresh(row)  # another may have acted on it while we waited\n",
        "",
        "tests/test_races.py -k 'poll and postgres'",
    ),
    Guard(
        "who waits holds no other payment",
        "payments/holding.py",
        ".with_for_update(skip_locked=True)",
        ".with_for_update()",
        "tests/test_handling.py -k 'own_messages_only'",
    ),
    Guard(
        "what waits together is read once its links are held",
        "payments/handling.py",
        "        links = holding.free(session, _links_of(bells))\n"
        "        rows = _read(session, bells)  # only now: another may have acted on them\n",
        "        rows = _read(session, bells)\n        links = holding.free(session, _links_of(bells))\n",
        "tests/test_handling.py -k 'acted_on_again'",
    ),
    Guard(
        "what was broken off so that another can go on begins anew",
        "db/session.py",
        "        for nth in range(1, BEGUN_ANEW + 1):\n",
        "        for nth in range(0):\n",
        "tests/test_begun_anew.py -k 'begins_anew'",
    ),
    Guard(
        "a message that fails is acted on alone",
        "payments/handling.py",
        "        effects, alone = [], list(bells)\n",
        "        effects, alone = [], []\n",
        "tests/test_handling.py -k 'holds_up_no_other and sqlite'",
    ),
    Guard(
        "what says nothing new must fit",
        "payments/inbox.py",
        "    return fits and row.handled_at is None",
        "    return row.handled_at is None",
        "tests/test_handling.py -k 'another_reference and sqlite'",
    ),
    Guard(
        "synchronous=FULL",
        "db/session.py",
        '"synchronous=FULL"',
        '"synchronous=NORMAL"',
        "tests/test_engine.py -k syncs",
    ),
    Guard(
        "synchronous=FULL, when the power is cut",
        "db/session.py",
        '"synchronous=FULL"',
        '"synchronous=NORMAL"',
        "tests/test_power.py -k outlives",
    ),
    Guard(
        "no database is made where one is missing",
        "db/session.py",
        "?mode=rw",
        "?mode=rwc",
        "tests/test_disasters.py -k 'moved_away'",
    ),
    Guard(
        "nobody writes on to a file that was moved away",
        "db/session.py",
        'if record.info["file"] != _identity(path):',
        "if False:",
        "tests/test_disasters.py -k 'moved_away'",
    ),
    Guard(
        "a log without its database is not thrown away",
        "db/session.py",
        '    if path.with_name(f"{path.name}-wal").exists():\n',
        "    if False:\n",
        "tests/test_disasters.py -k 'log_of_one'",
    ),
    Guard(
        "BEGIN IMMEDIATE",
        "db/session.py",
        '.get("sqlite_begin", "BEGIN IMMEDIATE")',
        '.get("sqlite_begin", "BEGIN")',
        "tests/test_engine.py -k 'in_between and sqlite'",
    ),
    Guard(
        "the scribe answers after its commit",
        "db/session.py",
        '"sqlite": {"sqlite_begin": None}',
        '"sqlite": {}',
        "tests/test_scribe.py -k 'another_process and sqlite'",
    ),
    Guard(
        "what the scribe may not have written is written by the hook",
        "payments/intake.py",
        "                self._queue.extend(batch)\n",
        "                _settle(batch, [1] * len(batch))\n",
        "tests/test_scribe.py -k 'in_the_middle and sqlite'",
    ),
    Guard(
        "amount",
        "payments/lifecycle.py",
        "status.answer is Answer.PAID and status.amount_minor != link.amount_minor",
        "False",
        "tests/test_lifecycle.py -k 'does_not_fit and sqlite'",
    ),
    Guard(
        "currency",
        "payments/lifecycle.py",
        "status.currency not in (None, link.amount_currency)",
        "False",
        "tests/test_lifecycle.py -k 'does_not_fit and sqlite'",
    ),
    Guard(
        "reference in the gateway's answer",
        "payments/lifecycle.py",
        "status.reference not in (None, link.wire_reference)",
        "False",
        "tests/test_lifecycle.py -k 'does_not_fit and sqlite'",
    ),
    Guard(
        "link in the gateway's answer",
        "payments/lifecycle.py",
        "link.gateway_reference not in (None, status.gateway_reference)",
        "False",
        "tests/test_lifecycle.py -k 'does_not_fit and sqlite'",
    ),
    Guard(
        "reference in a message",
        "payments/inbox.py",
        "row.reference is not None and row.reference != link.wire_reference",
        "False",
        "tests/test_inbox.py -k 'cannot_pay_another and sqlite'",
    ),
    Guard(
        "paid only by the gateway's answer",
        "payments/inbox.py",
        "    effect = lifecycle.apply_answer(",
        "    if _is_success(row):\n"
        '        status = LinkStatus(**{**vars(status), "answer": Answer.PAID})\n'
        "    effect = lifecycle.apply_answer(",
        "tests/test_inbox.py -k 'shouted and sqlite'",
    ),
    Guard(
        "paid is never taken back",
        "payments/lifecycle.py",
        "    S.PAID: frozenset({S.PART_REFUNDED",
        "    S.PAID: frozenset({S.FAILED, S.PART_REFUNDED",
        "tests/test_lifecycle.py -k never_goes_back",
    ),
    Guard(
        "unverified messages stand apart",
        "payments/inbox.py",
        "    (kept, *_), *_ = connection.exec_driver_sql(",
        "    accept(session, message, None)\n    (kept, *_), *_ = connection.exec_driver_sql(",
        "tests/test_inbox.py -k 'never_makes and sqlite'",
    ),
    Guard(
        "unverified messages cause ten questions a minute",
        "payments/inbox.py",
        "(session.scalar(hinted) or 0) >= HINTS_A_MINUTE",
        "False",
        "tests/test_inbox.py -k 'make_us_ask and sqlite'",
    ),
    Guard(
        "signature",
        "payments/gateways/ikhokha.py",
        "return any(_same(signature, sign(path, body, key)) for key in keys if key.strip())",
        "return any(key.strip() for key in keys)",
        "tests/test_ikhokha_events.py -k 'proves_nothing'",
    ),
    Guard(
        "a link's share of the inbox",
        "webhook.py",
        "(stands_for := self._quota.full(link, digest, message.received_at)) is not None",
        "(stands_for := self._quota.full(link, digest, message.received_at)) == 0",
        "tests/test_webhook.py -k 'share_of and sqlite'",
    ),
    Guard(
        "an alert is taken before it is told",
        "payments/alerts.py",
        "        if mine:\n",
        "        if mine or True:\n",
        "tests/test_stand_in.py -k 'two_doors and sqlite'",
    ),
    Guard(
        "the link is written down before it is asked for",
        "payments/links.py",
        "        return link.id, request_of(payment, link, event, addresses)\n",
        "        gateway.issue(request_of(payment, link, event, addresses))\n"
        "        return link.id, request_of(payment, link, event, addresses)\n",
        "tests/test_links.py -k 'lost_answer and sqlite'",
    ),
    Guard(
        "one mail of a payment",
        "payments/outbox.py",
        "if not payment.payer_email or _by_key(session, key) is not None:",
        "if not payment.payer_email:",
        "tests/test_engine.py -k 'one_mail and sqlite'",
    ),
)


def main(word: str) -> int:
    chosen = [guard for guard in GUARDS if word in guard.name]
    with tempfile.TemporaryDirectory(prefix="paydesk-guards-") as folder:
        copy = Path(folder) / "paydesk"
        shutil.copytree(ROOT, copy, ignore=_LEFT_OUT)
        for tests in sorted({guard.tests for guard in chosen}):
            if red := _red(copy, tests):
                print(f"Before any guard is taken away, {tests} is red: {', '.join(red)}")
                return 1
        unnoticed = [guard.name for guard in chosen if not _noticed(copy, guard)]
    print(f"{len(chosen) - len(unnoticed)} of {len(chosen)} guards are noticed when they are gone")
    return 1 if unnoticed else 0


def _noticed(copy: Path, guard: Guard) -> bool:
    path = copy / guard.file
    text = path.read_text()
    if text.count(guard.stands) != 1:
        told = f"NOT FOUND once in {guard.file}"
    else:
        path.write_text(text.replace(guard.stands, guard.without))
        began = time.monotonic()
        red = _red(copy, guard.tests)
        path.write_text(text)
        told = f"{red[0]} ({time.monotonic() - began:.0f} s)" if red else f"GREEN: {guard.tests}"
    print(f"{guard.name:56} {told}", flush=True)
    return not told.startswith(("GREEN", "NOT FOUND"))


def _red(copy: Path, tests: str) -> list[str]:
    """The names of tests that fail; a run that does not even end is one of them."""
    words = [word.strip("'") for word in re.findall(r"'[^']*'|\S+", tests)]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-rfE", "-p", "no:cacheprovider", *words]
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        run = subprocess.run(
            command, cwd=copy, env=environ, capture_output=True, text=True, timeout=LONGEST_S
        )
    except subprocess.TimeoutExpired:
        return ["(it never ended)"]
    if run.returncode == 0:
        return []
    return _RED.findall(run.stdout) or [f"(pytest ended with {run.returncode})"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
