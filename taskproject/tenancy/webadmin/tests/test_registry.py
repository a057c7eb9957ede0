"""Every model has its pages or a reason to have none, and every filter an index."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import Model

from perf.models import (
    BenchmarkRun,
    LoadTestRun,
    PgstatAction,
    StatementText,
    StatisticsLook,
    StatisticsSnapshot,
)
from taskproject.tenancy.models import User
from taskproject.tenancy.webadmin.options import LargeListAdmin, TenantModelAdmin
from taskproject.tenancy.webadmin.sites import tenant_site
from taskproject.tenancy.webadmin.tests.pages import filters, lists, page_of
from tasks.models import TaskLabel

WITHOUT_PAGES: Final = {
    TaskLabel: "edited as the labels of a task",
    StatementText: "shown in the pages of a look",
    StatisticsLook: "shown as pages of its own",
}
OUR_APPS: Final = ("tenancy", "projects", "tasks", "perf")
# The lab is a library with lists of its own: of hundreds of runs, of at most 3,000 snapshots,
# of what people have cancelled by hand.
SMALL: Final = {BenchmarkRun, LoadTestRun, PgstatAction, StatisticsSnapshot}
NAME: Final = re.compile(r"\b[a-z_]+_(?:idx|uniq|tpk)\b")


def models() -> set[type[Model]]:
    """The models of our apps, without those that Django makes for relations."""
    return {model for label in OUR_APPS for model in apps.get_app_config(label).get_models()}


def base_actions(pages_of: Any) -> list[Any]:
    """The actions of a list, whoever asks."""
    return list(pages_of._get_base_actions())


def test_every_model_has_pages_or_a_reason() -> None:
    registered = set(tenant_site._registry) | set(admin.site._registry)

    assert models() - registered == set(WITHOUT_PAGES)
    assert registered - models() == set()


def test_a_tenants_site_has_pages_for_all_but_people() -> None:
    assert set(tenant_site._registry) - set(lists(tenant_site)) == {User}
    assert set(lists(admin.site)) == set(admin.site._registry)


@pytest.mark.parametrize("site", [admin.site, tenant_site], ids=["platform", "tenant"])
def test_every_list_goes_by_keyset(site: admin.AdminSite) -> None:
    for model, pages_of in site._registry.items():
        assert isinstance(pages_of, LargeListAdmin) or model in SMALL, model
        assert pages_of.list_per_page <= 50
        assert not pages_of.list_editable
        assert not pages_of.date_hierarchy
        assert pages_of.sortable_by == ()


def test_every_page_of_a_tenant_asks_for_a_role() -> None:
    for model, pages_of in tenant_site._registry.items():
        assert isinstance(pages_of, TenantModelAdmin), model
        for action in base_actions(pages_of):
            assert action.func.allowed_permissions, action


def test_no_action_of_django_is_left() -> None:
    for site in (admin.site, tenant_site):
        for model, pages_of in site._registry.items():
            for name, func in site.actions:
                assert name != "delete_selected" or site is admin.site, (model, func)
            own = {action.func.__module__ for action in base_actions(pages_of)}
            assert site is admin.site or not [each for each in own if each.startswith("django")]


@pytest.mark.parametrize("model", tenant_site._registry, ids=page_of)
def test_every_filter_stands_in_a_set_and_every_set_is_made_of_filters(model: type[Model]) -> None:
    pages_of = tenant_site._registry[model]
    assert isinstance(pages_of, LargeListAdmin)

    offered = {each.parameter_name for each in filters(model)}

    assert frozenset().union(*pages_of.filter_sets) == offered
    assert {next(iter(each)) for each in pages_of.filter_sets if len(each) == 1} == offered


@pytest.mark.parametrize(
    "model", [m for m, a in tenant_site._registry.items() if a.list_filter], ids=page_of
)
def test_every_set_of_filters_names_an_index_of_the_model(model: type[Model]) -> None:
    known = {each.name for each in [*_all("indexes"), *_all("constraints")]}

    source = inspect.getsource(type(tenant_site._registry[model]))

    assert unserved(source, known) == []


@pytest.mark.parametrize(
    "source",
    [
        'filter_sets = (frozenset({"due"}),)',
        'filter_sets = (frozenset({"due"}),)  # no_such_idx',
        '# no_such_idx\nfilter_sets = (frozenset({"due"}),)',
        'filter_sets = (\n  frozenset({"show"}),  # task_due_idx\n  frozenset({"due"}),\n)',
    ],
)
def test_a_set_without_an_index_is_noticed(source: str) -> None:
    assert len(
        unserved(f"class Pages:\n  {source.replace(chr(10), chr(10) + '  ')}", {"task_due_idx"})
    )


def _all(kind: str) -> Iterator[Any]:
    for each in models():
        yield from getattr(each._meta, kind)


def unserved(source: str, known: set[str]) -> list[str]:
    """The lines of `filter_sets` with a set but without an index of `known` in a comment, which
    stands beside it, or above all of them."""
    lines = source.splitlines()
    (place,) = [
        each
        for each in ast.walk(ast.parse(source))
        if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "filter_sets"
    ]
    above, said = lines[place.lineno - 2], lines[place.lineno - 1 : place.end_lineno]
    if above.strip().startswith("#"):
        said = [above + " ".join(said)]
    return [line for line in said if "frozenset(" in line and not set(NAME.findall(line)) & known]
