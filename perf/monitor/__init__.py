"""The query monitor: what an application asks PostgreSQL, how often, from where, and what mends it.

A library for any project on Django and psycopg; nothing else is needed. See docs/monitor.md.
"""

from __future__ import annotations

from perf.monitor.budgets import query_budget
from perf.monitor.decorator import monitor_query_performance

__all__ = ["monitor_query_performance", "query_budget"]
