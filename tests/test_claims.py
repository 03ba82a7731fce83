"""Claims: a payer's word moves no money; what is odd is told; a proof is read by few, and audited."""

import io
from datetime import date, timedelta

import pytest
from PIL import Image, ImageDraw
from pypdf import PdfReader, PdfWriter
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from db.models import AuditEntry, Case, Claim, Event, Proof, Receipt
from db.money import Money
from payments.access.people import Role
from payments.asking import links
from payments.at_the_door import claims, eft
from payments.at_the_door.claims import ClaimDraft
from payments.at_the_door.eft import Account
from payments.books import integrity
from payments.deciding import lookout
from payments.errors import CannotOpen, Conflict, InvalidInput, NotAllowed, NotFound
from payments.gateways import Answer
from payments.hearing import sync
from payments.keeping import keyring
from payments.keeping.keyring import KeyRing
from payments.lifecycle import Status
from payments.proofs import files, suspicion
from payments.proofs.pdf import Told
from payments.proofs.suspicion import Finding
from tests.desk import issue, make_event, payment_of
from tests.test_approvals import somebody

KEYS = keyring.read(keyring.new_key("test"))
ACCOUNT = Account("Fictional Bank", "Devconf Trust", "4071234567", "250655")
PAID_ON = date(2026, 11, 23)
SLIP = "Payment notification. Date 23 November 2026. Amount R 150.00. To Devconf Trust, account xxxxxx4567."


def photo(words="R150.00 to Devconf", kind="JPEG", size=(900, 1600), **more) -> bytes:
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    for nth, seed in enumerate(words.encode()):
        x, y = (seed * 37) % size[0], (nth * 97) % size[1]
        draw.rectangle((x, y, x + 30 + seed, y + 60), fill=(seed, nth * 9 % 255, 80))
    out = io.BytesIO()
    picture.save(out, kind, **more)
    return out.getvalue()


def pdf(said=SLIP, **about) -> bytes:
    """One page that says so, as a bank's server would make it."""
    content = f"BT /F1 12 Tf 40 700 Td ({said}) Tj ET".encode()
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        "".join(f"/{name}({value})" for name, value in about.items()).encode().join([b"<<", b">>"]),
    ]
    out, places = b"%PDF-1.4\n", []
    for nth, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (nth, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + (
        b"xref\n0 7\n0000000000 65535 f \n%strailer<</Size 7/Root 1 0 R/Info 6 0 R>>\nstartxref\n%d\n%%%%EOF"
        % (table, len(out))
    )


# -- what a file is ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data, says",
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b"<html><script>alert(1)</script>", "none of them", id="a page named proof.jpg"),
        pytest.param(b"<svg onload=alert(1)>", "none of them", id="a drawing that runs"),
        pytest.param(b"MZ\x90\x00", "none of them", id="a program"),
        pytest.param(b"GIF89a", "none of them", id="another kind of picture"),
        pytest.param(b"\x00\x00\x00\x18ftypheic\x00", "HEIC", id="an iPhone's own"),
        pytest.param(photo()[:400], "damaged", id="half a photo"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(50), "damaged", id="only the mark of a PNG"),
        pytest.param(b"\xff\xd8\xff" + bytes(files.LARGEST_BYTES), "larger than 8 MB", id="too large"),
    ],
)
def test_what_is_no_proof_is_refused_with_what_to_bring(data, says):
    with pytest.raises(InvalidInput, match=says):
        files.prepare(data)


def test_a_bomb_of_pixels_is_not_decoded():
    """A few kilobytes that would take gigabytes."""
    out = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, "PNG")
    assert len(out.getvalue()) < 200_000
    with pytest.raises(InvalidInput):
        files.prepare(out.getvalue())


def test_a_picture_is_made_anew_without_what_travels_with_it():
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "taken at -26.2041, 28.0473", 6  # a place, and "turned to the right"
    data = photo(exif=exif, size=(400, 300)) + b"<?php a second file ?>"
    kept = files.prepare(data)
    assert b"-26.2041" in data
    assert b"-26.2041" not in kept.kept
    assert b"php" not in kept.kept
    with Image.open(io.BytesIO(kept.kept)) as again:
        assert (again.format, again.size, dict(again.getexif())) == ("JPEG", (300, 400), {})


def test_a_large_picture_is_kept_as_large_as_is_needed():
    kept = files.prepare(photo(size=(3000, 4000)))
    with Image.open(io.BytesIO(kept.kept)) as again:
        assert max(again.size) == files.LONGEST_SIDE


def test_pixels_are_known_again_in_other_clothes_and_others_are_not():
    png = photo(kind="PNG")
    first, again = files.prepare(png), files.prepare(png + b"one byte more")
    assert (first.sha256 != again.sha256, first.pixels_sha256 == again.pixels_sha256) == (True, True)
    packed = files.prepare(photo(kind="JPEG", quality=60))
    other = files.prepare(photo("R950.00 to Gala"))
    assert packed.pixels_sha256 != first.pixels_sha256
    assert files.unlike(packed.look, first.look) <= 6 < files.unlike(other.look, first.look)


def test_a_pdf_is_kept_as_it_is_and_read_by_another_process():
    prepared = files.prepare(pdf())
    assert prepared.kept == pdf()
    assert prepared.told.text.startswith("Payment notification")
    broken = files.prepare(b"%PDF-1.4 and nothing more")
    assert not broken.told.readable


def test_a_pdf_that_a_password_locks_is_refused():
    writer = PdfWriter()
    writer.append(PdfReader(io.BytesIO(pdf())))
    writer.encrypt("secret", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    with pytest.raises(InvalidInput, match="locked"):
        files.prepare(out.getvalue())


# -- claiming ----------------------------------------------------------------------------------------


@pytest.fixture
def desk(sessions, gateway, now):
    """An event with an account, a payment with a link, and people of it and of another event."""
    with sessions.begin() as session:
        event, other = make_event(session, now=now), make_event(session, "gala", now=now)
        people = {
            "aisha": somebody(session, "Aisha", Role.ORGANISER, frozenset({event.id}), now=now),
            "carol": somebody(session, "Carol", Role.ORGANISER, frozenset({other.id}), now=now),
            "farai": somebody(session, "Farai", Role.FINANCE, now=now),
            "thandi": somebody(session, "Thandi", Role.ADMIN, now=now),
            "vusi": somebody(session, "Vusi", Role.VIEWER, now=now),
        }
        eft.set_account(session, people["thandi"], "devconf", ACCOUNT, now=now)
    people["reference"] = issue(sessions, gateway, now=now).reference
    return people


def claimed(sessions, desk, now, proof=None, *, key="k1", by="aisha", keys=KEYS, **more):
    values = {"reference": desk["reference"], "amount": Money(15_000), "paid_on": PAID_ON} | more
    prepared = files.prepare(proof) if proof else None
    with sessions.begin() as session:
        return claims.record(session, desk[by], ClaimDraft(key, **values), prepared, keys, now=now)


def views(sessions, desk, now, by="farai", reference=None):
    with sessions.read() as session:
        return claims.of_payment(session, desk[by], reference or desk["reference"], now=now)


def status_of(sessions, reference):
    with sessions.read() as session:
        return payment_of(session, reference).status


def findings(view):
    return {each.finding for each in view.findings} | {
        each.finding for proof in view.proofs for each in proof.findings
    }


def test_a_claim_is_a_word_and_no_money(sessions, desk, now):
    claimed(sessions, desk, now, pdf(), bank_reference="REG 7K2")
    with sessions.read() as session:
        payment = payment_of(session, desk["reference"])
        assert (payment.status, payment.received_minor, payment.paid_at) == (Status.CLAIMED, 0, None)
        assert session.scalars(select(Receipt)).all() == []
    (view,) = views(sessions, desk, now)
    assert (view.amount, view.due_on, view.overdue, findings(view)) == (
        Money(15_000), date(2026, 11, 25), False, set(),
    )  # fmt: skip
    with sessions.read() as session:
        assert integrity.examine(session) == ()


def test_a_claim_never_stops_its_links_being_asked_about_and_the_gateways_word_wins(
    sessions, gateway, desk, now
):
    with sessions.read() as session:
        before = payment_of(session, desk["reference"]).links[0].next_ask_at
    claimed(sessions, desk, now)
    with sessions.read() as session:
        link = payment_of(session, desk["reference"]).links[0]
        assert (link.state, link.next_ask_at) == ("open", before)
    gateway.says(link.gateway_reference, Answer.PAID, "PAID", currency="ZAR")
    sync.step(sessions, {"ikhokha": gateway}, now=now + timedelta(minutes=2))
    assert status_of(sessions, desk["reference"]) == Status.PAID


def test_the_same_form_twice_is_one_claim(sessions, desk, now):
    assert claimed(sessions, desk, now) == claimed(sessions, desk, now)
    with pytest.raises(Conflict, match="sent before"):
        claimed(sessions, desk, now, amount=Money(14_000))
    assert len(views(sessions, desk, now)) == 1


@pytest.mark.parametrize(
    "wrong, says",
    [
        pytest.param({"amount": Money(0)}, "More than nothing", id="nothing"),
        pytest.param({"amount": Money(15_000, "USD")}, "is in ZAR", id="another currency"),
        pytest.param({"paid_on": date(2026, 11, 24)}, "On which day", id="tomorrow"),
        pytest.param({"paid_on": date(2025, 1, 1)}, "On which day", id="years ago"),
        pytest.param({"bank_reference": "4111 1111 1111 1111"}, "card number", id="a card number"),
        pytest.param({"bank_reference": "x" * 61}, "too long", id="a long reference"),
    ],
)
def test_what_nobody_can_have_paid_is_refused(sessions, desk, now, wrong, says):
    with pytest.raises(InvalidInput, match=says):
        claimed(sessions, desk, now, **wrong)
    assert status_of(sessions, desk["reference"]) == Status.OPEN


def test_only_whoever_takes_money_for_the_event_claims_and_sees(sessions, desk, now):
    with pytest.raises(NotFound):
        claimed(sessions, desk, now, by="carol")
    with pytest.raises(NotAllowed):
        claimed(sessions, desk, now, by="vusi")
    claimed(sessions, desk, now)
    with pytest.raises(NotFound):
        views(sessions, desk, now, by="carol")


def test_a_claim_nobody_believes_any_more_leaves_the_payment_waiting(sessions, desk, now):
    claim = claimed(
        sessions,
        desk,
        now,
        pdf("Something that was made up, to Nobody Trust, R 999.00, by a hand that nobody here knows of"),
    )
    with sessions.begin() as session:
        claims.drop(session, desk["aisha"], claim, "The bank knows nothing of it", now=now)
    assert status_of(sessions, desk["reference"]) == Status.OPEN
    assert views(sessions, desk, now)[0].dropped == "Aisha: The bank knows nothing of it"
    lookout.look(sessions, now=now)
    with sessions.read() as session:
        assert [case.decision for case in session.scalars(select(Case))] == ["healed"]
    with pytest.raises(DatabaseError), sessions.begin() as session:
        session.execute(text("DELETE FROM claims"))


def test_claimed_and_not_here_in_the_banks_time_is_told_once(sessions, desk, now):
    """Sent on Monday, an EFT is here on Wednesday: on Thursday somebody must ask."""
    claimed(sessions, desk, now)
    for days, opened in ((2, 0), (3, 1), (4, 0)):
        lookout.look(sessions, now=now + timedelta(days=days))
        with sessions.read() as session:
            overdue = select(Case).where(
                Case.reason == "claim_overdue", Case.opened_at > now + timedelta(days=days, hours=-1)
            )
            assert len(session.scalars(overdue).all()) == opened, days
    assert views(sessions, desk, now + timedelta(days=3))[0].overdue


# -- what is odd -------------------------------------------------------------------------------------


def elsewhere(sessions, gateway, now, event="devconf"):
    return issue(
        sessions, gateway, now=now, event=event, payer_name="Sipho Dlamini", payer_email=""
    ).reference


ODD = {
    "another amount": (Told(SLIP.replace("150.00", "15.00")), {Finding.OTHER_AMOUNT}),
    "ours in a larger one": (Told(SLIP.replace("150.00", "1 150.00")), {Finding.OTHER_AMOUNT}),
    "another day": (Told(SLIP.replace("23 November", "3 November")), {Finding.OTHER_DATE}),
    "somebody else's account": (
        Told(SLIP.replace("4567", "9999").replace("Devconf Trust", "S Dlamini")), {Finding.OTHER_BENEFICIARY},
    ),
    "made by a program that edits": (Told(SLIP, "iLovePDF"), {Finding.EDITED}),
    "changed later": (Told(SLIP, changed_later=True), {Finding.EDITED}),
    "not to be read": (Told(readable=False), {Finding.UNREADABLE}),
    "nothing odd": (Told(SLIP, "iText 2.1.7 by 1T3XT"), set()),
    "our number, not masked": (Told(SLIP.replace("xxxxxx4567", "40 7123 4567")), set()),
    "our name, no number": (Told(SLIP.replace(", account xxxxxx4567", "")), set()),
    "days of digits": (Told(SLIP.replace("23 November 2026", "23/11/2026 ref 20261101")), set()),
    "thousands": (Told(SLIP.replace("R 150.00", "R1,150.00 R 150,00")), set()),
    "no text to speak of": (Told("Scan R 9.00"), set()),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_what_a_pdf_says_against_a_claim_is_told(case):
    told, expected = ODD[case]
    accounts = [suspicion.Account("Devconf Trust", "4071234567")]
    assert set(suspicion.of_text(told, Money(15_000), PAID_ON, accounts)) == expected


def test_what_is_odd_about_a_proof_opens_a_case_and_changes_nothing(sessions, desk, now):
    odd = pdf(SLIP.replace("150.00", "15.00"), CreationDate="D:20261123080000", ModDate="D:20261123220000")
    claimed(sessions, desk, now, odd)
    assert findings(views(sessions, desk, now)[0]) == {Finding.OTHER_AMOUNT, Finding.EDITED}
    with sessions.read() as session:
        (case,) = session.scalars(select(Case))
    assert (case.reason, case.detail["findings"]) == ("doubtful_claim", "edited, other amount")
    assert status_of(sessions, desk["reference"]) == Status.CLAIMED


def test_a_proof_that_was_used_before_is_told_however_it_is_packed(sessions, gateway, desk, now):
    claimed(sessions, desk, now, photo(kind="PNG"), bank_reference="REG 7K2")
    for nth, (data, finding) in enumerate(
        (
            (photo(kind="PNG"), Finding.ALREADY_USED),
            (photo(kind="PNG") + b"one byte more", Finding.ALREADY_USED),
            (photo(kind="JPEG", quality=55), Finding.LOOKS_ALIKE),
            (photo("R950.00 to Gala", kind="JPEG"), None),
        )
    ):
        other = elsewhere(sessions, gateway, now)
        claimed(sessions, desk, now, data, key=f"o{nth}", reference=other)
        (view,) = views(sessions, desk, now, reference=other)
        assert findings(view) == ({finding} if finding else set()), nth
        if finding is Finding.ALREADY_USED:
            assert view.proofs[0].findings[0].other == desk["reference"]


def test_a_bank_reference_that_two_payments_name_is_told_on_both(sessions, gateway, desk, now):
    claimed(sessions, desk, now, bank_reference="FNB-APP 00123")
    other = elsewhere(sessions, gateway, now, "gala")
    claimed(sessions, desk, now, key="k2", reference=other, by="carol", bank_reference="fnb app 00123")
    (here,), (there,) = views(sessions, desk, now), views(sessions, desk, now, by="carol", reference=other)
    assert findings(here) == findings(there) == {Finding.REFERENCE_USED}
    assert (here.findings[0].other, there.findings[0].other) == (other, ""), "an event that is not hers"


# -- who reads a proof -------------------------------------------------------------------------------


def test_a_proof_is_encrypted_and_opens_for_who_may_see_it_on_the_record(sessions, desk, now):
    claimed(sessions, desk, now, pdf())
    with sessions.read() as session:
        proof = session.scalars(select(Proof)).one()
        assert SLIP.encode() not in proof.sealed
        assert keyring.key_name(proof.sealed) == "test"
        proof_id = proof.id
    with sessions.begin() as session:
        told = claims.open_proof(session, desk["aisha"], proof_id, KEYS, now=now)
    assert (told.data, told.media_type) == (pdf(), "application/pdf")
    assert told.name == f"proof-{desk['reference']}-{proof_id}.pdf"
    for who, refusal in (("carol", NotFound), ("vusi", NotAllowed)):
        with pytest.raises(refusal), sessions.begin() as session:
            claims.open_proof(session, desk[who], proof_id, KEYS, now=now)
    with sessions.read() as session:
        opened = session.scalars(select(AuditEntry.actor).where(AuditEntry.action == "open_proof")).all()
    assert opened == ["aisha@example.org"]


def test_a_proof_opens_in_no_other_row_and_not_without_its_key(sessions, gateway, desk, now):
    claimed(sessions, desk, now, pdf())
    claimed(sessions, desk, now, photo(), key="k2", reference=elsewhere(sessions, gateway, now))
    with sessions.begin() as session:
        one, other = session.scalars(select(Proof).order_by(Proof.id))
        with pytest.raises(CannotOpen, match="not among"):
            claims.open_proof(session, desk["farai"], one.id, keyring.read(keyring.new_key("new")), now=now)
        one.sealed, ids = other.sealed, one.id
    with pytest.raises(CannotOpen, match="changed"), sessions.begin() as session:
        claims.open_proof(session, desk["farai"], ids, KEYS, now=now)


def test_without_a_key_a_proof_is_refused_and_the_word_can_still_be_kept(sessions, desk, now):
    with pytest.raises(CannotOpen, match="ENCRYPTION_KEYS"):
        claimed(sessions, desk, now, pdf(), keys=KeyRing())
    with sessions.read() as session:
        assert session.scalars(select(Claim)).all() == []
    claimed(sessions, desk, now, keys=KeyRing())


# -- how to pay by EFT ---------------------------------------------------------------------------------


def test_a_sheet_names_account_amount_exact_reference_and_day(sessions, desk, now):
    with sessions.read() as session:
        sheet = eft.sheet(session, desk["aisha"], desk["reference"], now=now)
        with pytest.raises(NotFound):
            eft.sheet(session, desk["carol"], desk["reference"], now=now)
    assert (sheet.account, sheet.amount) == (ACCOUNT, Money(15_000))
    assert sheet.spoken == desk["reference"].replace("_", "")
    assert sheet.due_on == date(2026, 11, 27), "two bank days before the event begins on Tuesday"
    for told in (sheet.spoken, "4071234567", "Devconf Trust", "R150.00", "27 Nov 2026"):
        assert told in sheet.text


@pytest.mark.parametrize(
    "begins, looked_at, told",
    [
        pytest.param(date(2026, 12, 1), 4, "until 27 Nov 2026", id="the last day that is in time"),
        pytest.param(date(2026, 12, 1), 5, "at once (sent today it is here by 1 Dec 2026)", id="a day later"),
        pytest.param(date(2026, 11, 23), 0, "at once (sent today it is here by 25 Nov 2026)", id="it runs"),
    ],
)
def test_nobody_is_told_to_pay_by_a_day_that_cannot_be_kept(sessions, desk, now, begins, looked_at, told):
    """*Pay by* named the day it was asked for, the event having begun, and said that an EFT takes two."""
    with sessions.begin() as session:
        event = session.scalars(select(Event).where(Event.code == "devconf")).one()
        event.starts_on = begins
        session.flush()
        on = now + timedelta(days=looked_at)
        sheet = eft.sheet(session, desk["aisha"], desk["reference"], now=on)
    assert sheet.until == told
    assert told in sheet.text


def test_whoever_pays_by_eft_needs_no_link(sessions, desk, now):
    with sessions.read() as session:
        reference = links.obligations.draft_reference(session, desk["aisha"], "devconf", demo=True)
    draft = links.Draft(reference, "devconf", Money(45_000), "Zanele Mokoena")
    with sessions.begin() as session:
        assert eft.ask(session, desk["aisha"], draft, now=now) == reference
        assert eft.ask(session, desk["aisha"], draft, now=now) == reference
    with sessions.read() as session:
        payment = payment_of(session, reference)
        assert (payment.status, payment.links) == (Status.OPEN, [])
    lookout.look(sessions, now=now + timedelta(days=9))
    with sessions.read() as session:
        assert session.scalars(select(Case)).all() == []
    with sessions.read() as session:
        assert integrity.examine(session) == ()


def test_an_account_is_changed_by_an_admin_and_the_one_before_stays_known(sessions, desk, now):
    new = Account("Other Bank", "Devconf Trust", "62000012345", "051001")
    for who in ("aisha", "farai"):
        with pytest.raises(NotAllowed), sessions.begin() as session:
            eft.set_account(session, desk[who], "devconf", new, now=now)
    with sessions.begin() as session:
        eft.set_account(session, desk["thandi"], "devconf", new, now=now)
        event_id = payment_of(session, desk["reference"]).event_id
        assert eft.account(session, desk["aisha"], "devconf") == new
        assert {one.number for one in eft.accounts_of(session, event_id)} == {ACCOUNT.number, new.number}
        assert eft.account(session, desk["carol"], "gala") is None
    with sessions.read() as session:
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "set_bank_account").order_by(AuditEntry.id.desc())
        ).first()
    assert (entry.detail["was"]["number"], entry.detail["became"]["number"]) == (ACCOUNT.number, new.number)


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": "12345"},
        {"number": "12345678901234"},
        {"branch_code": "2506"},
        {"holder": " "},
        {"bank": ""},
    ],
    ids=str,
)
def test_an_account_nobody_could_pay_into_is_refused(sessions, desk, now, wrong):
    from dataclasses import replace

    with pytest.raises(InvalidInput), sessions.begin() as session:
        eft.set_account(session, desk["thandi"], "devconf", replace(ACCOUNT, **wrong), now=now)
