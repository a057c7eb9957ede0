"""Rows that belong to another row and are shown in it, where `include` asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet
from rest_framework import serializers

from taskproject.api.projection import Links, RowSQL, projection_of


class IncludedRows(serializers.Field):  # type: ignore[type-arg]
    """The rows that `selector` finds by the id of the row that is shown, each as
    `serializer_class` shows it, in the selector's order.

    PostgreSQL reads them in the statement of the page, by `links`; where that is not how the row is
    shown, each row costs a statement. Raises `ImproperlyConfigured` for a serializer without a
    projection.
    """

    included = True

    def __init__(
        self,
        serializer_class: type[serializers.Serializer[Any]],
        selector: Callable[[Any], QuerySet[Any]],
        links: Links,
        *,
        max_length: int,
    ) -> None:
        super().__init__(source="*", read_only=True)
        projection = projection_of(serializer_class)
        if projection is None:
            raise ImproperlyConfigured(f"{serializer_class.__name__} has no projection.")
        self._projection = projection
        self._links = links
        self.serializer_class = serializer_class
        self.selector = selector
        self.max_length = max_length

    def to_representation(self, value: Any) -> Any:
        return self.serializer_class(self.selector(value.pk), many=True).data

    def to_sql(self, row: RowSQL) -> str:
        return row.linked(self._links, self._projection.written)
