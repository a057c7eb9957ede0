"""Serializer fields and rules that every resource shares."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Final

from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.validators import RegexValidator
from rest_framework import serializers
from rest_framework.fields import empty

from taskproject.api.parsing import MAX_INTEGER
from taskproject.db.values import INSTANT, json_instant, require_instant

# How many fields a refusal names: an answer must not be longer than what it answers.
MAX_COMPLAINTS: Final = 20


class WordField(serializers.Field):  # type: ignore[type-arg]
    """A choice stored as a number and shown as its word."""

    default_error_messages = {"invalid_choice": "It must be one of: {words}."}

    def __init__(self, choices: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.choices = choices
        self._words = dict(choices.choices)
        self._values = {label: choices(value) for value, label in choices.choices}

    def to_representation(self, value: int) -> str:
        return str(self._words[value])

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or data not in self._values:
            self.fail("invalid_choice", words=", ".join(self._values))
        return self._values[data]


class InstantField(serializers.DateTimeField):
    """A point in time. Unlike DRF's own field it takes no time without a zone."""

    default_error_messages = {
        "invalid": "It must be a time with its zone, such as 2026-01-31T12:00:00Z.",
    }

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str) or not INSTANT.fullmatch(value):
            self.fail("invalid", format="")
        return super().to_internal_value(value)

    def to_representation(self, value: datetime) -> str:
        """RFC 3339, with a Z for UTC."""
        return json_instant(value).removesuffix("+00:00") + "Z"

    def enforce_timezone(self, value: datetime) -> datetime:
        try:
            require_instant(time=value)
        except DjangoValidationError as error:
            raise serializers.ValidationError(error.messages, code="invalid") from error
        return super().enforce_timezone(value)


class TextField(serializers.CharField):
    """A text that is stored as it was sent, with its blanks; nothing but a string is taken.

    `pattern` is matched to the very end: Python's `$` would let a line break follow.
    """

    def __init__(self, *, pattern: str | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("trim_whitespace", False)
        super().__init__(**kwargs)
        if pattern is not None:
            to_the_end = re.compile(pattern.removesuffix("$") + r"\Z")
            self.validators.append(RegexValidator(to_the_end, self.error_messages["invalid"]))

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if data and not data.strip() and not self.allow_blank:
            self.fail("blank")
        return super().to_internal_value(data)


class FlagField(serializers.BooleanField):
    """True or false, and none of the words and numbers that DRF takes for them."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class ChoicesField(serializers.ListField):
    """Some of a few words, each once at most. More than there are is refused unread."""

    default_error_messages = {"too_many": "There are only {number} to choose from."}

    def __init__(self, choices: Any, **kwargs: Any) -> None:
        super().__init__(child=serializers.ChoiceField(choices=choices), min_length=1, **kwargs)
        self._number = len(choices)

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list) and len(data) > self._number:
            self.fail("too_many", number=self._number)
        return super().to_internal_value(data)


class IdField(serializers.Field):  # type: ignore[type-arg]
    """The id of another row; whether there is such a row is the service's question."""

    schema: ClassVar = {
        "type": "integer",
        "format": "int64",
        "minimum": 1,
        "maximum": MAX_INTEGER,  # no body has a larger number
    }
    default_error_messages = {"invalid": "It must be the id of a row, a whole number."}

    def to_representation(self, value: Any) -> int:
        return int(value)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool) or not 1 <= data < 2**63:
            self.fail("invalid")
        return int(data)


def only(members: Collection[str] | None) -> dict[str, Any]:
    """The argument of a serializer that shows some members; none if it is to show what it does."""
    return {} if members is None else {"members": members}


@cache
def included_in(serializer_class: type[serializers.BaseSerializer[Any]]) -> tuple[str, ...]:
    """The names of the fields that a serializer shows only where they are asked for: those that say
    `included`."""
    declared: Mapping[str, Any] = getattr(serializer_class, "_declared_fields", {})
    return tuple(name for name, each in declared.items() if getattr(each, "included", False))


class StrictSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """Refuses what it does not know: a misspelt field would otherwise be ignored in silence.

    So are fields that can't be set: one that is sent back unchanged has to be left out. `example`
    has a value for each field, for the OpenAPI document. With `members` it has those fields only; a
    field that is `included` is there only if it is named.
    """

    example: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, *args: Any, members: Collection[str] | None = None, **kwargs: Any) -> None:
        self._members = members
        super().__init__(*args, **kwargs)

    def get_fields(self) -> dict[str, Any]:
        """The fields whose names are among `members`; without them all that are not included."""
        fields = super().get_fields()
        members, more = self._members, included_in(type(self))
        return {
            name: each
            for name, each in fields.items()
            if (name not in more if members is None else name in members)
        }

    def run_validation(self, data: Any = empty) -> Any:
        refused = self._refused(data) if isinstance(data, Mapping) else {}
        try:
            validated = super().run_validation(data)
        except serializers.ValidationError as error:
            if refused and isinstance(error.detail, dict):
                raise serializers.ValidationError({**error.detail, **refused}) from error
            raise
        if refused:
            raise serializers.ValidationError(refused)
        return validated

    def _refused(self, data: Mapping[str, Any]) -> dict[str, Any]:
        complaints: dict[str, Any] = {}
        for name in data:
            if len(complaints) == MAX_COMPLAINTS:
                break
            field = self.fields.get(name)
            if field is None:
                complaint = serializers.ErrorDetail("There is no such field.", code="unknown")
            elif field.read_only:
                complaint = serializers.ErrorDetail("This can't be set.", code="read-only")
            else:
                continue
            complaints[name] = [complaint]
        return complaints
