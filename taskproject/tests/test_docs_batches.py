"""The program in docs/batches.md runs, and does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Role, User
from taskproject.tenancy.services import member_add, tenant_create
from taskproject.tests.cast import make_project
from tasks.models import LIVE, Priority, Status, Task

PAGE = Path(settings.BASE_DIR) / "docs" / "batches.md"


@pytest.mark.django_db
def test_the_program_of_the_page_makes_changes_and_deletes() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    tenant, user = tenant_create(slug="acme", name="Acme"), User.objects.create(username="ben.sato")
    member_add(tenant=tenant, user=user, role=Role.MEMBER)
    make_project(tenant, user)

    exec(compile(program, str(PAGE), "exec"), {})  # noqa: S102  our own page

    with tenant_context(tenant):
        (left,) = Task.objects.filter(LIVE)
        assert (left.title, left.priority, left.status) == ("First", Priority.HIGH, Status.DONE)
        assert Task.objects.count() == 2
