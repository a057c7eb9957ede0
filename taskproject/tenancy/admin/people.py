"""Members, tokens, the event log and the tenant itself, inside the tenant's pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from taskproject.db.context import require_tenant_id
from taskproject.db.keyset import Keyset
from taskproject.tenancy import services
from taskproject.tenancy.limits import token_wait_s
from taskproject.tenancy.models import (
    ApiToken,
    Event,
    IdempotencyKey,
    Membership,
    Role,
    Scope,
    Tenant,
    User,
    default_scopes,
)
from taskproject.tenancy.webadmin.forms import ServiceForm
from taskproject.tenancy.webadmin.history import changes_of
from taskproject.tenancy.webadmin.options import (
    EVERYWHERE,
    ReadOnlyAdmin,
    TenantModelAdmin,
    members,
    person,
)
from taskproject.tenancy.webadmin.sites import actor_of, membership_of, tenant_site


@admin.register(User, site=tenant_site)
class PersonAdmin(ReadOnlyAdmin):
    """The tenant's members, where one of them is to be chosen. No page of its own: what else is
    known of a user belongs to no tenant."""

    search_fields = ("username__startswith",)
    urls: Any = []

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return members().order_by("pk")  # index: membership_user_uniq

    def offered(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        # By a subquery: a second condition on memberships would be met by one of another tenant.
        active = Membership.objects.filter(tenant_id=require_tenant_id(), active=True)
        return rows.filter(pk__in=active.values("user_id"), is_active=True)


class MemberForm(ServiceForm):
    """A member is named by the user name; whether anybody has it already is not told."""

    username = forms.CharField(
        max_length=150,
        help_text="A name that nobody has yet becomes a user who can log in once an operator of "
        "the platform has set a password.",
    )


@admin.register(Membership, site=tenant_site)
class MemberAdmin(TenantModelAdmin):
    """Who belongs to the tenant. Deactivated, never deleted: what was done keeps its doer."""

    add_role = change_role = Role.ADMIN
    list_display = ("name", "role", "active", "created_at")
    list_prefetch = (person("user"),)
    order = Keyset(("user_id",))
    search_fields = ("user__username__startswith",)
    search_help_text = "The beginning of a user name."
    actions = ("deactivate", "reactivate")

    @admin.display(description="member")
    def name(self, membership: Membership) -> str:
        """The user name; the person's full name belongs to no tenant."""
        return membership.user.username

    def label(self, row: Membership) -> str:
        return row.user.username

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return Membership.objects.filter(  # index: membership_user_uniq
            tenant_id=require_tenant_id()
        )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("name", "role", "active", "created_at") if obj else ("username", "role")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("name", "active", "created_at") if obj else ()

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = MemberForm if obj is None else ServiceForm
        return super().get_form(request, obj, change, **{"form": form} | kwargs)

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        # Nobody gives a role above the own one.
        mine = membership_of(request).role
        if db_field.name == "role":
            kwargs["choices"] = [choice for choice in Role.choices if choice[0] <= mine]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or obj.role <= membership_of(request).role)

    def write_new(self, request: HttpRequest, form: Any) -> Membership:
        return services.member_invite(
            tenant=membership_of(request).tenant,
            username=form.cleaned_data["username"],
            role=Role(form.cleaned_data["role"]),
            actor_id=actor_of(request),
        )

    def write_change(self, request: HttpRequest, obj: Membership, form: Any) -> None:
        role = Role(form.cleaned_data["role"])
        services.member_set_role(membership=obj, role=role, actor_id=actor_of(request))

    @admin.action(permissions=["change"], description="Deactivate", location=EVERYWHERE)
    def deactivate(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """End the memberships, and revoke their tokens."""
        self._each(request, queryset, services.member_deactivate, "deactivated")

    @admin.action(permissions=["change"], description="Bring back", location=EVERYWHERE)
    def reactivate(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Make former members members again; their tokens stay revoked."""
        self._each(request, queryset, services.member_reactivate, "brought back")

    def _each(self, request: HttpRequest, rows: QuerySet[Any], service: Any, done: str) -> None:
        def change(membership: Membership) -> None:
            if not self.has_change_permission(request, membership):
                raise ValidationError("Your role does not reach this member.")
            service(membership=membership, actor_id=actor_of(request))

        self.apply_to_each(request, rows, change, done)


class TokenForm(ServiceForm):
    """What a new token is for."""

    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, initial=default_scopes, widget=forms.CheckboxSelectMultiple
    )


@admin.register(ApiToken, site=tenant_site)
class TokenAdmin(TenantModelAdmin):
    """API tokens. The text of one is shown once, right after it was issued."""

    view_role = add_role = Role.ADMIN
    form = TokenForm
    list_display = ("name", "prefix", "user", "scopes", "expires_at", "last_used_at", "revoked_at")
    list_prefetch = (person("user"),)
    autocomplete_fields = ("user",)
    actions = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.list_display if obj else ("user", "name", "scopes", "expires_at")

    def write_new(self, request: HttpRequest, form: Any) -> ApiToken:
        values = form.cleaned_data
        if not self._role_covers(request, values["user"]):
            raise ValidationError({"user": "Your role does not reach this member's."})
        wait_s = token_wait_s(tenant_id=require_tenant_id(), user_id=actor_of(request))
        if wait_s:
            raise ValidationError(f"That were too many tokens. Try again in {wait_s} s.")
        issued = services.token_issue(
            user_id=values["user"].pk,
            name=values["name"],
            scopes=values["scopes"],
            expires_at=values["expires_at"],
            actor_id=actor_of(request),
        )
        # Not a message: those travel in a cookie, and wait there until a page shows them.
        request.issued_text = issued.text  # type: ignore[attr-defined]
        return issued.token

    def response_add(self, request: HttpRequest, obj: Any, *args: Any) -> HttpResponse:
        """The page that shows the token's text. It is not kept: going back does not bring it."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The new token",
            "token": obj,
            "text": request.issued_text,  # type: ignore[attr-defined]
            "opts": self.opts,
        }
        return TemplateResponse(
            request, "admin/token_issued.html", context, headers={"Cache-Control": "no-store"}
        )

    @admin.action(permissions=["add"], description="Revoke", location=EVERYWHERE)
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Make the tokens stop working."""

        def change(token: ApiToken) -> None:
            if not self._role_covers(request, token.user):
                raise ValidationError("Your role does not reach this member's tokens.")
            services.token_revoke(prefix=token.prefix, actor_id=actor_of(request))

        self.apply_to_each(request, queryset, change, "revoked")

    @staticmethod
    def _role_covers(request: HttpRequest, user: User) -> bool:
        role = Membership.objects.get(tenant_id=require_tenant_id(), user=user).role
        return role <= membership_of(request).role


@admin.register(Event, site=tenant_site)
class EventAdmin(ReadOnlyAdmin):
    """The log of every change, newest first.

    By id, and not by (xid, id) as the feed: a big import is one transaction, and PostgreSQL, which
    guesses a row comparison by its first column, reads and sorts all of it for a page (5,222 pages
    of 8 KiB for 199,036 events of one transaction; by id the whole request costs 28).
    """

    list_display = ("created_at", "kind", "who", "said", "task_id")
    fields = ("created_at", "kind", "who", "said", "task_id", "project_id")
    list_prefetch = (person("actor"),)

    @admin.display(description="by", empty_value="–")
    def who(self, event: Event) -> str | None:
        """The user name of who did it; None for a command of the platform."""
        return event.actor.username if event.actor else None

    @admin.display(description="what", empty_value="–")
    def said(self, event: Event) -> str | None:
        """The changes in words; only a task's own history has the names of people."""
        return ", ".join(
            f"{each.name}: {each.new}"
            if each.old is None
            else f"{each.name}: {each.old} → {each.new}"
            for each in changes_of(event, tenant_site.words)
        )


@admin.register(IdempotencyKey, site=tenant_site)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    """The keys of requests that clients may send again, to see whether one did."""

    view_role = Role.ADMIN
    list_display = ("created_at", "user", "key", "state", "status")
    list_prefetch = (person("user"),)
    fields = list_display


@admin.register(Tenant, site=tenant_site)
class OwnTenantAdmin(TenantModelAdmin):
    """The tenant's own name. It can't be deleted, and its slug stands in addresses."""

    change_role = Role.OWNER
    list_display = ("name", "slug", "created_at")
    fields = ("name", "slug", "created_at")
    readonly_fields = ("slug", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        return Tenant.objects.filter(pk=require_tenant_id())

    def write_change(self, request: HttpRequest, obj: Tenant, form: Any) -> None:
        name = form.cleaned_data["name"]
        services.tenant_rename(tenant=obj, name=name, actor_id=actor_of(request))
