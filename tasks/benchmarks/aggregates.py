"""Counts of a tenant's tasks: by PostgreSQL, by several statements, and in Python."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any, Final

from django.db.models import Count, Q
from django.db.models.functions import Now

from perf import NotHere, claim, pair, variant
from taskproject.db.context import tenant_context
from taskproject.db.counting import capped_count
from tasks.api.serializers import COUNT_LIMIT
from tasks.benchmarks.datasets import TASKS, SeededTenant
from tasks.benchmarks.tenants import TenantPair
from tasks.models import LIVE, OPEN, Status, Task
from tasks.selectors import task_summary

OVERDUE: Final = OPEN & Q(due_at__lt=Now())


@pair(
    "tasks.count_by_status",
    title="How many tasks there are in each status",
    dataset=TASKS,
    page="aggregates",
    caveat="For a tenant of 300 tasks it is faster to fetch the statuses and to count in Python;"
    " for one of 300,000 five counts by the index take hardly longer.",
    tags=("count",),
)
class CountByStatus(TenantPair):
    claims = (
        claim.queries("group_by", 1),
        claim.queries("five_counts", 5),
        claim.uses_index("group_by", "task_status_idx", from_size=10_000),
        claim.faster("group_by", than="five_counts", by=1.5, at=100_000),
        claim.faster("group_by", than="values_in_python", by=1.5, at=100_000),
        claim.faster("group_by", than="models_in_python", by=20, at=100_000),
    )

    def canonical(self, result: Any) -> Any:
        return {str(Status(status).label): result.get(status, 0) for status in Status}

    @variant(efficient=True)
    def group_by(self, tenant: SeededTenant) -> dict[int, int]:
        """GROUP BY: PostgreSQL counts, five rows come."""
        with tenant_context(tenant.id):
            rows = Task.objects.filter(LIVE).values("status").annotate(n=Count("*")).order_by()
            return dict(rows.values_list("status", "n"))

    @variant()
    def five_counts(self, tenant: SeededTenant) -> dict[int, int]:
        """A COUNT(*) for each status."""
        with tenant_context(tenant.id):
            return {each.value: Task.objects.filter(LIVE, status=each).count() for each in Status}

    @variant()
    def values_in_python(self, tenant: SeededTenant) -> dict[int, int]:
        """The statuses of all tasks come, and Python counts."""
        with tenant_context(tenant.id):
            return Counter(Task.objects.filter(LIVE).values_list("status", flat=True))

    @variant()
    def models_in_python(self, tenant: SeededTenant) -> dict[int, int]:
        """All tasks come as models, and Python counts."""
        with tenant_context(tenant.id):
            return Counter(task.status for task in Task.objects.filter(LIVE))


@pair(
    "tasks.summary",
    title="Seven counts of tasks, each to 1,000 at most",
    dataset=TASKS,
    page="aggregates",
    caveat="Who needs numbers beyond 1,000 has to count all rows, and one walk over them does that"
    " best.",
    tags=("count",),
)
class Summary(TenantPair):
    claims = (
        claim.queries("one_statement", 1),
        claim.queries("seven_statements", 7),
        claim.queries("filtered_counts", 1),
        claim.uses_index("one_statement", "task_status_idx", from_size=10_000),
        claim.blocks("one_statement", at_most=300),
        claim.faster("one_statement", than="seven_statements", by=2.5, at=100_000),
        claim.faster("one_statement", than="filtered_counts", by=3, at=100_000),
    )

    def arguments(self, rng: random.Random) -> tuple[Any, ...]:
        with tenant_context(self.tenant.id):
            found = Task.objects.filter(LIVE, assignee__isnull=False).order_by("id")
            people = list(found.values_list("assignee_id", flat=True)[:100])
        if not people:
            raise NotHere("No task of the tenant has an assignee.")
        return self.tenant, rng.choice(people)

    def canonical(self, result: Any) -> Any:
        return [min(each, COUNT_LIMIT + 1) for each in result]

    @variant(efficient=True)
    def one_statement(self, tenant: SeededTenant, user_id: int) -> list[int]:
        """The service's selector: seven counts in one statement, each of which stops."""
        with tenant_context(tenant.id):
            found = task_summary(user_id=user_id, limit=COUNT_LIMIT)
        return [*found.by_status.values(), found.overdue, found.mine]

    @variant()
    def seven_statements(self, tenant: SeededTenant, user_id: int) -> list[int]:
        """The same seven counts, each by itself, each of which stops."""
        with tenant_context(tenant.id):
            return [
                capped_count(Task.objects.filter(LIVE, each), limit=COUNT_LIMIT)
                for each in _conditions(user_id)
            ]

    @variant()
    def filtered_counts(self, tenant: SeededTenant, user_id: int) -> list[int]:
        """Django's `aggregate` with a filter for each count: one walk over all tasks."""
        counts = {f"n{n}": Count("pk", filter=each) for n, each in enumerate(_conditions(user_id))}
        with tenant_context(tenant.id):
            return list(Task.objects.filter(LIVE).aggregate(**counts).values())


def _conditions(user_id: int) -> list[Q]:
    return [*(Q(status=each) for each in Status), OVERDUE, OPEN & Q(assignee_id=user_id)]
