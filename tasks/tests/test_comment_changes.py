"""Comments are said in other words, and taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Event, EventKind
from taskproject.tests.cast import Cast, make_project, make_task
from taskproject.tests.statements import recorded
from tasks.models import COMMENT_BYTES, Comment, Task
from tasks.services.relations import comment_add, comment_delete, comment_edit
from tasks.services.tasks import task_delete


@pytest.fixture
def comment(cast: Cast) -> Iterator[Comment]:
    """Bob's comment on a task of alpha, with alpha active."""
    with tenant_context(cast.alpha):
        task = make_task(make_project(cast.alpha, cast.alice), cast.alice)
        yield comment_add(task_id=task.pk, body="Paint it green", actor_id=cast.bob.pk)


def events() -> list[tuple[EventKind, int | None, int | None, Any]]:
    """Kind, task, actor and changes of the events after a comment's making, oldest first."""
    later = (EventKind.COMMENT_EDITED, EventKind.COMMENT_DELETED)
    rows = Event.objects.filter(kind__in=later).order_by("id")
    return [(EventKind(row.kind), row.task_id, row.actor_id, row.changes) for row in rows]


def test_a_comment_is_said_in_other_words(comment: Comment, cast: Cast) -> None:
    with recorded() as statements:
        edited = comment_edit(comment_id=comment.pk, body="Paint it red", actor_id=cast.alice.pk)

    stored = Comment.objects.get()
    assert statements == ["SELECT comment", "UPDATE comment", "INSERT event"]
    assert (stored.body, stored.author_id, stored.created_at) == (
        "Paint it red",
        cast.bob.pk,
        comment.created_at,
    )
    assert stored.edited_at == edited.edited_at is not None
    told = (EventKind.COMMENT_EDITED, comment.task_id, cast.alice.pk, {"comment": comment.pk})
    assert events() == [told]


def test_the_same_words_are_no_edit(comment: Comment, cast: Cast) -> None:
    with recorded() as statements:
        comment_edit(comment_id=comment.pk, body="Paint it green", actor_id=cast.bob.pk)

    assert statements == ["SELECT comment"]
    assert Comment.objects.get().edited_at is None


@pytest.mark.parametrize("body", ["", " \n", "x" * (COMMENT_BYTES + 1), "a\0b", "\ud800"], ids=len)
def test_words_that_do_not_fit_are_refused(body: str, comment: Comment, cast: Cast) -> None:
    with pytest.raises(ValidationError):
        comment_edit(comment_id=comment.pk, body=body, actor_id=cast.bob.pk)

    assert (Comment.objects.get().body, events()) == ("Paint it green", [])


def test_a_comment_is_taken_away_for_good(comment: Comment, cast: Cast) -> None:
    with recorded() as statements:
        comment_delete(comment_id=comment.pk, actor_id=cast.alice.pk)

    assert statements == ["SELECT comment", "DELETE comment", "INSERT event"]
    assert not Comment.objects.exists()
    told = (EventKind.COMMENT_DELETED, comment.task_id, cast.alice.pk, {"comment": comment.pk})
    assert events() == [told]


def doings(comment_id: int, actor_id: int) -> list[Callable[[], Any]]:
    return [
        lambda: comment_edit(comment_id=comment_id, body="Mine", actor_id=actor_id),
        lambda: comment_delete(comment_id=comment_id, actor_id=actor_id),
    ]


def test_a_comment_on_a_deleted_task_stays_as_it_is(comment: Comment, cast: Cast) -> None:
    task_delete(task_id=comment.task_id, actor_id=cast.alice.pk)
    for do in doings(comment.pk, cast.bob.pk):
        with pytest.raises(Task.DoesNotExist):
            do()

    assert (Comment.objects.get().body, events()) == ("Paint it green", [])


def test_a_comment_of_another_tenant_does_not_exist(comment: Comment, cast: Cast) -> None:
    for do in doings(comment.pk, cast.carol.pk):
        with tenant_context(cast.beta), pytest.raises(Comment.DoesNotExist):
            do()
    for do in doings(2**40, cast.alice.pk):
        with pytest.raises(Comment.DoesNotExist):
            do()

    assert Comment.objects.get().body == "Paint it green"
