"""Tenants, members and tokens over REST."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import reverse
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from taskproject.api.parameters import text
from taskproject.api.problems import RateLimited
from taskproject.db.context import require_tenant_id
from taskproject.db.values import END_OF_TIME
from taskproject.db.versions import require_version
from taskproject.tenancy import selectors, services
from taskproject.tenancy.api.fields import USERNAME_LENGTH
from taskproject.tenancy.api.listings import MEMBERS, TOKENS
from taskproject.tenancy.api.permissions import MANAGE, OWN
from taskproject.tenancy.api.serializers import (
    IssuedTokenSerializer,
    MemberSerializer,
    NewMemberSerializer,
    TenantSerializer,
    TenantWithRoleSerializer,
    TokenSerializer,
)
from taskproject.tenancy.api.viewsets import TenantViewSet
from taskproject.tenancy.limits import token_wait_s
from taskproject.tenancy.models import Membership, Role, Tenant, default_scopes


class TenantDetail(TenantViewSet):
    """The tenant itself."""

    serializer_class = TenantSerializer
    sparse: ClassVar = frozenset()
    requirements: ClassVar = {"partial_update": OWN}
    answers: ClassVar = dict.fromkeys(("retrieve", "partial_update"), TenantWithRoleSerializer)

    def retrieve(self, request: Request, **kwargs: Any) -> Response:
        """The tenant, who asks, and in which role."""
        return self._shown(Tenant.objects.get(pk=require_tenant_id()))

    def partial_update(self, request: Request, **kwargs: Any) -> Response:
        """Give the tenant another name. Its slug, and with it every address, stays."""
        sent = self.valid(partial=True)
        return self._shown(
            services.tenant_rename(
                tenant=Tenant(pk=require_tenant_id()),
                actor_id=self.actor_id,
                if_version=self.if_version,
                **sent,
            )
        )

    def _shown(self, tenant: Tenant) -> Response:
        role = Role(self.identity.role).label
        return self.shown(tenant, user=self.identity.username, role=role)


class MemberViewSet(TenantViewSet):
    """The members of the tenant."""

    serializer_class = MemberSerializer
    listings: ClassVar = {"list": MEMBERS}
    requirements: ClassVar = {"create": MANAGE, "partial_update": MANAGE}
    places: ClassVar = {
        **TenantViewSet.places,
        "username": text(USERNAME_LENGTH, "The member, by user name.", example="alice"),
    }

    def get_serializer_class(self) -> Any:
        return NewMemberSerializer if self.action == "create" else MemberSerializer

    def list(self, request: Request, **kwargs: Any) -> Response:
        """The members, deactivated ones too."""
        return self.listed(MEMBERS)

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Make somebody a member by user name.

        The answer does not tell whether there was such a user before.
        """
        values = self.valid()
        try:
            membership = services.member_invite(
                tenant=Tenant.objects.get(pk=require_tenant_id()),
                username=values["user"],
                role=values["role"],
                actor_id=self.actor_id,
            )
        except ValidationError as error:  # called as it is here
            raise type(error)({"user": error.error_dict["username"]}) from error
        return self.shown(membership, status=201, location=self._address(membership))

    def retrieve(self, request: Request, **kwargs: Any) -> Response:
        """One member."""
        return self.found(selectors.member_by_name, username=self.kwargs["username"])

    def partial_update(self, request: Request, **kwargs: Any) -> Response:
        """Give a member another role, or end or renew the membership with `active`.

        Deactivating revokes the member's tokens for good. The last active owner stays.
        """
        membership = self._member()
        values = self.valid(partial=True)
        with transaction.atomic():
            self._change(membership, values)
        return self.shown(self._member())

    def _change(self, membership: Membership, values: dict[str, Any]) -> None:
        asked: dict[str, Any] = {"membership": membership, "actor_id": self.actor_id}
        if_version = self.if_version
        if not values:
            require_version("member", version=membership.version, expected=if_version)
        if "role" in values:
            services.member_set_role(**asked, role=values["role"], if_version=if_version)
            if_version = None  # it was judged, and may have grown by this very change
        if "active" in values:
            change = services.member_reactivate if values["active"] else services.member_deactivate
            change(**asked, if_version=if_version)

    def _member(self) -> Membership:
        return selectors.member_named(username=self.kwargs["username"])

    def _address(self, membership: Membership) -> str:
        return reverse("member-detail", args=[self.kwargs["tenant"], membership.user.username])


class TokenViewSet(TenantViewSet):
    """The API tokens of the tenant. Only admins see them, and only with the scope `admin`."""

    serializer_class = TokenSerializer
    listings: ClassVar = {"list": TOKENS}
    requirements: ClassVar = dict.fromkeys(("list", "create", "retrieve", "destroy"), MANAGE)
    answers: ClassVar = {"create": IssuedTokenSerializer}
    conditional: ClassVar = frozenset()
    places: ClassVar = {
        **TenantViewSet.places,
        "prefix": text(16, "The token, by its `prefix`.", example="k3v9x0qa"),
    }

    def list(self, request: Request, **kwargs: Any) -> Response:
        """The tokens, revoked and expired ones too. The text of none is shown."""
        return self.listed(TOKENS)

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Issue a token for oneself, or for a member up to the own role.

        It can have no scope that the credentials of this request lack. `token` is its text, which
        is shown now and never again.
        """
        values = self.valid()
        wait_s = token_wait_s(tenant_id=self.identity.tenant_id, user_id=self.actor_id)
        if wait_s:
            raise RateLimited(wait_s)
        user = values.pop("user", None)
        scopes = values.pop("scopes", default_scopes())
        if more := set(scopes) - set(self.identity.scopes):
            raise PermissionDenied(f"Your own token lacks: {', '.join(sorted(more))}.")
        if (own_end := self.identity.expires_at) is not None:
            end = datetime.fromtimestamp(own_end, UTC)
            if (values.setdefault("expires_at", end) or END_OF_TIME) > end:
                raise PermissionDenied("A new token can't live longer than your own.")
        issued = services.token_issue(
            user_id=user.pk if user else self.actor_id,
            scopes=scopes,
            actor_id=self.actor_id,
            **values,
        )
        response = self.shown(
            issued.token,
            status=201,
            location=reverse("token-detail", args=[self.kwargs["tenant"], issued.token.prefix]),
            token=issued.text,
        )
        response.headers["Cache-Control"] = "no-store"
        return response

    def retrieve(self, request: Request, **kwargs: Any) -> Response:
        """One token, by its prefix."""
        return self.found(selectors.token_by_prefix, prefix=self.kwargs["prefix"])

    def destroy(self, request: Request, **kwargs: Any) -> Response:
        """Revoke a token: it stops working at once and for good. Done again it changes nothing."""
        services.token_revoke(prefix=self.kwargs["prefix"], actor_id=self.actor_id)
        return Response(status=204)
