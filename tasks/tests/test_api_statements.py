"""What each request says to PostgreSQL, all of it: the binding, BEGIN and COMMIT too, on the wire.

Asked in a tenant with a few rows and in one with many more, beside more tenants: the statements
are the same ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
from django.db import connection
from django.test import Client

from projects.api.listings import LISTINGS as OF_PROJECTS
from taskproject.api.registry import entries
from taskproject.db.context import tenant_context
from taskproject.db.epochs import cluster_epoch
from taskproject.tenancy.api.listings import LISTINGS as OF_PEOPLE
from taskproject.tenancy.models import Role, Scope, Tenant, User
from taskproject.tenancy.services import member_add, tenant_create, token_issue
from taskproject.tenancy.tests.sql import database
from taskproject.tests.api.walls import content_of
from taskproject.tests.cast import Cast, make_cast, make_client, make_project
from taskproject.tests.rows import add_tasks
from taskproject.tests.wire import Relay
from tasks.api.listings import LISTINGS as OF_TASKS
from tasks.services.relations import comment_add, dependency_add, label_create, task_label_add
from tasks.services.tasks import task_delete

pytestmark = pytest.mark.django_db(transaction=True)

FEW, MANY = 4, 40


@dataclass(frozen=True, slots=True)
class Stage:
    """A client of a tenant's owner, and the ids of some rows of it; of a token its prefix."""

    client: Client
    ids: dict[str, Any]


def furnish(tenant: Tenant, owner: User, *, rows: int) -> Stage:
    """`rows` of everything that a request could look at; the task has labels, comments and what it
    waits for."""
    project = make_project(tenant, owner)
    tasks = add_tasks(project, owner, [0] * rows, assignee=owner)
    with tenant_context(tenant):
        labels = [label_create(name=f"L{n}", actor_id=owner.pk) for n in range(rows)]
        task, other, deleted = (each.pk for each in tasks[:3])
        for label in labels[: min(rows, 19) - 1]:
            task_label_add(task_id=task, label_id=label.pk, actor_id=owner.pk)
        comments = [comment_add(task_id=task, body="Hm", actor_id=owner.pk) for _ in range(rows)]
        for each in tasks[3:]:
            dependency_add(blocker_id=each.pk, blocked_id=task, actor_id=owner.pk)
        task_delete(task_id=deleted, actor_id=owner.pk)
        token = token_issue(user_id=owner.pk, name="Another").token
    client = make_client(tenant, owner, scopes=list(Scope.values))
    ids = {"task": task, "other": other, "label": labels[0].pk, "comment": comments[0].pk}
    return Stage(client, ids | {"unused_label": labels[-1].pk, "token": token.prefix})


def furnish_alpha(cast: Cast, *, rows: int) -> Stage:
    """Alpha with few rows, or with many beside ten more tenants of Alice's."""
    for number in range(10 if rows > FEW else 0):
        tenant = tenant_create(slug=f"more-{number}", name="More")
        member_add(tenant=tenant, user=cast.alice, role=Role.OWNER)
        furnish(tenant, cast.alice, rows=FEW)
    return furnish(cast.alpha, cast.alice, rows=rows)


@contextmanager
def wire() -> Iterator[Relay]:
    """A relay that Django's pool of one connection goes through, warm."""
    place = connection.settings_dict
    with (
        Relay(place["HOST"], place["PORT"]) as relay,
        database(HOST=relay.host, PORT=relay.port, pool={"min_size": 1, "max_size": 1}),
    ):
        cluster_epoch()  # which a connection is asked for once
        connection.close()
        yield relay


class Reader:
    """Reads statements as their verb and the table that they are about; of a prepared one, which
    was given a name before, what the name stands for."""

    def __init__(self) -> None:
        self._named: dict[str, str] = {}

    def read(self, texts: list[str]) -> list[str]:
        return [read for text in texts if (read := self._read(text))]

    def _read(self, text: str) -> str:
        text = re.sub(r"^SELECT set_config\([^)]*\); ?", "", text)
        if named := re.fullmatch(r"PREPARE (\w+) AS (.*)", text, re.DOTALL):
            self._named[named[1]] = said_as_json(named[2])
            return ""
        if called := re.match(r"EXECUTE (\w+)", text):
            return self._named[called[1]]
        as_json = text.startswith(("SELECT string_agg", "SELECT row_to_json"))
        return said_as_json(text) if as_json else said(text)


def said_as_json(text: str) -> str:
    """A statement that answers with JSON, as what it does to which table."""
    if text.startswith("WITH"):
        return "create task" if "INSERT INTO task" in text else "change task"
    rows = re.search(r"FROM \((SELECT (?!row_number).*)\) AS (page|shown_row)", text, re.DOTALL)
    return said(rows[1] if rows else text)


def said(text: str) -> str:
    """A statement as its verb and the table that it is about."""
    if "pg_advisory_xact_lock" in text:
        return "lock"
    if "WITH RECURSIVE" in text:
        return "walk"
    outer = re.sub(r"^SELECT set_config\([^)]*\); ", "", text)
    while (shorter := re.sub(r"\([^()]*\)", "", outer)) != outer:
        outer = shorter  # what stands in parentheses, subqueries among it
    table = re.search(r'\b(?:FROM|UPDATE|INTO) "?(\w+)"?', outer)
    verb = outer.split()[0]
    named = table and verb not in ("FETCH", "CLOSE")  # these name a cursor
    return f"{verb} {table[1]}" if table and named else verb


def written(
    *statements: str, before: tuple[str, ...] = (), after: tuple[str, ...] = ()
) -> list[str]:
    """All that a write says: what is asked before its transaction, in it, and after it."""
    return [*before, "BEGIN", *statements, "COMMIT", *after]


# How long it may take, whether it is the only one, the rows until there are no more, and whether a
# key is taken.
_CURSOR: Final = ("SELECT", "SELECT", "DECLARE task", "FETCH", "FETCH", "CLOSE", "SELECT task")


def read(*statements: str) -> list[str]:
    return [*statements]


@dataclass(frozen=True, slots=True)
class Case:
    """A request and all that it says."""

    method: str
    path: str
    says: list[str]
    body: dict[str, Any] | None = None
    status: int = 200

    def sent(self, client: Client, ids: dict[str, Any]) -> Any:
        address = "/api/v1/tenants/alpha/" + self.path.format(**ids)
        body = named(self.body or {}, ids)
        sent = json.dumps(body) if self.body else ""  # Django's client sends an empty form else
        response = client.generic(self.method.upper(), address, sent, "application/json")
        content_of(response)  # and so a file is closed
        return response


def named(value: Any, ids: dict[str, Any]) -> Any:
    """The body with ids in place of their names."""
    if isinstance(value, dict):
        return {name: named(each, ids) for name, each in value.items()}
    if isinstance(value, list):
        return [named(each, ids) for each in value]
    return ids.get(str(value), value)


# In this order: what is deleted is not asked for afterwards.
CASES: Final = [
    Case("get", "", read("SELECT tenant")),
    Case("get", "members/", read("SELECT membership")),
    Case("get", "members/bob/", read("SELECT membership")),
    Case("get", "tokens/", read("SELECT api_token")),
    Case("get", "tokens/{token}/", read("SELECT api_token")),
    Case("get", "projects/", read("SELECT project")),
    Case("get", "projects/WEB/", read("SELECT project")),
    Case("get", "projects/WEB/tasks/", read("SELECT task")),
    Case("get", "tasks/", read("SELECT task")),
    Case("get", "tasks/?status=pending&project=WEB", read("SELECT task")),
    Case("get", "tasks/?assignee=me", read("SELECT task")),
    Case("get", "tasks/?label={label}", read("SELECT task")),
    Case("get", "tasks/?label={label}&status=done", read("SELECT task_label", "SELECT task")),
    Case("get", "tasks/?q=Task", read("SELECT", "SELECT task")),
    Case("get", "tasks/?sort=due", read("SELECT task")),
    Case("get", "tasks/?sort=-priority", read("SELECT task")),
    Case("get", "tasks/?deleted=true", read("SELECT task")),
    Case("get", "tasks/count/", read("SELECT")),
    Case("get", "tasks/count/?q=Task", read("SELECT", "SELECT")),
    Case("get", "tasks/summary/", read("SELECT")),
    Case("get", "tasks.ndjson", written(*_CURSOR)),
    Case("get", "tasks.csv", written(*_CURSOR)),
    Case("get", "tasks/?fields=key,title&include=labels", read("SELECT task")),
    Case("get", "tasks/{task}/", read("SELECT task")),
    Case("get", "tasks/{task}/?fields=title&include=labels", read("SELECT task")),
    Case("get", "tasks/WEB-1/", read("SELECT task")),
    Case("get", "tasks/{task}/labels/", read("SELECT label")),
    Case("get", "tasks/{task}/comments/", read("SELECT comment")),
    Case("get", "tasks/WEB-1/comments/", read("SELECT task", "SELECT comment")),
    Case("get", "tasks/{task}/comments/{comment}/", read("SELECT comment")),
    Case("get", "tasks/{task}/dependencies/", read("SELECT dependency")),
    Case("get", "tasks/{task}/events/", read("SELECT event")),
    Case("get", "labels/", read("SELECT label")),
    Case("get", "events/", read("SELECT event")),
    Case("get", "labels/{label}/", read("SELECT label")),
    Case(
        "post",
        "tasks/",
        ["create task"],
        body={"project": "WEB", "title": "New"},
        status=201,
    ),
    Case(
        "post",
        "tasks/",
        ["create task"],
        body={"project": "WEB", "title": "New", "assignee": "bob", "parent": "task"},
        status=201,
    ),
    Case(
        "post",
        "projects/WEB/tasks/",
        ["create task"],
        body={"title": "New"},
        status=201,
    ),
    Case(
        "post",
        "tasks/bulk/create/",
        written("SELECT", "SELECT", "create task"),
        body={"items": [{"project": "WEB", "title": "New", "assignee": "bob"}] * 3},
        status=201,
    ),
    Case(
        "post",
        "tasks/bulk/update/",
        written("SELECT", "change task"),
        body={"items": [{"id": "task", "set": {"title": "Again", "priority": "low"}}]},
    ),
    Case(
        "post",
        "tasks/bulk/update/",
        written("SELECT", "SELECT", "SELECT", "change task"),
        body={"ids": ["task", "other"], "set": {"assignee": "bob"}},
    ),
    Case(
        "post",
        "tasks/bulk/upsert/",
        written("SELECT", "SELECT", "SELECT", "create task"),
        body={"items": [{"project": "WEB", "title": "New", "external_key": "new"}]},
    ),
    Case(
        "post",
        "tasks/bulk/upsert/",
        written("SELECT", "SELECT", "SELECT", "change task"),
        body={"items": [{"project": "WEB", "title": "Newer", "external_key": "new"}]},
    ),
    Case(
        "patch",
        "tasks/{task}/",
        ["change task"],
        body={"title": "Renamed"},
    ),
    Case(
        "patch",
        "tasks/WEB-1/",
        ["change task"],
        body={"title": "Renamed by key"},
    ),
    Case(
        "patch",
        "tasks/{task}/",
        ["change task"],
        body={"status": "done", "assignee": "bob"},
    ),
    Case(
        "patch",
        "tasks/{task}/",
        written("SELECT task", "SELECT project", "UPDATE task", "INSERT event"),
        body={"status": "active"},
    ),
    Case("patch", "tasks/{task}/", ["change task"], body={"status": "pending"}),
    Case("get", "tasks/{task}/events/?limit=200", read("SELECT event", "SELECT membership")),
    Case(
        "put",
        "tasks/{task}/labels/{unused_label}/",
        written(
            "SELECT task", "SELECT label", "SELECT task_label", "SAVEPOINT", "INSERT task_label",
            "RELEASE", "SELECT task_label", "INSERT event",
        ),
        status=204,
    ),
    Case(
        "delete",
        "tasks/{task}/labels/{label}/",
        written("SELECT task", "SELECT label", "DELETE task_label", "INSERT event"),
        status=204,
    ),
    Case(
        "post",
        "tasks/{task}/comments/",
        written("SELECT task", "INSERT comment", "INSERT event"),
        body={"body": "New"},
        status=201,
    ),
    Case(
        "patch",
        "tasks/{task}/comments/{comment}/",
        written("SELECT comment", "UPDATE comment", "INSERT event", before=("SELECT comment",)),
        body={"body": "Other"},
    ),
    Case(
        "delete",
        "tasks/{task}/comments/{comment}/",
        written("SELECT comment", "DELETE comment", "INSERT event", before=("SELECT comment",)),
        status=204,
    ),
    Case(
        "post",
        "tasks/{task}/dependencies/",
        written(
            "SELECT task", "lock", "walk", "SELECT dependency", "SAVEPOINT", "INSERT dependency",
            "RELEASE", "INSERT event",
            after=("SELECT dependency",),
        ),
        body={"blocker": "other"},
        status=201,
    ),
    Case(
        "delete",
        "tasks/{task}/dependencies/{other}/",
        written("SELECT dependency", "DELETE dependency", "INSERT event"),
        status=204,
    ),
    Case(
        "post",
        "labels/",
        written("SELECT label", "SELECT", "INSERT label", "INSERT event"),
        body={"name": "New"},
        status=201,
    ),
    Case(
        "patch",
        "labels/{label}/",
        written("SELECT label", "SELECT label", "UPDATE label", "INSERT event"),
        body={"name": "Renamed"},
    ),
    Case("post", "tasks/bulk/delete/", written("SELECT", "change task"), body={"ids": ["other"]}),
    Case(
        "delete",
        "labels/{label}/",
        written("SELECT label", "DELETE label", "INSERT event"),
        status=204,
    ),
    Case(
        "post",
        "projects/",
        written(
            "SELECT project", "INSERT project", "INSERT event",
            before=("SELECT membership",), after=("SELECT user_account",),
        ),
        body={"key": "NEW", "name": "New", "lead": "bob"},
        status=201,
    ),
    Case(
        "patch",
        "projects/WEB/",
        written(
            "SELECT project", "UPDATE project", "INSERT event",
            before=("SELECT project",),
        ),
        body={"name": "Renamed"},
    ),
    Case(
        "post",
        "projects/WEB/archive/",
        written(
            "SELECT project", "SELECT task", "SAVEPOINT", "SELECT project", "UPDATE project",
            "INSERT event", "RELEASE",
            before=("SELECT project",),
        ),
    ),
    Case(
        "post",
        "projects/WEB/unarchive/",
        written(
            "SELECT project", "UPDATE project", "INSERT event",
            before=("SELECT project",),
        ),
    ),
    Case(
        "post",
        "members/",
        written(
            "SELECT user_account", "SAVEPOINT", "INSERT user_account", "RELEASE", "SAVEPOINT",
            "SELECT membership", "SELECT membership", "SAVEPOINT", "INSERT membership", "RELEASE",
            "INSERT event", "RELEASE",
            before=("SELECT tenant",),
        ),
        body={"user": "zoe"},
        status=201,
    ),
    Case(
        "patch",
        "members/zoe/",
        written(
            "SAVEPOINT", "SELECT membership", "SELECT membership", "UPDATE membership",
            "INSERT event", "RELEASE",
            before=("SELECT membership",), after=("SELECT membership",),
        ),
        body={"role": "viewer"},
    ),
    Case(
        "patch",
        "",
        written("SELECT tenant", "UPDATE tenant", "INSERT event"),
        body={"name": "Renamed"},
    ),
    Case(
        "post",
        "tokens/",
        written(
            "SELECT membership", "SELECT membership", "INSERT api_token", "INSERT event",
            after=("SELECT user_account",),
        ),
        body={"name": "New"},
        status=201,
    ),
    Case(
        "delete",
        "tokens/{token}/",
        written(
            "SELECT api_token", "SELECT membership", "SELECT membership", "UPDATE api_token",
            "INSERT event",
        ),
        status=204,
    ),
    Case(
        "delete",
        "tasks/{task}/",
        written("SELECT task", "UPDATE task", "INSERT event"),
        status=204,
    ),
    Case("post", "tasks/{task}/restore/", written("SELECT task", "UPDATE task", "INSERT event")),
]  # fmt: skip


@pytest.mark.parametrize("rows", [FEW, MANY], ids=["few rows", "many rows and tenants"])
def test_each_request_says_these_statements_and_no_other(rows: int) -> None:
    stage = furnish_alpha(make_cast(), rows=rows)
    with wire() as relay:
        warm = stage.client.get("/api/v1/tenants/alpha/")
        connection.close()
        assert warm.status_code == 200
        reader = Reader()
        said_by = {
            f"{case.method} {case.path} {case.body or ''}": reader.read(_seen(case, stage, relay))
            for case in CASES
        }

    assert said_by == {f"{case.method} {case.path} {case.body or ''}": case.says for case in CASES}


def _seen(case: Case, stage: Stage, relay: Relay) -> list[str]:
    # A change of members makes every token of the tenant a stranger to the cache: once more.
    stage.client.get("/api/v1/tenants/alpha/")
    connection.close()
    with relay.counting() as seen:
        response = case.sent(stage.client, stage.ids)
        connection.close()
    assert response.status_code == case.status, (case, response.content)
    return seen.statements


def test_every_list_costs_what_the_registry_says() -> None:
    """A list is a statement, and one more where a set is found first."""
    for listing, access, _ in entries({**OF_TASKS, **OF_PROJECTS, **OF_PEOPLE}):
        assert access.statements == (2 if access.matches else 1), listing.name
