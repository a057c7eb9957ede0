"""The pages of both sites as their own URL patterns give them, so that tests of "every page" cover
a new one by themselves; and what they compare: answers, and the rows of a tenant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.http import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver
from django.urls.resolvers import RoutePattern

from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Event, EventKind, Membership, Tenant, User
from taskproject.tenancy.scoping import tenant_models
from taskproject.tenancy.tests.rows import make_row
from taskproject.tenancy.webadmin.sites import tenant_site
from tasks.models import Label, TaskLabel

ABSENT: Final = 999_999_999_999
_ARGUMENT: Final = re.compile(r"<\w+:(\w+)>|<(\w+)>")
_APP: Final = re.compile(r"\^\(\?P<app_label>([\w|]+)\)/\$")
_CATCH_ALL: Final = r"(?P<url>.*)$"
_SECRETS: Final = re.compile(r'(name="csrfmiddlewaretoken" value="|nonce=")[\w-]+')


def enter(user: User, **options: Any) -> Client:
    """A browser in which somebody has logged in."""
    client = Client(**options)
    client.force_login(user)
    return client


def address(tenant: Tenant | str, rest: str = "") -> str:
    """A page of a tenant."""
    slug = tenant if isinstance(tenant, str) else tenant.slug
    return f"/admin/tenants/{slug}/{rest}"


def page_of(model: type[Model], rest: str = "") -> str:
    """A page of a model, below the tenant's address or the platform's."""
    return f"{model._meta.app_label}/{model._meta.model_name}/{rest}"


# --- Every page -----------------------------------------------------------------------------------


def patterns(site: admin.AdminSite) -> list[tuple[str, str | None]]:
    """Each page of a site as "tasks/task/{object_id}/change/" with its name."""
    return [*_walk(site.get_urls(), "")]


def _walk(urls: Iterable[URLPattern | URLResolver], before: str) -> Iterator[tuple[str, Any]]:
    for each in urls:
        route = str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, before + route)
        elif isinstance(each.pattern, RoutePattern):
            yield before + _ARGUMENT.sub(lambda m: f"{{{m[1] or m[2]}}}", route), each.name
        elif apps := _APP.fullmatch(route):
            yield from ((f"{app}/", each.name) for app in apps[1].split("|"))
        else:
            assert route == _CATCH_ALL, f"{route} is a pattern that this helper can't fill in."
            yield "no/such/page/", each.name


def lists(site: admin.AdminSite) -> list[type[Model]]:
    """The models that have a list on a site."""
    named = {name for _, name in patterns(site)}
    models = site._registry
    return [m for m in models if f"{m._meta.app_label}_{m._meta.model_name}_changelist" in named]


def pages(rows: dict[type[Model], int]) -> list[str]:
    """Every page of a tenant's site, with the id of the row of each model in `rows`."""
    ids = {page_of(model): pk for model, pk in rows.items()}
    found = []
    for path, _ in patterns(tenant_site):
        prefix = next((each for each in ids if path.startswith(each)), "")
        found.append(path.format(object_id=ids.get(prefix, 0)))
    return found


def choices() -> list[tuple[str, type[Model]]]:
    """Every question that a field or a filter asks while one types, and the model it asks for."""
    keys: set[Any] = {TaskLabel._meta.get_field("label")}
    for model, pages_of in tenant_site._registry.items():
        keys |= {model._meta.get_field(name) for name in pages_of.autocomplete_fields}
        sources = [each.source for each in filters(model) if hasattr(each, "source")]
        keys |= {source._meta.get_field(name) for source, name in sources}
    found = []
    for key in keys:
        names = f"app_label={key.model._meta.app_label}&model_name={key.model._meta.model_name}"
        found.append((f"autocomplete/?{names}&field_name={key.name}", key.remote_field.model))
    return sorted(found, key=lambda each: each[0])


def filters(model: type[Model], site: admin.AdminSite = tenant_site) -> list[Any]:
    """The filters of a list, which are classes of ours."""
    return list(site._registry[model].list_filter)


def actions() -> list[tuple[type[Model], str]]:
    """Every action of every list."""
    registry = tenant_site._registry.items()
    return [(model, str(name)) for model, pages_of in registry for name in pages_of.actions or ()]


# --- What stands in a tenant ----------------------------------------------------------------------


def furnish(tenant: Tenant, user: User) -> dict[type[Model], int]:
    """A row of each model in a tenant: the ids."""
    rows: dict[type[Model], int] = {
        model: make_row(model, tenant, user).pk for model in tenant_models()
    }
    rows[Membership] = Membership.objects.get(tenant=tenant, user=user).pk
    return rows | {Tenant: tenant.pk, User: user.pk}


def contents(tenant: Tenant) -> dict[str, list[Any]]:
    """All rows of a tenant, and those that stand outside of the walls and tell of one."""
    with tenant_context(tenant):
        found: dict[str, list[Any]] = {
            model._meta.db_table: list(model.unscoped.order_by("pk").values_list())
            for model in tenant_models()
        }
    found["membership"] = list(Membership.objects.filter(tenant=tenant).order_by("pk").values())
    found["tenant"] = list(Tenant.objects.filter(pk=tenant.pk).values())
    users = User.objects.order_by("pk").values("pk", "username", "is_superuser")
    found |= {"user": [*users], "admin log": [*LogEntry.objects.values()]}
    return found


def told(tenant: Tenant, since: int = 0) -> list[tuple[EventKind, int | None, Any]]:
    """Kind, actor and changes of the tenant's events with a greater id, oldest first."""
    with tenant_context(tenant):
        rows = Event.objects.filter(pk__gt=since).order_by("pk")
        return [(EventKind(row.kind), row.actor_id, row.changes) for row in rows]


def last_event(tenant: Tenant) -> int:
    """The id of the newest event of a tenant."""
    with tenant_context(tenant):
        return Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def make_label(tenant: Tenant, name: str) -> Label:
    """A label of a tenant."""
    with tenant_context(tenant):
        return Label.objects.create(name=name)


# --- What a page says -----------------------------------------------------------------------------


def body(response: HttpResponseBase) -> str:
    """The text of an answer, without what is random in it."""
    return _SECRETS.sub(r"\1…", response.content.decode())  # type: ignore[attr-defined]


def answer(response: HttpResponseBase, *ids: int) -> tuple[int, str, str, str]:
    """An answer as it can be compared with another one: status, address, messages, body; each of
    `ids` in it is replaced."""
    cookies = sorted(f"{m.key}={m.value}" for m in response.cookies.values() if "mess" in m.key)
    parts = (response.headers.get("Location", ""), " ".join(cookies), body(response))
    if ids:
        known = re.compile(rf"(?<!\d)(?:{'|'.join(map(str, ids))})(?!\d)")
        parts = tuple(known.sub("ID", part) for part in parts)  # type: ignore[assignment]
    return response.status_code, *parts


def messages(response: Any) -> list[str]:
    """The messages that a page shows."""
    shown = re.search(r'<ul class="messagelist">(.*?)</ul>', body(response), re.DOTALL)
    if shown is None:
        return []
    return [text.strip() for text in re.findall(r"<li[^>]*>(.*?)</li>", shown[1], re.DOTALL)]


def errors(response: Any) -> dict[str, list[str]]:
    """The errors of a page's form, by field."""
    form = response.context["adminform"].form
    return {name: [str(each) for each in found] for name, found in form.errors.items()}


def listed(response: Any) -> list[int]:
    """The ids of the rows that a list shows, in their order."""
    return [row.pk for row in response.context["cl"].result_list]
