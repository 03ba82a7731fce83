"""The shared look: who is here, pieces of HTML, lists, the filter bar, the drawer, and what an error says.

Pages say ``ui.something``; the rooms below import each other by name.
"""

from ui import closing_papers
from ui.account_form import account_form
from ui.at_till import no_coin, receipt_panel
from ui.bank_accounts import bank_account_chosen, its_bank_account
from ui.bank_rows import unread_bank_rows
from ui.card_slips import waiting_slips
from ui.chips import event_names
from ui.columns import brought_before, column_screen
from ui.components import announce, hotkeys
from ui.disputes import card as dispute_card
from ui.drawer import drawer
from ui.eft import eft_sheet
from ui.evenings import evenings
from ui.exchange_rates import exchange_rates
from ui.export import export_button, export_dialog, export_list, verify_a_file, waiting_files
from ui.filter_bar import filter_bar
from ui.here import error_boundary, fault_of, id_in, require, signed_in
from ui.job_history import job_history
from ui.language_form import languages
from ui.lists import cases_list, going_list, lines_list, messages_list, preview_list
from ui.mail_form import mail_form
from ui.many import (
    Many,
    begin,
    bulk_dialog,
    deeds_of,
    done_last,
    let_go,
    moved_before,
    on_chosen,
    on_payments,
)
from ui.mapping import date_order_asked, mapping_screen
from ui.matches import MATCHED, matches
from ui.organiser_form import organiser_form
from ui.palette import palette
from ui.past import choose_moment, compared, stood_banner
from ui.payer_details import details_later
from ui.payer_screen import payer_screen
from ui.payments_list import ORDERS, live_list, payments_list
from ui.pieces import (
    Card,
    big,
    cards,
    checks,
    empty_state,
    escape,
    facts,
    file_link,
    freshness,
    ledger,
    link_here,
    mode_banner,
    moment,
    of_one,
    page_title,
    plain,
    problem,
    qr,
    side_by_side,
    sign_out,
    status_panel,
    style,
    trouble,
)
from ui.proving import act, attempt, confirm_in_dialog, go, outcome, tell
from ui.reminder_form import reminder_form
from ui.report_view import report_view
from ui.saved import arrive, columns_popover, leave, shown_columns, views_popover
from ui.schedule_form import schedule_form
from ui.several import part_form, places_list
from ui.sharing import copy, share_link
from ui.surplus_list import surplus_list
from ui.terms_form import terms_form
from ui.timelines import record
from ui.uploads import TABLE, Taken, bring_file, bring_files, is_taken
from ui.walk import Walk, way_along
from ui.wish import clear_filters, hold

__all__ = [
    "MATCHED",
    "ORDERS",
    "TABLE",
    "Card",
    "Many",
    "Taken",
    "Walk",
    "account_form",
    "act",
    "announce",
    "arrive",
    "attempt",
    "bank_account_chosen",
    "begin",
    "big",
    "bring_file",
    "bring_files",
    "brought_before",
    "bulk_dialog",
    "cards",
    "cases_list",
    "checks",
    "choose_moment",
    "clear_filters",
    "closing_papers",
    "column_screen",
    "columns_popover",
    "compared",
    "confirm_in_dialog",
    "copy",
    "date_order_asked",
    "deeds_of",
    "details_later",
    "dispute_card",
    "done_last",
    "drawer",
    "eft_sheet",
    "empty_state",
    "error_boundary",
    "escape",
    "evenings",
    "event_names",
    "exchange_rates",
    "export_button",
    "export_dialog",
    "export_list",
    "facts",
    "fault_of",
    "file_link",
    "filter_bar",
    "freshness",
    "go",
    "going_list",
    "hold",
    "hotkeys",
    "id_in",
    "is_taken",
    "its_bank_account",
    "job_history",
    "languages",
    "leave",
    "ledger",
    "let_go",
    "lines_list",
    "link_here",
    "live_list",
    "mail_form",
    "mapping_screen",
    "matches",
    "messages_list",
    "mode_banner",
    "moment",
    "moved_before",
    "no_coin",
    "of_one",
    "on_chosen",
    "on_payments",
    "organiser_form",
    "outcome",
    "page_title",
    "palette",
    "part_form",
    "payer_screen",
    "payments_list",
    "places_list",
    "plain",
    "preview_list",
    "problem",
    "qr",
    "receipt_panel",
    "record",
    "reminder_form",
    "report_view",
    "require",
    "schedule_form",
    "share_link",
    "shown_columns",
    "side_by_side",
    "sign_out",
    "signed_in",
    "status_panel",
    "stood_banner",
    "style",
    "surplus_list",
    "tell",
    "terms_form",
    "trouble",
    "unread_bank_rows",
    "verify_a_file",
    "views_popover",
    "waiting_files",
    "waiting_slips",
    "way_along",
]
