"""The pictures of docs/, taken of made-up tenants. No test of the suite; run it by its name:

.ci/with-services LOCAL_DIR=.local/test EMBEDDED_FSYNC=false -- \\
    .venv/bin/python -m pytest -n 0 taskproject/tests/browser/pictures.py
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management import call_command
from django.db.models import Count, Q

from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Membership, Role, Tenant, User
from taskproject.tenancy.services import member_add
from taskproject.tests.browser import chromium
from tasks.models import Status, Task

FOLDER: Final = Path(settings.BASE_DIR) / "docs" / "images"
LIMIT: Final = 150_000  # bytes
SITE: Final = "/admin/tenants/acme/"


def seed() -> User:
    """Tenants with tasks, and the owner of the largest, who is in two of the others as well."""
    call_command("seed", tenants=6, tasks=2_000, stdout=io.StringIO(), stderr=io.StringIO())
    owner = Membership.objects.get(tenant__slug="acme", role=Role.OWNER).user
    for slug, role in (("globex", Role.MEMBER), ("initech", Role.VIEWER)):
        member_add(tenant=Tenant.objects.get(slug=slug), user=owner, role=role)
    return owner


def lively_task() -> Task:
    """An open task about which there is something to see, the newest of them."""
    with tenant_context(Tenant.objects.get(slug="acme")):
        lively = Task.objects.annotate(
            said=Count("comments", distinct=True), marked=Count("task_labels", distinct=True)
        ).filter(Q(said__gt=1) & Q(marked__gt=0), assignee__isnull=False, deleted_at=None)
        return lively.filter(status=Status.ACTIVE).latest("created_at")


def take(browser: Any, name: str, address: str) -> None:
    browser.visit(address)
    size = browser.take_picture(FOLDER / f"{name}.png").stat().st_size
    print(f"{name}: {size:,} bytes")  # noqa: T201
    assert size < LIMIT


def test_the_pictures_of_the_docs(browser):
    browser.enter(seed())
    of_task = f"{SITE}tasks/task/{lively_task().pk}/"
    take(browser, "admin-chooser", "/admin/")
    take(browser, "admin-tasks", f"{SITE}tasks/task/")
    take(browser, "admin-task", f"{of_task}change/")
    take(browser, "admin-history", f"{of_task}history/")
    chromium.prefer(browser.driver, "dark")
    chromium.set_size(browser.driver, 390, 844, mobile=True)
    take(browser, "admin-tasks-dark-phone", f"{SITE}tasks/task/")
