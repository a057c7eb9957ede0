"""Projects as JSON."""

from __future__ import annotations

from typing import ClassVar

from rest_framework import serializers

from projects.models import KEY_PATTERN, Project
from taskproject.api.fields import InstantField, StrictSerializer, TextField
from taskproject.tenancy.api.fields import MemberField


class ProjectSerializer(StrictSerializer):
    """A project. `key` is its name in addresses and in those of its tasks, and never changes."""

    id = serializers.IntegerField(read_only=True)
    key = TextField(
        max_length=10,
        pattern=KEY_PATTERN,
        error_messages={"invalid": "A capital letter, then up to 9 capitals or digits."},
    )
    name = TextField(max_length=200)
    description = TextField(required=False, allow_blank=True)
    lead = MemberField(required=False, allow_null=True)
    archived_at = InstantField(read_only=True, allow_null=True)
    version = serializers.IntegerField(read_only=True)
    created_at = InstantField(read_only=True)
    updated_at = InstantField(read_only=True)

    model: ClassVar = Project
    example: ClassVar = {
        "id": 7,
        "key": "WEB",
        "name": "Website",
        "description": "All that our customers see.",
        "lead": "alice",
        "archived_at": None,
        "version": 3,
        "created_at": "2026-01-12T08:30:00Z",
        "updated_at": "2026-02-03T14:05:09.120000Z",
    }


class ProjectChangeSerializer(ProjectSerializer):
    """A project that is changed: its key stays."""

    key = TextField(read_only=True)
