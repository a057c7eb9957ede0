"""What requests about many rows take: a list of objects, or of ids."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from rest_framework import serializers

from taskproject.api.fields import IdField

MAX_ITEMS: Final = 1_000


class ItemsField(serializers.Field):  # type: ignore[type-arg]
    """1 to 1,000 JSON objects. What stands in each is looked at item by item: by whoever takes
    them, since a list serializer would take a thousand times as long as one."""

    default_error_messages = {
        "not_a_list": "It must be a list of objects.",
        "empty": "There must be at least one.",
        "too_many": "At most {most:,} at once. Send the others in another request.",
        "not_an_object": "It must be an object.",
    }

    def __init__(self, item: type[serializers.Serializer[Any]], **kwargs: Any) -> None:
        super().__init__(write_only=True, **kwargs)
        self.item = item

    def to_internal_value(self, data: Any) -> list[dict[str, Any]]:
        if not isinstance(data, list):
            self.fail("not_a_list")
        if not data:
            self.fail("empty")
        if len(data) > MAX_ITEMS:
            self.fail("too_many", most=MAX_ITEMS)
        wrong = [place for place, each in enumerate(data) if not isinstance(each, dict)]
        if wrong:
            told = serializers.ErrorDetail(
                str(self.error_messages["not_an_object"]), code="not_an_object"
            )
            raise serializers.ValidationError({str(place): [told] for place in wrong})
        return data


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


class IdsField(serializers.Field):  # type: ignore[type-arg]
    """1 to 1,000 ids of rows."""

    schema: ClassVar = {
        "type": "array",
        "items": IdField.schema,
        "minItems": 1,
        "maxItems": MAX_ITEMS,
    }
    default_error_messages = {
        **ItemsField.default_error_messages,
        "not_a_list": "It must be a list of ids.",
    }

    def to_internal_value(self, data: Any) -> list[int]:
        if not isinstance(data, list):
            self.fail("not_a_list")
        if not data:
            self.fail("empty")
        if len(data) > MAX_ITEMS:
            self.fail("too_many", most=MAX_ITEMS)
        field, wrong = IdField(), {}
        for place, each in enumerate(data):
            try:
                field.to_internal_value(each)
            except serializers.ValidationError as error:
                wrong[str(place)] = error.detail
        if wrong:
            raise serializers.ValidationError(wrong)
        return data
