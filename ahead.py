"""Between the gate and the dashboard: what takes long is begun as its address is opened."""

from contextlib import suppress

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

import bootstrap
from gate import here
from payments import dates
from payments.errors import PaymentsError
from payments.reports import asking


class Ahead:
    """Who opens the address of a report has it begun at once: a second goes by until the browser has loaded
    the page around it and asks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/reports":
            self._begin(Request(scope))
        await self._app(scope, receive, send)

    @staticmethod
    def _begin(request: Request) -> None:
        app, person = bootstrap.app(), here(request).person
        with suppress(PaymentsError):  # the page meets it too, and says it
            asked = asking.of_page(person, request.query_params, dates.business_day(app.now()))
            app.reports.begin(person, asked)
