"""Who is no active member of a tenant gets, for each of its pages, the answer for an absent one."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client

from taskproject.tenancy.models import Membership, User
from taskproject.tenancy.webadmin.tests.pages import (
    address,
    answer,
    contents,
    enter,
    furnish,
    pages,
)
from taskproject.tenancy.webadmin.tests.walls import (
    Rows,
    answers_differ,
    attempts,
    visits,
    whole,
)
from taskproject.tests.cast import Cast
from tasks.models import Task

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows(cast: Cast) -> Rows:
    """A row of each model in alpha, of Bob's."""
    return furnish(cast.alpha, cast.bob)


def dismissed(cast: Cast) -> User:
    Membership.objects.filter(tenant=cast.alpha, user=cast.bob).update(active=False)
    return cast.bob


def operator(cast: Cast) -> User:
    return User.objects.create(username="olga", is_superuser=True, is_staff=True)


def test_the_pages_are_all_there(rows: Rows) -> None:
    found = pages(dict(rows))

    assert len(found) == len(set(found)) > 60
    assert {"", f"tasks/task/{rows[Task]}/history/", "autocomplete/", "jsi18n/"} <= set(found)
    assert {"password_change/", "tasks/", "no/such/page/"} <= set(found)


@pytest.mark.parametrize(
    "who", [lambda cast: cast.carol, dismissed, operator], ids=["stranger", "former", "superuser"]
)
def test_each_page_is_absent_for_who_is_no_member(cast: Cast, rows: Rows, who: Any) -> None:
    client = enter(who(cast))

    assert answers_differ(client, cast.alpha, visits(rows)) == []


def test_each_page_of_an_absent_tenant_is_absent(cast: Cast, rows: Rows) -> None:
    client = enter(cast.carol)

    assert answers_differ(client, "nowhere", visits(rows)) == []
    assert answers_differ(client, "nowhere", [("POST", "tasks/task/add/", {})]) == []


def test_a_stranger_who_writes_hears_the_same_and_changes_nothing(cast: Cast, rows: Rows) -> None:
    client = enter(cast.carol)
    before = contents(cast.alpha)

    assert answers_differ(client, cast.alpha, attempts(rows)) == []

    assert contents(cast.alpha) == before


def test_a_page_of_ones_own_tenant_that_is_absent_looks_the_same(cast: Cast) -> None:
    client = enter(cast.carol)

    theirs = client.get(address(cast.alpha, "tasks/task/"))

    assert theirs.status_code == 404
    for rest in ("no/such/page/", "tasks/task/7/change/", "tenancy/user/"):
        assert whole(client.get(address(cast.beta, rest))) == whole(theirs), rest


def test_a_post_without_a_csrf_token_is_refused_alike(cast: Cast) -> None:
    client = enter(cast.carol, enforce_csrf_checks=True)

    there, nowhere = (client.post(address(at, "tasks/task/add/")) for at in ("alpha", "nowhere"))

    assert there.status_code == 403
    assert answer(there) == answer(nowhere)


def test_who_is_not_logged_in_is_asked_to_whatever_the_slug(cast: Cast, rows: Rows) -> None:
    client = Client()
    for method, path, data in [*visits(rows), *attempts(rows)]:
        send = client.get if method == "GET" else client.post
        there = send(address("alpha", path), data)

        assert there.status_code == 302
        assert unquote(there["Location"]) == f"/admin/login/?next={address('alpha', path)}"


def test_an_absent_tenant_asks_for_a_login_as_well(cast: Cast) -> None:
    client = Client()
    for rest in ("", "tasks/task/", "tasks/task/7/change/", "jsi18n/", "no/such/page/"):
        there, nowhere = (client.get(address(at, rest)) for at in ("alpha", "nowhere"))

        assert (there.status_code, there.content) == (nowhere.status_code, nowhere.content)
        assert there["Location"].replace("alpha", "nowhere") == nowhere["Location"]
        assert sorted(there.headers) == sorted(nowhere.headers)


def test_who_is_switched_off_is_asked_to_log_in(cast: Cast) -> None:
    client = enter(cast.bob)
    User.objects.filter(pk=cast.bob.pk).update(is_active=False)

    assert client.get(address(cast.alpha))["Location"] == "/admin/login/?next=/admin/tenants/alpha/"


def test_a_membership_that_ends_closes_an_open_session(cast: Cast) -> None:
    client = enter(cast.bob)
    assert client.get(address(cast.alpha)).status_code == 200

    dismissed(cast)

    assert client.get(address(cast.alpha)).status_code == 404


@pytest.mark.parametrize("slug", ["ALPHA", "alpha%20", "alph%C3%A4", "alpha%00", "alpha%2F", "."])
def test_no_other_spelling_of_the_slug_opens_the_tenant(cast: Cast, slug: str) -> None:
    client = enter(cast.alice)

    assert whole(client.get(f"/admin/tenants/{slug}/")) == whole(client.get("/admin/no/such/page/"))
