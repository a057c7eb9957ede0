"""Counts that stop: a count of all rows costs what the rows are, whoever needs it."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet


def capped_count(rows: QuerySet[Any], *, limit: int) -> int:
    """How many rows there are, `limit` + 1 for more. One statement, which stops at that many."""
    return rows.order_by()[: limit + 1].count()
