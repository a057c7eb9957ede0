"""The large pairs of the catalogue, with few rows: the gate leaves them out for their length."""

from __future__ import annotations

import random
from typing import Any

import pytest

from perf.catalogue import PairSpec, discover
from perf.worker import Stage
from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Event, Tenant
from taskproject.tests.cast import Cast, make_project
from taskproject.tests.rows import add_tasks
from tasks.benchmarks.datasets import TASKS
from tasks.models import Label, Task

NUMBER = 20
LARGE = [each for each in discover() if each.is_large]


@pytest.fixture
def tenant(cast: Cast) -> Tenant:
    """One with tasks to change, texts to draw from, and labels."""
    project = make_project(cast.alpha, cast.alice)
    add_tasks(project, cast.alice, [0] * 2 * NUMBER)
    with tenant_context(cast.alpha):
        Label.objects.create(name="bug")
    return cast.alpha


def stood(tenant: Tenant) -> list[Any]:
    """What a call must leave as it was."""
    with tenant_context(tenant):
        tasks = Task.objects.order_by("id").values_list("id", "title", "version")
        numbers = Project.objects.values_list("id", "next_number")
        events = Event.objects.filter(task_id__isnull=False).count()
        return [*tasks, *numbers, events]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("spec", LARGE, ids=lambda each: each.name)
def test_all_ways_leave_the_same_and_then_nothing(spec: PairSpec, tenant: Tenant) -> None:
    small: Any = type("Small", (spec.cls,), {"number": NUMBER})
    pair = small(NUMBER, TASKS.open(NUMBER))
    pair.set_up()
    try:
        before = stood(tenant)
        stage = Stage(spec, pair, random.Random(1), draws=1)  # noqa: S311
        found = stage.counted()
        assert (found.refusal, stood(tenant)) == ("", before)
    finally:
        pair.tear_down()

    assert found.rows >= 2 * NUMBER  # tasks, and an event each
    assert {*found.counters} == {each.name for each in spec.variants}
