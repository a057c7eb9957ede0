"""Assertions of what code asks PostgreSQL, for the tests of any project. See docs/monitor.md.

`plan_fingerprint` is the form of a queryset's plan in one line, the same on PostgreSQL 15 and 18;
`plans_of` collects the plans of a block.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from perf.pg.plans import explain, plans_of
from perf.testing.budgets import assert_within_budgets
from perf.testing.indexes import assert_index_served
from perf.testing.queries import assert_queries, statements
from perf.testing.tenants import assert_no_tenant_free_statement


def plan_fingerprint(queryset: QuerySet[Any, Any]) -> str:
    """The form of a queryset's plan, without figures. One statement."""
    return explain(queryset).fingerprint


__all__ = [
    "assert_index_served",
    "assert_no_tenant_free_statement",
    "assert_queries",
    "assert_within_budgets",
    "plan_fingerprint",
    "plans_of",
    "statements",
]
