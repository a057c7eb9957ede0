"""What events say, in words, and the history page of a row that events tell of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from taskproject.api.pagination import PageRequest, paginate
from taskproject.api.problems import InvalidParameter
from taskproject.db.context import require_tenant_id
from taskproject.db.keyset import Keyset
from taskproject.tenancy.models import Event, EventKind
from taskproject.tenancy.selectors import PEOPLE_IN_CHANGES, people_in
from taskproject.tenancy.webadmin.options import TenantModelAdmin
from taskproject.tenancy.webadmin.sites import Words, tenant_site

NEWEST_FIRST: Final = Keyset(("id",), descending=True)
EVENTS_SHOWN: Final = 50
TEXT_SHOWN: Final = 80
_NOTHING: Final = "–"
# Their changes are pairs of what was and what is; those of other kinds say only what is.
_UPDATES: Final = (
    EventKind.PROJECT_UPDATED,
    EventKind.TASK_UPDATED,
    EventKind.LABEL_UPDATED,
    EventKind.TENANT_UPDATED,
)


@dataclass(frozen=True, slots=True)
class Change:
    """One field of an event: what it was and what it is; `old` is None where nothing was said."""

    name: str
    old: str | None
    new: str


def changes_of(event: Event, words: Words, people: Mapping[int, str] | None = None) -> list[Change]:
    """What an event changed, in words. `words` has a function for each field that is stored as a
    number, `people` the names of the users whose ids stand in fields that end with `_id`."""
    say = dict(words)
    for name in PEOPLE_IN_CHANGES:
        say[name] = partial(_person, people or {})
    return [
        _change(name, value, say.get(name, _plain), paired=event.kind in _UPDATES)
        for name, value in event.changes.items()
        if name != "comment"  # an id that says nothing to a person
    ]


def _person(people: Mapping[int, str], user_id: int) -> str:
    return people.get(user_id, f"user {user_id}")


def _change(name: str, value: Any, say: Callable[[Any], str], *, paired: bool) -> Change:
    title = name.removesuffix("_id").replace("_", " ")
    if isinstance(value, list) and not paired:
        return Change(title, None, ", ".join(map(str, value)))
    if isinstance(value, list) and len(value) == 2:
        old, new = (_NOTHING if each in (None, "") else say(each) for each in value)
        return Change(title, old, new)
    return Change(title, None, _NOTHING if value in (None, "") else _plain(value))


def _plain(value: Any) -> str:
    text = str(value)
    if isinstance(value, str) and "T" in value:
        with suppress(ValueError):  # it only looked like a time
            text = f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M %Z}"
    return text if len(text) <= TEXT_SHOWN else f"{text[:TEXT_SHOWN]}…"


class HistoryMixin(TenantModelAdmin):
    """A history page from the event log: 50 events a page, newest first, by keyset."""

    has_history = True

    def events(self, obj: Any) -> QuerySet[Event]:
        """The events of a row, in any order; an index must give them by id."""
        raise NotImplementedError

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """The page. At most three statements beside those of the gate. Raises `Http404`."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            raise Http404
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        rows = self.events(obj).select_related("actor")
        wanted = PageRequest(limit=EVENTS_SHOWN, cursor=request.GET.get("cursor"))
        binding = {"history": self.opts.label, "tenant": require_tenant_id(), "row": obj.pk}
        try:
            page = paginate(rows, NEWEST_FIRST, wanted, binding=binding)
        except InvalidParameter:
            return HttpResponseRedirect(request.path)
        people = people_in(page.rows)
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {self.label(obj)}",
            "entries": [(each, changes_of(each, tenant_site.words, people)) for each in page.rows],
            "page": page,
            "object": obj,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/event_history.html", context)
