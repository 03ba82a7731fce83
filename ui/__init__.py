"""The shared look: who is here, pieces of HTML, lists, the filter bar, the drawer, and what an error says.

Pages say ``ui.something``; the rooms below import each other by name.
"""

from ui.drawer import drawer
from ui.export import export_button, export_dialog, export_list, verify_a_file
from ui.filter_bar import address, clear_filters, filter_bar, hold
from ui.here import cookie, error_boundary, id_in, require, signed_in
from ui.lists import announce, copy, messages_list, payments_list, share, timeline
from ui.pieces import (
    Card,
    badge,
    bars,
    big,
    cards,
    checks,
    clock,
    empty_state,
    escape,
    facts,
    file_link,
    freshness,
    ledger,
    mode_banner,
    moment,
    plain,
    problem,
    qr,
    sign_out,
    status_panel,
    style,
    trouble,
    way_in,
)

__all__ = [
    "Card", "address", "announce", "badge", "bars", "big", "cards", "checks", "clear_filters", "clock",
    "cookie", "copy", "drawer", "empty_state", "error_boundary", "escape", "export_button", "export_dialog",
    "export_list", "facts", "file_link", "filter_bar", "freshness", "hold", "id_in", "ledger",
    "messages_list", "mode_banner", "moment", "payments_list", "plain", "problem", "qr", "require", "share",
    "sign_out", "signed_in", "status_panel", "style", "timeline", "trouble", "verify_a_file", "way_in",
]  # fmt: skip
