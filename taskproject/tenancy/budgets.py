"""How many statements each address of the API may take, for the query monitor.

It warns of a request that takes more; `tasks/tests/test_query_budgets.py` holds the numbers to what
is sent. They are the same for few rows and for many.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ENTRY: Final = 3  # who asks: a session, its user and the membership; a token takes one at most
KEYED: Final = 4  # with an Idempotency-Key, which POST and PATCH take

Budgets = dict[str, dict[str, int]]


def budgets(own: Mapping[str, int]) -> Budgets:
    """The budgets of addresses that take so many statements for themselves."""
    return {route: {"statements": ENTRY + count + _keyed(route)} for route, count in own.items()}


def _keyed(route: str) -> int:
    return KEYED if route.startswith(("POST", "PATCH")) else 0


BUDGETS: Final = budgets(
    {
        "GET tenant-detail": 1,
        "PATCH tenant-detail": 3,
        "GET member-list": 1,
        "POST member-list": 13,
        "GET member-detail": 1,
        "PATCH member-detail": 8,
        "GET token-list": 1,
        "POST token-list": 5,
        "GET token-detail": 1,
        "DELETE token-detail": 5,
        "GET event-feed": 2,
    }
)
