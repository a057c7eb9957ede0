"""Filters of the lists: a choice from a few words, and a choice of a related row by typing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from taskproject.tenancy.webadmin.fields import is_id


class ChoiceFilter(admin.SimpleListFilter):
    """One of a few values; any other one is refused. `lookups` gives them."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is not None and value not in {str(key) for key, _ in self.lookup_choices}:
            raise IncorrectLookupParameters(f"{self.title} can't be that.")
        return self.narrow(queryset, value)

    def narrow(self, rows: QuerySet[Any], value: str | None) -> QuerySet[Any]:
        """The rows for a value of `lookups`, or for none."""
        raise NotImplementedError


class RelatedFilter(admin.ListFilter):
    """A related row, sought by typing: the list of a select would have no end.

    A subclass names the key on the listed rows that points to it. One statement if a row is chosen,
    none otherwise. An id of another tenant is refused as an absent one is.
    """

    template = "admin/related_filter.html"
    parameter_name: ClassVar[str]
    source: ClassVar[tuple[type[Model], str]]  # the model and the name of its key

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, Any],
        model: type[Model],
        model_admin: admin.ModelAdmin[Any],
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.request = request
        self.model_admin = model_admin
        chosen = params.pop(self.parameter_name, [None])[-1]
        self.row = self._find(chosen) if chosen else None

    def _find(self, chosen: str) -> Model:
        if not is_id(chosen):
            raise IncorrectLookupParameters(f"There is no such {self.title}.")
        found: Model | None = self._rows().filter(pk=chosen).first()
        if found is None:
            raise IncorrectLookupParameters(f"There is no such {self.title}.")
        return found

    def _rows(self) -> QuerySet[Any]:
        target = self._field().remote_field.model
        pages: Any = self.model_admin.admin_site.get_model_admin(target)
        return pages.labelled(pages.get_queryset(self.request))  # type: ignore[no-any-return]

    def _field(self) -> Any:
        model, name = self.source
        return model._meta.get_field(name)

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter_name]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.row is None else self.narrow(queryset, self.row)

    def narrow(self, rows: QuerySet[Any], row: Model) -> QuerySet[Any]:
        """The listed rows that belong to the chosen one."""
        return rows.filter(**{self.parameter_name: row.pk})

    def choices(self, changelist: Any) -> Iterator[Any]:
        """What the template needs: the field to type into, and the other filters to keep."""
        kept = changelist.get_query_string({self.parameter_name: "0"})
        yield {
            "field": self._widget(),
            "kept": [each for each in parse_qsl(kept[1:]) if each[0] != self.parameter_name],
            "row": self.row,
            "clear": changelist.get_query_string(remove=[self.parameter_name]),
            "shortcuts": list(self.shortcuts(changelist)),
        }

    def shortcuts(self, changelist: Any) -> Iterator[dict[str, Any]]:
        """Links to values that are often asked for: `display`, `query_string`, `selected`."""
        yield from ()

    def _widget(self) -> str:
        target = self.model_admin.admin_site
        select = _ChosenSelect(self._field(), target, attrs={"aria-label": f"By {self.title}"})
        select.chosen = self.row
        if self.row is not None:
            select.label = target.get_model_admin(type(self.row)).label(self.row)  # type: ignore[attr-defined]
        return select.render(self.parameter_name, self.row and self.row.pk)


class _ChosenSelect(AutocompleteSelect):
    """A select that holds the chosen row alone, which is known: it asks for nothing."""

    chosen: Model | None = None
    label = ""

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        options = [self.create_option(name, "", "", False, 0)]
        if self.chosen is not None:
            options.append(self.create_option(name, self.chosen.pk, self.label, True, 1))
        return [(None, options, 0)]
