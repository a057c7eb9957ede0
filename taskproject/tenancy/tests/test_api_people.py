"""The tenant and its members over REST as their clients see them."""

from __future__ import annotations

from typing import Any

import pytest

from taskproject.tenancy.models import Membership, Role, Tenant, User
from taskproject.tenancy.services import member_add
from taskproject.tests.api.calls import Api, api_of, errors, good, instant, problem, told, updates
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


# --- The tenant -----------------------------------------------------------------------------------


def test_the_tenant_is_shown_with_ones_role(cast: Cast, alice: Api) -> None:
    shown = good(alice.get())

    assert shown == {
        "slug": "alpha",
        "name": "Alpha",
        "version": 1,
        "created_at": instant(Tenant.objects.get(slug="alpha").created_at),
        "user": "alice",
        "role": "owner",
    }
    for user, role in ((cast.bob, "member"), (cast.vera, "viewer")):
        expected = {**shown, "user": user.username, "role": role}
        assert good(api_of(cast.alpha, user).get()) == expected


def test_an_owner_renames_the_tenant(cast: Cast, alice: Api) -> None:
    before = good(alice.get())

    with updates() as columns:
        changed = good(alice.patch("", {"name": "Alpha & Sons"}))

    assert columns == [{"name", "version"}]
    assert changed == {**before, "name": "Alpha & Sons", "version": 2}
    assert good(alice.get()) == changed
    assert told(cast.alpha)[-1] == ("tenant updated", {"name": ["Alpha", "Alpha & Sons"]})


def test_the_same_name_again_changes_nothing(cast: Cast, alice: Api) -> None:
    before, events = alice.get(), told(cast.alpha)

    for same in ({}, {"name": "Alpha"}):
        response = alice.patch("", same)

        assert (response.json(), response["ETag"]) == (before.json(), before["ETag"])
    assert told(cast.alpha) == events


@pytest.mark.parametrize(
    ("wrong", "pointer", "code"),
    [
        ({"name": ""}, "/name", "blank"),
        ({"name": None}, "/name", "null"),
        ({"name": 1}, "/name", "invalid"),
        ({"name": "n" * 201}, "/name", "max_length"),
        ({"slug": "gamma"}, "/slug", "read-only"),
        ({"version": 1}, "/version", "read-only"),
        ({"id": 1}, "/id", "unknown"),
        ({"role": "owner"}, "/role", "unknown"),
    ],
    ids=lambda each: str(each)[:40],
)
def test_a_wrong_value_of_the_tenant_is_pointed_at(
    alice: Api, wrong: dict[str, Any], pointer: str, code: str
) -> None:
    before = good(alice.get())

    assert errors(alice.patch("", wrong)) == {pointer: code}
    assert good(alice.get()) == before


# --- Members --------------------------------------------------------------------------------------


def test_members_are_listed_and_shown(cast: Cast, alice: Api) -> None:
    found = good(alice.get("members/"))["results"]

    assert [(each["user"], each["role"], each["active"]) for each in found] == [
        ("alice", "owner", True),
        ("bob", "member", True),
        ("vera", "viewer", True),
    ]
    bob = member_of(cast, cast.bob)
    assert found[1] == {
        "user": "bob",
        "role": "member",
        "active": True,
        "version": 1,
        "created_at": instant(bob.created_at),
    }
    assert good(alice.get("members/bob/")) == found[1]


@pytest.mark.parametrize(
    "name", ["carol", "nobody", "BOB", "bob%00", "%00", "🙂", "b" * 3_000, "bob ", "1", "me"]
)
def test_who_is_no_member_is_a_404(alice: Api, name: str) -> None:
    assert problem(alice.get(f"members/{name}/")) == (404, "not-found")
    assert problem(alice.patch(f"members/{name}/", {"role": "viewer"})) == (404, "not-found")


def test_a_newcomer_is_made_a_user_that_can_not_log_in(cast: Cast, alice: Api) -> None:
    response = alice.post("members/", {"user": "newcomer", "role": "viewer"})

    made = good(response, 201)
    user = User.objects.get(username="newcomer")
    assert made == {
        "user": "newcomer",
        "role": "viewer",
        "active": True,
        "version": 1,
        "created_at": instant(member_of(cast, user).created_at),
    }
    assert not user.has_usable_password()
    assert (user.is_staff, user.is_superuser) == (False, False)
    assert response["Location"] == alice.at("members/newcomer/")
    again = alice.get(response["Location"])
    assert (again.json(), again["ETag"]) == (made, response["ETag"])
    assert told(cast.alpha)[-1] == ("member added", {"user": "newcomer", "role": "viewer"})


def test_a_member_is_a_member_unless_another_role_is_given(alice: Api) -> None:
    assert good(alice.post("members/", {"user": "newcomer"}), 201)["role"] == "member"


def test_inviting_a_stranger_reads_like_inviting_a_user(cast: Cast, alice: Api) -> None:
    strangers = [alice.post("members/", {"user": name}) for name in ("carol", "newcomer")]

    shown = [good(each, 201) for each in strangers]
    assert [each.pop("user") for each in shown] == ["carol", "newcomer"]
    for each in shown:
        each["created_at"] = ""
    assert shown[0] == shown[1]
    for name in ("Allow", "Cache-Control", "Content-Type", "Vary"):
        assert strangers[0][name] == strangers[1][name]
    assert good(alice.get("members/carol/"))["active"] is True


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("a.b+c-d_e@example.org", "a.b+c-d_e@example.org"),
        ("żółć", "żółć"),
        ("李", "李"),
        ("ｂｏｂｂｙ", "bobby"),  # full-width letters are the same letters
        ("ﬁona", "fiona"),
        ("u" * 150, "u" * 150),
    ],
    ids=ascii,
)
def test_a_name_of_any_letters_has_an_address(alice: Api, sent: str, stored: str) -> None:
    response = alice.post("members/", {"user": sent})

    assert good(response, 201)["user"] == stored
    assert response["Location"].isascii()
    assert good(alice.get(response["Location"])) == response.json()
    assert errors(alice.post("members/", {"user": stored})) == {"/user": "unique"}


def test_an_active_member_is_not_added_again(cast: Cast, alice: Api) -> None:
    response = alice.post("members/", {"user": "bob", "role": "admin"})

    assert problem(response) == (409, "duplicate")
    assert errors(response) == {"/user": "unique"}
    assert member_of(cast, cast.bob).role == Role.MEMBER


def test_a_former_member_comes_back_with_the_new_role(cast: Cast, alice: Api) -> None:
    alice.patch("members/bob/", {"active": False})

    back = good(alice.post("members/", {"user": "bob", "role": "viewer"}), 201)

    assert (back["role"], back["active"], back["version"]) == ("viewer", True, 3)


WRONG_MEMBERS: list[tuple[dict[str, Any], str, str]] = [
    ({"user": ""}, "/user", "blank"),
    ({"user": None}, "/user", "null"),
    ({"user": 1}, "/user", "invalid"),
    ({"user": "u" * 151}, "/user", "max_length"),
    ({"user": "with blank"}, "/user", "invalid"),
    ({"user": "a/b"}, "/user", "invalid"),
    ({"user": "new\n"}, "/user", "invalid"),
    ({"role": "boss"}, "/role", "invalid_choice"),
    ({"role": 3}, "/role", "invalid_choice"),
    ({"role": None}, "/role", "null"),
    ({"active": True}, "/active", "unknown"),
    ({"is_superuser": True}, "/is_superuser", "unknown"),
    ({"id": 1}, "/id", "unknown"),
]


@pytest.mark.parametrize(
    ("wrong", "pointer", "code"), WRONG_MEMBERS, ids=lambda each: str(each)[:40]
)
def test_a_wrong_value_of_a_new_member_is_pointed_at(
    alice: Api, wrong: dict[str, Any], pointer: str, code: str
) -> None:
    before = User.objects.count()

    assert errors(alice.post("members/", {"user": "newcomer", **wrong})) == {pointer: code}

    assert User.objects.count() == before
    assert len(good(alice.get("members/"))["results"]) == 3


def test_a_member_gets_another_role(cast: Cast, alice: Api) -> None:
    before = good(alice.get("members/bob/"))

    with updates() as columns:
        changed = good(alice.patch("members/bob/", {"role": "admin"}))

    assert columns == [{"role", "version"}]
    assert changed == {**before, "role": "admin", "version": 2}
    assert good(alice.get("members/bob/")) == changed
    assert told(cast.alpha)[-1] == ("member changed", {"user": "bob", "role": "admin"})


def test_a_membership_ends_and_is_renewed(cast: Cast, alice: Api) -> None:
    ended = good(alice.patch("members/bob/", {"active": False}))
    renewed = good(alice.patch("members/bob/", {"active": True}))

    assert (ended["active"], ended["version"]) == (False, 2)
    assert (renewed["active"], renewed["role"], renewed["version"]) == (True, "member", 3)
    assert told(cast.alpha)[-2:] == [
        ("member changed", {"user": "bob", "active": False}),
        ("member changed", {"user": "bob", "active": True}),
    ]


def test_role_and_activity_change_together_or_not_at_all(cast: Cast, alice: Api) -> None:
    changed = good(alice.patch("members/bob/", {"role": "viewer", "active": False}))
    assert (changed["role"], changed["active"]) == ("viewer", False)

    refused = alice.patch("members/alice/", {"active": False, "role": "owner"})

    assert problem(refused) == (409, "state-conflict")
    assert good(alice.get("members/alice/"))["version"] == 1


def test_the_same_member_again_changes_nothing(cast: Cast, alice: Api) -> None:
    before, events = alice.get("members/bob/"), told(cast.alpha)

    for same in ({}, {"role": "member"}, {"active": True}, {"role": "member", "active": True}):
        response = alice.patch("members/bob/", same)

        assert (response.json(), response["ETag"]) == (before.json(), before["ETag"])
    assert told(cast.alpha) == events


@pytest.mark.parametrize(
    ("wrong", "pointer", "code"),
    [
        ({"role": "boss"}, "/role", "invalid_choice"),
        ({"role": True}, "/role", "invalid_choice"),
        ({"active": None}, "/active", "null"),
        ({"active": "maybe"}, "/active", "invalid"),
        ({"active": "false"}, "/active", "invalid"),
        ({"active": 0}, "/active", "invalid"),
        ({"user": "robert"}, "/user", "read-only"),
        ({"version": 1}, "/version", "read-only"),
        ({"tenant": "beta"}, "/tenant", "unknown"),
    ],
    ids=str,
)
def test_a_wrong_change_of_a_member_is_pointed_at(
    alice: Api, wrong: dict[str, Any], pointer: str, code: str
) -> None:
    before = good(alice.get("members/bob/"))

    assert errors(alice.patch("members/bob/", wrong)) == {pointer: code}
    assert good(alice.get("members/bob/")) == before


@pytest.mark.parametrize("sent", [{"role": "admin"}, {"active": False}], ids=str)
def test_the_last_owner_stays(cast: Cast, alice: Api, sent: dict[str, Any]) -> None:
    refused = alice.patch("members/alice/", sent)

    assert problem(refused) == (409, "state-conflict")
    assert "last owner" in refused.json()["detail"]
    member_add(tenant=cast.alpha, user=cast.carol, role=Role.OWNER)
    assert alice.patch("members/alice/", sent).status_code == 200


@pytest.mark.parametrize(
    "sent", [{"role": "viewer"}, {"active": False}, {"role": "owner"}], ids=str
)
def test_an_admin_does_not_touch_an_owner(cast: Cast, admin: Api, sent: dict[str, Any]) -> None:
    member_add(tenant=cast.alpha, user=cast.carol, role=Role.OWNER)

    assert problem(admin.patch("members/carol/", sent)) == (403, "permission-denied")
    assert (member_of(cast, cast.carol).role, member_of(cast, cast.carol).active) == (3, True)


@pytest.mark.parametrize("name", ["bob", "adam"])
def test_an_admin_makes_nobody_an_owner(cast: Cast, admin: Api, name: str) -> None:
    before = member_of(cast, User.objects.get(username=name)).role

    assert problem(admin.patch(f"members/{name}/", {"role": "owner"})) == (403, "permission-denied")
    assert problem(admin.post("members/", {"user": "newcomer", "role": "owner"})) == (
        403,
        "permission-denied",
    )
    assert member_of(cast, User.objects.get(username=name)).role == before
    assert not User.objects.filter(username="newcomer").exists()


def test_an_admin_does_not_bring_back_an_owner_as_something_less(
    cast: Cast, alice: Api, admin: Api
) -> None:
    member_add(tenant=cast.alpha, user=cast.carol, role=Role.OWNER)
    alice.patch("members/carol/", {"active": False})

    refused = admin.post("members/", {"user": "carol", "role": "viewer"})

    assert problem(refused) == (403, "permission-denied")
    assert not member_of(cast, cast.carol).active


def test_an_admin_manages_those_up_to_the_own_role(cast: Cast, admin: Api) -> None:
    assert good(admin.patch("members/bob/", {"role": "admin"}))["role"] == "admin"
    assert good(admin.patch("members/bob/", {"role": "viewer"}))["role"] == "viewer"
    assert good(admin.post("members/", {"user": "newcomer", "role": "admin"}), 201)


# --- At once --------------------------------------------------------------------------------------


def test_a_former_members_token_stops_at_once_and_for_good(
    cast: Cast, alice: Api, django_capture_on_commit_callbacks: OnCommit
) -> None:
    bob = api_of(cast.alpha, cast.bob)
    assert bob.get().status_code == 200

    with django_capture_on_commit_callbacks(execute=True):
        alice.patch("members/bob/", {"active": False})

    assert problem(bob.get()) == (401, "authentication-failed")
    with django_capture_on_commit_callbacks(execute=True):
        alice.patch("members/bob/", {"active": True})
    assert problem(bob.get()) == (401, "authentication-failed")


def test_another_role_is_felt_at_once(
    cast: Cast, alice: Api, django_capture_on_commit_callbacks: OnCommit
) -> None:
    bob = api_of(cast.alpha, cast.bob)
    assert good(bob.get())["role"] == "member"
    assert problem(bob.post("labels/", {"name": "Bug"})) == (403, "permission-denied")

    with django_capture_on_commit_callbacks(execute=True):
        alice.patch("members/bob/", {"role": "admin"})
    assert good(bob.post("labels/", {"name": "Bug"}), 201)
    with django_capture_on_commit_callbacks(execute=True):
        alice.patch("members/bob/", {"role": "viewer"})

    assert good(bob.get())["role"] == "viewer"
    assert problem(bob.post("tasks/", {})) == (403, "permission-denied")
