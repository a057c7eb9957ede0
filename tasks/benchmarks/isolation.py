"""What row-level security costs a list and a count: with a policy, and without one."""

from __future__ import annotations

import random
from typing import Any, Final

from django.db import connection

from perf import Pair, claim, pair, variant
from taskproject.db.context import tenant_context
from tasks.benchmarks.datasets import TASKS, SeededTenant

_WALLED, _UNWALLED, _SUBSELECT = "twin_walled", "twin_unwalled", "twin_subselect"
_PAGE: Final = (
    "SELECT id, title, status, created_at FROM {} WHERE tenant_id = %s AND status = 1"
    " ORDER BY created_at DESC, id DESC LIMIT 50"
)
_PAGE_UNFILTERED: Final = _PAGE.replace("tenant_id = %s AND ", "")
_COUNT: Final = "SELECT count(*) FROM {} WHERE tenant_id = %s"


class IsolationPair(Pair):
    """A question about a tenant's tasks."""

    def arguments(self, rng: random.Random) -> tuple[SeededTenant]:
        return (self.data.draw(rng),)

    def _asked(self, statement: str, table: str, tenant: SeededTenant) -> list[Any]:
        params = [tenant.id] if "%s" in statement else []
        with tenant_context(tenant.id), connection.cursor() as cursor:
            cursor.execute(statement.format(table), params)
            found: list[Any] = cursor.fetchall()
        return found


@pair(
    "tasks.isolated_page",
    title="A page under row-level security",
    dataset=TASKS,
    page="row-level-security",
    caveat=(
        "It costs 0.02 ms a page, which nothing makes up for: it pays on the day that somebody"
        " forgets a filter. Beside a filter the sub-select is no worse than 0.01 ms more."
    ),
    tags=("row-level-security",),
)
class IsolatedPage(IsolationPair):
    """The newest fifty active tasks of a tenant."""

    claims = (
        claim.queries("under_policy", 1),
        claim.uses_index("under_policy", "twin_walled_1", from_size=10_000),
        claim.uses_index("policy_alone", "twin_walled_1", from_size=10_000),
        claim.faster("under_policy", than="no_policy", by=0.7, at=100_000),
    )

    @variant(efficient=True)
    def under_policy(self, tenant: SeededTenant) -> list[Any]:
        """The policy compares with the setting, and the statement has the tenant as well."""
        return self._asked(_PAGE, _WALLED, tenant)

    @variant()
    def no_policy(self, tenant: SeededTenant) -> list[Any]:
        """The same table without row-level security: a forgotten filter shows all tenants."""
        return self._asked(_PAGE, _UNWALLED, tenant)

    @variant()
    def policy_alone(self, tenant: SeededTenant) -> list[Any]:
        """The tenant stands in the policy, and not in the statement."""
        return self._asked(_PAGE_UNFILTERED, _WALLED, tenant)

    @variant()
    def policy_by_subselect(self, tenant: SeededTenant) -> list[Any]:
        """The policy has the setting in a sub-select, as it is often advised."""
        return self._asked(_PAGE, _SUBSELECT, tenant)


@pair(
    "tasks.isolated_count",
    title="A count under row-level security",
    dataset=TASKS,
    page="row-level-security",
    caveat=(
        "It costs an eighth of a count: PostgreSQL compares the tenant with the setting once, but"
        " passes each row through one more step of the plan."
    ),
    tags=("row-level-security",),
)
class IsolatedCount(IsolationPair):
    """All tasks of a tenant."""

    claims = (
        claim.queries("under_policy", 1),
        claim.faster("under_policy", than="no_policy", by=0.7, at=100_000),
    )

    @variant(efficient=True)
    def under_policy(self, tenant: SeededTenant) -> list[Any]:
        """The policy compares with the setting, and the statement has the tenant as well."""
        return self._asked(_COUNT, _WALLED, tenant)

    @variant()
    def no_policy(self, tenant: SeededTenant) -> list[Any]:
        """The same table without row-level security: a forgotten filter counts all tenants."""
        return self._asked(_COUNT, _UNWALLED, tenant)

    @variant()
    def policy_by_subselect(self, tenant: SeededTenant) -> list[Any]:
        """The policy has the setting in a sub-select, as it is often advised."""
        return self._asked(_COUNT, _SUBSELECT, tenant)
