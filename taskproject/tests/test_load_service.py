"""The service as a load test gets at it: callers whose tokens work, and production's server."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from perf import Caller, Scenario
from perf.service import service
from perf.testing.scenarios import play
from taskproject.db.context import tenant_context
from taskproject.management.load import SERVICE
from taskproject.tenancy.models import ApiToken
from taskproject.tests.cast import Cast, make_project, make_task
from tasks import scenarios
from tasks.benchmarks.datasets import TASKS

pytestmark = pytest.mark.django_db
SCENARIOS = [each for each in vars(scenarios).values() if isinstance(each, Scenario)]


@pytest.fixture
def busy(cast: Cast) -> Cast:
    """Both tenants with a task."""
    for tenant, owner in ((cast.alpha, cast.alice), (cast.beta, cast.carol)):
        make_task(make_project(tenant, owner), owner)
    return cast


def test_the_settings_name_it() -> None:
    assert service() is SERVICE
    assert SERVICE.dataset is TASKS


@pytest.mark.django_db(transaction=True)
def test_each_tenant_has_a_caller_who_can_play_the_scenarios(busy: Cast) -> None:
    found = SERVICE.callers(20, lasting_s=60, writes=True)

    assert [tenant for tenant, _, _ in found] == ["alpha", "beta"]
    for number, (tenant, base, headers) in enumerate(found):
        for each in (scenarios.browse, scenarios.write_burst):
            caller = Caller(tenant, base, headers, number=number)
            assert play(each, Client(), caller)


def test_of_more_tenants_than_are_wanted_the_first_ones_call(busy: Cast) -> None:
    assert [tenant for tenant, _, _ in SERVICE.callers(1, lasting_s=60, writes=True)] == ["alpha"]


def test_a_tenant_without_tasks_calls_nobody(cast: Cast) -> None:
    assert SERVICE.callers(20, lasting_s=60, writes=True) == []


def test_their_tokens_expire_when_the_load_is_over(busy: Cast) -> None:
    before = timezone.now()
    SERVICE.callers(1, lasting_s=600, writes=True)

    with tenant_context(busy.alpha):
        token = ApiToken.objects.get(name="load test")
    assert token.expires_at is not None
    assert timedelta(seconds=600) <= token.expires_at - before < timedelta(seconds=660)
    assert sorted(token.scopes) == ["read", "write"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("each", [x for x in SCENARIOS if not x.writes], ids=lambda x: x.name)
def test_a_scenario_that_only_reads_has_a_token_that_only_reads(busy: Cast, each: Scenario) -> None:
    ((tenant, base, headers),) = SERVICE.callers(1, lasting_s=60, writes=False)

    with tenant_context(busy.alpha):
        assert ApiToken.objects.get(name="load test").scopes == ["read"]
    assert play(each, Client(), Caller(tenant, base, headers))


@pytest.mark.django_db(transaction=True)
def test_whoever_is_dismissed_may_ask_no_more(busy: Cast) -> None:
    callers = SERVICE.callers(20, lasting_s=60, writes=False)
    _, base, headers = callers[1]
    before = Client().get(f"{base}tasks/", headers=headers).status_code
    SERVICE.dismiss(callers)

    assert before == 200
    assert [Client().get(f"{at}tasks/", headers=own).status_code for _, at, own in callers] == [
        401,
        401,
    ]


def test_it_is_served_as_in_production_on_the_database_of_the_connection() -> None:
    command, environment = SERVICE.command(), SERVICE.environment()

    assert command[command.index("--port") + 1] == "{port}"
    assert command[command.index("--workers") + 1] == str(settings.WEB_WORKERS)
    url = urlsplit(environment["DATABASE_URL"])
    assert url.path == f"/{connection.settings_dict['NAME']}"
    assert parse_qs(url.query)["host"] == [connection.settings_dict["HOST"]]
    assert environment["DEBUG"] == "false"


def test_keys_of_its_cache_are_apart_from_those_of_the_application() -> None:
    code = "from django.conf import settings; print(settings.CACHES['default']['KEY_PREFIX'])"
    environment = {**os.environ, **SERVICE.environment(), "SITE_URL": "http://127.0.0.1:8000"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )

    assert done.stdout.strip() == connection.settings_dict["NAME"], done.stderr
