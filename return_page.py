"""What a payer's browser is shown when it comes back from paying: one sentence, and what is known of it."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import jinja2
from starlette.responses import HTMLResponse, Response

from payments.asking import links
from payments.lifecycle import SETTLED, Status
from payments.payers import payer_pages
from payments.payers.payer_pages import Page
from payments.payers.payer_words import Language

#: A return page looks again by itself every 3 s, for ten minutes.
LOOK_AGAIN_S = 3
MOST_LOOKS = 200

#: With every answer of this door: nobody keeps it, frames it or finds it.
GUARDS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


@dataclass(frozen=True)
class Says:
    """What a page tells a payer. ``tone`` is its colour: good, wait or bad."""

    tone: str
    title: str
    text: str


#: The colour of each status's page, and which of the pages it is.
PAYER_READS: Mapping[Status, tuple[str, Page]] = {
    Status.CREATED: ("wait", Page.WAITING),
    Status.OPEN: ("wait", Page.WAITING),
    Status.CLAIMED: ("wait", Page.WAITING),
    Status.FAILED: ("bad", Page.FAILED),
    Status.PART_PAID: ("wait", Page.PART_PAID),
    Status.PAID: ("good", Page.PAID),
    Status.EXPIRED: ("bad", Page.EXPIRED),
    Status.CANCELLED: ("bad", Page.CANCELLED),
    Status.WAIVED: ("good", Page.WAIVED),
    Status.PART_REFUNDED: ("good", Page.PART_REFUNDED),
    Status.REFUNDED: ("good", Page.REFUNDED),
    Status.DISPUTED: ("wait", Page.DISPUTED),
}
PLAIN_PAGES: Mapping[int, Says] = {
    404: Says("bad", "There is nothing here", "Open the link that you were given, or ask the organisers."),
    429: Says("wait", "One moment", "Many people are looking just now. Load this page again in a minute."),
    503: Says("wait", "One moment", "We cannot look it up just now. Load this page again in a minute."),
}
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)


def sentence(tone: str, page: Page, language: Language) -> Says:
    return Says(tone, *payer_pages.PAGES[language][page])


def show(
    says: Says,
    *,
    language: Language = Language.ENGLISH,
    view: links.PayerView | None = None,
    demo: bool = False,
    looks: int = 0,
    status: int = 200,
    headers: Mapping[str, str] = MappingProxyType({}),
    again: bool = True,
    onward: tuple[str, str] | None = None,
    stop: bool = False,
) -> Response:
    """A page of one sentence, and of the amount and event where there is a payment.

    ``onward``: a button with its address and word. ``stop``: a button that sends this page's own address.
    """
    nonce = secrets.token_urlsafe(16)
    sends = "'self'" if stop else "'none'"
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; "
        f"base-uri 'none'; form-action {sends}; frame-ancestors 'none'"
    )
    again = again and view is not None and view.status not in SETTLED | {Status.WAIVED}
    all_headers = {**GUARDS, **headers, "Content-Security-Policy": policy}
    if again and looks < MOST_LOOKS:
        all_headers["Refresh"] = f"{LOOK_AGAIN_S}; url=?look={looks + 1}"
    page = _TEMPLATES.get_template("return.html").render(
        says=says,
        view=view,
        demo=demo,
        again=again,
        onward=onward,
        stop=stop,
        nonce=nonce,
        lang=language.value,
        words=payer_pages.WORDS[language],
    )
    return HTMLResponse(page, status, all_headers)
