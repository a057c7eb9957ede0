"""People in request and response bodies: by user name."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from rest_framework import serializers

from taskproject.api.projection import RowSQL
from taskproject.tenancy.models import Membership, User
from taskproject.tenancy.selectors import member_named

USERNAME_LENGTH: Final = 150
# Of Django's rule, which takes letters and digits of all scripts, the part that a pattern can say
# everywhere: what is ASCII is a letter, a digit, or one of @ . + - _
USERNAME_PATTERN: Final = r"^[^\x00-*,/:-?\[-^`{-\x7f]+$"


class MemberField(serializers.Field):  # type: ignore[type-arg]
    """An active member of the tenant. One statement when it is set; a stranger is told like a
    name that nobody has."""

    schema: ClassVar = {
        "type": "string",
        "pattern": USERNAME_PATTERN,
        "maxLength": USERNAME_LENGTH,
    }
    names_a_row = True
    default_error_messages = {
        "invalid": "It must be a user name.",
        "does_not_exist": "This is no active member of the tenant.",
    }

    def to_representation(self, value: User) -> str:
        return value.username

    def to_sql(self, row: RowSQL) -> str:
        return row.name(str(self.source), "username")

    def to_internal_value(self, data: Any) -> User:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            membership = member_named(username=data)
        except Membership.DoesNotExist:
            self.fail("does_not_exist")
        if not membership.active:
            self.fail("does_not_exist")
        return membership.user
