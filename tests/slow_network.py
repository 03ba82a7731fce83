"""A phone far from the desk: every byte between a browser and a desk is late, whatever carries it.

Chromium's own throttling leaves the frames of WebSockets alone, of which a Streamlit page lives. So this is a
SOCKS5 proxy (RFC 1928) for one browser context, and the addresses stay the desk's own.
"""

import asyncio
import contextlib
import ipaddress
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

_CHUNK_BYTES = 64 * 1024
#: What may be on its way at once in one direction, in chunks; who sends more waits.
_ON_THE_WAY = 512
_CONNECTED = b"\5\0\0\1\0\0\0\0\0\0"


@contextmanager
def far_away(*, round_trip_s: float) -> Iterator[str]:
    """The address of a proxy whose ways take half of ``round_trip_s`` each.

    Chunks keep their order and do not wait for each other: it is far, not narrow. A new connection costs a
    round trip before its first byte, as TCP's handshake would.
    """
    loop = asyncio.new_event_loop()

    async def meet(near: StreamReader, back: StreamWriter) -> None:
        ends = [back]
        # Either side may go at any time, and so may the proxy.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            host, port = await _asked_for(near, back)
            await asyncio.sleep(round_trip_s)
            far, there = await asyncio.open_connection(host, port)
            ends.append(there)
            await asyncio.gather(_carry(near, there, round_trip_s / 2), _carry(far, back, round_trip_s / 2))
        for end in ends:
            end.close()

    thread = Thread(target=loop.run_forever, name="far away")
    thread.start()
    opening = asyncio.run_coroutine_threadsafe(asyncio.start_server(meet, "127.0.0.1", 0), loop)
    try:
        server = opening.result(10)
        yield f"socks5://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _asked_for(near: StreamReader, back: StreamWriter) -> tuple[str, int]:
    """SOCKS5 without a password: the IPv4 address or the name, and the port, that a browser wants."""
    _, methods = await near.readexactly(2)
    await near.readexactly(methods)
    back.write(b"\5\0")
    kind = (await near.readexactly(4))[3]
    if kind == 1:
        host = str(ipaddress.IPv4Address(await near.readexactly(4)))
    else:
        host = (await near.readexactly((await near.readexactly(1))[0])).decode()
    port = int.from_bytes(await near.readexactly(2))
    back.write(_CONNECTED)
    return host, port


async def _carry(source: StreamReader, target: StreamWriter, late_s: float) -> None:
    """Each chunk, and the end, leaves ``late_s`` after it came."""
    clock = asyncio.get_running_loop().time
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_ON_THE_WAY)

    async def read() -> None:
        try:
            while chunk := await source.read(_CHUNK_BYTES):
                await waiting.put((clock() + late_s, chunk))
        except ConnectionError:
            pass  # an end as good as any other
        await waiting.put((clock() + late_s, b""))

    async def write() -> None:
        while (due_and_chunk := await waiting.get())[1]:
            await asyncio.sleep(due_and_chunk[0] - clock())
            target.write(due_and_chunk[1])
            await target.drain()
        target.close()

    reading = asyncio.ensure_future(read())
    try:
        await write()
    except ConnectionError:
        pass  # nobody listens any more: what is still on its way has nowhere to go
    finally:
        reading.cancel()
