"""Users and tenants: the pages of the platform's operators, who are superusers."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from taskproject.db.keyset import Keyset
from taskproject.tenancy import services
from taskproject.tenancy.models import Role, Tenant, User
from taskproject.tenancy.webadmin.forms import ServiceForm
from taskproject.tenancy.webadmin.options import LargeListAdmin, ServiceAdmin

# What a member may do is said by the role in a tenant, not by Django's groups.
admin.site.unregister(Group)


class Operators(admin.ModelAdmin):  # type: ignore[type-arg]
    """For superusers only. Nothing is deleted here: the database would cascade past the walls."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _operates(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _operates(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _operates(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _operates(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class TenancyUserAdmin(Operators, LargeListAdmin, UserAdmin):  # type: ignore[type-arg]
    """People and programs. What they may do in a tenant is said there."""

    list_display = ("username", "first_name", "last_name", "is_active", "is_superuser")
    list_filter = ()
    ordering = ()
    order = Keyset(("username",))
    search_fields = ("username__startswith",)
    search_help_text = "The beginning of a user name."
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Platform", {"fields": ("is_active", "is_superuser", "last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")
    filter_horizontal = ()


class TenantForm(ServiceForm):
    """A new tenant needs somebody who may invite the others."""

    owner = forms.CharField(
        max_length=150, help_text="The user name of its first member, who becomes its owner."
    )


@admin.register(Tenant)
class TenantAdmin(Operators, ServiceAdmin):
    """A tenant's name; its slug stands in addresses and stays as it was made."""

    list_display = ("slug", "name", "created_at")
    order = Keyset(("slug",))
    search_fields = ("slug__startswith",)
    search_help_text = "The beginning of a slug."

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = TenantForm if obj is None else ServiceForm
        return super().get_form(request, obj, change, **{"form": form} | kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("slug", "created_at") if obj else ()

    def write_new(self, request: HttpRequest, form: Any) -> Tenant:
        tenant = services.tenant_create(
            slug=form.cleaned_data["slug"], name=form.cleaned_data["name"]
        )
        owner = form.cleaned_data["owner"]
        try:
            services.member_invite(tenant=tenant, username=owner, role=Role.OWNER, actor_id=None)
        except ValidationError as error:
            raise ValidationError({"owner": error.messages}) from error
        return tenant

    def write_change(self, request: HttpRequest, obj: Tenant, form: Any) -> None:
        services.tenant_rename(tenant=obj, name=form.cleaned_data["name"])


def _operates(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_superuser)
