"""A mail server on a real socket that keeps what it took, and can have the sender die at a chosen moment."""

import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes, policy

#: When the sender dies: before it sent the mail, before it heard that it was taken, right after.
MOMENTS = ("before the mail", "before the answer", "after the answer")


class Mailbox(socketserver.ThreadingTCPServer):
    """``taken``: how often each mail came, by recipient and Message-ID."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Postman)
        self.taken: Counter[tuple[str, str]] = Counter()
        self._left, self._moment, self._kill = 0, "", lambda: None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"

    def ambush(self, moment: str, mails: int, kill: Callable[[], None]) -> None:
        """``kill`` is called once, at this moment of the mail after the next ``mails``."""
        self._moment, self._left, self._kill = moment, mails, kill

    def at(self, moment: str) -> None:
        if moment == self._moment and self._left == 0:
            self._moment = ""
            self._kill()
        elif moment == MOMENTS[-1]:
            self._left -= 1


class _Postman(socketserver.StreamRequestHandler):
    """As much of SMTP as a mail needs."""

    server: Mailbox

    def handle(self) -> None:
        with suppress(OSError):  # the sender is dead: that was the point
            self._serve()

    def _serve(self) -> None:
        self._say("220 ready")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self._take()
            elif word == b"QUIT":
                self._say("221 good-bye")
                return
            else:
                self._say("250 as you say")

    def _take(self) -> None:
        self.server.at(MOMENTS[0])
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        if not line:  # the sender is gone: what is not ended is no mail
            return
        mail = message_from_bytes(b"".join(lines), policy=policy.default)
        self.server.taken[mail["To"], mail["Message-ID"].strip()] += 1
        self.server.at(MOMENTS[1])
        self._say("250 taken")
        self.server.at(MOMENTS[2])

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as box:
        thread = threading.Thread(target=box.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield box
        finally:
            box.shutdown()
            thread.join(5)
