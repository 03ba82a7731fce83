"""The settings: the only reader of the environment. What is wrong in it is told all at once."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path

from dotenv import dotenv_values

from payments.access import passkeys
from payments.access.identities import Claims
from payments.access.oidc import Registered
from payments.access.passkeys import Party
from payments.access.people import Role
from payments.asking.links import Addresses
from payments.errors import InvalidInput, quoted
from payments.keeping import keyring
from payments.keeping.keyring import KeyRing
from payments.keeping.stores import Store, store_of
from payments.personal_data.retention import Terms
from payments.schedules.outside import Outside
from payments.telling import chat
from payments.watching.alerts import ALWAYS_LOUD, QuietHours
from payments.web_address import LOOPBACK, taken_apart
from payments.working import lease

DEMO_APP_IDS = ("demo", "test")
DEMO_SECRETS = ("", "demo_secret")


@dataclass(frozen=True)
class Settings:
    """Everything that can be set, once read. Each is described in ``.env.example``."""

    app_id: str
    secret_key: str = field(repr=False)
    previous_secret_key: str = field(repr=False)
    base_url: str
    entity_id: str
    webhook_url: str
    return_url: str
    failure_url: str
    cancel_url: str
    link_hosts: tuple[str, ...]
    bad_signature_status: int
    sign_query: bool
    description_limit: int
    reference_limit: int
    database_url: str = field(repr=False)
    new_database_url: str = field(repr=False)
    data_dir: Path
    bind_address: str
    dashboard_port: int
    webhook_port: int
    simulator_port: int
    simulator_control_token: str = field(repr=False)
    dashboard_url: str
    proxy_hops: int
    mail_url: str = field(repr=False)
    mail_from: str
    alert_urls: tuple[str, ...] = field(repr=False)
    alert_quiet_hours: QuietHours
    metrics_token: str = field(repr=False)
    notify_loopback: bool
    report_domains: tuple[str, ...]
    sign_in_by: Registered | None
    sign_in_claims: Claims
    keys: KeyRing = field(repr=False)
    audit_keys: KeyRing = field(repr=False)
    worker_lease_s: int
    backup_folder: Path | None
    backup_copy: Store | None
    postgres_bin: Path | None
    terms: Terms

    @property
    def demo(self) -> bool:
        return self.app_id in DEMO_APP_IDS

    @property
    def mode(self) -> str:
        return "demo" if self.demo else "live"

    @property
    def addresses(self) -> Addresses:
        return Addresses(self.webhook_url, self.return_url, self.failure_url, self.cancel_url)

    @property
    def sign_in_back(self) -> str:
        """Where the provider of sign-ins sends people back to; it has to know this address."""
        return f"{self.dashboard_url}/signin/outside/back"

    @property
    def party(self) -> Party | None:
        """Whom passkeys are for; None where the desk's address is no name."""
        return passkeys.party_of(self.dashboard_url, "Paydesk demo" if self.demo else "Paydesk")

    @property
    def outside(self) -> Outside:
        return Outside(self.dashboard_url, self.report_domains, self.demo)


class _Reader:
    """Reads settings one by one and keeps what is wrong, so that all faults are told at once."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values
        self.faults: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        return self.values.get(name, "").strip() or default

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        text = self.text(name, str(default))
        if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
            self.faults.append(
                f"{name} must be a whole number from {lowest} to {highest}, not {quoted(text)}."
            )
            return default
        return int(text)

    def keys(self, name: str) -> KeyRing:
        try:
            return keyring.read(self.text(name))
        except InvalidInput as error:
            self.faults.append(f"{name}: {error}.")
            return KeyRing()

    def switch(self, name: str) -> bool:
        text = self.text(name, "no").lower()
        if text not in ("yes", "no"):
            self.faults.append(f"{name} must be yes or no, not {quoted(text)}.")
        return text == "yes"

    def folder(self, name: str) -> Path | None:
        text = self.text(name)
        return Path(text) if text else None

    def url(self, name: str, default: str, *, https: bool) -> str:
        text = self.text(name, default).rstrip("/")
        parts = taken_apart(text)
        if not text:
            self.faults.append(f"{name} is missing.")
        elif parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            self.faults.append(f"{name} must be a full web address, not {quoted(text)}.")
        elif https and parts.scheme != "https":
            self.faults.append(
                f"{name} must start with https:// in live mode: {quoted(text)} can be read on its way."
            )
        return text


def read_settings(environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env")) -> Settings:
    """Settings from the environment and, under it, a ``.env`` file.

    Raises InvalidInput with every fault, one a line.
    """
    stored = dotenv_values(env_file) if env_file and env_file.exists() else {}
    values = {name: value or "" for name, value in stored.items()} | dict(
        os.environ if environ is None else environ
    )
    reader = _Reader(values)
    demo = _demo_chosen(reader)
    settings = _read_all(reader, demo)
    if not demo:
        _check_live(reader, settings)
    if reader.faults:
        raise InvalidInput(
            "The settings need attention:\n" + "\n".join(f"  · {fault}" for fault in reader.faults)
        )
    return settings


def nothing_set(environ: Mapping[str, str] | None = None, env_file: Path = Path(".env")) -> bool:
    """Nobody has chosen a mode yet: no ``.env``, and no key of the gateway in the environment."""
    values = os.environ if environ is None else environ
    return not env_file.exists() and not any(
        values.get(name, "").strip() for name in ("IKHOKHA_APP_ID", "IKHOKHA_SECRET_KEY")
    )


def _demo_chosen(reader: _Reader) -> bool:
    app_id, secret = reader.text("IKHOKHA_APP_ID"), reader.text("IKHOKHA_SECRET_KEY")
    if not app_id and not secret:
        reader.faults.append(
            "IKHOKHA_APP_ID and IKHOKHA_SECRET_KEY are missing. "
            "For demo mode set IKHOKHA_APP_ID=demo (`make run` writes such a .env by itself)."
        )
        return True
    if app_id in DEMO_APP_IDS:
        if secret not in DEMO_SECRETS:
            reader.faults.append(
                f"IKHOKHA_APP_ID={app_id} chooses demo mode, but IKHOKHA_SECRET_KEY looks real. "
                f"Set both for live mode, or empty the secret for demo mode."
            )
        return True
    if not app_id:
        reader.faults.append("IKHOKHA_APP_ID is missing; the secret key alone cannot sign in to the gateway.")
    if secret in DEMO_SECRETS:
        reader.faults.append("IKHOKHA_SECRET_KEY is missing, and live mode cannot sign without it.")
    return False


def _read_all(reader: _Reader, demo: bool) -> Settings:
    data_dir = Path(reader.text("DATA_DIR", "var"))
    dashboard_port = reader.number("DASHBOARD_PORT", 8501, 1, 65535)
    webhook_port = reader.number("WEBHOOK_PORT", 8000, 1, 65535)
    simulator_port = reader.number("SIMULATOR_PORT", 8600, 1, 65535)
    public = f"http://127.0.0.1:{webhook_port}" if demo else ""
    app_id = reader.text("IKHOKHA_APP_ID", "demo" if demo else "")
    return_url = reader.url("IKHOKHA_RETURN_URL", public and f"{public}/return", https=not demo)
    gateway = f"http://127.0.0.1:{simulator_port}" if demo else "https://api.ikhokha.com"
    hosts = f"127.0.0.1:{simulator_port}" if demo else "securepay.ikhokha.red,securepay.ikhokha.com"
    return Settings(
        app_id=app_id,
        secret_key=reader.text("IKHOKHA_SECRET_KEY", "demo_secret" if demo else ""),
        previous_secret_key=reader.text("IKHOKHA_PREVIOUS_SECRET_KEY"),
        base_url=reader.url("IKHOKHA_BASE_URL", f"{gateway}/public-api/v1/api", https=not demo),
        entity_id=reader.text("IKHOKHA_ENTITY_ID", app_id),
        webhook_url=reader.url(
            "IKHOKHA_WEBHOOK_URL", public and f"{public}/webhooks/ikhokha", https=not demo
        ),
        return_url=return_url,
        failure_url=reader.url("IKHOKHA_FAILURE_URL", return_url, https=not demo),
        cancel_url=reader.url("IKHOKHA_CANCEL_URL", return_url, https=not demo),
        link_hosts=tuple(part.strip() for part in reader.text("IKHOKHA_LINK_HOSTS", hosts).split(",")),
        bad_signature_status=reader.number("IKHOKHA_BAD_SIGNATURE_STATUS", 401, 200, 499),
        sign_query=reader.switch("IKHOKHA_SIGN_QUERY"),
        description_limit=reader.number("IKHOKHA_DESCRIPTION_LIMIT", 100, 20, 500),
        reference_limit=reader.number("IKHOKHA_REFERENCE_LIMIT", 50, 24, 100),
        database_url=reader.text("DATABASE_URL", f"sqlite:///{data_dir}/paydesk.db"),
        new_database_url=reader.text("NEW_DATABASE_URL"),
        data_dir=data_dir,
        bind_address=reader.text("BIND_ADDRESS", "127.0.0.1"),
        dashboard_port=dashboard_port,
        webhook_port=webhook_port,
        simulator_port=simulator_port,
        simulator_control_token=reader.text("SIMULATOR_CONTROL_TOKEN"),
        dashboard_url=reader.url("DASHBOARD_URL", f"http://127.0.0.1:{dashboard_port}", https=False),
        proxy_hops=reader.number("PROXY_HOPS", 0, 0, 5),
        mail_url=reader.text("MAIL_URL", f"file:{data_dir}/mail" if demo else ""),
        mail_from=reader.text("MAIL_FROM", "Paydesk <desk@example.org>" if demo else ""),
        alert_urls=_alert_urls(reader),
        alert_quiet_hours=_quiet_hours(reader),
        metrics_token=reader.text("METRICS_TOKEN"),
        notify_loopback=reader.switch("NOTIFY_LOOPBACK") or demo,
        report_domains=_report_domains(reader, "example.org" if demo else ""),
        sign_in_by=_sign_in_by(reader),
        sign_in_claims=_sign_in_claims(reader),
        keys=reader.keys("ENCRYPTION_KEYS"),
        audit_keys=reader.keys("AUDIT_KEYS"),
        worker_lease_s=reader.number("WORKER_LEASE_S", lease.LASTS_S, 2, lease.LONGEST_S),
        backup_folder=reader.folder("BACKUP_FOLDER"),
        backup_copy=_backup_copy(reader),
        postgres_bin=reader.folder("POSTGRES_BIN"),
        terms=Terms(
            contact_months=reader.number("RETAIN_CONTACT_MONTHS", 12, 1, 120),
            money_years=reader.number("RETAIN_MONEY_YEARS", 5, 5, 30),
            message_days=reader.number("RETAIN_MESSAGE_DAYS", 90, 14, 365),
            access_months=reader.number("RETAIN_ACCESS_MONTHS", 12, 1, 120),
        ),
    )


def _alert_urls(reader: _Reader) -> tuple[str, ...]:
    urls = tuple(reader.text("ALERT_URLS").split())
    if urls and (fault := chat.fault(urls)):
        reader.faults.append(f"ALERT_URLS: {fault}.")
    return urls


def _report_domains(reader: _Reader, default: str) -> tuple[str, ...]:
    domains = tuple(reader.text("REPORT_DOMAINS", default).lower().replace(",", " ").split())
    for one in domains:
        if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", one):
            reader.faults.append(f"REPORT_DOMAINS takes domains such as example.org, not {quoted(one)}.")
    return domains


def _sign_in_by(reader: _Reader) -> Registered | None:
    """The issuer stands as it was typed: it is compared to the letter."""
    issuer, client_id = reader.text("OIDC_ISSUER"), reader.text("OIDC_CLIENT_ID")
    if not issuer:
        return None
    parts = taken_apart(issuer)
    here = parts is not None and parts.scheme == "http" and parts.hostname in LOOPBACK
    if parts is None or not parts.hostname or parts.username or not (parts.scheme == "https" or here):
        reader.faults.append(f"OIDC_ISSUER must be an https:// address, not {quoted(issuer)}.")
    if not client_id:
        reader.faults.append("OIDC_CLIENT_ID is missing; the provider of sign-ins gives one to this desk.")
    name = reader.text("OIDC_NAME", parts.hostname if parts and parts.hostname else "")
    return Registered(name, issuer, client_id, reader.text("OIDC_CLIENT_SECRET"))


def _sign_in_claims(reader: _Reader) -> Claims:
    roles: dict[str, Role] = {}
    for one in reader.text("OIDC_ROLES").split():
        value, _, role = one.rpartition("=")
        if not value or role not in tuple(Role):
            said = ", ".join(Role)
            reader.faults.append(
                f"OIDC_ROLES takes value=role, a role being one of {said}; not {quoted(one)}."
            )
        else:
            roles.setdefault(value, Role(role))
    return Claims(roles, reader.text("OIDC_ROLES_CLAIM", "roles"), reader.text("OIDC_EVENTS_CLAIM"))


def _backup_copy(reader: _Reader) -> Store | None:
    text = reader.text("BACKUP_COPY")
    try:
        return store_of(text) if text else None
    except InvalidInput as error:
        reader.faults.append(f"BACKUP_COPY {error}.")
        return None


def _quiet_hours(reader: _Reader) -> QuietHours:
    text = reader.text("ALERT_QUIET_HOURS", "22:00-06:00")
    try:
        start, end = (time.fromisoformat(part) for part in text.split("-"))
    except ValueError:
        reader.faults.append(f"ALERT_QUIET_HOURS must be two times such as 22:00-06:00, not {quoted(text)}.")
        return ALWAYS_LOUD
    return QuietHours(start, end)


def _check_live(reader: _Reader, settings: Settings) -> None:
    pages = (settings.return_url, settings.failure_url, settings.cancel_url)
    if settings.webhook_url and settings.webhook_url in pages:
        reader.faults.append(
            "IKHOKHA_WEBHOOK_URL is the same as a return page: the gateway would knock where payers walk in. "
            "Give it an address of its own, such as https://pay.example.org/webhooks/ikhokha."
        )
    if settings.mail_url.startswith("smtp") and not settings.mail_from:
        reader.faults.append("MAIL_FROM is missing; mail needs a sender.")
    if settings.backup_folder and not settings.keys.current:
        reader.faults.append(
            "BACKUP_FOLDER needs ENCRYPTION_KEYS: a backup holds names and addresses, and is only kept "
            "encrypted. `manage.py new-key` draws a key."
        )
    desk = taken_apart(settings.dashboard_url)
    if desk and desk.scheme == "http" and desk.hostname not in LOOPBACK:
        reader.faults.append(
            "DASHBOARD_URL must start with https:// unless it is this machine: whoever listens on the way "
            "could sign in as anybody."
        )
    api = taken_apart(settings.base_url)
    if api and api.hostname in LOOPBACK:
        reader.faults.append(
            "IKHOKHA_BASE_URL points at this machine, and live mode never talks to a simulator."
        )
