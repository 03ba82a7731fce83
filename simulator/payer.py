"""The pages a payer sees: choose how to pay, and what came of it."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from db.money import Money
from payments.errors import Conflict, NotFound
from simulator.ledger import SimulatedLink
from simulator.world import Act, World

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
}
_OUTCOMES = {Act.PAY: "paid", Act.PAY_EFT: "paid", Act.FAIL: "failed", Act.CANCEL: "cancelled"}
_METHODS = {None: "", "card": "card", "instant_eft": "Instant EFT"}

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(world: World) -> list[Route]:
    """``GET /{link}``, ``POST /{link}/{act}`` from its buttons, ``GET /{link}/{outcome}`` after them."""

    async def choose(request: Request) -> Response:
        link = world.ledger.get(request.path_params["link_id"])
        return _page("pay.html", world, link, back=_way_back(link, "paid"))

    async def act(request: Request) -> Response:
        link_id, chosen = request.path_params["link_id"], _act(request)
        try:
            world.act(link_id, chosen)
        except Conflict:  # paid in another tab: the link's own page says so
            return RedirectResponse(f"/{link_id}", status_code=303)
        return RedirectResponse(f"/{link_id}/{_OUTCOMES[chosen]}", status_code=303)

    async def result(request: Request) -> Response:
        link, outcome = world.ledger.get(request.path_params["link_id"]), request.path_params["act"]
        if outcome not in _OUTCOMES.values():
            raise NotFound("There is no such page.")
        if link.paid != (outcome == "paid"):  # the address claims one thing, the ledger another
            return RedirectResponse(f"/{link.link_id}", status_code=303)
        back = _way_back(link, outcome)
        response = _page("result.html", world, link, back=back, outcome=outcome)
        # A header and not a meta element: a page that moves by itself must not be one that cannot be read.
        response.headers["Refresh"] = f"{world.config.return_after_s}; url={back}"
        return response

    return [
        Route("/{link_id}", _found(world, choose)),
        Route("/{link_id}/{act}", _found(world, act), methods=["POST"]),
        Route("/{link_id}/{act}", _found(world, result)),
    ]


def _found(world: World, endpoint: Endpoint) -> Endpoint:
    async def found(request: Request) -> Response:
        try:
            return await endpoint(request)
        except NotFound:
            return _html("missing.html", status=404, merchant=world.config.merchant)

    return found


def _act(request: Request) -> Act:
    try:
        return Act(request.path_params["act"])
    except ValueError as error:
        raise NotFound("There is no such page.") from error


def _way_back(link: SimulatedLink, outcome: str) -> str:
    urls = {"paid": link.success_url, "failed": link.failure_url, "cancelled": link.cancel_url}
    return urls[outcome] or link.failure_url


def _page(template: str, world: World, link: SimulatedLink, *, back: str, outcome: str = "") -> Response:
    return _html(
        template,
        merchant=world.config.merchant,
        link=link,
        amount=str(Money(link.amount_minor)),
        method=_METHODS[link.method],
        outcome=outcome,
        back=back,
    )


def _html(template: str, *, status: int = 200, **values: object) -> Response:
    return HTMLResponse(_TEMPLATES.get_template(template).render(values), status, headers=_HEADERS)
