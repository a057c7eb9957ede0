"""Each entry of the registry keeps what it says: its index, and its budget of pages.

Among 200,000 tasks in tenants of very different sizes, as the app role behind the policies, for
the first page and the deepest one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Count
from django.http import QueryDict
from django.urls import get_resolver
from pytest_django import DjangoDbBlocker

from perf.pg.plans import Plan, plans_of
from projects.api.listings import LISTINGS as OF_PROJECTS
from projects.api.serializers import ProjectSerializer
from projects.models import Project
from taskproject.api.pagination import Place, page_statement_of
from taskproject.api.projection import projection_of
from taskproject.api.registry import Access, Choice, Listing, entries
from taskproject.db.context import tenant_context
from taskproject.db.names import named
from taskproject.db.statements import run
from taskproject.tenancy.api.listings import LISTINGS as OF_PEOPLE
from taskproject.tenancy.api.serializers import EventSerializer, MemberSerializer, TokenSerializer
from taskproject.tenancy.models import Event, Membership
from taskproject.tests import crowd as crowds
from taskproject.tests.crowd import Sizes
from tasks.api.listings import LISTINGS as OF_TASKS
from tasks.api.listings import TASKS
from tasks.api.serializers import (
    CommentSerializer,
    DependencySerializer,
    LabelSerializer,
    TaskSerializer,
)
from tasks.models import LIVE, Comment, Dependency, Task, TaskLabel

SCALE: Final = int(os.environ.get("PROVE_SCALE", "1"))
SIZES: Final = Sizes(giant=150_000 * SCALE, middling=20_000 * SCALE, tiny=200, tiny_tenants=150)
# One task in 300 has the word, one in 4,096 begins the word of its own with the other one.
WORD: Final = "needle" if SCALE == 1 else "c0f*"
LIMIT: Final = 51  # a page of 50 and the row that tells whether another follows
BY_SIZE: Final = ("giant", "middling", "tiny")

pytestmark = pytest.mark.django_db


@dataclass(frozen=True, slots=True)
class Case:
    """An entry of the registry, perhaps with bounds on its sort column."""

    listing: Listing
    access: Access
    sort: str
    ranged: bool

    def __str__(self) -> str:
        bounds = " within bounds" if self.ranged else ""
        also = " and more" if self.access.matches and self.access.filters == {"label"} else ""
        return f"{self.listing.name} by {self.access.words}{also}, {self.sort}{bounds}"


def _cases() -> Iterator[Case]:
    for listing, access, sort in entries({**OF_TASKS, **OF_PROJECTS, **OF_PEOPLE}):
        yield Case(listing, access, sort, ranged=False)
        if access.ranges:
            yield Case(listing, access, sort, ranged=True)


CASES: Final = tuple(_cases())
SERIALIZERS: Final[dict[str, Any]] = {
    "tasks": TaskSerializer,
    "project-tasks": TaskSerializer,
    "labels": LabelSerializer,
    "comments": CommentSerializer,
    "dependencies": DependencySerializer,
    "task-events": EventSerializer,
    "projects": ProjectSerializer,
    "members": MemberSerializer,
    "tokens": TokenSerializer,
}
each_case = pytest.mark.parametrize("case", CASES, ids=str)
WITHIN: Final = {
    "created_after": "2025-02-01T00:00:00Z",
    "created_before": "2025-10-01T00:00:00Z",
    "due_after": "2025-02-01T00:00:00Z",
    "due_before": "2025-12-01T00:00:00Z",
}


@dataclass(frozen=True, slots=True)
class Seat:
    """A tenant with the values that its filters take, and the places that its lists hang on."""

    tenant: int
    actor_id: int
    values: dict[str, str]
    rare_label: str
    places: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, tenant: int) -> Seat:
        with tenant_context(tenant):
            person = Membership.objects.filter(tenant_id=tenant).order_by("user_id")[1]
            key = Project.objects.order_by("id")[0].key
            labels = _by_number(TaskLabel.objects.all(), "label_id")
            parts = Task.objects.filter(LIVE, parent__isnull=False)
            waiting = Dependency.objects.all()
            told = Event.objects.filter(task_id__isnull=False)
            return cls(
                tenant=tenant,
                actor_id=person.user_id,
                values={
                    "project": key,
                    "status": "done",
                    "assignee": person.user.username,
                    "label": str(labels[0]),
                    "priority": "high",
                    "parent": str(_by_number(parts, "parent_id")[0]),
                    "deleted": "true",
                    "q": WORD,
                    "direction": "blocks",
                },
                rare_label=str(labels[-1]),
                places={
                    "project-tasks": {"project": key},
                    "comments": {"task": _by_number(Comment.objects.all(), "task_id")[0]},
                    "task-events": {"task": _by_number(told, "task_id")[0]},
                    "blocks": {"task": _by_number(waiting, "blocker_id")[0]},
                    "dependencies": {"task": _by_number(waiting, "blocked_id")[0]},
                },
            )


def _by_number(rows: Any, column: str) -> list[int]:
    """The values of a column, those of the most rows first."""
    counted = rows.values_list(column).annotate(n=Count("id")).order_by("-n", column)
    return list(counted.values_list(column, flat=True))


@pytest.fixture(scope="module")
def seats(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[dict[str, Seat]]:
    """What to ask for in three tenants of the crowd, by their sizes."""
    with django_db_blocker.unblock():
        crowds.leave()
        try:
            crowd = crowds.come(SIZES)
            yield {size: Seat.of(getattr(crowd, size)) for size in BY_SIZE}
        finally:
            crowds.leave()


def choice_of(case: Case, seat: Seat) -> Choice:
    """What a request would choose: the case's own access, or the test means nothing."""
    access = case.access
    query = QueryDict(mutable=True)
    query["sort"] = case.sort
    wanted = {*access.filters, "status"} if access.matches else access.filters
    query.update({name: seat.values[name] for name in wanted})
    if access.matches and "label" in access.filters:
        query["label"] = seat.rare_label
    if case.ranged:
        query.update({name: WITHIN[name] for name in access.ranges})
    place = seat.places.get("blocks" if "direction" in wanted else case.listing.name)
    choice = case.listing.choose(query, actor_id=seat.actor_id, place=place)
    assert choice.access is access
    return choice


def first_and_deepest(choice: Choice) -> list[list[Plan]]:
    """For each of the two pages the plans of its statements; the last one is that of the page."""
    access, keyset = choice.access, choice.keyset
    end = list(keyset.page(choice.rows(), backwards=True, within=choice.range, limit=LIMIT))
    found = []
    for key in [None, keyset.key(end[-1])] if len(end) == LIMIT else [None]:
        with plans_of(connection, analyze=True) as plans:
            read(choice, Place(key=key))
        assert len(plans) <= access.statements
        found.append(plans)
    return found


def read(choice: Choice, place: Place, members: tuple[str, ...] | None = None) -> None:
    """Read a page as a request does. A prepared statement is explained with the plan that serves
    every tenant and every value."""
    projection = projection_of(SERIALIZERS[choice.served_by[0]], members)
    if projection is None:
        rows = named(choice.rows(), choice.access.names)
        list(choice.keyset.page(rows, key=place.key, within=choice.range, limit=LIMIT))
        return
    try:
        page = page_statement_of(choice, place, limit=LIMIT - 1, projection=projection)
    except EmptyResultSet:  # the set that is found first is empty: no page is asked for
        return
    values = {**choice.asked.slot_values, **place.slot_values}
    run(page.statement, values, prepare=not choice.access.matches)


@each_case
@pytest.mark.parametrize("size", BY_SIZE)
def test_it_stays_within_its_budget_at_the_first_page_and_the_deepest(
    seats: dict[str, Seat],
    case: Case,
    size: str,
    record_property: Callable[[str, object], None],
) -> None:
    with tenant_context(seats[size].tenant):
        pages = first_and_deepest(choice_of(case, seats[size]))

    costs = [sum(plan.buffers for plan in plans) for plans in pages]
    assert max(costs) <= case.access.buffers, "\n".join(str(each) for each in pages[-1])
    record_property("pages of 8 KiB", costs)


@pytest.mark.parametrize("case", [each for each in CASES if not each.access.matches], ids=str)
def test_on_the_giant_its_index_gives_the_rows_in_order(seats: dict[str, Seat], case: Case) -> None:
    with tenant_context(seats["giant"].tenant):
        pages = first_and_deepest(choice_of(case, seats["giant"]))

    access = case.access
    for *_, plan in pages:
        complaints = plan.complaints(index=access.index, table=access.table, bounds=access.bounds)
        assert complaints == [], str(plan)


@pytest.fixture(scope="module", params=["counted", "thought to be one a tenant"])
def labels(
    request: pytest.FixtureRequest, seats: dict[str, Seat], django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """What PostgreSQL believes of the number of labels. It believes the latter of many tenants
    with one label each, and of all before it has counted."""
    believed = "SET (n_distinct = -1)" if request.param != "counted" else "RESET (n_distinct)"
    with django_db_blocker.unblock():
        _believe(believed)
        yield
        _believe("RESET (n_distinct)")


def _believe(setting: str, table: str = "label", column: str = "tenant_id") -> None:
    owner: Any = connection
    with owner.as_owner(), connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ALTER {column} {setting}")
        cursor.execute(f"ANALYZE {table}")


@pytest.mark.parametrize("size", BY_SIZE)
def test_the_labels_of_a_page_are_looked_up_for_its_tasks_alone(
    seats: dict[str, Seat], labels: None, size: str
) -> None:
    with tenant_context(seats[size].tenant):
        choice = TASKS.choose(QueryDict(), actor_id=seats[size].actor_id)
        plans = [plan_of(choice, ("id",)), plan_of(choice, ("id", "labels"))]
        newest = Task.objects.filter(LIVE).order_by("-created_at", "-id")[:LIMIT]
        links = TaskLabel.objects.filter(task__in=list(newest)).count()

    without, wanted = plans
    bounds = ("tenant_id", "task_id")
    assert links > LIMIT / 5, "the tasks have too few labels to tell"
    assert (
        wanted.complaints(index="task_label_uniq", table="task_label", bounds=bounds, may_sort=True)
        == []
    ), str(wanted)
    assert wanted.uses_index("label_tpk"), str(wanted)
    assert not wanted.uses_index("label_name_uniq"), str(wanted)
    assert wanted.buffers - without.buffers <= 4 * LIMIT + 4 * links, str(wanted)


@pytest.fixture(scope="module")
def small_projects(seats: dict[str, Seat], django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """PostgreSQL believes that a project has twenty tasks."""
    with django_db_blocker.unblock():
        _believe("SET (n_distinct = -0.05)", "task", "project_id")
        yield
        _believe("RESET (n_distinct)", "task", "project_id")


@pytest.mark.parametrize("case", [each for each in CASES if each.sort == "number"], ids=str)
@pytest.mark.parametrize("size", BY_SIZE)
def test_numbers_come_in_order_however_few_tasks_a_project_is_thought_to_have(
    seats: dict[str, Seat], small_projects: None, case: Case, size: str
) -> None:
    with tenant_context(seats[size].tenant):
        pages = first_and_deepest(choice_of(case, seats[size]))

    for *_, plan in pages:
        assert plan.complaints(index="task_number_uniq", table="task") == [], str(plan)
        assert plan.buffers <= case.access.buffers


def plan_of(choice: Choice, members: tuple[str, ...]) -> Plan:
    """The plan of the first page with those members only."""
    with plans_of(connection, analyze=True) as plans:
        read(choice, Place(), members)
    (plan,) = plans
    return plan


def test_every_list_of_every_view_is_in_the_registry() -> None:
    views = [getattr(pattern.callback, "cls", None) for pattern in _patterns(get_resolver())]
    shown = {listing.name for view in views for listing in getattr(view, "listings", {}).values()}

    assert shown == {*OF_TASKS, *OF_PROJECTS, *OF_PEOPLE}


def _patterns(resolver: Any) -> Iterator[Any]:
    for each in resolver.url_patterns:
        if hasattr(each, "url_patterns"):
            yield from _patterns(each)
        else:
            yield each


def test_the_giant_is_large(seats: dict[str, Seat]) -> None:
    with tenant_context(seats["giant"].tenant):
        assert Task.objects.filter(LIVE).count() > 140_000 * SCALE
