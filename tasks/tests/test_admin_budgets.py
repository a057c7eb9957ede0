"""Each list of the web admin costs little at its first page and deep down.

At 100,000 tasks here, at 1,000,000 in `make prove`: at most 8 statements and 300 pages of 8 KiB,
with all that the request needs beside the list.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Count
from django.test import Client
from django.utils.http import urlencode

from perf.pg.plans import Plan, plans_of
from taskproject.api.pagination import cursor_at
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Membership, Role, Tenant, User
from taskproject.tests import crowd
from tasks.models import Comment, Dependency, Task, TaskLabel

TASKS = 1_000_000 if "PROVE_SCALE" in os.environ else 100_000
STATEMENTS = 8
BUFFERS = 300
SMALL_TABLE_PAGES = 100

pytestmark = pytest.mark.django_db(databases=["default"])


@dataclass(frozen=True, slots=True)
class Giant:
    """The largest tenant of the seed, and who looks at it."""

    tenant: Tenant
    user_id: int
    ids: dict[str, int]


@pytest.fixture(scope="module")
def giant(django_db_setup: None, django_db_blocker: Any) -> Iterator[Giant]:
    with django_db_blocker.unblock():
        crowd.leave()
        try:
            call_command("seed", tenants=TASKS // 1000, tasks=TASKS, verbosity=0)
            yield _largest()
        finally:
            crowd.leave()


def _largest() -> Giant:
    tenant = Tenant.objects.earliest("id")
    owner = Membership.objects.filter(tenant=tenant, role=Role.OWNER, active=True).earliest("id")
    with tenant_context(tenant):
        ids = {
            "project": _commonest(Task, "project_id"),
            "assignee": _commonest(Task.objects.exclude(assignee=None), "assignee_id"),
            "label": _commonest(TaskLabel, "label_id"),
            "task": _commonest(Comment, "task_id"),
            "blocked": _commonest(Dependency, "blocked_id"),
            "blocker": _commonest(Dependency, "blocker_id"),
        }
    return Giant(tenant, owner.user_id, ids)


def _commonest(rows: Any, column: str) -> int:
    rows = getattr(rows, "objects", rows)
    value: int = rows.values_list(column).annotate(n=Count("id")).order_by("-n", column).first()[0]
    return value


@pytest.fixture
def client_of_owner(giant: Giant) -> Client:
    client = Client()
    client.force_login(User.objects.get(pk=giant.user_id))
    return client


GATE = ["django_session", "user_account", "membership"]
TASK_LIST = ["task", "project", "user_account", "count task"]
# The list, the filters (a name stands for the giant's commonest row), and the statements after the
# gate's. What a filter chose is looked up before the list.
LISTS: list[tuple[str, dict[str, str], list[str]]] = [
    ("tasks/task", {}, TASK_LIST),
    ("tasks/task", {"status": "0"}, TASK_LIST),
    ("tasks/task", {"status": "4"}, TASK_LIST),
    ("tasks/task", {"project": "project"}, ["project", *TASK_LIST]),
    ("tasks/task", {"project": "project", "status": "1"}, ["project", *TASK_LIST]),
    ("tasks/task", {"assignee": "assignee"}, ["user_account", *TASK_LIST]),
    ("tasks/task", {"label": "label"}, ["label", *TASK_LIST[:3]]),
    ("tasks/task", {"show": "overdue"}, TASK_LIST),
    ("tasks/task", {"show": "due"}, TASK_LIST),
    ("tasks/task", {"show": "deleted"}, TASK_LIST),
    ("tasks/comment", {}, ["comment", "task", "user_account", "count comment"]),
    ("tasks/comment", {"task": "task"}, ["task", "comment", "task", "user_account"]),
    ("tasks/dependency", {}, ["dependency", "task", "task", "count dependency"]),
    ("tasks/dependency", {"blocked": "blocked"}, ["task", "dependency", "task", "task"]),
    ("tasks/dependency", {"blocker": "blocker"}, ["task", "dependency", "task", "task"]),
    ("tasks/label", {}, ["label"]),
    ("projects/project", {}, ["project", "user_account"]),
    ("tenancy/membership", {}, ["membership", "user_account", "count membership"]),
    ("tenancy/event", {}, ["event", "user_account", "count event"]),
    ("tenancy/apitoken", {}, ["api_token"]),
    ("tenancy/idempotencykey", {}, ["idempotency_key"]),
    ("tenancy/tenant", {}, ["tenant"]),
]
IDS = [f"{name}?{urlencode(filters)}" for name, filters, _ in LISTS]


@pytest.mark.parametrize(("name", "filters", "expected"), LISTS, ids=IDS)
def test_a_list_costs_little_at_its_first_page_and_deep_down(
    giant: Giant,
    client_of_owner: Client,
    name: str,
    filters: dict[str, str],
    expected: list[str],
    record_property: Callable[[str, object], None],
) -> None:
    query = {key: giant.ids.get(value, value) for key, value in filters.items()}
    address = f"/admin/tenants/{giant.tenant.slug}/{name}/"

    changelist, first = _visit(client_of_owner, address, query)
    assert _names(first) == [*GATE, *expected], _told(first)
    _assert_cheap(first)
    record_property("first page", f"{len(first)} statements, {_cost(first)} pages")

    if cursor := _cursor_deep_in(changelist, giant.tenant):
        deeper, deep = _visit(client_of_owner, address, query | {"cursor": cursor})
        assert set(_names(deep)) <= {*GATE, *expected, f"count {expected[-1]}"}, _told(deep)
        assert deeper.result_list[0].pk != changelist.result_list[0].pk
        _assert_cheap(deep)
        record_property("deep page", f"{len(deep)} statements, {_cost(deep)} pages")


def _visit(client: Client, address: str, query: dict[str, Any]) -> tuple[Any, list[Plan]]:
    with plans_of(connection, analyze=True) as plans:
        response = client.get(address, query)
    assert response.status_code == 200, response.headers.get("Location")
    assert len(response.context["cl"].result_list) <= 50
    return response.context["cl"], plans


def _cursor_deep_in(changelist: Any, tenant: Tenant) -> str | None:
    """A cursor at nine tenths of the list; None for a list of one page."""
    if changelist.next_link is None:
        return None
    keyset = changelist.model_admin.get_order(changelist.request)
    with tenant_context(tenant):
        rows = changelist.queryset.prefetch_related(None)
        place = rows.count() * 9 // 10
        row = keyset.page(rows, limit=place + 1)[place]
        return cursor_at(keyset.key(row), changelist._binding(keyset))


def _assert_cheap(plans: list[Plan]) -> None:
    assert len(plans) <= STATEMENTS, _told(plans)
    assert _cost(plans) <= BUFFERS, _told(plans)
    for plan in plans:
        for scan in plan.nodes("Seq Scan"):
            assert _pages(scan.relation) <= SMALL_TABLE_PAGES, plan
        assert "COUNT(" not in plan.statement or "LIMIT" in plan.statement


def _cost(plans: list[Plan]) -> int:
    return sum(plan.buffers for plan in plans)


def _pages(relation: str | None) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpages FROM pg_class WHERE relname = %s", [relation])
        return int(cursor.fetchone()[0])


def _names(plans: list[Plan]) -> list[str]:
    return [_name(plan.statement) for plan in plans]


def _name(statement: str) -> str:
    table = re.search(r'FROM "(\w+)"', statement)
    assert table is not None, statement
    return f"count {table[1]}" if "COUNT(" in statement else table[1]


def _told(plans: list[Plan]) -> str:
    return "\n".join(f"{plan.buffers:5} {_name(plan.statement)}\n{plan}" for plan in plans)
