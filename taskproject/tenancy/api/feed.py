"""The event feed over REST: everything that happens in a tenant, in an order that never skips.

Unlike a list it has no end: each answer carries the address to ask at next time. That address is
good for one life of the database cluster; in another one the feed begins anew.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from rest_framework.request import Request
from rest_framework.response import Response

from taskproject.api.pagination import LIMIT, cursor_at, page_request, place_of
from taskproject.api.parameters import text
from taskproject.api.problems import FeedRestarted
from taskproject.db.epochs import cluster_epoch, snapshot_horizon
from taskproject.tenancy.api.events import EventsViewSet
from taskproject.tenancy.api.serializers import FeedSerializer
from taskproject.tenancy.selectors import event_feed

NOW: Final = "now"
AFTER: Final = text(
    500,
    "Where to go on: the value that the last answer's `next` has, or `now` for what happens from "
    "here on. Without it the feed begins with the first event there is.",
    example=NOW,
)


class EventFeedViewSet(EventsViewSet):
    """What happens in the tenant."""

    parameters: ClassVar = {"feed": {"after": AFTER, "limit": LIMIT}}
    answers: ClassVar = {"feed": FeedSerializer}
    problems: ClassVar = {"feed": ("invalid-cursor", "feed-restarted")}

    def feed(self, request: Request, **kwargs: Any) -> Response:
        """The next events, in an order that never skips one.

        `next` is always there: ask it again later for what has happened since. An event comes once
        every transaction that began before its own has ended, so that a reader who goes on from
        `next` sees each event once. To mirror a tenant, take `after=now` first, then read the
        lists, then follow `next`.

        A binding and one statement, and one more on a new connection.
        """
        query = request.query_params
        wanted = page_request(query)
        epoch = cluster_epoch()
        if query.get("after") == NOW:
            return self._answer([], (epoch, snapshot_horizon(), 0), more=False)
        place = self._place(query.get("after"), epoch)
        found = list(event_feed(after=place, limit=wanted.limit + 1))
        events = found[: wanted.limit]
        if events:
            place = (events[-1].xid, events[-1].pk)
        return self._answer(events, (epoch, *place), more=len(found) > len(events))

    def _place(self, cursor: str | None, epoch: str) -> tuple[int, int]:
        if cursor is None:
            return 0, 0
        key = place_of(cursor, self._binding()).key or ("", 0, 0)
        if key[0] != epoch:
            raise FeedRestarted
        return key[1], key[2]

    def _answer(self, events: list[Any], key: tuple[Any, ...], *, more: bool) -> Response:
        query = self.request.query_params.copy()
        query["after"] = cursor_at(key, self._binding())
        address = self.request.build_absolute_uri(f"{self.request.path}?{query.urlencode()}")
        body = {"results": self.shown_rows(events), "next": address, "has_more": more}
        return Response(body, headers={"Link": f'<{address}>; rel="next"'})

    def _binding(self) -> dict[str, Any]:
        return {"feed": "events", "tenant": self.identity.tenant_id}
