"""Tasks that are made or changed in one statement leave the same behind as the services do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projects.models import Project
from projects.services import project_set_archived
from taskproject.api.projection import Projection, projection_of
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Event, Membership
from taskproject.tenancy.services import member_deactivate
from taskproject.tests.cast import Cast, make_cast, make_client, make_project, make_task
from taskproject.tests.rows import rolled_back
from tasks.api.serializers import TaskSerializer
from tasks.models import Priority, Status, Task
from tasks.services.one_statement import task_create_shown, task_update_shown
from tasks.services.tasks import task_create, task_delete, task_update

pytestmark = pytest.mark.django_db

# What differs between any two tasks, however they were made.
OF_EACH = {"id", "number", "created_at", "updated_at", "external_key"}
on_real_rows = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
texts = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20
)
instants = st.datetimes(datetime(1, 1, 1), datetime(9998, 12, 31)).map(  # noqa: DTZ001
    lambda naive: naive.replace(tzinfo=UTC)
)
fields = st.fixed_dictionaries(
    {},
    optional={
        "title": texts,
        "description": st.just("") | texts,
        "status": st.sampled_from([each for each in Status if each != Status.ACTIVE]),
        "priority": st.sampled_from(Priority),
        "due_at": st.none() | instants,
        "assignee": st.sampled_from([None, "bob", "vera"]),
    },
)


@pytest.fixture
def project(cast: Cast) -> Iterator[Project]:
    """Alpha's project WEB, with alpha active."""
    made = make_project(cast.alpha, cast.alice)
    with tenant_context(cast.alpha):
        yield made


@pytest.fixture
def task(project: Project, cast: Cast) -> Task:
    return make_task(project, cast.alice)


def shown_by() -> Projection:
    projection = projection_of(TaskSerializer)
    assert projection is not None
    return projection


def create(cast: Cast, **values: Any) -> Any:
    given = {"title": "New", **values}
    project_key = given.pop("project_key", "WEB")
    return task_create_shown(
        shown_by=shown_by(), actor_id=cast.bob.pk, project_key=project_key, **given
    )


def update(cast: Cast, task: Task, *, if_version: int | None = None, **changes: Any) -> Any:
    return task_update_shown(
        shown_by=shown_by(),
        actor_id=cast.bob.pk,
        task={"task_id": task.pk},
        if_version=if_version,
        **changes,
    )


def for_the_service(cast: Cast, values: dict[str, Any]) -> dict[str, Any]:
    """The same values with the assignee by id."""
    people = {"bob": cast.bob.pk, "vera": cast.vera.pk, None: None}
    values = dict(values)
    if "assignee" in values:
        values["assignee_id"] = people[values.pop("assignee")]
    return values


def row(task_id: int) -> dict[str, Any]:
    found = Task.objects.filter(pk=task_id).values().get()
    return {name: value for name, value in found.items() if name not in OF_EACH}


def last_event(task_id: int) -> dict[str, Any]:
    found = Event.objects.filter(task_id=task_id).order_by("-id").values().first()
    assert found is not None
    return {name: found[name] for name in ("kind", "actor_id", "project_id", "changes")}


def without_times(found: dict[str, Any]) -> dict[str, Any]:
    """With `completed_at`, which is now, as whether there is one."""
    return {**found, "completed_at": found["completed_at"] is not None}


@on_real_rows
@given(values=fields)
def test_a_new_task_is_the_one_that_the_service_makes(
    cast: Cast, project: Project, values: dict[str, Any]
) -> None:
    with rolled_back():
        made = create(cast, **values)
        assert made is not None, "the service was left to do it"
        usual = task_create(
            project_id=project.pk,
            actor_id=cast.bob.pk,
            **for_the_service(cast, {"title": "New", **values}),
        )

        assert without_times(row(made.task_id)) == without_times(row(usual.pk))
        assert last_event(made.task_id) == last_event(usual.pk)
        assert Task.objects.get(pk=made.task_id).number == usual.number - 1
        assert (json.loads(made.json)["id"], made.version) == (made.task_id, 1)


@on_real_rows
@given(before=fields, changes=fields)
def test_a_change_is_the_one_that_the_service_makes(
    cast: Cast, project: Project, before: dict[str, Any], changes: dict[str, Any]
) -> None:
    start = for_the_service(cast, {"title": "Old", **before})
    with rolled_back():
        one, other = (
            task_create(project_id=project.pk, actor_id=cast.alice.pk, **start) for _ in range(2)
        )
        changed = update(cast, one, **changes)
        version = task_update(
            task_id=other.pk, actor_id=cast.bob.pk, **for_the_service(cast, changes)
        )
        version.refresh_from_db()

        assert (changed is None) == (version.version == 1), "it is left alone if nothing differs"
        assert without_times(row(one.pk)) == without_times(row(other.pk))
        assert last_event(one.pk) == last_event(other.pk)
        if changed is not None:
            assert changed.version == 2
            assert json.loads(changed.json) == json.loads(
                json.dumps(dict(TaskSerializer(Task.objects.get(pk=one.pk)).data))
            )


def test_a_task_is_found_by_its_key_too(cast: Cast, task: Task) -> None:
    changed = task_update_shown(
        shown_by=shown_by(),
        actor_id=cast.bob.pk,
        task={"project_key": "WEB", "number": task.number},
        if_version=1,
        title="By key",
    )

    assert changed is not None
    assert Task.objects.get(pk=task.pk).title == "By key"


class TestLeftAlone:
    """What is not the usual case changes nothing, and takes no number."""

    @pytest.fixture(autouse=True)
    def nothing_changes(self, project: Project, task: Task) -> Iterator[None]:
        def state() -> Any:
            project.refresh_from_db()
            return project.next_number, list(Task.objects.values()), Event.objects.count()

        before = state()
        yield
        project.refresh_from_db()
        numbers, tasks, events = state()
        assert (numbers, tasks) == before[:2]
        assert events >= before[2]

    def test_an_absent_project(self, cast: Cast) -> None:
        assert create(cast, project_key="NONE") is None

    def test_a_value_that_it_does_not_know(self, cast: Cast, task: Task) -> None:
        assert create(cast, mood="fine") is None
        assert update(cast, task, mood="fine") is None

    def test_an_archived_project(self, cast: Cast, project: Project) -> None:
        project_set_archived(project_id=project.pk, archived=True, actor_id=cast.alice.pk)

        assert create(cast) is None

    @pytest.mark.parametrize("name", ["carol", "nobody"])
    def test_a_stranger_as_assignee(self, cast: Cast, task: Task, name: str) -> None:
        assert create(cast, assignee=name) is None
        assert update(cast, task, assignee=name) is None

    def test_a_former_member_as_assignee(self, cast: Cast, task: Task) -> None:
        bob = Membership.objects.get(tenant=cast.alpha, user=cast.bob)
        member_deactivate(membership=bob, actor_id=cast.alice.pk)

        assert create(cast, assignee="bob") is None
        assert update(cast, task, assignee="bob") is None

    def test_an_absent_parent(self, cast: Cast, task: Task) -> None:
        assert create(cast, parent=task.pk + 1) is None

    def test_another_version(self, cast: Cast, task: Task) -> None:
        assert update(cast, task, if_version=2, title="New") is None

    @pytest.mark.parametrize("version", [2**31 - 1, 2**31, 9_999_999_999])
    def test_a_version_that_no_row_has(self, cast: Cast, task: Task, version: int) -> None:
        assert update(cast, task, if_version=version, title="New") is None

    def test_nothing_that_differs(self, cast: Cast, task: Task) -> None:
        assert update(cast, task, title=task.title, assignee=None) is None

    def test_a_parent_and_becoming_active(self, cast: Cast, task: Task) -> None:
        assert update(cast, task, parent=None) is None
        assert update(cast, task, status=Status.ACTIVE) is None

    def test_a_description_that_is_too_long(self, cast: Cast, task: Task) -> None:
        too_long = "é" * 40_000

        assert create(cast, description=too_long) is None
        assert update(cast, task, description=too_long) is None

    def test_another_tenant(self, cast: Cast, task: Task) -> None:
        with tenant_context(cast.beta):
            assert create(cast) is None
            assert update(cast, task, title="Stolen") is None


def test_a_done_task_that_is_said_to_be_done_keeps_the_time_of_it(cast: Cast, task: Task) -> None:
    assert update(cast, task, status=Status.DONE) is not None
    first = Task.objects.get(pk=task.pk).completed_at

    assert update(cast, task, status=Status.DONE, title="Well done") is not None
    assert Task.objects.get(pk=task.pk).completed_at == first is not None


def test_a_deleted_task_stays_as_it_is(cast: Cast, task: Task) -> None:
    task_delete(task_id=task.pk, actor_id=cast.alice.pk)

    assert update(cast, task, title="New") is None
    assert create(cast, parent=task.pk) is None


def test_a_taken_external_key_is_the_services_to_refuse(cast: Cast, project: Project) -> None:
    make_task(project, cast.alice, external_key="X-1")
    client = make_client(cast.alpha, cast.bob)

    sent = {"project": "WEB", "title": "New", "external_key": "X-1"}
    response = client.post("/api/v1/tenants/alpha/tasks/", sent, content_type="application/json")

    assert response.status_code == 409
    assert response.json()["errors"][0]["pointer"] == "/external_key"


@pytest.mark.django_db(transaction=True)
def test_numbers_are_unique_and_gapless_however_many_make_tasks_at_once() -> None:
    cast = make_cast()
    make_project(cast.alpha, cast.alice)
    client = make_client(cast.alpha, cast.bob)

    def make() -> None:
        try:
            for _ in range(10):
                body = {"project": "WEB", "title": "New"}
                client.post("/api/v1/tenants/alpha/tasks/", body, content_type="application/json")
        finally:
            connection.close()

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with tenant_context(cast.alpha):
        numbers = sorted(Task.objects.values_list("number", flat=True))
    assert numbers == list(range(1, 41))


@pytest.mark.django_db(transaction=True)
def test_times_are_those_of_the_lock_and_not_of_the_wait_for_it() -> None:
    """Else a newer version would be older, and a higher number earlier, than the one before."""
    cast = make_cast()
    project = make_project(cast.alpha, cast.alice)
    task = make_task(project, cast.alice)
    done: list[Any] = []

    def later() -> None:
        try:
            with tenant_context(cast.alpha):
                done.append(update(cast, task, status=Status.DONE))
                done.append(create(cast))
        finally:
            connection.close()

    thread = threading.Thread(target=later)
    with tenant_context(cast.alpha):
        with transaction.atomic():
            task_update(task_id=task.pk, actor_id=cast.alice.pk, title="First")
            thread.start()
            time.sleep(0.3)
            made = task_create(project_id=project.pk, actor_id=cast.alice.pk, title="First")
            task_update(task_id=task.pk, actor_id=cast.alice.pk, title="Second")
            made.refresh_from_db()
            before = Task.objects.get(pk=task.pk).updated_at
        thread.join()

        changed, second = done
        row = Task.objects.get(pk=task.pk)
        assert (row.version, changed.version) == (4, 4)
        assert row.updated_at == row.completed_at
        assert row.updated_at > before
        after = Task.objects.get(pk=second.task_id)
        assert (after.number, after.created_at) > (made.number, made.created_at)
        assert after.created_at == after.updated_at > made.created_at
        times = (
            Event.objects.filter(task_id=task.pk)
            .order_by("id")
            .values_list("created_at", flat=True)
        )
        assert list(times) == sorted(times)
