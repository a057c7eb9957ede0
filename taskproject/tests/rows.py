"""Makers of many rows at once, with times that tests choose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.test.utils import CaptureQueriesContext

from projects.models import Project
from projects.services import numbers_take
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import User
from tasks.models import Task

START: Final = datetime(2025, 1, 1, tzinfo=UTC)
_NAMES: Final = (
    ("WITH used AS", "authenticate token"),
    ('FROM "task"', "list tasks"),
)


def add_tasks(
    project: Project, actor: User, created_after_s: Sequence[int], **values: Any
) -> list[Task]:
    """One task for each number of seconds after START; equal numbers make ties."""
    if not created_after_s:
        return []
    with tenant_context(project.tenant):
        first = numbers_take(project_id=project.pk, count=len(created_after_s))
        return Task.objects.bulk_create(
            Task(
                project=project,
                number=number,
                title=f"Task {number}",
                creator=actor,
                created_at=START + timedelta(seconds=after_s),
                **values,
            )
            for number, after_s in enumerate(created_after_s, start=first)
        )


@contextmanager
def rolled_back() -> Iterator[None]:
    """Undo what the block does to the database: for the examples of a property."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def names_of(queries: CaptureQueriesContext) -> list[str]:
    """What each captured statement is for; one that is not known stands as it is."""
    return [
        next((name for mark, name in _NAMES if mark in query["sql"]), query["sql"])
        for query in queries.captured_queries
    ]
