"""What a request and a change of tenant cost on the wire."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from taskproject.db.context import no_tenant, tenant_context
from taskproject.tenancy.tests.sql import connection, database, fetch, told_tenant
from taskproject.tests.cast import Cast, make_cast, make_client, make_project, make_task
from taskproject.tests.outages import forget_cached
from taskproject.tests.wire import Relay
from tasks.models import Task

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/tenants/alpha/tasks/"
CHECK = "SELECT set_config('app.tenant_id', '{}', false)"


@pytest.fixture
def cast() -> Cast:
    cast = make_cast()
    make_task(make_project(cast.alpha, cast.alice), cast.alice)
    return cast


@pytest.fixture
def wire(cast: Cast) -> Iterator[Relay]:
    """A relay that Django's pool of one connection goes through, warm."""
    place = connection.settings_dict
    with (
        Relay(place["HOST"], place["PORT"]) as relay,
        database(HOST=relay.host, PORT=relay.port, pool={"min_size": 1, "max_size": 1}),
    ):
        fetch("SELECT 1")
        connection.close()
        yield relay


@pytest.fixture
def client(cast: Cast, wire: Relay) -> Client:
    """A client of Alice's whose token has been checked already."""
    client = make_client(cast.alpha, cast.alice)
    get(client)
    return client


def get(client: Client) -> Any:
    """A request, after which the connection returns to the pool as it does in a web server."""
    response = client.get(URL)
    connection.close()
    assert response.status_code == 200
    assert len(response.json()["results"]) == 1
    return response


def test_a_request_with_a_warm_token_is_one_statement_that_brings_the_tenant_along(
    client: Client, cast: Cast, wire: Relay
) -> None:
    with wire.counting() as seen:
        get(client)
    (message,) = seen.statements
    assert re.fullmatch(
        rf"SELECT set_config\('app.tenant_id', '{cast.alpha.pk}', false\);EXECUTE tp_\w+\(.*\)",
        message,
    )
    assert seen.turns == 1


def test_a_statement_is_prepared_once_on_a_connection(
    client: Client, cast: Cast, wire: Relay
) -> None:
    with wire.counting() as seen:
        assert client.get(URL + "?status=done").status_code == 200
        connection.close()
        assert client.get(URL + "?status=pending").status_code == 200
    assert [text.partition(" ")[0] for text in seen.statements] == ["PREPARE", "SELECT", "SELECT"]
    assert seen.turns == 3


def test_each_warm_request_costs_the_same(client: Client, wire: Relay) -> None:
    with wire.counting() as seen:
        for _ in range(10):
            assert client.get(URL, headers={"cache-control": "no-cache"}).status_code == 200
            connection.close()
    assert seen.turns == 10


def test_what_is_kept_asks_the_database_nothing(client: Client, wire: Relay) -> None:
    for _ in range(3):
        get(client)
    with wire.counting() as seen:
        for _ in range(10):
            get(client)
    assert seen.turns == 0


def test_a_cold_token_costs_one_statement_more(client: Client, cast: Cast, wire: Relay) -> None:
    forget_cached()
    with wire.counting() as seen:
        get(client)
    assert seen.turns == 2
    assert seen.statements[0].startswith(CHECK.format(cast.alpha.pk) + "; ")
    assert "UPDATE api_token SET last_used_at" in seen.statements[0]


def test_a_refused_token_costs_no_more(client: Client, cast: Cast, wire: Relay) -> None:
    refused = Client(headers={"authorization": f"Bearer tp_{cast.alpha.pk}_nonsense"})
    with wire.counting() as seen:
        assert refused.get(URL).status_code == 401
        connection.close()
    assert seen.turns == 1


def test_a_request_without_a_token_asks_the_database_nothing(wire: Relay) -> None:
    with wire.counting() as seen:
        assert Client().get(URL).status_code == 401
    assert seen.turns == 0


def test_a_foreign_tenants_address_asks_the_database_nothing(client: Client, wire: Relay) -> None:
    with wire.counting() as seen:
        assert client.get(URL.replace("alpha", "beta")).status_code == 404
    assert seen.turns == 0


def test_entering_a_tenant_costs_nothing(cast: Cast, wire: Relay) -> None:
    fetch("SELECT 1")
    with wire.counting() as seen, tenant_context(cast.alpha):
        with tenant_context(cast.beta), no_tenant():
            pass
        with transaction.atomic():
            pass
    assert seen.turns == 0


def test_a_change_of_tenant_travels_with_the_next_statement(cast: Cast, wire: Relay) -> None:
    fetch("SELECT 1")
    with wire.counting() as seen:
        with tenant_context(cast.alpha):
            assert Task.objects.count() == 1
        with tenant_context(cast.beta):
            assert Task.objects.count() == 0
            assert Task.objects.count() == 0
    assert seen.turns == 3
    assert [text.count("set_config") for text in seen.statements] == [1, 1, 0]
    assert seen.statements[1].startswith(CHECK.format(cast.beta.pk) + "; SELECT")


def test_a_change_of_tenant_in_a_transaction_costs_nothing_either(cast: Cast, wire: Relay) -> None:
    fetch("SELECT 1")
    with wire.counting() as seen, transaction.atomic():
        with tenant_context(cast.alpha):
            fetch("SELECT 1")
        with tenant_context(cast.beta):
            fetch("SELECT 2")
    assert [text.split("; ")[-1] for text in seen.statements] == [
        "BEGIN",
        "SELECT 1",
        "SELECT 2",
        "COMMIT",
    ]
    assert seen.turns == 4


def test_after_a_rollback_the_setting_travels_once_more(cast: Cast, wire: Relay) -> None:
    with tenant_context(cast.alpha):
        fetch("SELECT 1")
        with transaction.atomic():
            fetch("SELECT 2")
            transaction.set_rollback(True)
        with wire.counting() as seen:
            assert told_tenant() == str(cast.alpha.pk)
            assert told_tenant() == str(cast.alpha.pk)
    assert [text.count("set_config") for text in seen.statements] == [1, 0]


def test_a_checkout_asks_nothing_and_trusts_nothing(cast: Cast, wire: Relay) -> None:
    with tenant_context(cast.beta):
        fetch("SELECT 1")
        connection.close()
        with wire.counting() as seen:
            fetch("SELECT 1")
    assert seen.statements == [CHECK.format(cast.beta.pk) + "; SELECT 1"]


def test_a_connection_is_verified_once_per_process(cast: Cast, wire: Relay) -> None:
    with wire.counting() as seen:
        for _ in range(3):
            fetch("SELECT 1")
            connection.close()
    assert seen.turns == 3
