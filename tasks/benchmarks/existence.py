"""Whether there is any such row: asked by EXISTS, by counting, and by fetching."""

from __future__ import annotations

import random
from typing import Any

from django.db.models import F, QuerySet

from perf import claim, pair, variant
from taskproject.db.context import tenant_context
from tasks.benchmarks.datasets import TASKS, SeededTenant
from tasks.benchmarks.tenants import TenantPair
from tasks.models import LIVE, Status, Task
from tasks.selectors import project_has_active_tasks


class ExistencePair(TenantPair):
    """Three ways to ask whether `rows` has any."""

    def rows(self, tenant: SeededTenant, *more: int) -> QuerySet[Task]:
        """The rows in question."""
        raise NotImplementedError

    @variant(efficient=True)
    def exists(self, tenant: SeededTenant, *more: int) -> bool:
        """EXISTS: PostgreSQL stops at the first row."""
        with tenant_context(tenant.id):
            return self.rows(tenant, *more).exists()

    @variant()
    def count(self, tenant: SeededTenant, *more: int) -> bool:
        """COUNT(*) > 0: all rows are counted."""
        with tenant_context(tenant.id):
            return self.rows(tenant, *more).count() > 0

    @variant()
    def length(self, tenant: SeededTenant, *more: int) -> bool:
        """len() > 0, or `if tasks:`: all rows are fetched and made into models."""
        with tenant_context(tenant.id):
            return len(self.rows(tenant, *more)) > 0


@pair(
    "tasks.exists_common",
    title="Has the tenant finished a task?",
    dataset=TASKS,
    page="existence",
    caveat="COUNT(*) reads the index only, a block for some 90 tasks: among 3,000 tasks of a"
    " tenant it takes 1.3 times as long, among 30,000 3.3 times.",
    tags=("existence",),
)
class ExistsCommon(ExistencePair):
    claims = (
        claim.queries("exists", 1),
        claim.blocks("exists", at_most=10),
        claim.faster("exists", than="length", by=10, at=100_000),
    )

    def rows(self, tenant: SeededTenant, *more: int) -> QuerySet[Task]:
        return Task.objects.filter(LIVE, status=Status.DONE)


@pair(
    "tasks.exists_rare",
    title="Has a project an active task?",
    dataset=TASKS,
    page="existence",
    caveat="Up to 100,000 tasks a project has a few hundred active ones, and an index has them"
    " together: to count them takes a tenth longer.",
    tags=("existence",),
)
class ExistsRare(ExistencePair):
    """The service's own question before a project is archived."""

    claims = (
        claim.queries("exists", 1),
        claim.uses_index("exists", "task_board_idx", from_size=10_000),
        claim.blocks("exists", at_most=10),
    )

    def arguments(self, rng: random.Random) -> tuple[Any, ...]:
        with tenant_context(self.tenant.id):
            found = Task.objects.filter(LIVE).order_by("id").values_list("project_id", flat=True)
            return self.tenant, found[rng.randrange(self.tenant.tasks)]

    def rows(self, tenant: SeededTenant, *more: int) -> QuerySet[Task]:
        return Task.objects.filter(LIVE, project_id=more[0], status=Status.ACTIVE)

    @variant(efficient=True)
    def exists(self, tenant: SeededTenant, *more: int) -> bool:
        """The service's selector, by EXISTS: PostgreSQL stops at the first row."""
        with tenant_context(tenant.id):
            return project_has_active_tasks(project_id=more[0])


@pair(
    "tasks.exists_absent",
    title="Was a task changed before it was made? (none was, and no index tells)",
    dataset=TASKS,
    page="existence",
    caveat="It does not pay where nothing is found and no index leads there. At 100,000 tasks it"
    " takes three times as long as counting: of a comparison of two columns PostgreSQL expects"
    " a third of the rows to match, and looks for the first of them in the whole table, past the"
    " tasks of all tenants.",
    tags=("existence",),
)
class ExistsAbsent(ExistencePair):
    claims = (
        claim.queries("exists", 1),
        claim.queries("count", 1),
    )

    def rows(self, tenant: SeededTenant, *more: int) -> QuerySet[Task]:
        return Task.objects.filter(LIVE, updated_at__lt=F("created_at"))
