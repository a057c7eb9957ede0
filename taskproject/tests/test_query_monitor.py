"""The monitor sees the service's prepared statements as they are sent, in their tenant."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from perf.monitor import explaining, findings, monitor_query_performance
from perf.monitor.callsites import shown
from perf.monitor.explaining import _document
from perf.monitor.recording import recorded
from perf.monitor.totals import process, totals
from perf.testing import statements
from taskproject.db.changes import tenant_changed
from taskproject.db.context import current_tenant_id, tenant_context
from taskproject.db.slots import TENANT, slot
from taskproject.db.statements import Statement, prepared_on, run
from taskproject.tests.api.calls import api_of, good
from taskproject.tests.cast import Cast, make_cast, make_project, make_task

pytestmark = pytest.mark.django_db(transaction=True)

TITLES = Statement.of(
    f"SELECT title::text FROM task WHERE tenant_id = {slot(TENANT)} AND id > {slot('after')}"
)


@pytest.fixture
def cast() -> Cast:
    cast = make_cast()
    make_task(make_project(cast.alpha, cast.alice), cast.alice, "Needle")
    findings.told.forget()
    findings.planned.forget()
    return cast


def titles(after: int = 0) -> list[Any]:
    return run(TITLES, {"after": after})


def test_a_prepared_statement_is_seen_with_its_rows_and_stays_prepared(cast: Cast) -> None:
    with tenant_context(cast.alpha), recorded(keeps=True) as found:
        for _ in range(2):
            titles()
        names = prepared_on(connection.connection)

    assert TITLES.name in names
    assert [(each.sql, each.rows) for each in found.kept] == [(TITLES.text, 1)] * 2
    assert [each.params for each in found.kept] == [(str(cast.alpha.pk), "0")] * 2
    (group,) = found.groups.values()
    assert shown(group.place).endswith(" titles")


def test_its_plan_is_the_prepared_one_in_its_tenant(cast: Cast) -> None:
    with recorded(slow_ms=0) as found, tenant_context(cast.alpha):
        titles()
    (sample,) = found.slow
    document = sample.context.run(_document, sample)

    assert sample.context.run(current_tenant_id) == cast.alpha.pk
    assert "= $1" in document  # and not the values that it ran with


def test_what_a_request_asked_is_explained_in_its_tenant(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.PERF_MONITOR = {**settings.PERF_MONITOR, "SLOW_MS": 0, "PLANS": True}
    asked: list[int | None] = []

    def noted(sample: Any) -> Any:
        asked.append(current_tenant_id())
        return _document(sample)

    monkeypatch.setattr(explaining, "_document", noted)
    api = api_of(cast.alpha, cast.alice)
    good(api.get("labels/"))
    asked.clear()
    findings.planned.forget()
    good(api.get("labels/", **{"Cache-Control": "no-cache"}))

    assert asked == [cast.alpha.pk]
    assert current_tenant_id() is None


def test_a_slow_one_is_told_with_its_plan_and_without_its_values(
    cast: Cast, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.PERF_MONITOR = {**settings.PERF_MONITOR, "SLOW_MS": 0, "PLANS": True}
    with monitor_query_performance(60_000), tenant_context(cast.alpha):
        titles()
    records: list[Any] = [each for each in caplog.records if each.name == "perf.monitor"]
    (found,) = [each.monitor for each in records if each.monitor["kind"] == "slow_statement"]

    assert "tenant_id = ?" in found["plan"]
    assert found["values"] == ["str", "str"]
    assert "Needle" not in caplog.text


def test_what_is_asked_for_a_plan_tells_nobody_of_a_change(cast: Cast, settings: Any) -> None:
    settings.PERF_MONITOR = {**settings.PERF_MONITOR, "IDENTIFIERS": True}
    api = api_of(cast.alpha, cast.alice)
    told: list[int] = []

    def take(tenant_id: int, **kwargs: Any) -> None:
        told.append(tenant_id)

    body = {"project": "WEB", "title": "New"}
    tenant_changed.connect(take)
    try:
        api.post("tasks/", body).close()
    finally:
        tenant_changed.disconnect(take)

    assert told == [cast.alpha.pk]


def test_a_finding_names_the_tenant(
    cast: Cast, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.PERF_MONITOR = {**settings.PERF_MONITOR, "THRESHOLD_MS": 0}
    good(api_of(cast.alpha, cast.alice).get("labels/"))

    (found,) = [each for each in caplog.records if each.name == "perf.monitor"]
    assert found.getMessage().endswith("(tenant alpha)")


def test_an_export_is_its_requests_to_its_last_row(cast: Cast) -> None:
    process.forget()
    response = api_of(cast.alpha, cast.alice).get("tasks.ndjson")
    assert b"Needle" in b"".join(response.streaming_content)
    response.close()

    counts = {each["route"]: each["statements"] for each in totals()["routes"]}
    assert counts["GET task-export-ndjson"] >= 4


def test_a_test_that_counts_does_not_send_it_in_another_way(cast: Cast) -> None:
    with tenant_context(cast.alpha), statements() as found:
        titles()

    assert [each.sql for each in found] == [TITLES.text]
