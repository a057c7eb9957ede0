"""Many processes make tasks in one project at once: no number is missing or given twice."""

from __future__ import annotations

import pytest

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Event, EventKind
from taskproject.tests.cast import make_cast, make_project
from taskproject.tests.children import finish, on_a_server, start
from tasks.models import Task

MAKE_TASKS = """
import sys
import django
django.setup()
from taskproject.db.context import tenant_context
from tasks.services.tasks import task_create
tenant_id, project_id, actor_id, count = map(int, sys.argv[1:])
with tenant_context(tenant_id):
    for number in range(count):
        task_create(project_id=project_id, title=f"Task {number}", actor_id=actor_id)
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("processes", "each"), [(4, 25), pytest.param(16, 200, marks=pytest.mark.prove)]
)
def test_processes_that_make_tasks_at_once_take_each_number_once(processes: int, each: int) -> None:
    cast = make_cast()
    project = make_project(cast.alpha, cast.alice)
    what = [str(number) for number in (cast.alpha.pk, project.pk, cast.alice.pk, each)]
    environ = on_a_server(DATABASE_POOL_MAX_SIZE="1", DATABASE_POOL_TIMEOUT_S="30")

    children = [start("-c", MAKE_TASKS, *what, environ=environ) for _ in range(processes)]
    results = [finish(child, timeout_s=300) for child in children]

    assert results == [(0, "", "")] * processes
    total = processes * each
    with tenant_context(cast.alpha):
        numbers = Task.objects.order_by("number").values_list("number", flat=True)
        assert list(numbers) == list(range(1, total + 1))
        assert Project.objects.get().next_number == total + 1
        assert Event.objects.filter(kind=EventKind.TASK_CREATED).count() == total
