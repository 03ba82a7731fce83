"""Who sends while something terrible happens to the hook, and remembers what was acknowledged."""

import socket
import threading
import time

from tests.hook import event, read_reply, request, signed


class Senders:
    """Threads that post distinct genuine events until the hook is gone, and remember the acknowledged."""

    def __init__(self, port: int, name: str) -> None:
        self.acknowledged: list[bytes] = []
        self.statuses: set[int] = set()
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(f"{name}-{nth}",)) for nth in range(4)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(40)  # connecting and one answer may each take their 15 s
            assert not thread.is_alive()

    def _send(self, name: str) -> None:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=15) as connection:
                for nth in range(100_000):
                    if self._stop.is_set():
                        return
                    body = event(link=f"{name}-{nth}")
                    connection.sendall(request(body, signed(body)))
                    reply = read_reply(connection)
                    self.statuses.add(reply.status)
                    if reply.status == 200:
                        self.acknowledged.append(body)
                    if reply.status == 0 or reply.headers.get("connection") == "close":
                        return
        except OSError:
            return  # killed in the middle of it: nothing was acknowledged


class Gateway:
    """Threads that send as a gateway does: one message after another, each again until it is acknowledged.

    ``answers`` are the moments (``time.monotonic``) at which a message was sent and answered, and statuses, 0
    for a connection that broke.
    """

    def __init__(self, port: int, name: str, threads: int = 3) -> None:
        self.acknowledged: list[bytes] = []
        self.answers: list[tuple[float, float, int]] = []
        self._port = port
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(f"{name}-{nth}",)) for nth in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(40)
            assert not thread.is_alive()

    def between(self, began: float, ended: float) -> set[int]:
        return {status for _, at, status in list(self.answers) if began <= at <= ended}

    def whole_between(self, began: float, ended: float) -> set[int]:
        """Answers to what was sent since then: of what was under way, nobody knows what it met."""
        return {status for sent, at, status in list(self.answers) if began <= sent and at <= ended}

    def _send(self, name: str) -> None:
        for nth in range(100_000):
            body = event(link=f"{name}-{nth}")
            while self._post(body) != 200:
                if self._stop.wait(0.1):
                    return
            self.acknowledged.append(body)
            if self._stop.wait(0.02):
                return

    def _post(self, body: bytes) -> int:
        sent = time.monotonic()
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=15) as connection:
                connection.sendall(request(body, signed(body)))
                status = read_reply(connection).status
        except OSError:
            status = 0
        self.answers.append((sent, time.monotonic(), status))
        return status
