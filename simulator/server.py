"""Serve the simulator: on a given port, or beside a test on a free one."""

import asyncio
import socket
import threading
import time
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import requests
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from payments.errors import Conflict
from simulator.control import TOKEN_HEADER
from simulator.gateway import BASE_PATH, Config, create_app
from simulator.world import World

_START_S = 10
_TIMEOUT_S = (2, 60)


def serve(config: Config, host: str, port: int) -> None:
    """Serve until the process is told to stop."""
    uvicorn.Server(_options(config, host=host, port=port)).run()


class Running:
    """A simulator on a free port of this machine, in a thread, for as long as the ``with`` block lasts.

    ``config.public_url`` is replaced by the address it really has. Real HTTP: what a test or benchmark
    says here is what any client would.
    """

    def __init__(self, config: Config, *, port: int = 0) -> None:
        self._socket = socket.create_server(("127.0.0.1", port))
        self.origin = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.base_url = f"{self.origin}{BASE_PATH}"
        self.link_host = self.origin.removeprefix("http://")
        self.config = replace(config, public_url=self.origin)
        options = _options(self.config)
        self._server = uvicorn.Server(options)
        self.world: World = options.app.state.world  # type: ignore[union-attr]
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="simulator")

    def __enter__(self) -> Self:
        self._thread.start()
        until = time.monotonic() + _START_S
        while not self._server.started:
            if time.monotonic() > until or not self._thread.is_alive():
                raise Conflict("The simulator did not start.")
            time.sleep(0.01)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def act(self, link_id: str, act: str) -> dict[str, Any]:
        """Be the payer: ``pay``, ``pay-eft``, ``fail`` or ``cancel``."""
        return self._control("POST", f"{link_id}/{act}")

    def switch(self, **changes: Any) -> dict[str, Any]:
        return self._control("POST", "switches", changes)

    def reset(self) -> dict[str, Any]:
        return self._control("POST", "reset")

    def links(self) -> list[dict[str, Any]]:
        """What was really made and paid."""
        return self._control("GET", "links")

    def _control(self, method: str, what: str, body: Any = None) -> Any:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                method,
                f"{self.origin}/_sim/{what}",
                json=body,
                headers={TOKEN_HEADER: self.config.control_token or ""},
                timeout=_TIMEOUT_S,
            )
        if not answer.ok:
            raise Conflict(f"The simulator refused {what}: {answer.text}")
        return answer.json()


class _Protocol(HttpToolsProtocol):
    """Hands each request its transport, so that an endpoint can hang up."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


def _options(config: Config, **where: Any) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(config),
        http=_Protocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=2,
        **where,
    )
