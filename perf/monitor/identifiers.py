"""Which entries of pg_stat_statements are a shape's: PostgreSQL's query identifiers, by its digest.

A shape may have several: before PostgreSQL 18 each length of a list in IN has its own, and two
statements that differ in the type of a literal are one shape.
"""

from __future__ import annotations

import threading
from typing import Final

from perf.monitor.shapes import Shape, forget_texts

SHAPES_MAX: Final = 2_000
EACH_MAX: Final = 20

_known: Final[dict[str, list[int]]] = {}
_lock: Final = threading.Lock()


def note(shape: Shape, identifier: int) -> None:
    """Remember that a statement of this shape has this identifier. Beyond `SHAPES_MAX` shapes and
    `EACH_MAX` of each nothing more is remembered."""
    with _lock:
        if shape.digest not in _known and len(_known) >= SHAPES_MAX:
            return
        found = _known.setdefault(shape.digest, [])
        if identifier not in found and len(found) < EACH_MAX:
            found.append(identifier)


def of(digest: str) -> tuple[int, ...]:
    """The identifiers that are known of a shape, in the order in which they were found."""
    return tuple(_known.get(digest, ()))


def forget() -> None:
    """Begin anew: what is known, and what was asked for."""
    with _lock:
        _known.clear()
    forget_texts()
