"""Tenants, members, tokens and events as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from rest_framework import serializers

from taskproject.api.fields import (
    ChoicesField,
    FlagField,
    InstantField,
    StrictSerializer,
    TextField,
    WordField,
)
from taskproject.tenancy.api.fields import USERNAME_LENGTH, MemberField
from taskproject.tenancy.models import ApiToken, EventKind, Membership, Role, Scope, Tenant
from taskproject.tenancy.selectors import PEOPLE_IN_CHANGES


class TenantSerializer(StrictSerializer):
    """The tenant that the address names."""

    slug = serializers.CharField(read_only=True)
    name = TextField(max_length=200)
    version = serializers.IntegerField(read_only=True)
    created_at = InstantField(read_only=True)

    model: ClassVar = Tenant
    example: ClassVar = {
        "slug": "acme",
        "name": "Acme Works",
        "version": 1,
        "created_at": "2026-01-12T08:30:00Z",
        "user": "alice",
        "role": "member",
    }


class TenantWithRoleSerializer(TenantSerializer):
    """The tenant that the address names, who asks, and in which role."""

    user = serializers.CharField(read_only=True)
    role = WordField(Role, read_only=True)


class MemberSerializer(StrictSerializer):
    """A member: who, in which role, and whether still active."""

    user = MemberField(read_only=True)
    role = WordField(Role)
    active = FlagField()
    version = serializers.IntegerField(read_only=True)
    created_at = InstantField(read_only=True)

    model: ClassVar = Membership
    example: ClassVar = {
        "user": "alice",
        "role": "admin",
        "active": True,
        "version": 2,
        "created_at": "2026-01-12T08:30:00Z",
    }


class NewMemberSerializer(StrictSerializer):
    """Who becomes a member; a name that nobody has becomes a user without a password."""

    user = TextField(max_length=USERNAME_LENGTH)
    role = WordField(Role, default=Role.MEMBER)

    example: ClassVar = {"user": "dora", "role": "member"}


class TokenSerializer(StrictSerializer):
    """An API token. Its text is shown once, when it is issued, as `token`."""

    prefix = serializers.CharField(read_only=True)
    name = TextField(max_length=100)
    user = MemberField(required=False)
    scopes = ChoicesField(choices=Scope.choices, required=False)
    expires_at = InstantField(required=False, allow_null=True)
    last_used_at = InstantField(read_only=True, allow_null=True)
    revoked_at = InstantField(read_only=True, allow_null=True)
    created_at = InstantField(read_only=True)

    model: ClassVar = ApiToken
    example: ClassVar = {
        "prefix": "k3v9x0qa",
        "name": "nightly report",
        "user": "alice",
        "scopes": ["read"],
        "expires_at": "2027-01-01T00:00:00Z",
        "last_used_at": None,
        "revoked_at": None,
        "created_at": "2026-01-12T08:30:00Z",
        "token": "tp_4_k3v9x0qa…",
    }


class IssuedTokenSerializer(TokenSerializer):
    """A new token with its text, `token`, which is never shown again."""

    token = serializers.CharField(read_only=True)


# How the numbers that events store for a field are said in words: filled by the apps above.
CHANGE_WORDS: Final[dict[str, Callable[[int], str | None]]] = {}


class ChangesField(serializers.JSONField):
    """What an event changed: a value, or for an update the pair of what was and what is.

    It is given the event. The context has the names of people as `people`; without `sees_tokens` an
    event of a token tells nothing more of it.
    """

    schema: ClassVar = {
        "type": "object",
        "additionalProperties": True,
        "description": "By field: a value, or for an update the pair of what was and what is.",
    }

    def to_representation(self, value: Any) -> Any:
        if value.kind in _OF_TOKENS and not self.context.get("sees_tokens"):
            return {}
        people = self.context.get("people", {})
        say = CHANGE_WORDS | dict.fromkeys(PEOPLE_IN_CHANGES, people.get)
        return {
            name.removesuffix("_id"): _in_words(say.get(name), each)
            for name, each in value.changes.items()
        }


_OF_TOKENS: Final = (EventKind.TOKEN_ISSUED, EventKind.TOKEN_REVOKED)


def _in_words(say: Callable[[int], str | None] | None, value: Any) -> Any:
    if say is None:
        return value
    if isinstance(value, list):
        return [_in_words(say, each) for each in value]
    return say(value) if isinstance(value, int) else value


class EventSerializer(StrictSerializer):
    """One change: what happened to which task or project, when, and who did it."""

    id = serializers.IntegerField(read_only=True)
    kind = WordField(EventKind, read_only=True)
    task = serializers.IntegerField(source="task_id", read_only=True, allow_null=True)
    project = serializers.IntegerField(source="project_id", read_only=True, allow_null=True)
    actor = serializers.CharField(
        source="actor.username", default=None, read_only=True, allow_null=True
    )
    changes = ChangesField(source="*", read_only=True)
    created_at = InstantField(read_only=True)

    example: ClassVar = {
        "id": 90210,
        "kind": "task updated",
        "task": 4711,
        "project": 7,
        "actor": "alice",
        "changes": {"status": ["pending", "active"]},
        "created_at": "2026-02-03T14:05:09.120000Z",
    }


class FeedSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """Some events, and the address of what follows, now or later."""

    results = EventSerializer(many=True)
    next = serializers.URLField()
    has_more = serializers.BooleanField()

    example: ClassVar = {
        "results": [EventSerializer.example],
        "next": "https://tasks.example/api/v1/tenants/acme/events/?after=q5wf8Kk2",
        "has_more": False,
    }
