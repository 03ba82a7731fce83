"""A registration site that takes payments through Paydesk: register, pay, be confirmed.

A registration is complete when a signed notification says so, never because a browser came back. Start a demo
desk with `make run`, then::

    export PAYDESK_KEY=$(.venv/bin/python manage.py api-key DEVCONF "Registration site")
    export PAYDESK_SECRET=$(.venv/bin/python manage.py notify DEVCONF http://127.0.0.1:5000/paydesk)
    .venv/bin/python examples/registration_site.py
"""

import os
import secrets
import sqlite3
from collections.abc import Mapping

from client import Paydesk, Refused
from flask import Flask, Response, abort, redirect, render_template_string, request, url_for
from standardwebhooks import Webhook, WebhookVerificationError
from werkzeug.wrappers import Response as Redirect

PRICE_MINOR = 150_000
TABLES = """
    CREATE TABLE IF NOT EXISTS registrations (
        id TEXT PRIMARY KEY, wish TEXT, name TEXT, email TEXT, reference TEXT DEFAULT ''
    );
    CREATE TABLE IF NOT EXISTS completions (id INTEGER PRIMARY KEY, registration TEXT UNIQUE, message TEXT);
"""
PAGE = """<!doctype html><html lang="en"><title>Registration</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><h1>{{ title }}</h1>
{% if registration is none %}<form method="post">
<p><label>Name <input name="name" required maxlength="120"></label></p>
<p><label>E-mail <input name="email" type="email" required></label></p>
<button>Register and pay</button></form>
{% else %}<p role="status">{{ says }}</p>
{% if link %}<a href="{{ link }}">Pay now</a>{% endif %}{% endif %}"""


def create_site(settings: Mapping[str, str]) -> Flask:
    """PAYDESK_URL, PAYDESK_KEY and PAYDESK_SECRET as the desk gave them; SITE_DB is a file."""
    site = Flask(__name__)
    desk = Paydesk(settings.get("PAYDESK_URL", "http://127.0.0.1:8000"), settings["PAYDESK_KEY"])
    webhook = Webhook(settings["PAYDESK_SECRET"])
    path = settings.get("SITE_DB", "site.db")

    def database() -> sqlite3.Connection:
        opened = sqlite3.connect(path, isolation_level=None, timeout=10)
        opened.row_factory = sqlite3.Row
        return opened

    database().executescript(TABLES)

    @site.get("/")
    def form() -> str:
        return render_template_string(PAGE, title="Register for the conference", registration=None)

    @site.post("/")
    def register() -> Redirect:
        """Keep the registration and its wish first: what is lost after can be asked for again."""
        own_id = f"R-{secrets.token_hex(6)}"
        database().execute(
            "INSERT INTO registrations (id, wish, name, email) VALUES (?, ?, ?, ?)",
            (own_id, secrets.token_hex(16), request.form["name"], request.form["email"]),
        )
        return redirect(url_for("pay", own_id=own_id), 303)

    @site.get("/registrations/<own_id>/pay")
    def pay(own_id: str) -> Redirect | Response:
        """On to the gateway's page. Loaded fifty times, it is one payment: the wish is the same."""
        row = found(own_id)
        back = url_for("registration", own_id=own_id, _external=True)
        try:
            told = desk.ask(
                own_id, PRICE_MINOR, row["wish"],
                payer_name=row["name"], payer_email=row["email"], return_url=back,
            )  # fmt: skip
        except Refused as refused:
            return Response(str(refused), 503 if refused.again else 502, content_type="text/plain")
        database().execute("UPDATE registrations SET reference = ? WHERE id = ?", (told["reference"], own_id))
        return redirect(told["link"] or back, 303)

    @site.get("/registrations/<own_id>")
    def registration(own_id: str) -> str:
        row = found(own_id)
        done = database().execute("SELECT 1 FROM completions WHERE registration = ?", (own_id,)).fetchone()
        says = "Your registration is complete." if done else "We wait for your payment."
        link = None if done else url_for("pay", own_id=own_id)
        return render_template_string(PAGE, title=row["name"], registration=row, says=says, link=link)

    @site.post("/paydesk")
    def told() -> tuple[str, int]:
        """What Paydesk tells. The same message may come twice: it completes once."""
        try:
            message = webhook.verify(request.get_data(), dict(request.headers))
        except WebhookVerificationError:
            abort(401)
        payment = message["data"]
        if payment["complete"]:
            database().execute(
                "INSERT OR IGNORE INTO completions (registration, message) VALUES (?, ?)",
                (payment["registration_id"], request.headers["webhook-id"]),
            )
        elif message["type"] in ("payment.refunded", "payment.reopened"):
            database().execute(
                "DELETE FROM completions WHERE registration = ?", (payment["registration_id"],)
            )
        return "", 204

    def found(own_id: str) -> sqlite3.Row:
        row: sqlite3.Row | None = (
            database().execute("SELECT * FROM registrations WHERE id = ?", (own_id,)).fetchone()
        )
        return row if row is not None else abort(404)

    return site


if __name__ == "__main__":
    create_site(os.environ).run(port=int(os.environ.get("PORT", "5000")))
