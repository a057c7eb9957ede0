"""Whether two ways return the same: results as plain values, and digests of them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Set
from typing import Any, Final

_LONGEST: Final = 120  # characters of a row that are told
_BEFORE: Final = 40  # of them before the place where it differs


def plain(value: Any) -> Any:
    """A result as values that JSON can hold.

    A model instance is its primary key; bytes are what they hold as JSON, or else as text; what
    JSON has no form for, such as a time, is its text. Order counts, but for sets and members.
    Raises `TypeError` for what would be read anew each time, such as an iterator: a way must return
    what it has fetched.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return _decoded(bytes(value))
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, Set):
        return sorted((plain(each) for each in value), key=json.dumps)
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if hasattr(value, "pk"):
        return plain(value.pk)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain({each.name: getattr(value, each.name) for each in dataclasses.fields(value)})
    if hasattr(value, "__iter__"):
        raise TypeError(f"A way returned a {type(value).__name__}: it must fetch its rows.")
    return str(value)


def _decoded(value: bytes) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value.decode(errors="backslashreplace")


def digest(value: Any) -> str:
    """A digest of a result that is equal for equal ones."""
    text = _text(plain(value))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def rows(value: Any) -> int:
    """How many rows a result has; a single value is one."""
    found = plain(value)
    return len(found) if isinstance(found, list) else 1


def difference(one: Any, other: Any) -> str:
    """Where two results differ first, in words."""
    ours, theirs = plain(one), plain(other)
    if not (isinstance(ours, list) and isinstance(theirs, list)):
        return _beside(_text(ours), _text(theirs))
    for number, (left, right) in enumerate(zip(ours, theirs, strict=False), start=1):
        if _text(left) != _text(right):  # 1, 1.0 and true are equal in Python only
            return f"row {number:,}: {_beside(_text(left), _text(right))}"
    return f"{len(ours):,} and {len(theirs):,} rows"


def _beside(one: str, other: str) -> str:
    """Two texts, long ones cut so that the first place where they differ is seen."""
    both = zip(one, other, strict=False)
    same = next((at for at, (a, b) in enumerate(both) if a != b), min(len(one), len(other)))
    start = max(0, same - _BEFORE) if max(len(one), len(other)) > _LONGEST else 0
    return f"{_cut(one, start)} and {_cut(other, start)}"


def _cut(text: str, start: int) -> str:
    before, after = "…" * (start > 0), "…" * (len(text) > start + _LONGEST)
    return f"{before}{text[start : start + _LONGEST]}{after}"


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
