"""`manage.py purge`: what is old goes for good, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import ApiToken, Event, EventKind, IdempotencyKey, IdempotencyState
from taskproject.tenancy.services import token_issue
from taskproject.tests.cast import Cast, make_cast, make_project, make_task
from tasks.models import Comment, Task
from tasks.services.purge import tasks_purge
from tasks.services.relations import comment_add, dependency_add
from tasks.services.tasks import task_delete

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cast() -> Cast:
    return make_cast()


@pytest.fixture
def web(cast: Cast) -> Project:
    return make_project(cast.alpha, cast.alice)


def ago(**time: int) -> Any:
    return timezone.now() - timedelta(**time)


def purge(*arguments: str) -> str:
    out = StringIO()
    call_command("purge", *arguments, stdout=out)
    return out.getvalue().strip()


def deleted(web: Project, cast: Cast, *, days: int) -> Task:
    task = make_task(web, cast.alice)
    with tenant_context(cast.alpha):
        task_delete(task_id=task.pk, actor_id=cast.alice.pk)
        Task.objects.filter(pk=task.pk).update(deleted_at=ago(days=days))
    return task


def test_tasks_that_were_deleted_long_ago_go_with_what_hangs_on_them(
    cast: Cast, web: Project
) -> None:
    live = make_task(web, cast.alice)
    old = make_task(web, cast.alice)
    with tenant_context(cast.alpha):
        comment_add(task_id=old.pk, body="Hm", actor_id=cast.alice.pk)
        comment_add(task_id=live.pk, body="Hm", actor_id=cast.alice.pk)
        dependency_add(blocker_id=old.pk, blocked_id=live.pk, actor_id=cast.alice.pk)
        task_delete(task_id=old.pk, actor_id=cast.alice.pk)
        Task.objects.filter(pk=old.pk).update(deleted_at=ago(days=40))
    young = deleted(web, cast, days=20)
    others = [deleted(web, cast, days=31) for _ in range(5)]

    said = purge("tasks", "--days", "30", "--batch-size", "2")

    assert said == "Took away 6 tasks of 2 tenants."
    with tenant_context(cast.alpha):
        assert set(Task.objects.values_list("id", flat=True)) == {live.pk, young.pk}
        assert Comment.objects.get().task_id == live.pk
        assert Event.objects.filter(task_id=old.pk).exists()
    assert len(others) == 5
    assert make_task(web, cast.alice).number == 9


def test_a_live_part_of_a_purged_task_stays_and_is_told(cast: Cast, web: Project) -> None:
    old = deleted(web, cast, days=40)
    part = make_task(web, cast.alice)
    with tenant_context(cast.alpha):
        Task.objects.filter(pk=part.pk).update(parent=old)

        assert tasks_purge(before=ago(days=30), limit=10) == 1

        row = Task.objects.get()
        assert (row.pk, row.parent_id, row.version) == (part.pk, None, 2)
        told = Event.objects.filter(task_id=part.pk, kind=EventKind.TASK_UPDATED).get()
        assert told.changes == {"parent_id": [old.pk, None]}


def test_keys_go_after_a_day(cast: Cast) -> None:
    with tenant_context(cast.alpha):
        for number, hours in enumerate((50, 25, 23, 1)):
            IdempotencyKey.objects.create(
                user=cast.alice,
                key=str(number),
                fingerprint=b"x",
                state=IdempotencyState.DONE,
                status=201,
            )
            key = IdempotencyKey.objects.filter(key=str(number))
            key.update(created_at=ago(hours=hours))

    assert purge("keys", "--batch-size", "1") == "Took away 2 keys of 2 tenants."
    with tenant_context(cast.alpha):
        assert set(IdempotencyKey.objects.values_list("key", flat=True)) == {"2", "3"}


def test_tokens_and_events_are_the_owners_to_take_away(cast: Cast) -> None:
    with tenant_context(cast.alpha):
        tokens = [token_issue(user_id=cast.alice.pk, name=str(n)).token for n in range(4)]
        for token, values in zip(
            tokens,
            (
                {"revoked_at": ago(days=100)},
                {"expires_at": ago(days=100)},
                {"expires_at": ago(days=10)},
                {},
            ),
            strict=True,
        ):
            ApiToken.objects.filter(pk=token.pk).update(**values)
        events = Event.objects.count()

    assert purge("tokens", "--days", "90", "--tenant", "alpha") == ("Took away 2 tokens of alpha.")
    assert purge("events", "--days", "1") == "Took away 0 events of 2 tenants."
    with tenant_context(cast.alpha):
        assert ApiToken.objects.count() == 2
        assert Event.objects.count() == events


def test_old_events_go_from_the_beginning(cast: Cast, web: Project) -> None:
    make_task(web, cast.alice)
    owner: Any = connection
    with owner.as_owner(), connection.cursor() as cursor:
        cursor.execute("UPDATE event SET created_at = now() - interval '800 days' WHERE kind <> 20")

    said = purge("events", "--days", "730", "--batch-size", "1")

    with tenant_context(cast.alpha):
        kinds = list(Event.objects.values_list("kind", flat=True))
    assert kinds == [EventKind.TASK_CREATED]
    assert said == "Took away 5 events of 2 tenants."


@pytest.mark.parametrize("what", ["tasks", "tokens", "events"])
def test_what_is_not_made_to_go_needs_an_age(cast: Cast, what: str) -> None:
    with pytest.raises(CommandError, match="Say with --days"):
        purge(what)


def test_an_unknown_tenant_is_an_error(cast: Cast) -> None:
    with pytest.raises(CommandError, match="nowhere"):
        purge("keys", "--tenant", "nowhere")
