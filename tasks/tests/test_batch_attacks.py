"""What an attacker found in batches: each was wrong once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import OperationalError, connection, transaction
from django.utils.safestring import mark_safe

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.db.retries import ATTEMPTS, retried
from taskproject.tests.api.calls import Api, api_of, errors, good, problem
from taskproject.tests.cast import Cast, make_project, make_task
from tasks.models import Status, Task
from tasks.services.batches.change import bulk_update, change_batch
from tasks.services.batches.create import bulk_create, create_batch
from tasks.services.batches.outcome import BatchRefused
from tasks.services.batches.remove import bulk_delete, bulk_restore
from tasks.services.batches.upsert import bulk_upsert, upsert_batch
from tasks.services.cycles import CYCLE_DEPTH
from tasks.services.tasks import task_create, task_update
from tasks.tests.test_batches import refusals, wait_until_somebody_waits

pytestmark = pytest.mark.django_db


@pytest.fixture
def web(cast: Cast) -> Iterator[Project]:
    made = make_project(cast.alpha, cast.alice)
    with tenant_context(cast.alpha):
        yield made


@pytest.fixture
def bob(cast: Cast, web: Project) -> Api:
    return api_of(cast.alpha, cast.bob)


# --- Values ---------------------------------------------------------------------------------------


class Text(str):
    """A text that is no plain str."""

    __slots__ = ()


class Moment(datetime):
    """A time that is no plain datetime."""


@pytest.mark.parametrize(
    "values",
    [
        {"title": mark_safe("<b>"), "external_key": Text("k")},
        {"title": Text("x"), "description": Text("é")},
        {"title": "x", "due_at": Moment(2026, 1, 1, tzinfo=UTC)},
        {"title": "x", "due_at": datetime(1900, 1, 1, tzinfo=ZoneInfo("Europe/Amsterdam"))},
        {"title": "x", "due_at": "2026-01-01T00:00:00.9999999Z"},
    ],
)
def test_a_value_is_stored_as_the_service_stores_it(
    cast: Cast, web: Project, values: dict[str, Any]
) -> None:
    made = bulk_create([{"project_id": web.pk, **values}], actor_id=cast.bob.pk)[0]
    changed = bulk_create([{"project_id": web.pk, "title": "Old"}], actor_id=cast.bob.pk)[0]
    other = values | ({"external_key": "other"} if "external_key" in values else {})
    bulk_update([{"id": changed.pk, **other}], actor_id=cast.bob.pk)
    third = values | ({"external_key": "third"} if "external_key" in values else {})
    alone = task_create(project_id=web.pk, actor_id=cast.bob.pk, **third)

    rows = Task.objects.filter(pk__in=[made.pk, changed.pk, alone.pk])
    assert len(set(rows.values_list("title", "description", "due_at"))) == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"due_at": ""}, "due_at"),
        ({"assignee_id": False}, "assignee_id"),
        ({"assignee_id": 0.0}, "assignee_id"),
        ({"parent_id": []}, "parent_id"),
        ({"parent_id": {}}, "parent_id"),
        ({"version": ""}, "version"),
        ({"version": False}, "version"),
    ],
)
def test_a_value_that_is_empty_in_another_way_is_an_error_of_its_item(
    cast: Cast, web: Project, wrong: dict[str, Any], field: str
) -> None:
    tasks = [make_task(web, cast.alice) for _ in range(2)]
    items = [{"id": task.pk, "title": "x"} for task in tasks]
    items[1] |= wrong

    assert refusals(lambda: bulk_update(items, actor_id=cast.bob.pk)) == [(1, field, "invalid")]
    if field != "version":
        new = [{"project_id": web.pk, "title": "x"}, {"project_id": web.pk, "title": "x"} | wrong]
        assert refusals(lambda: bulk_create(new, actor_id=cast.bob.pk)) == [(1, field, "invalid")]


def test_a_key_that_is_a_number_is_its_text(cast: Cast, web: Project) -> None:
    task = make_task(web, cast.alice)

    bulk_update([{"id": task.pk, "external_key": 0}], actor_id=cast.bob.pk)

    assert Task.objects.get(pk=task.pk).external_key == "0"


@pytest.mark.parametrize("strange", [2**63, None, True, 1.0, "x"])
def test_what_is_no_id_is_restored_like_what_is_not_there(
    cast: Cast, web: Project, strange: Any
) -> None:
    assert refusals(lambda: bulk_restore([strange], actor_id=cast.bob.pk)) == [
        (0, "id", "does_not_exist")
    ]


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_has_at_least_one_item(cast: Cast, web: Project, size: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        bulk_create([{"project_id": 1, "title": "x"}], actor_id=1, batch_size=size)


def test_long_texts_go_in_several_statements(cast: Cast, web: Project) -> None:
    items = [{"project_id": web.pk, "title": "x", "description": "a" * 60_000} for _ in range(40)]

    made = bulk_create(items, actor_id=cast.bob.pk)
    bulk_update(
        [{"id": task.pk, "description": "b" * 60_000} for task in made], actor_id=cast.bob.pk
    )

    assert [task.number for task in made] == list(range(1, 41))
    assert set(Task.objects.values_list("description", "version")) == {("b" * 60_000, 2)}


# --- Instances ------------------------------------------------------------------------------------


def test_instances_of_a_refused_batch_are_as_they_were(cast: Cast, web: Project) -> None:
    fresh = [Task(project=web, title=title) for title in ("One", "Two", "")]
    with pytest.raises(BatchRefused):
        bulk_create(fresh, actor_id=cast.bob.pk, batch_size=1)
    assert all(task.pk is None and task._state.adding for task in fresh)

    there = [make_task(web, cast.alice) for _ in range(2)]
    for task in there:
        task.status = Status.DONE
    there[1].title = ""
    with pytest.raises(BatchRefused):
        bulk_update(there, ["title", "status"], actor_id=cast.bob.pk, batch_size=1)
    assert [(task.version, task.completed_at) for task in there] == [(1, None)] * 2


def test_instances_are_told_what_became_of_them(cast: Cast, web: Project) -> None:
    task = make_task(web, cast.alice, external_key="k")
    again = Task(project=web, title="Again", external_key="k")

    assert bulk_upsert([again], actor_id=cast.bob.pk) == [task.pk]
    assert (again.pk, again._state.adding) == (task.pk, False)
    bulk_delete([task], actor_id=cast.bob.pk)
    row = Task.objects.get(pk=task.pk)
    assert (task.version, task.deleted_at) == (row.version, row.deleted_at)
    assert task.deleted_at is not None


# --- Items beside each other ----------------------------------------------------------------------


def test_a_refused_item_takes_no_key(cast: Cast, web: Project) -> None:
    one, two = (make_task(web, cast.alice, external_key=key) for key in ("a", "b"))
    base = {"project_id": web.pk, "title": "x", "external_key": "n"}
    batch = [base | {"assignee_id": cast.carol.pk}, base]

    assert [task is None for task in create_batch(batch, actor_id=cast.bob.pk).tasks] == [
        True,
        False,
    ]
    changes = [
        {"id": one.pk, "external_key": "b"},
        {"id": two.pk, "external_key": "b", "title": "y"},
    ]
    outcome = change_batch(changes, actor_id=cast.bob.pk)
    assert outcome.versions == (None, 2)


def test_who_only_leads_into_a_cycle_is_not_refused_with_it(cast: Cast, web: Project) -> None:
    a, b, x = (make_task(web, cast.alice) for _ in range(3))
    moves = [
        {"id": x.pk, "parent_id": a.pk},
        {"id": a.pk, "parent_id": b.pk},
        {"id": b.pk, "parent_id": a.pk},
    ]

    assert change_batch(moves, actor_id=cast.bob.pk).versions == (2, None, None)


def test_a_chain_may_be_as_long_as_the_service_lets_it_be(cast: Cast, web: Project) -> None:
    chain = bulk_create(
        [{"project_id": web.pk, "title": str(n)} for n in range(CYCLE_DEPTH + 1)],
        actor_id=cast.bob.pk,
    )
    links = [{"id": task.pk, "parent_id": above.pk} for above, task in pairwise(chain)]
    bulk_update(links[: CYCLE_DEPTH - 1], actor_id=cast.bob.pk)
    one, other = (make_task(web, cast.alice) for _ in range(2))
    deepest = chain[CYCLE_DEPTH - 1].pk

    task_update(task_id=one.pk, parent_id=deepest, actor_id=cast.bob.pk)
    assert bulk_update([{"id": other.pk, "parent_id": deepest}], actor_id=cast.bob.pk) == 1
    assert refusals(
        lambda: bulk_update([{"id": chain[-1].pk, "parent_id": one.pk}], actor_id=cast.bob.pk)
    ) == [(0, "parent", "state-conflict")]


# --- Upsert ---------------------------------------------------------------------------------------


def test_an_upsert_changes_the_task_of_the_key_and_no_other(cast: Cast, web: Project) -> None:
    make_task(web, cast.alice, external_key="x")
    other = make_task(web, cast.alice, "Other")
    item = {"project_id": web.pk, "external_key": "x", "id": other.pk, "title": "hijack"}

    assert refusals(lambda: bulk_upsert([item], actor_id=cast.bob.pk)) == [(0, "id", "unknown")]
    assert Task.objects.get(pk=other.pk).title == "Other"


def test_fields_of_an_upsert_are_looked_at_also_while_all_keys_are_new(
    cast: Cast, web: Project
) -> None:
    item = {"project_id": web.pk, "external_key": "x", "title": "x"}

    with pytest.raises(TypeError, match="titel can't be changed"):
        bulk_upsert([item], ["titel"], actor_id=cast.bob.pk)


@pytest.mark.django_db(transaction=True)
def test_an_upsert_that_waited_does_not_write_to_a_task_that_lost_the_key(cast: Cast) -> None:
    project = make_project(cast.alpha, cast.alice)
    task = make_task(project, cast.alice, external_key="a")
    outcomes: list[Any] = []

    def upsert() -> None:
        with tenant_context(cast.alpha):
            item = {"project_id": project.pk, "external_key": "a", "title": "Meant for a"}
            outcomes.append(upsert_batch([item], actor_id=cast.bob.pk))
        connection.close()

    with tenant_context(cast.alpha):
        later = threading.Thread(target=upsert)
        with transaction.atomic():
            task_update(task_id=task.pk, external_key="b", actor_id=cast.alice.pk)
            later.start()
            wait_until_somebody_waits()
        later.join()

        assert Task.objects.get(pk=task.pk).title == "A task"
    assert [each.code for each in outcomes[0].errors] == ["state-conflict"]


@pytest.mark.django_db(transaction=True)
def test_a_key_that_is_taken_meanwhile_is_an_error_of_its_item(cast: Cast) -> None:
    web, ops = (make_project(cast.alpha, cast.alice, key) for key in ("WEB", "OPS"))
    bob = api_of(cast.alpha, cast.bob)
    answers: list[Any] = []

    def post() -> None:
        items = [{"project": "OPS", "title": "x", "external_key": key} for key in "ab"]
        body = {"mode": "partial", "items": items}
        answers.append(bob.post("tasks/bulk/create/", body))
        connection.close()

    assert ops.pk
    with tenant_context(cast.alpha):
        later = threading.Thread(target=post)
        with transaction.atomic():
            task_create(project_id=web.pk, title="x", external_key="b", actor_id=cast.alice.pk)
            later.start()
            wait_until_somebody_waits()
        later.join()

    results = good(answers[0], 207)["results"]
    assert [each["status"] for each in results] == [201, 409]
    assert results[1]["problem"]["errors"][0]["pointer"] == "/items/1/external_key"


# --- Doing it again -------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_an_iterator_is_not_read_again_however_it_is_given() -> None:
    calls = []

    class Deadlock(Exception):
        sqlstate = "40P01"

    @retried
    def work(items: Any) -> None:
        calls.append(list(items))
        raise OperationalError from Deadlock()

    for given, times in (((iter([1]),), 1), ([[1]], ATTEMPTS)):
        calls.clear()
        with pytest.raises(OperationalError):
            work(*given)
        assert len(calls) == times
    calls.clear()
    with pytest.raises(OperationalError):
        work(items=iter([1]))
    assert calls == [[1]]


# --- REST -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["create", "update", "delete", "upsert"])
@pytest.mark.parametrize("mode", ["atomic", "partial"])
def test_members_with_slashes_are_told_and_not_taken_for_paths(
    bob: Api, name: str, mode: str
) -> None:
    item = {"a": 1, "a/b": 1, "title/x": 1, "title": "", "~": 1}
    answer = bob.post(f"tasks/bulk/{name}/", {"mode": mode, "items": [item]})

    if mode == "atomic":
        told = set(errors(answer))
    else:
        (result,) = good(answer, 207)["results"]
        told = {each["pointer"] for each in result["problem"]["errors"]}
    assert {"/items/0/a", "/items/0/a~1b", "/items/0/title~1x", "/items/0/~0"} <= told


@pytest.mark.parametrize("wrong", [[1], "x", 5, True, None])
def test_a_set_that_is_no_object_is_pointed_at(
    cast: Cast, web: Project, bob: Api, wrong: Any
) -> None:
    task = make_task(web, cast.alice)

    refused = bob.post("tasks/bulk/update/", {"items": [{"id": task.pk, "set": wrong}]})
    assert set(errors(refused)) == {"/items/0/set"}


@pytest.mark.parametrize("name", ["update", "delete"])
@pytest.mark.parametrize("version", ["1", 1.5, 0, True, [1]])
def test_a_version_is_a_whole_number(
    cast: Cast, web: Project, bob: Api, name: str, version: Any
) -> None:
    task = make_task(web, cast.alice)
    item: dict[str, Any] = {"id": task.pk, "version": version}
    if name == "update":
        item["set"] = {"title": "x"}

    refused = bob.post(f"tasks/bulk/{name}/", {"items": [item]})
    assert errors(refused) == {"/items/0/version": "invalid"}


def test_taken_keys_alone_are_a_422_as_well(cast: Cast, web: Project, bob: Api) -> None:
    make_task(web, cast.alice, external_key="a")
    item = {"project": "WEB", "title": "x", "external_key": "a"}

    refused = bob.post("tasks/bulk/create/", {"items": [item]})
    assert problem(refused) == (422, "validation")
    assert errors(refused) == {"/items/0/external_key": "unique"}
