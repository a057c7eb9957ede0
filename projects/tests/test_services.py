"""Writes of projects, and the numbers that tasks take from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from projects.models import Project
from projects.selectors import project_get, project_list
from projects.services import (
    ProjectArchived,
    numbers_take,
    project_create,
    project_set_archived,
    project_update,
)
from taskproject.db.context import tenant_context
from taskproject.db.versions import VersionConflict
from taskproject.tenancy.models import Event, EventKind
from taskproject.tests.cast import Cast, make_project


@pytest.fixture
def project(cast: Cast) -> Iterator[Project]:
    """Alpha's project WEB, with alpha active."""
    with tenant_context(cast.alpha):
        yield make_project(cast.alpha, cast.alice)


def events(project: Project) -> list[tuple[EventKind, int, Any]]:
    """Kind, actor and changes of each event of a project, oldest first."""
    rows = Event.objects.filter(project_id=project.pk).order_by("id")
    return [(EventKind(row.kind), row.actor_id or 0, row.changes) for row in rows]


def test_a_new_project_begins_at_number_one_and_version_one(cast: Cast) -> None:
    with tenant_context(cast.alpha):
        made = project_create(
            key="WEB",
            name="Website",
            description="Ours",
            lead_id=cast.bob.pk,
            actor_id=cast.alice.pk,
        )
        project = project_get(key="WEB")

        assert project == made
        assert (project.name, project.description) == ("Website", "Ours")
        assert (project.lead_id, project.next_number, project.version) == (cast.bob.pk, 1, 1)
        assert events(project) == [
            (EventKind.PROJECT_CREATED, cast.alice.pk, {"key": "WEB", "name": "Website"})
        ]


@pytest.mark.parametrize("key", ["", "web", "1A", "W-B", "WEB ", "ABCDEFGHIJK", "Ä", "W\n"])
def test_a_malformed_key_is_refused(key: str, cast: Cast) -> None:
    with tenant_context(cast.alpha), pytest.raises(ValidationError) as refusal:
        project_create(key=key, name="x", actor_id=cast.alice.pk)

    # PostgreSQL's pattern is stricter with a line break at the end than Python's.
    assert set(refusal.value.message_dict) <= {"key", "__all__"}


def test_a_key_is_taken_in_its_own_tenant_only(project: Project, cast: Cast) -> None:
    with pytest.raises(ValidationError):
        project_create(key="WEB", name="Again", actor_id=cast.alice.pk)

    assert make_project(cast.beta, cast.carol, "WEB").key == "WEB"


def test_a_project_needs_a_name(cast: Cast) -> None:
    with tenant_context(cast.alpha), pytest.raises(ValidationError) as refusal:
        project_create(key="WEB", name="", actor_id=cast.alice.pk)

    assert set(refusal.value.message_dict) == {"name"}


def test_only_a_member_leads_a_project(cast: Cast) -> None:
    with tenant_context(cast.alpha), pytest.raises(IntegrityError), transaction.atomic():
        project_create(key="WEB", name="x", lead_id=cast.carol.pk, actor_id=cast.alice.pk)

    with tenant_context(cast.alpha):
        assert not project_list().exists()


def test_an_update_writes_what_differs_and_says_so(project: Project, cast: Cast) -> None:
    updated = project_update(
        project_id=project.pk, actor_id=cast.bob.pk, name="Shop", description=""
    )

    stored = Project.objects.get()
    assert (stored.name, stored.version, updated.version) == ("Shop", 2, 2)
    assert stored.updated_at == updated.updated_at
    assert events(project)[1:] == [
        (EventKind.PROJECT_UPDATED, cast.bob.pk, {"name": ["Web", "Shop"]})
    ]


def test_an_update_that_changes_nothing_writes_nothing(project: Project, cast: Cast) -> None:
    project_update(project_id=project.pk, actor_id=cast.bob.pk, name="Web", lead_id=None)

    stored = Project.objects.get()
    assert (stored.version, stored.updated_at) == (1, project.updated_at)
    assert len(events(project)) == 1


def test_an_update_from_the_version_that_was_seen_goes_through(
    project: Project, cast: Cast
) -> None:
    for version in (1, 2):
        project_update(
            project_id=project.pk, actor_id=cast.bob.pk, if_version=version, name=f"At {version}"
        )

    stored = Project.objects.get()
    assert (stored.name, stored.version) == ("At 2", 3)


@pytest.mark.parametrize("version", [0, 1, 3])
def test_an_update_from_another_version_is_refused(
    version: int, project: Project, cast: Cast
) -> None:
    project_update(project_id=project.pk, actor_id=cast.alice.pk, name="Second")

    with pytest.raises(VersionConflict, match="The project is at version 2"):
        project_update(
            project_id=project.pk, actor_id=cast.bob.pk, if_version=version, name="Third"
        )

    assert (Project.objects.get().name, len(events(project))) == ("Second", 2)


@pytest.mark.parametrize("field", ["key", "next_number", "archived_at", "version", "tenant_id"])
def test_other_fields_can_not_be_changed(field: str, project: Project, cast: Cast) -> None:
    with pytest.raises(TypeError, match=field):
        project_update(project_id=project.pk, actor_id=cast.alice.pk, **{field: 7})


def test_an_archived_project_can_be_brought_back(project: Project, cast: Cast) -> None:
    for archived in (True, True, False, False):
        project_set_archived(project_id=project.pk, archived=archived, actor_id=cast.alice.pk)

    stored = Project.objects.get()
    assert (stored.archived_at, stored.version) == (None, 3)
    kinds = [kind for kind, _, _ in events(project)]
    assert kinds[1:] == [EventKind.PROJECT_ARCHIVED, EventKind.PROJECT_UNARCHIVED]


def test_archiving_notes_when(project: Project, cast: Cast) -> None:
    archived = project_set_archived(project_id=project.pk, archived=True, actor_id=cast.alice.pk)

    assert archived.archived_at == Project.objects.get().archived_at is not None


def test_a_project_of_another_tenant_does_not_exist(project: Project, cast: Cast) -> None:
    doings: list[Any] = [
        lambda: project_update(project_id=project.pk, actor_id=cast.carol.pk, name="Mine"),
        lambda: project_set_archived(project_id=project.pk, archived=True, actor_id=cast.carol.pk),
        lambda: numbers_take(project_id=project.pk),
        lambda: project_get(key="WEB"),
    ]
    for do in doings:
        with tenant_context(cast.beta), pytest.raises(Project.DoesNotExist):
            do()

    stored = Project.objects.get()
    assert (stored.name, stored.next_number, stored.archived_at) == ("Web", 1, None)


def test_numbers_follow_each_other(project: Project) -> None:
    taken = [numbers_take(project_id=project.pk, count=count) for count in (1, 1, 5, 2)]

    assert taken == [1, 2, 3, 8]
    assert Project.objects.get().next_number == 10


def test_numbers_are_free_again_after_a_rollback(project: Project) -> None:
    with transaction.atomic():
        assert numbers_take(project_id=project.pk, count=7) == 1
        transaction.set_rollback(True)

    assert numbers_take(project_id=project.pk) == 1


def test_each_project_counts_for_itself(project: Project, cast: Cast) -> None:
    other = make_project(cast.alpha, cast.alice, "APP")

    assert [numbers_take(project_id=each.pk) for each in (project, other, project)] == [1, 1, 2]


@pytest.mark.parametrize("count", [0, -1])
def test_no_number_can_not_be_taken(count: int, project: Project) -> None:
    with pytest.raises(ValueError, match="At least one"):
        numbers_take(project_id=project.pk, count=count)


def test_an_archived_project_gives_no_numbers(project: Project, cast: Cast) -> None:
    project_set_archived(project_id=project.pk, archived=True, actor_id=cast.alice.pk)

    with pytest.raises(ProjectArchived), transaction.atomic():
        numbers_take(project_id=project.pk)

    assert Project.objects.get().next_number == 1


def test_projects_are_listed_by_key_archived_ones_too(project: Project, cast: Cast) -> None:
    archived = make_project(cast.alpha, cast.alice, "APP")
    make_project(cast.beta, cast.carol, "BETA")
    project_set_archived(project_id=archived.pk, archived=True, actor_id=cast.alice.pk)

    assert [each.key for each in project_list()] == ["APP", "WEB"]
