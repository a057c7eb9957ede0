"""Bodies that are read by a compiled type: the verdict and the values are the serializer's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rest_framework import serializers

from projects.api.serializers import ProjectChangeSerializer, ProjectSerializer
from taskproject.api.bodies import body_type
from taskproject.api.fields import IdField, StrictSerializer, TextField
from taskproject.api.parsing import Body, BodyRefused
from taskproject.db.context import tenant_context
from taskproject.tenancy.api.serializers import (
    MemberSerializer,
    NewMemberSerializer,
    TenantSerializer,
    TokenSerializer,
)
from taskproject.tests.cast import Cast, make_project
from tasks.api.serializers import (
    CommentSerializer,
    DependencySerializer,
    LabelSerializer,
    ProjectTaskSerializer,
    TaskChangeSerializer,
    TaskSerializer,
)

pytestmark = pytest.mark.django_db

COMPILED: list[Any] = [
    TaskSerializer,
    TaskChangeSerializer,
    ProjectTaskSerializer,
    LabelSerializer,
    CommentSerializer,
    DependencySerializer,
    ProjectSerializer,
    ProjectChangeSerializer,
    TenantSerializer,
    MemberSerializer,
    NewMemberSerializer,
]
NAMES = sorted({name for each in COMPILED for name in each().fields} | {"nonsense", ""})
# What each field takes, what it nearly takes, and what belongs to another one.
VALUES: list[Any] = [
    *(
        "WEB",
        "web",
        "OFF",
        "alice",
        "carol",
        "nobody",
        "pending",
        "done",
        "urgent",
        "owner",
        "dora",
    ),
    *("", " ", "\t\n", " x ", "x" * 50, "x" * 51, "x" * 300, "x" * 301, "é😀", "\u2028", 'a\\":b'),
    *(
        "2027-03-31T16:00:00Z",
        "2027-03-31T16:00:00.123456+02:00",
        "2027-03-31T16:00:00",
        "2027-13-01",
    ),
    *(
        "9998-12-31T23:59:59Z",
        "9999-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "#c2410c",
        "#C2410C",
    ),
    *(
        None,
        True,
        False,
        0,
        1,
        42,
        -1,
        2**53,
        2**53 + 1,
        2**63,
        1.0,
        1.5,
        1e3,
        [],
        [1],
        {},
        {"a": 1},
    ),
]
RAW = [
    b"{}",
    b"",
    b"[]",
    b"null",
    b'{"title": "x", "title": "y"}',
    b'{"title": "x", "ti\\u0074le": "y"}',
    b'{"title": "a\\u0000"}',
    b'{"title": "\\ud800"}',
    b'{"title": "\\ud83d\\ude00"}',
    b'{"title": "\xff"}',
    b'{"title": "x"} x',
    b'\xef\xbb\xbf{"title": "x"}',
    b'{"parent": 1e2}',
    b'{"parent": 1.0}',
    b'{"parent": 01}',
    b'{"parent": -0}',
    b'{"parent": ' + b"[" * 100_000 + b"}",
    b'{ "parent" : 42 , "title":"x" }',
]
bodies = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), max_size=4)
raw_bodies = st.sampled_from(RAW) | bodies.map(
    lambda body: json.dumps(body, ensure_ascii=False).encode()
)


@pytest.fixture(autouse=True)
def places(cast: Cast) -> None:
    make_project(cast.alpha, cast.alice)


def by_serializer(serializer: Any, raw: bytes, *, partial: bool) -> Any:
    """The values that the parser and the serializer make of a body; None if they refuse it."""
    try:
        found = serializer(data=Body(raw).members, partial=partial)
    except BodyRefused:
        return None
    return dict(found.validated_data) if found.is_valid() else None


def by_type(serializer: Any, raw: bytes, *, partial: bool) -> Any:
    """The values that the compiled type makes of it; None if it leaves it to the serializer."""
    kind = body_type(serializer, partial=partial)
    assert kind is not None, "the serializer is not compiled"
    sent = kind.sent(Body(raw))
    if sent is None:
        return None
    try:
        return kind.validated(sent)
    except serializers.ValidationError:
        return None


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(serializer=st.sampled_from(COMPILED), raw=raw_bodies, partial=st.booleans())
@example(TaskChangeSerializer, b'{"parent": 9007199254740992}', True)
@example(TaskChangeSerializer, b'{"parent": 9007199254740993}', True)
@example(TaskChangeSerializer, b'{"parent": 1.0}', True)
@example(TaskChangeSerializer, b'{"title": "x", "title": "y"}', True)
def test_whatever_the_type_takes_the_serializer_takes_too_with_the_same_values(
    cast: Cast, serializer: Any, raw: bytes, partial: bool
) -> None:
    with tenant_context(cast.alpha):
        taken = by_type(serializer, raw, partial=partial)
        if taken is not None:
            assert taken == by_serializer(serializer, raw, partial=partial)


GOOD: list[tuple[Any, dict[str, Any]]] = [
    (TaskSerializer, {"project": "WEB", "title": "x"}),
    (
        TaskSerializer,
        {
            "project": "WEB",
            "title": ' a\\" 😀',
            "description": "",
            "status": "done",
            "priority": "low",
            "assignee": "bob",
            "parent": 42,
            "due_at": "2027-03-31T16:00:00.5+02:00",
            "external_key": "x",
        },
    ),
    (
        TaskSerializer,
        {"project": "WEB", "title": "x", "assignee": None, "parent": None, "due_at": None},
    ),
    (ProjectTaskSerializer, {"title": "x"}),
    (LabelSerializer, {"name": "bug", "colour": "#c2410c"}),
    (CommentSerializer, {"body": "Hm"}),
    (DependencySerializer, {"blocker": 2**53}),
    (ProjectSerializer, {"key": "OPS", "name": "Ops", "lead": "bob"}),
    (MemberSerializer, {"role": "viewer", "active": False}),
    (NewMemberSerializer, {"user": "dora"}),
    (TenantSerializer, {"name": "Alpha"}),
]


@pytest.mark.parametrize(("serializer", "body"), GOOD)
@pytest.mark.parametrize("partial", [False, True], ids=["whole", "partial"])
def test_a_good_body_needs_no_serializer(
    cast: Cast, serializer: Any, body: dict[str, Any], partial: bool
) -> None:
    raw = json.dumps(body, ensure_ascii=False).encode()
    with tenant_context(cast.alpha):
        taken = by_type(serializer, raw, partial=partial)

        assert taken is not None
        assert taken == by_serializer(serializer, raw, partial=partial)


@pytest.mark.parametrize(
    "body",
    [
        b'{"body": "x", "body": "y"}',
        b'{"body": "a\\u0000"}',
        b'{"body": "\\ud800"}',
        b'{"body": ""}',
        b'{"body": null}',
        b'{"body": 1}',
        b'{"boddy": "x"}',
        b'{"id": 1, "body": "x"}',
        b"{}",
        b"[]",
    ],
)
def test_what_is_refused_or_odd_is_left_to_the_serializer(body: bytes) -> None:
    assert by_type(CommentSerializer, body, partial=False) is None


def test_a_rule_that_is_not_known_keeps_the_serializer_at_work() -> None:
    class Even(StrictSerializer):
        number = IdField()

        def validate_number(self, value: int) -> int:
            raise serializers.ValidationError("odd")

    class Together(StrictSerializer):
        name = TextField()

        def validate(self, attrs: Any) -> Any:
            return attrs

    class Checked(StrictSerializer):
        name = TextField(validators=[lambda text: None])

    for each in (Even, Together, Checked, TokenSerializer):
        assert body_type(each, partial=False) is None
