"""The closed list of ways to read lists: by which filters, order and index, and at what cost.

Each app declares its lists in `api/listings.py`. The views accept only what is declared, the
OpenAPI document shows it, and the plan tests hold each entry to its index and its budgets.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django.db.models import QuerySet
from django.http import QueryDict

from taskproject.api.parameters import Parameter, refuse_unknown
from taskproject.api.problems import InvalidParameter, UnservedCombination
from taskproject.db.keyset import Keyset, Range
from taskproject.db.names import Name
from taskproject.db.slots import Slot

PAGING: Final = ("cursor", "limit", "sort")
STATEMENTS: Final = 1  # which brings the tenant along
BUFFERS: Final = 300  # pages of 8 KiB, for a page of 50 rows


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks of a list: its filters' values, and who asks.

    `place` has the ids from the address, such as that of the task whose comments are asked for.
    `deciding` names the values that decide which rows are asked for, and are compared with none.
    """

    values: Mapping[str, Any]
    actor_id: int
    place: Mapping[str, Any] = field(default_factory=dict)
    deciding: frozenset[str] = frozenset()

    @property
    def kind(self) -> tuple[Any, ...]:
        """What questions that differ in nothing but compared values have in common."""
        decided = ((name, self.values[name]) for name in sorted(self.deciding))
        return frozenset(self.values), frozenset(self.place), tuple(decided)

    def slotted(self) -> Asked:
        """The same question with slots in place of the values that are compared."""
        values = {
            name: value if name in self.deciding else Slot(f"value_{name}")
            for name, value in self.values.items()
        }
        place = {name: Slot(f"place_{name}") for name in self.place}
        return Asked(values, Slot("actor"), place, self.deciding)  # type: ignore[arg-type]

    @property
    def slot_values(self) -> dict[str, Any]:
        """What stands in those slots."""
        values = {
            f"value_{name}": value
            for name, value in self.values.items()
            if name not in self.deciding
        }
        return {
            "actor": self.actor_id,
            **values,
            **{f"place_{name}": value for name, value in self.place.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One way to read a list: the filters that it needs, the sorts that it gives, the index.

    With `matches` the rows are first found as a set of limited size and then sorted; else `index`
    gives them in order, and a page reads no row but its own. `bounds` are the columns that stand
    in the index condition, before those of the sort. `ranges` may bound the first column of the
    sort. `names` are found for the rows of a page. `buffers` counts pages of 8 KiB for 50 rows, at
    any depth.
    """

    rows: Callable[[Asked], QuerySet[Any]]
    sorts: Mapping[str, Keyset]
    index: str
    table: str
    bounds: tuple[str, ...] = ("tenant_id",)
    names: tuple[Name, ...] = ()
    filters: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    ranges: Mapping[str, str] = field(default_factory=dict)
    matches: bool = False
    statements: int = STATEMENTS
    buffers: int = BUFFERS
    note: str = ""

    @property
    def known(self) -> frozenset[str]:
        """The filters that it can take."""
        return self.filters | self.optional | self.ranges.keys()

    def takes(self, given: frozenset[str], sort: str | None) -> bool:
        """Whether it serves exactly those filters in that order; None stands for any order."""
        return self.filters <= given <= self.known and (sort is None or sort in self.sorts)

    @property
    def words(self) -> str:
        """The filters in words: "project + status"."""
        return " + ".join(sorted(self.filters)) or "none"


@dataclass(frozen=True, slots=True)
class Choice:
    """The access that serves a request, with what was asked. `kind` is the same for questions that
    are answered by the same statement, with other values."""

    access: Access
    sort: str
    asked: Asked
    served_by: tuple[str, int]  # the list, and which of its accesses

    @property
    def kind(self) -> tuple[Any, ...]:
        return *self.served_by, self.sort, self.asked.kind

    def slotted(self) -> Choice:
        """The same with slots in place of the values that are compared."""
        return replace(self, asked=self.asked.slotted())

    @property
    def keyset(self) -> Keyset:
        return self.access.sorts[self.sort]

    @property
    def range(self) -> Range:
        """The bounds on the first column of the sort; without any if none was asked for."""
        found = {end: self.asked.values.get(name) for name, end in self.access.ranges.items()}
        return Range(**found)

    def rows(self) -> QuerySet[Any]:
        """The rows, in no order yet, and without the bounds of `range`."""
        return self.access.rows(self.asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A list of the REST API. `name` is that of its address, `default_sort` what goes unsaid."""

    name: str
    default_sort: str
    accesses: tuple[Access, ...]
    filters: Mapping[str, Parameter] = field(default_factory=dict)

    @property
    def sorts(self) -> tuple[str, ...]:
        """The sorts that any of its accesses gives, in the order of their declaration."""
        return tuple(dict.fromkeys(sort for each in self.accesses for sort in each.sorts))

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of all query parameters."""
        return (*self.filters, *PAGING)

    def choose(
        self,
        query: QueryDict,
        *,
        actor_id: int,
        place: Mapping[str, Any] | None = None,
        also: Collection[str] = (),
    ) -> Choice:
        """Find the access that serves a query. No statement.

        `also` are the names of parameters that are read elsewhere. Raises `InvalidParameter` for
        an unknown, repeated or malformed parameter, and `UnservedCombination` for filters and a
        sort that no access serves together.
        """
        refuse_unknown(query, allowed=(*self.parameters, *also))
        asked = self._asked(query, actor_id, place)
        given = frozenset(asked.values)
        sort = query.get("sort")
        if sort is not None and sort not in self.sorts:
            raise InvalidParameter(f"sort must be one of {', '.join(self.sorts)}.")
        for number, access in enumerate(self.accesses):
            order = self._usual(access) if sort is None else sort
            if access.takes(given, order):
                return Choice(access, order, asked, (self.name, number))
        raise UnservedCombination(self._refusal(given, sort), offered=self._offered(given, sort))

    def choose_unordered(self, query: QueryDict, *, actor_id: int) -> Choice:
        """The same for a question that has no order and no pages, such as a count."""
        refuse_unknown(query, allowed=tuple(self.filters))
        asked = self._asked(query, actor_id, None)
        given = frozenset(asked.values)
        for number, access in enumerate(self.accesses):
            if access.takes(given, None):
                return Choice(access, next(iter(access.sorts)), asked, (self.name, number))
        raise UnservedCombination(self._refusal(given, None), offered=self._offered(given, None))

    def _asked(self, query: QueryDict, actor_id: int, place: Mapping[str, Any] | None) -> Asked:
        values = {
            name: self.filters[name].value(name, str(text))
            for name, text in query.items()
            if name in self.filters
        }
        deciding = (name for name in values if values[name] in self.filters[name].deciding)
        return Asked(values, actor_id, place or {}, frozenset(deciding))

    def _usual(self, access: Access) -> str:
        return self.default_sort if self.default_sort in access.sorts else next(iter(access.sorts))

    def _refusal(self, given: frozenset[str], sort: str | None) -> str:
        together = ", ".join(sorted(given)) or "no filter"
        order = f" sorted by {sort}" if sort else ""
        return f"No index serves {together}{order}. See offered."

    def _offered(self, given: frozenset[str], sort: str | None) -> list[dict[str, list[str]]]:
        """The accesses that share a filter or the sort with the request, or all."""
        near = [each for each in self.accesses if each.known & given or sort in each.sorts] or list(
            self.accesses
        )
        return [
            {
                "filters": sorted(each.filters),
                "optional": sorted(each.optional | each.ranges.keys()),
                "sort": list(each.sorts),
            }
            for each in near
        ]


def entries(listings: Mapping[str, Listing]) -> Iterator[tuple[Listing, Access, str]]:
    """Each access of each list with each of its sorts: what tests walk."""
    for listing in listings.values():
        for access in listing.accesses:
            for sort in access.sorts:
                yield listing, access, sort
