"""Keyset pages: the rows after, or before, a known row, by row comparison.

The columns of a sort are all read in one direction and end with a unique one, so that the order is
total and `(a, b) < (x, y)` says exactly which rows come next; PostgreSQL turns it into one range of
an index, at any depth. None of them may be null: a comparison with null is never true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import F, Func, Model, QuerySet
from django.db.models.fields.tuple_lookups import (
    TupleGreaterThan,
    TupleGreaterThanOrEqual,
    TupleLessThan,
    TupleLessThanOrEqual,
)


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds on the first column of a keyset: from `lower` on, and before `upper`."""

    lower: Any = None
    upper: Any = None

    def applied[M: Model](
        self, rows: QuerySet[M], column: str, *, key_above: bool = False, key_below: bool = False
    ) -> QuerySet[M]:
        """The rows within the bounds. A bound on the side of a key is left out: a row beyond the
        key is within it, and PostgreSQL would start at the bound and walk to the key (1,707 pages
        in place of 19, 190,000 rows deep)."""
        if self.lower is not None and not key_below:
            rows = rows.filter(**{f"{column}__gte": self.lower})
        if self.upper is not None and not key_above:
            rows = rows.filter(**{f"{column}__lt": self.upper})
        return rows


@dataclass(frozen=True, slots=True)
class Keyset:
    """A total order: its columns, the last one unique, and whether it descends.

    With `sorts`, PostgreSQL fetches all rows of the list and sorts them: for a list that is known
    to be short. Else it may choose to walk an index that has the order until enough rows match, and
    walks all of it where they stand at its end.
    """

    columns: tuple[str, ...]
    descending: bool = False
    sorts: bool = False

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
        inclusive: bool = False,
        within: Range | None = None,
        limit: int,
    ) -> QuerySet[M]:
        """At most `limit` rows beyond `key`, nearest first; from the start when `key` is None.

        With `backwards` the rows before `key` come, in reverse order: the caller turns them round.
        With `inclusive` the row of the key itself comes too. Raises `ValueError` for a key of
        another length.
        """
        descends = self.descending != backwards
        if within is not None:
            rows = within.applied(
                rows,
                self.columns[0],
                key_above=key is not None and descends,
                key_below=key is not None and not descends,
            )
        if key is not None:
            if len(key) != len(self.columns):
                raise ValueError(f"The key of {self.columns} has {len(self.columns)} values.")
            comparison = _COMPARISONS[descends, inclusive]
            rows = rows.filter(comparison(self._expressions(), tuple(key)))
        order = (each.desc() if descends else each.asc() for each in self._expressions())
        return rows.order_by(*order)[:limit]

    def _expressions(self) -> tuple[Any, ...]:
        first, *others = (F(column) for column in self.columns)
        # The greatest of one value is the value, and no index has it.
        return (Func(first, function="GREATEST") if self.sorts else first, *others)


_COMPARISONS: Final[dict[tuple[bool, bool], Any]] = {
    (True, False): TupleLessThan,
    (True, True): TupleLessThanOrEqual,
    (False, False): TupleGreaterThan,
    (False, True): TupleGreaterThanOrEqual,
}
