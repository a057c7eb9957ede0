"""The condition `tenant_id = <active tenant>`, decided when SQL is compiled."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import FullResultSet
from django.db.models import BooleanField, F
from django.db.models.expressions import Expression

from taskproject.db.context import in_all_tenants, require_tenant_id


class InTenant(Expression):
    """True for rows of the tenant that is active when the query runs.

    The tenant is read at compilation, so a queryset may be built anywhere (a class body, a form, a
    schema generator), and running it outside a tenant raises `TenantNotSet`. Inside `all_tenants`
    the condition vanishes.
    """

    conditional = True
    output_field = BooleanField()

    def __init__(self, column: Any = None) -> None:
        super().__init__()
        self._column = F("tenant_id") if column is None else column

    def get_source_expressions(self) -> list[Any]:
        return [self._column]

    def set_source_expressions(self, exprs: Any) -> None:
        (self._column,) = exprs

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        if in_all_tenants():
            raise FullResultSet
        sql, params = compiler.compile(self._column)
        return f"{sql} = %s", (*params, require_tenant_id())
