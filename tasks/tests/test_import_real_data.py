"""The real task data, imported and compared with the file, field by field.

The first 5,000 lines of 42,548; all of them where PROVE is set, which takes half a minute.
"""

from __future__ import annotations

import gzip
import io
import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Count, F, Max

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Event, EventKind, Membership, Tenant, User
from tasks.models import Label, Task, TaskLabel

DATA = Path(settings.BASE_DIR).parent / "shared/data/real-tasks.ndjson.gz"
LINES = 42_548 if os.environ.get("PROVE") else 5_000
pytestmark = [
    pytest.mark.skipif(not DATA.exists(), reason="the real task data is not beside this project"),
    pytest.mark.xdist_group("real data"),
]


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    with gzip.open(DATA, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in islice(lines, LINES)]


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """One transaction for all tests of this module, rolled back.

    It has the name of pytest-django's fixture because by that name pytest-django tells who needs
    the test database: under another one these tests would run in the developer's.
    """
    with django_db_blocker.unblock(), transaction.atomic():
        assert str(connection.settings_dict["NAME"]).startswith("test_")
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def imported(db: None) -> str:
    """What the command printed when it imported everything."""
    return run()


def run() -> str:
    output = io.StringIO()
    call_command("import_tasks", str(DATA), limit=LINES, stdout=output, verbosity=2)
    return output.getvalue()


def by_tenant(count: Any) -> dict[str, Any]:
    """The answer of `count()` inside each tenant."""
    counts = {}
    for tenant in Tenant.objects.all():
        with tenant_context(tenant):
            counts[tenant.slug] = count()
    return counts


def distinct(records: list[dict[str, Any]], values: Any) -> dict[str, int]:
    """How many different values the records of each tenant name."""
    named: dict[str, set[str]] = {}
    for each in records:
        named.setdefault(each["tenant"], set()).update(values(each))
    return {tenant: len(found) for tenant, found in named.items()}


@pytest.mark.prove
@pytest.mark.skipif(LINES < 42_548, reason="only the whole file has these totals: set PROVE")
def test_the_command_tells_the_totals_of_the_whole_file(imported):
    added = "Added 14 tenants, 134 projects, 2,074 members, 135 labels, 42,548 tasks; "
    assert added + "0 already there, 0 rejected" in imported
    told = "  pg_activity: 7 projects, 56 members, 9 labels, 1,277 tasks, 0 already there\n"
    assert told in imported
    assert User.objects.count() == 1998
    assert sum(by_tenant(TaskLabel.objects.count).values()) == 10_908


def test_the_command_tells_exact_counts_of_a_tenant(imported):
    told = "  mybench: 9 projects, 14 members, 3 labels, 106 tasks, 0 already there\n"

    assert told in imported


def test_each_tenant_has_its_tasks(imported, records):
    counts = by_tenant(Task.objects.count)

    assert counts == Counter(each["tenant"] for each in records)
    assert sum(counts.values()) == LINES


def test_each_tenant_has_its_projects(imported, records):
    counts = by_tenant(Project.objects.count)

    assert counts == distinct(records, lambda each: [each["project"]])


def test_each_tenant_has_its_labels(imported, records):
    counts = by_tenant(Label.objects.count)
    links = sum(by_tenant(TaskLabel.objects.count).values())

    assert counts == distinct(records, lambda each: each["labels"])
    assert links == sum(len(each["labels"]) for each in records)


def test_each_tenant_has_its_members_who_can_not_log_in(imported, records):
    counts = dict(Membership.objects.values_list("tenant__slug").annotate(Count("id")))

    people = distinct(records, lambda each: {each["creator"], each["assignee"]} - {None})
    assert counts == people
    assert not User.objects.exclude(password__startswith="!").exists()


def test_each_task_has_one_event_by_its_creator(imported):
    events = by_tenant(lambda: list(imports().values_list("task_id", "actor_id", "project_id")))
    tasks = by_tenant(lambda: list(Task.objects.values_list("pk", "creator_id", "project_id")))

    for tenant, found in tasks.items():
        assert sorted(events[tenant]) == sorted(found)


def imports() -> Any:
    return Event.objects.filter(kind=EventKind.TASK_IMPORTED)


def test_numbers_run_from_1_without_a_gap_in_each_project(imported):
    def gaps() -> int:
        projects = Project.objects.annotate(n=Count("tasks"), last=Max("tasks__number"))
        return projects.exclude(n=F("last"), next_number=F("last") + 1).count()

    assert set(by_tenant(gaps).values()) == {0}


def test_numbers_follow_the_order_of_the_file(imported, records):
    wanted = [each["external_key"] for each in records if in_pghero_root(each)]

    with tenant_context(Tenant.objects.get(slug="pghero")):
        tasks = Task.objects.filter(project__key="ROOT").order_by("number")
        assert list(tasks.values_list("external_key", flat=True)) == wanted != []


def in_pghero_root(each: dict[str, Any]) -> bool:
    return (each["tenant"], each["project"]) == ("pghero", "ROOT")


def test_tasks_completed_before_they_were_created_are_there(imported, records):
    odd = by_tenant(lambda: Task.objects.filter(completed_at__lt=F("created_at")).count())

    # In the whole file these are 8; 561 by the clocks on their walls, whose zones differ.
    assert sum(odd.values()) == sum(map(completed_too_early, records))


def completed_too_early(each: dict[str, Any]) -> bool:
    if each["completed_at"] is None:
        return False
    return datetime.fromisoformat(each["completed_at"]) < datetime.fromisoformat(each["created_at"])


def test_every_field_of_every_record_is_in_the_database(imported, records):
    stored = by_tenant(all_fields)

    for each in records:
        assert stored[each["tenant"]][each["external_key"]] == as_stored(each)


def all_fields() -> dict[str, tuple[Any, ...]]:
    labels: dict[int, set[str]] = {}
    for task_id, name in TaskLabel.objects.values_list("task_id", "label__name"):
        labels.setdefault(task_id, set()).add(name)
    tasks = Task.objects.select_related("project", "creator", "assignee").defer("search")
    return {
        task.external_key or "": (
            task.project.key,
            task.title,
            task.description,
            task.get_status_display(),
            task.get_priority_display(),
            task.creator.username,
            task.assignee.username if task.assignee else None,
            labels.get(task.pk, set()),
            task.created_at,
            task.completed_at,
            task.updated_at,
        )
        for task in tasks
    }


def as_stored(each: dict[str, Any]) -> tuple[Any, ...]:
    texts = ("project", "title", "description", "status", "priority", "creator", "assignee")
    dates = (each["created_at"], each["completed_at"], each["updated_at"])
    return (
        *(each[name] for name in texts),
        set(each["labels"]),
        *(date and datetime.fromisoformat(date) for date in dates),
    )


def test_a_second_run_adds_nothing(imported):
    before = by_tenant(Event.objects.count)

    told = "Added 0 tenants, 0 projects, 0 members, 0 labels, 0 tasks; "
    assert f"{told}{LINES:,} already there" in run()
    assert by_tenant(Event.objects.count) == before
