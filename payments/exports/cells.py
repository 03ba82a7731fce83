"""Texts as cells of a file: none ever starts a formula, whichever separator a spreadsheet believes in."""

import re

#: What a spreadsheet may take for the start of a formula, in each width it comes in.
STARTS = "=+\\-@%＝＋－＠\u2212"
FIRST = STARTS + "|｜\t\n"
#: What a spreadsheet, or the person's import dialog, may skip before it looks at the first character.
SKIPPED = " \u00a0\u3000\ufeff\u200b\u200c\u200d\u2060\"'"
#: What splits cells somewhere.
SEPARATORS = ';,\t|"\n'
AFTER_SEPARATOR = f"([{SEPARATORS}][{SKIPPED}]*)(?=[{STARTS}])"
AT_START = f"[{SKIPPED}]*[{FIRST}]"

_AFTER_SEPARATOR = re.compile(AFTER_SEPARATOR)
_HARMLESS = re.compile(f"[^{FIRST}\0\r]*")
_AT_START = re.compile(AT_START)


def guard(text: str) -> str:
    """A text that no spreadsheet runs: an apostrophe stands where a formula could start.

    Also behind separators within the text: with South African settings Excel splits at ``;``, and
    what follows one is then a cell of its own.
    """
    if _HARMLESS.fullmatch(text):
        return text
    plain = text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    plain = _AFTER_SEPARATOR.sub(r"\1'", plain)
    return f"'{plain}" if _AT_START.match(plain) else plain


def quoted(text: str) -> str:
    """A guarded text as a field of a CSV file (RFC 4180)."""
    return '"' + text.replace('"', '""') + '"'
