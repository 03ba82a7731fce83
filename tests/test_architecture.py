"""How Paydesk is built, and that it stays so.

Doors are thin and few, one wiring closet, one room per noun, a cellar that only stores::

    server.py  dashboard.py  pages/** ─► ui ─┐
    webhook.py                               ├─► bootstrap, environment ─► payments ─► db
    manage.py  commands/                     ┘
    simulator ─► payments.gateways, db.money        only commands, tests and benchmarks import simulator

- **db** stores: money, tables, sessions, migrations. It knows nothing of ours above it.
- **payments** are the rules, one deep file a noun, in wings that say what the desk does. Its *pure* rooms
  know neither database nor network: what they say can be tested as a table. The others take ``session``
  first and never commit.
- **environment** is the only reader of the settings, **bootstrap** of the clock; moments enter everywhere
  else as ``now``.
- **Doors** open sessions and commit. People come in by ``server.py``, its
  ``signin_pages`` and ``pages/``, whoever got a report by mail by
  ``shared_pages``, their open live pages ask ``pulse.py``, gateways come by ``webhook.py``, other systems by
  ``api`` on its process, operators by ``manage.py``. Pages hold no SQL and no rules, and each begins by
  asking who is there.
- **words** say in plain English what enums mean to people; **ui.pieces** and **ui.charts** alone write HTML.
  What payers typed is never Markdown.

Each test below is one of these sentences. ``MAY_IMPORT`` is the drawing above as a table.
"""

import ast
import importlib
import re
from collections import Counter
from contextlib import suppress
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests import guarded
from tests.rooms import WINGS

ROOT = Path(__file__).parent.parent

#: Rooms of ``payments`` that import neither the database nor the network.
PURE = (
    "circles",
    "dates",
    "errors",
    "finding.when",
    "gateways",
    "keeping.keyring",
    "keeping.sealing",
    "lump_sums.tariff",
    "matching",
    "patience",
    "payers.contacts",
    "payers.payer_words",
    "payouts",
    "privacy",
    "proofs",
    "references",
    "sign_off.journal",
    "statements",
    "vat",
    "web_address",
)

#: What a place may import of ours and of the libraries that mark a layer. Others (re, jinja2, …) are free.
MAY_IMPORT = {
    "db": {"db", "sqlalchemy"},
    "db.migrate": {"db", "sqlalchemy", "alembic"},
    "db.migrations": {"db.models", "db.migrations.quicker", "sqlalchemy", "alembic"},
    "pure": {"db.money", *(f"payments.{room}" for room in PURE)},
    "payments.gateways.transport": {"payments.errors", "payments.gateways", "requests"},
    "payments.access.oidc": {"payments.errors", "requests"},
    "payments": {"db", "payments", "sqlalchemy"},
    "bootstrap": {"db", "environment", "payments", "sqlalchemy"},
    "environment": {"payments"},
    "webhook": {
        "api",
        "bootstrap",
        "db.scribe",
        "db.session",
        "deadlines",
        "payments",
        "return_page",
        "starlette",
        "uvicorn",
    },
    "return_page": {"payments", "starlette"},
    "api": {"api", "bootstrap", "db.money", "payments", "starlette"},
    "deadlines": {"uvicorn"},
    "gate": {"bootstrap", "environment", "payments", "starlette", "streamlit"},
    "pulse": {"bootstrap", "gate", "payments", "starlette", "ui.board"},
    "ahead": {"bootstrap", "gate", "payments", "starlette"},
    "nowhere": {"gate", "menu", "payments", "starlette", "words"},
    "server": {
        "ahead",
        "nowhere",
        "bootstrap",
        "words",
        "gate",
        "db.money",
        "db.session",
        "pandas",
        "payments",
        "pulse",
        "shared_pages",
        "signin_pages",
        "starlette",
        "streamlit",
        "uvicorn",
    },
    "signin_pages": {"bootstrap", "gate", "payments", "signin_pages", "starlette"},
    "shared_pages": {"bootstrap", "payments", "starlette"},
    "words": {"db.money", "payments", "words"},
    "menu": {"payments"},
    "ui": {
        "words",
        "bootstrap",
        "db.money",
        "payments",
        "streamlit",
        "pandas",
        "ui",
    },
    "dashboard": {"bootstrap", "db.money", "menu", "payments", "streamlit", "ui", "words"},
    "pages": {
        "words",
        "bootstrap",
        "db.money",
        "menu",
        "payments",
        "streamlit",
        "pandas",
        "ui",
    },
    "manage": {"commands", "db.session", "payments.errors"},
    "commands": {
        "words",
        "bootstrap",
        "commands",
        "db",
        "environment",
        "payments",
        "requests",
        "simulator",
        "sqlalchemy",
        "uvicorn",
    },
    "simulator": {
        "db.money",
        "payments.errors",
        "payments.gateways",
        "requests",
        "simulator",
        "starlette",
        "uvicorn",
    },
}
OURS = {
    "db",
    "payments",
    "api",
    "bootstrap",
    "environment",
    "deadlines",
    "return_page",
    "webhook",
    "gate",
    "pulse",
    "ahead",
    "nowhere",
    "server",
    "shared_pages",
    "signin_pages",
    "ui",
    "words",
    "dashboard",
    "pages",
    "manage",
    "commands",
}
OURS |= {
    "simulator",
    "words",
    "menu",
    "tests",
    "benchmarks",
    "test_ikhokha_payment",
}
LAYERS = {"sqlalchemy", "alembic", "requests", "streamlit", "pandas", "starlette", "uvicorn"}


def sources(*places: str) -> list[Path]:
    """The Python files of these folders and files, or of everything that runs in production."""
    wanted = places or (
        "db",
        "payments",
        "commands",
        "pages",
        "ui",
        "simulator",
        "words",
        "api",
        "signin_pages",
        "*.py",
    )
    found = [
        path for place in wanted for path in ROOT.glob(f"{place}/**/*.py" if "." not in place else place)
    ]
    return [path for path in found if path.name != "test_ikhokha_payment.py"]


def name_of(path: Path) -> str:
    """``payments/gateways/ikhokha.py`` → ``payments.gateways.ikhokha``."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(tree_of(path)))


@pytest.fixture(scope="module", autouse=True)
def read_once():
    """Hundreds of files, each read by a dozen tests; what that takes of memory is given back."""
    yield
    for known in (tree_of, nodes_of, imports, calls):
        known.cache_clear()


@cache
def imports(path: Path) -> set[str]:
    """Every module a file imports, wherever in it; ``from payments.asking import links`` is
    ``payments.asking.links``."""
    found: set[str] = set()
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {name for name in inside if _is_module(name)}
            found |= modules or {node.module}
    return found


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def place_of(module: str) -> str:
    """The most particular row of ``MAY_IMPORT`` that speaks of a module."""
    if within(module, {f"payments.{room}" for room in PURE}) and module not in MAY_IMPORT:
        return "pure"
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        if (name := ".".join(parts[:length])) in MAY_IMPORT:
            return name
    raise AssertionError(
        f"{module} is new: say in MAY_IMPORT what it may import, and in the docstring what it is"
    )


def within(module: str, allowed: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def where(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


@cache
def calls(path: Path) -> list[tuple[ast.Call, str]]:
    """Every call with what is called: ``datetime.now``, ``float``, ``session.commit``."""
    return [(node, ast.unparse(node.func)) for node in nodes_of(path) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", [pytest.param(path, id=name_of(path)) for path in sources()])
def test_imports_point_down(path):
    allowed = MAY_IMPORT[place_of(name_of(path))]
    marked = {module for module in imports(path) if module.split(".")[0] in OURS | LAYERS}
    assert {module for module in marked if not within(module, allowed)} == set()


def test_a_reader_finds_a_room_by_what_the_desk_does():
    """There were 226 files in one folder. A wing says what it is for, holds nothing itself, and stands in the
    docs; a room is called what no room of another wing is called."""
    told = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for wing in WINGS:
        (sentence,) = tree_of(ROOT / "payments" / wing / "__init__.py").body
        assert isinstance(sentence, ast.Expr)
        assert f"| `{wing}/` | {ast.literal_eval(sentence.value).rstrip('.')} |" in told
    names = Counter(path.stem for wing in WINGS for path in (ROOT / "payments" / wing).glob("[!_]*.py"))
    assert [name for name, times in names.items() if times > 1] == []
    assert len(list((ROOT / "payments").glob("*.py"))) <= 20, "a new room goes into a wing"


def test_every_row_of_the_table_speaks_of_something():
    places = {place_of(name_of(path)) for path in sources()}
    assert set(MAY_IMPORT) - places <= {"server"}


def test_no_two_rooms_import_each_other():
    rooms = {name_of(path): path for path in sources("payments", "db")}
    TopologicalSorter({name: imports(path) & set(rooms) - {name} for name, path in rooms.items()}).prepare()


def test_only_one_file_reads_the_environment():
    """``commands`` hands its own on to the processes that it starts."""
    reads = re.compile(r"os\.environ|os\.getenv|dotenv_values")
    readers = {name_of(path) for path in sources() if reads.search(ast.unparse(tree_of(path)))}
    assert {name for name in readers if not within(name, {"environment", "commands"})} == set()


def test_what_is_chosen_from_the_start_cannot_be_unchosen():
    """Pressed again, the choice of a segmented control is none. A request to correct was opened as one to be
    told everything: "none" had been taken for the first."""
    undone = [
        where(path, node)
        for path in sources("pages", "ui")
        for node, called in calls(path)
        if called.endswith(".segmented_control")
        and (given := {word.arg for word in node.keywords})
        and "default" in given
        and "required" not in given
    ]
    assert undone == []


CLOCKS = ("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "utcnow")


def test_only_bootstrap_and_the_pretend_world_read_the_clock():
    readers = {
        where(path, node)
        for path in sources()
        for node, called in calls(path)
        if called.endswith(CLOCKS) and not within(name_of(path), {"bootstrap", "simulator"})
    }
    assert readers == set()


def test_now_is_given_by_name_or_is_the_only_moment():
    """Two moments in one call are easily exchanged."""
    exchangeable = [
        where(path, node)
        for path in sources("payments")
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef)
        and any(argument.arg == "now" for argument in node.args.args)
        and len([a for a in node.args.args if a.annotation and "datetime" in ast.unparse(a.annotation)]) > 1
    ]
    assert exchangeable == []


def test_rooms_never_commit():
    committing = [
        where(path, node)
        for path in sources("payments")
        for node, called in calls(path)
        if called.endswith((".commit", "session.rollback"))
    ]
    assert committing == []


def test_what_a_page_writes_is_a_function_that_can_be_run_anew():
    """``Sessions.run``: a transaction that PostgreSQL breaks off for another's sake troubles nobody."""
    begun = [
        where(path, node)
        for path in sources("pages", "ui")
        for node, called in calls(path)
        if called.endswith("sessions.begin")
    ]
    assert begun == []


def test_no_float_comes_near_money():
    """``patience`` weighs what may come; what it says becomes whole rands where it leaves."""
    near = [
        where(path, node)
        for path in sources("db", "payments", "pages", "commands", "ui", "webhook.py", "server.py")
        for node in nodes_of(path)
        if name_of(path) != "payments.patience" and (_makes_a_float(node) or _divides_money(node))
    ]
    assert near == []


def _makes_a_float(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"


def _divides_money(node: ast.AST) -> bool:
    if not (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)):
        return False
    names = (part.id if isinstance(part, ast.Name) else getattr(part, "attr", "") for part in ast.walk(node))
    return any(name == "minor" or name.endswith("_minor") for name in names)


def test_a_day_is_told_as_people_say_it():
    """``2 Dec 2026``, everywhere: the same day told in two ways looks like two days."""
    offenders = [path for path in sources() if re.search(r"(?<!-)%d %[bB]", path.read_text())]
    assert offenders == []


def test_a_day_is_asked_for_as_people_here_write_it():
    asked = [
        (where(path, node), ast.unparse(node))
        for path in sources("pages", "ui")
        for node, called in calls(path)
        if called.endswith(".date_input")
    ]
    assert len(asked) > 10
    assert [place for place, said in asked if "format='DD/MM/YYYY'" not in said] == []


def test_only_the_session_room_opens_the_database():
    drivers = {"sqlite3", "pysqlite3", "psycopg"}
    assert {
        name_of(path) for path in sources() if {module.split(".")[0] for module in imports(path)} & drivers
    } <= {"db.sqlite", "db.stream"}


def test_only_ui_writes_html():
    writing = {
        name_of(path)
        for path in sources()
        for node, called in calls(path)
        if called.endswith(("st.html", "components.html", "st.iframe"))
        or any(keyword.arg == "unsafe_allow_html" for keyword in node.keywords)
    }
    assert writing <= {"ui.pieces", "ui.charts"}


def test_the_shared_look_offers_what_pages_say():
    """What only its own rooms use, they import from each other."""
    offered = ast.literal_eval(
        next(
            ast.unparse(node.value)
            for node in tree_of(ROOT / "ui" / "__init__.py").body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        )
    )
    said = {
        ast.unparse(node)
        for path in sources("pages", "dashboard.py")
        for node in nodes_of(path)
        if isinstance(node, ast.Attribute)
    }
    assert [name for name in offered if f"ui.{name}" not in said] == []


def test_pages_lie_in_sub_folders():
    """Streamlit serves ``pages/*.py`` to anybody, past the gate, until somebody has signed in."""
    assert list(ROOT.glob("pages/*.py")) == []


@pytest.mark.parametrize("path", [pytest.param(path, id=name_of(path)) for path in sources("pages")])
def test_a_page_begins_by_asking_who_is_there(path):
    first = next(
        node
        for node in tree_of(path).body
        if not isinstance(node, ast.Import | ast.ImportFrom)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    )
    assert isinstance(first, ast.Expr | ast.Assign)
    assert ast.unparse(first.value).startswith("ui.require(")


@pytest.mark.parametrize("path", [pytest.param(path, id=name_of(path)) for path in sources()])
def test_a_function_fits_a_screen_and_a_file_a_sitting(path):
    long = [
        where(path, node)
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert long == []
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 550


@pytest.mark.parametrize("guard", [pytest.param(one, id=one.name) for one in guarded.GUARDS])
def test_what_make_guards_takes_away_stands_where_it_says(guard):
    assert (ROOT / guard.file).read_text(encoding="utf-8").count(guard.stands) == 1


@pytest.mark.parametrize("path", sorted(ROOT.glob("benchmarks/**/*.py")), ids=lambda path: path.stem)
def test_what_a_benchmark_measures_is_there_under_its_name(path: Path):
    """mypy does not read them, and each takes minutes to fail by itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    rooms = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and within(node.module or "", {"payments", "db", "simulator"}):
            for one in node.names:
                with suppress(ModuleNotFoundError):  # a function or class, whose import would have failed
                    rooms[one.asname or one.name] = importlib.import_module(f"{node.module}.{one.name}")
    used = {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in rooms
    }
    assert [f"{room}.{name}" for room, name in sorted(used) if not hasattr(rooms[room], name)] == []
