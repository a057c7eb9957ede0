"""Lists in the web admin that stay cheap at a million rows, at any depth.

Pages go by keyset and not by number, the count stops at 200, and filters are offered only where
an index serves them together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.text import capfirst

from taskproject.api.pagination import PageRequest, paginate
from taskproject.api.problems import InvalidParameter
from taskproject.db.context import current_tenant_id
from taskproject.db.counting import capped_count
from taskproject.db.keyset import Keyset

CURSOR_VAR: Final = "cursor"
# What has just been written is not yet known as visible to all, and each such row that is counted
# is one page more: the limit is what a list may cost right after a big change.
COUNT_LIMIT: Final = 200

type FilterSets = Iterable[frozenset[str]]


class KeysetChangeList(ChangeList):
    """A page of at most `list_per_page` rows, in the order that `model_admin.get_order` gives.

    Costs one statement for the page and one for the capped count, which is left out where the page
    itself says how many there are.
    """

    model_admin: Any  # a LargeListAdmin, which stands above this module
    next_link: str | None = None
    previous_link: str | None = None
    count_text = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_popup:
            self.title = capfirst(str(self.opts.verbose_name_plural))

    def get_filters_params(self, params: Any = None) -> Any:
        found = super().get_filters_params(params)
        found.pop(CURSOR_VAR, None)
        # A filter's form that was sent without a choice filters nothing.
        return {name: values for name, values in found.items() if values[-1] != ""}

    def get_filters(self, request: HttpRequest) -> Any:
        used = self.get_filters_params().keys() & self._filter_names
        try:
            found = super().get_filters(request)
        except DisallowedModelAdminLookup as error:
            raise IncorrectLookupParameters("This list can't be filtered like that.") from error
        if used and frozenset(used) not in self.model_admin.filter_sets:
            raise IncorrectLookupParameters("These filters can't be combined.")
        return found

    def apply_select_related(self, qs: QuerySet[Any]) -> QuerySet[Any]:
        rows = super().apply_select_related(qs)
        rows = rows.prefetch_related(*self.model_admin.list_prefetch)
        return rows.defer(*self.model_admin.list_deferred)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """None: the keyset orders the page, and nothing else may."""
        return []

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """A link within the list. It starts at the first page, and a filter that has no index
        together with a new one is dropped."""
        new = new_params or {}
        dropped = [*(remove or []), CURSOR_VAR]
        for name in new.keys() & self._filter_names:
            if new[name] is not None:
                dropped += self._not_combinable(name)
        return super().get_query_string(new, dropped)

    def get_results(self, request: HttpRequest) -> None:
        """One page and the links to those beside it. Raises `IncorrectLookupParameters` for a
        cursor of another list."""
        self.request = request
        keyset: Keyset = self.model_admin.get_order(request)
        cursor = request.GET.get(CURSOR_VAR)
        wanted = PageRequest(limit=self.list_per_page, cursor=cursor)
        try:
            page = paginate(self.queryset, keyset, wanted, binding=self._binding(keyset))
        except InvalidParameter as error:
            raise IncorrectLookupParameters("The link to that page is no longer good.") from error
        self.result_list = list(page.rows)
        self.next_link = self._page_link(page.next)
        self.previous_link = self._page_link(page.previous)
        self.is_first_page = cursor is None
        self.first_link = self.get_query_string()
        self.kept_params = [
            (name, value)
            for name, values in self.filter_params.items()
            if name not in (SEARCH_VAR, CURSOR_VAR)
            for value in values
        ]
        self.count_text = self._count(complete=self.is_first_page and page.next is None)
        # What Django's templates ask for. "Select all that match" is never offered: it would act
        # on rows that nobody has seen.
        self.result_count = len(self.result_list)
        self.show_admin_actions = bool(self.result_list)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.full_result_count = None
        self.paginator = Paginator(self.result_list, self.list_per_page)

    def _count(self, *, complete: bool) -> str:
        count = len(self.result_list)
        if not complete:
            if not self.model_admin.is_counted(self.request):
                return ""
            count = capped_count(self.queryset, limit=COUNT_LIMIT)
        shown = f"{COUNT_LIMIT:,}+" if count > COUNT_LIMIT else f"{count:,}"
        name = self.opts.verbose_name if count == 1 else self.opts.verbose_name_plural
        return f"{shown} {name}"

    def _page_link(self, cursor: str | None) -> str | None:
        # The base class's: ours would drop the cursor.
        return cursor and super().get_query_string({CURSOR_VAR: cursor})

    def _binding(self, keyset: Keyset) -> dict[str, Any]:
        return {
            "admin": self.opts.label_lower,
            "tenant": current_tenant_id(),
            "order": [keyset.columns, keyset.descending],
            "filters": sorted(self.get_filters_params().items()),
            "q": self.query,
        }

    @cached_property
    def _filter_names(self) -> frozenset[str]:
        sets: FilterSets = self.model_admin.filter_sets
        return frozenset[str]().union(*sets)

    def _not_combinable(self, name: str) -> frozenset[str]:
        """The filters in use that no index serves together with `name`."""
        used = (set(self.get_filters_params()) & self._filter_names) | {name}
        served = [each for each in self.model_admin.filter_sets if name in each and each <= used]
        return frozenset(used) - max(served, key=len, default=frozenset({name}))


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """The pages of an autocomplete: at most 200 rows are offered, the rest is for typing more."""

    limit = 200

    @cached_property
    def count(self) -> int:
        return capped_count(self.object_list, limit=self.limit - 1)  # type: ignore[arg-type]
