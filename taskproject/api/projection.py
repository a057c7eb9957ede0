"""Lets PostgreSQL write the JSON that a serializer would: compiled from the serializer's fields.

The fields stay the one truth. A field that is not known here makes its serializer one without a
projection, and views show its rows through the serializer then.

A page is read LIMIT first: the selector's queryset as Django compiles it, cut by the keyset, then
the names that its rows point to, then the JSON, all rows as one text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Protocol, runtime_checkable

from django.db.models import DateTimeField, ForeignKey, IntegerField, Model, QuerySet
from django.db.models.expressions import RawSQL
from rest_framework import serializers

from taskproject.api.fields import (
    ChoicesField,
    FlagField,
    IdField,
    InstantField,
    TextField,
    WordField,
    only,
)
from taskproject.db.fields import STOPS_EARLY
from taskproject.db.keyset import Keyset
from taskproject.db.slots import TENANT, slot, slotted_sql
from taskproject.db.statements import Statement


class RowSQL:
    """What a field's SQL is made of: columns of the row that is shown, and names of related rows.

    It notes what was asked for: the columns that the inner query has to read, and the joins.
    """

    def __init__(self, model: type[Model], alias: str = "shown_row") -> None:
        self._model = model
        self._alias = alias
        self.columns: dict[str, None] = {}
        self.joins: dict[str, str] = {}

    def column(self, name: str) -> str:
        """A column of the row, by the name of the attribute that has its value."""
        self.columns[name] = None
        return f'{self._alias}."{name}"'

    def expression(self, name: str) -> RawSQL:
        """The same for a queryset that looks for rows by it."""
        return RawSQL(self.column(name), ())  # noqa: S611  # a name of the model's own

    def name(self, relation: str, column: str) -> str:
        """A column of the row that `relation` points to; null if it points to none.

        It is looked up by key for each row of the page. A plain join would leave PostgreSQL the
        choice to read all rows of a tenant instead: see docs/decisions/0009.
        """
        field: Any = self._model._meta.get_field(relation)
        target = field.related_model
        options = target._meta
        tenant = (
            f"tenant_id = {slot(TENANT)} AND "
            if any(each.name == "tenant" for each in options.fields)
            else ""
        )
        self.joins[f"{relation}_{column}"] = (
            f'LEFT JOIN LATERAL (SELECT "{column}" FROM "{options.db_table}" WHERE {tenant}'
            f'"{options.pk.column}" = {self.column(field.attname)} LIMIT 1)'
            f' AS "{relation}_{column}" ON true'
        )
        return f'"{relation}_{column}"."{column}"'

    def linked(self, links: Links, written: Callable[[RowSQL], str]) -> str:
        """An array of the rows that links lead to, each with the members that `written` gives.

        They are looked up for each row of the page like a name, and for the same reason.
        """
        found = links.found(RawSQL(f'link."{links.column}"', ()))  # noqa: S611  # as above
        row = RowSQL(found.model, "included_row")
        members = written(row)
        columns = dict.fromkeys((*row.columns, links.order))
        return (
            "(SELECT coalesce(json_agg(row_to_json(included)"
            f" ORDER BY included_row.\"{links.order}\"), '[]')"
            f" FROM ({slotted_sql(links.rows(self.expression('id')).values(links.column))}) AS link"
            f" CROSS JOIN LATERAL ({slotted_sql(found.values(*columns))}) AS included_row"
            f" {joined(members, row, 'included')})"
        )


@dataclass(frozen=True, slots=True)
class Links:
    """How one row leads to others: `rows` finds the links by its id, `column` is where a link has
    the id of another row, `found` finds that one, and `order` is the column they are shown by."""

    rows: Callable[[Any], QuerySet[Any]]
    column: str
    found: Callable[[Any], QuerySet[Any]]
    order: str


@runtime_checkable
class Projected(Protocol):
    """A serializer field that can be written as SQL; what it yields must read like what
    `to_representation` returns."""

    source: str

    def to_sql(self, row: RowSQL) -> str: ...


def _as_column(field: Any, row: RowSQL) -> str:
    return row.column(field.source)


def _as_word(field: Any, row: RowSQL) -> str:
    cases = " ".join(f"WHEN {int(value)} THEN '{label}'" for value, label in field.choices.choices)
    return f"CASE {row.column(field.source)} {cases} END"


def _as_instant(field: Any, row: RowSQL) -> str:
    # The session's zone plays no part. Half as dear as to_char(), which the digits would need.
    column = row.column(field.source)
    return f"replace(({column} AT TIME ZONE 'UTC')::text, ' ', 'T') || 'Z'"


# By the very class: a subclass may show its value in another way.
_KNOWN: Final[Mapping[type, Any]] = {
    serializers.IntegerField: _as_column,
    serializers.CharField: _as_column,
    TextField: _as_column,
    FlagField: _as_column,
    IdField: _as_column,
    ChoicesField: _as_column,
    WordField: _as_word,
    InstantField: _as_instant,
}


@dataclass(frozen=True, slots=True)
class Projection:
    """The members of a JSON object as SQL, by name, in the order of the serializer's fields.

    `names` are those that were asked for; None stands for what the serializer shows by itself.
    """

    serializer: type[serializers.Serializer[Any]]
    names: tuple[str, ...] | None
    model: type[Model] = field(compare=False)
    members: Mapping[str, Any] = field(compare=False)

    def written(self, row: RowSQL) -> str:
        """The list of a SELECT that has the members as its columns."""
        return ", ".join(
            f'{_sql_of(field, row)} AS "{name}"' for name, field in self.members.items()
        )


@lru_cache(maxsize=500)  # clients choose the names
def projection_of(
    serializer_class: type[serializers.Serializer[Any]], names: tuple[str, ...] | None = None
) -> Projection | None:
    """The projection of a serializer, of all that it shows or of the members of those names.

    None if a field of it is not known here, or it does not say of which `model` it shows the rows.
    """
    model: type[Model] | None = getattr(serializer_class, "model", None)
    if model is None:
        return None
    fields: dict[str, Any] = dict(serializer_class(**only(names)).fields)
    shown = {name: each for name, each in fields.items() if not each.write_only}
    if not all(map(_is_known, shown.values())):
        return None
    return Projection(serializer_class, names, model, shown)


def _is_known(field: Any) -> bool:
    return isinstance(field, Projected) or type(field) in _KNOWN


def _sql_of(field: Any, row: RowSQL) -> str:
    if isinstance(field, Projected):
        return field.to_sql(row)
    written: str = _KNOWN[type(field)](field, row)
    return written


def joined(members: str, row: RowSQL, name: str = "shown") -> str:
    """What stands behind the row in FROM, so that `name` is the object with the members."""
    return f"{' '.join(row.joins.values())} CROSS JOIN LATERAL (SELECT {members}) AS {name}"


@dataclass(frozen=True, slots=True)
class PageStatement:
    """The statement of one page, and how the keys that it answers with are read."""

    statement: Statement
    key_types: tuple[Callable[[str], Any], ...]

    def keys(self, texts: Sequence[bytes | None]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The keys of the first and of the last row, from the last columns of the answer."""
        read = [
            None if text is None else read_as(text.decode())
            for text, read_as in zip(texts, (*self.key_types, *self.key_types), strict=True)
        ]
        width = len(self.key_types)
        return tuple(read[:width]), tuple(read[width:])


def page_statement(
    projection: Projection, rows: QuerySet[Any], keyset: Keyset, *, limit: int, backwards: bool
) -> PageStatement:
    """The statement of one page: `rows` come in the order in which they are read, cut at
    `limit` + 1.

    Its only row has the JSON of at most `limit` rows in the order of the list, null without any;
    the number of rows read; and the keys of the first and of the `limit`-th row read, column by
    column.
    """
    row = RowSQL(projection.model)
    members = projection.written(row)
    early = [STOPS_EARLY] if STOPS_EARLY in rows.query.annotations else []
    columns = dict.fromkeys((*row.columns, *keyset.columns, *early))
    keys = "".join(
        f', max(shown_row."{column}") FILTER (WHERE shown_row.n = {n})::text'
        for n in (1, limit)
        for column in keyset.columns
    )
    order = "DESC" if backwards else "ASC"
    statement = Statement.of(
        f"SELECT string_agg(row_to_json(shown)::text, E',\\n' ORDER BY shown_row.n {order})"
        f" FILTER (WHERE shown_row.n <= {limit}), count(*)::text{keys}"
        # Rows come out of a sub-select in its order, and are numbered as they come.
        f" FROM (SELECT row_number() OVER () AS n, page.*"
        f" FROM ({slotted_sql(rows.values(*columns))}) AS page) AS shown_row"
        f" {joined(members, row)}"
    )
    return PageStatement(statement, tuple(_type_of(rows, column) for column in keyset.columns))


def _type_of(rows: QuerySet[Any], column: str) -> Callable[[str], Any]:
    """What reads a value of a column that PostgreSQL wrote as text."""
    annotation = rows.query.annotations.get(column)
    column_field = annotation.output_field if annotation else rows.model._meta.get_field(column)
    if isinstance(column_field, DateTimeField):
        return datetime.fromisoformat
    return int if isinstance(column_field, IntegerField | ForeignKey) else str


def row_statement(projection: Projection, rows: QuerySet[Any], *also: str) -> Statement:
    """The statement of one object: its row has the JSON, and the columns `also` as text."""
    row = RowSQL(projection.model)
    members = projection.written(row)
    more = "".join(f", {row.column(name)}::text" for name in also)
    return Statement.of(
        f"SELECT row_to_json(shown)::text{more}"
        f" FROM ({slotted_sql(rows.values(*row.columns))}) AS shown_row"
        f" {joined(members, row)}"
    )
