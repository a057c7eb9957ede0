"""What every page of a tenant's site has in common: roles, lists by keyset, writes by services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Never

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import (
    IS_POPUP_VAR,
    SOURCE_MODEL_VAR,
    ActionLocation,
    IncorrectLookupParameters,
)
from django.contrib.admin.widgets import AdminTextareaWidget, AutocompleteSelect
from django.core.exceptions import BadRequest
from django.db import transaction
from django.db.models import Model, Prefetch, QuerySet, TextField
from django.forms import ModelChoiceField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from taskproject.db.context import require_tenant_id
from taskproject.db.keyset import Keyset
from taskproject.tenancy.models import Role, User
from taskproject.tenancy.scoping import MemberKey
from taskproject.tenancy.webadmin.changelist import CappedPaginator, KeysetChangeList
from taskproject.tenancy.webadmin.fields import LinesField, RowSelect, is_id
from taskproject.tenancy.webadmin.forms import Refused, ServiceForm, refusals
from taskproject.tenancy.webadmin.sites import membership_of

SELECTION_LIMIT: Final = 200
# Where an action is offered: on the list and on the page of one row.
EVERYWHERE: Final = (ActionLocation.CHANGE_LIST, ActionLocation.CHANGE_FORM)


class ListRefused(Exception):
    """A list was asked for by parameters that it does not take."""


class LargeListAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Lists by keyset, and nothing of Django's that reads a whole table."""

    order: ClassVar[Keyset] = Keyset(("id",), descending=True)
    # The filters that may stand together; one index serves each set.
    filter_sets: ClassVar[tuple[frozenset[str], ...]] = ()
    # What a list fetches beside its rows, each in one statement, and columns that it leaves out.
    # Empty and not False, or Django joins each relation of `list_display`: a descent for each row.
    list_select_related = ()
    list_prefetch: ClassVar[tuple[Any, ...]] = ()
    list_deferred: ClassVar[tuple[str, ...]] = ()
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    view_on_site = False
    paginator = CappedPaginator

    def get_order(self, request: HttpRequest) -> Keyset:
        """The order of the list, which an index must give for each of `filter_sets`."""
        return self.order

    def is_counted(self, request: HttpRequest) -> bool:
        """Whether an index can count the list without reading its rows one by one."""
        return True

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    def get_changelist_instance(self, request: HttpRequest) -> KeysetChangeList:
        try:
            return super().get_changelist_instance(request)  # type: ignore[return-value]
        except IncorrectLookupParameters as error:
            raise ListRefused(error.args[0] if error.args else "") from error

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list; for parameters that it does not take, the whole list and the reason."""
        try:
            return super().changelist_view(request, extra_context)
        except ListRefused as error:
            messages.warning(request, f"{error} Here is the whole list.")
            popup = f"?{IS_POPUP_VAR}=1" if IS_POPUP_VAR in request.GET else ""
            return HttpResponseRedirect(request.path + popup)

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The action, on rows that were seen and selected: never on all that match a filter."""
        selected = request.POST.getlist(ACTION_CHECKBOX_NAME)
        across = request.POST.get("select_across", "0") not in ("", "0")
        if across or len(selected) > SELECTION_LIMIT or not all(map(is_id, selected)):
            messages.warning(
                request, f"Nothing was changed. Select up to {SELECTION_LIMIT} rows of the list."
            )
            return None
        return super().response_action(request, *args, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Related rows from the address, by id; Django would take any text for any field."""
        return {
            str(name): value
            for name in self.autocomplete_fields
            if is_id(value := request.GET.get(str(name), ""))
        }

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return any(lookup in names for names in self.filter_sets)

    def labelled(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """The rows with all that `label` says of them, in the same statement."""
        return rows

    def offered(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """The rows that a field offers to choose from, in an order that an index gives."""
        sign = "-" if self.order.descending else ""
        return rows.order_by(*(f"{sign}{column}" for column in self.order.columns))

    def label(self, row: Any) -> str:
        """How a row is called where it is to be chosen."""
        return str(row)

    @property
    def media(self) -> Any:
        if any(isinstance(each, type) for each in self.list_filter):
            return super().media + AutocompleteSelect(None, self.admin_site).media
        return super().media

    def _get_obj_does_not_exist_redirect(self, *args: Any) -> Never:
        # Django would send to the index with a message that repeats the id.
        raise Http404

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        # Django would collect every row that hangs on these; the database does that by itself.
        rows = list(objs[:100])
        return [str(row) for row in rows], {self.opts.verbose_name_plural: len(rows)}, set(), []


class ServiceAdmin(LargeListAdmin):
    """Writes by services, which append to the event log: `write_new`, `write_change` and
    `write_delete` call them. What they refuse comes back to the form."""

    form: type[Any] = ServiceForm
    formfield_overrides = {
        TextField: {"widget": AdminTextareaWidget, "form_class": LinesField},
    }
    # The models, beside the page's own, that its services write.
    written_beside: ClassVar[tuple[type[Model], ...]] = ()
    # Whether the row has a history page of its own.
    has_history: ClassVar[bool] = False

    def write_new(self, request: HttpRequest, form: Any) -> Model:
        """Make the row by a service, and return it."""
        raise NotImplementedError

    def write_change(self, request: HttpRequest, obj: Any, form: Any) -> None:
        """Change the row by a service."""
        raise NotImplementedError

    def write_delete(self, request: HttpRequest, obj: Any) -> None:
        """Delete the row by a service."""
        raise NotImplementedError

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The form; once more with the reason, after all is rolled back, if a service refuses."""
        if "." not in request.POST.get(SOURCE_MODEL_VAR, "."):
            raise BadRequest("The opener of a popup is named as app.model.")
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Refused as refused:
            request.refusal = refused.error  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.refusal = getattr(request, "refusal", None)
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        with refusals(self.model, *self.written_beside):
            if change:
                self.write_change(request, obj, form)
            else:
                made = self.write_new(request, form)
                obj.__dict__ |= made.__dict__

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask, and delete by the service; back to the row with the reason if that refuses."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except Refused as refused:
            messages.error(request, " ".join(refused.error.messages))
            return HttpResponseRedirect(f"{request.path.removesuffix('delete/')}change/")

    def apply_to_each(
        self, request: HttpRequest, rows: QuerySet[Any], change: Callable[[Any], Any], done: str
    ) -> None:
        """An action on selected rows: all of them or, if a service refuses one, none; and tell."""
        count = 0
        row = None
        try:
            with transaction.atomic(), refusals(self.model, *self.written_beside):
                for row in rows[:SELECTION_LIMIT]:
                    change(row)
                    count += 1
        except Refused as refused:
            reason = " ".join(refused.error.messages)
            messages.error(request, f"Nothing was changed. {self.label(row)}: {reason}")
            return
        name = self.opts.verbose_name if count == 1 else self.opts.verbose_name_plural
        messages.success(request, f"{count} {name} {done}.")

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with refusals(self.model, *self.written_beside):
            self.write_delete(request, obj)

    # Django's admin log has no walls: it keeps nothing of a tenant.

    def log_addition(self, *args: Any) -> Any:
        """Nothing: the services write events."""

    def log_change(self, *args: Any) -> Any:
        """Nothing, as above."""

    def log_deletions(self, *args: Any) -> Any:
        """Nothing, as above."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """A 404; `history.HistoryMixin` has the page for rows that events tell of."""
        raise Http404

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        more: dict[str, Any] = {"has_history": self.has_history}
        if context.get("original") is not None:
            more["subtitle"] = self.label(context["original"])
        return super().render_change_form(request, context | more, *args, **kwargs)


class TenantModelAdmin(ServiceAdmin):
    """Pages of one kind of row in the tenant of the address. The role says what a member may do;
    `None` means that nobody does it here."""

    view_role: ClassVar[Role | None] = Role.VIEWER
    add_role: ClassVar[Role | None] = None
    change_role: ClassVar[Role | None] = None
    delete_role: ClassVar[Role | None] = None

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _reaches(request, self.view_role)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _reaches(request, self.view_role)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _reaches(request, self.add_role)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _reaches(request, self.change_role)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _reaches(request, self.delete_role)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, MemberKey):
            # Former members too, so that a row which names one can still be saved.
            kwargs["queryset"] = members()
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", RowSelect(db_field, self.admin_site))
        field: Any = super().formfield_for_foreignkey(db_field, request, **kwargs)
        related = self.admin_site._registry.get(db_field.remote_field.model)
        if field is not None and isinstance(related, LargeListAdmin):
            field.label_from_instance = related.label
        return field

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(field, ModelChoiceField):
            # Users have no page in a tenant, and no row is deleted from the form of another.
            widget: Any = field.widget
            widget.can_view_related = not isinstance(db_field, MemberKey)
            widget.can_delete_related = False
        return field


class ReadOnlyAdmin(TenantModelAdmin):
    """Rows to look at: nobody adds, changes or deletes them here."""


def link_to_list(model: type[Model], **filters: Any) -> str:
    """The address of a list inside the tenant's pages, narrowed by its filters."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    return f"{reverse(name)}?{urlencode(filters)}"


def person(name: str) -> Prefetch[str, QuerySet[User], str]:
    """The people whom the rows of a list name, in one statement, with nothing but their names."""
    return Prefetch(name, queryset=User.objects.only("username"))


def members() -> QuerySet[User]:
    """The users who are or were members of the active tenant."""
    return User.objects.filter(memberships__tenant_id=require_tenant_id())


def _reaches(request: HttpRequest, role: Role | None) -> bool:
    return role is not None and membership_of(request).role >= role
