"""Statements without the values in them: what people wrote is no business of a report."""

from __future__ import annotations

import re
from typing import Any, Final

LENGTH: Final = 300  # characters of a statement that a report shows
# PostgreSQL's comments nest. Deeper than this nobody writes them.
_COMMENT: Final = r"/\*.*?(?:\*/|\Z)"
_NESTED: Final = rf"/\*(?:(?!\*/|/\*).|{_COMMENT})*+(?:\*/|\Z)"
_COMMENTS: Final = rf"/\*(?:(?!\*/|/\*).|{_NESTED})*+(?:\*/|\Z)"
_TOKEN: Final = re.compile(
    rf"""
    # PostgreSQL cuts a long statement, so that a string may have no end, even behind a backslash.
    # One that follows on another line is of the same kind: a backslash in it hides a quote too.
    (?P<value> [eE]'(?:\\(?:.|\Z)|[^'\\]|'(?:\s|--[^\n\r]*[\n\r])*+')*+(?:'|\Z)
        | (?:[bBxXnN]|[uU]&)?'(?:''|[^'])*(?:'|\Z)
        | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)
        | (?:\d[\w.]*|\.\d\w*)(?:(?<=[eE])[+-]\d+)? )
    # Words are taken whole, so that none ends with what begins a string.
    | (?P<kept> {_COMMENTS} | --[^\n\r]* | "(?:[^"]|"")*(?:"|\Z) | \$\d+ | [^\W\d][\w$]* )
    """,
    re.VERBOSE | re.DOTALL,
)


def redacted(statement: str | None, length: int = LENGTH) -> str | None:
    """A statement with `?` for each string and number, on one line, cut to `length` characters.

    Names, placeholders and comments stay: a comment may say which line of code it comes from.

    >>> redacted("SELECT 'x''y', $1 FROM t1 WHERE n = 4.2e-3")
    'SELECT ?, $1 FROM t1 WHERE n = ?'
    """
    if statement is None:
        return None
    return cut(" ".join(without_values(statement).split()), length)


def without_values(statement: str) -> str:
    """A statement with `?` for each string and number, else as it is."""
    return _TOKEN.sub(_kept, statement)


def cut(text: str, length: int) -> str:
    """A text of at most `length` characters, which shows that more came after."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _kept(found: re.Match[str]) -> Any:
    return found["kept"] or "?"
