"""What is asked of a tenant; and pairs that ask of one, the same one in each execution.

Another tenant may be planned in another way, rightly, and then executions are not comparable. So
that one tenant is fair to all ways, it is chosen by its part of all tasks.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from django.db import connection

from perf import Pair
from taskproject.db.context import tenant_context
from tasks.benchmarks.datasets import SeededTenant

# Places by size, of 20 tenants.
LARGEST: Final = 0  # has 31 % of all tasks
MIDDLE: Final = 4  # 5 %
SMALL: Final = 10  # 2 %
SMALLEST: Final = -1  # 1 %

type Rows = list[tuple[Any, ...]]


def rows_of(tenant: SeededTenant, sql: str, values: Sequence[Any] = ()) -> Rows:
    """All rows of a statement in a tenant."""
    with tenant_context(tenant.id), connection.cursor() as cursor:
        cursor.execute(sql, values)
        found: Rows = cursor.fetchall()
        return found


class TenantPair(Pair):
    """A question of one tenant, whose `place` by size is 0 for the largest."""

    place: ClassVar[int] = LARGEST

    @property
    def tenant(self) -> SeededTenant:
        """The tenant that is asked of."""
        found: SeededTenant = self.data.tenants[self.place]
        return found

    def arguments(self, rng: random.Random) -> tuple[Any, ...]:
        return (self.tenant,)
