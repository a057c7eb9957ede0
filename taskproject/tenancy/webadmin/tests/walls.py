"""The probes of the wall between tenants: each gives the list of its findings, which is empty while
the wall stands. `test_wall_canaries` breaks the wall to see them find something."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from django import forms
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import ActionLocation
from django.db.models import Model
from django.test import Client

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import ApiToken, Membership, Tenant, User
from taskproject.tenancy.webadmin.sites import tenant_site
from taskproject.tenancy.webadmin.tests.pages import (
    ABSENT,
    actions,
    address,
    answer,
    choices,
    filters,
    lists,
    page_of,
    pages,
)
from taskproject.tests.rows import rolled_back
from tasks.models import Comment, Dependency, Label, Task

type Rows = Mapping[type[Model], int]
type Request = tuple[str, str, dict[str, Any]]
type RowRequest = tuple[int, str, str, dict[str, Any]]

CONFIRMED: Final = {"post": "yes"}
ON_PAGE: Final = f"{ActionLocation.CHANGE_FORM.value}-action"


def selection(action: str, *ids: int, **more: Any) -> dict[str, Any]:
    """What the form of a list posts for an action on selected rows."""
    return {"action": action, ACTION_CHECKBOX_NAME: list(ids), "index": "0", **more}


def on_page(action: str, pk: int) -> dict[str, Any]:
    """What the page of one row posts for an action."""
    return {ON_PAGE: action, ACTION_CHECKBOX_NAME: [pk]}


def has_page(model: type[Model]) -> bool:
    """Whether a model has pages in a tenant: people are offered to choose from only."""
    return model in lists(tenant_site)


# --- Strangers ------------------------------------------------------------------------------------


def visits(rows: Rows) -> Iterator[Request]:
    """Every page of a tenant, looked at."""
    for path in [*pages(dict(rows)), *(path for path, _ in choices())]:
        yield "GET", path, {}


def attempts(rows: Rows) -> Iterator[Request]:
    """Everything that can be sent to a page of a tenant, and the lists and forms in popups."""
    for path in pages(dict(rows)):
        yield "POST", path, CONFIRMED
    for model, action in actions():
        yield "POST", page_of(model), selection(action, rows[model], apply="1", status="3")
        yield "POST", page_of(model, f"{rows[model]}/change/"), on_page(action, rows[model])
    for model in lists(tenant_site):
        yield "GET", page_of(model, "add/?_popup=1"), {}
        yield "GET", page_of(model, "?q=a&_popup=1"), {}
        if model in ENTRIES:
            yield "POST", page_of(model, "add/"), entries(model, rows)


def answers_differ(client: Client, tenant: Tenant | str, asked: Iterable[Request]) -> list[str]:
    """The requests that a stranger is not answered as for an absent page, to the last byte."""
    wanted = whole(client.get("/admin/no/such/page/"))
    found = []
    for method, path, data in asked:
        send = client.get if method == "GET" else client.post
        if whole(send(address(tenant, path), data)) != wanted:
            found.append(f"{method} {path}")
    return found


def whole(response: Any) -> tuple[int, list[Any], bytes]:
    """An answer to the last byte, but for the id that each request has of its own."""
    cookies = sorted((each.key, each.OutputString()) for each in response.cookies.values())
    headers = sorted(each for each in response.headers.items() if each[0] != "X-Request-Id")
    return response.status_code, [*headers, *cookies], response.content


# --- Ids of another tenant ------------------------------------------------------------------------


def row_requests(foreign: Rows) -> Iterator[RowRequest]:
    """Every page of one tenant that takes an id, asked with one of another: the id, and "{}" in
    its place in the address."""
    for model in filter(has_page, foreign):
        pk = foreign[model]
        for name in ("change/", "delete/", "history/", ""):
            yield pk, "GET", page_of(model, f"{{}}/{name}"), {}
            yield pk, "POST", page_of(model, f"{{}}/{name}"), CONFIRMED
        for each in filters(model):
            if target := getattr(each, "source", None):
                related = target[0]._meta.get_field(target[1]).related_model
                yield foreign[related], "GET", page_of(model, f"?{each.parameter_name}={{}}"), {}
        for key in tenant_site._registry[model].autocomplete_fields:
            field: Any = model._meta.get_field(str(key))
            yield foreign[field.related_model], "GET", page_of(model, f"add/?{key}={{}}"), {}


def foreign_rows_differ(client: Client, here: Tenant, asked: Iterable[RowRequest]) -> list[str]:
    """The requests for a row of another tenant that are not answered as for an absent one."""
    found = []
    for pk, method, path, data in asked:
        sent = client.get if method == "GET" else client.post
        both = [
            answer(sent(address(here, path.format(each)), data, follow=True), pk, ABSENT)
            for each in (pk, ABSENT)
        ]
        if both[0] != both[1]:
            found.append(f"{method} {path}")
    return found


def foreign_selections_differ(client: Client, here: Tenant, own: Rows, foreign: Rows) -> list[str]:
    """The actions on a selection of an own row and one of another tenant that are not answered as
    with an absent one, from the list and from the page of a row."""
    found = []
    for model, action in actions():
        pk, mine = foreign[model], own[model]
        for path, data in (
            (page_of(model), lambda each, a=action, m=mine: selection(a, m, each)),
            (page_of(model), lambda each, a=action: selection(a, each, apply="1", status="3")),
            (page_of(model, f"{mine}/change/"), lambda each, a=action: on_page(a, each)),
        ):
            both = []
            for each in (pk, ABSENT):
                with rolled_back():
                    sent = client.post(address(here, path), data(each), follow=True)
                    both.append(answer(sent, pk, ABSENT))
            if both[0] != both[1]:
                found.append(f"{action} at {path}")
    return found


def offers(client: Client, tenant: Tenant, term: str = "") -> set[str]:
    """The ids of all rows that the fields of a tenant offer, as "user 7"."""
    return {
        f"{model._meta.model_name} {each['id']}"
        for path, model in choices()
        for each in client.get(address(tenant, f"{path}&term={term}")).json()["results"]
    }


# --- Forms ----------------------------------------------------------------------------------------

NO_TIME: Final = {"due_at_0": "", "due_at_1": ""}
NEVER: Final = {"expires_at_0": "", "expires_at_1": ""}
ENTRIES: Final[dict[type[Model], Any]] = {
    Project: lambda rows: {"key": "NEW", "name": "New", "description": ""},
    Task: lambda rows: {
        "project": rows[Project],
        "title": "New",
        "status": 0,
        "priority": 1,
        "external_key": "NEW",
        **NO_TIME,
    },
    Label: lambda rows: {"name": "new", "colour": "#aabbcc"},
    Comment: lambda rows: {"task": rows[Task], "body": "New"},
    Dependency: lambda rows: {"blocker": rows[Task], "blocked": _another_task(rows)},
    Membership: lambda rows: {"username": "newcomer", "role": 0},
    ApiToken: lambda rows: {"user": rows[User], "name": "New", "scopes": ["read"], **NEVER},
}


def entries(model: type[Model], rows: Rows) -> dict[str, Any]:
    """What a person fills into the form of a new row, in the tenant of `rows`. Raises `KeyError`
    for a model without such a form: a new one needs its entries here."""
    entered: dict[str, Any] = ENTRIES[model](rows)
    return entered


def _another_task(rows: Rows) -> int:
    with tenant_context(rows[Tenant]):
        return Comment.objects.get(pk=rows[Comment]).task_id


def filled(page: Any) -> dict[str, Any]:
    """What a browser posts when the form of a page is sent as it came: with CRLF in texts."""
    sent: dict[str, Any] = {}
    for field in page.context["adminform"].form:
        value, widget = field.value(), field.field.widget
        if isinstance(widget, forms.MultiWidget):
            parts = enumerate(widget.decompress(value) or ())
            sent |= {f"{field.html_name}_{n}": part or "" for n, part in parts}
        elif isinstance(value, list):
            sent[field.html_name] = [getattr(each, "pk", each) for each in value]
        elif isinstance(widget, forms.Textarea):
            sent[field.html_name] = str(value or "").replace("\n", "\r\n")
        else:
            sent[field.html_name] = "" if value is None else value
    return sent


def relations(page: Any) -> list[str]:
    """The fields of a page's form that name another row."""
    fields = page.context["adminform"].form.fields.items()
    return [name for name, field in fields if isinstance(field, forms.ModelChoiceField)]
