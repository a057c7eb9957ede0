"""What requests about many rows take: a list of objects, or of ids."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from rest_framework import serializers

from taskproject.api.fields import IdField

MAX_ITEMS: Final = 1_000


class _ManyField(serializers.Field):  # type: ignore[type-arg]
    """A list of 1 to 1,000 values, each of which `complaint` looks at."""

    default_error_messages = {
        "not_a_list": "It must be a list.",
        "empty": "There must be at least one.",
        "too_many": "At most {most:,} at once. Send the others in another request.",
    }

    def complaint(self, value: Any) -> Any:
        """What is wrong with a value, as `ValidationError` has it; nothing if it is good."""
        raise NotImplementedError

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            self.fail("not_a_list")
        if not data:
            self.fail("empty")
        if len(data) > MAX_ITEMS:
            self.fail("too_many", most=MAX_ITEMS)
        wrong = {
            str(place): found for place, each in enumerate(data) if (found := self.complaint(each))
        }
        if wrong:
            raise serializers.ValidationError(wrong)
        return data


class ItemsField(_ManyField):
    """1 to 1,000 JSON objects. What stands in each is looked at item by item: by whoever takes
    them, since a list serializer would take far longer than they need."""

    def __init__(self, item: type[serializers.Serializer[Any]], **kwargs: Any) -> None:
        super().__init__(write_only=True, **kwargs)
        self.item = item

    def complaint(self, value: Any) -> Any:
        if isinstance(value, dict):
            return None
        return [serializers.ErrorDetail("It must be an object.", code="not_an_object")]


class PartField(serializers.Field):  # type: ignore[type-arg]
    """An object that has some of the members of `item`: what changes. (A serializer as a field asks
    for all that it requires, unless the whole body is partial.)"""

    def __init__(self, item: type[serializers.Serializer[Any]], **kwargs: Any) -> None:
        super().__init__(write_only=True, **kwargs)
        self.item = item

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        part = self.item(data=data, partial=True)
        part.is_valid(raise_exception=True)
        values: dict[str, Any] = part.validated_data
        return values


class IdsField(_ManyField):
    """1 to 1,000 ids of rows."""

    schema: ClassVar = {
        "type": "array",
        "items": IdField.schema,
        "minItems": 1,
        "maxItems": MAX_ITEMS,
    }

    def complaint(self, value: Any) -> Any:
        try:
            IdField().to_internal_value(value)
        except serializers.ValidationError as error:
            return error.detail
        return None
