"""Each index serves what it says: by PostgreSQL's plans, as the app role, behind the policies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import pytest
from django.apps import apps
from django.contrib.postgres.search import SearchQuery
from django.db import connection
from django.db.models import Index, QuerySet, Subquery, UniqueConstraint
from django.db.models.functions import Lower
from pytest_django import DjangoDbBlocker

from perf.pg.plans import Plan, explain, parse_plan, plans_of
from projects.models import Project
from projects.selectors import project_get, project_list
from taskproject.db.context import tenant_context
from taskproject.db.keyset import Keyset
from taskproject.tenancy.models import Membership, User
from taskproject.tests import crowd as crowds
from taskproject.tests.crowd import Crowd
from tasks import selectors
from tasks.models import LIVE, Comment, Dependency, Label, Priority, Status, Task, TaskLabel
from tasks.services.imports.statements import look

pytestmark = pytest.mark.django_db

LIMIT: Final = 51  # a page of 50 and the row that tells whether another follows
MIDYEAR: Final = datetime(2025, 6, 1, tzinfo=UTC)
MORE_THAN_ENOUGH: Final = datetime(2027, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """A tenant of the crowd with the ids that the selectors ask for."""

    project: int
    person: int
    label: int
    task: int
    parent: int
    dependency: Dependency

    @classmethod
    def of_active_tenant(cls, tenant: int) -> Place:
        child = Task.objects.filter(LIVE, parent__isnull=False).order_by("id")[0]
        return cls(
            project=Project.objects.values_list("id", flat=True).order_by("id")[0],
            person=Membership.objects.filter(tenant_id=tenant)
            .order_by("user_id")
            .values_list("user_id", flat=True)[1],
            label=Label.objects.values_list("id", flat=True).order_by("-id")[0],
            task=child.pk,
            parent=child.parent_id or 0,
            dependency=Dependency.objects.order_by("id")[0],
        )


@pytest.fixture(scope="module")
def crowd(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Crowd]:
    with crowds.visiting(django_db_blocker) as visitors:
        yield visitors


@pytest.fixture
def giant(crowd: Crowd, db: None) -> Iterator[Place]:
    with tenant_context(crowd.giant):
        yield Place.of_active_tenant(crowd.giant)


@pytest.fixture
def middling(crowd: Crowd, db: None) -> Iterator[Place]:
    with tenant_context(crowd.middling):
        yield Place.of_active_tenant(crowd.middling)


@pytest.fixture
def tiny(crowd: Crowd, db: None) -> Iterator[Place]:
    with tenant_context(crowd.tiny):
        yield Place.of_active_tenant(crowd.tiny)


@dataclass(frozen=True, slots=True)
class Page:
    """A list of tasks that is read page by page in the order of its index."""

    name: str
    index: str
    bounds: tuple[str, ...]
    keyset: Keyset
    rows: Callable[[Place], QuerySet[Task]]


def by_key(key: str) -> Subquery:
    """The id of a project, found in the statement itself."""
    return Subquery(Project.objects.filter(key=key).values("pk")[:1])


def by_name(place: Place) -> Subquery:
    """The id of the person of a place, found by name in the statement itself."""
    name = User.objects.get(pk=place.person).username
    return Subquery(User.objects.filter(username=name).values("pk")[:1])


type Narrowing = Callable[[Place], dict[str, Any]]


def _listed(narrowing: Narrowing, place: Place) -> QuerySet[Task]:
    return selectors.task_list(**narrowing(place))


def _pages() -> Iterator[Page]:
    narrowings: dict[str, tuple[str, tuple[str, ...], Narrowing]] = {
        "all": ("task_created_idx", (), lambda place: {}),
        "of a common status": ("task_status_idx", ("status",), lambda _: {"status": Status.DONE}),
        "of a rare status": ("task_status_idx", ("status",), lambda _: {"status": Status.BLOCKED}),
        "of a project": (
            "task_project_idx",
            ("project_id",),
            lambda place: {"project_id": place.project},
        ),
        "of a project and a status": (
            "task_board_idx",
            ("project_id", "status"),
            lambda place: {"project_id": place.project, "status": Status.DONE},
        ),
        "of an assignee": (
            "task_assignee_idx",
            ("assignee_id",),
            lambda place: {"assignee_id": place.person},
        ),
        "of an assignee and a status": (
            "task_work_idx",
            ("assignee_id", "status"),
            lambda place: {"assignee_id": place.person, "status": Status.DONE},
        ),
        "of a priority": (
            "task_priority_idx",
            ("priority",),
            lambda _: {"priority": Priority.URGENT},
        ),
        "of a project found by its key": (
            "task_project_idx",
            ("project_id",),
            lambda _: {"project_id": by_key("P1")},
        ),
        "of a project found by its key and a status": (
            "task_board_idx",
            ("project_id", "status"),
            lambda _: {"project_id": by_key("P1"), "status": Status.DONE},
        ),
        "of an assignee found by name and a status": (
            "task_work_idx",
            ("assignee_id", "status"),
            lambda place: {"assignee_id": by_name(place), "status": Status.DONE},
        ),
    }
    for sort in ("created", "-created"):
        keyset = selectors.TASK_SORTS[sort]
        for name, (index, bounds, given) in narrowings.items():
            yield Page(
                f"{name}, {sort}",
                index,
                ("tenant_id", *bounds),
                keyset,
                partial(_listed, given),
            )
    yield Page(
        "due",
        "task_due_idx",
        ("tenant_id", "due_at"),
        selectors.TASK_SORTS["due"],
        lambda _: selectors.tasks_due(before=MORE_THAN_ENOUGH),
    )
    yield Page(
        "deleted",
        "task_deleted_idx",
        ("tenant_id",),
        selectors.TASK_SORTS["-deleted"],
        lambda _: selectors.tasks_deleted(),
    )
    yield Page(
        "open",
        "task_priority_idx",
        ("tenant_id",),
        selectors.TASK_SORTS["-priority"],
        lambda _: selectors.tasks_open(),
    )


PAGES: Final = tuple(_pages())
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
LABELLED: Final = "task_label_created_idx"
# For each task a look-up by key; and the link itself, until it is known as visible to all.
LABELLED_PAGES: Final = 6 * LIMIT
in_both_directions = pytest.mark.parametrize("backwards", [False, True], ids=["on", "back"])


def first_and_deep(page: Page, place: Place, backwards: bool) -> tuple[Plan, Plan]:
    """The plans of a page at the edge of a list, and of one that begins in its middle."""
    rows = page.rows(place)
    middle = rows.order_by(*page.keyset.columns)[rows.count() // 2]
    first, deep = (
        page.keyset.page(rows, key=key, backwards=backwards, limit=LIMIT)
        for key in (None, page.keyset.key(middle))
    )
    return explain(first, analyze=True), explain(deep, analyze=True)


class TestPages:
    """On the giant, of whose 25,000 tasks no page may cost more than another."""

    @each_page
    @in_both_directions
    def test_its_index_gives_a_page_in_order(
        self, giant: Place, page: Page, backwards: bool
    ) -> None:
        first, deep = first_and_deep(page, giant, backwards)

        bounds = (*page.bounds, *page.keyset.columns)
        assert first.complaints(index=page.index, table="task", bounds=page.bounds) == [], first
        assert deep.complaints(index=page.index, table="task", bounds=bounds) == [], deep

    @each_page
    @in_both_directions
    def test_no_row_is_read_but_those_of_the_page(
        self, giant: Place, page: Page, backwards: bool
    ) -> None:
        for plan in first_and_deep(page, giant, backwards):
            (scan,) = plan.scans(page.index)
            assert (scan.rows, scan.removed, plan.root.rows) == (LIMIT, None, LIMIT), plan

    @each_page
    @in_both_directions
    def test_a_page_deep_inside_costs_no_more_than_a_first_one(
        self, giant: Place, page: Page, backwards: bool
    ) -> None:
        first, deep = first_and_deep(page, giant, backwards)

        # Rows that were written together lie together: then a page may cost less, at any depth.
        row_by_row = LIMIT + 10  # a page of the table for each row, and the way down the index
        assert first.buffers <= row_by_row, first
        assert deep.buffers <= max(row_by_row, 2 * first.buffers), deep

    @each_page
    @in_both_directions
    def test_a_tiny_tenant_never_reads_the_whole_table(
        self, tiny: Place, page: Page, backwards: bool
    ) -> None:
        for plan in first_and_deep(page, tiny, backwards):
            assert plan.seq_scans("task") == (), plan
            assert plan.buffers <= 200, plan  # it has 200 tasks

    def test_the_numbers_of_a_project_come_in_order(self, giant: Place) -> None:
        rows = selectors.task_list(project_id=giant.project)
        order = selectors.TASK_SORTS["number"]
        plan = explain(order.page(rows, key=(500,), limit=LIMIT), analyze=True)

        bounds = ["tenant_id", "project_id", "number"]
        assert plan.complaints(index="task_number_uniq", table="task", bounds=bounds) == [], plan
        assert plan.buffers <= 2 * LIMIT


def labelled(
    label_id: int | Subquery, sort: str, depth_ratio: float | None, *, backwards: bool
) -> Plan:
    """The plan of a page of the tasks that carry a label; without a depth, of the first one."""
    order = selectors.LABELLED_SORTS[sort]
    rows = selectors.task_list(label_id=label_id)
    key = None
    if depth_ratio is not None:
        count = rows.count()
        key = order.key(order.page(rows, limit=count)[int(count * depth_ratio)])
    return explain(order.page(rows, key=key, backwards=backwards, limit=LIMIT), analyze=True)


class TestLabelled:
    """Every second task of the giant carries Label 1, one in a hundred Label 2, the oldest tenth
    Label 3, one in a thousand Label 200."""

    @pytest.mark.parametrize("name", ["Label 1", "Label 2", "Label 3", "Label 200"])
    @pytest.mark.parametrize("depth_ratio", [None, 0.5, 0.9])
    @pytest.mark.parametrize("sort", sorted(selectors.LABELLED_SORTS))
    @in_both_directions
    def test_the_index_gives_a_page_in_order_at_any_depth(
        self, giant: Place, name: str, depth_ratio: float | None, sort: str, backwards: bool
    ) -> None:
        label_id = Label.objects.get(name=name).pk
        plan = labelled(label_id, sort, depth_ratio, backwards=backwards)

        bounds = ["tenant_id", "label_id", *(["task_created_at", "task_id"] if depth_ratio else [])]
        assert plan.complaints(index=LABELLED, table="task_label", bounds=bounds) == [], plan
        assert plan.seq_scans("task") == (), plan
        assert plan.buffers <= LABELLED_PAGES, plan

    @pytest.mark.parametrize("name", ["Label 1", "Label 200"])
    @pytest.mark.parametrize("sort", sorted(selectors.LABELLED_SORTS))
    def test_a_label_may_be_found_in_the_statement_itself(
        self, giant: Place, name: str, sort: str
    ) -> None:
        label_id = Subquery(Label.objects.filter(name=name).values("pk")[:1])
        plan = labelled(label_id, sort, None, backwards=False)

        bounds = ["tenant_id", "label_id"]
        assert plan.complaints(index=LABELLED, table="task_label", bounds=bounds) == [], plan
        assert plan.buffers <= LABELLED_PAGES, plan

    @pytest.mark.parametrize("name", ["Label 1", "Label 5"])
    @pytest.mark.parametrize("sort", sorted(selectors.LABELLED_SORTS))
    def test_a_tiny_tenant_never_reads_a_whole_table(
        self, tiny: Place, name: str, sort: str
    ) -> None:
        plan = labelled(Label.objects.get(name=name).pk, sort, 0.5, backwards=False)

        assert plan.nodes("Seq Scan") == (), plan
        assert plan.buffers <= LABELLED_PAGES, plan


def ids_at(place: str, count: int) -> list[int]:
    """The ids of that many live tasks that stand somewhere in the list of all."""
    ids = list(Task.objects.filter(LIVE).order_by("created_at", "id").values_list("pk", flat=True))
    spread = ids[:: max(1, len(ids) // count)]
    return {"oldest": ids, "newest": ids[::-1], "spread": spread}[place][:count]


class TestMatched:
    """Lists that are narrowed to ids found before, as many as there may be."""

    # A look-up by key for each. PostgreSQL 15 goes down the index for each, four pages with the
    # row's own; 18 reads neighbours in the index together.
    BUFFERS: Final = 5 * selectors.MATCHES_CAP

    @pytest.mark.parametrize("place", ["oldest", "newest", "spread"])
    @pytest.mark.parametrize("sort", sorted(selectors.MATCHED_SORTS))
    @in_both_directions
    def test_they_are_sorted_and_never_sought_along_an_index(
        self, giant: Place, place: str, sort: str, backwards: bool
    ) -> None:
        rows = selectors.task_list().filter(pk__in=ids_at(place, selectors.MATCHES_CAP))
        page = selectors.MATCHED_SORTS[sort].page(rows, backwards=backwards, limit=LIMIT)
        plan = explain(page, analyze=True)

        assert plan.complaints(index="task_tpk", table="task", may_sort=True) == [], plan
        assert plan.has_sort, plan
        assert plan.buffers <= self.BUFFERS, plan

    @pytest.mark.parametrize(
        "narrowing",
        [
            lambda place: {"status": Status.BLOCKED},
            lambda place: {"project_id": place.project},
            lambda place: {"assignee_id": place.person, "status": Status.DONE},
            lambda place: {"priority": Priority.URGENT},
            lambda place: {"project_id": by_key("P1"), "status": Status.DONE},
        ],
        ids=["status", "project", "work", "priority", "board"],
    )
    @pytest.mark.parametrize("place", ["oldest", "newest", "spread"])
    def test_other_filters_only_narrow_them_further(
        self, giant: Place, place: str, narrowing: Narrowing
    ) -> None:
        ids = ids_at(place, selectors.MATCHES_CAP)
        rows = selectors.task_list(**narrowing(giant)).filter(pk__in=ids)
        plan = explain(selectors.MATCHED_SORTS["-created"].page(rows, limit=LIMIT), analyze=True)

        assert plan.seq_scans("task") == (), plan
        assert plan.has_sort, plan
        assert plan.buffers <= self.BUFFERS, plan

    def test_the_ids_of_a_label_come_from_its_index_and_stop_beyond_the_cap(
        self, giant: Place
    ) -> None:
        with plans_of(connection, analyze=True) as plans, pytest.raises(selectors.TooManyMatches):
            selectors.label_matches(label_id=Label.objects.get(name="Label 1").pk)
        plan = plans[-1]

        bounds = ["tenant_id", "label_id"]
        assert plan.complaints(index=LABELLED, table="task_label", bounds=bounds) == [], plan
        assert plan.root.rows == selectors.MATCHES_CAP + 1
        # The index alone, and a page for each link that is not yet known as visible to all.
        assert plan.buffers <= selectors.MATCHES_CAP + 50, plan


@dataclass(frozen=True, slots=True)
class LookUp:
    """A selector that finds a few rows, and the index it finds them by."""

    index: str
    bounds: tuple[str, ...]
    run: Callable[[Place], Any]
    table: str = "task"
    may_sort: bool = False
    buffers: int = 10
    twin: str = ""  # another index with the same columns, which is as good


LOOK_UPS: Final[dict[str, LookUp]] = {
    "task_get": LookUp(
        "task_tpk",
        ("tenant_id", "id"),
        lambda place: selectors.task_get(task_id=place.task),
        # PostgreSQL may sort the one task by its project, to join the two.
        may_sort=True,
    ),
    "task_id_of": LookUp(
        "task_number_uniq",
        ("tenant_id", "project_id", "number"),
        lambda place: selectors.task_id_of(key=("P1", 3)),
    ),
    "task_by_key": LookUp(
        "task_number_uniq",
        ("tenant_id", "project_id", "number"),
        lambda place: selectors.task_by_key(project_key="P1", number=3).get(),
        buffers=20,  # with its project, assignee and creator
    ),
    "task_require": LookUp(
        "task_tpk", ("tenant_id", "id"), lambda place: selectors.task_require(task_id=place.task)
    ),
    "look": LookUp(
        "task_external_key_uniq",
        ("tenant_id", "external_key"),
        lambda place: look(
            projects=["P1"], people=["none"], labels=["label 1"], keys=["JIRA-5", "JIRA-9", "none"]
        ),
        may_sort=True,  # the projects, to lock them in order
        buffers=300,  # with the names of sixty members and 200 labels, which are few
    ),
    "external_keys_taken": LookUp(
        "task_external_key_uniq",
        ("tenant_id", "external_key"),
        lambda place: list(selectors.external_keys_taken(keys=["JIRA-5", "JIRA-9", "none"])),
    ),
    "task_is_live": LookUp(
        "task_tpk", ("tenant_id", "id"), lambda place: selectors.task_is_live(task_id=place.task)
    ),
    "tasks_due": LookUp(
        "task_due_idx",
        ("tenant_id", "due_at"),
        lambda place: list(selectors.tasks_due(before=MIDYEAR)[:LIMIT]),
        buffers=LIMIT + 10,
    ),
    "task_children": LookUp(
        "task_parent_idx",
        ("tenant_id", "parent_id"),
        lambda place: list(selectors.task_children(task_id=place.parent)),
    ),
    "project_has_active_tasks": LookUp(
        "task_board_idx",
        ("tenant_id", "project_id", "status"),
        lambda place: selectors.project_has_active_tasks(project_id=place.project),
    ),
    "task_list of a parent": LookUp(
        "task_parent_idx",
        ("tenant_id", "parent_id"),
        lambda place: list(
            selectors.TASK_SORTS["created"].page(
                selectors.task_list(parent_id=place.parent), limit=LIMIT
            )
        ),
    ),
    "label_matches": LookUp(
        LABELLED,
        ("tenant_id", "label_id"),
        lambda place: selectors.label_matches(label_id=place.label),
        table="task_label",
        buffers=60,  # of some twenty tasks, whose links may not be known as visible to all
    ),
    "task_labels": LookUp(
        "task_label_uniq",
        ("tenant_id", "task_id"),
        lambda place: list(selectors.task_labels(task_id=TaskLabel.objects.all()[0].task_id)),
        table="task_label",
        may_sort=True,
        buffers=20,
    ),
    "task_comments": LookUp(
        "comment_task_idx",
        ("tenant_id", "task_id"),
        lambda place: list(selectors.task_comments(task_id=Comment.objects.all()[0].task_id)),
        table="comment",
    ),
    "task_blockers": LookUp(
        "dependency_blocked_idx",
        ("tenant_id", "blocked_id"),
        lambda place: list(selectors.task_blockers(task_id=place.dependency.blocked_id)),
        table="dependency",
        may_sort=True,
    ),
    "task_blocks": LookUp(
        "dependency_uniq",
        ("tenant_id", "blocker_id"),
        lambda place: list(selectors.task_blocks(task_id=place.dependency.blocker_id)),
        table="dependency",
        may_sort=True,
    ),
    "dependency_exists": LookUp(
        "dependency_uniq",
        ("tenant_id", "blocker_id", "blocked_id"),
        lambda place: selectors.dependency_exists(
            blocker_id=place.dependency.blocker_id, blocked_id=place.dependency.blocked_id
        ),
        table="dependency",
        twin="dependency_blocked_idx",
    ),
    "label_list": LookUp(
        "label_name_uniq",
        ("tenant_id",),
        lambda place: list(selectors.LABEL_ORDER.page(selectors.label_list(), limit=LIMIT)),
        table="label",
        may_sort=True,
        buffers=50,  # of 200 labels, in the order of the index or sorted
    ),
    "project_get": LookUp(
        "project_key_uniq",
        ("tenant_id", "key"),
        lambda place: project_get(key="P1"),
        table="project",
    ),
}
each_look_up = pytest.mark.parametrize("name", LOOK_UPS)


def plan_of(look_up: LookUp, place: Place) -> Plan:
    """The plan of the selector's own statement: the last one that its call runs."""
    with plans_of(connection, analyze=True) as plans:
        look_up.run(place)
    return plans[-1]


class TestLookUps:
    @each_look_up
    def test_its_index_finds_the_rows(self, giant: Place, name: str) -> None:
        look_up = LOOK_UPS[name]
        plan = plan_of(look_up, giant)

        complaints = plan.complaints(
            index=look_up.twin if plan.scans(look_up.twin) else look_up.index,
            table=look_up.table,
            bounds=look_up.bounds,
            may_sort=look_up.may_sort,
        )
        assert complaints == [], plan

    @each_look_up
    def test_it_reads_a_few_pages_only(self, giant: Place, name: str) -> None:
        plan = plan_of(LOOK_UPS[name], giant)

        assert plan.buffers <= LOOK_UPS[name].buffers, plan

    @each_look_up
    def test_a_tiny_tenant_never_reads_the_whole_table(self, tiny: Place, name: str) -> None:
        plan = plan_of(LOOK_UPS[name], tiny)

        assert plan.nodes("Seq Scan") == (), plan

    def test_the_projects_of_a_tenant_come_in_order(self, middling: Place) -> None:
        plan = explain(project_list(), analyze=True)

        bounds = ["tenant_id"]
        assert plan.complaints(index="project_key_uniq", table="project", bounds=bounds) == [], plan


def test_every_index_of_tasks_and_projects_is_held_by_a_plan() -> None:
    declared = {
        each.name
        for label in ("projects", "tasks")
        for model in apps.get_app_config(label).get_models()
        for each in (*model._meta.indexes, *model._meta.constraints)
        if isinstance(each, Index | UniqueConstraint)
    }
    held = {page.index for page in PAGES} | {each.index for each in LOOK_UPS.values()}

    # TestSearch holds the one that a function uses.
    assert declared - {"task_search_idx"} == held - {"task_tpk"}


def search() -> QuerySet[Task]:
    """Live tasks with the word that one task in three hundred has."""
    return Task.objects.filter(LIVE, search=SearchQuery("needle", config="simple"))


def plan_of_owner(rows: QuerySet[Any], *, without: Sequence[str] = ()) -> Plan:
    """The plan for the owner, whom no policy binds; `without` some indexes, which come back."""
    sql, params = rows.query.get_compiler("default").as_sql()
    with crowds.owner_session() as owner, owner.transaction(force_rollback=True):
        # The test's own transaction may have read the table: then a DROP would wait for it.
        owner.execute("SET LOCAL lock_timeout = '2s'")
        for index in without:
            owner.execute(f"DROP INDEX {index}".encode())
        row = owner.execute(f"EXPLAIN (FORMAT JSON) {sql}".encode(), params).fetchone()
    assert row is not None
    return parse_plan(row[0])


class TestLeakproof:
    """Before a policy has passed a row, PostgreSQL runs no function on it that could tell of it
    in an error. What is not marked leakproof can't narrow an index then: `@@` and `lower()`."""

    def test_the_app_role_never_searches_by_the_search_index(self, giant: Place) -> None:
        for rows in (search(), search().order_by("-created_at", "-id")[:LIMIT]):
            plan = explain(rows)

            assert not any(scan.bounds("search") for scan in plan.scans("task_search_idx")), plan

    def test_the_match_is_a_filter_on_rows_that_were_read_for_it(self, giant: Place) -> None:
        plan = explain(search(), analyze=True)

        (reader,) = [node for node in plan.nodes() if "@@" in (node.filter or "")]
        assert reader.removed is not None
        assert reader.removed >= 24_000, plan

    def test_the_owner_searches_by_the_search_index(self, giant: Place) -> None:
        plan = plan_of_owner(search())

        assert plan.complaints(index="task_search_idx", table="task", bounds=["search"]) == []

    def test_names_of_labels_are_compared_on_all_labels_of_the_tenant(self, giant: Place) -> None:
        plan = explain(
            Label.objects.annotate(folded=Lower("name")).filter(folded__in=["label 1", "label 2"])
        )

        (scan,) = plan.scans("label_name_uniq")
        assert scan.bounds("tenant_id")
        assert not scan.bounds("lower"), plan
        assert plan.seq_scans("label") == ()


BODY: Final = "SELECT prosrc FROM pg_proc WHERE oid = 'task_matches'::regproc"
# The words that most tasks have, and twenty of them: as much as may be asked for.
EVERYWHERE: Final = "task of the some words a description"
TWENTY: Final = " ".join([EVERYWHERE] * 3).rsplit(" ", 1)[0]


def plan_within(tenant_id: int, words: str, *, mode: str) -> Plan:
    """The plan of the statement within task_matches, with its parameters unknown or known."""
    with crowds.owner_session() as owner:
        (body,) = owner.execute(BODY).fetchone() or ("",)
        for place, name in enumerate(("words", "phrases", "cap"), 1):
            body = re.sub(rf"\b{name}\b", f"${place}", body)
        owner.execute(f"SET app.tenant_id = '{tenant_id}'".encode())
        owner.execute(f"SET plan_cache_mode = force_{mode}_plan".encode())
        owner.execute(f"PREPARE within (tsquery, tsquery, integer) AS {body}".encode())
        explained = (
            "EXPLAIN (ANALYZE, TIMING FALSE, BUFFERS, FORMAT JSON) EXECUTE within (%s, '', %s)"
        )
        row = owner.execute(explained, [words, selectors.MATCHES_CAP + 1]).fetchone()
    assert row is not None
    return parse_plan(row[0])


def cost_of(words: str) -> Plan:
    """The plan of a whole search, with what the function reads."""
    with plans_of(connection, analyze=True) as plans, suppress(selectors.TooManyMatches):
        selectors.task_matches(words=words)
    (plan,) = plans
    return plan


class TestSearch:
    """On the giant one task in 300 has a needle. The function is opaque to EXPLAIN, so that its
    text is looked at as the owner runs it, and its pages as the app role calls it."""

    # A page for each of the tasks that may come back, and the index.
    BUFFERS: Final = selectors.MATCHES_CAP + 500

    @pytest.mark.parametrize("mode", ["generic", "custom"])
    @pytest.mark.parametrize("words", ["needle", "some & words", "nee:*", "absent"])
    @pytest.mark.parametrize("tenant", ["giant", "middling", "tiny"])
    def test_the_index_finds_the_words_of_the_tenant_whatever_is_sought(
        self, crowd: Crowd, tenant: str, words: str, mode: str
    ) -> None:
        plan = plan_within(getattr(crowd, tenant), words, mode=mode)

        bounds = ["tenant_id", "search"]
        assert plan.complaints(index="task_search_idx", table="task", bounds=bounds) == [], plan
        assert plan.indexes == ("task_search_idx",), plan

    @pytest.mark.parametrize(
        ("words", "rows"),
        [
            ("needle", 83),
            ("nee*", 83),
            ('"needle of"', 83),
            ("some words", 1001),
            ('"words of"', 1001),
            (TWENTY, 1001),
            ("desc* nee*", 73),
            ("absent", 1),
            ("abs*", 1),
        ],
    )
    def test_it_reads_no_more_than_it_may_find(self, giant: Place, words: str, rows: int) -> None:
        plan = cost_of(words)

        assert plan.root.rows == pytest.approx(rows, abs=4), plan
        assert plan.buffers <= min(self.BUFFERS, 4 * rows + 100), plan

    @pytest.mark.parametrize("words", ["needle", "some words", TWENTY, "nee*", "som* wor*"])
    def test_a_tiny_tenant_pays_for_its_own_tasks(self, tiny: Place, words: str) -> None:
        plan = cost_of(words)

        assert plan.buffers <= 200 + 25 * len(words.split()), plan  # it has 200 tasks


class TestTheTestsThemselves:
    def test_a_page_without_its_index_is_complained_of(self, crowd: Crowd) -> None:
        with tenant_context(crowd.giant):
            rows = selectors.TASK_SORTS["-created"].page(selectors.task_list(), limit=LIMIT)
            whole = plan_of_owner(rows)
            broken = plan_of_owner(rows, without=["task_created_idx"])

        expected: dict[str, Any] = {"index": "task_created_idx", "table": "task"}
        assert whole.complaints(bounds=["tenant_id"], **expected) == []
        assert broken.complaints(bounds=["tenant_id"], **expected)[0].startswith(
            "task_created_idx is not used"
        )

    def test_an_order_that_no_index_has_is_complained_of(self, giant: Place) -> None:
        plan = explain(selectors.task_list().order_by("updated_at")[:LIMIT])

        assert "the rows are sorted" in plan.complaints(index="task_created_idx", table="task")

    def test_a_filter_that_no_index_has_is_complained_of(self, giant: Place) -> None:
        plan = explain(selectors.task_list().filter(title="Task 9"))

        found = plan.complaints(index="task_created_idx", table="task", bounds=["title"])
        assert found != []

    def test_the_crowd_stays_out_of_a_database_that_is_no_test_database(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(connection.settings_dict, "NAME", "tasks")

        with pytest.raises(RuntimeError, match="a test database only; 'tasks' is none"):
            crowds.leave()

    def test_plans_are_taken_as_a_role_that_policies_bind(self, giant: Place) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
            )
            assert cursor.fetchone() == (False,)
            cursor.execute("SELECT count(DISTINCT tenant_id), count(*) > 24000 FROM task")
            assert cursor.fetchone() == (1, True)
