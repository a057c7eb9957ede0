"""Requests of all kinds that the OpenAPI document allows, and of many that it does not, against the
real application: whatever is sent, what comes back is what the document says.

Made of the committed document, so that nothing is generated while tests are collected; another test
holds it to the code. PROVE_SCALE multiplies the random requests; those that go with each operation
for sure, its examples and the edges of its values, come once.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import schemathesis
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import override_settings
from schemathesis.core.parameters import ParameterLocation as In

from taskproject.db.context import tenant_context
from taskproject.tenancy.services import token_issue
from taskproject.tests.api.homes import Home, furnish, new_word
from taskproject.tests.rows import rolled_back
from taskproject.wsgi import application
from tasks.services.relations import comment_add

pytestmark = pytest.mark.django_db

Case = schemathesis.Case[Any]

SCALE: Final = int(os.environ.get("PROVE_SCALE", "1"))
EXAMPLES: Final = 10
SCOPES: Final = ["read", "write", "admin"]


def _closed(document: dict[str, Any]) -> dict[str, Any]:
    """The document, in which no object has members beyond those it names."""
    for each in document["components"]["schemas"].values():
        if "properties" in each:
            each["additionalProperties"] = False
    return document


COMMITTED: Final = Path(settings.BASE_DIR) / "docs" / "openapi.json"
DOCUMENT: Final = _closed(json.loads(COMMITTED.read_text(encoding="utf-8")))
OPERATIONS: Final = sorted(
    operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()
)
schema = schemathesis.openapi.from_dict(DOCUMENT)
schema.app = application
schema.config.generation.update(
    deterministic=True,
    database="none",
    max_examples=EXAMPLES * SCALE,
    with_security_parameters=False,
)
# What is valid by the document may still be refused: it names a row that is not there, or filters
# that no index serves together.
schema.config.checks.positive_data_acceptance.enabled = False

# How often each operation was answered with which status.
ANSWERS: Final[dict[str, Counter[int]]] = defaultdict(Counter)


@pytest.fixture(scope="module")
def home(django_db_setup: None, django_db_blocker: Any) -> Iterator[Home]:
    """A tenant with rows of everything, for all tests, in a transaction that is rolled back."""
    unlimited = override_settings(RATE_LIMIT_TOKEN_PER_MINUTE=0, RATE_LIMIT_TENANT_PER_MINUTE=0)
    with django_db_blocker.unblock(), _kept_connection(), unlimited, rolled_back():
        yield furnish("home", new_word())


@contextmanager
def _kept_connection() -> Iterator[None]:
    """Requests do not ask whether the connection is an old one: it is in a transaction."""
    signals = (request_started, request_finished)
    for each in signals:
        each.disconnect(close_old_connections)
    yield
    for each in signals:
        each.connect(close_old_connections)


@pytest.fixture(scope="module")
def token(home: Home) -> str:
    """The token of the owner, for everything."""
    with tenant_context(home.tenant):
        return token_issue(user_id=home.people["owner"].pk, name="all", scopes=SCOPES).text


@pytest.fixture(scope="module")
def places(home: Home) -> dict[str, Any]:
    """What stands in addresses. The comment is the owner's: nobody else may edit it."""
    with tenant_context(home.tenant):
        comment = comment_add(
            task_id=home.places["task"], body="Mine", actor_id=home.people["owner"].pk
        )
    return {**home.places, "tenant": home.slug, "comment_id": comment.pk}


def keeps_to_the_document(case: Case, home: Home, places: dict[str, Any], token: str) -> None:
    settle(case, home, places)
    headers = {"Authorization": f"Bearer {token}"}
    with rolled_back():
        response = case.call(headers=headers)
        ANSWERS[case.operation.definition.raw["operationId"]][response.status_code] += 1
        case.validate_response(response, headers=headers)


# A test for each operation. The tests that schemathesis makes of one function have all the same id,
# and pytest-xdist would run a single one of them.
for name in OPERATIONS:
    of_one = schema.include(operation_id=name)
    globals()[f"test_{name}_keeps_to_the_document"] = of_one.parametrize()(keeps_to_the_document)


def settle(case: Case, home: Home, places: dict[str, Any]) -> None:
    """Name rows that are there, where a case is not meant to name anything else."""
    assert case.meta is not None
    wrong = {place for place, each in case.meta.components.items() if each.mode.is_negative}
    if In.PATH not in wrong:
        case.path_parameters = {each: str(places[each]) for each in case.path_parameters}
    if In.BODY not in wrong and isinstance(case.body, dict):
        rows = references(home, case.operation.path)
        named = {each: row for each, row in rows.items() if case.body.get(each) is not None}
        case.body = settled_batch({**case.body, **named}, rows)
    if In.BODY in wrong and isinstance(case.body, dict) and case.body.get("mode") == "partial":
        # A wrong item would be answered by itself, in the 207 of the others.
        case.body = {**case.body, "mode": "atomic"}
    # Where a case is about one thing, nothing else may be the reason why it is refused: neither all
    # filters at once, nor a tag that no row has.
    about = case.meta.phase.data
    if about.parameter_location == In.QUERY and about.parameter in case.query:
        case.query = {about.parameter: case.query[about.parameter]}
    if about.parameter_location not in (None, In.HEADER):
        case.headers.pop("If-Match", None)


def settled_batch(body: dict[str, Any], rows: dict[str, Any]) -> dict[str, Any]:
    """The body of a batch with one item that is there, or one id; any other body as it is."""
    if isinstance(body.get("ids"), list) and "items" not in body:
        return {**body, "ids": [rows["parent"]]}
    if not isinstance(body.get("items"), list):
        return body
    (item, *_) = body["items"] or [{}]
    if isinstance(item, dict):
        named = {"id": rows["parent"], **rows}
        item = {name: named.get(name, value) if value else value for name, value in item.items()}
        if isinstance(item.get("set"), dict):
            item["set"] = {n: rows.get(n, v) if v else v for n, v in item["set"].items()}
        item.pop("version", None)
    return {**{n: v for n, v in body.items() if n not in ("ids", "set")}, "items": [item]}


def references(home: Home, path: str) -> dict[str, Any]:
    """The rows of the tenant that fields of bodies can name."""
    member = home.people["member"].username
    rows = {
        "project": home.places["key"],
        "assignee": member,
        "lead": member,
        "parent": home.places["blocker_id"],
        "blocker": home.places["spare_task"],
    }
    # For a token it is a member; for a new member it is anybody else.
    return {**rows, "user": member} if path.endswith("/tokens/") else rows


def test_each_operation_was_seen_to_succeed() -> None:
    if set(OPERATIONS) - ANSWERS.keys():
        pytest.skip("Only after the tests of all operations.")

    assert {each: dict(seen) for each, seen in ANSWERS.items() if min(seen) >= 300} == {}
