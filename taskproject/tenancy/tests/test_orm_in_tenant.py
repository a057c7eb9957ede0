"""What Django's ORM can do, it can do inside a tenant, and it stays inside."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import Count, Exists, F, OuterRef, Prefetch, Subquery
from django.test.utils import CaptureQueriesContext

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import User
from taskproject.tenancy.tests.sql import connection, fetch
from taskproject.tests.cast import Cast
from tasks.models import Comment, Dependency, Label, Task, TaskLabel


@pytest.fixture
def alice(cast: Cast) -> Any:
    """Alice, inside alpha; beta holds rows of its own of every kind."""
    with tenant_context(cast.beta):
        fill(cast.carol)
    with tenant_context(cast.alpha):
        yield cast.alice


def fill(user: User) -> None:
    """A project WEB with the tasks one, two, three; `one` is red, has a comment and blocks two."""
    project = Project.objects.create(key="WEB", name="Web", lead=user)
    one, two, _ = Task.objects.bulk_create(
        Task(project=project, number=n, title=title, creator=user)
        for n, title in enumerate(("one", "two", "three"), 1)
    )
    red = Label.objects.create(name="red")
    Label.objects.create(name="blue")
    TaskLabel.objects.create(task=one, task_created_at=one.created_at, label=red)
    Comment.objects.create(task=one, author=user, body="Hello")
    Dependency.objects.create(blocker=one, blocked=two)


@pytest.fixture
def filled(alice: User) -> User:
    fill(alice)
    return alice


@pytest.fixture
def one(filled: User) -> Task:
    return Task.objects.get(title="one")


def titles(tasks: Any) -> list[str]:
    return sorted(task.title for task in tasks)


class TestWriting:
    def test_create_fills_the_tenant_and_what_the_database_sets(
        self, cast: Cast, alice: User
    ) -> None:
        label = Label.objects.create(name="red")
        assert label.tenant_id == cast.alpha.pk
        assert label.tenant == cast.alpha
        assert Project.objects.create(key="A", name="A").created_at is not None

    def test_bulk_create(self, cast: Cast, alice: User) -> None:
        made = Label.objects.bulk_create(Label(name=f"{n}") for n in range(5))
        assert {label.tenant_id for label in made} == {cast.alpha.pk}
        assert all(label.pk for label in made)
        assert Label.objects.count() == 5

    def test_bulk_create_that_ignores_conflicts(self, filled: User) -> None:
        Label.objects.bulk_create([Label(name="RED"), Label(name="new")], ignore_conflicts=True)
        assert sorted(Label.objects.values_list("name", flat=True)) == ["blue", "new", "red"]

    def test_bulk_create_that_updates_conflicts(self, filled: User) -> None:
        project = Project.objects.get()
        Project.objects.bulk_create(
            [Project(key="WEB", name="Renamed"), Project(key="APP", name="App")],
            update_conflicts=True,
            unique_fields=["tenant", "key"],
            update_fields=["name"],
        )
        project.refresh_from_db()
        assert project.name == "Renamed"
        assert Project.objects.count() == 2

    def test_bulk_update(self, filled: User, cast: Cast) -> None:
        tasks = list(Task.objects.all())
        for task in tasks:
            task.title = task.title.upper()
        assert Task.objects.bulk_update(tasks, ["title"]) == 3
        assert titles(Task.objects.all()) == ["ONE", "THREE", "TWO"]
        with tenant_context(cast.beta):
            assert titles(Task.objects.all()) == ["one", "three", "two"]

    def test_get_or_create(self, filled: User) -> None:
        assert Label.objects.get_or_create(name="red")[1] is False
        assert Label.objects.get_or_create(name="green")[1] is True

    def test_update_or_create(self, filled: User) -> None:
        label, created = Label.objects.update_or_create(name="red", defaults={"colour": "#ff0000"})
        assert not created
        assert Label.objects.get(name="red").colour == label.colour == "#ff0000"
        assert Label.objects.update_or_create(name="green", defaults={})[1] is True

    def test_update_keeps_to_the_tenant(self, filled: User, cast: Cast) -> None:
        assert Task.objects.filter(title="one").update(title="uno", version=F("version") + 1) == 1
        with tenant_context(cast.beta):
            assert Task.objects.filter(title="one", version=1).count() == 1

    def test_save_writes_by_tenant_and_id_in_one_statement(self, one: Task) -> None:
        one.title = "uno"
        with CaptureQueriesContext(connection) as queries:
            one.save(update_fields=["title"])
        assert len(queries) == 1
        assert '"tenant_id" = ' in queries[0]["sql"]

    def test_a_taken_name_leaves_the_transaction_usable(self, filled: User) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            Label.objects.create(name="Red")
        assert Label.objects.count() == 2

    def test_a_form_finds_a_taken_name_by_itself(self, filled: User) -> None:
        with pytest.raises(ValidationError, match="label_name_uniq"):
            Label(name="RED").full_clean()
        with pytest.raises(ValidationError, match="already exists"):
            Project(key="WEB", name="Web").full_clean()

    def test_a_form_without_the_tenant_among_its_fields_finds_it_too(self, filled: User) -> None:
        for twin in (Label(name="RED"), Project(key="WEB", name="Web")):
            with pytest.raises(ValidationError):
                twin.validate_constraints(exclude={"tenant"})

    def test_a_name_of_another_tenant_is_free_in_a_form(self, alice: User) -> None:
        Label(name="red").full_clean()
        Project(key="WEB", name="Web").full_clean()


class TestDeleting:
    def test_a_row_is_deleted_in_one_statement(self, one: Task) -> None:
        with CaptureQueriesContext(connection) as queries:
            assert one.delete() == (1, {"tasks.Task": 1})
        assert len(queries) == 1
        assert '"tenant_id" = ' in queries[0]["sql"]

    def test_the_database_cascades(self, one: Task, cast: Cast) -> None:
        one.delete()
        for model in (TaskLabel, Comment, Dependency):
            assert model.objects.count() == 0
        with tenant_context(cast.beta):
            for model in (TaskLabel, Comment, Dependency):
                assert model.objects.count() == 1

    def test_a_queryset_deletes_within_the_tenant(self, filled: User, cast: Cast) -> None:
        Task.objects.all().delete()
        assert not Comment.objects.exists()
        with tenant_context(cast.beta):
            assert Task.objects.count() == 3

    def test_a_gone_row_deletes_nothing(self, one: Task) -> None:
        one.delete()
        assert one.delete()[0] == 0

    def test_a_child_goes_with_its_parent(self, one: Task, filled: User) -> None:
        child = Task.objects.create(
            project=one.project, number=9, title="child", creator=filled, parent=one
        )
        one.delete()
        assert not Task.objects.contains(child)


class TestReading:
    def test_select_for_update(self, filled: User) -> None:
        with transaction.atomic():
            tasks = Task.objects.select_related("project").select_for_update(of=("self",))
            assert titles(tasks) == ["one", "three", "two"]
            assert 'FOR NO KEY UPDATE OF "task"' in str(
                tasks.select_for_update(of=("self",), no_key=True).query
            )

    def test_select_related_joins_carry_the_tenant(self, filled: User) -> None:
        tasks = Task.objects.select_related("project", "parent")
        sql = str(tasks.query)
        assert '"project"."tenant_id" = ("task"."tenant_id")' in sql
        assert '"T4"."tenant_id" = ("task"."tenant_id")' in sql
        with CaptureQueriesContext(connection) as queries:
            assert {task.project.key for task in tasks} == {"WEB"}
        assert len(queries) == 1

    def test_filters_over_relations_carry_the_tenant(self, filled: User) -> None:
        tasks = Task.objects.filter(task_labels__label__name="red")
        sql = str(tasks.query)
        assert '"task"."tenant_id" = ("task_label"."tenant_id")' in sql
        assert '"label"."tenant_id" = ("task_label"."tenant_id")' in sql
        assert titles(tasks) == ["one"]

    def test_exclude_over_a_through_relation(self, filled: User) -> None:
        tasks = Task.objects.exclude(task_labels__label__name="red")
        assert titles(tasks) == ["three", "two"]
        assert titles(Task.objects.exclude(comments__body="Hello")) == ["three", "two"]
        assert titles(Task.objects.exclude(blocked_by__blocker__title="one")) == ["one", "three"]

    def test_prefetch_of_a_foreign_key(self, filled: User, cast: Cast) -> None:
        with CaptureQueriesContext(connection) as queries:
            tasks = list(Task.objects.prefetch_related("project"))
            assert {task.project.tenant_id for task in tasks} == {cast.alpha.pk}
        assert len(queries) == 2

    def test_prefetch_of_a_reverse_relation(self, filled: User) -> None:
        with CaptureQueriesContext(connection) as queries:
            (project,) = Project.objects.prefetch_related("tasks")
            assert titles(project.tasks.all()) == ["one", "three", "two"]
        assert len(queries) == 2

    def test_prefetch_through_a_link(self, one: Task) -> None:
        links = TaskLabel.objects.select_related("label")
        tasks = Task.objects.prefetch_related(Prefetch("task_labels", queryset=links))
        with CaptureQueriesContext(connection) as queries:
            (found,) = tasks.filter(pk=one.pk)
            assert [link.label.name for link in found.task_labels.all()] == ["red"]
        assert len(queries) == 2

    def test_related_managers_keep_to_the_tenant(self, one: Task, cast: Cast) -> None:
        assert [comment.body for comment in one.comments.all()] == ["Hello"]
        assert one.comments.create(author=cast.bob, body="Yes").tenant_id == cast.alpha.pk
        assert titles([each.blocked for each in one.blocks.all()]) == ["two"]

    def test_annotate_groups_by_the_whole_key(self, filled: User) -> None:
        tasks = Task.objects.annotate(n=Count("task_labels")).order_by("number")
        assert [(task.title, task.n) for task in tasks] == [("one", 1), ("two", 0), ("three", 0)]
        projects = Project.objects.annotate(n=Count("tasks", distinct=True))
        assert [project.n for project in projects] == [3]

    def test_annotate_with_select_related(self, filled: User) -> None:
        tasks = Task.objects.select_related("project").annotate(n=Count("comments"))
        assert sorted((task.title, task.project.key, task.n) for task in tasks) == [
            ("one", "WEB", 1),
            ("three", "WEB", 0),
            ("two", "WEB", 0),
        ]

    def test_values_group_by(self, filled: User) -> None:
        counts = Task.objects.values("project__key").annotate(n=Count("pk")).order_by()
        assert list(counts) == [{"project__key": "WEB", "n": 3}]

    def test_aggregate(self, filled: User) -> None:
        assert Task.objects.aggregate(n=Count("pk"), last=models.Max("number")) == {
            "n": 3,
            "last": 3,
        }

    def test_exists_and_subquery(self, filled: User) -> None:
        links = TaskLabel.objects.filter(task_id=OuterRef("pk"))
        assert titles(Task.objects.filter(Exists(links))) == ["one"]
        body = Comment.objects.filter(task_id=OuterRef("pk")).values("body")[:1]
        found = Task.objects.annotate(said=Subquery(body)).values_list("title", "said")
        assert dict(found) == {"one": "Hello", "two": None, "three": None}

    def test_a_filter_by_a_queryset(self, filled: User) -> None:
        red = Label.objects.filter(name="red")
        assert titles(Task.objects.filter(task_labels__label__in=red)) == ["one"]

    def test_union_and_difference(self, filled: User) -> None:
        one, two = (Task.objects.filter(title=title) for title in ("one", "two"))
        assert titles(one.union(two)) == ["one", "two"]
        assert titles(Task.objects.difference(two)) == ["one", "three"]

    def test_in_bulk(self, one: Task) -> None:
        assert Task.objects.in_bulk([one.pk]) == {one.pk: one}

    def test_iterator(self, filled: User) -> None:
        tasks = Task.objects.prefetch_related("comments").iterator(chunk_size=2)
        assert titles(tasks) == ["one", "three", "two"]

    def test_dates_distinct_first_last_and_slices(self, filled: User) -> None:
        tasks = Task.objects.order_by("number")
        assert (tasks[0].title, tasks.first(), tasks.last()) == ("one", tasks[0], tasks[2])
        assert [task.title for task in tasks[1:3]] == ["two", "three"]
        assert Task.objects.order_by("project").distinct("project").count() == 1

    def test_raw_of_the_manager_is_kept_in_by_row_level_security(self, filled: User) -> None:
        assert titles(Task.objects.raw("SELECT * FROM task")) == ["one", "three", "two"]

    def test_explain(self, filled: User) -> None:
        assert "task" in Task.objects.all().explain()


class TestInstances:
    def test_refresh_from_db(self, one: Task, cast: Cast) -> None:
        fetch("UPDATE task SET title = 'uno' WHERE title = 'one' RETURNING id")
        one.refresh_from_db()
        assert one.title == "uno"
        with tenant_context(cast.beta), pytest.raises(Task.DoesNotExist):
            one.refresh_from_db()

    def test_deferred_fields_are_fetched_within_the_tenant(self, one: Task) -> None:
        found = Task.objects.defer("title", "tenant").get(pk=one.pk)
        assert found.get_deferred_fields() >= {"title", "tenant_id"}
        assert found.title == "one"
        assert found.tenant_id == one.tenant_id
        narrow = Task.objects.only("title").get(pk=one.pk)
        narrow.title = "uno"
        narrow.save()
        assert Task.objects.get(pk=one.pk).title == "uno"

    def test_a_deferred_relation(self, one: Task) -> None:
        assert Task.objects.only("title").get(pk=one.pk).project.key == "WEB"

    def test_an_instance_survives_pickling(self, one: Task) -> None:
        again = pickle.loads(pickle.dumps(one))  # noqa: S301
        assert again == one
        again.title = "uno"
        again.save()
        assert Task.objects.get(pk=one.pk).title == "uno"

    def test_a_queryset_survives_pickling(self, filled: User) -> None:
        tasks = Task.objects.filter(title="one")
        assert titles(pickle.loads(pickle.dumps(tasks))) == ["one"]  # noqa: S301
        query = pickle.loads(pickle.dumps(Task.objects.all().query))  # noqa: S301
        again = Task.objects.all()
        again.query = query
        assert titles(again) == ["one", "three", "two"]

    def test_a_copy_is_a_new_row(self, filled: User) -> None:
        label = Label.objects.get(name="red")
        label.pk, label.name, label._state.adding = None, "crimson", True
        label.save()
        assert Label.objects.count() == 3

    def test_a_relation_is_looked_up_by_tenant_and_id(self, one: Task) -> None:
        found = Task.objects.get(pk=one.pk)
        with CaptureQueriesContext(connection) as queries:
            assert found.project.key == "WEB"
        assert queries[0]["sql"].count('"tenant_id" = ') >= 1

    def test_validation_knows_a_foreign_relation_from_an_own_one(
        self, one: Task, cast: Cast
    ) -> None:
        with tenant_context(cast.beta):
            foreign = Project.objects.get()
        one.project_id = foreign.pk
        with pytest.raises(ValidationError, match="not a valid choice"):
            one.clean_fields()
