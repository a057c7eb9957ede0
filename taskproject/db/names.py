"""Names of the rows that a page's rows point to, each found by its key while the page is read.

A join would be the usual way, and is a trap beside a LIMIT: PostgreSQL may join all rows of a list
and sort them (6,983 pages of 8 KiB for 51 of the 8,856 tasks of a project), or guess a key of two
columns wrongly. A scalar subquery leaves it no choice, and runs for the rows of the page only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, OuterRef, QuerySet, Subquery


@dataclass(frozen=True, slots=True)
class Name:
    """The text `field` of the row that `relation` points to. Costs some 3 pages a row."""

    relation: str
    field: str

    @property
    def alias(self) -> str:
        return f"{self.relation}_name"

    def found(self, model: type[Model]) -> Subquery:
        """The expression that finds it."""
        target: Any = self._target(model)
        rows = target._base_manager.filter(pk=OuterRef(f"{self.relation}_id"))
        return Subquery(rows.order_by().values(self.field)[:1])

    def attach(self, row: Any) -> None:
        """Make the related row reachable by `row.<relation>`, with its id and this one field."""
        related = None
        if (pk := getattr(row, f"{self.relation}_id")) is not None:
            target: Any = self._target(type(row))
            names, values = ["id", self.field], [pk, getattr(row, self.alias)]
            related = target.from_db(row._state.db, names, values)
        row._state.fields_cache[self.relation] = related

    def _target(self, model: type[Model]) -> Any:
        return model._meta.get_field(self.relation).related_model


def named[M: Model](rows: QuerySet[M], names: Iterable[Name]) -> QuerySet[M]:
    """The rows with those names, in the same statement."""
    found: QuerySet[M] = rows.annotate(**{name.alias: name.found(rows.model) for name in names})
    return found


def attach_names(rows: Sequence[Model], names: Iterable[Name]) -> None:
    """Put the names that `named` has found where relations are looked for. No statement."""
    for name in names:
        for row in rows:
            name.attach(row)
