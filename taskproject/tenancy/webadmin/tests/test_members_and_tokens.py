"""Members, their roles and their tokens: who may touch whom, and what the log says of it."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from taskproject.db.context import tenant_context
from taskproject.tenancy.models import ApiToken, EventKind, Membership, Role, Tenant, User
from taskproject.tenancy.services import member_add, token_issue
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
from taskproject.tenancy.webadmin.tests.walls import NEVER, on_page, selection
from taskproject.tests.cast import Cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def adam(cast: Cast) -> Client:
    """The browser of Adam, an admin of alpha."""
    user = User.objects.create(username="adam")
    member_add(tenant=cast.alpha, user=user, role=Role.ADMIN)
    return enter(user)


@pytest.fixture
def alice(cast: Cast) -> Client:
    """The browser of Alice, who owns alpha."""
    return enter(cast.alice)


def membership(tenant: Tenant, name: str) -> Membership:
    return Membership.objects.get(tenant=tenant, user__username=name)


def page(cast: Cast, name: str) -> str:
    """The page of one of alpha's members."""
    return address(cast.alpha, page_of(Membership, f"{membership(cast.alpha, name).pk}/change/"))


def state(cast: Cast, name: str) -> tuple[int, bool]:
    found = membership(cast.alpha, name)
    return found.role, found.active


def act(client: Client, cast: Cast, action: str, *names: str) -> Any:
    ids = [membership(cast.alpha, name).pk for name in names]
    path = address(cast.alpha, page_of(Membership))
    return client.post(path, selection(action, *ids), follow=True)


# --- Inviting -------------------------------------------------------------------------------------


def test_an_admin_invites_somebody_new(cast: Cast, adam: Client) -> None:
    since = last_event(cast.alpha)
    add = address(cast.alpha, page_of(Membership, "add/"))

    assert adam.post(add, {"username": "dora", "role": Role.MEMBER}).status_code == 302

    assert state(cast, "dora") == (Role.MEMBER, True)
    adam_id = User.objects.get(username="adam").pk
    changes = {"user": "dora", "role": "member"}
    assert told(cast.alpha, since) == [(EventKind.MEMBER_ADDED, adam_id, changes)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bob", "bob is a member of alpha already."),
        ("do ra", "Enter a valid username."),
        ("", "This field is required."),
        ("x" * 151, "at most 150 characters"),
    ],
)
def test_an_invitation_is_refused_on_the_name(
    cast: Cast, adam: Client, name: str, reason: str
) -> None:
    add = address(cast.alpha, page_of(Membership, "add/"))
    before = contents(cast.alpha)

    refused = errors(adam.post(add, {"username": name, "role": Role.MEMBER}))

    assert list(refused) == ["username"]
    assert reason in refused["username"][0]
    assert contents(cast.alpha) == before


def test_an_admin_makes_nobody_an_owner(cast: Cast, adam: Client) -> None:
    add = address(cast.alpha, page_of(Membership, "add/"))

    invited = adam.post(add, {"username": "dora", "role": Role.OWNER})
    raised = adam.post(page(cast, "bob"), {"role": Role.OWNER})

    assert list(errors(invited)) == list(errors(raised)) == ["role"]
    assert not User.objects.filter(username="dora").exists()
    assert state(cast, "bob") == (Role.MEMBER, True)
    assert [choice[0] for choice in offered_roles(adam.get(add))] == [0, 1, 2]


def offered_roles(shown: Any) -> list[Any]:
    choices = shown.context["adminform"].form.fields["role"].choices
    return [choice for choice in choices if choice[0] != ""]


def test_a_former_owner_comes_back_by_an_owner_only(cast: Cast, adam: Client) -> None:
    owner = User.objects.create(username="otto")
    member_add(tenant=cast.alpha, user=owner, role=Role.OWNER)
    Membership.objects.filter(user=owner).update(active=False)

    act(adam, cast, "reactivate", "otto")

    assert state(cast, "otto") == (Role.OWNER, False)


def test_an_admin_invites_no_former_owner_back_as_less(cast: Cast, adam: Client) -> None:
    owner = User.objects.create(username="otto")
    member_add(tenant=cast.alpha, user=owner, role=Role.OWNER)
    Membership.objects.filter(user=owner).update(active=False)
    add = address(cast.alpha, page_of(Membership, "add/"))

    refused = adam.post(add, {"username": "otto", "role": Role.VIEWER})

    assert list(errors(refused)) == ["username"]
    assert state(cast, "otto") == (Role.OWNER, False)


# --- Roles ----------------------------------------------------------------------------------------


def test_a_changed_role_has_an_event(cast: Cast, adam: Client) -> None:
    since = last_event(cast.alpha)

    assert adam.post(page(cast, "bob"), {"role": Role.ADMIN}).status_code == 302
    assert adam.post(page(cast, "bob"), {"role": Role.ADMIN}).status_code == 302

    assert state(cast, "bob") == (Role.ADMIN, True)
    ((kind, _, changes),) = told(cast.alpha, since)
    assert (kind, changes) == (EventKind.MEMBER_CHANGED, {"user": "bob", "role": "admin"})


def test_an_admin_touches_no_owner(cast: Cast, adam: Client) -> None:
    before = contents(cast.alpha)

    assert adam.post(page(cast, "alice"), {"role": Role.VIEWER}).status_code == 403
    for action in ("deactivate", "reactivate"):
        said = messages(act(adam, cast, action, "alice"))[-1]
        assert said == "Nothing was changed. alice: Your role does not reach this member."
        on = on_page(action, membership(cast.alpha, "alice").pk)
        assert adam.post(page(cast, "alice"), on).status_code == 302

    assert contents(cast.alpha) == before


def test_one_member_out_of_reach_spares_all_that_were_selected(cast: Cast, adam: Client) -> None:
    before = contents(cast.alpha)

    act(adam, cast, "deactivate", "vera", "bob", "alice")

    assert contents(cast.alpha) == before


def test_the_last_owner_stays_one(cast: Cast, alice: Client) -> None:
    reason = "alice is the last owner of alpha: make another member an owner first."
    before = contents(cast.alpha)

    demoted = alice.post(page(cast, "alice"), {"role": Role.ADMIN})

    assert [reason] in errors(demoted).values()
    (said,) = messages(act(alice, cast, "deactivate", "alice"))
    assert said == f"Nothing was changed. alice: {reason}"
    assert contents(cast.alpha) == before


def test_an_owner_beside_another_one_may_leave(cast: Cast, alice: Client) -> None:
    alice.post(page(cast, "bob"), {"role": Role.OWNER})

    act(alice, cast, "deactivate", "alice")

    assert state(cast, "alice") == (Role.OWNER, False)
    assert alice.get(address(cast.alpha)).status_code == 404


def test_a_deactivated_member_loses_the_tokens_and_comes_back_without(
    cast: Cast, adam: Client
) -> None:
    with tenant_context(cast.alpha):
        token = token_issue(user_id=cast.bob.pk, name="laptop").token
    since = last_event(cast.alpha)

    act(adam, cast, "deactivate", "bob")
    act(adam, cast, "reactivate", "bob")

    assert state(cast, "bob") == (Role.MEMBER, True)
    assert [(kind, changes) for kind, _, changes in told(cast.alpha, since)] == [
        (EventKind.MEMBER_CHANGED, {"user": "bob", "active": False}),
        (EventKind.TOKEN_REVOKED, {"prefix": token.prefix}),
        (EventKind.MEMBER_CHANGED, {"user": "bob", "active": True}),
    ]
    with tenant_context(cast.alpha):
        assert ApiToken.objects.get(pk=token.pk).revoked_at is not None


# --- Tokens ---------------------------------------------------------------------------------------


def issue(client: Client, cast: Cast, user: User, **more: Any) -> Any:
    sent = {"user": user.pk, "name": "laptop", "scopes": ["read", "write"], **NEVER, **more}
    return client.post(address(cast.alpha, page_of(ApiToken, "add/")), sent)


def text_in(shown: Any) -> str:
    return str(body(shown).split('<code id="token-text">')[1].split("</code>")[0])


def test_the_text_of_a_token_works_and_is_shown_once(cast: Cast, alice: Client) -> None:
    shown = issue(alice, cast, cast.bob)

    text = text_in(shown)
    api = Client(headers={"authorization": f"Bearer {text}"})
    assert api.get("/api/v1/tenants/alpha/tasks/").status_code == 200
    secret = text.split("_", 2)[2]
    for rest in ("", page_of(ApiToken), page_of(ApiToken, "add/")):
        assert secret not in body(alice.get(address(cast.alpha, rest)))


def test_the_text_of_a_token_is_kept_nowhere(
    cast: Cast, alice: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    shown = issue(alice, cast, cast.bob)

    secret = text_in(shown)[-20:]
    assert "no-store" in shown["Cache-Control"]
    assert secret not in shown.cookies.output()
    assert secret not in caplog.text
    assert secret not in str(contents(cast.alpha))
    assert [each for each in Session.objects.all() if secret in str(each.get_decoded())] == []
    assert body(shown).count(secret) == 1


def test_an_issued_token_has_an_event_of_its_issuer(cast: Cast, alice: Client) -> None:
    since = last_event(cast.alpha)

    issue(alice, cast, cast.bob, scopes=["read"])

    with tenant_context(cast.alpha):
        token = ApiToken.objects.get()
    assert (token.user_id, token.scopes) == (cast.bob.pk, ["read"])
    changes = {"prefix": token.prefix, "scopes": ["read"]}
    assert told(cast.alpha, since) == [(EventKind.TOKEN_ISSUED, cast.alice.pk, changes)]


def test_an_admin_issues_no_token_for_an_owner(cast: Cast, adam: Client) -> None:
    refused = issue(adam, cast, cast.alice)

    assert errors(refused) == {"user": ["Your role does not reach this member's."]}
    assert contents(cast.alpha)["api_token"] == []
    assert issue(adam, cast, cast.bob).status_code == 200
    assert len(contents(cast.alpha)["api_token"]) == 1


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["root"]}, "scopes"),
        ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "expires_at"),
        ({"expires_at_0": "abc", "expires_at_1": ""}, "expires_at"),
    ],
)
def test_a_refused_token_is_told_on_its_field(
    cast: Cast, alice: Client, sent: dict[str, Any], field: str
) -> None:
    refused = issue(alice, cast, cast.bob, **sent)

    assert list(errors(refused)) == [field]
    assert contents(cast.alpha)["api_token"] == []


def test_a_former_member_gets_no_token(cast: Cast, alice: Client) -> None:
    Membership.objects.filter(tenant=cast.alpha, user=cast.bob).update(active=False)

    refused = errors(issue(alice, cast, cast.bob))

    assert ["Only an active member of the tenant can have a token."] in refused.values()
    assert contents(cast.alpha)["api_token"] == []


def test_a_token_expires_when_it_was_said(cast: Cast, alice: Client) -> None:
    soon = timezone.now() + timedelta(days=2)

    issue(alice, cast, cast.bob, expires_at_0=f"{soon:%Y-%m-%d}", expires_at_1="12:30")

    with tenant_context(cast.alpha):
        token = ApiToken.objects.get()
    assert f"{token.expires_at:%Y-%m-%d %H:%M %Z}" == f"{soon:%Y-%m-%d} 12:30 UTC"


@pytest.mark.parametrize("where", ["list", "page"])
def test_a_revoked_token_stops_working(cast: Cast, alice: Client, where: str) -> None:
    text = text_in(issue(alice, cast, cast.bob))
    with tenant_context(cast.alpha):
        token = ApiToken.objects.get()
    since = last_event(cast.alpha)
    rest, sent = (
        ("", selection("revoke", token.pk))
        if where == "list"
        else (f"{token.pk}/change/", on_page("revoke", token.pk))
    )

    for _ in range(2):
        assert alice.post(address(cast.alpha, page_of(ApiToken, rest)), sent).status_code == 302

    changes = {"prefix": token.prefix}
    assert told(cast.alpha, since) == [(EventKind.TOKEN_REVOKED, cast.alice.pk, changes)]
    api = Client(headers={"authorization": f"Bearer {text}"})
    assert api.get("/api/v1/tenants/alpha/tasks/").status_code == 401


def test_an_admin_revokes_no_token_of_an_owner(cast: Cast, adam: Client, alice: Client) -> None:
    issue(alice, cast, cast.alice)
    with tenant_context(cast.alpha):
        token = ApiToken.objects.get()
    before = contents(cast.alpha)

    path = address(cast.alpha, page_of(ApiToken))
    (said,) = messages(adam.post(path, selection("revoke", token.pk), follow=True))

    assert said.endswith("Your role does not reach this member&#x27;s tokens.")
    assert contents(cast.alpha) == before


def test_the_page_of_a_token_shows_no_digest_and_changes_nothing(cast: Cast, alice: Client) -> None:
    issue(alice, cast, cast.bob)
    with tenant_context(cast.alpha):
        token = ApiToken.objects.get()
    there = address(cast.alpha, page_of(ApiToken, f"{token.pk}/change/"))

    shown = body(alice.get(there))

    assert token.prefix in shown
    assert bytes(token.digest).hex() not in shown
    assert alice.post(there, {"name": "another"}).status_code == 403


# --- The tenant -----------------------------------------------------------------------------------


def test_an_owner_renames_the_tenant(cast: Cast, alice: Client) -> None:
    change = address(cast.alpha, page_of(Tenant, f"{cast.alpha.pk}/change/"))
    since = last_event(cast.alpha)

    assert alice.post(change, {"name": "Omega", "slug": "omega"}).status_code == 302

    cast.alpha.refresh_from_db()
    assert (cast.alpha.slug, cast.alpha.name) == ("alpha", "Omega")
    renamed = (EventKind.TENANT_UPDATED, cast.alice.pk, {"name": ["Alpha", "Omega"]})
    assert told(cast.alpha, since) == [renamed]
    assert list(errors(alice.post(change, {"name": ""}))) == ["name"]


def test_djangos_log_keeps_nothing_and_shows_nothing(cast: Cast, alice: Client) -> None:
    LogEntry.objects.create(user=cast.alice, action_flag=1, object_repr="planted", object_id="1")

    shown = [body(alice.get(address(cast.alpha, rest))) for rest in ("", "tenancy/")]
    issue(alice, cast, cast.bob)
    act(alice, cast, "deactivate", "bob")
    alice.post(page(cast, "vera"), {"role": Role.MEMBER})

    assert "planted" not in "".join(shown)
    assert LogEntry.objects.count() == 1
