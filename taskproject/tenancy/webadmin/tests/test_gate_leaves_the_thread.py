"""A thread that served a page of a tenant is as before: no prefix and no tenant stay in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.http import Http404, HttpRequest
from django.test import Client, RequestFactory
from django.urls import get_script_prefix, get_urlconf, reverse, set_script_prefix, set_urlconf

from taskproject.db.context import current_tenant_id, no_tenant, tenant_context
from taskproject.tenancy.webadmin import gate
from taskproject.tenancy.webadmin.tests.pages import address, enter
from taskproject.tests.cast import Cast
from tasks.admin.tasks import TaskAdmin

pytestmark = pytest.mark.django_db

type State = tuple[str, str | None, int | None]


def state() -> State:
    """What the gate changes for as long as a page is made."""
    return get_script_prefix(), get_urlconf(), current_tenant_id()


@pytest.fixture
def elsewhere(cast: Cast) -> Iterator[State]:
    """A thread with a prefix, a urlconf and a tenant of its own."""
    before = get_script_prefix(), get_urlconf()
    set_script_prefix("/prefix/")
    set_urlconf("taskproject.urls")
    with tenant_context(cast.beta):
        yield "/prefix/", "taskproject.urls", cast.beta.pk
    set_script_prefix(before[0])
    set_urlconf(before[1])


@pytest.fixture
def request_of(cast: Cast) -> Any:
    """Makes a request of Bob's, as the middleware hands it to the view."""

    def make(path: str) -> HttpRequest:
        request = RequestFactory().get(path)
        request.user = cast.bob
        return request

    return make


def test_a_page_leaves_the_thread_as_it_was(elsewhere: State, request_of: Any) -> None:
    request = request_of("/admin/tenants/alpha/tasks/")

    response = gate.tenant_pages(request, slug="alpha", rest="tasks/")

    assert response.status_code == 200
    assert state() == elsewhere
    assert request.path_info == "/admin/tenants/alpha/tasks/"
    assert not hasattr(request, "urlconf")


@pytest.mark.parametrize(
    "error", [RuntimeError, Http404, KeyboardInterrupt], ids=lambda error: error.__name__
)
def test_an_exception_leaves_it_as_well(
    elsewhere: State, request_of: Any, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    seen: list[State] = []

    def fail(*args: Any) -> None:
        seen.append(state())
        raise error

    monkeypatch.setattr(TaskAdmin, "get_queryset", fail)
    request = request_of("/admin/tenants/alpha/tasks/task/")

    with pytest.raises(error):
        gate.tenant_pages(request, slug="alpha", rest="tasks/task/")

    assert seen[0][:2] == ("/prefix/admin/tenants/alpha/", gate.URLCONF)
    assert seen[0][2] not in (None, elsewhere[2])
    assert state() == elsewhere
    assert request.path_info == "/admin/tenants/alpha/tasks/task/"
    assert not hasattr(request, "urlconf")


@pytest.mark.parametrize("slug", ["beta", "nowhere"])
def test_a_refused_request_leaves_it_as_well(elsewhere: State, request_of: Any, slug: str) -> None:
    with pytest.raises(Http404):
        gate.tenant_pages(request_of(f"/admin/tenants/{slug}/"), slug=slug, rest="")

    assert state() == elsewhere


def test_a_failure_while_a_template_is_rendered_leaves_it_as_well(
    elsewhere: State, request_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> str:
        raise RuntimeError

    monkeypatch.setattr("taskproject.tenancy.models.Event.get_kind_display", fail)

    with pytest.raises(RuntimeError):
        gate.tenant_pages(request_of("/admin/tenants/alpha/"), slug="alpha", rest="")

    assert state() == elsewhere


def test_whole_requests_leave_no_tenant_behind(cast: Cast) -> None:
    client = enter(cast.bob, raise_request_exception=False)
    with no_tenant():
        for rest in ("", "tasks/task/", "no/such/page/", "tasks/task/abc/change/"):
            client.get(address(cast.alpha, rest))

            assert current_tenant_id() is None
            assert get_script_prefix() == "/"
            assert reverse("admin:index") == "/admin/"


def test_pages_of_two_tenants_in_turn_each_show_their_own(cast: Cast) -> None:
    bob, carol = enter(cast.bob), enter(cast.carol)
    for _ in range(2):
        for client, tenant in ((bob, cast.alpha), (carol, cast.beta)):
            page = client.get(address(tenant))

            assert page.context["tenant"] == tenant
            assert f'href="{address(tenant, "tasks/task/")}"' in page.content.decode()


def test_every_link_of_a_tenants_page_stays_in_it_but_the_way_out(cast: Cast) -> None:
    shown = enter(cast.bob).get(address(cast.alpha, "tasks/task/")).content.decode()

    links = {part.split('"')[0] for part in shown.split('href="')[1:]}
    out = {each for each in links if not each.startswith(("/static/", "#", "?"))}
    assert {each for each in out if not each.startswith(address(cast.alpha))} == {"/admin/"}


def test_a_prefix_of_the_server_stands_before_the_tenants(cast: Cast, elsewhere: State) -> None:
    client = Client(SCRIPT_NAME="/prefix")
    client.force_login(cast.bob)

    shown = client.get(address(cast.alpha)).content.decode()

    assert 'href="/prefix/admin/tenants/alpha/tasks/task/"' in shown
    assert 'href="/prefix/admin/"' in shown
    assert state()[0] == "/prefix/"
