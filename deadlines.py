"""Deadlines of the gateways' door: uvicorn has none for a slow head or body, and slow senders are many."""

import asyncio
from asyncio import Protocol
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Hurry(Protocol):
    """A request has its head within 5 s and all of itself within 10 s, or its connection is closed.

    Counted for each request of a connection anew: from connecting, then from the first byte after the
    last request. It stands on what uvicorn's protocols share: a new ``cycle`` when a head is complete.
    """

    HEAD_S = 5
    WHOLE_S = 10
    #: Heads without end, chunk extensions and trailers included.
    LARGEST_REQUEST = 256 * 1024

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    cycle: Any
    _served: Any = None
    _size = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._begin()

    def data_received(self, data: bytes) -> None:
        if self._timer is None:
            self._begin()
        self._size += len(data)
        super().data_received(data)
        if self.cycle is not self._served and not self.cycle.more_body:
            self._served = self.cycle
            self._end()
        elif self._size > self.LARGEST_REQUEST:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

    def _begin(self) -> None:
        self._size = 0
        self._timer = self.loop.call_later(self.HEAD_S, self._head_due)

    def _head_due(self) -> None:
        if self.cycle is self._served:
            self.transport.close()
        else:
            self._timer = self.loop.call_later(self.WHOLE_S - self.HEAD_S, self.transport.close)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class HurriedHttp(Hurry, HttpToolsProtocol):
    """uvicorn's quick protocol, in a hurry."""
