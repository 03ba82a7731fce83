"""The browsers: open live pages without a window, in a process of their own.

``python -m benchmarks._pages`` reads one JSON line (``url``, ``seconds``, ``people`` with their cookies and
the payers' names each must come to see) and answers with one: how many reruns there were, and when each page
first held each name, by this machine's monotonic clock, which all its processes share.

A page is what a browser is to the desk: it runs the script once, then each fragment that asks for it every
so many seconds, whether anything is drawn anew or not. Once ``live.js`` is on it, it asks ``/pulse`` as that
does: two seconds after each answer, on a connection that stays, and for everything after each run.
"""

import asyncio
import gzip
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

ROOT = Path(__file__).parent.parent
NAME = re.compile(rb"Payer No [0-9]{6}")
PULSE_S = 2.0  # EVERY_MS of live.js


class Asker:
    """One kept connection of HTTP; ``get`` is one request, one answer."""

    def __init__(self, url: str, cookie: str) -> None:
        self._host = url.removeprefix("http://")
        self._cookie = cookie
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> tuple[int, bytes, int]:
        """Status, body, and how many bytes came."""
        if self._streams is None:
            host, port = self._host.split(":")
            self._streams = await asyncio.open_connection(host, int(port))
        reader, writer = self._streams
        said = f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\nCookie: {self._cookie}\r\n"
        writer.write(f"{said}Accept-Encoding: gzip\r\nSec-Fetch-Site: same-origin\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        packed = b"content-encoding: gzip" in head.lower()
        return int(head[9:12]), gzip.decompress(body) if packed else body, len(head) + len(body)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


class Page:
    """One open page. ``seen`` holds the moment each name was first on it."""

    def __init__(self, url: str, person: dict[str, Any]) -> None:
        self._url = url
        self._headers = {"Cookie": person["cookie"]}
        self._timers: dict[str, asyncio.Task[None]] = {}
        self.seen: dict[str, float] = {}
        self.runs: list[tuple[float, float]] = []  # asked at, and for how long it took
        self.pulses: list[tuple[float, float]] = []  # the same
        self.run_bytes = self.pulse_bytes = 0
        self._asked = 0.0
        self._pulse: asyncio.Task[None] | None = None

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
            self._end_pulse()

    def _look(self, data: bytes) -> None:
        now = time.monotonic()
        self.run_bytes += len(data)
        self._see(data, now)
        message = ForwardMsg.FromString(data)
        kind = message.WhichOneof("type")
        if kind == "auto_rerun":
            again = message.auto_rerun
            if again.fragment_id not in self._timers:
                timer = asyncio.ensure_future(self._every(again.interval, again.fragment_id))
                self._timers[again.fragment_id] = timer
        elif kind == "script_finished":
            self.runs.append((self._asked, now - self._asked))
        elif kind == "delta" and message.delta.new_element.bidi_component.component_name == "paydesk.live":
            self._end_pulse()
            self._pulse = asyncio.ensure_future(self._ask())

    def _see(self, data: bytes, now: float) -> None:
        for name in NAME.findall(data):
            self.seen.setdefault(name.decode(), now)

    def _end_pulse(self) -> None:
        """Raises what broke it, if anything did."""
        if self._pulse is not None and self._pulse.done():
            self._pulse.result()
        elif self._pulse is not None:
            self._pulse.cancel()

    async def _ask(self) -> None:
        """What live.js does from when it is there until it is called again."""
        with closing(Asker(self._url, self._headers["Cookie"])) as asker:
            await self._ask_on(asker)

    async def _ask_on(self, asker: Asker) -> None:
        known = ""
        while True:
            await asyncio.sleep(PULSE_S)
            asked = time.monotonic()
            status, body, size = await asker.get(f"/pulse?known={known}")
            assert status in (200, 204), status
            if body:
                known = json.loads(body)["key"]
                self._see(body, time.monotonic())
            self.pulse_bytes += size
            self.pulses.append((asked, time.monotonic() - asked))

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
    since, all_runs = until - seconds, sum(len(page.runs) for page in pages)
    return {
        **_times("rerun", [page.runs for page in pages], since),
        "kb_a_rerun": round(sum(page.run_bytes for page in pages) / 1024 / all_runs, 1),
        **_times("pulse", [page.pulses for page in pages], since),
        "pulse_kb_per_s": round(sum(page.pulse_bytes for page in pages) / 1024 / (warm_s + seconds), 1),
        "seen": [page.seen for page in pages],
    }


def _times(name: str, asked: list[list[tuple[float, float]]], since: float) -> dict[str, Any]:
    """How many there were, and how long their answers took."""
    took = sorted(took for page in asked for at, took in page if at > since)
    return {
        f"{name}s": len(took),
        f"{name}_p50_ms": round(took[len(took) // 2] * 1000, 1) if took else None,
        f"{name}_p95_ms": round(took[len(took) * 95 // 100] * 1000, 1) if took else None,
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
