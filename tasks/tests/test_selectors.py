"""Reads of tasks: the right rows, in the right order, and no deleted ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet, Subquery
from django.test.utils import CaptureQueriesContext

from projects.models import Project
from taskproject.db.context import TenantNotSet, tenant_context
from taskproject.tenancy.models import Event, EventKind, User
from taskproject.tenancy.selectors import event_feed, task_events
from taskproject.tenancy.services import event_append
from taskproject.tests.cast import Cast, make_cast, make_project, make_task
from taskproject.tests.rows import START, add_tasks
from tasks import selectors
from tasks.models import Label, Priority, Status, Task
from tasks.services.relations import comment_add, dependency_add, label_create, task_label_add
from tasks.services.tasks import task_delete, task_update


@pytest.fixture
def project(cast: Cast) -> Iterator[Project]:
    """Alpha's project WEB, with alpha active."""
    with tenant_context(cast.alpha):
        yield make_project(cast.alpha, cast.alice)


@pytest.fixture
def deleted(project: Project, cast: Cast) -> Task:
    """A deleted task, which would be in every list if it lived."""
    task = make_task(
        project, cast.alice, assignee_id=cast.bob.pk, due_at=START, external_key="deleted"
    )
    task_delete(task_id=task.pk, actor_id=cast.alice.pk)
    return task


def test_a_list_is_narrowed_by_project_status_and_assignee(
    project: Project, deleted: Task, cast: Cast
) -> None:
    other = make_project(cast.alpha, cast.alice, "APP")
    plain = make_task(project, cast.alice)
    active = make_task(project, cast.alice, status=Status.ACTIVE)
    bobs = make_task(other, cast.alice, assignee_id=cast.bob.pk)

    def ids(**wanted: Any) -> set[int]:
        return {task.pk for task in selectors.task_list(**wanted)}

    assert ids() == {plain.pk, active.pk, bobs.pk}
    assert ids(project_id=project.pk) == {plain.pk, active.pk}
    assert ids(status=Status.PENDING) == {plain.pk, bobs.pk}
    assert ids(project_id=project.pk, status=Status.ACTIVE) == {active.pk}
    assert ids(assignee_id=cast.bob.pk) == {bobs.pk}
    assert ids(assignee_id=cast.bob.pk, status=Status.PENDING) == {bobs.pk}
    assert ids(assignee_id=cast.bob.pk, status=Status.ACTIVE) == set()


def test_a_list_is_narrowed_by_parent_priority_and_label(
    project: Project, deleted: Task, cast: Cast
) -> None:
    plain, urgent, done = (
        make_task(project, cast.alice, priority=priority, status=status)
        for priority, status in [
            (Priority.NORMAL, Status.PENDING),
            (Priority.URGENT, Status.BLOCKED),
            (Priority.URGENT, Status.DONE),
        ]
    )
    part = make_task(project, cast.alice, parent_id=plain.pk, priority=Priority.URGENT)
    bug = label_create(name="bug", actor_id=cast.alice.pk)
    for task in (urgent, done):
        task_label_add(task_id=task.pk, label_id=bug.pk, actor_id=cast.alice.pk)

    def ids(**wanted: Any) -> set[int]:
        return {task.pk for task in selectors.task_list(**wanted)}

    assert ids(parent_id=plain.pk) == {part.pk}
    assert ids(priority=Priority.URGENT) == {urgent.pk, part.pk}, "the open ones"
    assert ids(priority=Priority.LOW) == set()
    assert ids(label_id=bug.pk) == {urgent.pk, done.pk}
    assert ids(label_id=bug.pk, status=Status.DONE) == {done.pk}


def test_an_id_may_be_found_in_the_same_statement(project: Project, cast: Cast) -> None:
    task = make_task(project, cast.alice, assignee_id=cast.bob.pk)
    bug = label_create(name="bug", actor_id=cast.alice.pk)
    task_label_add(task_id=task.pk, label_id=bug.pk, actor_id=cast.alice.pk)
    make_task(make_project(cast.alpha, cast.alice, "APP"), cast.alice)

    def one(rows: QuerySet[Any]) -> Subquery:
        return Subquery(rows.values("pk")[:1])

    wanted: dict[str, Any] = {
        "project_id": one(Project.objects.filter(key="WEB")),
        "assignee_id": one(User.objects.filter(username="bob")),
        "label_id": one(Label.objects.filter(name="bug")),
    }
    with CaptureQueriesContext(connection) as queries:
        for name, value in wanted.items():
            assert list(selectors.task_list(**{name: value})) == [task], name
        assert list(selectors.task_list(project_id=one(Project.objects.filter(key="X")))) == []
    assert len(queries) == 4


def test_open_tasks_come_the_most_pressing_first_and_the_newest_of_those(
    project: Project, deleted: Task, cast: Cast
) -> None:
    for title, priority in [("a", 1), ("b", 3), ("c", 0), ("d", 3), ("e", 1)]:
        make_task(project, cast.alice, title, priority=Priority(priority))
    make_task(project, cast.alice, "done", priority=Priority.URGENT, status=Status.DONE)

    page = selectors.TASK_SORTS["-priority"].page(selectors.tasks_open(), limit=10)

    assert [task.title for task in page] == ["d", "b", "e", "a", "c"]


def test_a_list_needs_a_tenant_when_it_runs(cast: Cast) -> None:
    rows = selectors.task_list()

    with pytest.raises(TenantNotSet):
        list(rows)


def test_a_task_comes_with_its_project_in_one_statement(project: Project, cast: Cast) -> None:
    task = make_task(project, cast.alice)

    with CaptureQueriesContext(connection) as queries:
        by_id = selectors.task_get(task_id=task.pk)
        by_number = selectors.task_by_key(project_key="WEB", number=1).get()
        keys = by_id.project.key, by_number.project.key

    assert (by_id, by_number, keys) == (task, task, ("WEB", "WEB"))
    assert ['FROM "task"' in query["sql"] for query in queries.captured_queries] == [True, True]


def test_a_deleted_task_is_not_got(deleted: Task) -> None:
    with pytest.raises(Task.DoesNotExist):
        selectors.task_get(task_id=deleted.pk)
    with pytest.raises(Task.DoesNotExist):
        selectors.task_by_key(project_key="WEB", number=deleted.number).get()


def test_a_task_of_another_tenant_is_not_got(project: Project, cast: Cast) -> None:
    task = make_task(project, cast.alice)

    with tenant_context(cast.beta):
        with pytest.raises(Task.DoesNotExist):
            selectors.task_get(task_id=task.pk)
        with pytest.raises(Task.DoesNotExist):
            selectors.task_by_key(project_key="WEB", number=1).get()


def test_due_tasks_are_open_and_come_the_most_pressing_first(
    project: Project, deleted: Task, cast: Cast
) -> None:
    days = {"third": 3, "first": 1, "second": 2, "second again": 2, "too late": 4}
    for title, day in days.items():
        make_task(project, cast.alice, title, due_at=START + timedelta(days=day))
    make_task(project, cast.alice, "done", due_at=START, status=Status.DONE)
    make_task(project, cast.alice, "cancelled", due_at=START, status=Status.CANCELLED)
    make_task(project, cast.alice, "never due")

    due = selectors.tasks_due(before=START + timedelta(days=4))

    assert [task.title for task in due] == ["first", "second", "second again", "third"]


def test_deleted_tasks_come_the_last_one_deleted_first(project: Project, cast: Cast) -> None:
    make_task(project, cast.alice, "live")
    for title, day in [("first", 1), ("third", 3), ("second", 2), ("second again", 2)]:
        task = make_task(project, cast.alice, title)
        Task.objects.filter(pk=task.pk).update(deleted_at=START + timedelta(days=day))

    page = selectors.TASK_SORTS["-deleted"].page(selectors.tasks_deleted(), limit=10)

    assert [task.title for task in page] == ["third", "second again", "second", "first"]
    with tenant_context(cast.beta):
        assert not selectors.tasks_deleted().exists()


def test_a_task_is_live_in_its_own_tenant_until_it_is_deleted(
    project: Project, deleted: Task, cast: Cast
) -> None:
    task = make_task(project, cast.alice)

    assert selectors.task_is_live(task_id=task.pk)
    assert not selectors.task_is_live(task_id=deleted.pk)
    with tenant_context(cast.beta):
        assert not selectors.task_is_live(task_id=task.pk)


def test_the_parts_of_a_task_come_in_the_order_they_were_made(project: Project, cast: Cast) -> None:
    parent = make_task(project, cast.alice)
    parts = add_tasks(project, cast.alice, [3, 1, 2, 2], parent_id=parent.pk)
    make_task(project, cast.alice, parent_id=parts[0].pk)
    task_delete(task_id=parts[1].pk, actor_id=cast.alice.pk)

    assert list(selectors.task_children(task_id=parent.pk)) == [parts[2], parts[3], parts[0]]


def test_a_project_has_active_tasks_while_one_of_its_live_ones_is(
    project: Project, deleted: Task, cast: Cast
) -> None:
    def asked() -> bool:
        return selectors.project_has_active_tasks(project_id=project.pk)

    other = make_project(cast.alpha, cast.alice, "APP")
    make_task(other, cast.alice, status=Status.ACTIVE)
    task = make_task(project, cast.alice)
    before = asked()
    task_update(task_id=task.pk, actor_id=cast.alice.pk, status=Status.ACTIVE)
    active = asked()
    task_delete(task_id=task.pk, actor_id=cast.alice.pk)

    assert (before, active, asked()) == (False, True, False)


def test_labels_come_by_name_without_regard_to_case(project: Project, cast: Cast) -> None:
    for name in ("beta", "Alpha", "gamma", "ALPHA 2"):
        label_create(name=name, actor_id=cast.alice.pk)
    with tenant_context(cast.beta):
        label_create(name="foreign", actor_id=cast.carol.pk)

    page = selectors.LABEL_ORDER.page(selectors.label_list(), key=("alpha",), limit=9)
    assert [each.name for each in page] == ["ALPHA 2", "beta", "gamma"]


def test_labels_and_tasks_find_each_other(project: Project, cast: Cast) -> None:
    bug, art = (label_create(name=name, actor_id=cast.alice.pk) for name in ("bug", "Art"))
    both, one, gone = (make_task(project, cast.alice) for _ in range(3))
    for task, label in [(both, bug), (both, art), (one, bug), (gone, bug)]:
        task_label_add(task_id=task.pk, label_id=label.pk, actor_id=cast.alice.pk)
    task_delete(task_id=gone.pk, actor_id=cast.alice.pk)

    assert [label.name for label in selectors.task_labels(task_id=both.pk)] == ["Art", "bug"]
    assert set(selectors.task_list(label_id=bug.pk)) == {both, one}
    assert set(selectors.task_list(label_id=art.pk)) == {both}
    assert set(selectors.label_matches(label_id=bug.pk)) == {both.pk, one.pk, gone.pk}
    with tenant_context(cast.beta):
        assert selectors.label_matches(label_id=bug.pk) == []


@pytest.mark.parametrize("sort", ["created", "-created"])
def test_the_tasks_of_a_label_are_walked_by_their_making_in_both_directions(
    project: Project, cast: Cast, sort: str
) -> None:
    label = label_create(name="bug", actor_id=cast.alice.pk)
    # The ids go another way than the times, and two tasks are of one moment.
    tasks = add_tasks(project, cast.alice, [3, 1, 2, 2, 0, 5])
    for task in tasks[:5]:
        task_label_add(task_id=task.pk, label_id=label.pk, actor_id=cast.alice.pk)
    rows, order = selectors.task_list(label_id=label.pk), selectors.LABELLED_SORTS[sort]

    first = list(order.page(rows, limit=2))
    second = list(order.page(rows, key=order.key(first[1]), limit=9))
    back = list(order.page(rows, key=order.key(second[0]), backwards=True, limit=9))

    oldest_first = [tasks[4], tasks[1], tasks[2], tasks[3], tasks[0]]
    assert [*first, *second] == (oldest_first if sort == "created" else oldest_first[::-1])
    assert back == first[::-1]


def test_a_label_matches_as_many_tasks_as_the_cap_and_no_more(
    project: Project, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors, "MATCHES_CAP", 3)
    label = label_create(name="bug", actor_id=cast.alice.pk)
    tasks = add_tasks(project, cast.alice, [3, 1, 2, 0])
    for task in tasks[:3]:
        task_label_add(task_id=task.pk, label_id=label.pk, actor_id=cast.alice.pk)
    with CaptureQueriesContext(connection) as queries:
        found = selectors.label_matches(label_id=label.pk)
    assert (found, len(queries)) == ([tasks[1].pk, tasks[2].pk, tasks[0].pk], 1)

    task_label_add(task_id=tasks[3].pk, label_id=label.pk, actor_id=cast.alice.pk)
    with pytest.raises(selectors.TooManyMatches) as refusal:
        selectors.label_matches(label_id=label.pk)
    assert refusal.value.code == "too-many-matches"


@pytest.mark.parametrize("sort", sorted(selectors.MATCHED_SORTS))
def test_matches_are_sorted_as_the_lists_themselves_are(
    project: Project, cast: Cast, sort: str
) -> None:
    tasks = add_tasks(project, cast.alice, [3, 1, 2, 2, 0], due_at=START, deleted_at=START)
    Task.objects.filter(pk=tasks[1].pk).update(priority=Priority.URGENT)
    rows = Task.objects.filter(pk__in=[task.pk for task in tasks])
    plain, sorting = selectors.TASK_SORTS[sort], selectors.MATCHED_SORTS[sort]

    whole = list(plain.page(rows, limit=9))

    assert list(sorting.page(rows, limit=9)) == whole
    assert list(sorting.page(rows, key=sorting.key(whole[1]), limit=9)) == whole[2:]


def test_comments_come_the_oldest_first(project: Project, cast: Cast) -> None:
    task, other = (make_task(project, cast.alice) for _ in range(2))
    for body, on in [("one", task), ("elsewhere", other), ("two", task)]:
        comment_add(task_id=on.pk, body=body, actor_id=cast.bob.pk)

    assert [each.body for each in selectors.task_comments(task_id=task.pk)] == ["one", "two"]


def test_blockers_and_blocked_tasks_are_told_apart(project: Project, cast: Cast) -> None:
    first, second, middle, last, gone = (make_task(project, cast.alice) for _ in range(5))
    pairs = [(second, middle), (first, middle), (gone, middle), (middle, last)]
    for blocker, blocked in pairs:
        dependency_add(blocker_id=blocker.pk, blocked_id=blocked.pk, actor_id=cast.alice.pk)
    task_delete(task_id=gone.pk, actor_id=cast.alice.pk)

    assert list(selectors.task_blockers(task_id=middle.pk)) == [first, second]
    assert list(selectors.task_blocks(task_id=middle.pk)) == [last]
    assert selectors.dependency_exists(blocker_id=first.pk, blocked_id=middle.pk)
    assert not selectors.dependency_exists(blocker_id=middle.pk, blocked_id=first.pk)
    assert not selectors.dependency_exists(blocker_id=first.pk, blocked_id=last.pk)


# What happened


def test_the_history_of_a_task_comes_the_oldest_first(project: Project, cast: Cast) -> None:
    task, _other = (make_task(project, cast.alice) for _ in range(2))
    task_update(task_id=task.pk, actor_id=cast.bob.pk, title="x")
    task_delete(task_id=task.pk, actor_id=cast.alice.pk)

    kinds = [event.kind for event in task_events(task_id=task.pk)]
    assert kinds == [EventKind.TASK_CREATED, EventKind.TASK_UPDATED, EventKind.TASK_DELETED]


def test_the_feed_holds_back_what_its_own_transaction_wrote(project: Project) -> None:
    assert Event.objects.exists()
    assert list(event_feed(limit=10)) == []


def soon(feed: Any, wanted: list[str]) -> list[str]:
    """What the feed shows, once it is as long as wanted. Transactions of other databases hold the
    horizon back as well, and other tests may run beside this one."""
    deadline = time.monotonic() + 240  # a seed of 200,000 tasks may be under way
    while len(shown := [event.changes["n"] for event in feed()]) < len(wanted):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return shown


@pytest.mark.django_db(transaction=True)
def test_the_feed_goes_on_in_order_and_keeps_to_its_tenant() -> None:
    cast = make_cast()
    with tenant_context(cast.beta):
        event_append(EventKind.TASK_UPDATED, actor_id=cast.carol.pk, changes={"n": "foreign"})
    with tenant_context(cast.alpha):
        start = Event.objects.order_by("xid", "id").values_list("xid", "id").last() or (0, 0)
        for name in ("a", "b", "c"):
            event_append(EventKind.TASK_UPDATED, actor_id=cast.alice.pk, changes={"n": name})

        assert soon(lambda: event_feed(after=start, limit=9), ["a", "b", "c"]) == ["a", "b", "c"]
        first, second = event_feed(after=start, limit=2)
        rest = event_feed(after=(second.xid, second.pk), limit=2)
        assert ([first.changes["n"], second.changes["n"]], len(rest)) == (["a", "b"], 1)


@pytest.mark.django_db(transaction=True)
def test_the_feed_never_skips_a_transaction_that_commits_late() -> None:
    cast = make_cast()
    has_written, may_commit = threading.Event(), threading.Event()

    def write_and_linger() -> None:
        with tenant_context(cast.alpha), transaction.atomic():
            event_append(EventKind.TASK_UPDATED, actor_id=cast.alice.pk, changes={"n": "early"})
            has_written.set()
            may_commit.wait(10)
        connection.close()

    with tenant_context(cast.alpha), ThreadPoolExecutor() as threads:
        start = Event.objects.order_by("xid", "id").values_list("xid", "id").last() or (0, 0)
        lingering = threads.submit(write_and_linger)
        has_written.wait(10)
        event_append(EventKind.TASK_UPDATED, actor_id=cast.bob.pk, changes={"n": "late"})
        committed = Event.objects.filter(changes__n="late").count()
        before = list(event_feed(after=start, limit=9))
        may_commit.set()
        lingering.result(10)

        assert (committed, before) == (1, []), "committed, and held back all the same"
        both = soon(lambda: event_feed(after=start, limit=9), ["early", "late"])
        assert both == ["early", "late"]
