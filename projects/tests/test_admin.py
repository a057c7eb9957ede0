"""Projects in the web admin are written by services, with events and versions."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from projects.models import Project
from projects.services import project_update
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import EventKind, Membership
from taskproject.tenancy.webadmin.tests.pages import (
    address,
    body,
    contents,
    enter,
    errors,
    last_event,
    messages,
    page_of,
    told,
)
from taskproject.tenancy.webadmin.tests.walls import filled, on_page, selection
from taskproject.tests.cast import Cast, make_project, make_task
from tasks.models import Status

pytestmark = pytest.mark.django_db

LIST = address("alpha", page_of(Project))


@pytest.fixture
def project(cast: Cast) -> Project:
    """Alpha's project WEB."""
    return make_project(cast.alpha, cast.alice)


@pytest.fixture
def alice(cast: Cast) -> Client:
    """The browser of Alice, who owns alpha."""
    return enter(cast.alice)


def at(project: Project, page: str = "change") -> str:
    return f"{LIST}{project.pk}/{page}/"


def save(client: Client, project: Project, **changed: Any) -> Any:
    """Send the form of a project as its page gave it, but for what is changed."""
    return client.post(at(project), filled(client.get(at(project))) | changed)


def now(cast: Cast, project: Project) -> Project:
    with tenant_context(cast.alpha):
        return Project.objects.get(pk=project.pk)


def test_a_new_project_has_its_values_and_an_event(cast: Cast, alice: Client) -> None:
    since = last_event(cast.alpha)
    sent = {"key": "WEB", "name": "Web", "description": "All.", "lead": cast.bob.pk}

    assert alice.post(f"{LIST}add/", sent).status_code == 302

    with tenant_context(cast.alpha):
        made = Project.objects.get()
    assert (made.key, made.name, made.description) == ("WEB", "Web", "All.")
    assert (made.lead_id, made.version) == (cast.bob.pk, 1)
    changes = {"key": "WEB", "name": "Web"}
    assert told(cast.alpha, since) == [(EventKind.PROJECT_CREATED, cast.alice.pk, changes)]
    assert LogEntry.objects.count() == 0


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"key": ""}, "key"),
        ({"key": "web"}, "key"),
        ({"key": "X" * 11}, "key"),
        ({"name": ""}, "name"),
        ({"description": "ä" * 40_000}, "description"),
        ({"key": "WEB"}, "key"),
    ],
)
def test_what_is_refused_is_told_on_its_field(
    cast: Cast, project: Project, alice: Client, sent: dict[str, str], field: str
) -> None:
    before = contents(cast.alpha)

    page = alice.post(f"{LIST}add/", {"key": "NEW", "name": "New", "description": ""} | sent)

    assert list(errors(page)) == [field]
    assert contents(cast.alpha) == before


def test_a_taken_key_is_refused(cast: Cast, project: Project, alice: Client) -> None:
    before = contents(cast.alpha)

    page = alice.post(f"{LIST}add/", {"key": "WEB", "name": "New", "description": ""})

    assert len(errors(page)) == 1
    assert page.context["adminform"].form["name"].value() == "New"
    assert contents(cast.alpha) == before


def test_a_race_for_a_key_is_told_on_the_field(
    cast: Cast, project: Project, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(cast.alpha)
    monkeypatch.setattr("projects.services.require_unique", lambda project: None)

    page = alice.post(f"{LIST}add/", {"key": "WEB", "name": "New", "description": ""})

    assert errors(page) == {"key": ["This key is taken already."]}
    assert contents(cast.alpha) == before


def test_a_change_tells_what_it_was_and_what_it_is(
    cast: Cast, project: Project, alice: Client
) -> None:
    since = last_event(cast.alpha)

    assert save(alice, project, name="Site", key="OTHER").status_code == 302
    assert save(alice, project).status_code == 302

    after = now(cast, project)
    assert (after.key, after.name, after.version) == ("WEB", "Site", 2)
    updated = (EventKind.PROJECT_UPDATED, cast.alice.pk, {"name": ["Web", "Site"]})
    assert told(cast.alpha, since) == [updated]


def test_a_stale_form_is_refused_and_keeps_what_was_typed(
    cast: Cast, project: Project, alice: Client
) -> None:
    sent = filled(alice.get(at(project))) | {"name": "Mine"}
    with tenant_context(cast.alpha):
        project_update(project_id=project.pk, actor_id=cast.bob.pk, name="Theirs")
    before = contents(cast.alpha)

    page = alice.post(at(project), sent)

    (told,) = errors(page)["__all__"]
    assert told.startswith("Somebody else has changed this")
    assert page.context["adminform"].form["name"].value() == "Mine"
    assert contents(cast.alpha) == before


def test_a_lead_who_left_stays_until_somebody_else_is_chosen(
    cast: Cast, project: Project, alice: Client
) -> None:
    save(alice, project, lead=cast.bob.pk)
    Membership.objects.filter(tenant=cast.alpha, user=cast.bob).update(active=False)

    assert save(alice, project, name="Site").status_code == 302

    assert (now(cast, project).name, now(cast, project).lead_id) == ("Site", cast.bob.pk)


@pytest.mark.parametrize("where", ["list", "page"])
def test_a_project_is_archived_and_brought_back_with_events(
    cast: Cast, project: Project, alice: Client, where: str
) -> None:
    since = last_event(cast.alpha)
    for action, done in (("archive", "archived"), ("bring_back", "brought back")):
        path, sent = (LIST, selection(action, project.pk))
        if where == "page":
            path, sent = at(project), on_page(action, project.pk)
        assert messages(alice.post(path, sent, follow=True)) == [f"1 project {done}."]
        assert (now(cast, project).archived_at is not None) == (action == "archive")

    kinds = [EventKind.PROJECT_ARCHIVED, EventKind.PROJECT_UNARCHIVED]
    assert told(cast.alpha, since) == [(kind, cast.alice.pk, {}) for kind in kinds]
    assert now(cast, project).version == 3


def test_a_project_with_an_active_task_is_not_archived_and_spares_the_others(
    cast: Cast, project: Project, alice: Client
) -> None:
    other = make_project(cast.alpha, cast.alice, "APP")
    make_task(project, cast.alice, status=Status.ACTIVE)
    before = contents(cast.alpha)

    page = alice.post(LIST, selection("archive", other.pk, project.pk), follow=True)

    reason = "The project has active tasks: finish or cancel them first."
    assert messages(page) == [f"Nothing was changed. WEB · Web: {reason}"]
    assert contents(cast.alpha) == before


def test_the_history_tells_of_the_project_and_not_of_its_tasks(
    cast: Cast, project: Project, alice: Client
) -> None:
    make_task(project, cast.alice)
    save(alice, project, lead=cast.bob.pk)

    page = alice.get(at(project, "history"))

    (updated, changes), (created, _) = page.context["entries"]
    assert (updated.kind, created.kind) == (EventKind.PROJECT_UPDATED, EventKind.PROJECT_CREATED)
    assert [(each.name, each.old, each.new) for each in changes] == [("lead", "–", "bob")]


def test_projects_are_listed_and_found_by_key(cast: Cast, project: Project, alice: Client) -> None:
    for key in ("APP", "WEBSITE"):
        make_project(cast.alpha, cast.alice, key)

    assert [row.key for row in alice.get(LIST).context["cl"].result_list] == [
        "APP",
        "WEB",
        "WEBSITE",
    ]
    for term in ("web", "WEB"):
        found = alice.get(f"{LIST}?q={term}").context["cl"].result_list
        assert [row.key for row in found] == ["WEB", "WEBSITE"]
    link = address("alpha", f"tasks/task/?project={project.pk}")
    assert f'<a href="{link}">Tasks</a>' in body(alice.get(LIST))
