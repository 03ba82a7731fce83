"""Who may do what, for which event: one table, deny by default."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from payments.errors import NotAllowed


class Role(StrEnum):
    ADMIN = "admin"
    FINANCE = "finance"
    ORGANISER = "organiser"
    VIEWER = "viewer"
    AUDITOR = "auditor"


class Action(StrEnum):
    SEE = "see"
    ISSUE_LINK = "issue_link"
    TAKE_MONEY = "take_money"
    EXPORT = "export"
    RECORD = "record"
    SEE_INBOX = "see_inbox"
    SEE_AUDIT = "see_audit"
    MANAGE_EVENTS = "manage_events"
    MANAGE_PEOPLE = "manage_people"
    MANAGE_SETTINGS = "manage_settings"


_EVERYBODY = frozenset(Role)
POLICY: Mapping[Action, frozenset[Role]] = {
    Action.SEE: _EVERYBODY,
    Action.ISSUE_LINK: frozenset({Role.ADMIN, Role.FINANCE, Role.ORGANISER}),
    Action.TAKE_MONEY: frozenset({Role.ADMIN, Role.FINANCE, Role.ORGANISER}),
    Action.EXPORT: frozenset({Role.ADMIN, Role.FINANCE, Role.ORGANISER, Role.AUDITOR}),
    Action.RECORD: frozenset({Role.ADMIN, Role.FINANCE}),
    Action.SEE_INBOX: frozenset({Role.ADMIN, Role.FINANCE, Role.AUDITOR}),
    Action.SEE_AUDIT: frozenset({Role.ADMIN, Role.AUDITOR}),
    Action.MANAGE_EVENTS: frozenset({Role.ADMIN}),
    Action.MANAGE_PEOPLE: frozenset({Role.ADMIN}),
    Action.MANAGE_SETTINGS: frozenset({Role.ADMIN}),
}


@dataclass(frozen=True)
class Person:
    """Somebody at the desk. ``events`` are the ids they may reach; None is all of them."""

    id: int
    name: str
    email: str
    role: Role
    events: frozenset[int] | None

    def may(self, action: Action, event_id: int | None = None) -> bool:
        """Whether the policy allows it, for this event when one is named."""
        reachable = event_id is None or self.events is None or event_id in self.events
        return reachable and self.role in POLICY.get(action, frozenset())


SYSTEM = Person(0, "Paydesk", "", Role.ADMIN, None)


def check(person: Person, action: Action, event_id: int | None = None) -> None:
    """Raises NotAllowed with a sentence when this person may not do this."""
    if not person.may(action, event_id):
        raise NotAllowed(f"{person.name} ({person.role}) may not {action.replace('_', ' ')} here. Ask an admin.")
