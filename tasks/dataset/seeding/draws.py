"""Random numbers that are the same everywhere, for ever.

They are the bytes of SHAKE-256 (FIPS 202) of a text that names what they are for. Python promises
no stability for most of `random`; a hash has it by definition.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple


class Draw(NamedTuple):
    """Sixteen bits for each thing about a task that is left to chance: 0 to 65,535."""

    moment: int
    course: int
    cycle: int
    title: int
    case: int
    opening: int
    sentences: int
    creator: int
    assignee: int
    actor: int
    priority: int
    due: int
    external: int
    edit: int
    labels: int
    label: int
    comments: int
    remark: int
    parent: int
    dependency: int
    deletion: int


_WIDTH: Final = len(Draw._fields)
_FORMAT: Final = struct.Struct(f"<{_WIDTH}H")


def draws(name: str, count: int) -> Iterator[Draw]:
    """`count` draws. Equal names give equal draws."""
    stream = hashlib.shake_256(name.encode()).digest(_FORMAT.size * count)
    return map(Draw._make, _FORMAT.iter_unpack(stream))


def number(name: str, below: int) -> int:
    """One whole number from 0 to `below` - 1."""
    return int.from_bytes(hashlib.shake_256(name.encode()).digest(8), "little") % below


def skewed[T](items: tuple[T, ...], draw: int) -> T:
    """One of the items, the first ones more often: half of the draws fall on the first quarter.

    The place is the square of an even draw: of n items the i-th is taken with a probability of
    sqrt((i + 1) / n) - sqrt(i / n), i from 0.
    """
    return items[draw * draw * len(items) >> 32]
