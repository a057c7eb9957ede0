"""Tenants are renamed, members invited, promoted, deactivated; somebody always owns a tenant."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from taskproject.db.context import tenant_context
from taskproject.tenancy import selectors
from taskproject.tenancy.models import ApiToken, Event, EventKind, Membership, Role, Tenant, User
from taskproject.tenancy.services import (
    event_append,
    member_add,
    member_deactivate,
    member_invite,
    member_reactivate,
    member_set_role,
    tenant_rename,
    token_issue,
)
from taskproject.tenancy.tests.sql import fetch
from taskproject.tests.cast import Cast, make_cast
from taskproject.tests.statements import recorded


def member(tenant: Tenant, user: User) -> Membership:
    """A membership as it is stored."""
    return Membership.objects.get(tenant=tenant, user=user)


def events(tenant: Tenant, kind: EventKind) -> list[tuple[int | None, Any]]:
    """Actor and changes of a tenant's events of a kind, oldest first."""
    with tenant_context(tenant):
        rows = Event.objects.filter(kind=kind).order_by("id")
        return [(row.actor_id, row.changes) for row in rows]


class TestRenaming:
    def test_a_tenant_gets_another_name_and_keeps_its_slug(self, cast: Cast) -> None:
        renamed = tenant_rename(tenant=cast.alpha, name="Alpha Inc.", actor_id=cast.alice.pk)

        stored = Tenant.objects.get(pk=cast.alpha.pk)
        assert (stored.name, stored.slug, renamed.name) == ("Alpha Inc.", "alpha", "Alpha Inc.")
        assert events(cast.alpha, EventKind.TENANT_UPDATED) == [
            (cast.alice.pk, {"name": ["Alpha", "Alpha Inc."]})
        ]
        assert events(cast.beta, EventKind.TENANT_UPDATED) == []

    def test_the_same_name_changes_nothing(self, cast: Cast) -> None:
        cast.alpha.name = "A form has put this in"
        with recorded() as statements:
            tenant_rename(tenant=cast.alpha, name="Alpha", actor_id=cast.alice.pk)

        assert statements == ["SELECT tenant"]
        assert events(cast.alpha, EventKind.TENANT_UPDATED) == []

    @pytest.mark.parametrize("name", ["", "x" * 201, "a\0b", "\ud800"], ids=ascii)
    def test_a_name_that_does_not_fit_is_refused(self, name: str, cast: Cast) -> None:
        with pytest.raises(ValidationError) as refusal:
            tenant_rename(tenant=cast.alpha, name=name)

        assert set(refusal.value.message_dict) == {"name"}
        assert Tenant.objects.get(pk=cast.alpha.pk).name == "Alpha"


class TestInviting:
    def test_a_stranger_with_an_account_becomes_a_member(self, cast: Cast) -> None:
        invited = member_invite(
            tenant=cast.alpha, username="carol", role=Role.ADMIN, actor_id=cast.alice.pk
        )

        assert invited == member(cast.alpha, cast.carol)
        assert (invited.role, invited.active) == (Role.ADMIN, True)
        told = (cast.alice.pk, {"user": "carol", "role": "admin"})
        assert events(cast.alpha, EventKind.MEMBER_ADDED)[-1] == told

    def test_a_name_that_nobody_has_becomes_a_user_who_can_not_log_in(self, cast: Cast) -> None:
        invited = member_invite(
            tenant=cast.alpha, username="dave", role=Role.MEMBER, actor_id=cast.alice.pk
        )

        assert invited.user == User.objects.get(username="dave")
        assert not invited.user.has_usable_password()

    def test_a_deactivated_member_comes_back_with_the_new_role(self, cast: Cast) -> None:
        member_deactivate(membership=member(cast.alpha, cast.bob))
        member_invite(tenant=cast.alpha, username="bob", role=Role.VIEWER, actor_id=cast.alice.pk)

        stored = member(cast.alpha, cast.bob)
        assert (stored.role, stored.active) == (Role.VIEWER, True)

    def test_an_active_member_is_refused_on_the_name(self, cast: Cast) -> None:
        with pytest.raises(ValidationError) as refusal:
            member_invite(
                tenant=cast.alpha, username="bob", role=Role.OWNER, actor_id=cast.alice.pk
            )

        assert refusal.value.message_dict == {"username": ["bob is a member of alpha already."]}
        assert member(cast.alpha, cast.bob).role == Role.MEMBER

    @pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 151, "a\0", "\ud800", "a\n"])
    def test_a_malformed_name_is_refused_before_it_is_looked_for(
        self, name: str, cast: Cast
    ) -> None:
        with recorded() as statements, pytest.raises(ValidationError) as refusal:
            member_invite(tenant=cast.alpha, username=name, role=Role.MEMBER, actor_id=None)

        assert (set(refusal.value.message_dict), statements) == ({"username"}, [])

    def test_a_name_is_looked_for_as_it_would_be_kept(self, cast: Cast) -> None:
        invited = member_invite(
            tenant=cast.alpha, username="ｃａｒｏｌ", role=Role.MEMBER, actor_id=cast.alice.pk
        )

        assert invited.user == cast.carol


class TestRoles:
    def test_a_new_role_is_an_event(self, cast: Cast) -> None:
        bob = member(cast.alpha, cast.bob)
        member_set_role(membership=bob, role=Role.ADMIN, actor_id=cast.alice.pk)

        assert member(cast.alpha, cast.bob).role == Role.ADMIN
        assert events(cast.alpha, EventKind.MEMBER_CHANGED) == [
            (cast.alice.pk, {"user": "bob", "role": "admin"})
        ]

    def test_what_counts_is_the_role_that_is_stored(self, cast: Cast) -> None:
        bob = member(cast.alpha, cast.bob)
        bob.role = Role.ADMIN  # as a form does before it saves
        member_set_role(membership=bob, role=Role.ADMIN, actor_id=cast.alice.pk)

        assert member(cast.alpha, cast.bob).role == Role.ADMIN

    def test_the_same_role_changes_nothing(self, cast: Cast) -> None:
        with recorded() as statements:
            member_set_role(membership=member(cast.alpha, cast.alice), role=Role.OWNER)

        assert statements == ["SELECT membership"] * 2  # the test's own look, and the lock
        assert events(cast.alpha, EventKind.MEMBER_CHANGED) == []

    def test_a_role_in_another_tenant_stays(self, cast: Cast) -> None:
        elsewhere = member_add(tenant=cast.beta, user=cast.bob, role=Role.VIEWER)
        member_set_role(membership=member(cast.alpha, cast.bob), role=Role.OWNER)

        elsewhere.refresh_from_db()
        assert elsewhere.role == Role.VIEWER


class TestTheLastOwner:
    REFUSAL = "alice is the last owner of alpha: make another member an owner first"

    def test_it_stays_active(self, cast: Cast) -> None:
        with pytest.raises(ValidationError, match=self.REFUSAL):
            member_deactivate(membership=member(cast.alpha, cast.alice))

        assert member(cast.alpha, cast.alice).active

    @pytest.mark.parametrize("role", [Role.ADMIN, Role.MEMBER, Role.VIEWER])
    def test_it_stays_an_owner(self, role: Role, cast: Cast) -> None:
        with pytest.raises(ValidationError, match=self.REFUSAL):
            member_set_role(membership=member(cast.alpha, cast.alice), role=role)

        assert member(cast.alpha, cast.alice).role == Role.OWNER

    def test_owners_who_are_deactivated_or_elsewhere_do_not_count(self, cast: Cast) -> None:
        bob = member(cast.alpha, cast.bob)
        member_set_role(membership=bob, role=Role.OWNER)
        member_deactivate(membership=bob)
        member_add(tenant=cast.beta, user=cast.alice, role=Role.OWNER)

        with pytest.raises(ValidationError, match=self.REFUSAL):
            member_deactivate(membership=member(cast.alpha, cast.alice))

    def test_one_of_two_may_go(self, cast: Cast) -> None:
        member_set_role(membership=member(cast.alpha, cast.bob), role=Role.OWNER)
        member_deactivate(membership=member(cast.alpha, cast.alice))

        assert not member(cast.alpha, cast.alice).active
        with pytest.raises(ValidationError, match="bob is the last owner"):
            member_set_role(membership=member(cast.alpha, cast.bob), role=Role.ADMIN)

    def test_a_deactivated_owner_is_none(self, cast: Cast) -> None:
        Membership.objects.filter(tenant=cast.alpha).update(active=False)
        member_set_role(membership=member(cast.alpha, cast.alice), role=Role.VIEWER)

        assert member(cast.alpha, cast.alice).role == Role.VIEWER

    def test_somebody_else_may_go(self, cast: Cast) -> None:
        member_deactivate(membership=member(cast.alpha, cast.bob))

        assert not member(cast.alpha, cast.bob).active


@pytest.mark.django_db(transaction=True)
def test_two_owners_can_not_go_at_once() -> None:
    cast = make_cast()
    member_set_role(membership=member(cast.alpha, cast.bob), role=Role.OWNER)
    has_written, may_commit = threading.Event(), threading.Event()

    def go_and_linger() -> None:
        with transaction.atomic():
            member_deactivate(membership=member(cast.alpha, cast.alice))
            has_written.set()
            may_commit.wait(10)
        connection.close()

    def go_too() -> None:
        has_written.wait(10)
        try:
            member_set_role(membership=member(cast.alpha, cast.bob), role=Role.VIEWER)
        finally:
            connection.close()

    with ThreadPoolExecutor() as threads:
        lingering, following = threads.submit(go_and_linger), threads.submit(go_too)
        wait_until_somebody_waits()
        may_commit.set()
        lingering.result(10)
        with pytest.raises(ValidationError, match="bob is the last owner"):
            following.result(10)

    assert member(cast.alpha, cast.bob).role == Role.OWNER


def wait_until_somebody_waits() -> None:
    """Until a session of this database waits for a lock; at most 1.5 s, below its lock_timeout."""
    deadline = time.monotonic() + 1.5
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while fetch(waiting) == [0] and time.monotonic() < deadline:
        time.sleep(0.02)


class TestComingBack:
    def test_a_member_comes_back_with_the_role_it_had(self, cast: Cast) -> None:
        bob = member(cast.alpha, cast.bob)
        member_deactivate(membership=bob, actor_id=cast.alice.pk)
        for _ in range(2):
            member_reactivate(membership=bob, actor_id=cast.alice.pk)

        assert (member(cast.alpha, cast.bob).active, bob.role) == (True, Role.MEMBER)
        assert events(cast.alpha, EventKind.MEMBER_CHANGED) == [
            (cast.alice.pk, {"user": "bob", "active": False}),
            (cast.alice.pk, {"user": "bob", "active": True}),
        ]

    def test_the_tokens_of_before_stay_revoked(self, cast: Cast) -> None:
        with tenant_context(cast.alpha):
            token = token_issue(user_id=cast.bob.pk, name="test").token
        member_deactivate(membership=member(cast.alpha, cast.bob))
        member_reactivate(membership=member(cast.alpha, cast.bob))

        with tenant_context(cast.alpha):
            assert ApiToken.objects.get(pk=token.pk).revoked_at is not None


class TestSelectors:
    def test_a_membership_comes_with_its_tenant_in_one_statement(self, cast: Cast) -> None:
        with recorded() as statements:
            found = selectors.membership_of(slug="alpha", user_id=cast.bob.pk)
            assert (found.tenant, found.role) == (cast.alpha, Role.MEMBER)

        assert len(statements) == 1

    def test_strangers_former_members_and_unknown_slugs_look_alike(self, cast: Cast) -> None:
        member_deactivate(membership=member(cast.alpha, cast.bob))

        for slug, user in [("alpha", cast.carol), ("alpha", cast.bob), ("betx", cast.carol)]:
            with pytest.raises(Membership.DoesNotExist) as refusal:
                selectors.membership_of(slug=slug, user_id=user.pk)
            assert str(refusal.value) == "Membership matching query does not exist."

    def test_a_user_has_its_active_memberships(self, cast: Cast) -> None:
        for tenant in (cast.beta, Tenant.objects.create(slug="gamma", name="Gamma")):
            member_add(tenant=tenant, user=cast.alice, role=Role.VIEWER)
        member_add(tenant=cast.beta, user=cast.vera, role=Role.OWNER)
        member_deactivate(membership=member(cast.beta, cast.alice))

        with recorded() as statements:
            found = selectors.memberships_of(user_id=cast.alice.pk)
            assert [each.tenant.slug for each in found] == ["alpha", "gamma"]
        assert len(statements) == 1

    def test_a_member_is_active_in_the_active_tenant_only(self, cast: Cast) -> None:
        member_deactivate(membership=member(cast.alpha, cast.bob))
        with tenant_context(cast.alpha):
            people = (cast.alice, cast.bob, cast.carol)
            found = [selectors.member_is_active(user_id=each.pk) for each in people]
        with tenant_context(cast.beta):
            assert not selectors.member_is_active(user_id=cast.alice.pk)

        assert found == [True, False, False]

    def test_the_newest_events_come_first(self, cast: Cast) -> None:
        with tenant_context(cast.alpha):
            for number in range(3):
                changes = {"n": number}
                event_append(EventKind.TASK_UPDATED, actor_id=None, changes=changes)
            newest = [event.changes for event in selectors.events_newest()[:2]]

        assert newest == [{"n": 2}, {"n": 1}]

    def test_the_events_of_a_project_are_those_of_no_task_of_it(self, cast: Cast) -> None:
        with tenant_context(cast.alpha):
            for project_id, task_id in [(7, None), (7, 1), (8, None), (None, None), (7, None)]:
                event_append(
                    EventKind.PROJECT_UPDATED, actor_id=None, project_id=project_id, task_id=task_id
                )
            found = list(selectors.project_events(project_id=7))

        assert [(each.project_id, each.task_id) for each in found] == [(7, None)] * 2
        assert found[0].pk < found[1].pk
        with tenant_context(cast.beta):
            assert not selectors.project_events(project_id=7).exists()


class TestReach:
    """An actor acts on members up to the own role, whatever a page has shown before."""

    @pytest.fixture
    def adam(self, cast: Cast) -> User:
        user = User.objects.create(username="adam")
        member_add(tenant=cast.alpha, user=user, role=Role.ADMIN)
        return user

    def test_an_admin_changes_no_owner(self, cast: Cast, adam: User) -> None:
        member_set_role(membership=member(cast.alpha, cast.bob), role=Role.OWNER)
        owner = member(cast.alpha, cast.bob)
        for change in (
            lambda: member_set_role(membership=owner, role=Role.VIEWER, actor_id=adam.pk),
            lambda: member_deactivate(membership=owner, actor_id=adam.pk),
        ):
            with pytest.raises(ValidationError, match="does not reach"):
                change()

        kept = member(cast.alpha, cast.bob)
        assert (kept.role, kept.active) == (Role.OWNER, True)

    def test_what_counts_is_the_role_that_is_stored(self, cast: Cast, adam: User) -> None:
        seen = member(cast.alpha, cast.bob)
        member_set_role(membership=seen, role=Role.OWNER)  # by somebody else, meanwhile
        assert seen.role == Role.MEMBER

        with pytest.raises(ValidationError, match="does not reach"):
            member_deactivate(membership=seen, actor_id=adam.pk)

    def test_an_admin_makes_no_owner_and_lowers_no_former_one(self, cast: Cast, adam: User) -> None:
        member_set_role(membership=member(cast.alpha, cast.bob), role=Role.OWNER)
        member_deactivate(membership=member(cast.alpha, cast.bob))

        for role in (Role.OWNER, Role.VIEWER):
            with pytest.raises(ValidationError, match="does not reach"):
                member_invite(tenant=cast.alpha, username="bob", role=role, actor_id=adam.pk)
        assert not member(cast.alpha, cast.bob).active

    def test_a_stranger_and_a_former_member_reach_nobody(self, cast: Cast, adam: User) -> None:
        member_deactivate(membership=member(cast.alpha, adam))

        for actor in (adam, cast.carol):
            with pytest.raises(ValidationError, match="does not reach"):
                member_deactivate(membership=member(cast.alpha, cast.vera), actor_id=actor.pk)
