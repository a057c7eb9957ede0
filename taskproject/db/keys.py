"""Keys that begin with the tenant: two constraints for `Meta.constraints` and a foreign key field.

Django's primary key stays `id`, for forms, the admin and relations; the database's is
`(tenant_id, id)`, and each foreign key between tenant tables carries the tenant on both sides, so
that PostgreSQL itself refuses a row that points into another tenant, whoever wrote it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Final

from django.db import models
from django.db.models.constraints import BaseConstraint
from django.db.models.sql.where import WhereNode

from taskproject.db.filters import InTenant

_KEYS_FIRST: Final = 10
_DJANGO_DEFAULT: Final = 50
_REFERENCES_LAST: Final = 90


class RankedStatement(str):
    """A schema statement that knows its place among the deferred ones."""

    rank = _DJANGO_DEFAULT

    @classmethod
    def at(cls, rank: int, sql: str) -> RankedStatement:
        statement = cls(sql)
        statement.rank = rank
        return statement


def rank(statement: object) -> int:
    """Where a deferred statement stands; lower runs earlier, equal ranks keep their order."""
    return statement.rank if isinstance(statement, RankedStatement) else _DJANGO_DEFAULT


def has_tenant_key(model: type[models.Model]) -> bool:
    """Whether the table's primary key is (tenant_id, id)."""
    return any(isinstance(each, TenantPrimaryKey) for each in model._meta.constraints)


class _DeferredConstraint(BaseConstraint):
    """A constraint added by ALTER TABLE at the end of the migration, in the order of its rank."""

    rank = _DJANGO_DEFAULT

    @abstractmethod
    def add_statements(self, model: type[models.Model], schema_editor: Any) -> list[str]:
        """The ALTER TABLE statements, in their order."""

    def constraint_sql(self, model: Any, schema_editor: Any) -> str:
        return self.create_sql(model, schema_editor)

    def create_sql(self, model: Any, schema_editor: Any) -> str:
        """Put the statements among the deferred ones; there is nothing to run at once."""
        schema_editor.deferred_sql.extend(
            RankedStatement.at(self.rank, sql) for sql in self.add_statements(model, schema_editor)
        )
        return ""

    def remove_sql(self, model: Any, schema_editor: Any) -> str:
        quote = schema_editor.quote_name
        return f"ALTER TABLE {quote(model._meta.db_table)} DROP CONSTRAINT {quote(self.name)}"

    def validate(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: forms check relations through the tenant's manager, the database the rest."""

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _DeferredConstraint):
            return self.deconstruct() == other.deconstruct()
        return NotImplemented


class TenantPrimaryKey(_DeferredConstraint):
    """PRIMARY KEY (tenant_id, id), in the place of Django's PRIMARY KEY (id)."""

    rank = _KEYS_FIRST

    def add_statements(self, model: type[models.Model], schema_editor: Any) -> list[str]:
        quote = schema_editor.quote_name
        table = quote(model._meta.db_table)
        # Two statements, because Citus takes one constraint change in each ALTER TABLE.
        return [
            f"ALTER TABLE {table} DROP CONSTRAINT {quote(model._meta.db_table + '_pkey')}",
            f"ALTER TABLE {table} ADD CONSTRAINT {quote(self.name)}"
            ' PRIMARY KEY ("tenant_id", "id")',
        ]


class TenantReference(_DeferredConstraint):
    """FOREIGN KEY (tenant_id, <field>) REFERENCES <table> (tenant_id, <to_column>).

    `references` is a model label; it defaults to the model that `field` points to. A person in a
    tenant's row points to the user in Django and references the membership in the database, with
    `references="tenancy.membership", to_column="user_id"`.
    """

    rank = _REFERENCES_LAST

    def __init__(
        self,
        *,
        name: str,
        field: str,
        references: str | None = None,
        to_column: str = "id",
        on_delete: str = "CASCADE",
    ) -> None:
        super().__init__(name=name)
        if on_delete not in ("CASCADE", "NO ACTION"):
            raise ValueError(
                "A tenant reference can CASCADE or do NO ACTION; SET NULL would clear"
                " the tenant as well."
            )
        self.field = field
        self.references = references
        self.to_column = to_column
        self.on_delete = on_delete

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        path, args, kwargs = super().deconstruct()
        kwargs |= {
            "field": self.field,
            "references": self.references,
            "to_column": self.to_column,
            "on_delete": self.on_delete,
        }
        return path, args, kwargs

    def add_statements(self, model: type[models.Model], schema_editor: Any) -> list[str]:
        quote = schema_editor.quote_name
        field: Any = model._meta.get_field(self.field)
        target: Any = field.remote_field.model
        if self.references:
            target = model._meta.apps.get_model(self.references)
        return [
            f"ALTER TABLE {quote(model._meta.db_table)} ADD CONSTRAINT {quote(self.name)}"
            f' FOREIGN KEY ("tenant_id", {quote(field.column)})'
            f' REFERENCES {quote(target._meta.db_table)} ("tenant_id", {quote(self.to_column)})'
            f" ON DELETE {self.on_delete}"
        ]


class TenantForeignKey(models.ForeignKey):  # type: ignore[type-arg]
    """A foreign key between tenant tables: each join and each related look-up carries the tenant.

    It makes neither a constraint nor an index of its own: a `TenantReference` in `Meta.constraints`
    is the constraint, and a tenant-first index serves the look-ups.
    """

    def __init__(self, to: Any, on_delete: Any = models.DB_CASCADE, **kwargs: Any) -> None:
        kwargs.setdefault("db_constraint", False)
        kwargs.setdefault("db_index", False)
        super().__init__(to, on_delete, **kwargs)

    def get_extra_restriction(self, alias: Any, related_alias: Any) -> Any:
        field: Any = self.model._meta.get_field("tenant")
        columns = [field.get_col(each) for each in (alias, related_alias) if each]
        condition: Any
        if len(columns) == 1:
            # A subquery of exclude() has lost the other table: the active tenant stands for it.
            condition = InTenant(columns[0])
        else:
            condition = field.get_lookup("exact")(*columns)
        return WhereNode([condition])

    def get_extra_descriptor_filter(self, instance: Any) -> Any:
        return {"tenant_id": instance.tenant_id}
