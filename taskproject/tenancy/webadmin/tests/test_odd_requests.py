"""No address that a person can type, and no form that a program can send, makes a page fail."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import pytest
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model
from django.test import Client

from projects.models import Project
from taskproject.tenancy.models import ApiToken, User
from taskproject.tenancy.webadmin.sites import tenant_site
from taskproject.tenancy.webadmin.tests.pages import (
    actions,
    address,
    choices,
    contents,
    enter,
    filters,
    furnish,
    lists,
    messages,
    page_of,
)
from taskproject.tenancy.webadmin.tests.walls import (
    ENTRIES,
    Rows,
    entries,
    has_page,
    relations,
    selection,
)
from taskproject.tests.cast import Cast
from taskproject.tests.rows import rolled_back
from tasks.models import Comment, Dependency, Task

pytestmark = pytest.mark.django_db

type Asked = list[tuple[str, Any]]

HUGE: Final = "9" * 20
VALUES: Final = ("", "%00", "abc", HUGE, "9223372036854775808", "%EF%BC%91")
ODD: Final = (
    "status=abc",
    "project=abc",
    "slug__regex=(",
    "name=%00",
    "date_joined__year=99999",
    "title__contains=x",
    "project__key=",
    "password__startswith=a",
    "tenant=1",
    "_to_field=password",
    "_to_field=id",
    "e=1",
    "_facets=1",
    "_popup=abc",
    "p=2",
    "page=2",
    "all=",
    "o=1.-2.abc",
    "_source_model=abc",
    "_changelist_filters=%00",
    "label=1&label=",
    "status=1&status=0",
    "show=due&show=",
    "q=%22unclosed",
    "q=" + "x" * 3000,
    "q=WEB-99999999999999999999",
    "q=-",
    "%00=1",
    "=",
    "&&",
)


@pytest.fixture
def rows(cast: Cast) -> Rows:
    """A row of each model in alpha, of Alice's, who owns it."""
    return furnish(cast.alpha, cast.alice)


@pytest.fixture
def alice(cast: Cast) -> Client:
    """Alice's browser, which gets a page also where the server fails."""
    return enter(cast.alice, raise_request_exception=False)


@pytest.fixture
def olga(db: None) -> Client:
    """The browser of an operator of the platform."""
    operator = User.objects.create(username="olga", is_superuser=True)
    return enter(operator, raise_request_exception=False)


def failures(client: Client, method: str, asked: Iterable[tuple[str, Any]]) -> list[str]:
    """The requests that are answered 500 or worse; nothing that they do stays."""
    found = []
    for path, data in asked:
        with rolled_back():
            send = client.get if method == "GET" else client.post
            if send(path, data).status_code >= 500:
                found.append(f"{path} {data or ''}")
    return found


def queries(model: type[Model], site: admin.AdminSite) -> list[str]:
    """Odd parameters for a list: those that each list gets, and odd values for its own."""
    own = [each.parameter_name for each in filters(model, site)]
    return [*ODD, *(f"{name}={value}" for name in ("cursor", "q", *own) for value in VALUES)]


@pytest.mark.parametrize("model", lists(tenant_site), ids=page_of)
def test_a_list_of_a_tenant_takes_or_refuses_any_parameter(
    cast: Cast, alice: Client, rows: Rows, model: type[Model]
) -> None:
    there = address(cast.alpha, page_of(model))
    asked: Asked = [(f"{there}?{query}", {}) for query in queries(model, tenant_site)]

    assert failures(alice, "GET", asked) == []


@pytest.mark.parametrize("model", lists(admin.site), ids=page_of)
def test_a_list_of_the_platform_takes_or_refuses_any_parameter(
    cast: Cast, olga: Client, model: type[Model]
) -> None:
    there = f"/admin/{page_of(model)}"

    asked: Asked = [(f"{there}?{query}", {}) for query in queries(model, admin.site)]

    assert failures(olga, "GET", asked) == []


@pytest.mark.parametrize("query", ["label=", "label=1&label=", "show=", "status=", "q="])
def test_a_filter_that_is_sent_empty_filters_nothing(cast: Cast, alice: Client, query: str) -> None:
    assert alice.get(address(cast.alpha, f"tasks/task/?{query}")).status_code == 200


@pytest.mark.parametrize("site", [admin.site, tenant_site], ids=["platform", "tenant"])
def test_the_page_of_a_row_takes_any_id(
    cast: Cast, alice: Client, olga: Client, rows: Rows, site: admin.AdminSite
) -> None:
    client, prefix = (olga, "/admin/") if site is admin.site else (alice, address(cast.alpha))
    asked: Asked = [
        (f"{prefix}{page_of(model)}{pk}/{page}", {})
        for model in lists(site)
        for pk in ("abc", HUGE, "%00", "1/2")
        for page in ("change/", "history/", "delete/")
    ]
    asked += [
        (f"{prefix}{page_of(model, page)}", {})
        for model in lists(site)
        for page in ("abc/", "_5F/change/", "abc/change/?_to_field=id", "7/change/?_to_field=%00")
    ]
    asked += [(f"/admin/tenancy/user/{pk}/password/", {}) for pk in ("abc", HUGE, "%00")]

    assert failures(client, "GET", asked) == []


@pytest.mark.parametrize("model", ENTRIES, ids=lambda model: model._meta.model_name)
def test_the_form_of_a_new_row_takes_anything_from_its_address(
    cast: Cast, alice: Client, rows: Rows, model: type[Model]
) -> None:
    names = [field.name for field in model._meta.get_fields()]
    names += ["labels", "comment", "seen_version", "_popup", "_source_model"]
    queries = ["&".join(f"{n}={value}" for n in names) for value in ("%00", "abc", HUGE, "1,abc")]
    asked: Asked = [(address(cast.alpha, page_of(model, f"add/?{query}")), {}) for query in queries]

    assert failures(alice, "GET", asked) == []


def test_a_field_can_be_asked_for_anything_while_one_types(
    cast: Cast, alice: Client, rows: Rows
) -> None:
    odd = ["", "&term=%00", "&term=%FF", "&term=" + "x" * 3000, "&term=WEB-" + HUGE, "&term=%22a"]
    odd += [f"&page={page}" for page in ("0", "-1", "abc", HUGE, "last", "2", "%00")]
    asked: Asked = [(address(cast.alpha, path + more), {}) for path, _ in choices() for more in odd]

    assert failures(alice, "GET", asked) == []


MALFORMED: Final = (
    "",
    "?app_label=tasks",
    "?app_label=tasks&model_name=task",
    "?app_label=abc&model_name=task&field_name=project",
    "?app_label=tasks&model_name=%00&field_name=project",
    "?app_label=tasks&model_name=task&field_name=abc",
    "?app_label=tasks&model_name=task&field_name=title",
    "?app_label=tasks&model_name=task&field_name=tenant",
    "?app_label=tasks&model_name=tasklabel&field_name=task&term=%00",
    "?app_label=admin&model_name=logentry&field_name=user",
    "?app_label=auth&model_name=permission&field_name=content_type",
)


def test_a_malformed_question_of_a_field_is_refused(
    cast: Cast, alice: Client, olga: Client
) -> None:
    for query in MALFORMED:
        for client, prefix in ((alice, address(cast.alpha)), (olga, "/admin/")):
            answered = client.get(f"{prefix}autocomplete/{query}").status_code

            assert answered in (200, 403, 404), query


def test_a_field_that_points_backwards_offers_nothing(cast: Cast, alice: Client) -> None:
    asked: Asked = [
        (f"app_label=tasks&model_name=task&field_name={name}", {})
        for name in ("children", "comments", "blocks", "blocked_by", "task_labels")
    ] + [("app_label=tenancy&model_name=user&field_name=memberships", {})]

    assert (
        failures(alice, "GET", ((address(cast.alpha, f"autocomplete/?{q}"), d) for q, d in asked))
        == []
    )


# --- What is sent ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "action"), actions(), ids=lambda each: str(each)[-20:])
def test_an_odd_selection_is_refused_and_changes_nothing(
    cast: Cast, alice: Client, rows: Rows, model: type[Model], action: str
) -> None:
    there, pk = address(cast.alpha, page_of(model)), rows[model]
    before = contents(cast.alpha)
    for sent in (
        selection(action, pk, select_across="1"),
        selection(action, pk, select_across="yes"),
        selection(action, *range(pk, pk + 201)),
        selection(action, pk) | {ACTION_CHECKBOX_NAME: ["abc"]},
        selection(action, pk) | {ACTION_CHECKBOX_NAME: [pk, "\0"]},
        selection(action, pk) | {ACTION_CHECKBOX_NAME: [pk, HUGE]},
    ):
        assert alice.post(there, sent).status_code == 302
    said = messages(alice.get(there))
    assert said == ["Nothing was changed. Select up to 200 rows of the list."] * 6
    assert contents(cast.alpha) == before


def test_a_thousand_selected_rows_are_too_many_to_be_read(
    cast: Cast, alice: Client, rows: Rows
) -> None:
    before = contents(cast.alpha)

    sent = selection("delete_selected", *range(rows[Task], rows[Task] + 1000))

    assert alice.post(address(cast.alpha, page_of(Task)), sent).status_code == 400
    assert contents(cast.alpha) == before


def test_an_odd_action_changes_nothing(cast: Cast, alice: Client, rows: Rows) -> None:
    before = contents(cast.alpha)
    asked: Asked = [
        (address(cast.alpha, page_of(model)), sent)
        for model in filter(has_page, rows)
        for sent in (
            selection("delete_selected" if model is not Task else "restore", rows[model]),
            selection("abc", rows[model], index="99"),
            selection("abc", rows[model], index="abc"),
            selection(""),
            {"_save": "1", "form-TOTAL_FORMS": "abc", "form-0-id": rows[model]},
        )
    ]

    for path, sent in asked:
        assert alice.post(path, sent).status_code in (200, 302), (path, sent)
    assert contents(cast.alpha) == before


@pytest.mark.parametrize("model", ENTRIES, ids=lambda model: model._meta.model_name)
def test_a_form_takes_or_refuses_any_text_in_any_field(
    cast: Cast, alice: Client, rows: Rows, model: type[Model]
) -> None:
    add, good = address(cast.alpha, page_of(model, "add/")), entries(model, rows)
    page = alice.get(add)
    texts = {*good, "assignee", "comment", "seen_version"} - {*relations(page)}
    values = ("\0", "a\0b", HUGE, "-1", "abc", "x" * 70_000, "0001-01-01", "9999-12-31")
    asked: Asked = [(add, good | dict.fromkeys(texts, value)) for value in values]
    asked += [(add, good | {name: HUGE}) for name in relations(page)]

    assert failures(alice, "POST", asked) == []


@pytest.mark.parametrize("model", [Project, Task, Comment, Dependency, ApiToken], ids=page_of)
def test_a_form_refuses_a_related_row_that_is_no_number(
    cast: Cast, alice: Client, rows: Rows, model: type[Model]
) -> None:
    add, good = address(cast.alpha, page_of(model, "add/")), entries(model, rows)
    asked = [
        (add, good | {name: value})
        for name in relations(alice.get(add))
        for value in ("abc", "\0", "1.5")
    ]

    assert failures(alice, "POST", asked) == []


@pytest.mark.parametrize("model", ENTRIES, ids=lambda model: model._meta.model_name)
def test_a_popup_with_odd_words_is_answered(
    cast: Cast, alice: Client, rows: Rows, model: type[Model]
) -> None:
    add, good = address(cast.alpha, page_of(model, "add/")), entries(model, rows)
    odd = [
        {"_popup": "1", "_to_field": "password"},
        {"_popup": "1", "_to_field": "id"},
        {"_popup": "1", "_source_model": "tasks.task"},
        {"_popup": "1", "_source_model": "no.such"},
        {"_saveasnew": "1"},
        {"_continue": "1"},
        {"_addanother": "1"},
    ]

    assert failures(alice, "POST", ((add, good | each) for each in odd)) == []


def test_a_popup_for_a_model_without_a_point_is_answered(cast: Cast, alice: Client) -> None:
    sent = {"name": "new", "colour": "#aabbcc", "_popup": "1", "_source_model": "abc"}

    assert failures(alice, "POST", [(address(cast.alpha, "tasks/label/add/"), sent)]) == []


def test_a_row_saved_as_a_new_one_is_a_new_one_at_most(
    cast: Cast, alice: Client, rows: Rows
) -> None:
    for model in ENTRIES:
        change = address(cast.alpha, page_of(model, f"{rows[model]}/change/"))
        before = contents(cast.alpha)[model._meta.db_table]

        assert failures(alice, "POST", [(change, {"_saveasnew": "1"})]) == []

        assert contents(cast.alpha)[model._meta.db_table] == before
