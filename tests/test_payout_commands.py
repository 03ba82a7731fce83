"""Payouts and rules from the command line: a file in, what a sum is made of, its bank line, and back."""

import json

import pytest
from typer.testing import CliRunner

import manage
from payments.errors import Conflict, InvalidInput, NotFound
from payments.reconciling import rule_book
from tests import test_settlements
from tests.desk import ADMIN
from tests.test_bank_commands import run
from tests.test_pages import Desk, desk
from tests.test_rule_book import HIRE
from tests.test_settlements import HEADS, MAPPING

__all__ = ["desk", "run"]


class Bench(test_settlements.Bench):
    """Payers of this desk, who pay through its gateway."""

    def __init__(self, desk: Desk):
        self.sessions, self.now, self.gateway = desk.sessions, desk.now, desk.gateway
        self.friday = desk.now - test_settlements.timedelta(days=3)


def shown(*words: str) -> str:
    done = CliRunner().invoke(manage.cli, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def settlement(tmp_path, *rows: str):
    file, mapping = tmp_path / "settlement.csv", tmp_path / "mapping.json"
    file.write_text("\n".join((",".join(HEADS), *rows)))
    mapping.write_text(json.dumps(MAPPING.to_json()))
    return str(file), str(mapping)


def banked(run, tmp_path, amount: str) -> None:
    file = tmp_path / "bank.csv"
    file.write_text(f"Date,Description,Amount,Balance\n2026-11-23,MAGTAPE CREDIT IKHOKHA,{amount},{amount}\n")
    run("bank-account", "Events")
    run("import-statement", str(file))
    run("propose")


def test_a_payout_goes_from_its_file_to_its_line_and_back(desk, run, tmp_path):
    bench = Bench(desk)
    file, mapping = settlement(tmp_path, bench.row(bench.paid()))
    came = run("payouts", "import", file, "--mapping", mapping)
    assert (came["payouts"], came["captures"], came["again"]) == (1, 1, False)
    assert run("payouts", "import", file)["again"] is True  # its columns are remembered
    (payout,) = run("payouts", "list")["payouts"]
    off = sum(payout[name] for name in ("fee_minor", "vat_minor", "payout_fee_minor", "less_minor"))
    assert payout["gross_minor"] - off + payout["difference_minor"] == payout["net_minor"]
    banked(run, tmp_path, "1400.00")
    told = run("payouts", "show", "1")
    (line,) = told["may_be"]
    assert line["off_minor"] == 1400_00 - payout["net_minor"]
    assert [one["kind"] for one in told["lines"]] == ["capture"]
    with pytest.raises(InvalidInput, match="Say why"):
        run("payouts", "tie", "1", str(line["line"]))
    match = run("payouts", "tie", "1", str(line["line"]), "--why", "iKhokha kept a SIM fee.")["match"]
    assert run("payouts", "list")["payouts"][0]["banked_minor"] == 1400_00
    with pytest.raises(Conflict, match="Undo those matches first"):
        run("payouts", "undo-import", "1", "--why", "It was another month.")
    run("undo", str(match), "--why", "It was another payout.")
    assert run("payouts", "undo-import", "1", "--why", "It was another month.")["payouts"] == 1
    assert run("payouts", "list")["payouts"] == []


def test_a_lump_sum_is_explained_or_all_that_fits_is_listed(desk, run, tmp_path):
    bench = Bench(desk)
    bench.paid()
    banked(run, tmp_path, "1420.00")
    told = run("payouts", "explain")
    assert (told["asked"], told["explained"]) == (1, 0)
    (waits,) = told["waiting"]
    assert waits["explanations"]
    assert waits["key"] in shown("payouts", "explain")
    with pytest.raises(NotFound, match="no explanation that was found"):
        run("payouts", "explain", "--take", "line:99=1")
    with pytest.raises(InvalidInput):
        run("payouts", "explain", "--take", f"{waits['key']}=1")
    taken = run("payouts", "explain", "--take", f"{waits['key']}=1", "--why", "Their letter says so.")
    assert run("payouts", "list")["payouts"][0]["payout"] == taken["payout"]
    assert "R1\xa0500.00" in shown("payouts", "show", str(taken["payout"]))


def test_a_file_whose_columns_nobody_knows_is_a_sentence(run, tmp_path):
    file, _ = settlement(tmp_path)
    with pytest.raises(InvalidInput):
        run("payouts", "import", file)
    with pytest.raises(InvalidInput, match="not a mapping of a settlement file"):
        run("payouts", "import", file, "--mapping", file)


def test_rules_are_listed_and_tried_on_the_year(desk, run):
    with desk.sessions.begin() as session:
        rule_book.save(session, ADMIN, HIRE, now=desk.now)
    told = {one["name"]: one for one in run("rules", "list")["rules"]}
    assert (told["hall hire"]["state"], told["hall hire"]["of_every_desk"]) == ("off", False)
    assert any(one["of_every_desk"] for one in told.values())
    assert run("rules", "back-test", "Hall hire")["fits"] == 0
    assert "would have matched none of 0 lines" in shown("rules", "back-test", "hall hire")
    assert "hall hire" in shown("rules", "list")
    with pytest.raises(NotFound, match="rules list"):
        run("rules", "back-test", "nobody's")
