"""One page in several shapes: how much of a row is read, and who writes the JSON of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final

from django.db.models import QuerySet
from msgspec import json
from rest_framework.renderers import JSONRenderer

from perf import claim, pair, variant
from taskproject.db.context import tenant_context
from taskproject.db.names import attach_names, named
from taskproject.db.statements import run
from tasks.api.listings import TASKS as LISTING
from tasks.api.serializers import TaskSerializer
from tasks.benchmarks.datasets import TASKS, SeededTenant
from tasks.benchmarks.listed import PAGE, page_statement
from tasks.benchmarks.tenants import TenantPair
from tasks.models import LIVE, Priority, Status, Task
from tasks.reference.stock import StockTaskSerializer
from tasks.selectors import TASK_SORTS, task_list

LONG_PAGE: Final = 200
CHUNK: Final = 500
NEWEST_FIRST: Final = TASK_SORTS["-created"]
NEEDED: Final = ("id", "number", "title", "status", "created_at")

type Row = tuple[Any, ...]


@pair(
    "tasks.narrow_rows",
    title="Five of the columns of 200 tasks",
    dataset=TASKS,
    page="narrow-rows",
    caveat="The widest column is short here, 82 characters on average. To defer two of twenty"
    " columns takes longer than to fetch them.",
    tags=("columns",),
)
class NarrowRows(TenantPair):
    claims = (
        claim.queries("values_list", 1),
        claim.queries("only", 1),
        claim.faster("values_list", than="only", by=1.6, at=100_000),
        claim.faster("values_list", than="defer", by=2.2, at=100_000),
        claim.faster("values_list", than="whole_models", by=2.2, at=100_000),
    )

    @variant(efficient=True)
    def values_list(self, tenant: SeededTenant) -> list[Row]:
        """The columns that are needed, as tuples."""
        with tenant_context(tenant.id):
            return list(_long_page().values_list(*NEEDED))

    @variant()
    def only(self, tenant: SeededTenant) -> list[Row]:
        """The same columns, as models."""
        with tenant_context(tenant.id):
            return _needed(_long_page().only(*NEEDED))

    @variant()
    def defer(self, tenant: SeededTenant) -> list[Row]:
        """Models without their two widest columns."""
        with tenant_context(tenant.id):
            return _needed(_long_page().defer("description", "search"))

    @variant()
    def whole_models(self, tenant: SeededTenant) -> list[Row]:
        """Models with all columns."""
        with tenant_context(tenant.id):
            return _needed(_long_page())


@pair(
    "tasks.json_page",
    title="A page of tasks as JSON",
    dataset=TASKS,
    page="json",
    caveat="PostgreSQL reads more blocks for it, as each name is looked up by key for each row: up"
    " to 400 in place of 70 to 300. Rows that Python has to look at are better fetched as rows.",
    tags=("json",),
)
class JsonPage(TenantPair):
    claims = (
        claim.queries("by_postgresql", 1),
        claim.uses_index("by_postgresql", "task_created_idx", from_size=10_000),
        claim.blocks("by_postgresql", at_most=700),
        claim.faster("by_postgresql", than="by_values", by=2.5, at=100_000),
        claim.faster("by_postgresql", than="by_serializer", by=6, at=100_000),
        claim.faster("by_postgresql", than="by_model_serializer", by=7, at=100_000),
    )

    @variant(efficient=True)
    def by_postgresql(self, tenant: SeededTenant) -> bytes:
        """The service's way: PostgreSQL writes the JSON, by a prepared statement."""
        with tenant_context(tenant.id):
            ((body, *_),) = run(page_statement(), {})
        return b"[" + (body or b"") + b"]"

    @variant()
    def by_values(self, tenant: SeededTenant) -> bytes:
        """Dictionaries of what is shown, written by msgspec: no model, no serializer."""
        with tenant_context(tenant.id):
            rows = NEWEST_FIRST.page(task_list(), limit=PAGE).values(*_SHOWN)
            return json.encode([_shown(row) for row in rows])

    @variant()
    def by_serializer(self, tenant: SeededTenant) -> bytes:
        """Models, the service's own serializer, and DRF's renderer."""
        with tenant_context(tenant.id):
            names = LISTING.accesses[0].names
            page = list(NEWEST_FIRST.page(named(task_list(), names), limit=PAGE))
            attach_names(page, names)
            return JSONRenderer().render(TaskSerializer(page, many=True).data)

    @variant()
    def by_model_serializer(self, tenant: SeededTenant) -> bytes:
        """Models, a ModelSerializer with SlugRelatedFields, and DRF's renderer."""
        with tenant_context(tenant.id):
            rows = task_list().select_related("project", "assignee", "creator")
            page = NEWEST_FIRST.page(rows, limit=PAGE)
            return JSONRenderer().render(StockTaskSerializer(page, many=True).data)


@pair(
    "tasks.prepared_statement",
    title="The statement of a page, prepared or not",
    dataset=TASKS,
    page="prepared-statements",
    caveat="It spares planning: 0.6 ms here, at any size, and little where a statement runs long."
    " The first run on each connection costs a round trip more.",
    tags=("prepared",),
)
class PreparedStatement(TenantPair):
    claims = (
        claim.queries("prepared", 1),
        claim.queries("sent_anew", 1),
        claim.blocks("prepared", at_most=700),
        claim.faster("prepared", than="sent_anew", by=1.5, at=100_000),
    )

    @variant(efficient=True)
    def prepared(self, tenant: SeededTenant) -> bytes | None:
        """Prepared on the connection: its name and the tenant are sent."""
        with tenant_context(tenant.id):
            return run(page_statement(), {})[0][0]

    @variant()
    def sent_anew(self, tenant: SeededTenant) -> bytes | None:
        """The same text through Django's cursor: parsed and planned each time."""
        with tenant_context(tenant.id):
            return run(page_statement(), {}, prepare=False)[0][0]


@pair(
    "tasks.streaming",
    title="All tasks of a tenant, one after the other",
    dataset=TASKS,
    page="streaming",
    caveat="Memory is the point, and not time: a list takes 8 to 26 % less. At 100,000 tasks"
    " Python holds 9.6 MB for it, at 1,000,000 97 MB, and for chunks 0.3 MB at either.",
    tags=("memory",),
)
class Streaming(TenantPair):
    claims = (
        claim.queries("iterator", 1),
        claim.queries("list_of_all", 1),
    )

    @variant(efficient=True)
    def iterator(self, tenant: SeededTenant) -> tuple[int, str]:
        """`.iterator()`: a chunk at a time, from a cursor in PostgreSQL."""
        with tenant_context(tenant.id):
            return _digest(_all_rows().iterator(chunk_size=CHUNK))

    @variant()
    def list_of_all(self, tenant: SeededTenant) -> tuple[int, str]:
        """A list of all rows."""
        with tenant_context(tenant.id):
            return _digest(list(_all_rows()))


def _long_page() -> QuerySet[Task]:
    return NEWEST_FIRST.page(task_list(), limit=LONG_PAGE)


def _needed(page: Iterable[Task]) -> list[Row]:
    return [(task.pk, task.number, task.title, task.status, task.created_at) for task in page]


def _all_rows() -> QuerySet[Task, tuple[Any, ...]]:
    return Task.objects.filter(LIVE).order_by("id").values_list("id", "title", "description")


def _digest(rows: Iterable[Row]) -> tuple[int, str]:
    count, found = 0, hashlib.blake2b(digest_size=8)
    for count, row in enumerate(rows, start=1):  # noqa: B007
        found.update(repr(row).encode())
    return count, found.hexdigest()


_AS_THEY_ARE: Final = (
    "title", "description", "due_at", "completed_at", "external_key", "version", "created_at",
    "updated_at", "deleted_at",
)  # fmt: skip
_SHOWN: Final = (
    "id", "number", "project__key", "status", "priority", "assignee__username",
    "creator__username", "parent_id", *_AS_THEY_ARE,
)  # fmt: skip
_STATUSES: Final = {each.value: each.label for each in Status}
_PRIORITIES: Final = {each.value: each.label for each in Priority}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "key": f"{row['project__key']}-{row['number']}",
        "project": row["project__key"],
        "status": _STATUSES[row["status"]],
        "priority": _PRIORITIES[row["priority"]],
        "assignee": row["assignee__username"],
        "creator": row["creator__username"],
        "parent": row["parent_id"],
        **{name: row[name] for name in _AS_THEY_ARE},
    }
