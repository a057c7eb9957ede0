"""Users and tenants in the web admin. What belongs to a tenant has pages of its own later."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest

from taskproject.tenancy.models import Tenant, User

# What a member may do is said by the role in a tenant, not by Django's groups.
admin.site.unregister(Group)


class NoDelete:
    """Nothing is deleted here: the database would cascade past the walls between tenants."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class TenancyUserAdmin(NoDelete, UserAdmin):  # type: ignore[type-arg]
    """Django's own page for users."""


@admin.register(Tenant)
class TenantAdmin(NoDelete, admin.ModelAdmin):  # type: ignore[type-arg]
    """A tenant's name; its slug stands in addresses and stays as it was made."""

    list_display = ("slug", "name", "created_at")
    search_fields = ("slug__startswith",)
    ordering = ("slug",)
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: Tenant | None = None) -> Any:
        return ("slug",) if obj else ()
