"""Every statement of the API is tied to its entry in pg_stat_statements, the prepared ones too."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection

from perf.monitor import identifiers, totals
from perf.monitor.totals import process
from perf.pg.plans import EXPLAINABLE
from perf.testing import statements
from taskproject.tests.cast import make_cast
from taskproject.tests.outages import another_connection
from tasks.tests.test_api_statements import CASES, FEW, furnish_alpha

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def identified(settings: Any) -> None:
    settings.PERF_MONITOR = {**settings.PERF_MONITOR, "IDENTIFIERS": True}
    process.forget()
    identifiers.forget()


def entries() -> dict[int, tuple[str, int]]:
    """Text and calls of this role's entries in the test database, asked for where the extension is:
    in the database that this one stands beside."""
    name = connection.settings_dict["NAME"]
    beside = re.sub(r"^test_|_gw\d+$", "", name)
    with another_connection(NAME=beside) as other, other.cursor() as cursor:
        cursor.execute(
            "SELECT queryid, query, calls FROM pg_stat_statements WHERE toplevel"
            " AND dbid = (SELECT oid FROM pg_database WHERE datname = %s)"
            " AND userid = current_user::regrole",
            [name],
        )
        return {number: (text, calls) for number, text, calls in cursor.fetchall()}


@pytest.mark.usefixtures("identified")
def test_each_shape_of_the_api_has_its_identifier() -> None:
    stage = furnish_alpha(make_cast(), rows=FEW)
    with statements() as ran:
        for case in CASES:
            stage.client.get("/api/v1/tenants/alpha/")
            case.sent(stage.client, stage.ids).close()

    found, known = totals.totals(), entries()
    prepared = {each.shape.digest for each in ran if "$1" in str(each.sql)}
    shapes = {
        digest: each
        for digest, each in found["shapes"].items()
        if each["text"].split()[0].lower() in EXPLAINABLE
    }
    assert len(shapes) > 60
    assert len(prepared & shapes.keys()) > 15
    # The exports': PostgreSQL counts a cursor's statement under the cursor's name.
    (declared,) = (each["text"] for each in shapes.values() if not each["identifiers"])
    assert 'FROM "task"' in declared
    astray = [
        each["text"]
        for each in shapes.values()
        if not all(number in known for number in each["identifiers"])
    ]
    assert astray == []


@pytest.mark.usefixtures("identified")
def test_an_identifier_is_that_of_the_very_statement() -> None:
    stage = furnish_alpha(make_cast(), rows=FEW)
    stage.client.get("/api/v1/tenants/alpha/")
    address = "/api/v1/tenants/alpha/labels/"
    with statements() as ran:
        stage.client.get(address, headers={"Cache-Control": "no-cache"}).close()
    (one,) = ran
    (number,) = identifiers.of(one.shape.digest)
    text, before = entries()[number]
    for _ in range(3):
        stage.client.get(address, headers={"Cache-Control": "no-cache"}).close()

    assert "$1" in str(one.sql)
    assert 'FROM "label"' in text
    assert entries()[number][1] == before + 3
