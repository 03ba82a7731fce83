"""The desk in numbers, as Prometheus reads them. No name, no amount, no reference is among them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from sqlalchemy.orm import Session

from payments.access.people import SYSTEM
from payments.watching import alerts, vitals
from payments.watching.vitals import Health

#: What ``metrics`` is, for its reader.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics(session: Session, refused: Mapping[int, int], *, now: datetime) -> bytes:
    """The text of ``/metrics``. ``refused`` are the requests this process turned away, by status."""
    registry = CollectorRegistry()
    found = vitals.healthy(session, SYSTEM, now=now)
    for name, (help_, number) in _numbers(found, now).items():
        if number is not None:
            Gauge(f"paydesk_{name}", help_, registry=registry).set(number)
    _labelled(registry, "queue_depth", "What waits, by queue.", "queue", found.vitals.waiting)
    mails = {"queued": found.vitals.mail_queued, "failed": found.vitals.mail_failed}
    _labelled(registry, "mails", "Mails not sent, by state.", "state", mails)
    open_ones = {kind: sum(alert.kind is kind for alert in found.alerts) for kind in alerts.Kind}
    _labelled(registry, "alerts", "Alerts that are open, by kind.", "kind", open_ones)
    _labelled(registry, "hook_refused", "Requests turned away since the start.", "status", refused)
    return generate_latest(registry)


def _numbers(found: Health, now: datetime) -> dict[str, tuple[str, float | None]]:
    """By name: what it is, and how much; None when it is not known."""

    def age(moment: datetime | None) -> float | None:
        return (now - moment).total_seconds() if moment else None

    reach, report, last = found.reach, found.report, found.backups.last
    return {
        "last_event_age_seconds": ("Since the newest message.", age(found.vitals.last_event_at)),
        "event_lag_seconds": (
            "The longest a recent message took.",
            found.slowest.total_seconds() if found.slowest else None,
        ),
        "event_waited_seconds": (
            "How long a message waits already.",
            found.waited.total_seconds() if found.waited else 0,
        ),
        "worker_seen_age_seconds": ("Since the worker was seen.", age(found.vitals.pulse.seen_at)),
        "gateway_up": ("1: it answers.", int(not reach.fault) if reach else None),
        "gateway_latency_seconds": ("Of its last answer.", reach.latency_ms / 1000 if reach else None),
        "gateway_clock_skew_seconds": ("Its clock ahead of ours.", reach.skew_s if reach else None),
        "database_bytes": ("The size of the database.", found.database_bytes),
        "integrity_broken_rules": ("Rules that do not hold.", len(report.findings) if report else None),
        "integrity_age_seconds": ("Since the books were examined.", age(report.at if report else None)),
        "last_backup_seconds": ("Since the last backup.", age(last.at if last else None)),
        "last_backup_bytes": ("Its size.", last.size if last else None),
        "backup_failing": ("1: the last try failed.", int(bool(found.backups.fault))),
        "read_only": ("1: nobody may change anything.", int(found.standstill is not None)),
    }


def _labelled(
    registry: CollectorRegistry,
    name: str,
    help_: str,
    label: str,
    numbers: Mapping[Any, int],
) -> None:
    gauge = Gauge(f"paydesk_{name}", help_, [label], registry=registry)
    for key, number in numbers.items():
        gauge.labels(str(key)).set(number)
