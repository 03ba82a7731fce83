"""What the webhook is measured beside: ``python -m benchmarks._peers NAME PORT`` serves one of them.

``bare`` and ``verify_only`` keep nothing: no endpoint that proves a message can be faster.
``commit_per_request`` is what one writes first: a session and a commit for each request, in threads.
"""

import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import bootstrap
import webhook
from db.models import InboxEvent
from payments.hearing.inbox import Message
from tests import hook

app = bootstrap.build(hook.settings_for(os.environ["DATABASE_URL"]), busy_timeout_s=20)
gateway = app.gateways["ikhokha"]


async def bare(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Any) -> None:
    """The limit: read, prove, answer."""
    body, more = b"", True
    while more:
        part = await receive()
        body, more = body + part.get("body", b""), part.get("more_body", False)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    gateway.read_event(hook.PATH, headers, body)
    answer = [(b"content-type", b"application/json"), (b"content-length", b"17")]
    await send({"type": "http.response.start", "status": 200, "headers": answer})
    await send({"type": "http.response.body", "body": b'{"status":"kept"}'})


async def verify_only(request: Request) -> JSONResponse:
    """The same on Starlette."""
    gateway.read_event(hook.PATH, request.headers, await request.body())
    return JSONResponse({"status": "kept"})


async def commit_per_request(request: Request) -> JSONResponse:
    """What one writes first."""
    body, headers = await request.body(), dict(request.headers)
    event = gateway.read_event(hook.PATH, headers, body)
    message = Message("ikhokha", hook.PATH, headers, body, app.now())

    def keep() -> None:
        with app.sessions.begin() as session:
            row = InboxEvent(
                gateway=message.gateway, digest=message.digest, received_at=message.received_at,
                path=message.path, headers=headers, body=body, gateway_reference=event.gateway_reference,
                reference=event.reference, word=event.word, code=event.code,
                last_seen_at=message.received_at, next_try_at=message.received_at,
            )  # fmt: skip
            session.add(row)

    await run_in_threadpool(keep)
    return JSONResponse({"status": "kept"})


def _on_starlette(endpoint: Any) -> Starlette:
    return Starlette(routes=[Route("/webhooks/{gateway}", endpoint, methods=["POST"])])


PEERS = {
    "bare": bare,
    "verify_only": _on_starlette(verify_only),
    "commit_per_request": _on_starlette(commit_per_request),
}

if __name__ == "__main__":
    # On the same server as ours, deadlines of the door included.
    uvicorn.run(PEERS[sys.argv[1]], port=int(sys.argv[2]), log_level="error", **webhook.server_options())
