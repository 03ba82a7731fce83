"""The pages of the desk: in which section each stands, who may open it, and which question it answers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from payments.access.people import Action, Person

APPROVALS = "Approvals"


@dataclass(frozen=True)
class Entry:
    """``action`` opens it; ``path`` is below ``pages``. ``answers`` is said in the guide."""

    action: Action
    path: str
    title: str
    icon: str
    answers: str


MENU: Mapping[str, tuple[Entry, ...]] = {
    "Monitor": (
        Entry(
            Action.SEE, "monitor/live", "Live", "monitoring",
            "What came in today, by hour, method and event, and how far payers get. It draws itself anew.",
        ),
        Entry(
            Action.SEE, "monitor/payments", "Payments", "receipt_long",
            "Where is this payment? One box finds it by any name, number or amount.",
        ),
        Entry(
            Action.SEE, "monitor/attention", "Needs attention", "flag",
            "What needs a person, why, since when, whose it is, and what can be done about it.",
        ),
        Entry(
            Action.SEE_APPROVALS, "monitor/approvals", APPROVALS, "how_to_reg",
            "What another person asked for that takes two: say yes or no.",
        ),
        Entry(
            Action.SEE_INBOX, "monitor/inbox", "Inbox", "inbox",
            "What the gateway sent, as it came, what it led to, and what was not believed.",
        ),
    ),
    "Finance": (
        Entry(
            Action.SEE_BANK, "finance/workbench", "Reconcile", "join",
            "Which bank line is which payment: what matched and why, and the short list that did not.",
        ),
        Entry(
            Action.SEE_BANK, "finance/statements", "Statements", "account_balance",
            "Which files of which account are here. New ones are brought here, and can be taken back whole.",
        ),
        Entry(
            Action.SEE_BANK, "finance/closing", "Close", "lock",
            "Is this day or month in order? One signs it off, another approves, and it is locked.",
        ),
        Entry(
            Action.SEE_BANK, "finance/payouts", "Payouts", "savings",
            "Which payments make up a sum from the gateway, what it cost, and what is late or short.",
        ),
        Entry(
            Action.SEE_BANK, "finance/rules", "Rules", "rule",
            "What the desk does with lines by itself, and how right it was in the last year.",
        ),
        Entry(
            Action.SEE_BANK, "finance/memory", "Payer memory", "psychology",
            "Who usually pays for whom, how the desk knows it, and how to make it forget.",
        ),
        Entry(
            Action.RECONCILE, "finance/refunds", "Refunds", "send_money",
            "Which refunds wait for the bank, which file they go in, and what came of each.",
        ),
        Entry(
            Action.RECORD, "finance/disputes", "Disputes", "gavel",
            "What payers contest at their bank, until when it is answered, with which evidence.",
        ),
        Entry(
            Action.RECORD, "finance/registrations", "Registrations", "group_add",
            "Who owes what, by a file from somebody else: looked at row by row before anything changes.",
        ),
        Entry(
            Action.RECORD, "finance/prices", "Prices", "sell",
            "What an event costs early and late, its extras and discount codes, and how many seats are left.",
        ),
        Entry(
            Action.EXPORT, "finance/reports", "Reports", "bar_chart",
            "Takings, revenue, what is open and what is expected of it, fees and VAT: on screen, as PDF "
            "and as spreadsheet.",
        ),
        Entry(
            Action.SCHEDULE, "finance/schedules", "Scheduled", "schedule_send",
            "Which reports and views go out by themselves, when and to whom, and who opened them.",
        ),
        Entry(
            Action.EXPORT, "finance/exports", "Exports", "download",
            "Who took which rows out of the desk, and whether a file somebody brings is one of them.",
        ),
        Entry(
            Action.SEE_BANK, "finance/legacy", "Earlier records", "archive",
            "What the system before this one recorded, and what could not be read of it.",
        ),
    ),
    "Door": (
        Entry(
            Action.ISSUE_LINK, "door/take", "Take a payment", "qr_code_2",
            "A link and its code to scan, cash, a card slip or an EFT, for who stands before you.",
        ),
        Entry(
            Action.TAKE_MONEY, "door/board", "Door board", "door_open",
            "May this person come in? Green, amber or red, by name or code.",
        ),
        Entry(
            Action.ISSUE_LINK, "door/sheet", "Many at once", "table_view",
            "Links for a whole list of people, by a spreadsheet that comes back with them.",
        ),
        Entry(
            Action.TAKE_MONEY, "door/shift", "My shift", "point_of_sale",
            "What is in my drawer. Count it, hand it over, and see what you took.",
        ),
    ),
    "Admin": (
        Entry(
            Action.MANAGE_EVENTS, "admin/events", "Events", "event",
            "Which events there are, their prices, deadlines and words, and who bills for them.",
        ),
        Entry(
            Action.MANAGE_PEOPLE, "admin/people", "People", "group",
            "Who may come in, as what, for which events and until when.",
        ),
        Entry(
            Action.MANAGE_EVENTS, "admin/systems", "Other systems", "webhook",
            "Which registration sites ask for payments here, and whether they were told what came of them.",
        ),
        Entry(
            Action.SEE_AUDIT, "admin/audit", "Audit", "history_edu",
            "Who changed what, when and why, and that nobody changed the record since.",
        ),
        Entry(
            Action.HANDLE_PRIVACY, "admin/privacy", "Privacy", "privacy_tip",
            "What people ask about their own data, until when, what is let go, and who saw what.",
        ),
        Entry(
            Action.MANAGE_SETTINGS, "admin/health", "Health", "monitor_heart",
            "How each part of the desk is, what to do about it, and whether the books add up.",
        ),
        Entry(
            Action.MANAGE_SETTINGS, "admin/settings", "Settings", "settings",
            "How this desk is set up, and with which addresses the gateway reaches it.",
        ),
    ),
    "You": (
        Entry(
            Action.SEE, "you/account", "Your account", "account_circle",
            "Your password, your app for codes, and where you are signed in.",
        ),
        Entry(
            Action.SEE, "you/guide", "Guide", "help",
            "What each page is for, what to do when, and what our words mean.",
        ),
    ),
}  # fmt: skip


def of(person: Person) -> Iterator[tuple[str, tuple[Entry, ...]]]:
    """The sections and pages that are somebody's."""
    for section, entries in MENU.items():
        if theirs := tuple(entry for entry in entries if person.may(entry.action)):
            yield section, theirs
