"""What a member may do in a tenant is said by the role there, and by nothing else."""

from __future__ import annotations

from typing import Any, Final

import pytest
from django.db.models import Model
from django.test import Client

from projects.models import Project
from taskproject.tenancy.models import (
    ApiToken,
    Event,
    IdempotencyKey,
    Membership,
    Role,
    Tenant,
    User,
)
from taskproject.tenancy.webadmin.sites import tenant_site
from taskproject.tenancy.webadmin.tests.pages import (
    actions,
    address,
    body,
    contents,
    enter,
    furnish,
    lists,
    page_of,
)
from taskproject.tenancy.webadmin.tests.walls import (
    CONFIRMED,
    ENTRIES,
    Rows,
    entries,
    filled,
    on_page,
    selection,
)
from taskproject.tests.cast import Cast
from taskproject.tests.rows import rolled_back
from tasks.models import Comment, Dependency, Label, Task

pytestmark = pytest.mark.django_db

VIEWER, MEMBER, ADMIN, OWNER = Role
# Which role may look at rows, add one, change and delete one of somebody else; None for nobody.
NEEDED: Final[dict[type[Model], tuple[Role, Role | None, Role | None, Role | None]]] = {
    Task: (VIEWER, MEMBER, MEMBER, MEMBER),
    Project: (VIEWER, ADMIN, ADMIN, None),
    Label: (VIEWER, ADMIN, ADMIN, ADMIN),
    Comment: (VIEWER, MEMBER, ADMIN, ADMIN),
    Dependency: (VIEWER, MEMBER, None, MEMBER),
    Membership: (VIEWER, ADMIN, ADMIN, None),
    ApiToken: (ADMIN, ADMIN, None, None),
    Event: (VIEWER, None, None, None),
    IdempotencyKey: (ADMIN, None, None, None),
    Tenant: (VIEWER, None, OWNER, None),
}
ACTIONS: Final = {
    (Task, "change_selected"): MEMBER,
    (Task, "delete_selected"): MEMBER,
    (Task, "restore"): MEMBER,
    (Project, "archive"): ADMIN,
    (Project, "bring_back"): ADMIN,
    (Membership, "deactivate"): ADMIN,
    (Membership, "reactivate"): ADMIN,
    (ApiToken, "revoke"): ADMIN,
}
OTHER: Final[dict[type[Model], dict[str, Any]]] = {
    Task: {"title": "Another"},
    Comment: {"body": "Another"},
    Membership: {"role": 1},
}
each_role = pytest.mark.parametrize("role", Role, ids=lambda role: role.label)


@pytest.fixture
def rows(cast: Cast) -> Rows:
    """A row of each model in alpha, of Vera's, who may only look."""
    return furnish(cast.alpha, cast.vera)


def somebody(cast: Cast, role: Role) -> Client:
    """The browser of a member of alpha with a role, to whom nothing there belongs."""
    user = User.objects.create(username=f"some-{role.label}")
    Membership.objects.create(tenant=cast.alpha, user=user, role=role)
    return enter(user)


def reaches(role: Role, needed: Role | None) -> bool:
    return needed is not None and role >= needed


def test_the_tables_name_each_list_and_each_action() -> None:
    assert set(NEEDED) == set(lists(tenant_site))
    assert set(ACTIONS) == set(actions())


@each_role
def test_a_role_opens_the_pages_that_the_table_says(cast: Cast, rows: Rows, role: Role) -> None:
    client = somebody(cast, role)
    for model, (view, add, _, delete) in NEEDED.items():
        opened = {
            page: client.get(address(cast.alpha, page_of(model, page))).status_code
            for page in ("", f"{rows[model]}/change/", "add/", f"{rows[model]}/delete/")
        }

        wanted = [reaches(role, needed) for needed in (view, view, add, delete)]
        assert list(opened.values()) == [200 if may else 403 for may in wanted], model


@each_role
def test_a_role_writes_what_the_table_says_and_nothing_else(
    cast: Cast, rows: Rows, role: Role
) -> None:
    client = somebody(cast, role)
    before = contents(cast.alpha)
    for model, (_, *needed) in NEEDED.items():
        for may, (path, sent) in zip(needed, writes(cast, rows, model), strict=True):
            with rolled_back():
                answered = client.post(path, sent)
                changed = contents(cast.alpha) != before

            assert changed == reaches(role, may), path
            assert (answered.status_code == 403) != reaches(role, may), path


def writes(cast: Cast, rows: Rows, model: type[Model]) -> list[tuple[str, dict[str, Any]]]:
    """What adds, changes and deletes a row of a model, as the owner would do it."""
    owner = enter(cast.alice)
    page, delete = (
        address(cast.alpha, page_of(model, f"{rows[model]}/{name}/"))
        for name in ("change", "delete")
    )
    change = filled(owner.get(page)) | OTHER.get(model, {"name": "Another"})
    add = entries(model, rows) if model in ENTRIES else {"name": "Another"}
    return [(address(cast.alpha, page_of(model, "add/")), add), (page, change), (delete, CONFIRMED)]


@each_role
def test_a_role_that_does_not_reach_an_action_changes_nothing_by_it(
    cast: Cast, rows: Rows, role: Role
) -> None:
    client = somebody(cast, role)
    before = contents(cast.alpha)
    for (model, action), needed in ACTIONS.items():
        if role >= needed:
            continue
        sent = selection(action, rows[model], apply="1", status="3")
        for query in ("", "?show=deleted"):
            listed = client.post(address(cast.alpha, page_of(model, query)), sent)
            assert listed.status_code in (200, 302, 403)
        page = address(cast.alpha, page_of(model, f"{rows[model]}/change/"))
        assert client.post(page, on_page(action, rows[model])).status_code in (302, 403)
    assert contents(cast.alpha) == before


def test_a_viewer_is_offered_nothing_to_write_with(cast: Cast, rows: Rows) -> None:
    client = enter(cast.vera)
    for model in (Task, Project, Label, Comment, Dependency, Membership, Tenant):
        listing = body(client.get(address(cast.alpha, page_of(model))))
        page = body(client.get(address(cast.alpha, page_of(model, f"{rows[model]}/change/"))))

        assert 'class="addlink"' not in listing
        assert 'name="action"' not in listing
        assert 'type="submit"' not in page.replace('<button type="submit">Log out', "")
        assert "/delete/" not in page


def test_the_index_shows_the_models_that_the_role_may_see(cast: Cast) -> None:
    for user, role in ((cast.vera, VIEWER), (cast.alice, OWNER)):
        apps = enter(user).get(address(cast.alpha)).context["app_list"]

        shown = {model["model"] for app in apps for model in app["models"]}
        assert shown == {model for model, needed in NEEDED.items() if role >= needed[0]}


def test_being_a_superuser_or_staff_gives_nothing_inside_a_tenant(cast: Cast, rows: Rows) -> None:
    User.objects.filter(pk=cast.vera.pk).update(is_superuser=True, is_staff=True)
    client = enter(cast.vera)
    before = contents(cast.alpha)

    for model in NEEDED:
        assert client.get(address(cast.alpha, page_of(model, "add/"))).status_code == 403
        delete = address(cast.alpha, page_of(model, f"{rows[model]}/delete/"))
        assert client.post(delete, CONFIRMED).status_code == 403
    assert contents(cast.alpha) == before


# --- Comments -------------------------------------------------------------------------------------


def test_a_member_changes_and_deletes_comments_of_ones_own(cast: Cast) -> None:
    rows = furnish(cast.alpha, cast.bob)
    there = address(cast.alpha, page_of(Comment, str(rows[Comment])))

    assert enter(cast.bob).post(f"{there}/change/", {"body": "Better"}).status_code == 302
    assert contents(cast.alpha)["comment"][0][4] == "Better"
    assert enter(cast.bob).post(f"{there}/delete/", CONFIRMED).status_code == 302
    assert contents(cast.alpha)["comment"] == []


def test_who_became_a_viewer_changes_no_comment_any_more(cast: Cast) -> None:
    rows = furnish(cast.alpha, cast.vera)
    there = address(cast.alpha, page_of(Comment, str(rows[Comment])))

    assert enter(cast.vera).post(f"{there}/change/", {"body": "Better"}).status_code == 403
    assert enter(cast.vera).post(f"{there}/delete/", CONFIRMED).status_code == 403


# --- The tenant itself ----------------------------------------------------------------------------


@each_role
def test_nobody_deletes_the_tenant(cast: Cast, rows: Rows, role: Role) -> None:
    client = somebody(cast, role)
    delete = address(cast.alpha, page_of(Tenant, f"{cast.alpha.pk}/delete/"))

    assert client.get(delete).status_code == 403
    assert client.post(delete, CONFIRMED).status_code == 403
    client.post(address(cast.alpha, page_of(Tenant)), selection("delete_selected", cast.alpha.pk))

    assert Tenant.objects.filter(pk=cast.alpha.pk).exists()
