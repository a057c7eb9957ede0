"""The time that a link copies from its task is the task's own, whoever writes the link."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.tests.sql import sqlstate
from taskproject.tests import crowd
from taskproject.tests.cast import Cast, make_cast, make_project
from taskproject.tests.rows import add_tasks
from tasks.models import Label, Task, TaskLabel
from tasks.services.relations import label_create, task_label_add, task_labels_set
from tasks.services.selections import tasks_change
from tasks.tests.import_lines import record, write

NOT_NULL_VIOLATION = "23502"
COMPARISON = """
    SELECT count(*), count(*) FILTER (WHERE link.task_created_at IS DISTINCT FROM task.created_at)
      FROM task_label AS link LEFT JOIN task
        ON task.tenant_id = link.tenant_id AND task.id = link.task_id
"""


def links() -> tuple[int, int]:
    """How many committed links there are, and how many have another time than their task."""
    with crowd.owner_session() as owner:
        count, differing = owner.execute(COMPARISON.encode()).fetchone() or (0, 0)
    return count, differing


@pytest.fixture(autouse=True)
def empty(transactional_db: None) -> Iterator[None]:
    crowd.leave()
    yield
    crowd.leave()


@pytest.fixture
def cast(empty: None) -> Cast:
    return make_cast()


@pytest.fixture
def project(cast: Cast) -> Iterator[Project]:
    """Alpha's project WEB with three tasks of other times than now, alpha active."""
    project = make_project(cast.alpha, cast.alice)
    add_tasks(project, cast.alice, [1, 2, 3])
    with tenant_context(cast.alpha):
        yield project


def test_the_services_copy_it(project: Project, cast: Cast) -> None:
    tasks = Task.objects.order_by("id")
    bug, art = (label_create(name=name, actor_id=cast.alice.pk).pk for name in ("bug", "art"))

    task_label_add(task_id=tasks[0].pk, label_id=bug, actor_id=cast.alice.pk)
    task_labels_set(task_id=tasks[1].pk, label_ids=[bug, art], actor_id=cast.alice.pk)
    tasks_change(task_ids=[tasks[2].pk], actor_id=cast.alice.pk, add_label_id=art)

    assert links() == (4, 0)


def test_an_import_copies_it(tmp_path: Path) -> None:
    times = ["2024-05-31T12:00:00.123456+02:00", "2020-01-01T00:00:00Z"]
    lines = [record(created_at=time, labels=["bug", "art"]) for time in times]
    call_command("import_tasks", write(tmp_path, *lines), stdout=io.StringIO())

    assert links() == (4, 0)


def test_a_seed_copies_it() -> None:
    call_command("seed", tenants=3, tasks=60, verbosity=0)

    count, differing = links()
    assert (count > 30, differing) == (True, 0)


def test_the_crowd_of_the_plan_tests_copies_it() -> None:
    crowd.come(crowd.Sizes(giant=60, middling=30, tiny=20, tiny_tenants=7))

    count, differing = links()
    assert (count > 30, differing) == (True, 0)


def test_whoever_forgets_it_is_refused(project: Project, cast: Cast) -> None:
    task, label = Task.objects.all()[0], label_create(name="bug", actor_id=cast.alice.pk)

    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        TaskLabel.objects.create(task=task, label=label)
    assert sqlstate(refusal.value) == NOT_NULL_VIOLATION


def test_the_migration_copies_it_for_links_that_are_there(project: Project, cast: Cast) -> None:
    tasks = list(Task.objects.order_by("id"))
    label = Label.objects.create(name="bug")
    for task in tasks[:2]:
        task_label_add(task_id=task.pk, label_id=label.pk, actor_id=cast.alice.pk)
    try:
        call_command("migrate", "tasks", "0004", verbosity=0)
        with crowd.owner_session() as owner:
            owner.execute(
                "INSERT INTO task_label (tenant_id, task_id, label_id) VALUES (%s, %s, %s)",
                [cast.alpha.pk, tasks[2].pk, label.pk],
            )
    finally:
        call_command("migrate", verbosity=0)

    assert links() == (3, 0)
