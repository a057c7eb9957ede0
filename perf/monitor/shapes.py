"""The shape of a statement: what it is, whatever values it runs with.

Values and literals become `?`, as do lists of them, however long, and the names of savepoints and
cursors are left out. pg_stat_statements folds in the same way, but for lists before PostgreSQL 18.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from perf.pg.redaction import without_values

TEXT_MAX: Final = 4_000  # characters of a shape's text that are kept
_REMEMBERED_CHARACTERS: Final = 10_000  # of a statement; what is longer is read anew each time
_REMEMBERED: Final = 2_000  # statements

# Of a text that has no values left.
_TOKEN: Final = re.compile(
    r"""
    (?P<name>"(?:[^"]|"")*")
  | (?P<space>(?:\s+|--[^\n]*|/\*.*?\*/)+)
  | (?P<slot>%[sbt]|%\(\w+\)[sbt]|\$\d+)
  | (?P<percent>%%)
    """,
    re.VERBOSE | re.DOTALL,
)
_ROW: Final = r"\((?:[^()]|\([^()]*\))*\)"
_LISTS: Final = (
    (re.compile(r"\bIN \(\?(?:, ?\?)+\)", re.IGNORECASE), "IN (?)"),
    (re.compile(rf"\bIN \(({_ROW})(?:, ?{_ROW})+\)", re.IGNORECASE), r"IN (\1)"),
    (re.compile(rf"\bVALUES ({_ROW})(?:, ?{_ROW})+", re.IGNORECASE), r"VALUES \1"),
    (re.compile(r"\bARRAY\[\?(?:, ?\?)+\]", re.IGNORECASE), "ARRAY[?]"),
)
_SAVEPOINT: Final = re.compile(
    r"^(SAVEPOINT|RELEASE(?: SAVEPOINT)?|ROLLBACK TO(?: SAVEPOINT)?) .+$", re.IGNORECASE
)
_WORD: Final = re.compile(r"[\s(]*(\w+)")
_TABLE: Final = re.compile(r'\b(?:FROM|UPDATE|INTO)\s+(?:ONLY\s+)?"?(\w+)"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A form of statements. `digest` is the same in each process and release of the same text."""

    digest: str
    text: str
    verb: str  # the first word, in small letters

    @property
    def says(self) -> str:
        """Its verb and the first table that it names: "SELECT task"."""
        table = _TABLE.search(self.text)
        return f"{self.verb.upper()} {table[1] if table else ''}".strip()


@dataclass(slots=True, eq=False)
class Text:
    """A statement's text as it was sent, and whether PostgreSQL was asked for its identifier."""

    shape: Shape
    is_identified: bool = field(default=False)


def text_of(sql: Any, connection: Any = None) -> Text:
    """What is known of a statement: one look-up in a table for a text that came before.

    What psycopg composed is written out, for which it needs the connection that it runs on.
    """
    if not isinstance(sql, str):
        sql = sql.decode() if isinstance(sql, bytes) else sql.as_string(connection)
    if len(sql) > _REMEMBERED_CHARACTERS:
        # Of what is not remembered nobody could say that it was asked for already.
        return Text(_shape(sql), is_identified=True)
    return _remembered(sql)


@lru_cache(maxsize=_REMEMBERED)
def _remembered(sql: str) -> Text:
    return Text(_shape(sql))


def forget_texts() -> None:
    """Read each text anew."""
    _remembered.cache_clear()


def _shape(sql: str) -> Shape:
    text = folded(sql)
    word = _WORD.match(text)
    return Shape(
        digest=hashlib.blake2b(text.encode(), digest_size=8).hexdigest(),
        text=text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}…",
        verb=word[1].lower() if word else "",
    )


def folded(sql: str) -> str:
    """A statement without values, literals, comments, and names that are made anew each time."""
    text = _TOKEN.sub(_token, without_values(sql)).strip().rstrip(";")
    for pattern, shorter in _LISTS:
        text = pattern.sub(shorter, text)
    return _SAVEPOINT.sub(r"\1", text)


def _token(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "name":
            return '"cursor"' if found[0].startswith('"_django_curs_') else found[0]
        case "space":
            return " "
        case "percent":
            return "%"
    return "?"


def redacted(params: Any) -> list[str]:
    """The kinds of a statement's values in the place of the values; of at most twenty.

    No method of a value is called: who knows what it shows or asks.
    """
    if not isinstance(params, list | tuple | dict):
        return [] if params is None else [type(params).__name__]
    values = list(params.values()) if isinstance(params, dict) else list(params)
    kinds = [type(each).__name__ for each in values[:20]]
    return kinds if len(values) <= 20 else [*kinds, f"{len(values) - 20} more"]
