"""Every table, a file a noun. Rows never leave ``payments``: a page gets frozen dataclasses."""

from db.models.admission import Admission
from db.models.amounts import AmountChange
from db.models.api import ApiKey, ApiRequest, Notification, NotificationTry, NotifyEndpoint, Registration
from db.models.approvals import Approval
from db.models.bank import (
    BankAccount,
    LineException,
    LineSighting,
    Match,
    MatchPart,
    MatchRefusal,
    MemoryDrop,
    MemoryEdit,
    QuarantinedRow,
    StatementFile,
    StatementLine,
    StatementMapping,
    SurplusMove,
)
from db.models.base import Base
from db.models.claims import Claim, ClaimDrop, EventAccount, Proof, Refund
from db.models.closing import ClosingPaper, DayDraft, SignOff, SignOffStep
from db.models.desk import (
    Alert,
    Counter,
    JobRun,
    LeaseRow,
    LiveHour,
    MadeHour,
    Meta,
    PaidHour,
    Standing,
    Tally,
    TallyMonth,
)
from db.models.disputes import Dispute
from db.models.door import CardBatch, CashMove, DrawerCount, Reversal, Shift, Till, TillEntry, ZReport
from db.models.erasures import Erasure, ErasureDoor, SubjectRequest
from db.models.events import Category, Event, EventTerms
from db.models.exports import Export, ExportPreset
from db.models.inbox import Case, InboxEvent, UnverifiedEvent
from db.models.legacy import LegacyImport, LegacyIssue, LegacyRecord
from db.models.papers import PaperPart, PaperPrint, PaperRow, PaperSequence, PaperSeries
from db.models.past import KeptReport, PaymentPast, PayoutPast
from db.models.payments import Link, OutboxMail, Payment, Receipt, TimelineEntry
from db.models.payouts import FeeRates, Payout, PayoutFile, PayoutLine, PayoutMapping
from db.models.people import (
    AuditEntry,
    Passkey,
    PersonEvent,
    PersonIdentity,
    PersonRow,
    PersonSession,
    RecoveryCode,
    SecondFactor,
    SignInAttempt,
    SignInLink,
    UsedChallenge,
)
from db.models.places import Place
from db.models.prices import DiscountCode, Extra, PaymentLine, PricePeriod
from db.models.quotes import ExchangeRate, PaymentQuote, QuotePrice
from db.models.receipts import Organiser, ReceiptPrint
from db.models.refunds import BatchLayout, PayeeDetails, RefundOrder, RefundReturn, RefundRun
from db.models.registrations import RegistrationFile, RegistrationRow
from db.models.reminders import OptOut, Reminder, ReminderPlan
from db.models.rules import MatchRule, MatchRuleVersion
from db.models.schedules import Schedule, ScheduleLink, ScheduleOpening, ScheduleRun
from db.models.sheets import SheetFile, SheetLine, SheetPayment
from db.models.work import BulkRow, BulkRun, Choice, SavedView

__all__ = [
    "Admission",
    "Alert",
    "AmountChange",
    "ApiKey",
    "ApiRequest",
    "Approval",
    "AuditEntry",
    "BankAccount",
    "Base",
    "BatchLayout",
    "BulkRow",
    "BulkRun",
    "CardBatch",
    "Case",
    "CashMove",
    "Category",
    "Choice",
    "Claim",
    "ClaimDrop",
    "ClosingPaper",
    "Counter",
    "DayDraft",
    "DiscountCode",
    "Dispute",
    "DrawerCount",
    "Erasure",
    "ErasureDoor",
    "Event",
    "EventAccount",
    "EventTerms",
    "ExchangeRate",
    "Export",
    "ExportPreset",
    "Extra",
    "FeeRates",
    "InboxEvent",
    "JobRun",
    "KeptReport",
    "LeaseRow",
    "LegacyImport",
    "LegacyIssue",
    "LegacyRecord",
    "LineException",
    "LineSighting",
    "Link",
    "LiveHour",
    "MadeHour",
    "Match",
    "MatchPart",
    "MatchRefusal",
    "MatchRule",
    "MatchRuleVersion",
    "MemoryDrop",
    "MemoryEdit",
    "Meta",
    "Notification",
    "NotificationTry",
    "NotifyEndpoint",
    "OptOut",
    "Organiser",
    "OutboxMail",
    "PaidHour",
    "PaperPart",
    "PaperPrint",
    "PaperRow",
    "PaperSequence",
    "PaperSeries",
    "Passkey",
    "PayeeDetails",
    "Payment",
    "PaymentLine",
    "PaymentPast",
    "PaymentQuote",
    "Payout",
    "PayoutFile",
    "PayoutLine",
    "PayoutMapping",
    "PayoutPast",
    "PersonEvent",
    "PersonIdentity",
    "PersonRow",
    "PersonSession",
    "Place",
    "PricePeriod",
    "Proof",
    "QuarantinedRow",
    "QuotePrice",
    "Receipt",
    "ReceiptPrint",
    "RecoveryCode",
    "Refund",
    "RefundOrder",
    "RefundReturn",
    "RefundRun",
    "Registration",
    "RegistrationFile",
    "RegistrationRow",
    "Reminder",
    "ReminderPlan",
    "Reversal",
    "SavedView",
    "Schedule",
    "ScheduleLink",
    "ScheduleOpening",
    "ScheduleRun",
    "SecondFactor",
    "SheetFile",
    "SheetLine",
    "SheetPayment",
    "Shift",
    "SignInAttempt",
    "SignInLink",
    "SignOff",
    "SignOffStep",
    "Standing",
    "StatementFile",
    "StatementLine",
    "StatementMapping",
    "SubjectRequest",
    "SurplusMove",
    "Tally",
    "TallyMonth",
    "Till",
    "TillEntry",
    "TimelineEntry",
    "UnverifiedEvent",
    "UsedChallenge",
    "ZReport",
]
