"""API tokens over REST as their clients see them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from taskproject.db.context import tenant_context
from taskproject.tenancy.models import ApiToken, Membership, Role, User
from taskproject.tenancy.services import member_add
from taskproject.tests.api.calls import Api, api_of, errors, good, instant, problem, told
from taskproject.tests.cast import Cast

type OnCommit = Any


@pytest.fixture
def alice(cast: Cast) -> Api:
    """Alpha's API as Alice, its owner, sees it."""
    return api_of(cast.alpha, cast.alice)


@pytest.fixture
def adam(cast: Cast) -> User:
    """An admin of alpha."""
    user = User.objects.create(username="adam")
    member_add(tenant=cast.alpha, user=user, role=Role.ADMIN)
    return user


@pytest.fixture
def admin(cast: Cast, adam: User) -> Api:
    """Alpha's API as Adam, an admin, sees it."""
    return api_of(cast.alpha, adam)


def member_of(cast: Cast, user: User) -> Membership:
    return Membership.objects.get(tenant=cast.alpha, user=user)


def test_a_token_is_issued_for_oneself_and_shown_once(cast: Cast, alice: Api) -> None:
    response = alice.post("tokens/", {"name": "CI"})

    made = good(response, 201)
    text = made.pop("token")
    with tenant_context(cast.alpha):
        stored = ApiToken.objects.get(name="CI")
    assert made == {
        "prefix": stored.prefix,
        "name": "CI",
        "user": "alice",
        "scopes": ["read", "write"],
        "expires_at": None,
        "last_used_at": None,
        "revoked_at": None,
        "created_at": instant(stored.created_at),
    }
    assert response["Cache-Control"] == "no-store"
    assert response["Location"] == alice.at(f"tokens/{stored.prefix}/")
    assert good(alice.get(response["Location"])) == made
    assert good(Api("alpha", text).get("tasks/"))["results"] == []
    assert told(cast.alpha)[-1] == (
        "token issued",
        {"prefix": stored.prefix, "scopes": ["read", "write"]},
    )


def test_its_text_is_shown_nowhere_else(cast: Cast, alice: Api) -> None:
    made = good(alice.post("tokens/", {"name": "CI"}), 201)
    secret = made["token"].partition(made["prefix"])[2]
    assert len(secret) > 30

    for address in ("tokens/", f"tokens/{made['prefix']}/", "events/"):
        shown = alice.get(address)
        assert shown.status_code == 200
        assert secret not in shown.content.decode()
        assert '"token":' not in shown.content.decode()
    assert secret not in str(told(cast.alpha))


def test_tokens_are_listed_the_last_one_first(cast: Cast, alice: Api) -> None:
    for name in ("one", "two"):
        alice.post("tokens/", {"name": name})

    found = good(alice.get("tokens/"))["results"]

    assert [each["name"] for each in found] == ["two", "one", "test"]


def test_a_token_can_expire(cast: Cast, alice: Api) -> None:
    soon = timezone.now() + timedelta(days=1)

    made = good(alice.post("tokens/", {"name": "CI", "expires_at": instant(soon)}), 201)

    assert made["expires_at"] == instant(soon)


def test_an_admin_issues_a_token_for_another_member(cast: Cast, alice: Api, admin: Api) -> None:
    made = good(admin.post("tokens/", {"name": "CI", "user": "vera", "scopes": ["write"]}), 201)

    vera = Api("alpha", made["token"])
    assert (made["user"], made["scopes"]) == ("vera", ["write"])
    assert problem(vera.get()) == (403, "permission-denied")
    assert problem(vera.post("tasks/", {})) == (403, "permission-denied"), "vera is a viewer"


def test_an_admin_issues_none_for_an_owner(cast: Cast, admin: Api) -> None:
    refused = admin.post("tokens/", {"name": "CI", "user": "alice", "scopes": ["read"]})

    assert problem(refused) == (403, "permission-denied")
    with tenant_context(cast.alpha):
        assert not ApiToken.objects.filter(name="CI").exists()


@pytest.mark.parametrize(
    ("own", "asked", "given"),
    [
        (["admin"], ["read"], None),
        (["admin"], ["admin", "write"], None),
        (["admin", "read"], ["read", "write"], None),
        (["admin", "read"], None, None),  # which stands for reading and writing
        (["admin"], ["admin"], ["admin"]),
        (["admin", "read"], ["read"], ["read"]),
        (["admin", "read", "write"], None, ["read", "write"]),
        (["admin", "read", "write"], ["write", "admin", "write"], ["write", "admin"]),
    ],
    ids=str,
)
def test_a_token_issues_none_that_may_do_more(
    cast: Cast, own: list[str], asked: list[str] | None, given: list[str] | None
) -> None:
    api = api_of(cast.alpha, cast.alice, *own)
    sent = {"name": "CI"} if asked is None else {"name": "CI", "scopes": asked}

    response = api.post("tokens/", sent)

    if given is None:
        assert problem(response) == (403, "permission-denied")
        with tenant_context(cast.alpha):
            assert not ApiToken.objects.filter(name="CI").exists()
    else:
        assert good(response, 201)["scopes"] == given


WRONG_TOKENS: list[tuple[dict[str, Any], str, str]] = [
    ({"name": ""}, "/name", "blank"),
    ({"name": None}, "/name", "null"),
    ({"name": 1}, "/name", "invalid"),
    ({"name": "n" * 101}, "/name", "max_length"),
    ({"user": "carol"}, "/user", "does_not_exist"),
    ({"user": "nobody"}, "/user", "does_not_exist"),
    ({"user": 1}, "/user", "invalid"),
    ({"user": None}, "/user", "null"),
    ({"scopes": []}, "/scopes", "min_length"),
    ({"scopes": "read"}, "/scopes", "not_a_list"),
    ({"scopes": None}, "/scopes", "null"),
    ({"scopes": {"read": 1}}, "/scopes", "not_a_list"),
    ({"scopes": ["root"]}, "/scopes/0", "invalid_choice"),
    ({"scopes": ["read", 1]}, "/scopes/1", "invalid_choice"),
    ({"scopes": ["read", ["write"]]}, "/scopes/1", "invalid_choice"),
    ({"scopes": ["read", None]}, "/scopes/1", "null"),
    ({"scopes": [True]}, "/scopes/0", "invalid_choice"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at", "invalid"),
    ({"expires_at": "2030-01-01T00:00:00"}, "/expires_at", "invalid"),
    ({"expires_at": "99999-01-01T00:00:00Z"}, "/expires_at", "invalid"),
    ({"expires_at": "9999-12-31T00:00:00Z"}, "/expires_at", "invalid"),
    ({"expires_at": "soon"}, "/expires_at", "invalid"),
    ({"expires_at": 60}, "/expires_at", "invalid"),
    ({"prefix": "aaaaaaaa"}, "/prefix", "read-only"),
    ({"revoked_at": None}, "/revoked_at", "read-only"),
    ({"last_used_at": None}, "/last_used_at", "read-only"),
    ({"token": "tp_1_x"}, "/token", "unknown"),
    ({"digest": "x"}, "/digest", "unknown"),
    ({"tenant": "beta"}, "/tenant", "unknown"),
]


@pytest.mark.parametrize(
    ("wrong", "pointer", "code"), WRONG_TOKENS, ids=lambda each: str(each)[:40]
)
def test_a_wrong_value_of_a_token_is_pointed_at(
    cast: Cast, alice: Api, wrong: dict[str, Any], pointer: str, code: str
) -> None:
    response = alice.post("tokens/", {"name": "CI", **wrong})

    assert problem(response) == (422, "validation")
    assert errors(response) == {pointer: code}
    with tenant_context(cast.alpha):
        assert ApiToken.objects.count() == 1


def test_a_revoked_token_stops_at_once(
    cast: Cast, alice: Api, django_capture_on_commit_callbacks: OnCommit
) -> None:
    made = good(alice.post("tokens/", {"name": "CI", "scopes": ["read"]}), 201)
    ci = Api("alpha", made["token"])
    assert ci.get("tasks/").status_code == 200

    with django_capture_on_commit_callbacks(execute=True):
        gone = alice.delete(f"tokens/{made['prefix']}/")

    assert (gone.status_code, gone.content) == (204, b"")
    assert problem(ci.get("tasks/")) == (401, "authentication-failed")
    shown = good(alice.get(f"tokens/{made['prefix']}/"))
    assert shown["revoked_at"] is not None
    assert told(cast.alpha)[-1] == ("token revoked", {"prefix": made["prefix"]})


def test_revoked_again_nothing_changes(cast: Cast, alice: Api) -> None:
    prefix = good(alice.post("tokens/", {"name": "CI"}), 201)["prefix"]
    alice.delete(f"tokens/{prefix}/")
    before, events = good(alice.get(f"tokens/{prefix}/")), told(cast.alpha)

    assert alice.delete(f"tokens/{prefix}/").status_code == 204
    assert (good(alice.get(f"tokens/{prefix}/")), told(cast.alpha)) == (before, events)


def test_an_admin_revokes_no_token_of_an_owner(cast: Cast, alice: Api, admin: Api) -> None:
    prefix = good(alice.post("tokens/", {"name": "CI"}), 201)["prefix"]

    assert problem(admin.delete(f"tokens/{prefix}/")) == (403, "permission-denied")
    assert good(alice.get(f"tokens/{prefix}/"))["revoked_at"] is None


@pytest.mark.parametrize("prefix", ["zzzzzzzz", "%00", "x" * 3_000, "🙂", "tp_1_x"])
def test_a_prefix_of_no_token_is_a_404(alice: Api, prefix: str) -> None:
    assert problem(alice.get(f"tokens/{prefix}/")) == (404, "not-found")
    assert problem(alice.delete(f"tokens/{prefix}/")) == (404, "not-found")
