"""What open live pages ask every two seconds: has anything changed of what I show?

Streamlit would run a page again to find out, and send all of it. Here the gate's look at the session is most
of what it costs, and what changed was drawn once for everybody who may see the same.
"""

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

import bootstrap
import gate
from payments.access.people import Action, Person, check
from payments.dates import SAST
from payments.errors import NotAllowed
from payments.live.split import By

#: Threads of their own: a reading that waits for the database holds up no other door.
_READS = anyio.CapacityLimiter(8)


async def pulse(request: Request) -> Response:
    """The board of whoever asks, or nothing if they show it: ``known`` is the key of what they do, and ``by``
    what they have the funnel told apart by.

    Asking keeps nobody signed in; whose session has ended, the gate has sent to sign in.
    """
    person, asked = gate.here(request).person, request.query_params
    by = By(asked["by"]) if asked.get("by") in list(By) else None
    try:
        packed = await anyio.to_thread.run_sync(_news, person, asked.get("known"), by, limiter=_READS)
    except NotAllowed as refusal:
        return PlainTextResponse(str(refusal), 403)
    headers = {"X-At": bootstrap.app().now().astimezone(SAST).strftime("%H:%M:%S")}
    if packed is None:
        return Response(status_code=204, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(packed, media_type="application/json", headers=headers)


def _news(person: Person, known: str | None, by: By | None) -> bytes | None:
    from ui import board  # not before Streamlit runs: its caches would complain

    check(person, Action.SEE)
    shown = board.current(person, by)
    return None if shown.key == known else shown.packed
