"""Making a thousand tasks in one request, beside COPY and beside a serializer with many=True.

Requests go through all of Django, from the test client to the answer; no web server stands between.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import batched
from typing import Any, Final

from django.test import Client

from projects.models import Project
from taskproject.tenancy.models import Tenant, User
from taskproject.tenancy.services import token_issue
from tasks.models import Priority
from tasks.reference.batches import SLOW_SHARE, Stage, Way, Work, copied

_REQUEST: Final = 1_000


def requests(stage: Stage, rows: int) -> Work:
    """Making tasks, a thousand in each request and in each transaction of COPY."""
    token = token_issue(user_id=stage.people[0], name="benchmark", scopes=["read", "write"])
    client = Client(headers={"authorization": f"Bearer {token.text}"})
    slug = Tenant.objects.get(pk=stage.tenant_id).slug
    ours = f"/api/v1/tenants/{slug}/tasks/bulk/create/"
    stock = f"/stock/v1/tenants/{slug}/tasks/many/"
    return Work(
        f"create {rows:,} tasks over REST",
        rows,
        (
            Way("COPY", lambda n: copied(stage, n, events=True, at_once=_REQUEST)),
            Way("bulk/create/", lambda n: _posted(client, ours, _bodies(stage, n), "items")),
            Way("many=True", lambda n: _posted(client, stock, _bodies(stage, n)), SLOW_SHARE),
        ),
        (("bulk/create/", "COPY"), ("many=True", "bulk/create/")),
        stage.clear,
    )


def _bodies(stage: Stage, number: int) -> list[list[dict[str, Any]]]:
    """The items of each request, with names in place of ids."""
    projects = dict(Project.objects.values_list("id", "key"))
    people = dict(User.objects.filter(pk__in=stage.people).values_list("id", "username"))
    found = [
        {
            "project": projects[item["project_id"]],
            "assignee": people.get(item["assignee_id"]),
            "title": item["title"],
            "description": item["description"],
            "priority": Priority(item["priority"]).label,
            "due_at": item["due_at"] and item["due_at"].isoformat(),
        }
        for item in stage.items(number)
    ]
    return [list(each) for each in batched(found, _REQUEST)]


def _posted(
    client: Client, address: str, bodies: list[list[dict[str, Any]]], member: str = ""
) -> Callable[[], object]:
    sent = [json.dumps({member: each} if member else each) for each in bodies]

    def work() -> None:
        for body in sent:
            answer = client.post(address, body, content_type="application/json")
            if answer.status_code != 201:
                raise RuntimeError(f"{address} answers {answer.status_code}: {answer.content!r}")

    return work
