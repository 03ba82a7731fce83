"""What benchmarks of whole databases share: their options, the head of their line, a fresh database."""

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from db.session import make_file, open_engine
from tests import postgres


def options(doc: str, rows: int) -> argparse.ArgumentParser:
    """Of how many rows and which databases; ``doc`` is the benchmark's own."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--rows", type=int, default=rows)
    parser.add_argument("--databases", default="sqlite,postgresql")
    return parser


def head(bench: str, rows: int) -> dict[str, Any]:
    """How a benchmark's line begins."""
    return {
        "bench": bench, "at": datetime.now(UTC).isoformat(timespec="seconds"), "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 1), "rows": rows,
    }  # fmt: skip


@contextmanager
def database(kind: str, name: str) -> Iterator[tuple[str, Engine]]:
    """The address of an empty database on a disk that is waited for, and an engine of it; gone afterwards."""
    with ExitStack() as stack:
        if kind == "postgresql":
            url = postgres.new_database(stack.enter_context(postgres.server(durable=True)), name)
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="paydesk-bench-"))
            url = f"sqlite:///{folder}/desk.db"
        engine = open_engine(url)
        stack.callback(engine.dispose)
        make_file(engine)
        yield url, engine
