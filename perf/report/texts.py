"""Texts of a run that come from anywhere: statements, plans, names, reasons."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Nothing may steer a terminal, end a document early, or turn the direction of what follows.
_CONTROL: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """The text with a sign in place of each control character; line breaks stay.

    >>> printable("a\\x1b[31mb")
    'a�[31mb'
    """
    return _CONTROL.sub("�", text.replace("\r\n", "\n").expandtabs(4))


def cells(text: str) -> int:
    """How many places a line takes on a terminal.

    >>> cells("abc"), cells("日本"), cells("e\\u0301")
    (3, 4, 1)
    """
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def cut(text: str, places: int) -> str:
    """As much of a line as fits into so many places."""
    taken = 0
    for at, each in enumerate(text):
        taken += _cells_of(each)
        if taken > places:
            return text[:at]
    return text


def _cells_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0  # stands upon the one before it
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
