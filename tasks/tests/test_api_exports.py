"""The tasks of a tenant as a file over REST."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Func, TextField, Value

from projects.models import Project
from taskproject.tests.api.calls import Api, api_of
from taskproject.tests.api.walls import content_of
from taskproject.tests.cast import Cast, make_project, make_task
from taskproject.tests.rows import add_tasks
from tasks.dataset.cells import COLUMNS
from tasks.dataset.forms import FORMS
from tasks.models import Task


@pytest.fixture
def api(cast: Cast) -> Api:
    return api_of(cast.alpha, cast.alice, "read")


@pytest.fixture
def web(cast: Cast) -> Project:
    project = make_project(cast.alpha, cast.alice)
    make_task(project, cast.alice, title="=1+1", external_key="a", assignee_id=cast.bob.pk)
    make_task(project, cast.alice, title="Two")
    make_task(make_project(cast.beta, cast.carol), cast.carol, title="Theirs")
    return project


@pytest.mark.parametrize("form", FORMS)
def test_it_is_the_file_that_the_command_writes(
    api: Api, web: Project, tmp_path: Path, form: str
) -> None:
    path = tmp_path / f"alpha.{form}"
    call_command("export_tasks", "alpha", str(path), stderr=io.StringIO())

    response = api.get(f"tasks.{form}")

    assert content_of(response) == path.read_bytes()
    assert response["Content-Type"] == FORMS[form].media_type
    assert response["Content-Disposition"] == f'attachment; filename="alpha-tasks.{form}"'
    assert response["Cache-Control"] == "private, no-cache"


def test_a_tenant_without_tasks_has_an_empty_file_or_its_head(cast: Cast, api: Api) -> None:
    assert content_of(api.get("tasks.ndjson")) == b""
    assert list(csv.reader(io.StringIO(content_of(api.get("tasks.csv")).decode()))) == [
        list(COLUMNS)
    ]


@pytest.mark.parametrize("accept", ["text/csv", "application/json", "image/png", "*/*", "x"])
def test_it_has_its_form_whatever_the_client_accepts(api: Api, web: Project, accept: str) -> None:
    assert content_of(api.get("tasks.csv", accept=accept)).startswith(b"tenant,project,")


def test_a_parameter_is_refused_as_a_problem(api: Api) -> None:
    refused = api.get("tasks.csv?status=done")

    assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")


def test_head_is_answered_by_the_headers_alone(api: Api, web: Project) -> None:
    with_body, without = api.get("tasks.ndjson"), api.send("HEAD", "tasks.ndjson", b"")

    assert content_of(without) == b""
    for name in ("Content-Type", "Content-Length"):
        assert without[name] == with_body[name]
    assert int(without["Content-Length"]) == len(content_of(with_body))


def test_the_length_is_known_so_that_a_part_is_not_taken_for_the_whole(
    cast: Cast, api: Api, web: Project
) -> None:
    add_tasks(web, cast.alice, [0] * 4_000)  # more than is held in memory

    response = api.get("tasks.ndjson")

    assert int(response["Content-Length"]) == len(content_of(response)) > 1024 * 1024
    tenants = {json.loads(line)["tenant"] for line in content_of(response).splitlines()}
    assert (tenants, content_of(response).count(b"\n")) == ({"alpha"}, 4_002)


def test_what_fails_halfway_is_a_problem_and_no_file(
    cast: Cast, api: Api, web: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_tasks(web, cast.alice, [0] * 1_500)
    monkeypatch.setattr("tasks.services.exports.tasks_exported", _slow_tasks)
    monkeypatch.setattr("tasks.api.exports._TIMEOUT", timedelta(milliseconds=50))

    response = api._client.get(api.at("tasks.ndjson"))

    assert (response.status_code, response.json()["code"]) == (503, "query-timeout")


def _slow_tasks() -> Any:
    """The tasks, of which each takes a millisecond."""
    sleep = Func(Value(0.001), function="pg_sleep", output_field=TextField())
    return Task.objects.annotate(slept=sleep).values_list("slept", "id")


@pytest.mark.django_db(transaction=True)
def test_all_of_it_is_of_one_moment(
    cast: Cast, api: Api, web: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_tasks(web, cast.alice, [0] * 1_500)
    encode = FORMS["ndjson"].encode
    others: list[int] = []

    def change_others(records: Any) -> bytes:
        if not others:
            others.append(_rename_all(cast.alpha.pk))
        return encode(records)

    form = replace(FORMS["ndjson"], encode=change_others)
    monkeypatch.setitem(FORMS, "ndjson", form)

    assert b"Late" not in content_of(api.get("tasks.ndjson"))
    assert others == [1_502]
    assert b"Late" in content_of(api.get("tasks.csv"))


def _rename_all(tenant_id: int) -> int:
    """Rename all tasks from another connection; how many."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT set_config('app.tenant_id', %s, false)", [str(tenant_id)])
            cursor.execute("UPDATE task SET title = 'Late' WHERE tenant_id = %s", [tenant_id])
            return int(cursor.rowcount)
    finally:
        other.close()


@pytest.mark.django_db(transaction=True)
def test_a_tenant_has_one_export_made_at_a_time(
    cast: Cast, api: Api, web: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN; SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
                           ["export:alpha"])  # fmt: skip
            refused = api.get("tasks.csv")
            assert (refused.status_code, refused.json()["code"]) == (429, "rate-limited")
            assert refused["Retry-After"] == "5"
            assert content_of(api_of(cast.beta, cast.carol).get("tasks.csv"))
    finally:
        other.close()

    assert content_of(api.get("tasks.csv"))
