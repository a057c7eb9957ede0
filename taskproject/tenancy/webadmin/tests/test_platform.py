"""The chooser is everybody's; users and tenants are the operators', who are superusers."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.test import Client

from taskproject.tenancy.models import EventKind, Membership, Role, Tenant, User
from taskproject.tenancy.services import member_add, tenant_create
from taskproject.tenancy.webadmin.tests.pages import (
    ABSENT,
    body,
    contents,
    enter,
    errors,
    patterns,
    told,
)
from taskproject.tenancy.webadmin.tests.walls import CONFIRMED, selection
from taskproject.tests.cast import Cast

pytestmark = pytest.mark.django_db

OPEN_TO_ALL = {"index", "login", "logout", "password_change", "password_change_done", "jsi18n"}


@pytest.fixture(autouse=True)
def quick_hashes(settings: Any) -> None:
    """Argon2 is slow on purpose."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def olga(cast: Cast) -> User:
    """An operator, who is a member of no tenant."""
    return User.objects.create(username="olga", is_superuser=True)


@pytest.fixture
def operator(olga: User) -> Client:
    """Her browser."""
    return enter(olga)


def inner_pages(cast: Cast) -> list[str]:
    """The pages of the platform that are about users, tenants and the lab."""
    return [
        f"/admin/{path.format(object_id=pk, id=pk, run_id=pk, page='health')}"
        for path, name in patterns(admin.site)
        for pk in (cast.alpha.pk if "/tenant/" in path else cast.bob.pk,)
        if name not in OPEN_TO_ALL and "autocomplete" not in path
    ]


@pytest.mark.parametrize("more", [{}, {"is_staff": True}], ids=["member", "staff"])
def test_users_and_tenants_are_closed_to_who_is_no_superuser(
    cast: Cast, more: dict[str, Any]
) -> None:
    User.objects.filter(pk=cast.alice.pk).update(**more)
    client = enter(cast.alice)
    before = contents(cast.alpha)

    for path in inner_pages(cast):
        assert client.get(path).status_code in (302, 403, 404), path
        assert client.post(path, CONFIRMED).status_code in (302, 403, 404, 405), path
        assert client.get(path, follow=True).status_code in (403, 404), path
    assert client.get("/admin/autocomplete/").status_code == 403
    assert contents(cast.alpha) == before


def test_a_superuser_who_is_switched_off_is_asked_to_log_in(olga: User, operator: Client) -> None:
    User.objects.filter(pk=olga.pk).update(is_active=False)

    assert (
        operator.get("/admin/tenancy/user/")["Location"]
        == "/admin/login/?next=/admin/tenancy/user/"
    )


def test_an_operator_sees_users_and_tenants(cast: Cast, operator: Client) -> None:
    assert [row.username for row in rows(operator, "user")] == [
        "alice",
        "bob",
        "carol",
        "olga",
        "vera",
    ]
    assert [row.slug for row in rows(operator, "tenant")] == ["alpha", "beta"]
    assert [row.slug for row in rows(operator, "tenant", "?q=al")] == ["alpha"]


def rows(client: Client, name: str, query: str = "") -> list[Any]:
    return list(client.get(f"/admin/tenancy/{name}/{query}").context["cl"].result_list)


@pytest.mark.parametrize("name", ["user", "tenant"])
def test_nothing_is_deleted_on_the_platform(cast: Cast, operator: Client, name: str) -> None:
    pk = cast.alpha.pk if name == "tenant" else cast.bob.pk
    before = contents(cast.alpha)

    assert operator.get(f"/admin/tenancy/{name}/{pk}/delete/").status_code == 403
    assert operator.post(f"/admin/tenancy/{name}/{pk}/delete/", CONFIRMED).status_code == 403
    sent = selection("delete_selected", pk, **CONFIRMED)
    assert operator.post(f"/admin/tenancy/{name}/", sent).status_code in (200, 302)

    assert contents(cast.alpha) == before


# --- Tenants --------------------------------------------------------------------------------------


def test_a_new_tenant_has_an_owner_and_an_event(cast: Cast, operator: Client) -> None:
    sent = {"slug": "gamma", "name": "Gamma", "owner": "dora"}

    made = operator.post("/admin/tenancy/tenant/add/", sent)

    assert made.status_code == 302
    tenant = Tenant.objects.get(slug="gamma")
    owner = Membership.objects.get(tenant=tenant)
    assert (owner.user.username, owner.role, owner.active) == ("dora", Role.OWNER, True)
    assert not owner.user.has_usable_password()
    changes = {"user": "dora", "role": "owner"}
    assert told(tenant) == [(EventKind.MEMBER_ADDED, None, changes)]


@pytest.mark.parametrize(
    ("sent", "field"),
    [({"slug": "alpha"}, "slug"), ({"slug": "No"}, "slug"), ({"name": ""}, "name")],
    ids=["taken", "malformed", "nameless"],
)
def test_a_tenant_that_is_refused_is_not_made(
    cast: Cast, operator: Client, sent: dict[str, str], field: str
) -> None:
    good = {"slug": "gamma", "name": "Gamma", "owner": "dora"}

    page = operator.post("/admin/tenancy/tenant/add/", good | sent)

    assert page.status_code == 200
    assert list(errors(page)) == [field]
    assert Tenant.objects.count() == 2
    assert not User.objects.filter(username="dora").exists()


def test_a_malformed_owner_is_told_on_the_field(cast: Cast, operator: Client) -> None:
    sent = {"slug": "gamma", "name": "Gamma", "owner": "do ra"}

    page = operator.post("/admin/tenancy/tenant/add/", sent)

    assert Tenant.objects.count() == 2
    assert list(errors(page)) == ["owner"]


def test_the_page_of_a_tenant_offers_no_deletion(cast: Cast, operator: Client) -> None:
    page = operator.get(f"/admin/tenancy/tenant/{cast.alpha.pk}/change/")

    assert page.status_code == 200
    assert "deletelink" not in body(page)


def test_a_renamed_tenant_keeps_its_slug_and_has_an_event(cast: Cast, operator: Client) -> None:
    change = f"/admin/tenancy/tenant/{cast.alpha.pk}/change/"
    before = told(cast.alpha)

    assert operator.post(change, {"name": "Omega", "slug": "omega"}).status_code == 302

    cast.alpha.refresh_from_db()
    assert (cast.alpha.slug, cast.alpha.name) == ("alpha", "Omega")
    renamed = (EventKind.TENANT_UPDATED, None, {"name": ["Alpha", "Omega"]})
    assert told(cast.alpha) == [*before, renamed]


# --- Users ----------------------------------------------------------------------------------------


def test_an_operator_makes_a_user_and_gives_a_password(cast: Cast, operator: Client) -> None:
    words = {"password1": "correct horse battery", "password2": "correct horse battery"}

    made = operator.post(
        "/admin/tenancy/user/add/", {"username": "dora", "usable_password": "true", **words}
    )

    dora = User.objects.get(username="dora")
    assert made["Location"] == f"/admin/tenancy/user/{dora.pk}/change/"
    assert dora.check_password("correct horse battery")
    assert (dora.is_superuser, dora.is_staff) == (False, False)
    assert Client().login(username="dora", password="correct horse battery")


def test_a_user_who_is_switched_off_is_logged_out(cast: Cast, operator: Client) -> None:
    bob = enter(cast.bob)
    change = f"/admin/tenancy/user/{cast.bob.pk}/change/"

    assert operator.post(change, {"username": "bob"}).status_code == 302

    assert not User.objects.get(pk=cast.bob.pk).is_active
    assert bob.get("/admin/").status_code == 302


def test_the_page_of_a_user_shows_neither_hash_nor_tenant(cast: Cast, operator: Client) -> None:
    cast.bob.set_password("correct horse battery")
    cast.bob.save()

    page = body(operator.get(f"/admin/tenancy/user/{cast.bob.pk}/change/"))

    assert cast.bob.password.rpartition("$")[2] not in page
    assert "alpha" not in page.lower().replace("alphanumeric", "")


def test_the_history_of_a_user_tells_of_the_platform_only(
    cast: Cast, olga: User, operator: Client
) -> None:
    operator.post(f"/admin/tenancy/user/{cast.bob.pk}/change/", {"username": "bobby"})

    assert [entry.user_id for entry in LogEntry.objects.all()] == [olga.pk]
    page = body(operator.get(f"/admin/tenancy/user/{cast.bob.pk}/history/"))
    assert "Changed" in page
    assert operator.get(f"/admin/tenancy/user/{ABSENT}/history/").status_code == 404


# --- The chooser ----------------------------------------------------------------------------------


def test_the_chooser_shows_the_tenants_one_is_an_active_member_of(cast: Cast) -> None:
    member_add(tenant=cast.beta, user=cast.alice, role=Role.VIEWER)
    former = tenant_create(slug="former", name="Former")
    member_add(tenant=former, user=cast.alice, role=Role.ADMIN)
    Membership.objects.filter(tenant=former).update(active=False)

    page = enter(cast.alice).get("/admin/")

    shown = [(each.tenant.slug, each.role) for each in page.context["memberships"]]
    assert shown == [("alpha", Role.OWNER), ("beta", Role.VIEWER)]
    assert 'href="/admin/tenants/alpha/"' in body(page)
    assert "former" not in body(page)
    assert page.context["app_list"] == []


def test_who_is_a_member_of_nothing_is_told_what_to_do(cast: Cast) -> None:
    page = enter(User.objects.create(username="nora")).get("/admin/")

    assert "You are a member of no tenant yet." in body(page)
    assert "<strong>nora</strong>" in body(page)


def test_an_operator_who_is_a_member_of_nothing_enters_no_tenant(operator: Client) -> None:
    assert 'href="/admin/tenants/' not in body(operator.get("/admin/"))
    assert operator.get("/admin/tenants/alpha/").status_code == 404


def test_the_chooser_stops_at_two_hundred_and_says_so(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    member_add(tenant=cast.beta, user=cast.alice, role=Role.VIEWER)
    monkeypatch.setattr("taskproject.tenancy.webadmin.sites.CHOICES_SHOWN", 1)

    page = enter(cast.alice).get("/admin/")

    assert [each.tenant.slug for each in page.context["memberships"]] == ["alpha"]
    assert "Only the oldest 1 are shown." in body(page)


# --- Logging in -----------------------------------------------------------------------------------


def test_a_member_who_is_no_staff_logs_in_and_comes_back(cast: Cast) -> None:
    cast.bob.set_password("correct horse battery")
    cast.bob.save()
    client = Client()
    asked = client.get("/admin/tenants/alpha/tasks/task/?status=0")
    sent = {"username": "bob", "password": "correct horse battery"}

    entered = client.post(
        asked["Location"], sent | {"next": "/admin/tenants/alpha/tasks/task/?status=0"}
    )

    assert entered["Location"] == "/admin/tenants/alpha/tasks/task/?status=0"
    assert client.get(entered["Location"]).status_code == 200


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:1"])
def test_logging_in_leads_to_no_other_site(cast: Cast, elsewhere: str) -> None:
    cast.bob.set_password("correct horse battery")
    cast.bob.save()
    sent = {"username": "bob", "password": "correct horse battery", "next": elsewhere}

    assert urlsplit(Client().post("/admin/login/", sent)["Location"])[:2] == ("", "")


def test_logging_in_with_nowhere_to_go_leads_to_the_chooser(cast: Cast) -> None:
    cast.bob.set_password("correct horse battery")
    cast.bob.save()
    sent = {"username": "bob", "password": "correct horse battery"}

    assert Client().post("/admin/login/", sent)["Location"] == "/admin/"


@pytest.mark.parametrize("prefix", ["/admin/", "/admin/tenants/alpha/"])
def test_one_logs_out_and_changes_the_password_on_both_sites(cast: Cast, prefix: str) -> None:
    cast.bob.set_password("correct horse battery")
    cast.bob.save()
    client = enter(cast.bob)
    words = {"new_password1": "staple staple staple", "new_password2": "staple staple staple"}

    changed = client.post(
        f"{prefix}password_change/", {"old_password": "correct horse battery", **words}
    )

    assert changed["Location"] == f"{prefix}password_change/done/"
    assert client.get(changed["Location"]).status_code == 200
    assert User.objects.get(pk=cast.bob.pk).check_password("staple staple staple")
    assert client.post(f"{prefix}logout/").status_code == 200
    assert client.get("/admin/").status_code == 302
