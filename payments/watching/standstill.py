"""The desk stands still: its books do not add up, so nobody changes them until somebody has looked.

Messages of the gateway are still kept and answered; acting on them waits. People still sign in, look,
export and shut others out. What asks is ``audit.record``: every change by a person goes through it.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from db.models import Meta
from payments.errors import Conflict

_KEY = "standstill"
#: What people may do meanwhile, by the action it is audited as.
STILL_ALLOWED = frozenset(
    {
        "sign_in",
        "sign_in_refused",
        "sign_out",
        "change_password",
        "prove",
        "refused",
        "prove_refused",
        "set_up_codes",
        "add_passkey",
        "remove_passkey",
        "use_recovery_code",
        "reset_codes",
        "make_sign_in_link",
        "invite_person",
        "forgot_password",
        "revoke_sessions",
        "revoke_session",
        "disable_person",
        "revoke_api_key",
        "stop_bank_account",
        "api_call",
        "export",
        "export_whole",
        "export_broken",
        "export_audit",
        "take_report",
        "pause_schedule",
        "end_schedule",
        "revoke_report_links",
        "snooze_alert",
        "open_proof",
        "command_backup",
        "restore_backup",
    }
)


@dataclass(frozen=True)
class Standstill:
    since: datetime
    reason: str


def current(session: Session) -> Standstill | None:
    row = session.get(Meta, _KEY)
    if row is None:
        return None
    told = json.loads(row.value)
    return Standstill(datetime.fromisoformat(told["since"]), told["reason"])


def begin(session: Session, reason: str, *, now: datetime) -> None:
    """From now on nobody changes anything. Standing still already, it keeps since when."""
    standing = current(session)
    since = standing.since if standing else now
    session.merge(Meta(key=_KEY, value=json.dumps({"since": since.isoformat(), "reason": reason})))


def end(session: Session) -> None:
    row = session.get(Meta, _KEY)
    if row is not None:
        session.delete(row)
        session.flush()


def refuse(session: Session) -> None:
    """Raises Conflict while the desk stands still: the first line of what a person changes."""
    if (standing := current(session)) is not None:
        raise Conflict(
            f"The desk is read-only: {standing.reason} Nothing was changed. "
            f"An admin finds what is wrong, and the way on, under Health."
        )
