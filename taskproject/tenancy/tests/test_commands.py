"""create_tenant, add_member, issue_token and revoke_token at the shell."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.utils import timezone

from taskproject.db.context import no_tenant, tenant_context
from taskproject.tenancy.identities import token_authenticate
from taskproject.tenancy.management.commands import add_member
from taskproject.tenancy.models import ApiToken, Event, EventKind, Membership, Role, Tenant, User
from taskproject.tenancy.services import member_deactivate
from taskproject.tests.cast import Cast

pytestmark = pytest.mark.django_db


def run(*args: Any, **options: Any) -> tuple[str, str]:
    """Run a command and return what it wrote, without colours."""
    out, err = StringIO(), StringIO()
    call_command(*args, stdout=out, stderr=err, no_color=True, **options)
    return out.getvalue(), err.getvalue()


def refused(*args: Any) -> str:
    """The words with which a command refuses."""
    with pytest.raises(CommandError) as caught:
        run(*args)
    return str(caught.value)


class TestCreateTenant:
    def test_it_makes_a_tenant_and_says_what_comes_next(self) -> None:
        out, _ = run("create_tenant", "acme", "--name", "Acme Inc.")
        assert Tenant.objects.get(slug="acme").name == "Acme Inc."
        assert "Made the tenant acme." in out
        assert "manage.py add_member acme USERNAME --role owner --create" in out

    def test_the_slug_stands_in_for_a_name(self) -> None:
        run("create_tenant", "acme")
        assert Tenant.objects.get(slug="acme").name == "acme"

    @pytest.mark.parametrize("slug", ["Acme", "a b", "-a", "ä", "a/b", "x" * 64, ""])
    def test_a_malformed_slug_is_refused(self, slug: str) -> None:
        with pytest.raises(CommandError):
            run("create_tenant", "--name=Acme", "--", slug)
        assert not Tenant.objects.exists()

    def test_a_taken_slug_is_refused(self, cast: Cast) -> None:
        assert "already exists" in refused("create_tenant", "alpha")
        assert Tenant.objects.get(slug="alpha").name == "Alpha"


class TestAddMember:
    def test_it_makes_a_member(self, cast: Cast) -> None:
        out, _ = run("add_member", "beta", "bob", "--role", "admin")
        assert out == "bob is now admin of beta.\n"
        assert Membership.objects.get(tenant=cast.beta, user=cast.bob).role == Role.ADMIN
        with tenant_context(cast.beta):
            event = Event.objects.get(kind=EventKind.MEMBER_ADDED, changes__user="bob")
        assert event.changes == {"user": "bob", "role": "admin"}

    def test_a_member_unless_said_otherwise(self, cast: Cast) -> None:
        run("add_member", "beta", "bob")
        assert Membership.objects.get(tenant=cast.beta, user=cast.bob).role == Role.MEMBER

    def test_it_makes_the_user_when_asked(self, cast: Cast) -> None:
        run("add_member", "alpha", "dave", "--create")
        assert not User.objects.get(username="dave").has_usable_password()

    def test_it_takes_an_existing_user_even_then(self, cast: Cast) -> None:
        run("add_member", "beta", "bob", "--create")
        assert User.objects.filter(username="bob").count() == 1

    def test_it_brings_a_former_member_back(self, cast: Cast) -> None:
        bob = Membership.objects.get(tenant=cast.alpha, user=cast.bob)
        member_deactivate(membership=bob)
        run("add_member", "alpha", "bob", "--role", "viewer")
        bob.refresh_from_db()
        assert (bob.active, bob.role) == (True, Role.VIEWER)

    @pytest.mark.parametrize(
        ("args", "reason"),
        [
            (["nowhere", "alice"], "There is no tenant 'nowhere'."),
            (["alpha", "nobody"], "There is no user 'nobody'."),
            (["alpha", "alice"], "alice is a member of alpha already."),
            (["alpha", "alice", "--role", "king"], "invalid choice: 'king'"),
            (["alpha", "a b", "--create"], "valid username"),
            (["nowhere", "dave", "--create"], "There is no tenant 'nowhere'."),
        ],
    )
    def test_what_can_not_be_is_refused(self, cast: Cast, args: list[str], reason: str) -> None:
        before = (User.objects.count(), Membership.objects.count())
        assert reason in refused("add_member", *args)
        assert (User.objects.count(), Membership.objects.count()) == before

    def test_a_user_who_could_not_become_a_member_is_not_made(
        self, cast: Cast, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(**values: Any) -> None:
            raise ValidationError("Not today.")

        monkeypatch.setattr(add_member, "member_add", refuse)
        assert refused("add_member", "alpha", "dave", "--create") == "Not today."
        assert not User.objects.filter(username="dave").exists()


class TestIssueToken:
    def test_it_prints_the_token_and_nothing_else(self, cast: Cast) -> None:
        out, err = run("issue_token", "alpha", "alice", "--name", "ci", "--scopes", "read")
        with no_tenant():
            identity = token_authenticate(text=out.strip())
        assert identity is not None
        assert (identity.username, identity.scopes) == ("alice", ("read",))
        assert out.count("\n") == 1
        secret = out.strip()[len(f"tp_{cast.alpha.pk}_") + 8 :]
        assert secret not in err

    def test_its_days_are_counted(self, cast: Cast) -> None:
        run("issue_token", "alpha", "alice", "--days", "90")
        with tenant_context(cast.alpha):
            expires_at = ApiToken.objects.get().expires_at
        assert expires_at is not None
        assert abs(expires_at - timezone.now() - timedelta(days=90)) < timedelta(minutes=1)

    @pytest.mark.parametrize(
        ("args", "reason"),
        [
            (["nowhere", "alice"], "There is no tenant 'nowhere'."),
            (["alpha", "nobody"], "There is no user 'nobody'."),
            (["alpha", "carol"], "carol is no active member of alpha."),
            (["alpha", "alice", "--days", "0"], "expired already"),
            (["alpha", "alice", "--days", "-1"], "expired already"),
            (["alpha", "alice", "--days", "999999999"], "beyond the calendar"),
            (["alpha", "alice", "--days", "9" * 20], "beyond the calendar"),
            (["alpha", "alice", "--days", "soon"], "invalid int value"),
            (["alpha", "alice", "--scopes", "all"], "invalid choice: 'all'"),
        ],
    )
    def test_what_can_not_be_is_refused(self, cast: Cast, args: list[str], reason: str) -> None:
        assert reason in refused("issue_token", *args)
        with tenant_context(cast.alpha):
            assert not ApiToken.objects.exists()
            assert not Event.objects.filter(kind=EventKind.TOKEN_ISSUED).exists()

    def test_a_former_member_gets_none(self, cast: Cast) -> None:
        member_deactivate(membership=Membership.objects.get(tenant=cast.alpha, user=cast.bob))
        assert "no active member" in refused("issue_token", "alpha", "bob")


class TestRevokeToken:
    @pytest.fixture
    def text(self, cast: Cast) -> str:
        return run("issue_token", "alpha", "alice", "--name", "ci")[0].strip()

    @pytest.mark.parametrize("whole", [False, True])
    def test_it_revokes_by_prefix_or_by_the_whole_token(
        self, cast: Cast, text: str, whole: bool
    ) -> None:
        prefix = text.split("_", 2)[2][:8]
        out, _ = run("revoke_token", "alpha", text if whole else prefix)
        assert out == f"Revoked {prefix}… (ci).\n"
        with tenant_context(cast.alpha):
            assert ApiToken.objects.get().revoked_at is not None
        with no_tenant():
            assert token_authenticate(text=text) is None

    @pytest.mark.parametrize(
        ("args", "reason"),
        [
            (["nowhere", "aaaaaaaa"], "There is no tenant 'nowhere'."),
            (["alpha", "nonesuch"], "alpha has no token 'nonesuch'."),
            (["alpha", ""], "alpha has no token ''."),
            (["alpha", "tp_"], "alpha has no token"),
        ],
    )
    @pytest.mark.usefixtures("text")
    def test_what_is_not_there_is_refused(self, cast: Cast, args: list[str], reason: str) -> None:
        assert reason in refused("revoke_token", *args)
        with tenant_context(cast.alpha):
            assert ApiToken.objects.get().revoked_at is None

    def test_another_tenants_token_is_not_there(self, text: str) -> None:
        assert "beta has no token" in refused("revoke_token", "beta", text)
