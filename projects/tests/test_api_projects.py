"""Projects over REST as their clients see them."""

from __future__ import annotations

from typing import Any

import pytest

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Membership
from taskproject.tests.api.calls import Api, api_of, errors, good, instant, problem, told, updates
from taskproject.tests.cast import Cast, make_project, make_task
from tasks.models import Status
from tasks.services.tasks import task_delete


@pytest.fixture
def api(cast: Cast) -> Api:
    """Alpha's API as Alice, its owner, sees it."""
    return api_of(cast.alpha, cast.alice)


@pytest.fixture
def web(cast: Cast) -> Project:
    """Alpha's project WEB."""
    return make_project(cast.alpha, cast.alice)


def stored(cast: Cast, key: str = "WEB") -> Project:
    """A project of alpha as it stands in the database."""
    with tenant_context(cast.alpha):
        return Project.objects.get(key=key)


# Making one


def test_a_project_is_made_and_shown(cast: Cast, api: Api) -> None:
    sent = {"key": "OPS", "name": "Operations", "description": "Day and night", "lead": "bob"}

    response = api.post("projects/", sent)

    made = stored(cast, "OPS")
    assert good(response, 201) == {
        **sent,
        "id": made.pk,
        "archived_at": None,
        "version": 1,
        "created_at": instant(made.created_at),
        "updated_at": instant(made.updated_at),
    }
    assert (made.name, made.description) == ("Operations", "Day and night")
    assert made.lead_id == cast.bob.pk
    assert response["Location"] == api.at("projects/OPS/")
    assert told(cast.alpha)[-1] == ("project created", {"key": "OPS", "name": "Operations"})


def test_key_and_name_are_enough(api: Api) -> None:
    made = good(api.post("projects/", {"key": "A", "name": "Alone"}), 201)

    assert (made["description"], made["lead"]) == ("", None)
    assert good(api.get("projects/A/")) == made


def test_what_is_made_is_what_its_address_shows(api: Api) -> None:
    response = api.post("projects/", {"key": "OPS", "name": "Operations", "lead": "vera"})

    again = api.get(response["Location"])

    assert again.json() == response.json()
    assert again["ETag"] == response["ETag"]


def test_a_key_that_is_taken_is_a_409(cast: Cast, api: Api, web: Project) -> None:
    response = api.post("projects/", {"key": "WEB", "name": "Another"})

    assert problem(response) == (409, "duplicate")
    assert errors(response) == {"/key": "unique"}
    assert stored(cast).name == "Web"


def test_two_tenants_have_a_project_of_one_key(cast: Cast, api: Api) -> None:
    make_project(cast.beta, cast.carol, "WEB")

    assert api.post("projects/", {"key": "WEB", "name": "Ours"}).status_code == 201


@pytest.mark.parametrize(
    ("wrong", "pointer", "code"),
    [
        ({"key": "web"}, "/key", "invalid"),
        ({"key": "1WEB"}, "/key", "invalid"),
        ({"key": "WEB\n"}, "/key", "invalid"),
        ({"key": "ÄÖÜ"}, "/key", "invalid"),
        ({"key": "W" * 11}, "/key", "invalid"),
        ({"key": ""}, "/key", "blank"),
        ({"key": None}, "/key", "null"),
        ({"key": 7}, "/key", "invalid"),
        ({"name": ""}, "/name", "blank"),
        ({"name": "n" * 201}, "/name", "max_length"),
        ({"name": ["n"]}, "/name", "invalid"),
        ({"name": True}, "/name", "invalid"),
        ({"description": None}, "/description", "null"),
        ({"description": {}}, "/description", "invalid"),
        ({"description": "é" * 32_769}, "/description", "invalid"),
        ({"lead": "nobody"}, "/lead", "does_not_exist"),
        ({"lead": "carol"}, "/lead", "does_not_exist"),
        ({"lead": 1}, "/lead", "invalid"),
        ({"lead": ""}, "/lead", "does_not_exist"),
        ({"id": 7}, "/id", "read-only"),
        ({"version": 7}, "/version", "read-only"),
        ({"archived_at": "2026-01-31T12:00:00Z"}, "/archived_at", "read-only"),
        ({"created_at": "2026-01-31T12:00:00Z"}, "/created_at", "read-only"),
        ({"tenant": 2}, "/tenant", "unknown"),
        ({"tenant_id": 2}, "/tenant_id", "unknown"),
        ({"next_number": 100}, "/next_number", "unknown"),
        ({"lead_id": 1}, "/lead_id", "unknown"),
        ({"": 1}, "/", "unknown"),
        ({"a/b~c": 1}, "/a~1b~0c", "unknown"),
    ],
    ids=str,
)
def test_a_wrong_value_is_pointed_at(
    cast: Cast, api: Api, wrong: dict[str, Any], pointer: str, code: str
) -> None:
    response = api.post("projects/", {"key": "OPS", "name": "Operations", **wrong})

    assert problem(response) == (422, "validation")
    assert errors(response) == {pointer: code}
    with tenant_context(cast.alpha):
        assert not Project.objects.exists()


def test_all_that_is_wrong_is_told_at_once(api: Api) -> None:
    response = api.post("projects/", {"key": "", "lead": "nobody", "owner": 1, "id": 2})

    assert errors(response) == {
        "/key": "blank",
        "/name": "required",
        "/lead": "does_not_exist",
        "/owner": "unknown",
        "/id": "read-only",
    }


def test_a_former_member_leads_nothing(cast: Cast, api: Api) -> None:
    Membership.objects.filter(tenant=cast.alpha, user=cast.bob).update(active=False)

    response = api.post("projects/", {"key": "OPS", "name": "Operations", "lead": "bob"})

    assert errors(response) == {"/lead": "does_not_exist"}


# Changing one


def test_a_change_touches_what_was_sent_and_nothing_else(
    cast: Cast, api: Api, web: Project
) -> None:
    before = api.get("projects/WEB/").json()

    with updates() as columns:
        changed = good(api.patch("projects/WEB/", {"name": "Website"}))

    assert columns == [{"name", "version", "updated_at"}]
    assert changed == {
        **before,
        "name": "Website",
        "version": 2,
        "updated_at": instant(stored(cast).updated_at),
    }
    assert api.get("projects/WEB/").json() == changed
    assert told(cast.alpha)[-1] == ("project updated", {"name": ["Web", "Website"]})


@pytest.mark.parametrize(
    ("sent", "column"),
    [({"description": "All of it"}, "description"), ({"lead": "bob"}, "lead_id")],
)
def test_each_field_is_changed_by_itself(
    api: Api, web: Project, sent: dict[str, Any], column: str
) -> None:
    with updates() as columns:
        changed = good(api.patch("projects/WEB/", sent))

    assert columns == [{column, "version", "updated_at"}]
    assert {name: changed[name] for name in sent} == sent
    assert good(api.get("projects/WEB/")) == changed


def test_a_lead_can_be_taken_away(api: Api, web: Project) -> None:
    api.patch("projects/WEB/", {"lead": "bob"})

    assert good(api.patch("projects/WEB/", {"lead": None}))["lead"] is None


def test_what_is_the_same_already_changes_nothing(cast: Cast, api: Api, web: Project) -> None:
    before, events = api.get("projects/WEB/"), told(cast.alpha)

    for same in ({}, {"name": "Web"}, {"name": "Web", "description": "", "lead": None}):
        with updates() as columns:
            response = api.patch("projects/WEB/", same)

        assert (columns, response.json(), response["ETag"]) == ([], before.json(), before["ETag"])
    assert told(cast.alpha) == events


@pytest.mark.parametrize(
    ("sent", "pointer", "code"),
    [
        ({"key": "OPS"}, "/key", "read-only"),
        ({"name": None}, "/name", "null"),
        ({"name": ""}, "/name", "blank"),
        ({"description": "x" * 65_537}, "/description", "invalid"),
        ({"lead": "carol"}, "/lead", "does_not_exist"),
        ({"archived_at": None}, "/archived_at", "read-only"),
        ({"colour": "red"}, "/colour", "unknown"),
    ],
    ids=str,
)
def test_a_wrong_change_is_pointed_at_and_changes_nothing(
    api: Api, web: Project, sent: dict[str, Any], pointer: str, code: str
) -> None:
    before = api.get("projects/WEB/").json()

    response = api.patch("projects/WEB/", {"name": "Website", **sent})

    assert errors(response) == {pointer: code}
    assert api.get("projects/WEB/").json() == before


# Archiving one


def test_a_project_is_archived_and_brought_back(cast: Cast, api: Api, web: Project) -> None:
    archived = good(api.post("projects/WEB/archive/"))
    back = good(api.post("projects/WEB/unarchive/"))

    assert (archived["archived_at"], archived["version"]) == (archived["updated_at"], 2)
    assert (back["archived_at"], back["version"]) == (None, 3)
    assert [kind for kind, _ in told(cast.alpha)][-2:] == ["project archived", "project unarchived"]


@pytest.mark.parametrize("action", ["archive", "unarchive"])
def test_done_again_it_changes_nothing(cast: Cast, api: Api, web: Project, action: str) -> None:
    first = good(api.post(f"projects/WEB/{action}/"))
    events = told(cast.alpha)

    assert good(api.post(f"projects/WEB/{action}/")) == first
    assert told(cast.alpha) == events


def test_a_project_with_an_active_task_is_not_archived(cast: Cast, api: Api, web: Project) -> None:
    task = make_task(web, cast.alice, status=Status.ACTIVE)

    response = api.post("projects/WEB/archive/")

    assert problem(response) == (409, "state-conflict")
    assert "active tasks" in response.json()["detail"]
    assert stored(cast).archived_at is None
    api.patch(f"tasks/{task.pk}/", {"status": "done"})
    assert api.post("projects/WEB/archive/").status_code == 200


def test_a_version_that_has_gone_by_is_told_of_before_the_active_tasks(
    cast: Cast, api: Api, web: Project
) -> None:
    tag = api.get("projects/WEB/").headers["ETag"]
    api.patch("projects/WEB/", {"name": "Website"})
    make_task(web, cast.alice, status=Status.ACTIVE)

    response = api.post("projects/WEB/archive/", if_match=tag)

    assert problem(response) == (412, "version-conflict")


@pytest.mark.parametrize(
    "status", [each for each in Status if each != Status.ACTIVE], ids=lambda each: each.label
)
def test_any_other_task_is_no_reason_against_it(
    cast: Cast, api: Api, web: Project, status: Status
) -> None:
    make_task(web, cast.alice, status=status)

    assert api.post("projects/WEB/archive/").status_code == 200


def test_nor_is_an_active_task_that_was_deleted(cast: Cast, api: Api, web: Project) -> None:
    task = make_task(web, cast.alice, status=Status.ACTIVE)
    with tenant_context(cast.alpha):
        task_delete(task_id=task.pk, actor_id=cast.alice.pk)

    assert api.post("projects/WEB/archive/").status_code == 200


def test_an_archived_project_takes_no_new_task(api: Api, web: Project) -> None:
    api.post("projects/WEB/archive/")

    for address, body in (
        ("projects/WEB/tasks/", {"title": "Late"}),
        ("tasks/", {"title": "Late", "project": "WEB"}),
    ):
        assert problem(api.post(address, body)) == (409, "state-conflict")
    assert good(api.get("tasks/"))["results"] == []


def test_it_can_still_be_renamed_and_is_still_listed(api: Api, web: Project) -> None:
    api.post("projects/WEB/archive/")

    renamed = good(api.patch("projects/WEB/", {"name": "Done with"}))

    assert renamed["archived_at"] is not None
    assert good(api.get("projects/"))["results"] == [renamed]


# Reading them


def test_projects_are_listed_by_key(cast: Cast, api: Api) -> None:
    for key in ("WEB", "APP", "OPS", "A1"):
        make_project(cast.alpha, cast.alice, key)
    make_project(cast.beta, cast.carol, "SECRET")

    found = good(api.get("projects/"))["results"]

    assert [each["key"] for each in found] == ["A1", "APP", "OPS", "WEB"]
    assert found[3] == good(api.get("projects/WEB/"))


@pytest.mark.parametrize("key", ["NOSUCH", "web", "WEB ", "%57EB%00", "WEB%0A", "W" * 300, "🙂"])
def test_a_key_that_names_no_project_is_a_404(api: Api, web: Project, key: str) -> None:
    for rest in ("", "archive/", "unarchive/", "tasks/"):
        sent = api.post if "archive" in rest else api.get
        assert problem(sent(f"projects/{key}/{rest}")) == (404, "not-found")


def test_the_tasks_of_a_project_are_its_own(cast: Cast, api: Api, web: Project) -> None:
    other = make_project(cast.alpha, cast.alice, "OPS")
    tasks = [make_task(each, cast.alice, each.key) for each in (web, other, web)]

    found = good(api.get("projects/WEB/tasks/"))["results"]

    assert [each["id"] for each in found] == [tasks[2].pk, tasks[0].pk]
    assert found[0] == good(api.get("tasks/WEB-2/"))
    by_number = good(api.get("projects/WEB/tasks/?sort=number"))["results"]
    assert [each["key"] for each in by_number] == ["WEB-1", "WEB-2"]
