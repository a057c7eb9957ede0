"""What a token's scopes and its user's role allow."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from taskproject.tenancy.credentials import Identity
from taskproject.tenancy.models import Role, Scope


class MemberPermission(BasePermission):
    """Reading needs the scope `read`; writing the scope `write` and the role of a member."""

    message = "The token's scopes or your role in this tenant don't allow this."

    def has_permission(self, request: Request, view: Any) -> bool:
        identity = request.auth
        if not isinstance(identity, Identity):
            return False
        if request.method in SAFE_METHODS:
            return Scope.READ in identity.scopes
        return Scope.WRITE in identity.scopes and identity.role >= Role.MEMBER
