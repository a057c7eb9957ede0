"""Reading a value, changing it and writing it back, as one statement and as two."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.models import F

from perf import claim, pair, variant
from projects.models import Project
from projects.services import numbers_take
from taskproject.db.context import tenant_context
from tasks.benchmarks.datasets import TASKS, SeededTenant
from tasks.benchmarks.traces import WritingPair


@pair(
    "tasks.read_modify_write",
    title="Taking the next number of a project",
    dataset=TASKS,
    page="batches",
    caveat=(
        "Where the new value depends on more than the row itself, a lock and two statements are"
        " needed: a millisecond more. How long others wait for the lock is not in these figures."
    ),
    tags=("batches", "writes"),
    writes=True,
)
class ReadModifyWrite(WritingPair):
    """Of a project that takes new tasks. With get() and save() two at once take the same number."""

    claims = (
        claim.queries("update_returning", 1),
        claim.queries("locked", 2),
        claim.faster("update_returning", than="locked", by=2, at=10_000),
        claim.faster("update_returning", than="f_expression", by=2, at=10_000),
    )
    tables = ("project",)
    _tenant_id: int

    def arguments(self, rng: random.Random) -> tuple[SeededTenant, int]:
        tenant = self.data.draw(rng)
        with tenant_context(tenant.id):
            rows = Project.objects.filter(archived_at=None).order_by("id")
            return tenant, rng.choice(rows.values_list("id", flat=True))

    @variant(efficient=True)
    def update_returning(self, tenant: SeededTenant, project_id: int) -> int:
        """One UPDATE that adds, and returns the number."""
        with self._in(tenant):
            return numbers_take(project_id=project_id)

    @variant()
    def f_expression(self, tenant: SeededTenant, project_id: int) -> int:
        """QuerySet.update() with F(), and a SELECT of what has become of it."""
        with self._in(tenant):
            rows = Project.objects.filter(pk=project_id)
            rows.update(next_number=F("next_number") + 1)
            return rows.values_list("next_number", flat=True).get() - 1

    @variant()
    def locked(self, tenant: SeededTenant, project_id: int) -> int:
        """SELECT … FOR UPDATE, and save() of the field."""
        with self._in(tenant):
            project = Project.objects.select_for_update().get(pk=project_id)
            project.next_number += 1
            project.save(update_fields=["next_number"])
            return project.next_number - 1

    @variant()
    def get_and_save(self, tenant: SeededTenant, project_id: int) -> int:
        """get() and save(): of two at once both take the same number."""
        with self._in(tenant):
            project = Project.objects.get(pk=project_id)
            project.next_number += 1
            project.save()
            return project.next_number - 1

    def state(self) -> Any:
        with tenant_context(self._tenant_id):
            return list(Project.objects.order_by("id").values_list("id", "next_number"))

    @contextmanager
    def _in(self, tenant: SeededTenant) -> Iterator[None]:
        self._tenant_id = tenant.id
        with tenant_context(tenant.id):
            yield
