"""A client that follows `next` through a very long list sees each row once, at the same cost.

10,000 rows here, 1,000,000 in `make prove`. One row in forty shares its moment with many others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoDbBlocker

from perf.pg.plans import plans_of
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Membership, Tenant
from taskproject.tests import crowd as crowds
from taskproject.tests.cast import make_client
from taskproject.tests.crowd import Sizes
from tasks.models import LIVE, Task

ROWS: Final = 1_000_000 if os.environ.get("PROVE") else 10_000
LIMIT: Final = 200

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def giant(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[int]:
    with django_db_blocker.unblock():
        crowds.leave()
        try:
            yield crowds.come(Sizes(giant=ROWS, middling=100, tiny=10, tiny_tenants=10)).giant
        finally:
            crowds.leave()


@pytest.fixture
def client(giant: int, db: None) -> Client:
    tenant = Tenant.objects.get(pk=giant)
    member = Membership.objects.filter(tenant=tenant).earliest("pk")
    return make_client(tenant, member.user)


def pages(client: Client, sort: str) -> Iterator[Any]:
    url: str | None = f"/api/v1/tenants/giant/tasks/?limit={LIMIT}&sort={sort}"
    while url:
        page = client.get(url).json()
        yield page
        url = page["next"]


@pytest.mark.parametrize("sort", ["-created", "created"])
def test_a_walk_by_next_sees_each_task_once(giant: int, client: Client, sort: str) -> None:
    seen = [task["id"] for page in pages(client, sort) for task in page["results"]]

    with tenant_context(giant):
        there = set(Task.objects.filter(LIVE).values_list("id", flat=True).iterator())
    assert len(seen) == len(set(seen))
    assert set(seen) == there


def test_the_last_page_costs_what_the_first_does(
    giant: int, client: Client, record_property: Callable[[str, object], None]
) -> None:
    first = f"/api/v1/tenants/giant/tasks/?limit={LIMIT}&sort=-created"
    oldest = f"/api/v1/tenants/giant/tasks/?limit={LIMIT}&sort=created"
    back = client.get(client.get(oldest).json()["next"]).json()["previous"]

    costs = [_pages_read(client, address) for address in (first, oldest, back)]

    record_property("pages of 8 KiB", costs)
    assert max(costs) <= 2 * min(costs), costs


def _pages_read(client: Client, address: str) -> int:
    client.get(address)  # and the token is warm
    with plans_of(connection, analyze=True) as plans:
        response = client.get(address)
    assert len(response.json()["results"]) == LIMIT
    return sum(plan.buffers for plan in plans)
