"""Each scenario of a load test on real rows: its calls are answered as it expects, each of them
within its budget of statements."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from django.test import Client

from perf import Caller, Scenario
from perf.scenarios import discover
from perf.testing import assert_within_budgets
from perf.testing.scenarios import play
from projects.services import project_create
from taskproject.db.context import tenant_context
from taskproject.tenancy.services import token_issue
from taskproject.tests.cast import Cast, make_cast
from taskproject.tests.outages import forget_cached
from tasks import scenarios
from tasks.models import LIVE, Task
from tasks.services.batches.create import bulk_create

pytestmark = pytest.mark.django_db(transaction=True)

SCENARIOS = [each.scenario for each in discover() if each.module == "tasks.scenarios"]
TASKS = 450


@pytest.fixture
def cast() -> Cast:
    """Alpha with tasks for three pages of 200, and its summary and lists in no cache."""
    cast = make_cast()
    with tenant_context(cast.alpha):
        for key in ("WEB", "OPS"):
            project = project_create(key=key, name=key, actor_id=cast.alice.pk)
            titles = (f"{key} {number}" for number in range(TASKS // 2))
            bulk_create(
                ({"project_id": project.pk, "title": each} for each in titles),
                actor_id=cast.alice.pk,
            )
    forget_cached()
    return cast


def caller(cast: Cast, *, seed: int = 1, number: int = 0) -> Caller:
    """Alice in alpha, whose token was seen before."""
    with tenant_context(cast.alpha):
        text = token_issue(user_id=cast.alice.pk, name="load", scopes=["read", "write"]).text
    headers = {"authorization": f"Bearer {text}"}
    Client(headers=headers).get("/api/v1/tenants/alpha/")
    base = "/api/v1/tenants/alpha/"
    return Caller("alpha", base, headers, random.Random(seed), number)


def steps(each: Scenario, by: Caller) -> Counter[str]:
    """How often each of its steps was taken."""
    with assert_within_budgets():
        return Counter(call.name for call, _ in play(each, Client(), by))


def live(cast: Cast) -> int:
    with tenant_context(cast.alpha):
        return Task.objects.filter(LIVE).count()


@pytest.mark.parametrize("each", SCENARIOS, ids=lambda each: each.name)
def test_a_scenario_is_answered_as_it_expects_within_budgets(cast: Cast, each: Scenario) -> None:
    assert steps(each, caller(cast)).total() > 0


@pytest.mark.parametrize(
    ("each", "expected"),
    [
        (scenarios.browse, {"list": 1, "task": 2, "comments": 2, "next-page": 1}),
        (scenarios.board, {"projects": 1, "summary": 1, "column": 3}),
        (scenarios.deep_paging, {"first-of-200": 1, "next-of-200": 2}),
        (scenarios.polling, {"list": 1, "poll": 5}),
        (
            scenarios.write_burst,
            {"projects": 1, "create": 1, "change": 1, "comment": 1, "delete": 1},
        ),
        (scenarios.bulk, {"projects": 1, "bulk-create": 1, "bulk-update": 1, "bulk-delete": 1}),
    ],
    ids=lambda each: getattr(each, "name", ""),
)
def test_a_scenario_takes_all_of_its_steps(
    cast: Cast, each: Scenario, expected: dict[str, int]
) -> None:
    assert steps(each, caller(cast)) == expected


@pytest.mark.parametrize("each", SCENARIOS, ids=lambda each: each.name)
def test_only_what_says_that_it_writes_sends_anything(cast: Cast, each: Scenario) -> None:
    methods = set()
    for seed in range(12):
        by = caller(cast, seed=seed)
        methods |= {call.method for call, _ in play(each, Client(), by)}

    assert each.writes or methods == {"GET"}


@pytest.mark.parametrize("each", [scenarios.write_burst, scenarios.bulk], ids=lambda x: x.name)
def test_what_writes_leaves_as_many_tasks_as_it_found(cast: Cast, each: Scenario) -> None:
    play(each, Client(), caller(cast))

    assert live(cast) == TASKS


def test_polls_are_answered_without_a_body_while_nothing_changes(cast: Cast) -> None:
    played = play(scenarios.polling, Client(), caller(cast))

    assert [(answer.status, answer.body) for _, answer in played[1:]] == [(304, b"")] * 5


def test_a_poll_that_is_sent_again_though_unchanged_is_red(cast: Cast, monkeypatch: Any) -> None:
    client = Client()
    request = client.generic

    def without_tag(*given: Any, headers: Any, **more: Any) -> Any:
        kept = {name: value for name, value in headers.items() if name != "if-none-match"}
        return request(*given, headers=kept, **more)

    monkeypatch.setattr(client, "generic", without_tag)  # the service can't know the tag
    with pytest.raises(AssertionError, match="sent again, though it is unchanged"):
        play(scenarios.polling, client, caller(cast))


def test_a_scenario_is_red_in_a_tenant_where_nothing_is(cast: Cast) -> None:
    with tenant_context(cast.beta):
        text = token_issue(user_id=cast.carol.pk, name="load", scopes=["read"]).text
    headers = {"authorization": f"Bearer {text}"}

    with pytest.raises(AssertionError, match="a page without a task"):
        play(scenarios.browse, Client(), Caller("beta", "/api/v1/tenants/beta/", headers))


def test_the_first_caller_is_the_noisy_one(cast: Cast) -> None:
    noisy, quiet = (caller(cast, number=number) for number in (0, 1))

    assert steps(scenarios.noisy, noisy) == {"noise": 10}
    assert steps(scenarios.noisy, quiet) == {"list": 1}


def test_the_mix_begins_each_part_as_often_as_it_weighs() -> None:
    begun = Counter[str]()
    for seed in range(1_000):
        first = next(scenarios.mixed.session(Caller("alpha", rng=random.Random(seed))))
        begun[first.name] += 1  # type: ignore[union-attr]

    # browse and polling begin with a list; board, write_burst and bulk with projects.
    expected = {"list": 650, "projects": 300, "first-of-200": 50}
    assert set(begun) == set(expected)
    for name, count in expected.items():
        spread = (count * (1 - count / 1_000)) ** 0.5
        assert abs(begun[name] - count) < 4 * spread, begun
