"""What row-level security costs a list and a count: with a policy, and without one."""

from __future__ import annotations

import random
from typing import Final

from perf import Pair, claim, pair, variant
from tasks.benchmarks.datasets import TASKS, SeededTenant
from tasks.benchmarks.tenants import Rows, rows_of

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


def _asked(statement: str, table: str, tenant: SeededTenant) -> Rows:
    return rows_of(tenant, statement.format(table), [tenant.id] if "%s" in statement else [])


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
    def under_policy(self, tenant: SeededTenant) -> Rows:
        """The policy compares with the setting, and the statement has the tenant as well."""
        return _asked(_PAGE, _WALLED, tenant)

    @variant()
    def no_policy(self, tenant: SeededTenant) -> Rows:
        """The same table without row-level security: a forgotten filter shows all tenants."""
        return _asked(_PAGE, _UNWALLED, tenant)

    @variant()
    def policy_alone(self, tenant: SeededTenant) -> Rows:
        """The tenant stands in the policy, and not in the statement."""
        return _asked(_PAGE_UNFILTERED, _WALLED, tenant)

    @variant()
    def policy_by_subselect(self, tenant: SeededTenant) -> Rows:
        """The policy has the setting in a sub-select, as it is often advised."""
        return _asked(_PAGE, _SUBSELECT, tenant)


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
    def under_policy(self, tenant: SeededTenant) -> Rows:
        """The policy compares with the setting, and the statement has the tenant as well."""
        return _asked(_COUNT, _WALLED, tenant)

    @variant()
    def no_policy(self, tenant: SeededTenant) -> Rows:
        """The same table without row-level security: a forgotten filter counts all tenants."""
        return _asked(_COUNT, _UNWALLED, tenant)

    @variant()
    def policy_by_subselect(self, tenant: SeededTenant) -> Rows:
        """The policy has the setting in a sub-select, as it is often advised."""
        return _asked(_COUNT, _SUBSELECT, tenant)
