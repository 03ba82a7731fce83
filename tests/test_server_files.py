"""Files of payments at the people's door, over real HTTP: who gets which, whole, once, or told as broken."""

import csv
import hashlib
import io
import re
from pathlib import Path

import psutil
import pytest
import requests
from sqlalchemy import select

from db.models import Event, Export, Payment
from payments.access import people
from payments.exports import records
from payments.exports.layout import Format, Layout
from payments.finding.search import Filter
from payments.lifecycle import Status
from tests.desk import make_event
from tests.hook import wait_until
from tests.samples import make_payment
from tests.served import Served
from tests.test_server_hostile import ADMIN, ORGANISER, VIEWER, admin, audited, door

pytestmark = pytest.mark.processes
__all__ = ["admin", "door"]


def table(answer: requests.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def counted(door: Served, token: str) -> requests.Response:
    """A file that tells in its head how many rows it has: where counting takes long, its rows do not wait."""
    while "X-Row-Count" not in (answer := door.ask("/export", token)).headers:
        assert answer.status_code == 200, answer.text
    return answer


def test_the_file_holds_every_payment_to_the_cent_and_is_audited(door: Served, admin: str):
    answer = counted(door, admin)
    rows = table(answer)
    with door.app.sessions.read() as session:
        kept = session.execute(
            select(Payment.reference, Payment.amount_minor).where(Payment.event_id.in_(select(Event.id)))
        ).all()
    assert {row["reference"]: row["amount"] for row in rows} == {
        reference: f"{minor // 100}.{minor % 100:02d}" for reference, minor in kept
    }
    assert answer.headers["X-Row-Count"] == str(len(rows)) == str(len(kept))
    reference = answer.headers["X-Export"]
    assert re.fullmatch(
        rf'attachment; filename="payments-[\d-]+-SAST-{reference}\.csv"',
        answer.headers["Content-Disposition"],
    )
    assert answer.headers["Cache-Control"] == "no-store"
    entry = audited(door, "export")[-1]
    assert (entry.actor, entry.subject, entry.detail["filter"]) == (ADMIN, reference, "")
    with door.app.sessions.read() as session:
        kept = session.scalars(select(Export).where(Export.reference == reference)).one()
    assert (kept.state, kept.rows) == ("whole", len(rows))
    assert kept.sha256 == hashlib.sha256(answer.content).hexdigest()


def test_the_file_holds_what_is_filtered(door: Served, admin: str):
    rows = table(door.ask("/export", admin, params={"status": "paid", "event": "gala"}))
    assert rows
    assert {(row["payment_status"], row["event"]) for row in rows} == {("paid", "gala")}
    assert audited(door, "export")[-1].detail["filter"] == "status=paid&event=gala"


@pytest.mark.parametrize("query", ["", "?event=devconf", "?event=gala", "?event=devconf&event=gala"])
def test_an_organisers_file_holds_their_event_and_no_other(door: Served, query: str):
    rows = table(door.ask(f"/export{query}", door.come_in(ORGANISER)))
    assert {row["event"] for row in rows} == (set() if query == "?event=gala" else {"devconf"})


def test_a_viewer_takes_no_file_and_hears_why(door: Served):
    before = len(audited(door, "export"))
    answer = door.ask("/export", door.come_in(VIEWER))
    assert answer.status_code == 403
    assert re.search(r"To export takes the role .*Vusi is viewer\.", answer.text)
    assert len(audited(door, "export")) == before


@pytest.mark.parametrize(
    "query",
    [
        "status=nonsense",
        "?",
        "amount_from=x",
        "created=2026",
        "text=a&text=b",
        "unknown=1",
        "format=pdf",
        "columns=reference,password_hash",
        "columns=reference&columns=amount",
        "bom=perhaps",
    ],
)
def test_a_filter_that_cannot_be_read_is_no_file(door: Served, admin: str, query: str):
    before = len(audited(door, "export"))
    answer = door.ask(f"/export?{query}", admin)
    assert answer.status_code == 400, answer.text[:200]
    assert answer.text.endswith(".")
    assert len(audited(door, "export")) == before


def test_a_file_asked_for_on_a_page_is_fetched_once_and_by_who_asked(door: Served, admin: str):
    with door.app.sessions.begin() as session:
        person = people.system_person(session, ADMIN)
        wanted = Filter(text="Zanele", statuses=(Status.PAID,))
        chosen = Layout(columns=("reference", "amount"), format=Format.XLSX)
        asked = records.ask(session, person, wanted, chosen, demo=True, now=door.app.now())
    path = f"/export/{asked.reference}"
    assert door.ask(path).status_code == 303
    assert door.ask(path, door.come_in(ORGANISER)).status_code == 404
    assert door.ask(path, door.come_in(VIEWER)).status_code == 403
    assert door.ask(path, admin, method="HEAD").status_code == 405
    answer = door.ask(path, admin)
    assert (answer.status_code, answer.headers["X-Export"]) == (200, asked.reference)
    assert answer.content.startswith(b"PK")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{asked.file_name}"'
    again = door.ask(path, admin)
    assert (again.status_code, again.text.endswith("own record.")) == (409, True)


@pytest.mark.parametrize("reference", ["x", "EXP_AAAAAAA", "%00", "..%2f..", "é", "1' OR '1'='1"])
def test_an_export_that_never_was_is_no_file(door: Served, admin: str, reference: str):
    assert door.ask(f"/export/{reference}", admin).status_code in (400, 404)


@pytest.fixture(scope="module")
def long(door: Served) -> str:
    """An event whose file is longer than what any pipe and socket on its way holds."""
    now = door.app.now()
    with door.app.sessions.begin() as session:
        event = make_event(session, "long", now=now)
        for _ in range(1_500):
            make_payment(session, event, now=now, note="x" * 10_000)
    return "long"


def test_a_file_that_breaks_does_not_look_whole(door: Served, admin: str, long: str):
    for encoding in ("gzip", "identity"):
        headers = {"Accept-Encoding": encoding}
        answer = door.ask(f"/export?event={long}", admin, stream=True, headers=headers)
        assert answer.status_code == 200
        assert (
            answer.headers.get("X-Row-Count", "1500") == "1500"
        )  # counted after the rows when it takes long
        content = answer.iter_content(1024)
        next(content)  # it began
        for child in _children(door):
            child.kill()
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            list(content)
        _wait_for_state(door, answer.headers["X-Export"], "broken")


def _children(served: Served) -> list[psutil.Process]:
    """The processes that write a file: a spare one waits, the others have a job."""
    found = psutil.Process(served.process).children()
    return [process for process in found if "payments.exports.child" in " ".join(process.cmdline())]


def _wait_for_state(served: Served, reference: str, state: str) -> None:
    def reached() -> bool:
        with served.app.sessions.read() as session:
            return session.scalar(select(Export.state).where(Export.reference == reference)) == state

    wait_until(reached, seconds=20)


def test_a_person_who_goes_away_ends_the_child(door: Served, admin: str, long: str):
    answer = door.ask(f"/export?event={long}", admin, stream=True)
    reference = answer.headers["X-Export"]
    assert next(answer.iter_content(1024))
    answer.close()
    _wait_for_state(door, reference, "broken")
    wait_until(lambda: len(_children(door)) <= 1, seconds=20)


def test_who_fetched_a_file_is_not_in_the_log(door: Served, admin: str):
    door.ask("/export", admin)
    assert admin not in Path(door.app.settings.data_dir / "server.log").read_text()
