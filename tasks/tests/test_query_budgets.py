"""The budgets that the apps declare are what requests take: no less, and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.test import Client

from perf.monitor.budgets import declared
from perf.monitor.middleware import request_monitored
from perf.monitor.recording import Recording
from perf.testing import assert_within_budgets
from taskproject.tenancy.budgets import ENTRY, KEYED, budgets
from taskproject.tenancy.models import Role
from taskproject.tenancy.services import member_add
from taskproject.tests.api.routes import DECLARED
from taskproject.tests.api.walls import content_of
from taskproject.tests.cast import Cast, make_cast
from taskproject.tests.outages import forget_cached
from tasks.tests.test_api_statements import CASES, FEW, Case, Stage, furnish, named

pytestmark = pytest.mark.django_db(transaction=True)

# What takes the longer way, with all that it can ask.
LONGEST = Case("patch", "tasks/{other}/", [], body={"parent": "task", "status": "active"})


@contextmanager
def seen() -> Iterator[list[tuple[str, int]]]:
    """The routes of the block's requests, with how many statements each took."""
    found: list[tuple[str, int]] = []

    def take(route: str, recording: Recording, **kwargs: Any) -> None:
        found.append((route, recording.statements))

    request_monitored.connect(take)
    try:
        yield found
    finally:
        request_monitored.disconnect(take)


def sent(case: Case, stage: Stage, slug: str, *, by_key: bool) -> int:
    """The status of a case's answer, in another tenant, and by the other spelling of its task."""
    # A deleted task has no key that it could be found by.
    has_key = by_key and "restore" not in case.path
    ids = stage.ids | ({"task": "WEB-1"} if has_key else {})
    body = json.dumps(named(case.body, stage.ids)) if case.body else ""
    address = f"/api/v1/tenants/{slug}/{case.path.format(**ids)}"
    response: Any = stage.client.generic(case.method.upper(), address, body, "application/json")
    content_of(response)
    response.close()
    return int(response.status_code)


def test_budgets_are_what_requests_take_by_either_spelling_of_a_task() -> None:
    cast, most = make_cast(), dict[str, int]()
    member_add(tenant=cast.beta, user=cast.bob, role=Role.MEMBER)
    for tenant, owner, by_key in ((cast.alpha, cast.alice, False), (cast.beta, cast.carol, True)):
        stage = furnish(tenant, owner, rows=FEW)
        for case in (LONGEST, *CASES):
            stage.client.get(f"/api/v1/tenants/{tenant.slug}/")  # its token is known then
            with seen() as found:
                assert sent(case, stage, tenant.slug, by_key=by_key) < 400, case
            for route, count in found:
                most[route] = max(most.get(route, 0), count)

    limits = {route: {"statements": each.statements} for route, each in declared().items()}
    assert limits == budgets(most)


def test_each_way_of_each_address_has_a_budget() -> None:
    ways = {f"{method} {name}" for name, acts in DECLARED.items() for method in acts}

    assert set(declared()) == ways


def test_who_asks_takes_no_more_than_a_budget_has_for_it(cast: Cast) -> None:
    stage = furnish(cast.alpha, cast.alice, rows=FEW)
    browser = Client()
    browser.force_login(cast.alice)
    forget_cached()
    address = "/api/v1/tenants/alpha/labels/"
    with seen() as found:
        stage.client.get(f"{address}?limit=1")  # a token that nobody remembers
        stage.client.get(f"{address}?limit=2")
        browser.get(f"{address}?limit=3")
    unknown, known, logged_in = (count for _, count in found)

    assert (unknown - known, logged_in - known) == (1, ENTRY)


def test_a_key_takes_no_more_than_a_budget_has_for_it(cast: Cast) -> None:
    stage = furnish(cast.alpha, cast.alice, rows=FEW)
    body = json.dumps({"project": "WEB", "title": "New"})
    stage.client.get("/api/v1/tenants/alpha/")  # its token is known then
    with seen() as found:
        for key in (None, "one"):
            headers = {"Idempotency-Key": key} if key else {}
            stage.client.post(
                "/api/v1/tenants/alpha/tasks/", body, "application/json", headers=headers
            )
    (_, plain), (_, keyed) = found

    assert keyed - plain == KEYED


def test_a_request_within_its_budget_passes(cast: Cast) -> None:
    stage = furnish(cast.alpha, cast.alice, rows=FEW)

    with assert_within_budgets():
        assert stage.client.get("/api/v1/tenants/alpha/tasks/").status_code == 200
