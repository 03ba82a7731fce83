"""A payer of whom something is held in every table that can hold anything of one, and another beside them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from db.models import (
    Admission,
    AmountChange,
    Approval,
    BankAccount,
    BulkRow,
    BulkRun,
    Case,
    Claim,
    ClaimDrop,
    Dispute,
    ErasureDoor,
    Export,
    InboxEvent,
    LegacyImport,
    LegacyIssue,
    LegacyRecord,
    LineException,
    Match,
    MatchPart,
    MatchRefusal,
    MemoryDrop,
    MemoryEdit,
    Notification,
    NotificationTry,
    NotifyEndpoint,
    OptOut,
    OutboxMail,
    PaperPart,
    PaperRow,
    PaperSequence,
    PaperSeries,
    PayeeDetails,
    Payment,
    PersonRow,
    Place,
    Proof,
    Receipt,
    Refund,
    RefundOrder,
    RefundReturn,
    Registration,
    RegistrationFile,
    RegistrationRow,
    Reminder,
    Reversal,
    SavedView,
    SheetFile,
    SheetLine,
    SheetPayment,
    Shift,
    StatementLine,
    SurplusMove,
    Till,
    TillEntry,
)
from db.session import Sessions
from payments.asking.reminders import person_hash
from payments.finding import search_text
from payments.keeping.keyring import KeyRing
from payments.personal_data import personal, subjects
from payments.personal_data.subjects import table
from tests import desk

NAME, EMAIL, PHONE = "Nokwanda Featherstonehaugh", "nokwanda.f@example.org", "+27825550143"
#: As somebody would write it, and none of it may be found afterwards.
SIGNS = (NAME, "featherstonehaugh", EMAIL, PHONE, "082 555 0143")
SAID = f"{NAME} ({EMAIL.upper()}, 082 555 0143) said so"


@dataclass
class Subject:
    reference: str
    other: str  # somebody else's payment
    keys: KeyRing


def planted(sessions: Sessions, gateway: desk.FakeGateway, keys: KeyRing, *, now: datetime) -> Subject:
    with sessions.begin() as session:
        desk.make_event(session, now=now)
        for number, name in enumerate(("Thandi Nkosi", "Pieter Smit"), 1):
            session.add(
                PersonRow(
                    id=number,
                    email=f"{name.split()[0].lower()}@example.org",
                    name=name,
                    role="admin",
                    all_events=True,
                    created_at=now,
                )
            )
    theirs = desk.issue(
        sessions, gateway, now=now, payer_name=NAME, payer_email=EMAIL, payer_phone=PHONE, note=SAID
    )
    other = desk.issue(sessions, gateway, now=now, payer_name="Sipho Dube", payer_email="sipho@example.org")
    with sessions.begin() as session:
        payment = desk.payment_of(session, theirs.reference)
        _everywhere(session, payment, keys, now)
        session.flush()
        _said(session, payment)
        session.refresh(payment)
        payment.note = SAID
        payment.search_text = search_text.of(payment)
    return Subject(theirs.reference, other.reference, keys)


def _everywhere(session: Session, payment: Payment, keys: KeyRing, now: datetime) -> None:
    """A row of every table that can hold something of them, as plain as the database takes it."""
    of: dict[str, Any] = {"payment_id": payment.id}
    money: dict[str, Any] = {"amount_minor": 100, "amount_currency": "ZAR"}
    did: dict[str, Any] = {"at": now, "by": "Thandi Nkosi"}

    def add(row: Any) -> Any:
        session.add(row)
        session.flush()
        return row

    event = payment.event_id
    for number, name in ((1, NAME), (2, "Bongani Featherstonehaugh")):
        add(
            Place(
                **of, number=number, name=name, amount_minor=payment.amount_minor // 2, amount_currency="ZAR"
            )
        )
    payment.place_count = 2
    add(Admission(**of, event_id=event, name=NAME, why=SAID, admitted_at=now, admitted_by="Thandi Nkosi"))
    add(Case(**of, reason="stuck", detail={"said": SAID}, opened_at=now, note=SAID))
    approval = add(
        Approval(
            **of,
            what="waive",
            subject=payment.reference,
            scope="1",
            bound={"payer": NAME, "holder": "N F"},
            digest="d" * 64,
            why=SAID,
            requester_id=1,
            requester_name="Thandi Nkosi",
            asked_at=now,
            expires_at=now,
            state="refused",
            decider_id=2,
            decider_name="Pieter Smit",
            decided_why=SAID,
            ended_at=now,
        )
    )
    claim = add(
        Claim(
            **of,
            **money,
            **did,
            key="c" * 20,
            paid_on=now.date(),
            bank_reference=NAME,
            folded_reference="NOKWANDAFEATHERSTONEHAUGH",
        )
    )
    add(AmountChange(**of, **money, **did, kind="agreed", choice={}, why=SAID))
    add(ClaimDrop(claim_id=claim.id, why=SAID, **did))
    proof = add(
        Proof(
            **of,
            **did,
            claim_id=claim.id,
            kind="pdf",
            sha256="a" * 64,
            size_bytes=3,
            findings=[],
            sealed=b"x",
        )
    )
    proof.sealed = keys.seal(b"%PDF", f"proofs.sealed.{proof.id}")
    details = add(PayeeDetails(**of, **did, masked=f"{NAME}, FNB ****1234", sealed=b"sealed"))
    add(
        OutboxMail(
            **of,
            key="mail",
            recipient=EMAIL,
            subject=f"For {NAME}",
            body=SAID,
            message_id="<m@x>",
            state="sent",
            created_at=now,
            sent_at=now,
            last_error=SAID,
        )
    )
    add(
        InboxEvent(
            **of,
            gateway="ikhokha",
            digest=b"i" * 32,
            received_at=now,
            path="/",
            headers={"x": SAID},
            body=SAID.encode(),
            last_seen_at=now,
            handled_at=now,
        )
    )
    endpoint = add(
        NotifyEndpoint(event_id=event, url="https://example.org", sealed=b"s", created_at=now, created_by="T")
    )
    told = add(
        Notification(
            **of,
            endpoint_id=endpoint.id,
            kind="payment.paid",
            message_id="m",
            body="{}",
            state="delivered",
            created_at=now,
            ended_at=now,
        )
    )
    add(NotificationTry(notification_id=told.id, at=now, status=200, told="ok", took_ms=1))
    add(
        Registration(
            event_id=event,
            registration_id="R1",
            number=1,
            reference=payment.reference,
            created_at=now,
            return_url=f"https://example.org/{EMAIL}",
        )
    )
    brought = add(
        RegistrationFile(
            event_id=event,
            file="f.csv",
            sha256="f" * 64,
            headings={},
            meant={},
            brought_by="T",
            created_at=now,
        )
    )
    add(
        RegistrationRow(
            file_id=brought.id,
            number=1,
            registration_id="R1",
            wanted={"payer_name": NAME},
            outcome="new",
            why=SAID,
            reference=payment.reference,
        )
    )
    sheet = add(
        SheetFile(event_id=event, file="s.xlsx", headings={"cells": ["Name"]}, brought_by="T", created_at=now)
    )
    add(SheetPayment(event_id=event, key="k" * 64, reference=payment.reference))
    add(
        SheetLine(
            sheet_id=sheet.id,
            number=1,
            cells={"cells": [NAME]},
            wanted={"payer_name": NAME},
            key="k" * 64,
            outcome="made",
            why=SAID,
        )
    )
    old = add(
        LegacyImport(
            name="old.json", sha256="o" * 64, currency="ZAR", told={}, imported_at=now, imported_by="T"
        )
    )
    record = add(
        LegacyRecord(
            import_id=old.id,
            key="1",
            **of,
            shape="plain",
            way="eft",
            word="paid",
            digest="l" * 64,
            raw=SAID,
            texts={"references": ["OLD1"], "extra": [EMAIL]},
            told={"by": NAME},
        )
    )
    add(LegacyIssue(record_id=record.id, number=1, fault="odd", sentence=SAID))
    run = add(BulkRun(deed="note", person_id=1, given={"note": SAID}, started_at=now))
    add(BulkRow(run_id=run.id, **of, outcome="done", why=SAID, was={"note": SAID}))
    add(
        Dispute(
            **of,
            **money,
            **did,
            why="fraud",
            case_reference="C1",
            opened_on=now.date(),
            answer_by=now.date(),
            state="won",
            ended_at=now,
            ended_by="T",
            ended_why=SAID,
        )
    )
    refund = add(
        Refund(
            **of,
            **money,
            **did,
            approval_id=approval.id,
            method="eft",
            refunded_on=now.date(),
            done_by="Thandi Nkosi",
            source_reference="x",
            why=SAID,
        )
    )
    add(
        RefundOrder(
            **of,
            **money,
            **did,
            approval_id=approval.id,
            details_id=details.id,
            bank_reference="REF",
            state="withdrawn",
            why=SAID,
        )
    )
    add(RefundReturn(**of, **money, **did, refund_id=refund.id, why=SAID))
    receipt = add(
        Receipt(**of, **money, kind="cash", source_reference="t1", received_at=now, recorded_by="T")
    )
    add(Reversal(**of, **money, receipt_id=receipt.id, why=SAID, reversed_at=now, reversed_by="T"))
    _at_the_till(add, of, money, did, receipt.id, event, now)
    _at_the_bank(add, of, money, receipt.id, now)
    series = add(PaperSeries(key="vat 1", begun_at=now))
    add(PaperSequence(series_id=series.id, kind="invoice", last_number=1))
    paper = add(
        PaperRow(
            series_id=series.id,
            kind="invoice",
            number=1,
            label="INV-1-000001",
            key="p",
            event_id=event,
            total_minor=100,
            total_currency="ZAR",
            vat_minor=0,
            issued_on=now.date(),
            issued_at=now,
            issued_by="T",
            body={"bill_to": {"name": "A. Payer"}},
            sha256="b" * 64,
        )
    )
    add(PaperPart(paper_id=paper.id, payment_id=payment.id, amount_minor=100))
    add(
        Reminder(
            **of, step=1, person_hash=person_hash(EMAIL), day=now.date(), outcome="queued", queued_at=now
        )
    )
    add(OptOut(person_hash=person_hash(EMAIL), at=now, by="Payer"))
    add(
        SavedView(
            token="v",
            owner_id=1,
            query=urlencode([("q", f"{EMAIL} {NAME}")]),
            scope="*",
            sort="",
            columns="",
            created_at=now,
            used_at=now,
        )
    )
    add(
        Export(
            reference="EXP",
            actor="T",
            state="broken",
            asked_at=now,
            wanted={"query": [["q", NAME]]},
            layout={},
            file_name="f.csv",
            rows_done=1,
        )
    )


def _at_the_till(add: Any, of: Any, money: Any, did: Any, receipt_id: int, event: int, now: datetime) -> None:
    till = add(Till(event_id=event, name="A", created_at=now))
    shift = add(
        Shift(
            till_id=till.id,
            person_id=1,
            person_name="Thandi Nkosi",
            currency="ZAR",
            float_minor=0,
            opened_at=now,
        )
    )
    add(
        TillEntry(
            till_id=till.id,
            shift_id=shift.id,
            **of,
            **money,
            **did,
            receipt_id=receipt_id,
            number=1,
            key="t",
            method="cash",
            why=SAID,
        )
    )


def _at_the_bank(add: Any, of: Any, money: Any, receipt_id: int, now: datetime) -> None:
    account = add(BankAccount(name="Main", currency="ZAR", created_at=now, created_by="T"))
    line = add(
        StatementLine(
            account_id=account.id,
            key="l",
            ordinal=1,
            on=now.date(),
            **money,
            state="matched",
            description="EFT CREDIT",
            reference="INV 1",
        )
    )
    match = add(
        Match(line_id=line.id, how="person", way="exact", by="T", why=SAID, evidence={"said": SAID}, at=now)
    )
    part = add(MatchPart(match_id=match.id, target="payment", receipt_id=receipt_id, **money, **of))
    undone: dict[str, Any] = {"undone_at": now, "undone_by": "T", "undone_why": SAID}
    add(
        SurplusMove(
            part_id=part.id, receipt_id=receipt_id, **money, **of, why=SAID, at=now, by="T", **undone
        )
    )  # fmt: skip
    drop = add(MemoryDrop(line_id=line.id, **of, at=now, by="T"))
    add(MemoryEdit(drop_id=drop.id, **of, at=now, by="T", undone_at=now, undone_by="T"))
    add(MatchRefusal(line_id=line.id, **of, why=SAID, at=now, by="T"))
    add(
        LineException(
            line_id=line.id,
            reason="undone",
            suggestion={"said": SAID},
            opened_at=now - timedelta(1),
            note=SAID,
            closed_at=now,
            closed_by="T",
        )
    )


def _said(session: Session, payment: Payment) -> None:
    """The payment's own timeline tells of them too: as the desk writes it, nobody can change that by hand."""
    session.execute(insert(ErasureDoor).values(id=0))
    of = table("timeline")
    session.execute(
        update(of).where(of.c.payment_id == payment.id, of.c.kind != "status").values(detail={"text": SAID})
    )
    session.execute(ErasureDoor.__table__.delete())  # type: ignore[attr-defined]


def held_values(session: Session, reference: str) -> dict[str, str]:
    """All that the columns in the catalogue say, of rows of this payment, as one text each."""
    payment = desk.payment_of(session, reference)
    theirs = ([payment.id], [payment.reference])
    told = {}
    for name in subjects.held_tables():
        for column in personal.of(name):
            of = table(name).c[column]
            rows = session.scalars(select(of).where(subjects.rows_of(name, theirs))).all()
            plain = [row.decode("utf-8", "replace") if isinstance(row, bytes) else row for row in rows]
            told[f"{name}.{column}"] = str(plain) if rows else ""
    return told
