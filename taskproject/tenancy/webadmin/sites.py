"""The two sites of the web admin: the platform's, and that of one tenant.

The platform's site chooses a tenant, and has users and tenants for superusers. The tenant's site is
mounted by `gate.tenant_pages` under an address that names the tenant; what a member may do there
is said by the role in that tenant and by nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver

from taskproject.tenancy import selectors
from taskproject.tenancy.limits import login_wait_s

if TYPE_CHECKING:
    from taskproject.tenancy.models import Membership

NAME: Final = "taskproject"
CHOICES_SHOWN: Final = 200


class Choices(AutocompleteJsonView):
    """What a field offers while one types: 20 rows at a time, at most 200, as their pages call
    them."""

    def process_request(self, request: HttpRequest) -> Any:
        try:
            found = super().process_request(request)
        except PermissionDenied:
            raise PermissionDenied from None  # without the reason, which would be logged each time
        if not found[2].concrete:
            raise PermissionDenied  # a relation seen from its other end belongs to no form
        return found

    def get_queryset(self) -> Any:
        self.term = self.term.replace("\0", "")
        admin: Any = self.model_admin
        return admin.labelled(admin.offered(super().get_queryset()))

    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, str]:
        admin: Any = self.model_admin
        return {"id": str(getattr(obj, to_field_name)), "text": admin.label(obj)}


class LimitedLogin(AuthenticationForm):
    """Django's own, which looks at no password while there have been too many attempts."""

    def clean(self) -> dict[str, Any]:
        wait_s = login_wait_s(
            username=self.cleaned_data.get("username") or "",
            address=str(self.request.META.get("REMOTE_ADDR", "")) if self.request else "",
        )
        if wait_s:
            text = f"Too many attempts to log in. Try again in {wait_s} s."
            raise ValidationError(text, code="limited")
        return super().clean()


class _Site(admin.AdminSite):
    """What both sites have in common."""

    site_url = None
    enable_nav_sidebar = True

    def get_urls(self) -> list[URLPattern | URLResolver]:
        # "View on site" looks any row up by its content type, which needs no site of ours.
        return [url for url in super().get_urls() if getattr(url, "name", None) != "view_on_site"]

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        choices: Any = Choices.as_view(admin_site=self)
        return choices(request)  # type: ignore[no-any-return]


class PlatformSite(_Site):
    """The chooser of one's tenants; for superusers also users and tenants. Anyone active may log
    in: most people are no staff, they are members of a tenant."""

    site_header = NAME
    site_title = NAME
    index_title = "Your tenants"
    index_template = "admin/platform_index.html"
    login_form = LimitedLogin

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active)

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """The tenants of the user, at most 200, with the role in each. One statement."""
        user_id = int(request.user.pk or 0)  # `has_permission` lets nobody anonymous in
        found = list(selectors.memberships_of(user_id=user_id)[: CHOICES_SHOWN + 1])
        shown = found[:CHOICES_SHOWN]
        context = {"memberships": shown, "more": len(found) > len(shown)}
        return super().index(request, context | (extra_context or {}))


type Words = dict[str, Callable[[Any], str]]


class TenantSite(_Site):
    """The pages of the tenant that stands in the address."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        # How to say the values that events keep as numbers, by field; apps add theirs.
        self.words: Words = {}

    index_title = "Overview"
    index_template = "admin/tenant_index.html"

    def has_permission(self, request: HttpRequest) -> bool:
        return hasattr(request, "membership")

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What each page knows: the tenant, and who one is in it."""
        membership = membership_of(request)
        return super().each_context(request) | {
            "membership": membership,
            "tenant": membership.tenant,
            "chooser_url": request.chooser_url,  # type: ignore[attr-defined]
            "site_header": membership.tenant.name,
            "site_title": f"{membership.tenant.name} ({membership.tenant.slug}) | {NAME}",
        }

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """The apps that stand on the others first: tasks, projects, and then the tenant's own."""
        order = {config.label: place for place, config in enumerate(apps.get_app_configs())}
        found = super().get_app_list(request, app_label)
        return sorted(found, key=lambda app: -order[app["app_label"]])

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """The models that the role may see, and the newest events. One statement."""
        newest = selectors.events_newest().select_related("actor")[:12]
        return super().index(request, {"events": newest} | (extra_context or {}))


def membership_of(request: HttpRequest) -> Membership:
    """The membership that the gate found for this request: the tenant, and the role in it."""
    membership: Membership = request.membership  # type: ignore[attr-defined]
    return membership


def actor_of(request: HttpRequest) -> int:
    """The id of the member who sends the request, for the event log."""
    return membership_of(request).user_id


tenant_site: Final = TenantSite(name="tenant")
# Django's own deletes by the queryset and collects all that hangs on it.
tenant_site.disable_action("delete_selected")
