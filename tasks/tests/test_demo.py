"""`manage.py create_demo`: what `make run` shows to a newcomer."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from taskproject.db.context import no_tenant, tenant_context
from taskproject.tenancy.identities import token_authenticate
from taskproject.tenancy.models import Membership, Role, Tenant, User
from taskproject.tenancy.services import token_revoke
from taskproject.tests import crowd as crowds
from tasks.dataset import demo
from tasks.management.commands import create_demo
from tasks.models import Status, Task

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folder(transactional_db: None, settings: Any, tmp_path: Path) -> Iterator[Path]:
    """Where demo.json is kept, in a database without rows."""
    crowds.leave()
    settings.LOCAL_DIR = str(tmp_path)
    settings.EMBEDDED = settings.EMBEDDED or object()
    yield tmp_path
    crowds.leave()


def run() -> str:
    output = io.StringIO()
    call_command("create_demo", stdout=output, stderr=output)
    return output.getvalue()


def kept(folder: Path) -> dict[str, str]:
    logins: dict[str, str] = json.loads((folder / "demo.json").read_text())
    return logins


def test_it_makes_six_tenants_and_the_first_two_are_the_largest(folder):
    run()

    assert set(Tenant.objects.values_list("slug", flat=True)) == set(demo.SLUGS)
    sizes = []
    for slug in demo.SLUGS:
        with tenant_context(Tenant.objects.get(slug=slug)):
            sizes.append(Task.objects.count())
    assert (demo.SLUGS[:2], sum(sizes)) == (("acme", "globex"), 3_000)
    assert sizes == sorted(sizes, reverse=True)


def test_something_is_due_soon_something_is_overdue_and_nothing_is_of_the_future(folder):
    run()

    now = timezone.now()
    with tenant_context(Tenant.objects.get(slug="acme")):
        open_ones = Task.objects.filter(deleted_at=None, status__lt=Status.DONE)
        assert open_ones.filter(due_at__lt=now).count() > 10
        assert open_ones.filter(due_at__gt=now).count() > 10
        assert not Task.objects.filter(updated_at__gt=now).exists()


def test_the_admin_owns_the_two_largest_and_may_look_at_the_third(folder):
    run()

    admin = User.objects.get(username="admin")
    places = Membership.objects.filter(user=admin).order_by("tenant_id")
    assert admin.is_superuser
    assert admin.check_password(kept(folder)["password"])
    assert list(places.values_list("tenant__slug", "role")) == [
        ("acme", Role.OWNER),
        ("globex", Role.OWNER),
        ("initech", Role.VIEWER),
    ]


def test_the_token_speaks_for_the_seeded_owner_of_the_first(folder):
    run()

    with no_tenant():
        identity = token_authenticate(text=kept(folder)["acme"])
    assert identity is not None
    assert (identity.tenant_slug, identity.username, identity.role) == ("acme", "ada.lind", 3)
    assert (folder / "demo.json").stat().st_mode & 0o777 == 0o600


def test_a_second_run_makes_nothing_and_prints_the_same(folder):
    first = run().removeprefix("Making the demo tenants.\n")

    assert run() == first
    assert "/admin/  admin / " in first
    assert first.count("  curl -H 'Authorization: Bearer tp_") == 3


def test_a_revoked_token_is_told_of(folder):
    run()
    prefix = "_".join(kept(folder)["acme"].split("_")[2:])[:8]
    with tenant_context(Tenant.objects.get(slug="acme")):
        token_revoke(prefix=prefix)

    assert "The token of acme was revoked" in run()


def test_a_failure_between_seed_and_logins_is_made_good_by_the_next_run(folder, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(create_demo, "demo_logins_create", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            run()

    assert demo.demo_is_seeded()
    assert not (folder / "demo.json").exists()
    assert "admin / " in run()
    assert Tenant.objects.count() == len(demo.SLUGS)


def test_a_failure_after_the_file_was_written_is_made_good_too(folder, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(json, "dumps", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            run()

    assert not User.objects.filter(username="admin").exists()
    assert not (folder / "demo.json").exists()
    assert "admin / " in run()


def _interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_lost_file_is_told_of_with_the_way_out(folder):
    run()
    (folder / "demo.json").unlink()

    with pytest.raises(CommandError, match=r"issue_token acme ada\.lind"):
        run()


def test_it_refuses_a_database_that_is_not_its_own(folder, settings):
    settings.EMBEDDED = None

    with pytest.raises(CommandError, match="DATABASE_URL is set"):
        run()


def test_it_keeps_the_database_open_to_the_app_role_only(folder):
    run()

    assert not connection.acts_as_owner  # type: ignore[attr-defined]
