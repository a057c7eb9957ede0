"""Each wall of the REST API is broken once, and the probes of the matrix must notice: else they
prove nothing.

It also shows which walls still hold while one of them is down.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from rest_framework.exceptions import NotFound, PermissionDenied

from taskproject.tenancy import identities, selectors
from taskproject.tenancy.api import authentication, fields
from taskproject.tenancy.api.permissions import MemberPermission
from taskproject.tenancy.api.viewsets import TenantViewSet
from taskproject.tenancy.models import Membership, Tenant
from taskproject.tenancy.tests.test_canaries import break_manager, compile_anew, open_table
from taskproject.tests.api.routes import DECLARED, Route, routes
from taskproject.tests.api.walls import World, foreign_addresses, make_world, matrix, smuggled
from taskproject.tests.rows import rolled_back
from tasks.api.viewsets import TaskViewSet

TABLES = ("task", "project", "label", "comment", "dependency", "task_label", "event", "api_token")


def named(name: str) -> Route:
    """The route of that name."""
    return next(each for each in routes() if each.name == name)


def beta_owner(world: World) -> Client:
    return world.client("token of another tenant")


def found_by(world: World, name: str, caller: str) -> list[str]:
    """The findings of the matrix at an address that are about a caller."""
    return [each for each in matrix(world, named(name)) if f"by {caller}:" in each]


def in_addresses(world: World, *names: str) -> list[str]:
    """What beta can tell of alpha's rows by those addresses."""
    found: list[str] = []
    for name in names:
        with rolled_back():
            found += foreign_addresses(world, named(name), beta_owner(world))
    return found


def in_requests(world: World, *names: str) -> list[str]:
    """What beta can tell of alpha's rows by naming them in requests to those addresses."""
    client = beta_owner(world)
    return [each for name in names for each in smuggled(world, named(name), client)]


def any_with(found: list[str], *words: str) -> bool:
    """Whether a finding has all of the words."""
    return any(all(word in each for word in words) for each in found)


@contextmanager
def open_tables() -> Iterator[None]:
    """Row-level security taken away from what a tenant sees over REST."""
    with ExitStack() as stack:
        for table in TABLES:
            stack.enter_context(open_table(table))
        yield


# --- The declaration ------------------------------------------------------------------------------


@pytest.mark.urls("taskproject.tests.api.undeclared_urls")
def test_an_address_that_is_not_declared_is_noticed() -> None:
    assert {each.name for each in routes()} - set(DECLARED) == {"secret-list"}


# --- The address ----------------------------------------------------------------------------------


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def test_nothing_is_found_while_all_walls_stand(world: World) -> None:
    assert list(matrix(world, named("task-detail"))) == []
    assert in_addresses(world, "task-detail", "member-detail") == []
    assert in_requests(world, "task-list") == []


def test_a_token_that_opens_every_address_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def anywhere(self: Any, request: Any) -> Any:
        text = request.headers.get("Authorization", "").partition(" ")[2]
        identity = identities.token_authenticate(text=text)
        return identity and (authentication._user(identity), identity)

    monkeypatch.setattr(authentication.TokenAuthentication, "authenticate", anywhere)

    found = found_by(world, "task-list", "token of another tenant")

    # It sees its own rows there: that of the address is only the first wall.
    assert any_with(found, "GET task-list", "200 and not 404")
    assert any_with(found, "tells of another tenant's row")


def test_a_browser_that_opens_every_tenant_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, owner = identities.member_authenticate, world.alpha.people["owner"]
    monkeypatch.setattr(
        identities, "member_authenticate", lambda *, user, slug: real(user=owner, slug=slug)
    )

    found = found_by(world, "task-list", "another tenant's owner in a browser")

    assert any_with(found, "GET task-list", "tells of a row")


def test_a_refusal_that_tells_which_tenants_there_are_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = authentication.TokenAuthentication.authenticate

    def telling(self: Any, request: Any) -> Any:
        try:
            return real(self, request)
        except NotFound:
            if Tenant.objects.filter(slug=authentication.addressed_tenant(request)).exists():
                raise NotFound("You are no member of this tenant.") from None
            raise

    monkeypatch.setattr(authentication.TokenAuthentication, "authenticate", telling)

    found = list(matrix(world, named("task-list")))

    assert any_with(found, "by token of another tenant: told from an absent tenant")


def test_a_revoked_token_that_still_works_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgetful = identities._AUTHENTICATE.replace("AND a.revoked_at IS NULL", "")
    assert forgetful != identities._AUTHENTICATE
    monkeypatch.setattr(identities, "_AUTHENTICATE", forgetful)

    assert any_with(found_by(world, "label-list", "revoked token"), "200 and not 401")
    assert found_by(world, "label-list", "expired token") == []


# --- What a role allows ---------------------------------------------------------------------------


def test_a_permission_that_always_says_yes_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemberPermission, "has_permission", lambda *_: True)

    found = list(matrix(world, named("label-detail")))

    assert any_with(found, "PATCH label-detail by viewer: 200 and not 403")
    assert any_with(found, "PATCH", "refused, or safe, and changed [('event'", "('label'")
    # Who is nobody is still nobody: the views ask who sends the request.
    assert any_with(found, "DELETE label-detail by nobody: 401") is False


def test_a_refusal_that_comes_after_the_change_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = TaskViewSet.create

    def late(self: Any, request: Any, **kwargs: Any) -> Any:
        real(self, request, **kwargs)
        if self.identity.username != world.alpha.people["owner"].username:
            raise PermissionDenied

    monkeypatch.setattr(TaskViewSet, "create", late)
    monkeypatch.setattr(MemberPermission, "has_permission", lambda *_: True)

    assert any_with(
        list(matrix(world, named("task-list"))), "POST", "refused, or safe, and changed"
    )


def test_an_answer_in_html_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def page(error: Exception, context: Any) -> HttpResponse:
        return HttpResponse(f"<h1>{error}</h1>", status=404)

    monkeypatch.setattr(TenantViewSet, "get_exception_handler", lambda self: page)

    found = in_addresses(world, "task-detail")

    assert any_with(found, "the body is no JSON: b'<h1>")
    assert any_with(found, "404 as text/html; charset=utf-8")


# --- What stands outside of row-level security ----------------------------------------------------


def test_members_have_one_wall_only_and_the_probes_watch_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = Membership.objects.select_related("user")
    monkeypatch.setattr(
        selectors, "member_named", lambda *, username: members.get(user__username=username)
    )
    monkeypatch.setattr(
        selectors, "member_by_name", lambda *, username: members.filter(user__username=username)
    )
    monkeypatch.setattr(selectors, "member_list", members.all)
    compile_anew(monkeypatch)

    assert any_with(in_addresses(world, "member-detail"), "GET", "tells of the row")
    assert any_with(found_by(world, "member-list", "owner"), "tells of another tenant's row")


def test_a_person_that_is_looked_for_everywhere_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = Membership.objects.select_related("user")
    monkeypatch.setattr(
        fields, "member_named", lambda *, username: members.get(user__username=username)
    )

    found = in_requests(world, "task-detail", "project-list")

    # The field lets them pass, and what stands behind it refuses them in other words.
    assert any_with(found, "PATCH", "with a foreign assignee")
    assert any_with(found, "POST", "with a foreign lead")
    assert not any_with(found, "changed")


# --- The rows -------------------------------------------------------------------------------------

OF_ROWS = ("task-detail", "project-detail", "label-detail", "comment-detail", "token-detail")


@pytest.mark.django_db(transaction=True)
def test_row_level_security_holds_when_the_manager_filters_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = make_world()
    break_manager(monkeypatch)

    assert in_addresses(world, *OF_ROWS) == []
    assert in_requests(world, "task-list", "dependency-list") == []


@pytest.mark.django_db(transaction=True)
def test_the_manager_holds_when_row_level_security_is_off() -> None:
    world = make_world()

    with open_tables():
        assert in_addresses(world, *OF_ROWS) == []
        assert in_requests(world, "task-list", "dependency-list") == []


@pytest.mark.django_db(transaction=True)
def test_with_both_down_the_probes_find_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world()
    break_manager(monkeypatch)

    with open_tables():
        found = in_addresses(world, *OF_ROWS)
        referred = in_requests(world, "task-list")

    for name in OF_ROWS:
        assert any_with(found, f"GET {name}", "tells of the row")
    assert any_with(found, "PATCH task-detail", "changed", "'task'")
    assert any_with(found, "DELETE label-detail", "changed", "'label'")
    assert any_with(referred, "GET", "with a foreign project: tells of the row")
