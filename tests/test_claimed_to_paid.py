"""Claimed becomes paid by the gateway's word, a till's receipt, a bank line, or two people: by nothing else.

Shown twice: every public function that takes a person is called as every role, with a claimed payment in
all its arguments, and only the doors named here make it paid; and nothing else in the code writes money
down or makes a payment paid.
"""

import ast
import importlib
import inspect
import itertools
import json
import pkgutil
import shutil
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

import payments
from db.money import Money
from db.session import Sessions, open_engine
from payments.access.people import Person, Role
from payments.at_the_door import claims, shifts
from payments.at_the_door.claims import ClaimDraft
from payments.errors import PaymentsError
from payments.keeping import keyring
from payments.keeping.keyring import KeyRing
from payments.lifecycle import Status
from payments.matching.rules import Contains
from payments.proofs.files import Prepared
from payments.proofs.pdf import Told
from payments.second_person import two_people
from tests.desk import FakeGateway, issue, make_event, payment_of
from tests.rooms import room_of
from tests.test_approvals import somebody

PRICE = Money(15_000)
KEYS = keyring.read(keyring.new_key("test"))
PROOF = Prepared("pdf", b"%PDF-1.4", "0" * 64, told=Told(readable=False))
WHY = "The payer showed it on her phone"
#: The doors of ruling and issue, and who comes through each.
DOORS = {
    "door.take": {Role.ORGANISER},  # a till's receipt, in her own shift
    "two_people.approve": {Role.ADMIN, Role.FINANCE},  # a second person
}


#: Not walked, since they take seconds each: one hashes passwords, the other reads for every condition.
SLOW = ("signin.change_password", "search.explain_empty")


# -- every public function, as every role --------------------------------------------------------------


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """The public functions of ``payments`` that take a person, by room and name."""
    for found in pkgutil.walk_packages(payments.__path__, "payments."):
        if found.name.endswith(".child"):
            continue
        module = importlib.import_module(found.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            takes = inspect.signature(function).parameters.values()
            person = any("Person" in str(parameter.annotation) for parameter in takes)
            where = f"{room_of(found.name)}.{name}"
            if function.__module__ == found.name and name[0] != "_" and person and where not in SLOW:
                yield where, function


class World:
    """A desk with one claimed payment, put back as it was whenever it is wanted."""

    def __init__(self, folder: Path, template: Path, now: datetime) -> None:
        self.now, self.path, self.kept = now, folder / "desk.db", folder / "kept.db"
        shutil.copyfile(template, self.path)
        self.engine = open_engine(f"sqlite:///{self.path}")
        self.sessions, self.gateway = Sessions(self.engine), FakeGateway()
        self.people: dict[Role, Person] = {}
        self._claimed()
        self.engine.dispose()  # the last connection to close folds the WAL into the file
        shutil.copyfile(self.path, self.kept)

    def _claimed(self) -> None:
        with self.sessions.begin() as session:
            make_event(session, now=self.now)
            make_event(session, "gala", now=self.now)
            for role in Role:
                self.people[role] = somebody(session, role.title(), role, now=self.now)
            asker = somebody(session, "Asker", Role.ORGANISER, now=self.now)
        self.reference = issue(self.sessions, self.gateway, now=self.now).reference
        with self.sessions.begin() as session:
            shifts.open_shift(session, self.people[Role.ORGANISER], "devconf", "Door", Money(0), now=self.now)
            draft = ClaimDraft("first", self.reference, PRICE, self.now.date(), "REG 1")
            claims.record(session, asker, draft, PROOF, KEYS, now=self.now)
            two_people.ask_paid(session, asker, self.reference, PRICE, WHY, now=self.now)

    @property
    def changed(self) -> bool:
        """Whether anything was written since it was put back."""
        log = Path(f"{self.path}-wal")
        return log.exists() and log.stat().st_size > 0

    def restore(self) -> None:
        if not self.changed:
            return
        self.engine.dispose()
        for leftover in ("-wal", "-shm"):
            Path(f"{self.path}{leftover}").unlink(missing_ok=True)
        shutil.copyfile(self.kept, self.path)

    def status(self) -> Status:
        if not self.changed:
            return Status.CLAIMED
        with self.sessions.read() as session:
            return Status(payment_of(session, self.reference).status)

    # what a parameter is given

    def values(self, name: str, kind: Any) -> list[Any]:
        """What to try for a parameter, from what it is called and what it may be."""
        if name in ("by", "person") or kind is Person:
            return [None]  # filled in for each role
        named = {
            "event_code": ["devconf", "gala"], "category_id": [None], "limit": [10], "wanted_codes": [()],
            "key": ["another"], "method": ["eft"], "payer_email": ["zanele@example.org"], "code": ["devconf"],
            "condition": [Contains(self.reference)],
            "data": [b"", self.old_record()], "currency": ["ZAR"],
        }  # fmt: skip
        if name in named:
            return named[name]
        return self._by_kind(name, kind)

    def old_record(self) -> bytes:
        """A record of the earlier system that says of this very payment that a person approved it."""
        fields_ = {
            "transaction_reference": self.reference,
            "payment_status": "approved",
            "total_amount": 1500,
        }
        return json.dumps([fields_]).encode()

    def _by_kind(self, name: str, kind: Any) -> list[Any]:
        given = {
            Money: PRICE, datetime: self.now, date: self.now.date(), bool: True, int: 1, bytes: b"",
            KeyRing: KEYS, Prepared: PROOF,
        }  # fmt: skip
        if kind is str:
            about = any(part in name for part in ("why", "reason", "note", "text", "wording"))
            return [WHY] if about else [self.reference]
        if kind in given:
            return [given[kind]]
        origin = typing.get_origin(kind)
        if origin in (typing.Union, types.UnionType):
            return list(itertools.chain(*(self._by_kind(name, one) for one in typing.get_args(kind))))[:3]
        if kind is type(None):
            return [None]
        if isinstance(kind, type) and issubclass(kind, Enum):
            return list(kind)
        if is_dataclass(kind):
            return list(self._dataclasses(kind))
        return [self._other(name, kind, origin)]

    def _dataclasses(self, kind: Any) -> Iterator[Any]:
        """One with what it must have, and one with everything that it can have, where there is such."""
        hints = typing.get_type_hints(kind)
        for whole in (False, True):
            with suppress(PaymentsError):
                yield kind(
                    **{
                        one.name: self.values(one.name, hints[one.name])[0]
                        for one in fields(kind)
                        if one.init and (whole or (one.default is MISSING and one.default_factory is MISSING))
                    }
                )

    def _other(self, name: str, kind: Any, origin: Any) -> Any:
        if name == "gateways":
            return {"ikhokha": self.gateway}
        if name == "gateway":
            return self.gateway
        if origin in (Mapping, dict):
            return {}
        if origin is Callable:
            return lambda *told: None
        if origin in (Sequence, list, tuple, frozenset, set) or origin is not None:
            return [self.values(name, typing.get_args(kind)[0])[0]] if typing.get_args(kind) else []
        return None


def tries(world: World, function: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    """Arguments for a function: every member where it takes an enum, else one of each, at most two dozen."""
    hints = typing.get_type_hints(function)
    names = [name for name in inspect.signature(function).parameters if name not in ("session", "sessions")]
    choices = [world.values(name, hints[name]) for name in names]
    for given in itertools.islice(itertools.product(*choices), 24):
        yield dict(zip(names, given, strict=True))


def called(world: World, function: Callable[..., Any], person: Person, given: dict[str, Any]) -> bool:
    """Whether it did what it does. What it was given may be nonsense: then it must change nothing."""
    hints = typing.get_type_hints(function)
    ours = {name: person for name in given if name in ("by", "person") or hints[name] is Person}
    try:
        if hints.get("sessions") is Sessions:
            function(world.sessions, **given | ours)
        elif hints.get("session") is Session:
            with world.sessions.begin() as session:
                result = function(session, **given | ours)
                if inspect.isgenerator(result):
                    list(result)
        else:
            function(**given | ours)
    except PaymentsError:
        return False
    except (TypeError, AttributeError, ValueError, KeyError, AssertionError, IndexError):
        return False  # nonsense among what it was given
    return True


def test_no_function_makes_what_is_claimed_paid_but_the_doors(tmp_path, sqlite_template, now):
    world = World(tmp_path, sqlite_template, now)
    led: dict[str, set[Role]] = {}
    did: set[str] = set()
    for name, function in functions():
        for role, person in world.people.items():
            world.restore()
            for given in tries(world, function):
                if called(world, function, person, given):
                    did.add(name)
                if world.status() is Status.PAID:
                    led.setdefault(name, set()).add(role)
                    break
    world.engine.dispose()
    assert led == DOORS
    reached = {
        "attention.decide", "approvals.approve", "claims.record", "claims.drop", "claims.open_proof",
        "deeds.do", "links.shared", "moves.move", "notes.add", "sync.ask_for", "two_people.ask_waiver",
    }  # fmt: skip
    assert reached <= did, "the walk no longer reaches what it means to"


# -- the code itself ---------------------------------------------------------------------------------------

#: Who writes down money that is here, and on whose word.
RECEIVING = {
    "answers._take": "the gateway, when it was asked",
    "door._receive": "a till's numbered receipt",
    "two_people._paid": "two people",
    "reconciliation._receive": "a bank line that a person matched, or that a rule did",
    "surplus._pay": "what a bank line brought too much, moved by a person",
}


def calls_in(room: str, tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Call):
                    yield f"{room}.{function.name}", node


@cache
def rooms() -> list[tuple[str, ast.Module]]:
    root = Path(payments.__path__[0])
    paths = (*root.glob("**/*.py"), *root.parent.glob("commands/*.py"), *root.parent.glob("pages/**/*.py"))
    return [(path.stem, ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def test_money_is_written_down_by_these_and_nobody_else():
    receiving = {
        where
        for room, tree in rooms()
        for where, call in calls_in(room, tree)
        if ast.unparse(call.func) in ("lifecycle.receive", "receive", "Receipt")
    }
    assert receiving - {"lifecycle.receive"} == set(RECEIVING)


def test_only_money_that_is_all_here_makes_a_payment_paid():
    """``advance`` is told to make it paid in one place: where the receipts add up."""
    paying = {
        where
        for room, tree in rooms()
        for where, call in calls_in(room, tree)
        if ast.unparse(call.func).endswith("advance")
        and any(
            "PAID" in ast.unparse(given) and "UNPAID" not in ast.unparse(given) for given in call.args[2:]
        )
    }
    assert paying == {"lifecycle._settle", "lifecycle.refund_came_back"}  # there, all of it is here still


def test_a_status_is_written_in_one_place():
    writing = {
        room
        for room, tree in rooms()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and any(ast.unparse(target).endswith("payment.status") for target in node.targets)
    }
    assert writing == set()
