"""The browsers: open live pages without a window, in a process of their own.

``python -m benchmarks._pages`` reads one JSON line (``url``, ``seconds``, ``people`` with their cookies and
the payers' names each must come to see) and answers with one: how many reruns there were, and when each page
first held each name, by this machine's monotonic clock, which all its processes share.

A page is what a browser is to Streamlit: it runs the script once, then each fragment that asks for it every
so many seconds, whether anything is drawn anew or not.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

ROOT = Path(__file__).parent.parent
NAME = re.compile(rb"Payer No [0-9]{6}")


class Page:
    """One open page. ``seen`` holds the moment each name was first on it."""

    def __init__(self, url: str, person: dict[str, Any]) -> None:
        self._url = url
        self._headers = {"Cookie": person["cookie"]}
        self._timers: dict[str, asyncio.Task[None]] = {}
        self.seen: dict[str, float] = {}
        self.runs: list[tuple[float, float]] = []  # asked at, and for how long it took
        self.bytes = 0
        self._asked = 0.0

    async def stay(self, until: float) -> None:
        async with connect(
            self._url.replace("http", "ws") + "/_stcore/stream",
            origin=self._url,  # type: ignore[arg-type]
            additional_headers=self._headers,
            subprotocols=["streamlit"],  # type: ignore[list-item]
            max_size=None,
            compression=None,
            open_timeout=60,
        ) as self._connection:
            await self._run("")
            while (left := until - time.monotonic()) > 0:
                try:
                    async with asyncio.timeout(left):
                        data = await self._connection.recv()
                except TimeoutError:
                    break
                assert isinstance(data, bytes)
                self._look(data)
            for timer in self._timers.values():
                timer.cancel()

    def _look(self, data: bytes) -> None:
        now = time.monotonic()
        self.bytes += len(data)
        for name in NAME.findall(data):
            self.seen.setdefault(name.decode(), now)
        message = ForwardMsg.FromString(data)
        kind = message.WhichOneof("type")
        if kind == "auto_rerun":
            again = message.auto_rerun
            if again.fragment_id not in self._timers:
                timer = asyncio.ensure_future(self._every(again.interval, again.fragment_id))
                self._timers[again.fragment_id] = timer
        elif kind == "script_finished":
            self.runs.append((self._asked, now - self._asked))

    async def _every(self, seconds: float, fragment: str) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self._run(fragment)

    async def _run(self, fragment: str) -> None:
        message = BackMsg()
        message.rerun_script.page_name = ""
        message.rerun_script.fragment_id = fragment
        message.rerun_script.is_auto_rerun = bool(fragment)
        self._asked = time.monotonic()
        await self._connection.send(message.SerializeToString())


async def watch(url: str, people: list[dict[str, Any]], warm_s: float, seconds: float) -> dict[str, Any]:
    """Open the pages one after the other, as people come; say ``ready``, and watch."""
    until = time.monotonic() + warm_s + seconds
    pages = [Page(url, person) for person in people]
    stays = []
    for page in pages:
        stays.append(asyncio.ensure_future(page.stay(until)))
        await asyncio.sleep(warm_s * 0.6 / len(pages))
    await asyncio.sleep(max(0.0, until - seconds - time.monotonic()))
    print("ready", flush=True)
    await asyncio.gather(*stays)
    took = sorted(took for page in pages for asked, took in page.runs if asked > until - seconds)
    return {
        "reruns": len(took),
        "rerun_p50_ms": round(took[len(took) // 2] * 1000, 1),
        "rerun_p95_ms": round(took[len(took) * 95 // 100] * 1000, 1),
        "kb_a_rerun": round(sum(page.bytes for page in pages) / 1024 / sum(len(p.runs) for p in pages), 1),
        "seen": [page.seen for page in pages],
    }


@contextmanager
def watching(
    url: str, people: list[dict[str, Any]], warm_s: int, seconds: int
) -> Iterator[subprocess.Popen[str]]:
    """The pages' own process, from when all of them are open and drawn."""
    command = [sys.executable, "-m", "benchmarks._pages"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    wanted = {"url": url, "people": people, "warm_s": warm_s, "seconds": seconds}
    with subprocess.Popen(command, **pipes) as child:
        try:
            print(json.dumps(wanted), file=child.stdin, flush=True)
            assert child.stdout.readline() == "ready\n"
            yield child
        finally:
            child.kill()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(watch(**json.loads(sys.stdin.readline())))), flush=True)
