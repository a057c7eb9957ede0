"""How many pages rows should take, told from the planner's statistics.

A row takes its header, a bit for each column if any can be NULL, and its values, rounded up to 8
bytes, and a pointer in the page's head. The sizes are those of the documentation, "Database Page
Layout". Padding between columns is not counted, which makes the estimate low by a little.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_PAGE_HEADER: Final = 24
_POINTER: Final = 4
_ROW_HEADER: Final = 23
_INDEX_ROW_HEADER: Final = 8
_BTREE_SPECIAL: Final = 16
_ALIGNED_TO: Final = 8


@dataclass(frozen=True, slots=True)
class Width:
    """A column: its bytes where it is not NULL, and how often it is."""

    bytes: float
    null_share: float


def table_pages(rows: float, widths: Iterable[Width], *, page_bytes: int, fill: int) -> int:
    """The pages that a table of so many rows needs. `fill` is its fillfactor, in %.

    >>> table_pages(1_000, [Width(8, 0), Width(92, 0)], page_bytes=8192, fill=100)
    17
    """
    found = list(widths)
    row = _aligned(_ROW_HEADER + _nulls(found)) + _aligned(_values(found)) + _POINTER
    return _pages(rows, row, (page_bytes - _PAGE_HEADER) * fill / 100)


def btree_pages(rows: float, widths: Iterable[Width], *, page_bytes: int, fill: int) -> int:
    """The pages that a B-tree of so many entries needs, without the few above its leaves.

    Equal keys are stored once since PostgreSQL 13, so that a real index may need less.

    >>> btree_pages(1_000, [Width(8, 0)], page_bytes=8192, fill=90)
    4
    """
    found = list(widths)
    nulls = _ALIGNED_TO if any(each.null_share for each in found) else 0
    entry = _INDEX_ROW_HEADER + nulls + _aligned(_values(found)) + _POINTER
    return 1 + _pages(rows, entry, (page_bytes - _PAGE_HEADER - _BTREE_SPECIAL) * fill / 100)


def _pages(rows: float, row_bytes: float, room: float) -> int:
    # A page holds whole rows; what is longer than a page is partly stored elsewhere (TOAST).
    in_a_page = room // row_bytes if row_bytes <= room else room / row_bytes
    return math.ceil(rows / in_a_page)


def _nulls(widths: list[Width]) -> int:
    return math.ceil(len(widths) / 8) if any(each.null_share for each in widths) else 0


def _values(widths: list[Width]) -> float:
    return sum(each.bytes * (1 - each.null_share) for each in widths)


def _aligned(size: float) -> float:
    return math.ceil(size / _ALIGNED_TO) * _ALIGNED_TO
