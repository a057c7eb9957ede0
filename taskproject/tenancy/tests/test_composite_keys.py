"""A row can't point into another tenant, nor at a person who is no member, whoever writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import IntegrityError, models, transaction

from projects.models import Project
from taskproject.db.context import all_tenants, tenant_context
from taskproject.tenancy.models import ApiToken, Event, EventKind, IdempotencyKey, Role, User
from taskproject.tenancy.services import member_deactivate, member_set_role
from taskproject.tenancy.tests import rows
from taskproject.tenancy.tests.sql import (
    FOREIGN_KEY_VIOLATION,
    RLS_VIOLATION,
    UNIQUE_VIOLATION,
    connection,
    execute,
    refusal,
    refusal_of,
    session,
    sqlstate,
)
from taskproject.tests.cast import Cast, make_cast
from tasks.models import Comment, Dependency, Label, Task, TaskLabel


@dataclass(frozen=True, slots=True)
class Stage:
    """Alpha's rows, beta's rows, and the people."""

    cast: Cast
    project: Project
    task: Task
    label: Label
    foreign_project: Project
    foreign_task: Task
    foreign_label: Label

    @property
    def stranger(self) -> User:
        return self.cast.carol


def set_stage(cast: Cast) -> Stage:
    with tenant_context(cast.beta):
        theirs = (rows.project(cast.carol), rows.task(cast.carol), rows.label(cast.carol))
    with tenant_context(cast.alpha):
        mine = (rows.project(cast.alice), rows.task(cast.alice), rows.label(cast.alice))
    return Stage(cast, *mine, *theirs)


@pytest.fixture
def stage(cast: Cast) -> Stage:
    return set_stage(cast)


def _task(stage: Stage, **values: Any) -> Task:
    values = {"project": stage.project, "creator": stage.cast.alice, "number": 1000} | values
    return Task(title="A task", **values)


def _link(stage: Stage, **values: Any) -> TaskLabel:
    values = {"task_id": stage.task.pk, "label_id": stage.label.pk} | values
    return TaskLabel(task_created_at=stage.task.created_at, **values)


# Each makes an unsaved row of alpha's with one reference that is wrong.
CROSSINGS: dict[str, Callable[[Stage], models.Model]] = {
    "task in a foreign project": lambda s: _task(s, project_id=s.foreign_project.pk),
    "task below a foreign task": lambda s: _task(s, parent_id=s.foreign_task.pk),
    "task assigned to a stranger": lambda s: _task(s, assignee=s.stranger),
    "task created by a stranger": lambda s: _task(s, creator=s.stranger),
    "project led by a stranger": lambda s: Project(key="X", name="X", lead=s.stranger),
    "label on a foreign task": lambda s: _link(s, task_id=s.foreign_task.pk),
    "foreign label on a task": lambda s: _link(s, label_id=s.foreign_label.pk),
    "blocker from elsewhere": lambda s: Dependency(blocker_id=s.foreign_task.pk, blocked=s.task),
    "blocked elsewhere": lambda s: Dependency(blocker=s.task, blocked_id=s.foreign_task.pk),
    "comment on a foreign task": lambda s: Comment(
        task_id=s.foreign_task.pk, author=s.cast.alice, body="Hello"
    ),
    "comment by a stranger": lambda s: Comment(task=s.task, author=s.stranger, body="Hello"),
    "event of a stranger": lambda s: Event(kind=EventKind.TASK_CREATED, actor=s.stranger),
    "token of a stranger": lambda s: ApiToken(
        user=s.stranger, name="x", prefix="x", digest=b"x" * 32
    ),
    "idempotency key of a stranger": lambda s: IdempotencyKey(
        user=s.stranger, key="x", fingerprint=b"x" * 32
    ),
}
every_crossing = pytest.mark.parametrize("crossing", CROSSINGS.values(), ids=CROSSINGS.keys())


def insert_raw(row: models.Model) -> None:
    """INSERT a row as plain SQL, past the ORM."""
    fields = [
        field
        for field in row._meta.concrete_fields
        if not (field.primary_key or field.generated or field.has_db_default())
    ]
    columns = ", ".join(str(field.column) for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    values = [field.get_db_prep_save(field.pre_save(row, True), connection) for field in fields]
    execute(f"INSERT INTO {row._meta.db_table} ({columns}) VALUES ({marks})", values)


WRITES: dict[str, Callable[[Any], Any]] = {
    "save": lambda row: row.save(),
    "bulk_create": lambda row: type(row).objects.bulk_create([row]),
    "raw SQL": insert_raw,
}


@every_crossing
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_reference_across_tenants_is_refused(
    stage: Stage, crossing: Callable[[Stage], models.Model], write: Callable[[Any], Any]
) -> None:
    with tenant_context(stage.cast.alpha):
        assert refusal(lambda: write(crossing(stage))) == FOREIGN_KEY_VIOLATION


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_the_same_writes_work_within_the_tenant(stage: Stage, write: Callable[[Any], Any]) -> None:
    with tenant_context(stage.cast.alpha):
        write(_task(stage, parent_id=stage.task.pk, assignee=stage.cast.bob))
        write(_link(stage))
        assert Task.objects.filter(parent=stage.task, assignee=stage.cast.bob).count() == 1
        assert TaskLabel.objects.count() == 1


@pytest.mark.parametrize(
    ("sql", "target"),
    [
        ("UPDATE task SET project_id = %s WHERE id = %s", "foreign_project"),
        ("UPDATE task SET parent_id = %s WHERE id = %s", "foreign_task"),
        ("UPDATE task SET assignee_id = %s WHERE id = %s", "stranger"),
        ("UPDATE task SET creator_id = %s WHERE id = %s", "stranger"),
    ],
)
def test_an_update_can_not_turn_a_reference_across(stage: Stage, sql: str, target: str) -> None:
    with tenant_context(stage.cast.alpha):
        values = [getattr(stage, target).pk, stage.task.pk]
        assert refusal_of(sql, values) == FOREIGN_KEY_VIOLATION


def test_bulk_update_can_not_turn_a_reference_across(stage: Stage) -> None:
    stage.task.project_id = stage.foreign_project.pk
    with tenant_context(stage.cast.alpha):
        write = lambda: Task.objects.bulk_update([stage.task], ["project"])  # noqa: E731
        assert refusal(write) == FOREIGN_KEY_VIOLATION


@pytest.mark.django_db(transaction=True)
def test_not_even_the_owner_can_cross_tenants() -> None:
    stage = set_stage(make_cast())
    row = _task(stage, project_id=stage.foreign_project.pk, tenant_id=stage.cast.alpha.pk)
    with connection.as_owner(), all_tenants(), pytest.raises(IntegrityError) as caught:
        row.save()
    assert sqlstate(caught.value) == FOREIGN_KEY_VIOLATION


def test_a_deactivated_member_stays_the_doer_of_what_was_done(stage: Stage) -> None:
    alice, bob = (
        each.memberships.get(tenant=stage.cast.alpha) for each in (stage.cast.alice, stage.cast.bob)
    )
    member_set_role(membership=bob, role=Role.OWNER)
    member_deactivate(membership=alice)
    with tenant_context(stage.cast.alpha):
        assert Task.objects.get(pk=stage.task.pk).creator == stage.cast.alice
        assert refusal_of("DELETE FROM membership") == RLS_VIOLATION


def _unique_rows(user: User) -> list[models.Model]:
    project = Project(key="WEB", name="Web")
    project.save()
    task = Task(project=project, number=1, title="A task", creator=user, external_key="JIRA-1")
    return [
        Label(name="Bug"),
        task,
        IdempotencyKey(user=user, key="again", fingerprint=b"x" * 32),
        ApiToken(user=user, name="x", prefix="same", digest=b"x" * 32),
    ]


def test_two_tenants_may_use_the_same_names(cast: Cast) -> None:
    for tenant, user in ((cast.alpha, cast.alice), (cast.beta, cast.carol)):
        with tenant_context(tenant):
            for row in _unique_rows(user):
                row.save()
            assert Project.objects.get(key="WEB").tasks.get().external_key == "JIRA-1"
            assert Label.objects.get(name="Bug").tenant_id == tenant.pk


TWICE: dict[str, Callable[[Stage], models.Model]] = {
    "project key": lambda s: Project(key=s.project.key, name="Another"),
    "external key": lambda s: _task(s, external_key="JIRA-1"),
    "number in a project": lambda s: _task(s, number=s.task.number, project_id=s.task.project_id),
    "label name": lambda s: Label(name=s.label.name),
    "label name in capitals": lambda s: Label(name=s.label.name.upper()),
    "label on a task": _link,
    "dependency": lambda s: Dependency(blocker=s.task.parent, blocked=s.task),
}


@pytest.mark.parametrize("twin", TWICE.values(), ids=TWICE.keys())
def test_within_a_tenant_a_name_is_given_once(
    stage: Stage, twin: Callable[[Stage], models.Model]
) -> None:
    with tenant_context(stage.cast.alpha):
        stage.task.parent = rows.task(stage.cast.alice)
        stage.task.external_key = "JIRA-1"
        stage.task.save()
        _link(stage).save()
        Dependency.objects.create(blocker=stage.task.parent, blocked=stage.task)
        assert refusal(twin(stage).save) == UNIQUE_VIOLATION


def test_an_id_of_another_tenant_is_free(stage: Stage) -> None:
    """The key is (tenant_id, id): the same id in two tenants is two rows."""
    with tenant_context(stage.cast.alpha):
        execute(
            "INSERT INTO label (tenant_id, id, name, colour) OVERRIDING SYSTEM VALUE"
            " VALUES (%s, %s, 'twin', '#000000')",
            [stage.cast.alpha.pk, stage.foreign_label.pk],
        )
        assert Label.objects.get(pk=stage.foreign_label.pk).name == "twin"
    with tenant_context(stage.cast.beta):
        assert Label.objects.get(pk=stage.foreign_label.pk).name == stage.foreign_label.name


def test_a_violation_belongs_to_its_statement_and_not_to_the_commit(stage: Stage) -> None:
    with tenant_context(stage.cast.alpha), transaction.atomic():
        assert refusal(_task(stage, creator=stage.stranger).save) == FOREIGN_KEY_VIOLATION
        assert Task.objects.count() == 1


def test_no_constraint_can_be_deferred(db: None) -> None:
    with session("owner") as owner:
        deferrable = owner.execute(
            "SELECT conname FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace AND condeferrable"
        ).fetchall()
    assert deferrable == []
