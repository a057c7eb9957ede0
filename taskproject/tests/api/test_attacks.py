"""What an attack on the API found: each stays mended."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from taskproject.db.context import tenant_context
from taskproject.tests.cast import Cast, make_client, make_project, make_task
from tasks.services import relations

ALPHA = "/api/v1/tenants/alpha/"
ALL = ["read", "write", "admin"]


@pytest.fixture
def client(cast: Cast) -> Client:
    """Alice's, who owns alpha, with every scope."""
    return make_client(cast.alpha, cast.alice, scopes=ALL)


def sent(client: Client, method: str, address: str, body: Any) -> Any:
    return client.generic(method, ALPHA + address, json.dumps(body), "application/json")


# Answers that are longer than what they answer


def test_more_scopes_than_there_are_is_told_in_one_line(client: Client) -> None:
    response = sent(client, "POST", "tokens/", {"name": "x", "scopes": [""] * 50_000})

    (error,) = response.json()["errors"]
    assert (response.status_code, error["pointer"]) == (422, "/scopes")


def test_of_many_unknown_fields_twenty_are_named(cast: Cast, client: Client) -> None:
    make_project(cast.alpha, cast.alice)
    body = {"project": "WEB", "title": "x"} | {f"f{n}": 1 for n in range(10_000)}

    response = sent(client, "POST", "tasks/", body)

    assert (response.status_code, len(response.json()["errors"])) == (422, 20)


# Texts that cost PostgreSQL more than they should


@pytest.mark.parametrize("unit", ["a-b_", "a_b-", "a-1_", "a-b."])
def test_a_description_of_joined_words_is_taken_apart_in_time(
    unit: str, cast: Cast, client: Client
) -> None:
    make_project(cast.alpha, cast.alice)

    body = {"project": "WEB", "title": "x", "description": unit * 16_000}
    response = sent(client, "POST", "tasks/", body)

    assert response.status_code == 201, response.content


# Changes that say nothing


@pytest.mark.parametrize("address", ["", "tasks/{task}/comments/{comment}/"])
def test_a_change_of_nothing_writes_nothing_and_honours_if_match(
    address: str, cast: Cast, client: Client
) -> None:
    task = make_task(make_project(cast.alpha, cast.alice), cast.alice)
    with tenant_context(cast.alpha):
        comment = relations.comment_add(task_id=task.pk, body="Hm", actor_id=cast.alice.pk)
    place = address.format(task=task.pk, comment=comment.pk)
    before = client.get(ALPHA + place)

    unchanged = sent(client, "PATCH", place, {})
    never = {"If-Match": '"9-0123456789abcdef"'}
    stale = client.patch(ALPHA + place, {}, "application/json", headers=never)

    assert (unchanged.status_code, unchanged["ETag"]) == (200, before["ETag"])
    assert stale.status_code == 412


# Tokens that outlive their issuer


def test_a_token_issues_none_that_lives_longer(cast: Cast) -> None:
    end = timezone.now() + timedelta(hours=1)
    brief = make_client(cast.alpha, cast.alice, scopes=ALL, expires_at=end)

    inherited = sent(brief, "POST", "tokens/", {"name": "as long"})
    later = (end + timedelta(seconds=1)).isoformat()
    refused = [
        sent(brief, "POST", "tokens/", {"name": "longer", "expires_at": each})
        for each in (later, None)
    ]

    assert inherited.status_code == 201
    assert inherited.json()["expires_at"] is not None
    assert [each.status_code for each in refused] == [403, 403]


# What is sent and not asked for


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("POST", "projects/WEB/archive/"),
        ("POST", "projects/WEB/unarchive/"),
        ("POST", "tasks/{task}/restore/"),
        ("PUT", "tasks/{task}/labels/{label}/"),
        ("DELETE", "tasks/{task}/labels/{label}/"),
        ("DELETE", "tasks/{task}/"),
    ],
)
def test_where_no_body_is_asked_for_one_is_refused(
    method: str, address: str, cast: Cast, client: Client
) -> None:
    task = make_task(make_project(cast.alpha, cast.alice), cast.alice)
    with tenant_context(cast.alpha):
        label = relations.label_create(name="bug", actor_id=cast.alice.pk)
    place = address.format(task=task.pk, label=label.pk)

    unknown = sent(client, method, place, {"quietly": True})
    broken = client.generic(method, ALPHA + place, "{", "application/json")
    empty = sent(client, method, place, {})

    assert unknown.json()["errors"][0]["pointer"] == "/quietly"
    assert (unknown.status_code, broken.status_code) == (422, 400)
    assert empty.status_code in (200, 204)


@pytest.mark.parametrize(
    "time_",
    [
        *("2026-W01-1T00:00Z", "20260101T000000Z"),
        *("٢٠٢٦-01-01T00:00:00Z", "2026-01-01T00:00:00.1234567Z"),
    ],
)
def test_only_times_of_rfc_3339_are_taken(time_: str, cast: Cast, client: Client) -> None:
    make_project(cast.alpha, cast.alice)

    in_body = sent(client, "POST", "tasks/", {"project": "WEB", "title": "x", "due_at": time_})
    in_query = client.get(ALPHA + "tasks/", {"created_after": time_})

    assert (in_body.status_code, in_query.status_code) == (422, 400)


@pytest.mark.parametrize("name", [".", "..", "me"])
def test_a_name_that_means_something_else_in_an_address_is_nobodys(
    name: str, client: Client
) -> None:
    response = sent(client, "POST", "members/", {"user": name})

    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/user")


# Lists that no index narrows


def test_a_tenant_has_a_thousand_labels(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relations, "LABELS_PER_TENANT", 2)

    answers = [sent(client, "POST", "labels/", {"name": f"L{n}"}).status_code for n in range(3)]

    assert answers == [201, 201, 409]
