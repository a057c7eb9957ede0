from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.contenttypes.models import ContentType
from django.db import connection, connections

from perf.monitor import findings, monitor_query_performance
from perf.monitor.recording import active

pytestmark = pytest.mark.django_db


def ask(sql: str = "SELECT 1", params: Any = None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


@pytest.fixture(autouse=True)
def told_anew() -> None:
    findings.told.forget()
    findings.planned.forget()


def told(caplog: pytest.LogCaptureFixture, kind: str) -> list[dict[str, Any]]:
    records: list[Any] = [each for each in caplog.records if each.name == "perf.monitor"]
    return [each.monitor for each in records if each.monitor["kind"] == kind]


def test_a_function_that_takes_too_long_is_told_with_what_it_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @monitor_query_performance(threshold_ms=10)
    def nap(seconds: float) -> str:
        """Naps."""
        ask()
        ask("SELECT pg_sleep(%s)", [seconds])
        return "rested"

    assert nap(0.02) == "rested"
    assert (nap.__name__, nap.__doc__) == ("nap", "Naps.")

    (found,) = told(caplog, "slow_block")
    assert found["where"].endswith("nap")
    assert (found["n"], found["rows"], found["threshold_ms"]) == (2, 2, 10)
    assert found["ms"] >= found["database_ms"] >= 20
    assert found["groups"][0]["sql"] == "SELECT pg_sleep(?)"
    assert "0.02" not in caplog.text


def test_a_quick_one_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    @monitor_query_performance(threshold_ms=60_000)
    def quick() -> None:
        ask()

    quick()

    assert caplog.records == []


def test_the_threshold_may_be_given_as_the_first_argument() -> None:
    assert monitor_query_performance(50.0).threshold_ms == 50
    assert monitor_query_performance().threshold_ms == 100


def test_a_block_has_its_recording(caplog: pytest.LogCaptureFixture) -> None:
    with monitor_query_performance(threshold_ms=0, name="import") as recording:
        ask()

    assert recording.statements == 1
    assert active() is None
    assert told(caplog, "slow_block")[0]["where"] == "import"


def test_a_monitor_in_use_is_not_entered_again() -> None:
    monitor = monitor_query_performance()

    with monitor, pytest.raises(RuntimeError, match="one for each block"), monitor:
        pass
    with monitor:
        pass


def test_what_is_raised_is_raised_and_told(caplog: pytest.LogCaptureFixture) -> None:
    @monitor_query_performance(threshold_ms=0)
    def fails() -> None:
        ask()
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        fails()

    assert told(caplog, "slow_block")[0]["n"] == 1
    assert active() is None


def test_a_generator_counts_its_own_steps_alone(caplog: pytest.LogCaptureFixture) -> None:
    @monitor_query_performance(threshold_ms=0)
    def rows() -> Generator[int, int, str]:
        ask()
        got = yield 1
        ask()
        try:
            yield got * 2
        except KeyError:
            ask()
            yield 9
        return "end"

    steps: Any = rows()
    first = next(steps)
    ask("SELECT pg_sleep(0.05)")
    assert (first, steps.send(4), steps.throw(KeyError())) == (1, 8, 9)
    with pytest.raises(StopIteration, match="end"):
        next(steps)

    (found,) = told(caplog, "slow_block")
    assert found["n"] == 3
    assert found["ms"] < 50


def test_a_generator_that_is_left_is_told(caplog: pytest.LogCaptureFixture) -> None:
    left = []

    @monitor_query_performance(threshold_ms=0)
    def rows() -> Iterator[int]:
        try:
            ask()
            yield 1
        finally:
            ask()
            left.append(True)

    steps: Any = rows()
    next(steps)
    steps.close()

    assert left == [True]
    assert told(caplog, "slow_block")[0]["n"] == 2


@pytest.mark.django_db(transaction=True)
def test_coroutines_and_asynchronous_generators_are_taken_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @monitor_query_performance(threshold_ms=0)
    async def count() -> int:
        return await ContentType.objects.acount()

    @monitor_query_performance(threshold_ms=0)
    async def rows() -> AsyncIterator[int]:
        yield await ContentType.objects.acount()
        yield await ContentType.objects.acount()

    async def both() -> list[int]:
        try:
            return [await count(), *[each async for each in rows()]]
        finally:
            await sync_to_async(connections.close_all)()

    assert inspect.iscoroutinefunction(count)
    assert len(set(asyncio.run(both()))) == 1
    assert [each["n"] for each in told(caplog, "slow_block")] == [1, 2]


def test_methods_and_callable_objects_are_taken_too(caplog: pytest.LogCaptureFixture) -> None:
    class Shop:
        @monitor_query_performance(threshold_ms=0)
        def goods(self, number: int) -> tuple[Shop, int]:
            ask()
            return self, number

        async def __call__(self) -> str:
            return "asked"

    shop = Shop()

    assert shop.goods(2) == (shop, 2)
    assert asyncio.run(monitor_query_performance(threshold_ms=0)(shop)()) == "asked"
    assert [each["n"] for each in told(caplog, "slow_block")] == [1, 0]


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match="can't be called"):
        monitor_query_performance()(property(ask))  # type: ignore[type-var]


def test_a_slow_select_is_told_with_its_plan_and_without_its_values(
    caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.PERF_MONITOR = {"SLOW_MS": 0}

    @monitor_query_performance(threshold_ms=60_000)
    def find() -> None:
        list(ContentType.objects.filter(model="needle", app_label="haystack"))

    find()

    (found,) = told(caplog, "slow_statement")
    assert found["statement"] == "SELECT django_content_type"
    assert "on django_content_type" in found["plan"]
    assert "app_label)::text = ?" in found["plan"]
    assert "django_content_type" in found["plan_fingerprint"]
    assert found["values"] == ["str", "str"]
    assert "needle" not in repr(found)
    assert "needle" not in caplog.text


def test_a_plan_is_asked_for_once_a_while_and_a_finding_told_so(
    caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.PERF_MONITOR = {"SLOW_MS": 0, "LOG_S": 0}

    @monitor_query_performance(threshold_ms=60_000)
    def find() -> None:
        ContentType.objects.filter(model="needle").first()

    for _ in range(3):
        find()
    settings.PERF_MONITOR = {"SLOW_MS": 0, "LOG_S": 60}
    find()

    found = told(caplog, "slow_statement")
    assert [each["plan"] is not None for each in found] == [True, False, False]


def test_what_writes_is_told_without_a_plan(
    caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.PERF_MONITOR = {"SLOW_MS": 0}
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE written (n int)")
    with monitor_query_performance(60_000), connection.cursor() as cursor:
        cursor.execute("WITH n AS (INSERT INTO written VALUES (1) RETURNING n) SELECT * FROM n")

    (found,) = told(caplog, "slow_statement")
    assert found["plan"] is None
    assert ask("SELECT count(*) FROM written") == [(1,)]


def test_a_plan_that_can_not_be_had_harms_nobody(
    caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.PERF_MONITOR = {"SLOW_MS": 0}
    with monitor_query_performance(60_000), connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE short_lived (n int)")
        cursor.execute("SELECT count(*) FROM short_lived")
        cursor.execute("DROP TABLE short_lived")
    assert ask("SELECT 1") == [(1,)]

    plans = {each["statement"]: each["plan"] for each in told(caplog, "slow_statement")}
    assert plans["SELECT short_lived"] is None


def test_asking_for_plans_leaves_no_setting_behind(settings: Any) -> None:
    settings.PERF_MONITOR = {"SLOW_MS": 0}
    before = ask("SHOW statement_timeout")
    with monitor_query_performance(60_000):
        ask("SELECT 2")

    assert ask("SHOW statement_timeout") == before


def test_the_log_can_be_turned_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "perf.monitor")
    with monitor_query_performance(0):
        ask()

    assert caplog.records == []


@pytest.mark.parametrize("threshold_ms", [len, "50", None])
def test_a_decorator_without_brackets_is_told_how_it_is_written(threshold_ms: Any) -> None:
    with pytest.raises(TypeError, match="write @monitor_query_performance"):
        monitor_query_performance(threshold_ms)
