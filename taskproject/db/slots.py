"""Places in a statement for values that come with each request.

A queryset that is built with slots in place of values is compiled once; after that each request
only fills them in. What Django compiles around them, constants among it, stays as it is.
"""

from __future__ import annotations

import re
from typing import Any, Final

from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import Expression
from psycopg.sql import Literal

from taskproject.db.context import current_tenant_id, tenant_context

TENANT: Final = "tenant"
# The tenant is compiled in as a number like any other, and found again by this one.
_TENANT_MARK: Final = 2**62 + 0x7E4A47
_PLACEHOLDER: Final = re.compile("%s|%%")


class Slot(Expression):
    """The place of a value in a queryset: `filter(status=Slot("status"))`."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)


def slot(name: str) -> str:
    """A slot in SQL that is written by hand: marked by a character that no SQL can hold."""
    return f"\0{name}\0"


def slotted_sql(rows: QuerySet[Any, Any]) -> str:
    """The SQL of a queryset, its slots as `slot` marks them; inside `tenant_of_slots`, where the
    queryset has to be made too, the tenant is the slot TENANT.

    Everything else stands in the text, so that PostgreSQL sees that a partial index serves whatever
    the slots hold.
    """
    text, params = rows.query.get_compiler(connection=connection).as_sql()
    values = iter(params)
    return _PLACEHOLDER.sub(
        lambda found: "%" if found[0] == "%%" else _written(next(values)), str(text)
    )


def tenant_of_slots() -> Any:
    """The context in which the active tenant is a slot. No statement may run in it, and no value of
    a request may be compiled: the one finds nothing, the other might look like the tenant."""
    return tenant_context(_TENANT_MARK)


def _written(value: Any) -> str:
    if isinstance(value, Slot):
        return slot(value.name)
    if value == _TENANT_MARK == current_tenant_id():
        return slot(TENANT)
    return Literal(int(value) if isinstance(value, int) else value).as_string()
