"""What the pairs are measured on: tenants as uneven as real ones, made by `manage.py seed`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.core.management import call_command
from django.db import connection

from perf import Dataset
from taskproject.db.context import all_tenants, tenant_context
from taskproject.tenancy.models import Tenant
from tasks.benchmarks.twins import make_twins, twins_digest
from tasks.models import LIVE, Task

TENANTS: Final = 20  # at each size, so that a tenant grows as the table does


@dataclass(frozen=True, slots=True)
class SeededTenant:
    """A tenant and how many live tasks it has."""

    id: int
    slug: str
    tasks: int


@dataclass(frozen=True, slots=True)
class Seeded:
    """The tenants of a seeded database, the largest first."""

    tenants: tuple[SeededTenant, ...]

    def draw(self, rng: random.Random) -> SeededTenant:
        """A tenant, drawn as often as it has tasks: requests go where the data is."""
        weights = [each.tasks for each in self.tenants]
        return rng.choices(self.tenants, weights)[0]


class TasksDataset(Dataset):
    """Tasks of 20 tenants by Zipf's law, and the same tasks in tables with other indexes (`twins`).

    `seed` makes the same rows as long as it is of one version.
    """

    name = "tasks"
    version = f"1 {twins_digest()}"

    def fill(self, size: int) -> None:
        call_command("seed", tenants=TENANTS, tasks=size, verbosity=0)
        with self.as_owner():
            make_twins()

    def open(self, size: int) -> Seeded:
        found = []
        for tenant_id, slug in Tenant.objects.order_by("id").values_list("id", "slug"):
            with tenant_context(tenant_id):
                tasks = Task.objects.filter(LIVE).count()
            found.append(SeededTenant(tenant_id, slug, tasks))
        return Seeded(tuple(sorted(found, key=lambda each: -each.tasks)))

    @contextmanager
    def as_owner(self) -> Iterator[None]:
        database: Any = connection
        with database.as_owner(), all_tenants():
            yield


TASKS: Final = TasksDataset()
