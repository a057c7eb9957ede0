"""The same question to tables with the same tasks and other indexes (`twins`)."""

from __future__ import annotations

from typing import Final

from perf import claim, pair, variant
from tasks.benchmarks.datasets import TASKS, SeededTenant
from tasks.benchmarks.tenants import MIDDLE, SMALLEST, Rows, TenantPair, rows_of
from tasks.models import Status

PAGE: Final = 50
LONG_PAGE: Final = 200
RARE: Final = Status.BLOCKED.value  # 3.5 % of the tasks

_NEWEST: Final = (
    "SELECT id, title, status, created_at FROM {} WHERE tenant_id = %s"
    f" ORDER BY created_at DESC, id DESC LIMIT {PAGE}"
)
_OF_STATUS: Final = (
    "SELECT id, title, priority, created_at FROM {} WHERE tenant_id = %s AND status = %s"
    " ORDER BY created_at DESC, id DESC LIMIT "
)
_DUE: Final = (
    "SELECT id, title, due_at FROM {} WHERE tenant_id = %s AND status < 3 AND due_at IS NOT NULL"
    f" ORDER BY due_at, id LIMIT {PAGE}"
)


class NewestPair(TenantPair):
    """The newest tasks of a tenant, by three ways of indexing."""

    @variant(efficient=True)
    def tenant_first(self, tenant: SeededTenant) -> Rows:
        """One index of tenant, time and id: the page is one range of it."""
        return _rows(tenant, _NEWEST, "twin_tenant")

    @variant()
    def single_columns(self, tenant: SeededTenant) -> Rows:
        """An index for each column: by time, and the tasks of other tenants are thrown away."""
        return _rows(tenant, _NEWEST, "twin_single")

    @variant()
    def no_index(self, tenant: SeededTenant) -> Rows:
        """None but the primary key: the table is read and sorted."""
        return _rows(tenant, _NEWEST, "twin_bare")


@pair(
    "tasks.tenant_first",
    title="The newest tasks of a large tenant",
    dataset=TASKS,
    page="indexes",
    caveat="Among 1,000 tasks, 16 blocks, an index hardly pays. And this tenant has a third of all"
    " tasks: found by time alone, a page takes 1.1 to 1.2 times as long, at any size.",
    tags=("index", "tenant"),
)
class TenantFirst(NewestPair):
    claims = (
        claim.queries("tenant_first", 1),
        claim.uses_index("tenant_first", "twin_tenant_0", from_size=10_000),
        claim.blocks("tenant_first", at_most=75),
        claim.grows("no_index", exponent=1),
        claim.faster("tenant_first", than="no_index", by=6, at=100_000),
    )


@pair(
    "tasks.tenant_first_small",
    title="The newest tasks of a small tenant",
    dataset=TASKS,
    page="indexes",
    caveat="Among 1,000 tasks, 16 blocks, any way will do.",
    tags=("index", "tenant"),
)
class TenantFirstSmall(NewestPair):
    claims = (
        claim.queries("tenant_first", 1),
        claim.uses_index("tenant_first", "twin_tenant_0", from_size=10_000),
        claim.blocks("tenant_first", at_most=75),
        claim.grows("no_index", exponent=1),
        claim.faster("tenant_first", than="single_columns", by=1.3, at=100_000),
        claim.faster("tenant_first", than="no_index", by=6, at=100_000),
    )

    place = SMALLEST


@pair(
    "tasks.status_filter",
    title="The newest tasks of a tenant in a rare status",
    dataset=TASKS,
    page="indexes",
    caveat="Among 1,000 tasks, 16 blocks, any way will do. A tenant with a third of all tasks is"
    " found nearly as fast without the tenant.",
    tags=("index", "tenant"),
)
class StatusFilter(TenantPair):
    claims = (
        claim.queries("tenant_first", 1),
        claim.uses_index("tenant_first", "twin_tenant_1", from_size=10_000),
        claim.blocks("tenant_first", at_most=75),
        claim.grows("no_index", exponent=1),
        claim.faster("tenant_first", than="status_first", by=1.3, at=100_000),
        claim.faster("tenant_first", than="single_columns", by=1.3, at=100_000),
        claim.faster("tenant_first", than="no_index", by=6, at=100_000),
    )
    place = MIDDLE

    @variant(efficient=True)
    def tenant_first(self, tenant: SeededTenant) -> Rows:
        """One index of tenant, status, time and id."""
        return _rows(tenant, f"{_OF_STATUS}{PAGE}", "twin_tenant", RARE)

    @variant()
    def status_first(self, tenant: SeededTenant) -> Rows:
        """One index of status, time and id, without the tenant."""
        return _rows(tenant, f"{_OF_STATUS}{PAGE}", "twin_status", RARE)

    @variant()
    def single_columns(self, tenant: SeededTenant) -> Rows:
        """An index for each column."""
        return _rows(tenant, f"{_OF_STATUS}{PAGE}", "twin_single", RARE)

    @variant()
    def no_index(self, tenant: SeededTenant) -> Rows:
        """None but the primary key."""
        return _rows(tenant, f"{_OF_STATUS}{PAGE}", "twin_bare", RARE)


@pair(
    "tasks.partial_index",
    title="The next open tasks that are due",
    dataset=TASKS,
    page="indexes",
    caveat="Among 1,000 tasks it hardly pays. What it has at any size is its own: 64 blocks in"
    " place of 489 at 100,000 tasks.",
    tags=("index",),
)
class PartialIndex(TenantPair):
    claims = (
        claim.queries("partial", 1),
        claim.uses_index("partial", "twin_partial_0", from_size=10_000),
        claim.blocks("partial", at_most=75),
        claim.faster("partial", than="full", by=1.5, at=100_000),
        claim.faster("partial", than="full_with_status", by=2.5, at=100_000),
    )

    @variant(efficient=True)
    def partial(self, tenant: SeededTenant) -> Rows:
        """An index by due date of the open tasks that have one."""
        return _rows(tenant, _DUE, "twin_partial")

    @variant()
    def full(self, tenant: SeededTenant) -> Rows:
        """The same index of all tasks: what is finished is walked over."""
        return _rows(tenant, _DUE, "twin_full")

    @variant()
    def full_with_status(self, tenant: SeededTenant) -> Rows:
        """An index of all tasks by status, then due date: what is open is read and sorted."""
        return _rows(tenant, _DUE, "twin_full_status")


@pair(
    "tasks.covering_index",
    title="A long page of a rare status",
    dataset=TASKS,
    page="indexes",
    caveat="It spares blocks, and while the table is in memory a tenth to a sixth of the time. It"
    " is twice as large; and once one row in twenty had been updated, nearly every look-up read"
    " the table again, until a vacuum.",
    tags=("index",),
)
class CoveringIndex(TenantPair):
    claims = (
        claim.queries("covering", 1),
        claim.uses_index("covering", "twin_covering_0", from_size=10_000),
        claim.blocks("covering", at_most=15),
    )

    @variant(efficient=True)
    def covering(self, tenant: SeededTenant) -> Rows:
        """The index has title and priority too (INCLUDE): the table is not read."""
        return _rows(tenant, f"{_OF_STATUS}{LONG_PAGE}", "twin_covering", RARE)

    @variant()
    def by_table(self, tenant: SeededTenant) -> Rows:
        """The same index without them: each row is looked up in the table."""
        return _rows(tenant, f"{_OF_STATUS}{LONG_PAGE}", "twin_tenant", RARE)


@pair(
    "tasks.tenant_in_filter",
    title="All tasks of a tenant in a rare status, without row-level security",
    dataset=TASKS,
    page="filtering",
    caveat="It pays by how many others there are: this tenant has a twentieth of all tasks. A"
    " policy makes up for the filter that was forgotten, at the same cost.",
    tags=("tenant",),
)
class TenantInFilter(TenantPair):
    claims = (
        claim.queries("tenant_filtered", 1),
        claim.uses_index("tenant_filtered", "twin_open_1", from_size=10_000),
        claim.uses_index("left_to_the_policy", "twin_tenant_1", from_size=10_000),
        claim.grows("filtered_in_python", exponent=1),
        claim.faster("tenant_filtered", than="filtered_in_python", by=4, at=100_000),
    )
    place = MIDDLE

    @variant(efficient=True)
    def tenant_filtered(self, tenant: SeededTenant) -> Rows:
        """Tenant and status in the filter."""
        return _rows(tenant, _ALL.format("{}", "tenant_id = %s AND"), "twin_open", RARE)

    @variant()
    def filtered_in_python(self, tenant: SeededTenant) -> Rows:
        """Status alone in the filter: the tasks of all tenants come, and Python picks."""
        found = rows_of(tenant, _ALL.format("twin_open", ""), [RARE])
        return [row for row in found if row[0] == tenant.id]

    @variant()
    def left_to_the_policy(self, tenant: SeededTenant) -> Rows:
        """Status alone in the filter, on a table whose policy adds the tenant."""
        return rows_of(tenant, _ALL.format("twin_tenant", ""), [RARE])


_ALL: Final = (
    "SELECT tenant_id, id, title, priority, created_at FROM {} WHERE {} status = %s"
    " ORDER BY created_at DESC, id DESC"
)


def _rows(tenant: SeededTenant, sql: str, table: str, *values: int) -> Rows:
    """What a table answers to a question with the tenant first."""
    return rows_of(tenant, sql.format(table), [tenant.id, *values])
