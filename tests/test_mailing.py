"""The process that mails is killed in the middle of it: no mail is lost, none has a second name."""

import random
import signal

import pytest
from sqlalchemy import select

from db.models import Link, OutboxMail
from payments.gateways import Answer
from payments.hearing import sync
from tests import hook
from tests.desk import issue, make_event
from tests.mailbox import MOMENTS, mailbox
from tests.nursery import nursery
from tests.ports import free_port

pytestmark = pytest.mark.processes

#: Mails that are owed for each time the worker is killed: it dies of the first or of the second.
MAILS_A_KILL = 2


def owe(sessions, gateway, now, mails: int) -> None:
    """So many paid payments, each of a payer of its own."""
    with sessions.begin() as session:
        make_event(session, now=now)
    for nth in range(mails):
        link = issue(sessions, gateway, now=now, payer_email=f"payer{nth}@example.org")
        gateway.says(link.gateway_reference, Answer.PAID, "PAID")
    with sessions.read() as session:
        ids = session.scalars(select(Link.id)).all()
    for link_id in ids:
        sync.ask(sessions, {gateway.name: gateway}, link_id, now=now)


def owed(sessions) -> dict[tuple[str, str], str]:
    """What became of each mail."""
    with sessions.read() as session:
        columns = select(OutboxMail.recipient, OutboxMail.message_id, OutboxMail.state)
        return {(to, name): state for to, name, state in session.execute(columns)}


@pytest.mark.timeout(3_600)  # --chaos
def test_a_worker_killed_while_it_mails_loses_no_mail_and_sends_none_under_a_second_name(
    database_kind, database_url, sessions, gateway, now, so_often, tmp_path
):
    dice = random.Random(2026)
    kills = so_often(3, 200) if database_kind == "sqlite" else so_often(1, 66)
    owe(sessions, gateway, now, MAILS_A_KILL * kills)
    desk = {**hook.ENVIRON, "DATABASE_URL": database_url, "DATA_DIR": str(tmp_path)}
    desk |= {"SIMULATOR_PORT": str(free_port())}  # nobody answers there: the worker mails all the same
    with mailbox() as box, nursery("manage:main", **desk, MAIL_URL=box.url) as workers:
        for nth in range(kills):
            with workers.child("worker") as child:
                box.ambush(MOMENTS[nth % 3], dice.randrange(MAILS_A_KILL), child.kill)
                assert child.wait(60) == -signal.SIGKILL
        with workers.child("worker"):
            hook.wait_until(lambda: set(owed(sessions).values()) == {"sent"}, seconds=900)
    again = sum(box.taken.values()) - len(box.taken)
    print(f"{kills} kills: {len(box.taken)} mails, {again} of them came again under their own name")
    assert set(box.taken) == set(owed(sessions)), "a mail was lost, or came under another name"
    assert len({to for to, _ in box.taken}) == MAILS_A_KILL * kills
    assert again <= kills
