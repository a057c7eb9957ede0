"""A statement's plan and its identifier in pg_stat_statements, asked for once it has been answered.

One EXPLAIN tells both, and runs nothing. It goes the statement's own way: in the context that it
ran in, so in its tenant and role, on the connection of its thread; of a statement that was prepared
by other means than Django's, through its own cursor, so that the plan is the prepared one. It
stands in a transaction with timeouts that is rolled back.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from dataclasses import dataclass
from typing import Any, Final

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from perf.monitor.recording import Sample, resumed
from perf.monitor.shapes import Shape, folded
from perf.pg.plans import Node, Plan, parse_plan

logger: Final = logging.getLogger("perf.monitor")

EXPLAIN: Final = "EXPLAIN (VERBOSE, FORMAT JSON) "
TIMEOUTS: Final = "SET LOCAL statement_timeout = '1s'; SET LOCAL lock_timeout = '100ms'"
_WRITES: Final = re.compile(r"\b(insert\s+into|update|delete\s+from|merge\s+into)\b", re.IGNORECASE)
_LOCKS: Final = re.compile(r"\bfor\s+(no\s+key\s+)?update\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Explained:
    """`plan` has no value of the statement in it. `identifier` is None where PostgreSQL computes
    none: see its setting compute_query_id."""

    plan: Plan
    identifier: int | None


def reads(shape: Shape) -> bool:
    """Whether a statement of this shape changes nothing: a SELECT, perhaps behind a WITH."""
    if shape.verb not in ("select", "with", "values"):
        return False
    return _WRITES.search(_LOCKS.sub("", shape.text)) is None


def explained(sample: Sample) -> Explained | None:
    """What EXPLAIN says of a statement that has run; None where it can't be asked.

    One statement beside a transaction. To be called by the thread that ran the statement, when its
    answer has been sent. Raises nothing.
    """
    try:
        return sample.context.run(_asked, sample)
    except Exception:  # a lost connection, a timeout, a table that is gone
        logger.debug("The plan of a statement could not be asked for.", exc_info=True)
        return None


def _asked(sample: Sample) -> Explained | None:
    connection, alias = sample.connection, sample.ran.alias
    begun_by_hand = not (connection.in_atomic_block or connection.get_autocommit())
    if connections[alias] is not connection or connection.needs_rollback or begun_by_hand:
        return None
    with resumed(None), transaction.atomic(using=alias):
        document = _document(sample)
        transaction.set_rollback(True, using=alias)
    found = json.loads(document) if isinstance(document, str | bytes) else document
    identifier = found[0].get("Query Identifier")
    return Explained(redacted(parse_plan(found)), identifier)


def _document(sample: Sample) -> Any:
    """The words of PostgreSQL, asked past the connection's execute wrappers: they are for what the
    application says."""
    connection, ran = sample.connection, sample.ran
    with connection.cursor() as wrapped:
        cursor = wrapped.cursor
        cursor.execute(TIMEOUTS)
        if isinstance(sample.cursor, CursorWrapper):
            cursor.execute(EXPLAIN + _written(ran.sql, cursor), ran.params)
            return cursor.fetchone()[0]
    context = {"connection": connection, "cursor": sample.cursor}
    sample.cursor.execute(EXPLAIN + ran.sql, ran.params, False, context)
    return sample.cursor.fetchone()[0]


def _written(sql: Any, cursor: Any) -> str:
    if isinstance(sql, bytes):
        return sql.decode()
    return sql if isinstance(sql, str) else str(sql.as_string(cursor))


def redacted(plan: Plan) -> Plan:
    """A plan without the values in its conditions."""
    return dataclasses.replace(plan, root=_without_values(plan.root))


def _without_values(node: Node) -> Node:
    return dataclasses.replace(
        node,
        index_condition=node.index_condition and folded(node.index_condition),
        filter=node.filter and folded(node.filter),
        sort_keys=tuple(folded(each) for each in node.sort_keys),
        children=tuple(_without_values(each) for each in node.children),
    )
