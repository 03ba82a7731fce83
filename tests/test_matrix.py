"""Who may do what, for every public function that takes a person: called as each role, for all events, for
its own, for another's. ``golden/matrix.txt`` is what came of it, to be read by a person when it changes.

Each place that asks the policy is then taken away, one at a time: a cell that it refused must change. A place
that no cell shows to refuse anything stands in ``golden/unseen_policy.txt``.
"""

import inspect
import re
import sys
import typing
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from db.session import Sessions
from payments.access import people
from payments.access.people import Action, Person, Role
from payments.errors import NotAllowed, NotFound, PaymentsError
from tests.rooms import room_of
from tests.test_claimed_to_paid import World, functions, tries

EXPECTED = Path(__file__).parent / "golden" / "matrix.txt"
ROOT = Path(people.__file__).parent
#: Which events somebody is here for: all, the one that everything is about, another one.
SCOPES = {"all": None, "own": frozenset({1}), "other": frozenset({2})}
LET, REFUSED, HIDDEN = "+", "-", "?"
#: Tries of a function's arguments in each cell: the first ones reach its policy.
TRIES = 1

Site = tuple[str, int]


class Policy:
    """Listens to every place that asks ``check`` or ``may``; ``skipped`` is one that is not there."""

    def __init__(self) -> None:
        self._lines = {
            name: inspect.getsource(module).splitlines()
            for name, module in list(sys.modules.items())
            if name.split(".")[0] == "payments"
        }
        self.asked: set[Site] = set()
        self.refusing: set[Site] = set()
        self.skipped: Site | None = None
        self._check, self._may = people.check, Person.may

    def check(self, person: Person, action: Action, event_id: int | None = None) -> None:
        site = _site()
        self.asked.add(site)
        if site == self.skipped:
            return
        if not self._may(person, action, event_id):
            self.refusing.add(site)
        self._check(person, action, event_id)

    def may(self, person: Person, action: Action, event_id: int | None = None) -> bool:
        site, allowed = _site(), self._may(person, action, event_id)
        if site[0] == "payments.access.people":
            return allowed
        self.asked.add(site)
        if not allowed:
            self.refusing.add(site)
        return allowed or site == self.skipped

    def told(self, site: Site) -> str:
        """``room: the line``: numbers of lines change too often. As it was when the rooms were imported: who
        edits one while this runs has moved its lines."""
        name, line = site
        return f"{room_of(name)}: {self._lines[name][line - 1].strip()}"


def _site() -> Site:
    """The line of ours that asked."""
    frame = sys._getframe(2)
    while not frame.f_globals["__name__"].startswith("payments"):
        assert frame.f_back is not None
        frame = frame.f_back
    return frame.f_globals["__name__"], frame.f_lineno


@pytest.fixture(scope="module")
def policy() -> Iterator[Policy]:
    """In place of the policy, in every room that has it by name."""
    list(functions())  # every room is imported
    listening, patch = Policy(), pytest.MonkeyPatch()
    for name, module in list(sys.modules.items()):
        if name.startswith("payments") and getattr(module, "check", None) is listening._check:
            patch.setattr(module, "check", listening.check)
    patch.setattr(Person, "may", lambda *given: listening.may(*given))
    yield listening
    patch.undo()


#: Statements that changed something since it was emptied.
WRITES: list[str] = []


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path, now: datetime) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("matrix"), sqlite_template, now)

    @event.listens_for(world.engine, "before_cursor_execute")
    def _listen(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE"):
            WRITES.append(statement)

    yield world
    world.engine.dispose()


def of_people() -> dict[str, Callable[..., Any]]:
    """The public functions that take somebody, and a database to do it in."""
    return {
        name: function
        for name, function in functions()
        if (hints := typing.get_type_hints(function)) and Person in hints.values()
        if {"session", "sessions"} & set(hints)
    }


def outcome(world: World, function: Callable[..., Any], person: Person) -> tuple[str, bool]:
    """Whether somebody is let, refused, or told there is no such thing; and whether it wrote anything."""
    told, wrote = HIDDEN, False
    for given in arguments(world, function):
        came, changed = _called(world, function, person, given)
        wrote |= changed
        told = came if REFUSED not in (told, came) else REFUSED
        if came == LET:
            break
    return told, wrote


@cache
def arguments(world: World, function: Callable[..., Any]) -> list[dict[str, Any]]:
    return list(islice(tries(world, function), TRIES))


@cache
def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    return typing.get_type_hints(function)


class _Enough(Exception):
    """What was done is looked at and rolled back."""


def _called(
    world: World, function: Callable[..., Any], person: Person, given: dict[str, Any]
) -> tuple[str, bool]:
    ours = {name: person for name in given if name in ("by", "person") or hints_of(function)[name] is Person}
    if hints_of(function).get("sessions") is Sessions:  # commits by itself, and is put back
        came = _came(lambda: _drained(function(world.sessions, **given | ours)))
        wrote = world.changed
        world.restore()
        return came, wrote
    WRITES.clear()

    def work() -> None:
        with suppress(_Enough), world.sessions.begin() as session:
            _drained(function(session, **given | ours))
            session.flush()
            raise _Enough

    came = _came(work)
    return came, bool(WRITES) and came == LET


def _came(work: Callable[[], None]) -> str:
    try:
        work()
    except NotAllowed:
        return REFUSED
    except NotFound:
        return HIDDEN
    except (PaymentsError, TypeError, AttributeError, ValueError, KeyError, AssertionError, IndexError):
        return LET  # nonsense among what it was given: nobody refused it
    return LET


def _drained(result: object) -> None:
    if inspect.isgenerator(result):
        with suppress(PaymentsError):
            list(result)


@pytest.fixture(scope="module")
def matrix(world: World, policy: Policy) -> "Matrix":
    return Matrix(world, policy)


class Matrix:
    """Every cell, which places refused it, and what wrote something as somebody who may only look."""

    def __init__(self, world: World, policy: Policy) -> None:
        self.cells: dict[tuple[str, Role, str], str] = {}
        self.refused_by: dict[Site, list[tuple[str, Role, str]]] = defaultdict(list)
        self.wrote: dict[str, set[str]] = defaultdict(set)
        self.asks: dict[str, set[Site]] = {}
        for name, function in of_people().items():
            policy.asked.clear()
            for role in Role:
                for scope, events in SCOPES.items():
                    policy.refusing.clear()
                    cell = (name, role, scope)
                    self.cells[cell], wrote = outcome(
                        world, function, replace(world.people[role], events=events)
                    )
                    for site in policy.refusing:
                        self.refused_by[site].append(cell)
                    if wrote:
                        self.wrote[name].add(f"{role} of {scope}")
            self.asks[name] = set(policy.asked)

    def told(self) -> str:
        lines = [f"{'':42} {' '.join(f'{role:9}' for role in Role)}".rstrip()]
        for name in sorted(self.asks):
            row = " ".join(f"{''.join(self.cells[name, role, scope] for scope in SCOPES):9}" for role in Role)
            lines.append(f"{name:42} {row}".rstrip())
        return "\n".join(lines) + "\n"


def test_the_matrix_is_what_somebody_read(matrix: Matrix, pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("--update-golden"):
        EXPECTED.write_text(matrix.told())
    assert matrix.told() == EXPECTED.read_text()


#: What somebody who may only look writes: how they look, files they may take, that they looked.
THEIRS = {
    "choices.choose_columns", "choices.choose_mail", "choices.keep_ledger", "choices.opened", "views.keep",
    "links.opened", "exports.presets.save", "exports.records.ask", "reports.keeping.keep",
    # of a file that they asked for themselves, and nobody else's
    "exports.records.break_off", "exports.records.finish", "exports.records.tell",
}  # fmt: skip


def test_nothing_is_written_by_somebody_who_may_only_look(matrix: Matrix) -> None:
    looking = {f"{role} of {scope}" for role in (Role.VIEWER, Role.AUDITOR) for scope in SCOPES}
    wrote = {name for name, by in matrix.wrote.items() if by & looking}
    assert sorted(wrote - THEIRS) == []


def test_whoever_changes_something_was_asked_by_the_policy(matrix: Matrix) -> None:
    assert sorted({name for name in matrix.wrote if not matrix.asks[name]} - THEIRS) == []


#: Places that no cell shows to refuse anything: another place has refused before them, what they are asked
#: about is not among what is tried, or they choose among people. Their room's own tests go through them.
UNSEEN = EXPECTED.with_name("unseen_policy.txt")


def test_a_place_that_asks_the_policy_is_missed_when_it_is_gone(
    matrix: Matrix, world: World, policy: Policy, pytestconfig: pytest.Config
) -> None:
    found, unseen = of_people(), set()
    for site, cells in sorted(matrix.refused_by.items()):
        policy.skipped = site
        if not any(
            outcome(world, found[name], replace(world.people[role], events=SCOPES[scope]))[0]
            != matrix.cells[name, role, scope]
            for name, role, scope in spread(cells)
        ):
            unseen.add(policy.told(site))
    policy.skipped = None
    unseen |= {policy.told(site) for asked in matrix.asks.values() for site in asked} - {
        policy.told(site) for site in matrix.refused_by
    }
    if pytestconfig.getoption("--update-golden"):
        UNSEEN.write_text("".join(f"{line}\n" for line in sorted(unseen)))
    assert sorted(unseen) == UNSEEN.read_text().splitlines()


def spread(cells: list[tuple[str, Role, str]]) -> list[tuple[str, Role, str]]:
    """A few of the cells, of as many functions as there are: what one asks behind it, another may not."""
    firsts = {cell[0]: cell for cell in reversed(cells[6:])}
    return [*cells[:6], *list(firsts.values())[-3:]]


# -- who must prove anew who they are -----------------------------------------------------------------

#: The guarded steps: what moves money or opens what is closed, and who may.
PROVEN = {
    "api_keys.ask", "api_keys.make", "api_keys.revoke", "approvals.approve", "bulk.start", "bulk.step",
    "eft.set_account", "eft.stop_account",
    "entrusting.add", "entrusting.ask_link", "entrusting.change", "entrusting.enable",
    "entrusting.reset_codes", "entrusting.set_account", "exports.records.ask", "fees.add_rates",
    "invitations.invite", "notifying.add",
    "notifying.ask", "notifying.ask_renewal", "notifying.renew_secret", "organisers.save",
    "passkeys.remove",
    "staff.change_person", "staff.create_person", "staff.disable_person",
    "staff.enable_person", "refund_orders.unmask", "refund_runs.file", "refund_runs.make",
    "refund_runs.sent", "retention.begin", "schedules.book.change", "schedules.book.make",
    "second_factor.reset", "sign_offs.ask_reopen", "sign_offs.reopen", "signin_links.make_sign_in_link",
    "subject_export.take", "subject_requests.erase", "subjects.proved", "two_people.ask_chargeback",
    "two_people.ask_refund",
}  # fmt: skip


def test_these_steps_ask_anew_who_one_is_and_no_others() -> None:
    asks = re.compile(r"\b_?proven\((?:person|by), ")
    assert {name for name, function in functions() if asks.search(inspect.getsource(function))} == PROVEN
