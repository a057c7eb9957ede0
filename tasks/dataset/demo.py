"""Two small tenants to look at. Written through the services, so that they have a history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.utils import timezone

from projects.services import project_create
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Role, Tenant, User
from taskproject.tenancy.services import member_add, tenant_create, token_issue
from tasks.models import Label, Priority, Status
from tasks.services.relations import comment_add, dependency_add, label_create, task_label_add
from tasks.services.tasks import task_create, task_update


@dataclass(frozen=True, slots=True)
class DemoProject:
    """A project and the titles of its tasks, in order."""

    key: str
    name: str
    titles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """A tenant, its members (the first is its owner) and its projects."""

    slug: str
    name: str
    members: tuple[str, ...]
    projects: tuple[DemoProject, ...]


TENANTS: Final = (
    DemoTenant(
        "acme",
        "Acme Bicycles",
        ("ada", "ben", "chloe"),
        (
            DemoProject(
                "WEB",
                "Web shop",
                (
                    "Show delivery dates in the cart",
                    "Search finds no bell by its article number",
                    "Let customers keep several addresses",
                    "Product photos load slowly on phones",
                    "Order mail lists the discount twice",
                    "Offer a test ride when a bicycle is in stock nearby",
                    "Compress the old order archive",
                    "Wish list loses entries after log-in",
                    "Translate the size guide into Danish",
                    "Measure how many carts are left behind",
                ),
            ),
            DemoProject(
                "SHOP",
                "Workshop",
                (
                    "Order spokes for the spring season",
                    "Repair stand 3 wobbles",
                    "Plan who works on the two Saturdays in May",
                    "Write down how cargo bikes are checked",
                    "Find a second supplier for brake pads",
                    "Return the torque wrench for calibration",
                    "Label the shelves in the cellar",
                    "Collect the helmets from the fair",
                ),
            ),
        ),
    ),
    DemoTenant(
        "globex",
        "Globex Gardens",
        ("gus", "hana"),
        (
            DemoProject(
                "PARK",
                "City park",
                (
                    "Prune the lime trees along the north path",
                    "Replace the pump of the fountain",
                    "Ask the school which beds it wants to keep",
                    "Repair the fence behind the greenhouse",
                    "Sow the meadow strip",
                    "Check the playground after the storm",
                ),
            ),
        ),
    ),
)
LABELS: Final = (("bug", "#d1495b"), ("idea", "#3d7ea6"), ("quick", "#66a182"))
_STATUSES: Final = (Status.DONE, Status.ACTIVE, Status.PENDING, Status.BLOCKED, Status.PENDING)


def demo_tenant_create(demo: DemoTenant) -> str:
    """Make one demo tenant with everything in it; returns the owner's token as text.

    Runs in the caller's transaction. Raises `ValidationError` if the slug is taken.
    """
    tenant = tenant_create(slug=demo.slug, name=demo.name)
    people = [_member(tenant, name, first=name == demo.members[0]) for name in demo.members]
    with tenant_context(tenant):
        labels = [
            label_create(name=name, colour=colour, actor_id=people[0].pk) for name, colour in LABELS
        ]
        for project in demo.projects:
            _project(project, people, labels)
        return token_issue(user_id=people[0].pk, name="demo").text


def _member(tenant: Tenant, username: str, *, first: bool) -> User:
    user = User(username=username)
    user.set_unusable_password()
    user.save()
    member_add(tenant=tenant, user=user, role=Role.OWNER if first else Role.MEMBER)
    return user


def _project(demo: DemoProject, people: list[User], labels: list[Label]) -> None:
    owner = people[0]
    project = project_create(key=demo.key, name=demo.name, actor_id=owner.pk, lead_id=people[-1].pk)
    made = []
    for index, title in enumerate(demo.titles):
        actor = people[index % len(people)]
        task = task_create(
            project_id=project.pk,
            title=title,
            actor_id=actor.pk,
            priority=Priority((index * 3 + 1) % 4),
            assignee_id=people[(index + 1) % len(people)].pk if index % 4 else None,
            due_at=timezone.now() + timedelta(days=index * 3 - 6) if index % 3 == 0 else None,
        )
        status = _STATUSES[index % len(_STATUSES)]
        task_update(task_id=task.pk, actor_id=actor.pk, status=status)
        task_label_add(task_id=task.pk, label_id=labels[index % len(labels)].pk, actor_id=actor.pk)
        made.append(task)
    comment_add(task_id=made[1].pk, body="I can look at this on Monday.", actor_id=owner.pk)
    dependency_add(blocker_id=made[2].pk, blocked_id=made[3].pk, actor_id=owner.pk)
