"""Tasks and what they point to: by one statement, by one for each row, and in between."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.db.models import FETCH_PEERS, Prefetch, QuerySet
from django.db.models.functions import Lower
from msgspec import json

from perf import claim, pair, variant
from taskproject.db.context import tenant_context
from taskproject.db.names import Name, attach_names, named
from taskproject.db.statements import run
from tasks.benchmarks.datasets import TASKS, SeededTenant
from tasks.benchmarks.listed import PAGE, page_statement
from tasks.benchmarks.tenants import SMALL, Rows, TenantPair, rows_of
from tasks.models import Label, Status, Task, TaskLabel
from tasks.selectors import TASK_SORTS, task_labels, task_list

NEWEST_FIRST: Final = TASK_SORTS["-created"]
NAMES: Final = (Name("project", "key"), Name("assignee", "username"))

type Named = list[tuple[int, str, str | None]]


@pair(
    "tasks.names_of_page",
    title="A page of tasks with project and assignee",
    dataset=TASKS,
    page="joins",
    caveat="prefetch_related and FETCH_PEERS take 1.1 to 1.2 times as long: two round trips more,"
    " which are short on one machine. Where a list is short joins can be a trap:"
    " tasks.names_of_status_page.",
    tags=("join", "n+1"),
)
class NamesOfPage(TenantPair):
    claims = (
        claim.queries("select_related", 1),
        claim.queries("row_by_row", 1),
        claim.queries("prefetch_related", 3),
        claim.queries("fetch_peers", 3),
        claim.uses_index("row_by_row", "task_created_idx", from_size=10_000),
        claim.blocks("row_by_row", at_most=450),
        claim.faster("select_related", than="n_plus_one", by=8, at=100_000),
    )

    @variant(efficient=True)
    def select_related(self, tenant: SeededTenant) -> Named:
        """One statement: joins that have the tenant on both sides."""
        with tenant_context(tenant.id):
            return _named(_page(task_list().select_related("project", "assignee")))

    @variant()
    def row_by_row(self, tenant: SeededTenant) -> Named:
        """The service's way where it needs models: a subquery by key for each name and row."""
        with tenant_context(tenant.id):
            return _named(_named_row_by_row(task_list()))

    @variant()
    def prefetch_related(self, tenant: SeededTenant) -> Named:
        """One statement more for each relation."""
        with tenant_context(tenant.id):
            return _named(_page(task_list().prefetch_related("project", "assignee")))

    @variant()
    def fetch_peers(self, tenant: SeededTenant) -> Named:
        """Django's FETCH_PEERS: what one task lacks is fetched for all of the page."""
        with tenant_context(tenant.id):
            return _named(_page(task_list().fetch_mode(FETCH_PEERS)))

    @variant()
    def n_plus_one(self, tenant: SeededTenant) -> Named:
        """Nothing said: a statement for each project and each assignee."""
        with tenant_context(tenant.id):
            return _named(_page(task_list()))


@pair(
    "tasks.names_of_status_page",
    title="A page of a small tenant's pending tasks with project and assignee",
    dataset=TASKS,
    page="joins",
    caveat="Up to 10,000 tasks the joins are 4 to 8 % faster. At 100,000, where PostgreSQL expects"
    " few rows, it joins and sorts all 350 of them and takes a tenth longer; at 1,000,000 it does"
    " not.",
    tags=("join",),
)
class NamesOfStatusPage(TenantPair):
    claims = (
        claim.queries("row_by_row", 1),
        claim.queries("select_related", 1),
        claim.uses_index("row_by_row", "task_status_idx", from_size=10_000),
        claim.blocks("row_by_row", at_most=450),
    )

    place = SMALL

    @variant(efficient=True)
    def row_by_row(self, tenant: SeededTenant) -> Named:
        """The service's way: a subquery by key for each name, run for the rows of the page."""
        with tenant_context(tenant.id):
            return _named(_named_row_by_row(task_list(status=Status.PENDING)))

    @variant()
    def select_related(self, tenant: SeededTenant) -> Named:
        """Joins: PostgreSQL is free to take the page before them or after."""
        with tenant_context(tenant.id):
            pending = task_list(status=Status.PENDING)
            return _named(_page(pending.select_related("project", "assignee")))


_PARENTS: Final = (
    "SELECT task.id, task.title, parent.title FROM {0} AS task"
    " LEFT JOIN {0} AS parent ON {1} parent.id = task.parent_id"
    " WHERE task.tenant_id = %s ORDER BY task.created_at DESC, task.id DESC"
    f" LIMIT {PAGE}"
)
_BOTH: Final = "parent.tenant_id = task.tenant_id AND"


@pair(
    "tasks.tenant_join",
    title="A page of tasks, each with the task that it is part of",
    dataset=TASKS,
    page="joins",
    caveat="Nothing is lost where id alone is the key, and little under row-level security, which"
    " adds the tenant. Else PostgreSQL 18 looks into the index once for each of 20 tenants.",
    tags=("join", "tenant"),
)
class TenantJoin(TenantPair):
    claims = (
        claim.queries("tenant_on_both", 1),
        claim.uses_index("tenant_on_both", "twin_open_pkey", from_size=10_000),
        claim.uses_index("id_alone_with_policy", "twin_tenant_pkey", from_size=10_000),
        claim.blocks("tenant_on_both", at_most=260),
    )

    @variant(efficient=True)
    def tenant_on_both(self, tenant: SeededTenant) -> Rows:
        """Joined by tenant and id, as the primary key is."""
        return rows_of(tenant, _PARENTS.format("twin_open", _BOTH), [tenant.id])

    @variant()
    def id_alone(self, tenant: SeededTenant) -> Rows:
        """Joined by id alone: the key begins with a tenant that nobody names."""
        return rows_of(tenant, _PARENTS.format("twin_open", ""), [tenant.id])

    @variant()
    def id_alone_with_policy(self, tenant: SeededTenant) -> Rows:
        """Joined by id alone under row-level security, which names the tenant on both sides."""
        return rows_of(tenant, _PARENTS.format("twin_tenant", ""), [tenant.id])

    @variant()
    def id_alone_as_key(self, tenant: SeededTenant) -> Rows:
        """Joined by id alone where id alone is the key."""
        return rows_of(tenant, _PARENTS.format("twin_keyed", ""), [tenant.id])


@pair(
    "tasks.labels_of_page",
    title="A page of tasks with their labels, as JSON",
    dataset=TASKS,
    page="joins",
    caveat="It is Python's part that is spared: PostgreSQL reads 250 blocks, and 14 to 370 for a"
    " prefetch. Who needs models is better served by prefetch_related.",
    tags=("join", "n+1", "json"),
)
class LabelsOfPage(TenantPair):
    claims = (
        claim.queries("one_statement", 1),
        claim.queries("prefetch_related", 2),
        claim.uses_index("one_statement", "task_label_uniq", from_size=10_000),
        claim.blocks("one_statement", at_most=700),
        claim.faster("one_statement", than="prefetch_related", by=8, at=100_000),
        claim.faster("one_statement", than="n_plus_one", by=50, at=100_000),
    )

    @variant(efficient=True)
    def one_statement(self, tenant: SeededTenant) -> bytes:
        """The service's way: an array of labels for each row, in the statement of the page."""
        with tenant_context(tenant.id):
            ((body, *_),) = run(page_statement(("id", "labels")), {})
        return b"[" + (body or b"") + b"]"

    @variant()
    def prefetch_related(self, tenant: SeededTenant) -> bytes:
        """One more statement for all links and labels of the page."""
        links = TaskLabel.objects.select_related("label").order_by(Lower("label__name"))
        with tenant_context(tenant.id):
            page = _page(task_list().prefetch_related(Prefetch("task_labels", links)))
            return _as_json((t.pk, (link.label for link in t.task_labels.all())) for t in page)

    @variant()
    def n_plus_one(self, tenant: SeededTenant) -> bytes:
        """One more statement for each task."""
        with tenant_context(tenant.id):
            page = _page(task_list())
            return _as_json((task.pk, task_labels(task_id=task.pk)) for task in page)


def _page(rows: QuerySet[Task]) -> QuerySet[Task]:
    return NEWEST_FIRST.page(rows, limit=PAGE)


def _named_row_by_row(rows: QuerySet[Task]) -> list[Task]:
    page = list(_page(named(rows, NAMES)))
    attach_names(page, NAMES)
    return page


def _as_json(labelled: Iterable[tuple[int, Iterable[Label]]]) -> bytes:
    names = ("id", "name", "colour", "version")
    return json.encode(
        [
            {"id": pk, "labels": [{name: getattr(each, name) for name in names} for each in labels]}
            for pk, labels in labelled
        ]
    )


def _named(page: Iterable[Task]) -> Named:
    return [
        (task.pk, task.project.key, task.assignee.username if task.assignee else None)
        for task in page
    ]
