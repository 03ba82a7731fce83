"""What search is measured beside: Datasette's ``contains``, Django's admin, and three LIKEs with a count.

All of them look over one table, ``payments`` as the desk has it or, on SQLite, a copy of its columns with the
same indexes: Datasette would trip over an index of three letters that its SQLite does not know.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import django
from django.apps import apps
from django.conf import settings
from sqlalchemy import Engine, text

COLUMNS = ("reference", "payer_name", "payer_email")
Search = Callable[[str], int]
_LIKE = "reference LIKE {0} OR payer_name LIKE {0} OR payer_email LIKE {0}"


def copy_for_peers(desk: Path, peers: Path) -> None:
    with closing(sqlite3.connect(f"file:{peers}", uri=True)) as connection:
        connection.execute("ATTACH ? AS desk", (f"file:{desk}?mode=ro",))
        connection.executescript(
            """
            CREATE TABLE payments (id INTEGER PRIMARY KEY, reference TEXT, payer_name TEXT, payer_email TEXT,
              event_id INTEGER, status TEXT, amount_minor INTEGER, created_at TEXT);
            INSERT INTO payments SELECT id, reference, payer_name, payer_email, event_id, status,
              amount_minor, created_at FROM desk.payments;
            CREATE UNIQUE INDEX peers_reference ON payments (reference);
            CREATE INDEX peers_status ON payments (status, id);
            CREATE INDEX peers_created ON payments (created_at, id);
            ANALYZE main;
            """
        )


def like_pair(engine: Engine) -> Search:
    """The fifty newest, and how many there are."""
    page = text(
        f"SELECT id, {', '.join(COLUMNS)} FROM payments WHERE {_LIKE.format(':q')} ORDER BY id DESC LIMIT 50"
    )
    count = text(f"SELECT count(*) FROM payments WHERE {_LIKE.format(':q')}")

    def search(words: str) -> int:
        with engine.connect() as connection:
            connection.execute(page, {"q": f"%{words}%"}).all()
            return int(connection.execute(count, {"q": f"%{words}%"}).scalar_one())

    return search


def datasette(path: Path) -> Search:
    """Its page of JSON for ``payer_name__contains``, with its count, in this process."""
    from datasette.app import Datasette

    served = Datasette([str(path)], settings={"sql_time_limit_ms": 60_000, "default_page_size": 50})
    loop = asyncio.new_event_loop()

    def search(words: str) -> int:
        address = f"/{path.stem}/payments.json?payer_name__contains={quote(words)}&_shape=objects"
        answer = loop.run_until_complete(served.client.get(address))
        assert answer.status_code == 200, answer.text
        return int(answer.json()["filtered_table_rows_count"] or 0)

    return search


def django_admin(url: str) -> Search:
    """Its change list with a search over three columns, rendered, in this process."""
    _configure(url)
    from django.contrib import admin
    from django.contrib.auth.models import User
    from django.db import models
    from django.test import RequestFactory

    if "payments" in apps.all_models["auth"]:
        model: Any = apps.all_models["auth"]["payments"]
    else:
        fields: dict[str, Any] = {name: models.TextField() for name in COLUMNS}
        meta = type("Meta", (), {"app_label": "auth", "managed": False, "db_table": "payments"})
        fields |= {"id": models.BigAutoField(primary_key=True), "__module__": __name__, "Meta": meta}
        model = type("Payments", (models.Model,), fields)
    options = type(
        "PaymentsAdmin",
        (admin.ModelAdmin,),
        {"search_fields": COLUMNS, "list_display": COLUMNS, "list_per_page": 50, "ordering": ("-id",)},
    )
    if not admin.site.is_registered(model):  # else its page has no addresses to draw
        admin.site.register(model, options)
    listed = options(model, admin.site)
    person = User(username="b", is_staff=True, is_superuser=True, is_active=True)

    def search(words: str) -> int:
        request = RequestFactory().get("/", {"q": words})
        request.user = person  # type: ignore[assignment]
        answer = listed.changelist_view(request)
        answer.render()
        return int(answer.context_data["cl"].result_count)

    return search


def _configure(url: str) -> None:
    from sqlalchemy.engine import make_url

    parsed = make_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    database = {
        "ENGINE": f"django.db.backends.{'sqlite3' if sqlite else 'postgresql'}",
        "NAME": parsed.database,
        "USER": parsed.username or "",
        "HOST": parsed.query.get("host", parsed.host or ""),
    }
    if settings.configured:
        from django.db import connections

        connections["default"].close()
        connections.databases["default"].update(database)
        del connections["default"]
        return
    settings.configure(
        DEBUG=False, SECRET_KEY="benchmark", ROOT_URLCONF=__name__, DATABASES={"default": database},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", USE_TZ=True, STATIC_URL="/static/",
        INSTALLED_APPS=[
            "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
            "django.contrib.messages", "django.contrib.sessions", "django.contrib.staticfiles",
        ],
        TEMPLATES=[{
            "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
            "OPTIONS": {"context_processors": [
                "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
            ]},
        }],
    )  # fmt: skip
    django.setup()


#: Django asks for addresses while it draws; they lead nowhere.
def __getattr__(name: str) -> Any:
    if name != "urlpatterns":
        raise AttributeError(name)
    from django.contrib import admin
    from django.urls import path

    return [path("admin/", admin.site.urls)]


def milliseconds(search: Search, words: str, times: int) -> float:
    """The median of some, after one that warms up."""
    search(words)
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        search(words)
        taken.append((time.perf_counter() - start) * 1000)
    return sorted(taken)[len(taken) // 2]
