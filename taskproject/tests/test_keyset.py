"""Keyset pages on real rows: the order, both directions, rows that come and go between pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.db.keyset import Keyset
from taskproject.tests.cast import Cast, make_project
from taskproject.tests.rows import add_tasks, names_of, rolled_back
from tasks.models import Task
from tasks.selectors import task_list

NEWEST = Keyset(("created_at", "id"), descending=True)
OLDEST = Keyset(("created_at", "id"))
SORTED = [replace(each, sorts=True) for each in (NEWEST, OLDEST)]

# The cast is made once for all examples of a property; each example's own rows are rolled back.
on_real_rows = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
many_ties = st.lists(st.integers(0, 2), max_size=12)
sorts = st.sampled_from([NEWEST, OLDEST, *SORTED])
limits = st.integers(1, 5)


@pytest.fixture
def project(cast: Cast) -> Iterator[Project]:
    """A project of alpha, with alpha active."""
    with tenant_context(cast.alpha):
        yield make_project(cast.alpha, cast.alice)


def in_order(keyset: Keyset) -> list[int]:
    """The ids as Python sorts them."""
    rows = sorted(Task.objects.all(), key=keyset.key, reverse=keyset.descending)
    return [row.pk for row in rows]


def page_after(keyset: Keyset, row: Task | None, limit: int, *, backwards: bool = False):
    key = None if row is None else keyset.key(row)
    return list(keyset.page(task_list(), key=key, backwards=backwards, limit=limit))


def walk(keyset: Keyset, limit: int) -> Iterator[list[Task]]:
    """Pages from the start until an empty one; what the test does between them counts."""
    last = None
    while page := page_after(keyset, last, limit):
        yield page
        last = page[-1]


def test_a_page_begins_at_the_start_when_there_is_no_key(project: Project, cast: Cast) -> None:
    older, newer = add_tasks(project, cast.alice, [0, 1])

    assert page_after(NEWEST, None, 10) == [newer, older]
    assert page_after(OLDEST, None, 10) == [older, newer]


def test_a_page_goes_on_after_its_key(project: Project, cast: Cast) -> None:
    tasks = add_tasks(project, cast.alice, [0, 1, 2, 3])

    assert page_after(OLDEST, tasks[1], 10) == tasks[2:]
    assert page_after(NEWEST, tasks[2], 1) == [tasks[1]]


def test_backwards_the_nearest_row_before_the_key_comes_first(project: Project, cast: Cast) -> None:
    tasks = add_tasks(project, cast.alice, [0, 1, 2, 3])

    assert page_after(OLDEST, tasks[3], 2, backwards=True) == [tasks[2], tasks[1]]
    assert page_after(NEWEST, tasks[0], 2, backwards=True) == [tasks[1], tasks[2]]


def test_rows_of_one_moment_come_in_the_order_of_their_ids(project: Project, cast: Cast) -> None:
    tasks = add_tasks(project, cast.alice, [0] * 5)

    assert page_after(OLDEST, tasks[1], 10) == tasks[2:]
    assert page_after(NEWEST, tasks[3], 10) == tasks[2::-1]


def test_the_key_of_a_row_and_of_a_dict_of_its_values_are_the_same(
    project: Project, cast: Cast
) -> None:
    (task,) = add_tasks(project, cast.alice, [0])

    assert OLDEST.key(task) == (task.created_at, task.pk)
    assert OLDEST.key(Task.objects.values().get()) == (task.created_at, task.pk)


def test_a_key_of_another_length_is_refused(project: Project) -> None:
    with pytest.raises(ValueError, match="has 2 values"):
        OLDEST.page(task_list(), key=(1,), limit=1)


@pytest.mark.parametrize(("keyset", "sign"), [(NEWEST, "<"), (OLDEST, ">")])
def test_the_statement_compares_rows_and_skips_none(
    keyset: Keyset, sign: str, project: Project, cast: Cast
) -> None:
    task = add_tasks(project, cast.alice, [0, 0, 0])[1]

    with CaptureQueriesContext(connection) as queries:
        page_after(keyset, task, 10)

    assert names_of(queries) == ["list tasks"]
    sql = queries.captured_queries[0]["sql"]
    assert f'("task"."created_at", "task"."id") {sign} (' in sql
    assert "OFFSET" not in sql


@pytest.mark.parametrize(("keyset", "sign"), [*zip(SORTED, "<>", strict=True)])
def test_a_short_list_is_put_into_an_order_that_no_index_has(
    keyset: Keyset, sign: str, project: Project, cast: Cast
) -> None:
    task = add_tasks(project, cast.alice, [0, 0, 0])[1]

    with CaptureQueriesContext(connection) as queries:
        page_after(keyset, task, 10)

    sql = queries.captured_queries[0]["sql"]
    direction = "DESC" if keyset.descending else "ASC"
    assert f'(GREATEST("task"."created_at"), "task"."id") {sign} (' in sql
    assert f'ORDER BY GREATEST("task"."created_at") {direction}, "task"."id" {direction}' in sql


@on_real_rows
@given(created_after_s=many_ties, keyset=sorts, limit=limits)
def test_walking_forward_sees_each_row_once_in_order(
    project: Project, cast: Cast, created_after_s: list[int], keyset: Keyset, limit: int
) -> None:
    with rolled_back():
        add_tasks(project, cast.alice, created_after_s)

        seen = [task.pk for page in walk(keyset, limit) for task in page]

        assert seen == in_order(keyset)
        assert len(seen) == len(created_after_s)


@on_real_rows
@given(created_after_s=many_ties, keyset=sorts, limit=limits)
def test_walking_backwards_sees_the_same_rows_the_other_way_round(
    project: Project, cast: Cast, created_after_s: list[int], keyset: Keyset, limit: int
) -> None:
    with rolled_back():
        tasks = add_tasks(project, cast.alice, [*created_after_s, -1 if keyset.descending else 3])
        seen, row = [], tasks[-1]
        while page := page_after(keyset, row, limit, backwards=True):
            seen += [task.pk for task in page]
            row = page[-1]

        assert [tasks[-1].pk, *seen] == in_order(keyset)[::-1]


changes = st.one_of(
    st.tuples(st.just("delete"), st.integers(0, 11)),
    st.tuples(st.just("insert"), st.integers(0, 2)),
)


@on_real_rows
@given(
    created_after_s=many_ties,
    keyset=sorts,
    limit=limits,
    between=st.lists(changes, max_size=12),
)
def test_rows_that_come_and_go_between_pages_neither_repeat_nor_hide_one_that_stays(
    project: Project,
    cast: Cast,
    created_after_s: list[int],
    keyset: Keyset,
    limit: int,
    between: list[tuple[str, int]],
) -> None:
    with rolled_back():
        start = {task.pk for task in add_tasks(project, cast.alice, created_after_s)}
        seen: list[int] = []
        todo = iter(between)
        for page in walk(keyset, limit):
            seen += [task.pk for task in page]
            what, number = next(todo, (None, 0))
            if what == "insert":
                add_tasks(project, cast.alice, [number])
            elif what == "delete":
                Task.objects.filter(pk__in=sorted(start)[number : number + 1]).delete()

        assert len(seen) == len(set(seen))
        assert start & set(in_order(keyset)) <= set(seen)
