"""Outside a tenant every query on tenant data raises, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import Count, Exists, OuterRef

from taskproject.db.context import TenantNotSet, all_tenants, no_tenant, tenant_context
from taskproject.tenancy.scoping import TenantModel
from taskproject.tenancy.tests.rows import every_tenant_model, make_row
from taskproject.tests.cast import Cast
from tasks.models import Comment, Label, Task

RUNS: dict[str, Callable[[Any], Any]] = {
    "count": lambda model: model.objects.count(),
    "get": lambda model: model.objects.get(pk=1),
    "list": lambda model: list(model.objects.all()),
    "first": lambda model: model.objects.first(),
    "exists": lambda model: model.objects.filter(pk=1).exists(),
    "contains": lambda model: model.objects.contains(model(pk=1)),
    "update": lambda model: model.objects.update(tenant=1),
    "delete": lambda model: model.objects.all().delete(),
    "create": lambda model: model.objects.create(),
    "save": lambda model: model().save(),
    "save of a known row": lambda model: model(pk=1).save(force_update=True),
    "bulk_create": lambda model: model.objects.bulk_create([model()]),
    "bulk_update": lambda model: model.objects.bulk_update([model(pk=1, tenant_id=1)], ["tenant"]),
    "get_or_create": lambda model: model.objects.get_or_create(pk=1),
    "update_or_create": lambda model: model.objects.update_or_create(pk=1),
    "aggregate": lambda model: model.objects.aggregate(Count("pk")),
    "annotate": lambda model: list(model.objects.values("tenant").annotate(n=Count("pk"))),
    "iterator": lambda model: list(model.objects.iterator()),
    "in_bulk": lambda model: model.objects.in_bulk([1]),
    "values": lambda model: list(model.objects.values("pk")),
    "values_list": lambda model: list(model.objects.values_list("pk", flat=True)),
    "union": lambda model: list(model.objects.union(model.objects.all())),
    "explain": lambda model: model.objects.explain(),
    "select_for_update": lambda model: model.objects.select_for_update().first(),
    "delete of a row": lambda model: model(pk=1, tenant_id=1).delete(),
    "refresh of a row": lambda model: model(pk=1, tenant_id=1).refresh_from_db(),
    "subquery of unscoped": lambda model: list(
        model.unscoped.filter(Exists(model.objects.filter(pk=OuterRef("pk"))))
    ),
}


@every_tenant_model
@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS.keys())
@pytest.mark.django_db
def test_a_query_outside_a_tenant_raises(
    model: type[TenantModel], run: Callable[[Any], Any]
) -> None:
    with pytest.raises(TenantNotSet):
        run(model)


@every_tenant_model
def test_building_a_queryset_asks_for_no_tenant(model: type[TenantModel]) -> None:
    rows = model.objects.filter(pk=1).exclude(pk=2).order_by("-pk").select_related("tenant")
    assert rows.annotate(n=Count("pk")).values("n").distinct()[:5].query is not None


@every_tenant_model
def test_a_queryset_built_outside_runs_in_the_tenant_of_the_moment(
    model: type[TenantModel], cast: Cast
) -> None:
    rows = model.objects.order_by("pk")
    mine = make_row(model, cast.alpha, cast.alice)
    with tenant_context(cast.alpha):
        assert rows.filter(pk=mine.pk).get() == mine
    with tenant_context(cast.beta):
        assert not rows.filter(pk=mine.pk).exists()


def test_leaving_the_tenant_forbids_its_queries_again(cast: Cast) -> None:
    with tenant_context(cast.alpha):
        with no_tenant(), pytest.raises(TenantNotSet, match="tenant_context"):
            Task.objects.count()
        assert Task.objects.count() == 0


def test_a_relation_is_not_followed_outside_the_tenant(cast: Cast) -> None:
    comment = make_row(Comment, cast.alpha, cast.alice)
    found = Comment(pk=comment.pk, tenant_id=cast.alpha.pk, task_id=comment.task_id)
    with pytest.raises(TenantNotSet):
        _ = found.task
    with pytest.raises(TenantNotSet):
        comment.task.comments.count()


def test_all_tenants_is_no_tenant_to_write_in(cast: Cast) -> None:
    with all_tenants(), pytest.raises(TenantNotSet):
        Label.objects.create(name="nobody's")
