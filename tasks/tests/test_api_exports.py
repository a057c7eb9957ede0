"""The tasks of a tenant as a file over REST."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from projects.models import Project
from taskproject.db.context import current_tenant_id, tenant_context
from taskproject.tests.api.calls import Api, api_of, good
from taskproject.tests.api.walls import content_of
from taskproject.tests.cast import Cast, make_project, make_task
from taskproject.tests.rows import add_tasks
from tasks.dataset.cells import COLUMNS
from tasks.dataset.forms import FORMS
from tasks.services.exports import streamed


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


def test_head_reads_nothing(api: Api, web: Project) -> None:
    with_body, without = api.get("tasks.ndjson"), api.send("HEAD", "tasks.ndjson", b"")

    assert content_of(without) == b""
    assert without["Content-Type"] == with_body["Content-Type"]
    with_body.close()


def read_in_parts(parts: Iterator[bytes]) -> Iterator[int]:
    """How many lines each part has; nobody's tenant may be active between them."""
    for part in parts:
        assert current_tenant_id() is None
        yield part.count(b"\n")


def test_no_tenant_is_active_between_the_parts(cast: Cast, web: Project) -> None:
    add_tasks(web, cast.alice, [0] * 1_500)
    with tenant_context(cast.alpha):
        parts = streamed("alpha", FORMS["ndjson"])

    assert list(read_in_parts(parts)) == [0, 1_000, 502]


def test_other_queries_of_the_reader_get_along_with_it(cast: Cast, api: Api, web: Project) -> None:
    add_tasks(web, cast.alice, [0] * 1_500)
    parts = api.get("tasks.ndjson").streaming_content
    lines = next(parts) + next(parts)

    assert good(api_of(cast.beta, cast.carol).get("tasks/"))["results"][0]["title"] == "Theirs"

    lines += b"".join(parts)
    tenants = {json.loads(line)["tenant"] for line in lines.splitlines()}
    assert (tenants, lines.count(b"\n")) == ({"alpha"}, 1_502)


@pytest.mark.django_db(transaction=True)
def test_who_leaves_early_leaves_no_transaction_behind(cast: Cast, api: Api, web: Project) -> None:
    add_tasks(web, cast.alice, [0] * 2_500)
    response = api.get("tasks.ndjson")
    next(response.streaming_content)
    next(response.streaming_content)
    assert connection.in_atomic_block

    response.close()

    assert not connection.in_atomic_block
    assert good(api.get("tasks/?limit=1"))["results"]


@pytest.mark.django_db(transaction=True)
def test_all_of_it_is_of_one_moment(cast: Cast, api: Api, web: Project) -> None:
    add_tasks(web, cast.alice, [0] * 1_500)
    parts: Any = api.get("tasks.ndjson").streaming_content
    first = next(parts) + next(parts)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT set_config('app.tenant_id', %s, false)", [str(cast.alpha.pk)])
            cursor.execute("UPDATE task SET title = 'Late' WHERE tenant_id = %s", [cast.alpha.pk])
            assert cursor.rowcount > 1_000
    finally:
        other.close()

    assert b"Late" not in first + b"".join(parts)
