"""What a token's scopes and its user's role allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from taskproject.tenancy.credentials import Identity
from taskproject.tenancy.models import Role, Scope


@dataclass(frozen=True, slots=True)
class Requirement:
    """The scope that a token must have and the role that its user must have at least."""

    scope: Scope
    role: Role

    def __str__(self) -> str:
        return f"a token with the scope {self.scope.value}, and the role {self.role.label} or more"

    def met_by(self, identity: Identity) -> bool:
        """Whether both are there. No statement: they were learnt when the token was checked."""
        return self.scope in identity.scopes and identity.role >= self.role


READ: Final = Requirement(Scope.READ, Role.VIEWER)
WRITE: Final = Requirement(Scope.WRITE, Role.MEMBER)
MANAGE: Final = Requirement(Scope.ADMIN, Role.ADMIN)
OWN: Final = Requirement(Scope.ADMIN, Role.OWNER)


class MemberPermission(BasePermission):
    """What the view's action requires: `view.requirements`, else reading or writing."""

    message = "The token's scopes or your role in this tenant don't allow this."

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, Identity):
            return False
        # A method that the address does not take is answered 405, whoever asks.
        taken = getattr(view, "action_map", None)
        if taken is not None and (request.method or "").lower() not in taken:
            return True
        required = self.requirement(view, request.method)
        self.message = f"This needs {required}."
        return required.met_by(request.auth)

    def requirement(self, view: Any, method: str | None) -> Requirement:
        """What the view requires of who sends that method."""
        usual = READ if method in SAFE_METHODS else WRITE
        required: Requirement = getattr(view, "requirements", {}).get(view.action, usual)
        return required
