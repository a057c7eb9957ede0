"""Which statements a block runs: counted, or named one by one.

They are seen where Django's execute wrappers see them, so that nothing is sent in another way for
being watched, as it may be for Django's own log of queries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from django.db import DEFAULT_DB_ALIAS

from perf.monitor.recording import Ran, recorded

TRANSACTIONS: Final = frozenset({"savepoint", "release", "rollback", "begin", "commit"})


@contextmanager
def statements(
    *, using: str = DEFAULT_DB_ALIAS, with_savepoints: bool = False
) -> Iterator[list[Ran]]:
    """The statements of the block, in order; there once it has ended. What begins and ends
    transactions is left out, unless savepoints are asked for: a test runs inside one of its own."""
    found: list[Ran] = []
    with recorded(keeps=True) as recording:
        yield found
    found += [
        each
        for each in recording.kept
        if each.alias == using and (with_savepoints or each.shape.verb not in TRANSACTIONS)
    ]


@contextmanager
def assert_queries(
    expected: int | Sequence[str],
    *,
    using: str = DEFAULT_DB_ALIAS,
    with_savepoints: bool = False,
) -> Iterator[list[Ran]]:
    """Fail unless the block runs so many statements, or those: in order, each as its verb and the
    first table that it names ("SELECT task"), or as any part of its shape's text.

    Raises `AssertionError` with each statement's shape, rows and place.
    """
    with statements(using=using, with_savepoints=with_savepoints) as found:
        yield found
    if isinstance(expected, int):
        assert len(found) == expected, _told(f"{expected} statements", found)
        return
    fits = len(found) == len(expected) and all(
        wanted in (each.shape.says, each.shape.text) or wanted in each.shape.text
        for each, wanted in zip(found, expected, strict=True)
    )
    assert fits, _told(f"{len(expected)} statements ({', '.join(expected)})", found)


def _told(expected: str, found: Sequence[Ran]) -> str:
    listed = "\n".join(f"{number}. {each}" for number, each in enumerate(found, 1))
    return f"{expected} expected, {len(found)} run:\n{listed}"
