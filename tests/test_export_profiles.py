"""The two files of the earlier system that people still use: its columns exactly in order, to the byte."""

import json
from datetime import datetime, timedelta

import pytest

from db.session import Sessions
from payments.exports import layout, presets, profiles, records
from payments.exports.layout import CONFERENCE, REGISTRATIONS, Format, Layout
from payments.finding.search import Filter
from payments.lifecycle import Status
from tests.desk import ADMIN, make_event
from tests.samples import make_payment
from tests.test_exports import read_back, written
from tests.test_legacy import bring

OLD = {
    "-Nabc": {
        "full_name": 'Zoë "Zed" Nkosi', "email": "zoe@example.org", "institution": "University, Cape Town",
        "conference_code": "CONF-2026-ABC-12345678", "conference_name": "Abc Conference",
        "registration_type": "student_author", "registration_period": "early_bird", "workshop": True,
        "banquet": False, "total_amount": "R1 299.99", "payment_status": "approved",
        "payment_notes": "=1+1", "transaction_reference": "REG_u_1764436452",
        "submission_date": "2026-01-15 08:30:00", "updated_at": "2026-01-16 09:00:00",
    },
}  # fmt: skip


@pytest.fixture
def desk(sessions: Sessions, now: datetime) -> Sessions:
    """A record of before, and a payment of ours of another event."""
    bring(sessions, now, json.dumps(OLD).encode())
    with sessions.begin() as session:
        event = make_event(session, now=now)
        make_payment(
            session, event, now=now, link="gw1", status=Status.OPEN, amount_minor=150_000,
            payer_name="Sipho; Dube", payer_email="sipho@example.org", reference="DEMO_REG_7K2MPQ4",
            category_id=event.categories[0].id,
        )  # fmt: skip
        make_payment(session, event, now=now - timedelta(days=30), status=Status.CANCELLED, payer_name="Gone")
    return sessions


HEAD = (
    '"Submission Date","Full Name","Email","Conference Name","Conference Code","Conference Year",'
    '"Institution","Registration Type","Registration Period","Workshop","Banquet","Extra Paper",'
    '"Total Amount","Payment Status","Payment Info","payment_method","payment_id",'
    '"transaction_reference","payment_date","payment_status","currency"\r\n'
)
OLD_ROW = (
    '"2026-01-15 08:30:00","Zoë ""Zed"" Nkosi","zoe@example.org","Abc Conference","CONF-2026-ABC-12345678",'
    '"2026","University, Cape Town","student_author","early_bird","Yes","No","","1299.99","paid","\'=1+1","",'
    '"","","2026-01-16 09:00:00","paid","ZAR"\r\n'
)
OUR_ROW = (
    '"2026-11-23 12:00:00","Sipho; Dube","sipho@example.org","Devconf 2026","devconf","2026","","Regular","",'
    '"","","","1500.00","pending","DEMO_REG_7K2MPQ4","","gw1","DEMO_REG_7K2MPQ4","","open","ZAR"\r\n'
)


def test_registrations_to_the_byte(desk: Sessions):
    asked = Layout(columns=REGISTRATIONS, bom=False)
    with desk.read() as session:
        told = written(session, Filter(not_statuses=(Status.CANCELLED,)), asked).decode()
    rows = told.split("\r\n")
    assert told == HEAD + OUR_ROW + OLD_ROW, rows


def test_one_conference_to_the_byte_with_its_filter_honoured(desk: Sessions):
    asked = Layout(columns=CONFERENCE, bom=False)
    with desk.read() as session:
        told = written(session, Filter(events=("CONF-2026-ABC-12345678",)), asked).decode()
    assert told == (
        '"Registration ID","Full Name","Email","Institution","Registration Type","Payment Status",'
        '"Total Amount","Registration Date","Conference"\r\n'
        '"\'-Nabc","Zoë ""Zed"" Nkosi","zoe@example.org","University, Cape Town","student_author","paid",'
        '"1299.99","2026-01-15 08:30:00","Abc Conference"\r\n'
    )


@pytest.mark.parametrize("status", Status)
def test_every_status_is_told_in_the_words_of_before_where_there_was_one(status: Status):
    told = profiles._WORDS.get(status, str(status))
    known = {"pending", "failed", "paid", "waived", "part_refunded", "refunded", "disputed"}
    assert told in known


def test_both_are_offered_to_everybody_and_called_as_they_were(desk: Sessions, now: datetime):
    with desk.begin() as session:
        for name, columns, wanted, called in (
            ("Registrations, as before", REGISTRATIONS, Filter(), "registrations_2026-11-23.csv"),
            (
                "One conference, as before",
                CONFERENCE,
                Filter(events=("devconf",)),
                "Devconf 2026_registrations.csv",
            ),
            ("One conference, as before", CONFERENCE, Filter(), "all_registrations.csv"),
        ):
            preset = presets.named(session, ADMIN, name)
            assert preset.layout.columns == columns
            asked = records.ask(session, ADMIN, wanted, preset.layout, demo=True, now=now)
            assert asked.file_name == called


def test_as_a_workbook_the_same_cells(desk: Sessions):
    with desk.read() as session:
        assert written(session, Filter(), Layout(Format.XLSX, REGISTRATIONS)).startswith(b"PK")


def test_a_plain_layout_keeps_them_in_an_address(desk: Sessions):
    asked = Layout(columns=REGISTRATIONS)
    assert layout.from_plain(layout.to_plain(asked)) == asked
    with desk.read() as session:
        assert len(read_back(written(session, Filter(), asked))) == 3
