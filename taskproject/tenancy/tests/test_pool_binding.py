"""Many threads, many tenants, few connections, and connections that are cut: nobody meets."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import DatabaseError, connections, transaction
from psycopg import ClientCursor

from taskproject.db.context import no_tenant, tenant_context
from taskproject.tenancy.models import Tenant
from taskproject.tenancy.tests.sql import (
    connection,
    database,
    fetch,
    session,
    told_tenant,
)
from tasks.models import Task

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 12
REQUESTS = 200 * int(os.environ.get("PROVE_SCALE", "1"))
TENANTS = 40
TASKS_EACH = 3
KILL_EVERY_S = 0.05
POOL = {"min_size": 1, "max_size": 3, "timeout": 10, "max_waiting": THREADS}

_POPULATE = """
    INSERT INTO user_account (username, password, is_superuser, first_name, last_name, email,
                              is_staff, is_active, date_joined)
    VALUES ('worker', '', false, '', '', '', false, true, now());
    INSERT INTO tenant (slug, name) SELECT 'tenant-' || n, 'T' FROM generate_series(1, %(n)s) AS n;
    INSERT INTO membership (tenant_id, user_id, role, active)
    SELECT t.id, u.id, 1, true FROM tenant AS t, user_account AS u;
    INSERT INTO project (tenant_id, key, name, description, next_number, version)
    SELECT id, 'WEB', 'Web', '', 1, 1 FROM tenant;
    INSERT INTO task (tenant_id, project_id, number, title, description, status, priority,
                      creator_id, version)
    SELECT p.tenant_id, p.id, n, 'A task', '', 0, 1, u.id, 1
      FROM project AS p, user_account AS u, generate_series(1, %(each)s) AS n
"""


class Interrupted(Exception):
    """What a request fails with on purpose."""


@dataclass
class Report:
    """What the threads saw."""

    counts: Counter[str] = field(default_factory=Counter)
    foreign: list[tuple[int, Any]] = field(default_factory=list)
    unexpected: list[BaseException] = field(default_factory=list)


@pytest.fixture
def tenants() -> Iterator[list[int]]:
    """Forty tenants with three tasks each, and a pool of three connections."""
    with session("owner") as owner:
        values = {"n": TENANTS, "each": TASKS_EACH}
        # Its parameters travel in the text, so that it takes several statements at once.
        ClientCursor(owner).execute(_POPULATE, values)
        owner.commit()
    with database(pool=POOL):
        yield list(Tenant.objects.values_list("pk", flat=True))


def request(tenant_id: int, everyone: list[int], chance: random.Random, report: Report) -> None:
    """What a web request does to a connection, well-behaved or not."""
    with no_tenant(), tenant_context(tenant_id):
        seen = {"ORM": [task.tenant_id for task in Task.unscoped.all()]}
        seen["SQL"] = fetch("SELECT tenant_id FROM task")
        misdeed = chance.random()
        if misdeed < 0.1:
            # Fails amid a transaction, while another tenant is active.
            with transaction.atomic(), tenant_context(chance.choice(everyone)):
                fetch("SELECT 1")
                raise Interrupted
        if misdeed < 0.2:
            # A savepoint is rolled back that saw the setting change.
            with transaction.atomic():
                with suppress(Interrupted), transaction.atomic():
                    with tenant_context(chance.choice(everyone)):
                        fetch("SELECT 1")
                    raise Interrupted
                seen["after a savepoint"] = fetch("SELECT tenant_id FROM task")
        elif misdeed < 0.3:
            # Tells the session of another tenant behind our back, and gives it back like that.
            fetch("SELECT set_config('app.tenant_id', %s, false)", [str(chance.choice(everyone))])
        elif misdeed < 0.35:
            # Gives it back amid a transaction.
            connection.set_autocommit(False)
            fetch("SELECT 1")
        elif misdeed < 0.4:
            with no_tenant():
                assert fetch("SELECT id FROM task") == []
    for way, rows in seen.items():
        if rows != [tenant_id] * TASKS_EACH:
            report.foreign.append((tenant_id, (way, rows)))


def serve(seed: int, everyone: list[int], requests: int, report: Report) -> None:
    chance = random.Random(seed)  # noqa: S311  no secret
    for _ in range(requests):
        try:
            request(chance.choice(everyone), everyone, chance, report)
            report.counts["answered"] += 1
        except Interrupted:
            report.counts["interrupted"] += 1
        except DatabaseError:
            report.counts["database error"] += 1
        except BaseException as error:
            report.unexpected.append(error)
        finally:
            connections.close_all()


def kill_now_and_then(stop: threading.Event, report: Report) -> None:
    with session("superuser") as superuser:
        superuser.autocommit = True
        while not stop.wait(KILL_EVERY_S):
            killed = superuser.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = %s AND datname = current_database() ORDER BY random() LIMIT 1",
                [connection.app_role],
            ).fetchall()
            report.counts["killed"] += len(killed)


def run_threads(everyone: list[int], requests: int, *, killing: bool) -> Report:
    report, stop = Report(), threading.Event()
    threads = [
        threading.Thread(target=serve, args=(seed, everyone, requests, report))
        for seed in range(THREADS)
    ]
    killer = threading.Thread(target=kill_now_and_then, args=(stop, report))
    if killing:
        killer.start()
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        stop.set()
        if killing:
            killer.join()
    return report


def test_threads_share_a_small_pool_and_see_only_their_own(tenants: list[int]) -> None:
    report = run_threads(tenants, REQUESTS // 4, killing=False)
    assert report.foreign == []
    assert report.unexpected == []
    assert report.counts["database error"] == 0
    assert report.counts.total() == THREADS * (REQUESTS // 4)


def test_connections_that_are_cut_cost_requests_but_show_no_foreign_row(
    tenants: list[int],
) -> None:
    with session("superuser"):
        pass  # skips where there is none
    report = run_threads(tenants, REQUESTS, killing=True)
    assert report.foreign == []
    assert report.unexpected == []
    assert report.counts["killed"] > 0
    served = report.counts["answered"] + report.counts["interrupted"]
    assert served + report.counts["database error"] == THREADS * REQUESTS
    assert served > 0.9 * THREADS * REQUESTS


def test_a_connection_cut_while_idle_is_replaced_without_an_error(tenants: list[int]) -> None:
    with database(pool={"max_size": 1}), session("superuser") as superuser:
        (pid,) = fetch("SELECT pg_backend_pid()")
        connection.close()
        superuser.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])  # waits for its end
        superuser.commit()
        assert fetch("SELECT pg_backend_pid()") != [pid]


def test_a_connection_given_back_amid_a_transaction_serves_the_next(tenants: list[int]) -> None:
    with database(pool={"max_size": 1}):
        connection.set_autocommit(False)
        fetch("SELECT 1")
        connection.close()
        with tenant_context(tenants[0]), transaction.atomic():
            assert told_tenant() == str(tenants[0])


def test_each_checkout_tells_the_session_of_its_tenant(tenants: list[int]) -> None:
    with database(pool={"max_size": 1}):
        for tenant_id in tenants[:3]:
            with tenant_context(tenant_id):
                assert told_tenant() == str(tenant_id)
            connection.close()
        assert told_tenant() == ""


def test_a_new_thread_begins_without_a_tenant(tenants: list[int]) -> None:
    told = []

    def look() -> None:
        told.append(told_tenant())
        connections.close_all()

    with tenant_context(tenants[0]):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert told == [""]
