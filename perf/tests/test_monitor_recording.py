from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, connections
from django.db.utils import ProgrammingError

from perf.monitor import recording as module
from perf.monitor.callsites import shown
from perf.monitor.recording import (
    GROUPS_MAX,
    OTHER,
    active,
    begun,
    install,
    recorded,
    resumed,
    watch,
)

pytestmark = pytest.mark.django_db


def run(sql: str, params: Any = None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


def test_a_block_knows_its_statements_their_time_rows_and_places() -> None:
    with recorded() as found:
        run("SELECT generate_series(1, %s)", [3])
        run("SELECT pg_sleep(0.01)")

    series, sleep = found.groups.values()
    assert (found.statements, found.failures, found.rows) == (2, 0, 4)
    assert (series.shape.text, series.rows, series.calls) == ("SELECT generate_series(?, ?)", 3, 1)
    assert sleep.total_ms >= 10
    assert found.total_ms == pytest.approx(series.total_ms + sleep.total_ms)
    assert shown(series.place).startswith("perf/tests/test_monitor_recording.py:")
    assert shown(series.place).endswith(" run")


class Asking(str):
    """A value of an application whose hash asks the database."""

    def __hash__(self) -> int:
        run("SELECT 2")
        raise ValueError("There is none.")


def test_a_value_whose_hash_asks_the_database_holds_nobody_up() -> None:
    statements = []

    def work() -> None:
        with recorded() as found:
            for _ in range(2):
                run("SELECT %s::text", [Asking("a")])
        statements.append(found.statements)
        connections.close_all()

    working = threading.Thread(target=work, daemon=True)
    working.start()
    working.join(10)

    assert statements == [4]


def test_rows_that_are_not_told_are_unknown_and_not_none_at_all() -> None:
    with recorded() as found:
        run("SELECT 1 WHERE false")
    with recorded() as unknown, connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '5MB'")

    assert found.rows == 0
    assert unknown.rows is None


def test_nothing_is_recorded_outside_of_a_block() -> None:
    with recorded() as found:
        pass
    run("SELECT 1")

    assert (found.statements, active()) == (0, None)


def test_an_outer_block_sees_what_an_inner_one_does() -> None:
    with recorded() as outer:
        run("SELECT 1")
        with recorded() as inner:
            run("SELECT 2")
        run("SELECT 3")

    assert (outer.statements, inner.statements) == (3, 1)


def test_a_statement_that_fails_is_recorded_and_raises_what_it_raised() -> None:
    with recorded() as found, pytest.raises(ProgrammingError, match="SELEKT"):
        run("SELEKT 1")

    assert (found.statements, found.failures, found.rows) == (1, 1, None)


def test_a_record_that_goes_wrong_does_not_reach_the_statement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*args: Any) -> Any:
        raise RuntimeError("no place")

    monkeypatch.setattr(module, "call_site", broken)
    with recorded() as found:
        assert run("SELECT 7") == [(7,)]

    assert found.statements == 0


def test_other_wrappers_may_come_and_go_around_it() -> None:
    seen: list[str] = []

    def other(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        return execute(sql, params, many, context)

    before = list(connection.execute_wrappers)
    connection.execute_wrappers[:] = [each for each in before if each is not watch]
    with connection.execute_wrapper(other):
        install()  # amid the block of another one
        with recorded() as found:
            run("SELECT 1")

    assert seen == ["SELECT 1"]
    assert found.statements == 1
    assert other not in connection.execute_wrappers
    assert connection.execute_wrappers.count(watch) == 1


@pytest.mark.django_db(transaction=True)
def test_a_new_connection_has_the_wrapper_too() -> None:
    def work() -> None:
        with recorded() as found:
            run("SELECT 1")
        counts.append((found.statements, connection.execute_wrappers.count(watch)))
        connections.close_all()

    counts: list[tuple[int, int]] = []
    install()
    for _ in range(2):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    assert counts == [(1, 1), (1, 1)]


@pytest.mark.django_db(transaction=True)
def test_threads_record_each_for_itself_or_into_one_if_they_share_a_context() -> None:
    def work(context: contextvars.Context | None = None) -> None:
        if context is None:
            for _ in range(5):
                run("SELECT 1")
            connections.close_all()
        else:
            context.run(work)

    with recorded() as found:
        shared = [
            threading.Thread(target=work, args=[contextvars.copy_context()]) for _ in range(4)
        ]
        alone = threading.Thread(target=work)
        for each in (*shared, alone):
            each.start()
        for each in (*shared, alone):
            each.join()

    assert found.statements == 20
    (group,) = found.groups.values()
    assert group.calls == 20


@pytest.mark.django_db(transaction=True)
def test_statements_of_a_task_are_its_own_with_the_place_that_awaits_them() -> None:
    async def count() -> int:
        return await ContentType.objects.acount()

    async def one(times: int) -> Any:
        with recorded() as found:
            for _ in range(times):
                await count()
            await asyncio.sleep(0)
        return found

    async def both() -> Any:
        try:
            return await asyncio.gather(one(2), one(3))
        finally:
            await sync_to_async(connections.close_all)()

    first, second = asyncio.run(both())

    assert (first.statements, second.statements) == (2, 3)
    (group,) = first.groups.values()
    assert shown(group.place).endswith(".count")
    assert shown(group.place).startswith("perf/tests/test_monitor_recording.py:")


def test_a_generator_is_recorded_step_by_step() -> None:
    def rows() -> Iterator[Any]:
        yield run("SELECT 1")
        yield run("SELECT 2")

    found, steps = begun(), rows()
    for _ in range(2):
        with resumed(found):
            next(steps)
        run("SELECT 3")

    assert found.statements == 2


def test_equal_values_are_one_and_others_are_many() -> None:
    with recorded() as found:
        for number in (1, 2, 2, 3):
            run("SELECT %s::int", [number])
        for _ in range(3):
            run("SELECT %s::int[]", [[1, 2]])  # a list has no hash

    numbers, lists = found.groups.values()
    assert (numbers.calls, numbers.distinct) == (4, 3)
    assert (lists.calls, lists.distinct) == (3, 3)
    assert found.repeated == [numbers, lists]


def test_statements_of_one_kind_are_sampled_once_they_are_slow() -> None:
    with recorded(slow_ms=10) as found:
        run("SELECT pg_sleep(%s)", [0.02])
        run("SELECT 1")

    (sample,) = found.slow
    assert (sample.ran.params, sample.is_slow) == ([0.02], True)
    assert sample.ran.ms >= 20


def test_a_recording_does_not_grow_with_what_it_sees() -> None:
    with recorded(slow_ms=0) as found:
        for number in range(GROUPS_MAX + 30):
            run(f"SELECT 1 AS c{number}")

    assert found.statements == GROUPS_MAX + 30
    assert len(found.groups) == GROUPS_MAX + 1
    (other,) = (each for each in found.groups.values() if each.shape is OTHER)
    assert other.calls == 30
    assert len(found.samples) == 20


def test_the_orm_is_not_where_its_statements_come_from() -> None:
    with recorded() as found:
        list(Permission.objects.filter(content_type__app_label="auth")[:2])

    (group,) = found.groups.values()
    assert shown(group.place).endswith("test_the_orm_is_not_where_its_statements_come_from")
    assert group.rows == 2


def test_many_sets_of_values_are_one_statement_without_any() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE of_many (n int)")
        with recorded(slow_ms=0, explains=True) as found:
            values: Any = iter([[1], [2], [3]])
            cursor.executemany("INSERT INTO of_many VALUES (%s)", values)

    (group,) = found.groups.values()
    assert (group.calls, group.rows) == (1, 3)
    assert found.samples[0].ran.params is None
