"""A seeded database obeys the rules that the services keep: asked by SQL, and by replay."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import DjangoDbBlocker

from projects.models import Project
from projects.services import project_create
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Event, EventKind, Role, Tenant, User
from taskproject.tenancy.services import member_add, member_deactivate, tenant_create
from taskproject.tests import crowd as crowds
from tasks.models import Comment, Dependency, Label, Priority, Status, Task, TaskLabel
from tasks.services.relations import comment_add, dependency_add, label_create, task_label_add
from tasks.services.tasks import project_archive, task_create, task_delete, task_update

pytestmark = pytest.mark.django_db

UNTIL: Final = "2026-06-30 00:00+00"


@pytest.fixture(scope="module")
def seeded(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """25 tenants with 24,000 tasks, two rounds of them."""
    with django_db_blocker.unblock():
        crowds.leave()
    try:
        with django_db_blocker.unblock():
            call_command("seed", tenants=25, tasks=24_000, verbosity=0, stdout=io.StringIO())
        yield
    finally:
        with django_db_blocker.unblock():
            crowds.leave()


@pytest.fixture
def owner(seeded: None, db: None) -> Iterator[Any]:
    with crowds.owner_session() as session:
        yield session


# Each finds the rows that break a rule; there must be none.
BROKEN: Final = {
    "numbers run from 1 to n in each project, and the next one is n + 1": """
        SELECT p.id FROM project AS p LEFT JOIN task AS t ON t.project_id = p.id
         GROUP BY p.tenant_id, p.id HAVING p.next_number <> count(t.id) + 1
            OR min(t.number) <> 1 OR max(t.number) <> count(t.id)
            OR count(DISTINCT t.number) <> count(t.id)""",
    "numbers, ids and times of making grow together": """
        SELECT id FROM (SELECT id, created_at, lag(id) OVER w AS id_before,
                               lag(created_at) OVER w AS made_before
                          FROM task WINDOW w AS (PARTITION BY project_id ORDER BY number)) AS t
         WHERE id < id_before OR created_at < made_before""",
    "a version counts the updates and the deletion": f"""
        SELECT t.id FROM task AS t LEFT JOIN event AS e ON e.task_id = t.id
           AND e.kind IN ({EventKind.TASK_UPDATED.value}, {EventKind.TASK_DELETED.value})
         GROUP BY t.tenant_id, t.id HAVING t.version <> count(e.id) + 1""",
    "the last change is the time of the last update": f"""
        SELECT t.id FROM task AS t LEFT JOIN event AS e ON e.task_id = t.id
           AND e.kind IN ({EventKind.TASK_UPDATED.value}, {EventKind.TASK_DELETED.value})
         GROUP BY t.tenant_id, t.id
        HAVING t.updated_at <> coalesce(max(e.created_at), t.created_at)""",
    "each task has one event of its making, by its creator and at its time": f"""
        SELECT t.id FROM task AS t LEFT JOIN event AS e ON e.task_id = t.id
           AND e.kind = {EventKind.TASK_CREATED.value} AND e.created_at = t.created_at
           AND e.actor_id = t.creator_id AND e.project_id = t.project_id
         GROUP BY t.tenant_id, t.id HAVING count(e.id) <> 1""",
    "each label on a task has its event": f"""
        SELECT 1 FROM (SELECT k.task_id, l.name FROM task_label AS k JOIN label AS l
                           ON l.id = k.label_id) AS a
          FULL JOIN (SELECT task_id, changes ->> 'label' AS name FROM event
                      WHERE kind = {EventKind.TASK_LABELLED.value}) AS b USING (task_id, name)
         WHERE a.task_id IS NULL OR b.task_id IS NULL""",
    "each comment has its event, by its author and at its time": f"""
        SELECT 1 FROM comment AS c
          FULL JOIN (SELECT * FROM event WHERE kind = {EventKind.COMMENT_ADDED.value}) AS e
            ON e.changes = jsonb_build_object('comment', c.id) AND e.task_id = c.task_id
           AND e.actor_id = c.author_id AND e.created_at = c.created_at
         WHERE c.id IS NULL OR e.id IS NULL""",
    "each dependency has its event": f"""
        SELECT 1 FROM dependency AS d
          FULL JOIN (SELECT * FROM event WHERE kind = {EventKind.DEPENDENCY_ADDED.value}) AS e
            ON e.changes = jsonb_build_object('blocker', d.blocker_id) AND e.task_id = d.blocked_id
         WHERE d.id IS NULL OR e.id IS NULL""",
    "each project has its event": f"""
        SELECT 1 FROM project AS p
          FULL JOIN (SELECT * FROM event WHERE kind = {EventKind.PROJECT_CREATED.value}) AS e
            ON e.changes = jsonb_build_object('key', p.key, 'name', p.name)
           AND e.project_id = p.id AND e.created_at = p.created_at
         WHERE p.id IS NULL OR e.id IS NULL""",
    "each label has its event": f"""
        SELECT 1 FROM label AS l
          FULL JOIN (SELECT * FROM event WHERE kind = {EventKind.LABEL_CREATED.value}) AS e
            ON e.changes = jsonb_build_object('name', l.name) AND e.tenant_id = l.tenant_id
         WHERE l.id IS NULL OR e.id IS NULL""",
    "each member has its event": f"""
        SELECT 1 FROM (SELECT m.*, u.username FROM membership AS m
                         JOIN user_account AS u ON u.id = m.user_id) AS m
          FULL JOIN (SELECT * FROM event WHERE kind = {EventKind.MEMBER_ADDED.value}) AS e
            ON e.changes ->> 'user' = m.username AND e.tenant_id = m.tenant_id
           AND e.created_at = m.created_at
         WHERE m.id IS NULL OR e.id IS NULL""",
    "nothing happens at or after the day that is today": f"""
        SELECT id FROM event WHERE created_at >= '{UNTIL}'
        UNION ALL SELECT id FROM task WHERE greatest(updated_at, deleted_at, completed_at)
                                            >= '{UNTIL}'""",
    "nobody acts before coming or after leaving": f"""
        SELECT e.id FROM event AS e JOIN membership AS m
            ON m.tenant_id = e.tenant_id AND m.user_id = e.actor_id
          LEFT JOIN (SELECT g.tenant_id, g.created_at, u.id AS user_id FROM event AS g
                       JOIN user_account AS u ON u.username = g.changes ->> 'user'
                      WHERE g.kind = {EventKind.MEMBER_CHANGED.value}) AS gone
            ON gone.tenant_id = e.tenant_id AND gone.user_id = e.actor_id
         WHERE e.created_at < m.created_at OR e.created_at > gone.created_at
            OR gone.user_id IS NOT NULL <> (NOT m.active)""",
    "no viewer acts": f"""
        SELECT e.id FROM event AS e JOIN membership AS m
            ON m.tenant_id = e.tenant_id AND m.user_id = e.actor_id
         WHERE m.role = {Role.VIEWER.value}""",
    "an archived project has no active task, and none that was made or changed afterwards": f"""
        SELECT t.id FROM task AS t JOIN project AS p ON p.id = t.project_id
         WHERE p.archived_at IS NOT NULL AND (t.status = {Status.ACTIVE.value}
            OR greatest(t.created_at, t.updated_at, t.deleted_at) >= p.archived_at)""",
    "no task is older than its project": """
        SELECT t.id FROM task AS t JOIN project AS p ON p.id = t.project_id
         WHERE t.created_at < p.created_at""",
    "a version of a project counts its archiving": """
        SELECT id FROM project WHERE version <> CASE WHEN archived_at IS NULL THEN 1 ELSE 2 END
            OR updated_at <> coalesce(archived_at, created_at)""",
    "parents and blockers come first, are not deleted, and are of the same project": """
        SELECT t.id FROM task AS t JOIN task AS o ON o.id = t.parent_id
         WHERE o.id >= t.id OR o.deleted_at IS NOT NULL OR o.project_id <> t.project_id
        UNION ALL
        SELECT d.id FROM dependency AS d JOIN task AS o ON o.id = d.blocker_id
          JOIN task AS t ON t.id = d.blocked_id
         WHERE o.id >= t.id OR o.deleted_at IS NOT NULL OR o.project_id <> t.project_id""",
    "what is closed waits for nothing open": """
        SELECT d.id FROM dependency AS d JOIN task AS o ON o.id = d.blocker_id
          JOIN task AS t ON t.id = d.blocked_id WHERE t.status >= 3 AND o.status < 3""",
    "each tenant has an active owner": f"""
        SELECT t.id FROM tenant AS t WHERE NOT EXISTS (SELECT FROM membership AS m
            WHERE m.tenant_id = t.id AND m.active AND m.role = {Role.OWNER.value})""",
    "events of a task stand in the order of their times": """
        SELECT id FROM (SELECT id, created_at, lag(created_at) OVER (
                               PARTITION BY task_id ORDER BY id) AS before
                          FROM event WHERE task_id IS NOT NULL) AS e WHERE created_at < before""",
    "no task is due before the day after its making": """
        SELECT id FROM task WHERE due_at < created_at""",
}


@pytest.mark.parametrize("rule", BROKEN)
def test_rule(owner, rule):
    assert owner.execute(BROKEN[rule]).fetchmany(5) == []


# What there has to be some of, or the rules above are kept by nothing.
PRESENT: Final = {
    "every status": ("SELECT count(DISTINCT status) FROM task", 5, 5),
    "every priority": ("SELECT count(DISTINCT priority) FROM task", 4, 4),
    "archived projects": ("SELECT count(*) FROM project WHERE archived_at IS NOT NULL", 3, 30),
    "deactivated members": ("SELECT count(*) FROM membership WHERE NOT active", 10, 60),
    "work of deactivated members": (
        "SELECT count(*) FROM task JOIN membership AS m USING (tenant_id)"
        " WHERE m.user_id = assignee_id AND NOT m.active",
        100,
        5_000,
    ),
    "every role": ("SELECT count(DISTINCT role) FROM membership", 4, 4),
    "people in two tenants": (
        "SELECT count(*) FROM (SELECT FROM membership GROUP BY user_id HAVING count(*) > 1) AS m",
        4,
        8,
    ),
    "deleted tasks, 2 percent": (
        "SELECT count(*) FROM task WHERE deleted_at IS NOT NULL", 350, 600,
    ),
    "tasks with a due date, half": (
        "SELECT count(*) FROM task WHERE due_at IS NOT NULL", 11_000, 13_000,
    ),
    "overdue tasks": (
        f"SELECT count(*) FROM task WHERE due_at < '{UNTIL}' AND status < 3", 300, 2_000,
    ),
    "tasks with an external key, a quarter": (
        "SELECT count(*) FROM task WHERE external_key IS NOT NULL", 5_000, 7_000,
    ),
    "tasks without an assignee, a fifth": (
        "SELECT count(*) FROM task WHERE assignee_id IS NULL", 4_000, 6_000,
    ),
    "parts of tasks": ("SELECT count(*) FROM task WHERE parent_id IS NOT NULL", 3_500, 6_000),
    "dependencies": ("SELECT count(*) FROM dependency", 1_500, 4_000),
    "long descriptions": (
        "SELECT count(*) FROM task WHERE octet_length(description) > 800", 100, 600,
    ),
    "tasks without a description": (
        "SELECT count(*) FROM task WHERE description = ''", 11_000, 15_000,
    ),
    "letters beyond ASCII": (
        "SELECT count(*) FROM task WHERE title || description ~ '[^ -~\n]'", 1_000, 12_000,
    ),
    "lines in descriptions": (
        "SELECT count(*) FROM task WHERE description LIKE E'%.\n\n%'", 100, 600,
    ),
    "a largest project with a third of its tenant's tasks or more": (
        "SELECT count(*) FROM (SELECT max(next_number) * 3 >= sum(next_number) AS large"
        " FROM project GROUP BY tenant_id) AS t WHERE large", 20, 25,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", PRESENT)
def test_there_are(owner, what):
    statement, least, most = PRESENT[what]

    assert least <= owner.execute(statement).fetchone()[0] <= most


def test_half_of_the_people_and_labels_of_the_giant_have_most_of_the_work(owner):
    for column, table in (("assignee_id", "task"), ("label_id", "task_label")):
        counts = [
            count
            for (count,) in owner.execute(
                f"SELECT count(*) FROM {table} WHERE tenant_id = 1 AND {column} IS NOT NULL"
                f" GROUP BY {column} ORDER BY 1 DESC"
            )
        ]
        assert sum(counts[: len(counts) // 2]) > sum(counts) * 0.6


def test_events_replay_to_the_state_of_each_task(owner):
    tasks = {row[0]: row for row in owner.execute(
        "SELECT id, title, status, priority, assignee_id, due_at, deleted_at IS NOT NULL,"
        " completed_at FROM task")}  # fmt: skip
    told = owner.execute(
        "SELECT task_id, kind, changes, created_at FROM event WHERE task_id IS NOT NULL"
        " ORDER BY task_id, id"
    )

    for task_id, events in groupby(told, key=lambda event: event[0]):
        replayed = replay(list(events))
        task = dict(zip(_TASK, tasks.pop(task_id)[1:], strict=True))
        assert {name: task[name] for name in replayed} == replayed
    assert not tasks


_TASK: Final = ("title", "status", "priority", "assignee_id", "due_at", "deleted", "completed_at")


def replay(events: list[tuple[int, int, dict[str, Any], Any]]) -> dict[str, Any]:
    """What a task is like after its events: the fields that they tell of."""
    _, kind, made, _ = events[0]
    assert kind == EventKind.TASK_CREATED
    assert made["status"] == "pending"
    state = {"title": made["title"], "status": 0, "deleted": False, "completed_at": None}
    for _, kind, changes, at in events[1:]:
        if kind == EventKind.TASK_DELETED:
            state["deleted"] = True
        elif kind == EventKind.TASK_UPDATED:
            for name, (old, new) in changes.items():
                assert state.get(name, old) == old != new
                state[name] = new
            if "status" in changes:
                state["completed_at"] = at if changes["status"][1] == Status.DONE else None
        assert not state["deleted"] or kind == EventKind.TASK_DELETED
    if "due_at" in state:
        state["due_at"] = datetime.fromisoformat(state["due_at"])
    return state


def test_the_app_role_sees_the_rows_of_its_tenant_only(seeded, db):
    acme, globex = (Tenant.objects.get(slug=slug) for slug in ("acme", "globex"))

    for tenant in (acme, globex):
        with tenant_context(tenant), connection.cursor() as cursor:
            for model in (Project, Task, Label, TaskLabel, Comment, Dependency, Event):
                table = model._meta.db_table
                cursor.execute(f"SELECT DISTINCT tenant_id FROM {table}")
                assert cursor.fetchall() == [(tenant.pk,)]


def test_events_have_the_shape_that_the_services_give_them(seeded, db):
    with tenant_context(Tenant.objects.get(slug="acme")):
        seeded_shapes = shapes()
    with tenant_context(_tenant_by_services()):
        shapes_of_services = shapes()

    assert seeded_shapes == shapes_of_services


def shapes() -> dict[tuple[str, str], Any]:
    """What the events of the active tenant look like: the types of what they say, by kind."""
    return {
        (event.get_kind_display(), ",".join(sorted(event.changes))): {
            "changes": _shape(event.changes),
            "task": event.task_id is not None,
            "project": event.project_id is not None,
        }
        for event in Event.objects.all()
    }


def _shape(value: Any) -> Any:
    match value:
        case dict():
            return {name: _shape(each) for name, each in value.items()}
        case list():
            return [_shape(each) for each in value]
    return type(value).__name__


def _tenant_by_services() -> Tenant:
    """A tenant to which everything happened that a seed tells of."""
    tenant = tenant_create(slug="by-services", name="By services")
    ann, bob = (User.objects.create(username=name) for name in ("ann", "bob"))
    member_add(tenant=tenant, user=ann, role=Role.OWNER)
    member = member_add(tenant=tenant, user=bob, role=Role.MEMBER, actor_id=ann.pk)
    with tenant_context(tenant):
        by: dict[str, Any] = {"actor_id": ann.pk}
        label = label_create(name="bug", **by)
        project = project_create(key="WEB", name="Web", **by)
        first, second = (task_create(project_id=project.pk, title="A", **by) for _ in range(2))
        task_label_add(task_id=first.pk, label_id=label.pk, **by)
        comment_add(task_id=first.pk, body="A word", **by)
        dependency_add(blocker_id=first.pk, blocked_id=second.pk, **by)
        for change in (
            {"status": Status.ACTIVE},
            {"title": "B"},
            {"priority": Priority.HIGH},
            {"assignee_id": bob.pk},
            {"due_at": datetime(2026, 6, 30, 16, tzinfo=UTC)},
            {"status": Status.DONE},
        ):
            task_update(task_id=first.pk, **by, **change)
        task_delete(task_id=second.pk, **by)
        project_archive(project_id=project.pk, **by)
        member_deactivate(membership=member, **by)
    return tenant


def test_statistics_are_fresh_and_nearly_all_pages_are_visible_to_all(owner):
    """COPY adds pages in advance; those that stay empty at the end are not marked."""
    found = owner.execute(
        "SELECT relname FROM pg_class JOIN pg_stat_user_tables USING (relname)"
        " WHERE relname IN ('task', 'event', 'comment', 'task_label')"
        "   AND relallvisible > relpages * 0.95 AND last_analyze IS NOT NULL"
    ).fetchall()

    assert len(found) == 4


def test_rows_of_tenants_lie_between_each_other(owner):
    """As they would if they had come with time: the second tenant's tasks in both rounds."""
    first, last = owner.execute("SELECT min(id), max(id) FROM task WHERE tenant_id = 2").fetchone()
    others = owner.execute(
        "SELECT count(*) FROM task WHERE tenant_id <> 2 AND id BETWEEN %s AND %s", [first, last]
    ).fetchone()[0]

    assert others > 5_000
