"""Batches of tasks leave behind what the services of one task do, in a few statements."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projects.models import Project
from projects.services import project_set_archived
from taskproject.db.context import tenant_context
from taskproject.db.violations import StateConflict
from taskproject.tenancy.models import Event, EventKind
from taskproject.tenancy.services import member_deactivate
from taskproject.tests.cast import Cast, make_project, make_task
from taskproject.tests.rows import rolled_back
from tasks.models import Priority, Status, Task
from tasks.services.batches.change import bulk_update, change_batch
from tasks.services.batches.create import bulk_create, create_batch
from tasks.services.batches.outcome import BatchRefused
from tasks.services.batches.remove import bulk_delete, bulk_restore, delete_batch
from tasks.services.batches.upsert import bulk_upsert, upsert_batch
from tasks.services.tasks import task_create, task_delete, task_restore, task_update

pytestmark = pytest.mark.django_db

on_real_rows = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
OF_EACH = {"id", "number", "created_at", "updated_at", "external_key", "search", "completed_at"}
texts = st.sampled_from(['"', "\\", "é😀", "%s", "\u2028", "{}", "[1]", "null"]) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20
)
instants = st.datetimes(datetime(1, 1, 1), datetime(9998, 12, 31)).map(  # noqa: DTZ001
    lambda naive: naive.replace(tzinfo=UTC)
)


@pytest.fixture
def web(cast: Cast) -> Iterator[Project]:
    """Alpha's project WEB, with alpha active."""
    made = make_project(cast.alpha, cast.alice)
    with tenant_context(cast.alpha):
        yield made


@pytest.fixture
def ops(web: Project, cast: Cast) -> Project:
    return make_project(cast.alpha, cast.alice, "OPS")


def stored(task_id: int) -> dict[str, Any]:
    """A task as it stands in the database, but for what differs between any two."""
    (row,) = Task.objects.filter(pk=task_id).values()
    assert (row["completed_at"] is not None) == (row["status"] == Status.DONE)
    return {name: value for name, value in row.items() if name not in OF_EACH}


def events_of(task_id: int) -> list[tuple[Any, ...]]:
    rows = Event.objects.filter(task_id=task_id).order_by("id")
    return list(rows.values_list("kind", "actor_id", "project_id", "changes"))


def refusals(work: Callable[[], object]) -> list[tuple[int, str, str]]:
    """The place, field and code of each error of a refused batch."""
    with pytest.raises(BatchRefused) as refused:
        work()
    return [(each.index, each.field, each.code) for each in refused.value.errors]


# --- Create ---------------------------------------------------------------------------------------

values = st.fixed_dictionaries(
    {"title": texts},
    optional={
        "description": st.just("") | texts,
        "status": st.sampled_from(Status),
        "priority": st.sampled_from(Priority),
        "due_at": st.none() | instants,
        "assignee_id": st.sampled_from(["bob", "vera"]),
        "external_key": st.just(None) | st.just(""),
        "parent_id": st.just("parent"),
    },
)


@on_real_rows
@given(items=st.lists(values, min_size=1, max_size=5), as_instances=st.booleans())
def test_tasks_are_made_as_the_service_makes_each(
    cast: Cast, web: Project, items: list[dict[str, Any]], as_instances: bool
) -> None:
    with rolled_back():
        parent = make_task(web, cast.alice)
        named = {"bob": cast.bob.pk, "vera": cast.vera.pk, "parent": parent.pk}
        wanted = [
            {
                name: named.get(value, value) if name.endswith("_id") else value
                for name, value in item.items()
            }
            for item in items
        ]
        one_by_one = [
            task_create(project_id=web.pk, actor_id=cast.bob.pk, **each) for each in wanted
        ]
        given_items = [{"project_id": web.pk, **each} for each in wanted]
        batch = [Task(**each) for each in given_items] if as_instances else given_items

        made = bulk_create(batch, actor_id=cast.bob.pk)

        assert [stored(each.pk) for each in made] == [stored(each.pk) for each in one_by_one]
        assert [events_of(each.pk) for each in made] == [events_of(each.pk) for each in one_by_one]
        numbers = [each.number for each in (parent, *one_by_one, *made)]
        assert numbers == list(range(1, len(numbers) + 1))


def test_instances_know_what_is_stored_of_them(cast: Cast, web: Project) -> None:
    given_task = Task(project=web, title="Given", status=Status.DONE, assignee=cast.bob)

    made = bulk_create([given_task, {"project_id": web.pk, "title": "New"}], actor_id=cast.alice.pk)

    assert made[0] is given_task
    assert [each.title for each in made] == ["Given", "New"]
    for task in made:
        assert not task._state.adding
        (row,) = Task.objects.filter(pk=task.pk).values()
        assert {name: getattr(task, name) for name in row} == row
        assert task.creator == cast.alice
    made[1].title = "Renamed"
    made[1].save(update_fields=["title"])
    assert Task.objects.get(pk=made[1].pk).title == "Renamed"


def test_numbers_go_on_in_each_project_in_the_order_of_the_items(
    cast: Cast, web: Project, ops: Project
) -> None:
    make_task(ops, cast.alice)
    items = [
        {"project_id": project.pk, "title": str(n)} for n in range(7) for project in (web, ops)
    ]

    made = bulk_create(iter(items), actor_id=cast.alice.pk, batch_size=3)

    assert [each.number for each in made if each.project_id == web.pk] == [1, 2, 3, 4, 5, 6, 7]
    assert [each.number for each in made if each.project_id == ops.pk] == [2, 3, 4, 5, 6, 7, 8]
    assert [each.title for each in made] == [item["title"] for item in items]
    assert [Task.objects.get(pk=each.pk).title for each in made] == [i["title"] for i in items]
    assert task_create(project_id=ops.pk, title="Next", actor_id=cast.alice.pk).number == 9


def test_a_batch_of_any_size_takes_the_same_statements(cast: Cast, web: Project) -> None:
    told: list[list[str]] = []
    for number in (1, 100, 1_000):
        items = [
            {
                "project_id": web.pk,
                "title": f"Task {n}",
                "assignee_id": cast.bob.pk,
                "external_key": f"{number}-{n}",
            }
            for n in range(number)
        ]
        with CaptureQueriesContext(connection) as queries:
            made = bulk_create(items, actor_id=cast.alice.pk)
            bulk_update(
                [{"id": each.pk, "title": "Other", "priority": 3} for each in made],
                actor_id=cast.alice.pk,
            )
            bulk_delete(made, actor_id=cast.alice.pk)
        told.append([each["sql"].split("'")[0] for each in queries])

    without = [[each for each in one if "SAVEPOINT" not in each] for one in told]
    assert without[0] == without[1] == without[2]
    assert len(without[0]) == 6  # to look or lock, and to write, of each of the three


def test_what_is_prepared_serves_small_batches_only(cast: Cast, web: Project) -> None:
    """Its plan stays as it was made, perhaps while the table was empty."""

    def runs() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(sum(generic_plans + custom_plans), 0)::int"
                " FROM pg_prepared_statements WHERE statement LIKE '%FOR NO KEY UPDATE%'"
            )
            found: int = cursor.fetchone()[0]
        return found

    def upsert(number: int) -> None:
        items = [
            {"project_id": web.pk, "title": "New", "external_key": f"{number}-{n}"}
            for n in range(number)
        ]
        with tenant_context(cast.alpha):
            bulk_upsert(items, actor_id=cast.alice.pk)

    before = runs()
    upsert(1_001)
    assert runs() == before
    upsert(10)
    assert runs() > before


def test_ten_bad_ones_among_a_thousand_stop_them_all_and_are_all_told(
    cast: Cast, web: Project, ops: Project
) -> None:
    project_set_archived(project_id=ops.pk, archived=True, actor_id=cast.alice.pk)
    with tenant_context(cast.beta):
        theirs = make_task(make_project(cast.beta, cast.carol), cast.carol)
    bad: dict[int, dict[str, Any]] = {
        3: {"title": ""},
        99: {"title": "x" * 301},
        250: {"title": "NUL \0"},
        251: {"description": "é" * 40_000},
        400: {"project_id": ops.pk},
        500: {"project_id": theirs.project_id},
        600: {"assignee_id": cast.carol.pk},
        700: {"parent_id": theirs.pk},
        800: {"status": 9},
        999: {"external_key": "twice"},
    }
    items = [{"project_id": web.pk, "title": "Good"} | bad.get(n, {}) for n in range(1_000)]
    items[10]["external_key"] = "twice"

    refused = refusals(lambda: bulk_create(items, actor_id=cast.alice.pk))
    assert [index for index, *_ in refused] == sorted(bad)
    assert {index: field for index, field, _ in refused} == {
        3: "title",
        99: "title",
        250: "title",
        251: "description",
        400: "project",
        500: "project",
        600: "assignee",
        700: "parent",
        800: "status",
        999: "external_key",
    }
    assert not Task.objects.exists()

    outcome = create_batch(items, actor_id=cast.alice.pk)
    assert outcome.done == 990
    assert [place for place, task in enumerate(outcome.tasks) if task is None] == sorted(bad)
    assert sorted(each.index for each in outcome.errors) == sorted(bad)
    assert sorted(Task.objects.values_list("number", flat=True)) == list(range(1, 991))


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"title": None}, ("title", "required")),
        ({"titel": "x"}, ("titel", "unknown")),
        ({"creator_id": 1}, ("creator_id", "unknown")),
        ({"tenant_id": 1}, ("tenant_id", "unknown")),
        ({"project_id": "web"}, ("project_id", "invalid")),
        ({"project_id": 2**63}, ("project_id", "invalid")),
        ({"project_id": True}, ("project_id", "invalid")),
        ({"assignee_id": "bob"}, ("assignee_id", "invalid")),
        ({"due_at": datetime(2026, 1, 1)}, ("due_at", "invalid")),  # noqa: DTZ001
        ({"due_at": datetime(9999, 1, 1, tzinfo=UTC)}, ("due_at", "invalid")),
        ({"title": "half \ud800"}, ("title", "invalid")),
        ({"external_key": "x" * 201}, ("external_key", "max_length")),
    ],
)
def test_a_value_that_does_not_fit_is_told_by_its_field(
    cast: Cast, web: Project, wrong: dict[str, Any], error: tuple[str, str]
) -> None:
    items = [{"project_id": web.pk, "title": "Good"}, {"project_id": web.pk, "title": "x"} | wrong]

    found = refusals(lambda: bulk_create(items, actor_id=cast.alice.pk))

    assert found == [(1, *error)]


def test_a_taken_key_is_an_error_or_left_out(cast: Cast, web: Project) -> None:
    make_task(web, cast.alice, external_key="a")
    items = [
        {"project_id": web.pk, "title": key, "external_key": key} for key in ("a", "b", "b", "c")
    ]

    assert refusals(lambda: bulk_create(items, actor_id=cast.alice.pk)) == [
        (0, "external_key", "unique"),
        (2, "external_key", "unique"),
    ]
    made = bulk_create(items, actor_id=cast.alice.pk, ignore_conflicts=True)
    assert [each.pk is None for each in made] == [True, False, True, False]
    assert [each.number for each in made if each.pk] == [2, 3]


def test_a_stranger_makes_nothing(cast: Cast, web: Project) -> None:
    with pytest.raises(IntegrityError, match="_fk"), transaction.atomic():
        bulk_create([{"project_id": web.pk, "title": "x"}], actor_id=cast.carol.pk)

    assert not Task.objects.exists()


def test_nothing_makes_nothing(cast: Cast, web: Project) -> None:
    assert bulk_create([], actor_id=cast.alice.pk) == []
    assert bulk_update([], actor_id=cast.alice.pk) == 0
    assert bulk_delete([], actor_id=cast.alice.pk) == 0
    assert bulk_upsert([], actor_id=cast.alice.pk) == []


# --- Update ---------------------------------------------------------------------------------------

changes = st.fixed_dictionaries(
    {},
    optional={
        "title": texts,
        "description": st.just("") | texts,
        "status": st.sampled_from(Status),
        "priority": st.sampled_from(Priority),
        "due_at": st.none() | instants,
        "assignee_id": st.sampled_from([None, "bob", "vera"]),
        "external_key": st.sampled_from([None, "", "key"]),
        "parent_id": st.sampled_from([None, "parent"]),
    },
)


@on_real_rows
@given(before=changes, items=st.lists(changes, min_size=1, max_size=4))
def test_tasks_are_changed_as_the_service_changes_each(
    cast: Cast, web: Project, before: dict[str, Any], items: list[dict[str, Any]]
) -> None:
    with rolled_back():
        parent = make_task(web, cast.alice)
        named = {"bob": cast.bob.pk, "vera": cast.vera.pk, "parent": parent.pk}

        def filled(item: dict[str, Any], key: str) -> dict[str, Any]:
            found = {n: named.get(v, v) if n.endswith("_id") else v for n, v in item.items()}
            if found.get("external_key"):
                found["external_key"] = key
            return found

        def pair(place: int) -> tuple[Task, Task]:
            return tuple(  # type: ignore[return-value]
                make_task(web, cast.alice, **({"title": "Old"} | filled(before, f"{side}{place}")))
                for side in "ab"
            )

        pairs = [pair(place) for place in range(len(items))]
        for place, (one, _) in enumerate(pairs):
            change = filled(items[place], f"new a{place}")
            task_update(task_id=one.pk, actor_id=cast.bob.pk, **change)
        batch = [
            {"id": other.pk, **filled(items[place], f"new b{place}")}
            for place, (_, other) in enumerate(pairs)
        ]

        different = bulk_update(batch, actor_id=cast.bob.pk)

        assert [stored(a.pk) for a, _ in pairs] == [stored(b.pk) for _, b in pairs]
        told = [[_keyless(events_of(task.pk)) for task in two] for two in pairs]
        assert all(one == other for one, other in told)
        assert different == sum(Task.objects.get(pk=b.pk).version == 2 for _, b in pairs)


def _keyless(events: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Events without the external keys themselves, of which each task has its own."""
    return [
        (*rest, {n: v if n != "external_key" else [bool(x) for x in v] for n, v in told.items()})
        for *rest, told in events
    ]


def test_instances_are_written_by_the_fields_that_are_named(cast: Cast, web: Project) -> None:
    one, other = (make_task(web, cast.alice) for _ in range(2))
    for task in (one, other):
        task.title, task.description, task.status = f"New {task.pk}", "not named", Status.DONE
        task.assignee = cast.bob

    assert bulk_update([one, other], ["title", "status", "assignee"], actor_id=cast.bob.pk) == 2

    for task in (one, other):
        row = Task.objects.get(pk=task.pk)
        assert (row.title, row.status, row.assignee) == (f"New {task.pk}", 3, cast.bob)
        assert row.description == ""
        assert (
            (task.version, task.updated_at) == (row.version, row.updated_at) == (2, row.updated_at)
        )
        assert task.completed_at == row.completed_at


def test_fields_that_can_not_be_changed_are_a_mistake_of_the_program(
    cast: Cast, web: Project
) -> None:
    task = make_task(web, cast.alice)

    with pytest.raises(TypeError, match="number, project_id can't be changed"):
        bulk_update([task], ["project_id", "number"], actor_id=cast.alice.pk)
    with pytest.raises(TypeError, match="Name the fields"):
        bulk_update([task], actor_id=cast.alice.pk)


def test_every_error_of_a_batch_of_changes_is_told(cast: Cast, web: Project, ops: Project) -> None:
    with tenant_context(cast.beta):
        theirs = make_task(make_project(cast.beta, cast.carol), cast.carol)
    one, two, three, four, five, gone, old = (make_task(web, cast.alice) for _ in range(7))
    asleep = make_task(ops, cast.alice, external_key="taken")
    project_set_archived(project_id=ops.pk, archived=True, actor_id=cast.alice.pk)
    task_delete(task_id=gone.pk, actor_id=cast.alice.pk)
    batch: list[dict[str, Any]] = [
        {"id": one.pk, "title": "Good", "version": 1},
        {"id": one.pk, "title": "Again"},
        {"id": theirs.pk, "title": "Foreign"},
        {"id": gone.pk, "title": "Gone"},
        {"id": old.pk, "title": "Late", "version": 7},
        {"id": asleep.pk, "status": Status.ACTIVE},
        {"id": two.pk, "assignee_id": cast.carol.pk, "parent_id": theirs.pk},
        {"id": three.pk, "external_key": "taken"},
        {"id": four.pk, "external_key": "new"},
        {"id": five.pk, "external_key": "new"},
        {"title": "No id"},
        {"id": "x", "title": "No number"},
        {"id": 2**70, "project_id": 1},
    ]

    expected = [
        (1, "id", "repeated"),
        (2, "id", "does_not_exist"),
        (3, "id", "does_not_exist"),
        (4, "version", "version-conflict"),
        (5, "status", "state-conflict"),
        (6, "assignee", "invalid"),
        (6, "parent", "invalid"),
        (7, "external_key", "unique"),
        (9, "external_key", "unique"),
        (10, "id", "invalid"),
        (11, "id", "invalid"),
        (12, "project_id", "unknown"),
    ]
    assert refusals(lambda: bulk_update(batch, actor_id=cast.alice.pk)) == expected
    assert Task.objects.get(pk=one.pk).title == "A task"
    outcome = change_batch(batch, actor_id=cast.alice.pk)
    assert outcome.versions == (2, *(None,) * 7, 2, *(None,) * 4)
    assert Task.objects.get(pk=one.pk).title == "Good"
    assert Task.objects.get(pk=old.pk).version == 1


def test_an_assignee_who_left_may_stay_where_he_is(cast: Cast, web: Project) -> None:
    task = make_task(web, cast.alice, assignee_id=cast.bob.pk)
    other = make_task(web, cast.alice)
    member_deactivate(
        membership=cast.bob.memberships.get(tenant=cast.alpha), actor_id=cast.alice.pk
    )

    assert bulk_update(
        [{"id": task.pk, "assignee_id": cast.bob.pk, "title": "x"}], actor_id=cast.alice.pk
    )
    assert refusals(
        lambda: bulk_update([{"id": other.pk, "assignee_id": cast.bob.pk}], actor_id=cast.alice.pk)
    ) == [(0, "assignee", "invalid")]


def test_no_batch_makes_a_task_a_part_of_itself(cast: Cast, web: Project) -> None:
    a, b, c, d = (make_task(web, cast.alice) for _ in range(4))
    bulk_update([{"id": b.pk, "parent_id": a.pk}], actor_id=cast.alice.pk)

    turned: list[dict[str, Any]] = [
        {"id": a.pk, "parent_id": b.pk},
        {"id": b.pk, "parent_id": None},
    ]
    assert bulk_update(turned, actor_id=cast.alice.pk) == 2
    circle: list[dict[str, Any]] = [
        {"id": c.pk, "parent_id": d.pk},
        {"id": d.pk, "parent_id": a.pk},
        {"id": b.pk, "parent_id": c.pk},
    ]
    assert refusals(lambda: bulk_update(circle, actor_id=cast.alice.pk)) == [
        (place, "parent", "state-conflict") for place in range(3)
    ]
    assert refusals(
        lambda: bulk_update([{"id": d.pk, "parent_id": d.pk}], actor_id=cast.alice.pk)
    ) == [(0, "parent", "state-conflict")]
    with pytest.raises(StateConflict):
        task_update(task_id=b.pk, parent_id=a.pk, actor_id=cast.alice.pk)


# --- Delete and restore ---------------------------------------------------------------------------


def test_tasks_are_deleted_and_restored_as_the_services_do_each(cast: Cast, web: Project) -> None:
    one, other, kept = (make_task(web, cast.alice) for _ in range(3))
    task_delete(task_id=one.pk, actor_id=cast.bob.pk)

    assert bulk_delete([other.pk], actor_id=cast.bob.pk) == 1

    rows = [stored(task.pk) for task in (one, other)]
    assert [row.pop("deleted_at") is not None for row in rows] == [True, True]
    assert rows[0] == rows[1]
    assert events_of(one.pk) == events_of(other.pk)
    task_restore(task_id=one.pk, actor_id=cast.bob.pk)
    assert bulk_restore([other.pk, kept.pk], actor_id=cast.bob.pk) == 1
    assert stored(one.pk) == stored(other.pk)
    assert events_of(one.pk) == events_of(other.pk)


def test_a_deletion_asks_for_the_version_that_was_seen(cast: Cast, web: Project) -> None:
    one, two = (make_task(web, cast.alice) for _ in range(2))
    batch: list[Any] = [{"id": one.pk, "version": 1}, {"id": two.pk, "version": 2}, 999_999, one]

    assert refusals(lambda: bulk_delete(batch, actor_id=cast.alice.pk)) == [
        (1, "version", "version-conflict"),
        (2, "id", "does_not_exist"),
        (3, "id", "repeated"),
    ]
    assert delete_batch(batch, actor_id=cast.alice.pk).versions == (2, None, None, None)
    assert refusals(lambda: bulk_delete([one], actor_id=cast.alice.pk)) == [
        (0, "id", "does_not_exist")
    ]
    assert refusals(
        lambda: bulk_delete([{"id": two.pk, "title": "x"}], actor_id=cast.alice.pk)
    ) == [(0, "title", "unknown")]


def test_an_active_task_does_not_come_back_into_an_archived_project(
    cast: Cast, web: Project
) -> None:
    active, done = (
        make_task(web, cast.alice, status=status) for status in (Status.ACTIVE, Status.DONE)
    )
    bulk_delete([active, done], actor_id=cast.alice.pk)
    project_set_archived(project_id=web.pk, archived=True, actor_id=cast.alice.pk)

    assert refusals(
        lambda: bulk_restore([active.pk, done.pk, 999_999], actor_id=cast.alice.pk)
    ) == [(0, "status", "state-conflict"), (2, "id", "does_not_exist")]
    assert bulk_restore([done.pk], actor_id=cast.alice.pk) == 1


# --- Upsert ---------------------------------------------------------------------------------------


def item(project: Project, key: str | None, title: str = "New", **more: Any) -> dict[str, Any]:
    return {"project_id": project.pk, "external_key": key, "title": title, **more}


def test_an_upsert_makes_what_is_not_there_and_changes_what_is(cast: Cast, web: Project) -> None:
    there = make_task(web, cast.alice, "Old", external_key="b", priority=Priority.HIGH)

    ids = bulk_upsert(
        [item(web, "a"), item(web, "b", "Renamed"), item(web, "c")], actor_id=cast.bob.pk
    )

    assert ids[1] == there.pk
    rows = [Task.objects.get(pk=pk) for pk in ids]
    assert [(row.external_key, row.title) for row in rows] == [
        ("a", "New"),
        ("b", "Renamed"),
        ("c", "New"),
    ]
    assert [row.number for row in rows] == [2, 1, 3]
    assert rows[1].priority == Priority.HIGH
    assert [kind for kind, *_ in events_of(there.pk)] == [
        EventKind.TASK_CREATED,
        EventKind.TASK_UPDATED,
    ]
    before = Event.objects.count()
    assert bulk_upsert([item(web, "b", "Renamed")], actor_id=cast.bob.pk) == [there.pk]
    assert Event.objects.count() == before


def test_an_upsert_writes_the_fields_that_are_named(cast: Cast, web: Project) -> None:
    make_task(web, cast.alice, "Old", external_key="b", description="Old")
    task = Task(project=web, external_key="b", title="New", description="New")

    (pk,) = bulk_upsert([task], ["description"], actor_id=cast.bob.pk)

    row = Task.objects.get(pk=pk)
    assert (row.title, row.description) == ("Old", "New")


def test_every_error_of_an_upsert_is_told(cast: Cast, web: Project, ops: Project) -> None:
    gone = make_task(web, cast.alice, external_key="gone")
    make_task(ops, cast.alice, external_key="elsewhere")
    make_task(web, cast.alice, external_key="here")
    task_delete(task_id=gone.pk, actor_id=cast.alice.pk)
    batch = [
        item(web, "fresh"),
        item(web, None),
        item(web, "gone"),
        item(web, "elsewhere"),
        item(web, "fresh"),
        item(web, "here", "x" * 301),
        item(web, "other", titel="x"),
        item(web, "here"),
        item(web, "here"),
    ]

    assert refusals(lambda: bulk_upsert(batch, actor_id=cast.alice.pk)) == [
        (1, "external_key", "required"),
        (2, "external_key", "state-conflict"),
        (3, "project", "state-conflict"),
        (4, "external_key", "unique"),
        (5, "title", "max_length"),
        (6, "titel", "unknown"),
        (8, "external_key", "unique"),
    ]
    outcome = upsert_batch(batch, actor_id=cast.alice.pk)
    assert (outcome.made, outcome.changed) == (1, 1)
    assert [pk is not None for pk in outcome.ids] == [n in (0, 7) for n in range(9)]


# --- At the same time -----------------------------------------------------------------------------


def at_once(cast: Cast, rounds: int, work: Callable[[str, int], object]) -> None:
    """Let two threads, a and b, begin each round of the work together, in alpha."""
    start = threading.Barrier(2, timeout=30)
    failures: list[BaseException] = []

    def run(name: str) -> None:
        try:
            with tenant_context(cast.alpha):
                for number in range(rounds):
                    start.wait()
                    work(name, number)
        except BaseException as error:
            failures.append(error)
            start.abort()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_waited_sees_the_versions_that_it_waited_for(cast: Cast) -> None:
    project = make_project(cast.alpha, cast.alice)
    new = [{"project_id": project.pk, "title": "x"} for _ in range(3)]
    outcomes: list[Any] = []

    def change(title: str) -> None:
        with tenant_context(cast.alpha):
            items = [{"id": pk, "title": title, "version": 1} for pk in ids]
            outcomes.append(change_batch(items, actor_id=cast.alice.pk))

    def change_later() -> None:
        change("later")
        connection.close()

    with tenant_context(cast.alpha):
        ids = [each.pk for each in bulk_create(new, actor_id=cast.alice.pk)]
        later = threading.Thread(target=change_later)
        with transaction.atomic():
            change("first")
            later.start()
            wait_until_somebody_waits()
        later.join()

    assert [outcome.done for outcome in outcomes] == [3, 0]
    assert {each.code for each in outcomes[1].errors} == {"version-conflict"}


def wait_until_somebody_waits() -> None:
    """Until a session of the database waits for a lock of another one."""
    for _ in range(200):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    raise AssertionError("Nobody waits.")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("rounds", "batch_size"),
    [
        pytest.param(50, 20, id="locked in one order"),
        pytest.param(2, 4, id="in deadlocks, which are done again"),
    ],
)
def test_two_batches_over_the_same_tasks_in_opposite_order_both_come_through(
    cast: Cast, rounds: int, batch_size: int
) -> None:
    project = make_project(cast.alpha, cast.alice)
    new = [{"project_id": project.pk, "title": "x"} for _ in range(20)]
    with tenant_context(cast.alpha):
        ids = [each.pk for each in bulk_create(new, actor_id=cast.alice.pk)]

    def change(name: str, number: int) -> None:
        order = ids if name == "a" else ids[::-1]
        items = [{"id": pk, "title": f"{name} {number}"} for pk in order]
        bulk_update(items, actor_id=cast.alice.pk, batch_size=batch_size)

    at_once(cast, rounds, change)

    with tenant_context(cast.alpha):
        assert len(set(Task.objects.values_list("title", flat=True))) == 1
        assert set(Task.objects.values_list("version", flat=True)) == {1 + 2 * rounds}
        updates = Event.objects.filter(kind=EventKind.TASK_UPDATED)
        assert updates.count() == 20 * 2 * rounds


def test_a_refusal_reads_as_a_validation_error(cast: Cast, web: Project) -> None:
    with pytest.raises(ValidationError) as refused:
        bulk_create([{"project_id": web.pk, "title": ""}], actor_id=cast.alice.pk)

    assert refused.value.messages == ["0: title: This field cannot be blank."]
