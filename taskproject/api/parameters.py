"""Query parameters: a closed list, each given at most once, each with its type."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.dateparse import parse_datetime

from taskproject.api.problems import InvalidParameter
from taskproject.db.values import INSTANT, require_instant

_MAX_ID: Final = 2**63 - 1


class Misfit(ValueError):
    """A text that does not fit, and what about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A query parameter: how its text is read, and what its clients are told of it.

    `read` returns the value or raises `ValueError`, a `Misfit` if it can tell more; `must` ends
    "status must be …". A value in `deciding` is not compared with a column: it asks another
    question.
    """

    read: Callable[[str], Any]
    must: str
    description: str
    schema: Mapping[str, Any]
    example: str
    deciding: frozenset[Any] = frozenset()

    def value(self, name: str, text: str) -> Any:
        """The value of a text. Raises `InvalidParameter`, which says what it must be."""
        try:
            return self.read(text)
        except Misfit as error:
            raise InvalidParameter(f"{name} must be {self.must}; {error}.") from None
        except ValueError:
            raise InvalidParameter(f"{name} must be {self.must}.") from None


def refuse_unknown(query: QueryDict, *, allowed: Collection[str]) -> None:
    """Raise `InvalidParameter` for a parameter outside `allowed`, a repeated one, or one whose text
    can't be stored: with a NUL, or with half a surrogate pair.

    A mistyped filter would otherwise be ignored, and the client would take the whole list for the
    filtered one.
    """
    for name, values in query.lists():
        if name not in allowed:
            known = ", ".join(sorted(allowed)) or "none"
            raise InvalidParameter(f"Unknown parameter {_shown(name)}. Known here: {known}.")
        if len(values) > 1:
            raise InvalidParameter(f"The parameter {name} is given more than once.")
        if "\0" in values[0]:
            raise InvalidParameter(f"The parameter {name} contains a NUL.")


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 60 else name[:60] + "…")


def word(words: Mapping[str, Any], description: str, *, decides: bool = False) -> Parameter:
    """One of a closed list of words, each of which stands for a value, or decides what is asked."""
    return Parameter(
        read=lambda text: words[text] if text in words else _refuse(text),
        must=f"one of {', '.join(words)}",
        description=description,
        schema={"type": "string", "enum": list(words)},
        example=next(iter(words)),
        deciding=frozenset(words.values()) if decides else frozenset(),
    )


def row_id(description: str) -> Parameter:
    """The id of a row: a whole number from 1 on."""
    return Parameter(
        read=_id,
        must="the id of a row, a whole number",
        description=description,
        schema={"type": "integer", "format": "int64", "minimum": 1, "maximum": _MAX_ID},
        example="42",
    )


def instant(description: str) -> Parameter:
    """A point in time with its zone."""
    return Parameter(
        read=_instant,
        must="a time with its zone, such as 2026-01-31T12:00:00Z (a + is written %2B)",
        description=description,
        schema={"type": "string", "format": "date-time"},
        example="2026-01-31T12:00:00Z",
    )


def matching(pattern: str, must: str, description: str, *, example: str) -> Parameter:
    """A text of a given form."""
    compiled = re.compile(pattern)
    anchored = f"^(?:{pattern})$" if "|" in pattern else f"^{pattern}$"
    return Parameter(
        read=lambda text: text if compiled.fullmatch(text) else _refuse(text),
        must=must,
        description=description,
        schema={"type": "string", "pattern": anchored},
        example=example,
    )


def text(
    max_length: int, description: str, *, example: str, deciding: Collection[str] = ()
) -> Parameter:
    """Any text of 1 to `max_length` characters; those of `deciding` stand for something else."""
    return Parameter(
        read=lambda given: given if 1 <= len(given) <= max_length else _refuse(given),
        must=f"a text of 1 to {max_length} characters",
        description=description,
        schema={"type": "string", "minLength": 1, "maxLength": max_length},
        example=example,
        deciding=frozenset(deciding),
    )


def some_of(names: Collection[str], description: str, *, example: int = 1) -> Parameter:
    """Some of a few names with commas between them, each once at most; `example` says how many the
    example has. The value is a tuple of them."""
    known = tuple(names)
    return Parameter(
        read=lambda given: _names(given, known),
        must=f"one or more of {', '.join(known)}, with commas between them",
        description=description,
        schema={
            "type": "array",
            "items": {"type": "string", "enum": list(known)},
            "minItems": 1,
            "uniqueItems": True,
        },
        example=",".join(known[:example]),
    )


def whole(minimum: int, maximum: int, description: str, *, default: int) -> Parameter:
    """A whole number in a range; `default` is what goes unsaid."""
    return Parameter(
        read=lambda given: _whole(given, minimum, maximum),
        must=f"a whole number from {minimum} to {maximum}",
        description=description,
        schema={"type": "integer", "minimum": minimum, "maximum": maximum, "default": default},
        example=str(default),
    )


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _names(given: str, known: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(given.split(","))
    for place, name in enumerate(names):
        if name not in known:
            raise Misfit(f"{_shown(name)} is none of them")
        if name in names[:place]:
            raise Misfit(f"{name} stands there twice")
    return names


def _whole(given: str, minimum: int, maximum: int) -> int:
    # The length first: int() of a very long number is slow, and raises beyond 4,300 digits.
    if not (given.isascii() and given.isdigit() and len(given) <= len(str(maximum))):
        raise ValueError(given)
    number = int(given)
    if not minimum <= number <= maximum:
        raise ValueError(given)
    return number


def _id(given: str) -> int:
    return _whole(given, 1, _MAX_ID)


def _instant(given: str) -> datetime:
    found = parse_datetime(given) if INSTANT.fullmatch(given) else None
    if found is None:
        raise ValueError(given)
    try:
        require_instant(time=found)
    except ValidationError as error:
        raise ValueError(given) from error
    return found.astimezone(UTC)
