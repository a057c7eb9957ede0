"""Tenants with a row of everything, whose every text holds one random word, and the callers.

The word is the sentinel: wherever a byte of a row gets out, the word does.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Final

from django.db import connection
from django.test import Client
from django.test.client import ClientHandler
from django.utils import timezone

from projects.models import Project
from projects.services import project_create, project_set_archived
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import (
    ApiToken,
    IdempotencyKey,
    IdempotencyState,
    Membership,
    Role,
    Tenant,
    User,
)
from taskproject.tenancy.scoping import tenant_models
from taskproject.tenancy.services import (
    member_add,
    member_deactivate,
    tenant_create,
    token_issue,
    token_revoke,
)
from tasks.models import Status, Task
from tasks.services.relations import (
    comment_add,
    comment_edit,
    dependency_add,
    label_create,
    task_label_add,
)
from tasks.services.tasks import task_create, task_delete, task_update

ALL: Final = frozenset({"read", "write", "admin"})


@dataclass(frozen=True, slots=True)
class Home:
    """A tenant, its people by what they are, and the places that addresses and bodies name."""

    tenant: Tenant
    word: str
    people: Mapping[str, User]
    places: Mapping[str, Any]

    @property
    def slug(self) -> str:
        return self.tenant.slug


def new_word() -> str:
    """A word that nothing else contains: fit for a project's key, so of capitals and digits."""
    return f"Q{secrets.token_hex(4).upper()}"


def furnish(slug: str, word: str) -> Home:
    """A tenant with a row of each model; `word` stands in all of its texts."""
    tenant = tenant_create(slug=slug, name=f"Tenant {word}")
    roles = {"owner": 3, "admin": 2, "member": 1, "colleague": 1, "viewer": 0, "former": 1}
    people = {name: _person(name, word) for name in roles}
    for name, role in roles.items():
        member_add(tenant=tenant, user=people[name], role=Role(role))
    with tenant_context(tenant):
        places = _furnish_projects(word, people) | _furnish_people(word, people)
    return Home(tenant, word, people, places)


def _person(name: str, word: str) -> User:
    return User.objects.create(
        username=f"{name}-{word}",
        first_name=f"{name} {word}",
        last_name=f"{name} {word}",
        email=f"{name}@{word}.example",
    )


def _furnish_people(word: str, people: Mapping[str, User]) -> dict[str, Any]:
    token = token_issue(user_id=people["member"].pk, name=f"Token {word}").token
    IdempotencyKey.objects.create(
        user=people["member"],
        key=f"Key {word}",
        fingerprint=b"x" * 32,
        state=IdempotencyState.DONE,
        status=201,
        response=f"Response {word}".encode(),
    )
    return {"username": people["viewer"].username, "prefix": token.prefix}


def _furnish_projects(word: str, people: Mapping[str, User]) -> dict[str, Any]:
    """Projects, tasks and all that hangs on them."""
    actor: dict[str, Any] = {"actor_id": people["member"].pk}
    project, archived = (
        project_create(
            key=f"{word}{suffix}",
            name=f"Project {word}",
            description=f"Description {word}",
            lead_id=people["owner"].pk,
            **actor,
        )
        for suffix in ("", "Z")
    )
    project_set_archived(project_id=archived.pk, archived=True, **actor)
    tasks = {name: _task(project, name, word, people) for name in ("task", "spare", "blocker")}
    gone = _task(project, "gone", word, people)
    task_delete(task_id=gone.pk, **actor)
    task_update(task_id=tasks["task"].pk, priority=3, title=f"Title {word}", **actor)
    task_update(task_id=tasks["spare"].pk, parent_id=tasks["task"].pk, **actor)
    labels = [label_create(name=f"{name} {word}", **actor) for name in ("Label", "Spare")]
    task_label_add(task_id=tasks["task"].pk, label_id=labels[0].pk, **actor)
    comment = comment_add(task_id=tasks["task"].pk, body=f"Comment {word}", **actor)
    comment_edit(comment_id=comment.pk, body=f"Edited {word}", **actor)
    dependency_add(blocker_id=tasks["blocker"].pk, blocked_id=tasks["task"].pk, **actor)
    return {
        "key": project.key,
        "archived": archived.key,
        "task": tasks["task"].pk,
        "task_key": f"{project.key}-{tasks['task'].number}",
        "spare_task": tasks["spare"].pk,
        "task_id": gone.pk,
        "label_id": labels[0].pk,
        "spare_label": labels[1].pk,
        "comment_id": comment.pk,
        "blocker_id": tasks["blocker"].pk,
    }


def _task(project: Project, name: str, word: str, people: Mapping[str, User]) -> Task:
    return task_create(
        project_id=project.pk,
        title=f"{name} {word}",
        description=f"Description {word}",
        external_key=f"{name} {word}",
        status=Status.BLOCKED,
        assignee_id=people["owner"].pk,
        actor_id=people["member"].pk,
        due_at=timezone.now(),
    )


# --- Callers --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who sends requests to a tenant.

    A `fate` is the status that all of them get, whatever they ask for.
    """

    name: str
    client: Client
    role: str = ""
    scopes: frozenset[str] = frozenset()
    author: bool = False
    fate: int | None = None
    csrf: bool = True

    @property
    def belongs(self) -> bool:
        """Whether this is a member who may be told what is in the tenant."""
        return self.fate is None


def callers(home: Home, other: Home) -> list[Caller]:
    """All kinds of callers of `home`, last those who don't belong there."""
    found = [
        Caller(role, _token(home, role), role, ALL, author=role == "member")
        for role in ("owner", "admin", "member", "viewer")
    ]
    found.append(Caller("another member", _token(home, "colleague"), "member", ALL))
    found += [
        Caller(f"only {scope}", _token(home, "owner", scope), "owner", frozenset({scope}))
        for scope in ("read", "write", "admin")
    ]
    found += [
        Caller(
            f"{role} in a browser", _browser(home.people[role]), role, ALL, author=role == "member"
        )
        for role in ("owner", "member", "viewer")
    ]
    strict = _browser(home.people["owner"], strict=True)
    found.append(Caller("owner without CSRF token", strict, "owner", ALL, csrf=False))
    return [*found, *_strangers(home, other)]


def _strangers(home: Home, other: Home) -> list[Caller]:
    expired = _token(home, "owner", expires_at=timezone.now() + timedelta(hours=1))
    with tenant_context(home.tenant):
        tokens = ApiToken.objects.filter(expires_at__isnull=False)
        tokens.update(expires_at=timezone.now() - timedelta(hours=1))
        revoked = token_issue(user_id=home.people["owner"].pk, name=f"Revoked {home.word}")
        token_revoke(prefix=revoked.token.prefix)
    former = _token(home, "former")
    member_deactivate(
        membership=Membership.objects.get(tenant=home.tenant, user=home.people["former"])
    )
    operator = User.objects.create(username="operator", is_superuser=True, is_staff=True)
    return [
        Caller("token of another tenant", _token(other, "owner"), fate=404),
        Caller("another tenant's owner in a browser", _browser(other.people["owner"]), fate=404),
        Caller("former member in a browser", _browser(home.people["former"]), fate=404),
        Caller("operator of the platform in a browser", _browser(operator), fate=404),
        Caller("nobody", _client(), fate=401),
        Caller("garbage", _bearer(f"tp_{home.tenant.pk}_{'x' * 51}"), fate=401),
        Caller("revoked token", _bearer(revoked.text), fate=401),
        Caller("token of a former member", former, fate=401),
        Caller("expired token", expired, fate=401),
    ]


def _bearer(text: str) -> Client:
    return _client(headers={"authorization": f"Bearer {text}"})


def _token(home: Home, person: str, *scopes: str, **more: Any) -> Client:
    with tenant_context(home.tenant):
        issued = token_issue(
            user_id=home.people[person].pk,
            name=f"{person} {home.word}",
            scopes=scopes or sorted(ALL),
            **more,
        )
    return _bearer(issued.text)


def _browser(user: User, *, strict: bool = False) -> Client:
    client = _client(strict=strict)
    client.force_login(user)
    return client


def _client(*, strict: bool = False, **options: Any) -> Client:
    client = Client(enforce_csrf_checks=strict, raise_request_exception=False, **options)
    client.handler = _handler(strict)
    return client


@cache
def _handler(strict: bool) -> ClientHandler:
    # One for all: each would look through all static files when it is first used.
    return ClientHandler(enforce_csrf_checks=strict)


# --- What stands in the database ------------------------------------------------------------------

type Digest = dict[tuple[str, int | None], str]

_OF_TENANTS: Final = ("membership",)
_OF_NOBODY: Final = ("tenant", "user_account")


def digest(*homes: Home) -> Digest:
    """A digest of the rows of each table in each tenant, and of those that stand outside. Two
    statements for two tenants. When a token was last used is left out."""
    found: Digest = {}
    for home in homes:
        with tenant_context(home.tenant), connection.cursor() as cursor:
            cursor.execute(_digest_sql(), {"tenant": home.tenant.pk})
            found |= {(name, tenant): rows for name, tenant, rows in cursor.fetchall()}
    return found


def _digest_sql() -> str:
    each = (
        "SELECT '{0}', {1}, md5(string_agg((to_jsonb(t) - 'last_used_at' - 'last_login')::text,"
        " ' ' ORDER BY t.id)) FROM {0} AS t"
    )
    tables = [*(model._meta.db_table for model in tenant_models()), *_OF_TENANTS]
    parts = [
        each.format(name, "%(tenant)s::bigint") + " WHERE tenant_id = %(tenant)s" for name in tables
    ]
    parts += [each.format(name, "NULL") for name in _OF_NOBODY]
    return " UNION ALL ".join(parts)


def changed(before: Digest, after: Digest) -> list[tuple[str, int | None]]:
    """The tables, each with its tenant, whose rows differ."""
    return sorted(
        (key for key in before.keys() | after.keys() if before.get(key) != after.get(key)), key=str
    )
