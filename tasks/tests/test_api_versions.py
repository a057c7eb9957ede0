"""Many clients change one task at once: with If-Match no change is lost, and none is made twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import pytest
from django.db import connection
from django.test import Client

from taskproject.db.context import tenant_context
from taskproject.tests.cast import make_cast, make_client, make_project, make_task
from tasks.models import Task

CLIENTS: Final = 20
ROUNDS: Final = 10 * int(os.environ.get("PROVE_SCALE", "1"))  # 50 each in `make prove`

pytestmark = pytest.mark.django_db(transaction=True)


def count_up(client: Client, address: str, rounds: int, *, guarded: bool) -> list[int]:
    """Read a number, write the next one, `rounds` times; the statuses of the writes."""
    statuses = []
    for _ in range(rounds):
        seen = patiently(partial(client.get, address))
        headers = {"If-Match": seen["ETag"]} if guarded else {}
        change = {"description": str(int(seen.json()["description"]) + 1)}
        patch = partial(client.patch, address, change, "application/json", headers=headers)
        response = patiently(patch)
        statuses.append(response.status_code)
    connection.close()
    return statuses


def patiently(request: Callable[[], Any]) -> Any:
    """The answer to a request that is sent again while there is no connection to be had."""
    while (response := request()).status_code == 503:
        assert response.json()["code"] in ("database-busy", "database-unavailable")
        time.sleep(0.01)
    return response


def counted(rounds: int, *, guarded: bool) -> tuple[list[int], Task]:
    """What all clients' writes were answered, and the task after them."""
    cast = make_cast()
    task = make_task(make_project(cast.alpha, cast.alice), cast.alice, description="0")
    address = f"/api/v1/tenants/alpha/tasks/{task.pk}/"
    clients = [make_client(cast.alpha, cast.bob) for _ in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as threads:
        runs = [
            threads.submit(count_up, client, address, rounds, guarded=guarded) for client in clients
        ]
        statuses = [status for run in runs for status in run.result(120)]
    with tenant_context(cast.alpha):
        task.refresh_from_db()
    return statuses, task


def test_the_final_state_counts_exactly_the_accepted_changes() -> None:
    statuses, task = counted(ROUNDS, guarded=True)

    accepted = statuses.count(200)
    assert set(statuses) <= {200, 412}
    assert accepted >= ROUNDS, "somebody always comes through"
    assert (int(task.description), task.version) == (accepted, accepted + 1)


def test_without_the_header_changes_are_lost_so_that_the_test_can_fail() -> None:
    statuses, task = counted(5, guarded=False)

    assert set(statuses) == {200}
    assert int(task.description) < len(statuses)
