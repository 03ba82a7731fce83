"""The bank from the command line: in, proposed, accepted, undone, and out again."""

import json

import pytest
from typer.testing import CliRunner

import manage
from payments.access import staff
from payments.access.people import Role
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.lifecycle import Status
from tests.desk import ADMIN, issue, payment_of
from tests.test_pages import Desk, desk

__all__ = ["desk"]


@pytest.fixture
def run(desk: Desk, tmp_path):
    """Run a command as the demo admin; returns its JSON, or raises what it raised."""
    with desk.sessions.begin() as session:
        staff.create_person(
            session, ADMIN, name=ADMIN.name, email=ADMIN.email, role=Role.ADMIN, events=None, now=desk.now
        )

    def command(*words: str):
        done = CliRunner().invoke(manage.cli, [*words, "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.output)

    return command


def test_a_statement_goes_all_the_way_and_back(desk, run, tmp_path):
    exact, short = (issue(desk.sessions, desk.gateway, now=desk.now).reference for _ in range(2))
    file = tmp_path / "march.csv"
    rows = f"2026-11-23,EFT {exact},150.00,150.00\n2026-11-23,EFT {short},140.00,290.00\n"
    file.write_text(f"Date,Description,Amount,Balance\n{rows}")
    assert run("bank-account", "Events", "--number", "62 1234")["number"] == "621234"
    came = run("import-statement", str(file))
    assert (came["new"], came["rows"], came["lines"], came["headers_and_footers"]) == (2, 3, 2, 1)
    assert run("import-statement", str(file))["again"] is True
    told = run("propose")
    assert (told["accepted"], told["waiting"]) == ({"exact reference": 1}, {"amount": 1})
    waits = run("exceptions")
    (row,) = waits["rows"]
    assert (waits["at_risk"], row["candidates"][0]["payment"]) == ({"ZAR": 14_000}, short)
    match = run(
        "accept", str(row["line"]), "--payment", f"{short}=100", "--aside", "--why", "R40 of it was parking."
    )
    with desk.sessions.read() as session:
        assert (payment_of(session, exact).status, payment_of(session, short).received_minor) == (
            Status.PAID,
            10_000,
        )
    with pytest.raises(Conflict, match="are matched"):
        run("undo-import", str(came["file"]), "--why", "It was the wrong file.")
    assert run("undo", str(match["match"]), "--why", "It was not parking.")["line"] == row["line"]
    assert run("exceptions")["rows"][0]["reason"] == "undone"


def test_what_a_line_brings_too_much_stands_with_its_payment(desk, run, tmp_path):
    paid = issue(desk.sessions, desk.gateway, now=desk.now).reference
    file = tmp_path / "march.csv"
    file.write_text(f"Date,Description,Amount,Balance\n2026-11-23,EFT {paid},190.00,190.00\n")
    run("bank-account", "Events")
    run("import-statement", str(file))
    run("propose")
    line = str(run("exceptions")["rows"][0]["line"])
    with pytest.raises(InvalidInput, match="needs a payment to stand with"):
        run("accept", line, "--surplus", "--why", "For the next one.")
    run("accept", line, "--payment", paid, "--surplus", "--why", "For the next one.")
    (one,) = run("surplus", "list")["surplus"]
    assert (one["of"], one["left_minor"], one["line"]) == ([paid], 40_00, int(line))


def test_a_file_of_no_account_and_one_that_is_refused_are_sentences(run, tmp_path):
    file = tmp_path / "bad.csv"
    file.write_text("Date,Description,Amount,Balance\n2026-11-23,A,1.00,1.00\n2026-11-23,B,1.00,3.00\n")
    with pytest.raises(InvalidInput, match="row 3: The balance is broken"):
        run("import-statement", str(file))
    for command in ("read-statement", "import-statement"):
        file.write_text("Wanneer,Hoeveel\n2026-11-23,1.00\n")
        with pytest.raises(
            InvalidInput, match=r"row 1: No layout .* Give them with --mapping FILE, or bring"
        ):
            run(command, str(file))
        file.write_text("Date,Description,Amount,Balance\n03/04/2026,A,1.00,1.00\n")
        with pytest.raises(InvalidInput, match=r"row 2: .* Add --date-order dmy, or mdy\."):
            run(command, str(file))
    file.write_text("Date,Description,Amount,Balance\n2026-11-23,A,1.00,1.00\n")
    with pytest.raises(InvalidInput, match="bank-account NAME"):
        run("import-statement", str(file))


def test_an_account_is_meant_by_its_number_too_and_what_comes_next_is_said(run, tmp_path):
    """A file's lines lay there unasked, and a name alone was understood."""
    files = [tmp_path / f"{nth}.csv" for nth in range(3)]
    for nth, file in enumerate(files):
        file.write_text(f"Date,Description,Amount,Balance\n2026-11-2{nth},A {nth},1.00,1.00\n")
    one = run("bank-account", "Events", "--number", "62 1234 5678")
    run("bank-account", "2027")
    for file, said in zip(files, (str(one["id"]), "6212345678", "events"), strict=True):
        assert run("import-statement", str(file), "--account", said)["account"] == "Events"
    assert run("import-statement", str(files[0]), "--account", "2027")["account"] == "2027"
    with pytest.raises(NotFound, match=r"There are: 2027 \(2\), Events \(1\)\."):
        run("import-statement", str(files[0]), "--account", "7")
    files[0].write_text("Date,Description,Amount,Balance\n2026-11-27,B,1.00,1.00\n")
    done = CliRunner().invoke(manage.cli, ["import-statement", str(files[0]), "--account", "1"])
    assert "1 new lines" in done.output
    assert "`manage.py propose`" in done.output


def test_a_day_is_signed_approved_and_reopened_by_two_people(desk, run, tmp_path):
    with desk.sessions.begin() as session:
        staff.create_person(
            session, ADMIN, name="Farai", email="farai@example.org", role=Role.FINANCE, events=None,
            now=desk.now,
        )  # fmt: skip
    exact = issue(desk.sessions, desk.gateway, now=desk.now).reference
    file = tmp_path / "march.csv"
    file.write_text(f"Date,Description,Amount,Balance\n2026-11-20,EFT {exact},150.00,150.00\n")
    run("bank-account", "Events")
    run("import-statement", str(file))
    told = run("sign-off", "2026-11-20")
    assert (told["state"], told["closing_minor"]) == ("draft", 15_000)
    assert "nobody asked yet" in told["in_the_way"][0]
    run("propose")
    assert run("sign-off", "2026-11-20")["state"] == "ready"
    assert run("sign-off", "2026-11-20", "sign", "--why", "All there.")["state"] == "signed"
    with pytest.raises(NotAllowed, match="another person"):
        run("sign-off", "2026-11-20", "approve")
    by_farai = ("--as", "farai@example.org")
    told = run("sign-off", "2026-11-20", "approve", *by_farai)
    assert (told["state"], told["signer"], told["approver"]) == ("approved", ADMIN.name, "Farai")
    assert (told["matched"], told["in_the_way"]) == ({"count": 1, "minor": 15_000}, [])
    assert "is not over" in run("sign-off", "2026-11-20", "--month")["in_the_way"][0]
    assert run("sign-off", "2026-11-20", "reopen", "--why", "A fee is missing.")["state"] == "reopening"
    assert run("sign-off", "2026-11-20", "allow-reopen", *by_farai)["state"] == "ready"
    with pytest.raises(Conflict, match="is not signed"):
        run("sign-off", "2026-11-20", "keep-closed", "--why", "It was right.")
