"""Keyset pages: the rows after, or before, a known row, by row comparison.

The columns of a sort are all read in one direction and end with a unique one, so that the order is
total and `(a, b) < (x, y)` says exactly which rows come next; PostgreSQL turns it into one range of
an index, at any depth. None of them may be null: a comparison with null is never true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Model, QuerySet
from django.db.models.fields.tuple_lookups import TupleGreaterThan, TupleLessThan


@dataclass(frozen=True, slots=True)
class Keyset:
    """A total order: its columns, the last one unique, and whether it descends.

    `twins` are columns of a joined table that equal `columns` in each row. Both are compared with a
    key: from a join PostgreSQL concludes that two columns are equal, but not that one is beyond a
    bound because the other is, and a merge join would walk the unbounded table from its edge.
    """

    columns: tuple[str, ...]
    descending: bool = False
    twins: tuple[str, ...] = ()

    def key(self, row: Any) -> tuple[Any, ...]:
        """The values of a row, or of a dict of values, that say where it stands."""
        if isinstance(row, dict):
            return tuple(row[column] for column in self.columns)
        return tuple(getattr(row, column) for column in self.columns)

    def page[M: Model](
        self,
        rows: QuerySet[M],
        *,
        key: Sequence[Any] | None = None,
        backwards: bool = False,
        limit: int,
    ) -> QuerySet[M]:
        """At most `limit` rows beyond `key`, nearest first; from the start when `key` is None.

        With `backwards` the rows before `key` come, in reverse order: the caller turns them round.
        Raises `ValueError` for a key of another length.
        """
        descends = self.descending != backwards
        if key is not None:
            if len(key) != len(self.columns):
                raise ValueError(f"The key of {self.columns} has {len(self.columns)} values.")
            comparison = TupleLessThan if descends else TupleGreaterThan
            for columns in filter(None, (self.columns, self.twins)):
                rows = rows.filter(comparison(tuple(F(column) for column in columns), tuple(key)))
        sign = "-" if descends else ""
        return rows.order_by(*(sign + column for column in self.columns))[:limit]
