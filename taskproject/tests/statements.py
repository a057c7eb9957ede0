"""What the statements of a block do, in few words: for tests of what a service costs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection
from django.test.utils import CaptureQueriesContext

_TABLE: Final = re.compile(r'\b(?:FROM|UPDATE|INTO) "?(\w+)"?')
_BINDING: Final = re.compile(r"^SELECT set_config\([^)]*\); ")  # travels with a change of tenant
_TRANSACTIONS: Final = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT")


@contextmanager
def recorded() -> Iterator[list[str]]:
    """The block's statements as "SELECT task": their verb and the first table they name.

    What begins and ends transactions is left out: a test runs inside one of its own.
    """
    found: list[str] = []
    with CaptureQueriesContext(connection) as queries:
        yield found
    statements = [_BINDING.sub("", query["sql"]) for query in queries.captured_queries]
    found += [_short(sql) for sql in statements if not sql.startswith(_TRANSACTIONS)]


def _short(sql: str) -> str:
    table = _TABLE.search(sql)
    return f"{sql.split()[0]} {table[1] if table else ''}".strip()
