"""The previous release does its work on this release's tables: who upgraded can go back without a restore.

It is taken out of the history; a copy without one cannot run this, and says that it skipped.
"""

import io
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

import bootstrap
import environment
from db.models import InboxEvent
from payments.books import chain, integrity
from payments.keeping import upgrading
from tests.hook import PATH, event, listens, signed, wait_until
from tests.running import PROJECT, demo_environ
from tests.served import Served, run

#: The commit that people run; when a release is made, set it to that one. Where a migration since is one that
#: it cannot work with this fails: mend the migration, or raise ``db.migrate.WORKS_FROM`` and say so.
RELEASE = "e789529ef409"
EMAIL = "thandi@example.org"
#: A release of before ``WORKS_FROM`` refuses whatever it does not know, and is kept from looking.
_UNASKED = (
    "import runpy, sys, db.migrate; db.migrate.pending = lambda _engine: [];"
    " runpy.run_path(sys.argv[1], run_name='__main__')"
)


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the previous release, as it was."""
    git = shutil.which("git")
    archive = [git, "archive", "--format=zip", RELEASE]
    got = subprocess.run(archive, cwd=PROJECT, capture_output=True) if git else None
    if got is None or got.returncode:
        pytest.skip(f"the previous release, {RELEASE}, is not in this copy's history: git fetch --unshallow")
    folder = tmp_path_factory.mktemp("previous")
    with zipfile.ZipFile(io.BytesIO(got.stdout)) as files:
        files.extractall(folder)
    return folder


def test_the_previous_release_issues_is_told_and_shows_on_these_tables(previous, new_database, tmp_path):
    environ = demo_environ(tmp_path, DATABASE_URL=new_database(True))
    app = bootstrap.build(environment.read_settings(environ, None))
    worked = subprocess.run(
        [sys.executable, PROJECT / "tests" / "previous_work.py", environ["DATABASE_URL"], tmp_path],
        cwd=previous, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert worked.returncode == 0, worked.stderr
    with ExitStack() as stack:
        for door in ("webhook.py", "server.py"):
            stack.enter_context(opened(previous, door, environ))
        ports = [app.settings.webhook_port, app.settings.dashboard_port]
        wait_until(lambda: all(listens(port) for port in ports), seconds=120)
        took = Served(app.settings.webhook_port, app, 0)
        body = event(link="of the previous release")
        kind = {"Content-Type": "application/json"}
        assert took.ask(PATH, method="POST", data=body, headers=signed(body) | kind).status_code == 200
        shows = Served(app.settings.dashboard_port, app, 0)
        signed_in = shows.post("/signin/link", token=shows.link(EMAIL))
        with shows.socket(signed_in.cookies["paydesk"]) as page:
            assert worked.stdout.strip() in run(page, "payments")
            assert "Newest payments" in run(page, "")
    upgrading.upgrade(app.sessions)  # and this release is back
    with app.sessions.read() as session:
        assert integrity.examine(session) == ()
    with app.sessions.read() as session:
        assert session.scalar(select(func.count()).where(InboxEvent.body == body)) == 1
        assert chain.verify(session).broken is None
    app.sessions.engine.dispose()


@contextmanager
def opened(release: Path, door: str, environ: dict[str, str]) -> Iterator[None]:
    command = [sys.executable, "-c", _UNASKED, door]
    with subprocess.Popen(command, cwd=release, env=environ) as process:
        try:
            yield
        finally:
            process.kill()
