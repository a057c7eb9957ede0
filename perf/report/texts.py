"""Texts of a run that come from anywhere: statements, plans, names, reasons."""

from __future__ import annotations

import re
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
