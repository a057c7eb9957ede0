"""What views of events share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from taskproject.tenancy.api.permissions import MANAGE
from taskproject.tenancy.api.serializers import EventSerializer
from taskproject.tenancy.api.viewsets import TenantViewSet
from taskproject.tenancy.models import Event
from taskproject.tenancy.selectors import people_in


class EventsViewSet(TenantViewSet):
    """Shows events in words: one statement more where they tell of people.

    Which tokens there are is for admins, as in the list of tokens.
    """

    serializer_class = EventSerializer
    sparse: ClassVar = frozenset()
    weak: ClassVar = frozenset()

    def shown_rows(self, rows: Sequence[Event]) -> Any:
        words = {"people": people_in(rows), "sees_tokens": MANAGE.met_by(self.identity)}
        context = {**self.get_serializer_context(), **words}
        return EventSerializer(rows, many=True, context=context).data
