"""Prepared statements on Django's connections: what they survive, who sees them, where they end."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from perf.pg.plans import plans_of
from taskproject.db import statements
from taskproject.db.context import TenantNotSet, tenant_context
from taskproject.db.slots import TENANT, Slot, slot, slotted_sql, tenant_of_slots
from taskproject.db.statements import Statement, prepared_on, run
from taskproject.tenancy.tests.sql import committed, database, session
from taskproject.tests.cast import Cast, make_cast, make_project, make_task
from taskproject.tests.wire import Relay
from tasks.models import Status, Task

pytestmark = pytest.mark.django_db(transaction=True)

TITLES = Statement.of(
    f"SELECT title::text, status::text FROM task WHERE tenant_id = {slot(TENANT)}"
    f" AND title LIKE {slot('like')} || '%' ORDER BY id"
)


@pytest.fixture
def cast() -> Cast:
    cast = make_cast()
    for tenant, person in ((cast.alpha, cast.alice), (cast.beta, cast.carol)):
        make_task(make_project(tenant, person), person, f"{tenant.slug} 100 %")
    return cast


def titles(like: str = "") -> list[Any]:
    return [title and title.decode() for title, _ in run(TITLES, {"like": like})]


def prepared() -> int:
    """How many statements of ours PostgreSQL knows in this session."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'tp\\_%'")
        return int(cursor.fetchone()[0])


@contextmanager
def alpha_on_a_new_session(cast: Cast) -> Iterator[None]:
    with database(pool={"min_size": 1, "max_size": 1}), tenant_context(cast.alpha):
        yield


def test_slots_may_stand_in_it_several_times_and_in_any_order() -> None:
    statement = Statement.of(f"SELECT {slot('b')}, {slot('a')}, {slot('b')} LIKE '%'")

    assert statement.text == "SELECT $1, $2, $1 LIKE '%'"
    assert statement.slots == ("b", "a")
    assert statement.portable == "SELECT %s, %s, %s LIKE '%%'"
    assert statement.portable_slots == ("b", "a", "b")


def test_a_queryset_is_compiled_with_its_constants_and_its_slots(cast: Cast) -> None:
    with tenant_of_slots():
        rows = Task.objects.filter(status=Slot("status"), title="It's 100 %", priority__lt=3)
        text = slotted_sql(rows.values("id"))

    assert f'"task"."tenant_id" = {slot(TENANT)}' in text
    assert f'"task"."status" = ({slot("status")})' in text
    assert "= 'It''s 100 %'" in text
    with tenant_context(cast.alpha):
        mark = 2**62 + 0x7E4A47
        assert f"= {mark}" in slotted_sql(Task.objects.filter(parent_id=mark).values("id"))
    assert '"task"."priority" < 3' in text


def test_it_runs_for_the_active_tenant_and_for_no_other(cast: Cast) -> None:
    with tenant_context(cast.alpha):
        assert titles() == ["alpha 100 %"]
        with tenant_context(cast.beta):
            assert titles() == ["beta 100 %"]
        assert titles() == ["alpha 100 %"]
    with pytest.raises(TenantNotSet):
        titles()


@pytest.mark.parametrize("odd", ["'", "\\", "' OR true --", "é😀", "%", "$1", ");"])
def test_values_are_values_whatever_they_are(cast: Cast, odd: str) -> None:
    echo = Statement.of(f"SELECT {slot('text')}::text, {slot('none')}::text, {slot('time')}::text")
    time = datetime(2030, 5, 1, 12, tzinfo=UTC)
    expected = [(odd.encode(), None, b"2030-05-01T12:00:00+00:00")]

    with alpha_on_a_new_session(cast):
        for _ in range(2):  # with the binding in one message, and by itself
            assert run(echo, {"text": odd, "none": None, "time": time}) == expected


def test_it_is_prepared_once_on_a_connection(cast: Cast) -> None:
    with alpha_on_a_new_session(cast):
        for _ in range(3):
            titles()
            connection.close()
        assert prepared() == 1


def test_it_survives_a_rollback(cast: Cast) -> None:
    with alpha_on_a_new_session(cast):
        titles()
        with transaction.atomic():
            assert titles() == ["alpha 100 %"]
            transaction.set_rollback(True)
        assert titles() == ["alpha 100 %"]
        assert prepared() == 1


def test_a_failed_one_leaves_the_next_one_alone(cast: Cast) -> None:
    broken = Statement.of(f"SELECT (1 / {slot('zero')}::int)::text")
    with alpha_on_a_new_session(cast):
        with pytest.raises(DatabaseError, match="division by zero"):
            run(broken, {"zero": 0})
        assert titles() == ["alpha 100 %"]


def test_it_survives_a_new_connection(cast: Cast) -> None:
    with alpha_on_a_new_session(cast):
        titles()
        pid = connection.connection.info.backend_pid
        connection.close()
        with session("app") as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])  # waits until it is gone

        assert titles() == ["alpha 100 %"]
        assert connection.connection.info.backend_pid != pid


@pytest.mark.parametrize("command", ["DEALLOCATE ALL", "DISCARD ALL"])
def test_it_is_prepared_again_after_somebody_has_thrown_it_away(cast: Cast, command: str) -> None:
    with alpha_on_a_new_session(cast):
        titles()
        connection.connection.pgconn.exec_(command.encode())
        connection.close()
        assert titles() == ["alpha 100 %"]


def test_it_survives_a_migration(cast: Cast) -> None:
    with alpha_on_a_new_session(cast):
        titles()
        add = "ALTER TABLE task ADD COLUMN mood text DEFAULT 'fine'"
        with committed("owner", add, "ALTER TABLE task DROP COLUMN mood"):
            assert titles() == ["alpha 100 %"]
        assert titles() == ["alpha 100 %"]


def test_no_more_are_kept_than_a_session_can_bear(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "PREPARED_MAX", 3)
    with alpha_on_a_new_session(cast):
        for number in range(5):
            run(Statement.of(f"SELECT {number}::text"), {})
        assert prepared() == 3
        assert len(prepared_on(connection.connection)) == 3


def test_the_tenant_is_told_with_the_first_one_and_not_again(cast: Cast) -> None:
    place = connection.settings_dict
    with (
        Relay(place["HOST"], place["PORT"]) as relay,
        database(HOST=relay.host, PORT=relay.port, pool={"min_size": 1, "max_size": 1}),
        tenant_context(cast.alpha),
    ):
        titles()
        connection.close()
        with relay.counting() as seen:
            titles()
            titles()
    told, silent = seen.statements
    assert (told.count("set_config"), silent) == (1, f"EXECUTE {TITLES.name.decode()}")


def test_a_lost_connection_is_an_operational_error(cast: Cast) -> None:
    """As which it is answered with 503, and not with 500."""
    with alpha_on_a_new_session(cast):
        for lose_before_preparing in (False, True):
            titles()
            if lose_before_preparing:
                prepared_on(connection.connection).clear()
            lost = socket.socket(fileno=os.dup(connection.connection.fileno()))
            with lost:
                lost.shutdown(socket.SHUT_RDWR)
            with pytest.raises(OperationalError):
                titles()
            connection.close()
        assert titles() == ["alpha 100 %"]


# Who sees it


def test_it_passes_through_execute_wrappers_and_stays_prepared(cast: Cast) -> None:
    seen = []

    def look(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        seen.append((sql, params, many, context["connection"].alias))
        return execute(sql, params, many, context)

    with alpha_on_a_new_session(cast), connection.execute_wrapper(look):
        assert titles("alpha") == ["alpha 100 %"]
        assert seen == [(TITLES.text, (str(cast.alpha.pk), "alpha"), False, "default")]
        with connection.execute_wrapper(look):
            titles()
        assert prepared() == 1


def test_a_wrapper_that_explains_sees_the_plan_that_is_used(cast: Cast) -> None:
    with alpha_on_a_new_session(cast), plans_of(connection, analyze=True) as plans:
        assert titles() == ["alpha 100 %"]

    (plan,) = plans
    assert plan.statement == TITLES.text
    assert "$1" in str(plan), "the plan that serves every tenant"


def test_a_wrapper_that_changes_it_gets_what_it_asks_for(cast: Cast) -> None:
    def comment(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        return execute(f"{sql} /* from a test */", params, many, context)

    with alpha_on_a_new_session(cast):
        with connection.execute_wrapper(comment):
            assert titles("alpha") == ["alpha 100 %"]
            with tenant_context(cast.beta):
                assert titles() == ["beta 100 %"]
        assert prepared() == 0


def test_a_log_of_queries_sees_it_and_gets_the_same_rows(cast: Cast) -> None:
    with alpha_on_a_new_session(cast), CaptureQueriesContext(connection) as queries:
        assert titles("alpha 100 ") == ["alpha 100 %"]
    assert [query["sql"].partition(" ")[0] for query in queries] == ["SELECT"]


def test_behind_a_transaction_pooler_nothing_is_prepared(cast: Cast) -> None:
    place = connection.settings_dict
    with (
        Relay(place["HOST"], place["PORT"]) as relay,
        database(HOST=relay.host, PORT=relay.port, TENANT_BINDING="transaction"),
        tenant_context(cast.alpha),
    ):
        with relay.counting() as seen:
            assert titles() == ["alpha 100 %"]
            with transaction.atomic():
                assert titles() == ["alpha 100 %"]
        assert not [text for text in seen.statements if "PREPARE" in text or "EXECUTE" in text]
        assert any("SET LOCAL" in text for text in seen.statements)


def test_the_first_statement_of_a_transaction_is_in_it(cast: Cast) -> None:
    """psycopg begins a transaction with the first statement of its own cursors."""
    insert = Statement.of(
        f"UPDATE task SET status = {slot('status')}::smallint WHERE tenant_id = {slot(TENANT)}"
        " RETURNING id::text"
    )
    with alpha_on_a_new_session(cast):
        with transaction.atomic():
            run(insert, {"status": Status.BLOCKED})
            transaction.set_rollback(True)
        assert list(Task.objects.values_list("status", flat=True)) == [Status.PENDING]
