"""Who sends a request of the REST API: a token, or a person who is logged in."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection
from functools import partial
from typing import Any, Final

from django.utils.functional import SimpleLazyObject
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, NotFound
from rest_framework.request import Request

from taskproject.answers import wanted_by
from taskproject.api.problems import RateLimited
from taskproject.caching import Wanted
from taskproject.tenancy import identities
from taskproject.tenancy.credentials import Identity
from taskproject.tenancy.models import User

ME: Final = "me"  # who asks, where a parameter names a person
_FRESH: Final = re.compile(r"\bno-(?:cache|store)\b", re.IGNORECASE)


class TokenAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer tp_…`: the token speaks for one user in one tenant.

    A token that is good for another tenant than the address names gets the answer that an absent
    tenant gets; the address is compared as text, so not even the time differs.
    """

    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[User, Identity] | None:
        keyword, _, text = request.headers.get("Authorization", "").partition(" ")
        if keyword.lower() != self.keyword.lower():
            return None
        admission = identities.token_admit(text=text.strip(), wants=partial(wanted_answer, request))
        if admission is None:
            raise AuthenticationFailed("The token is unknown, expired or revoked.")
        identity, verdict = admission.identity, admission.verdict
        if identity.tenant_slug != addressed_tenant(request):
            if verdict is not None and not verdict.granted:
                raise RateLimited(verdict.wait_s)
            raise NotFound
        request.rate_limit = verdict  # type: ignore[attr-defined]
        request.found_answer = admission.found  # type: ignore[attr-defined]
        return SimpleLazyObject(lambda: _user(identity)), identity  # type: ignore[return-value]

    def authenticate_header(self, request: Request) -> str:
        return self.keyword


def _user(identity: Identity) -> User:
    # Built from what was checked; any other field is fetched when it is asked for.
    fields = ["id", "username", "is_active"]
    return User.from_db("default", fields, [identity.user_id, identity.username, True])


class SessionAuthentication(authentication.SessionAuthentication):
    """The session of the web admin: a person does in a tenant what the member's role allows.

    Writing takes a CSRF token; without one it is a 403, whatever the tenant. A tenant that the
    person is no active member of gets the answer that an absent one gets. Who is not logged in
    stays anonymous.
    """

    def authenticate(self, request: Request) -> tuple[User, Identity] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        user: Any = found[0]
        identity = identities.member_authenticate(user=user, slug=addressed_tenant(request))
        if identity is None:
            raise NotFound
        return user, identity

    def enforce_csrf(self, request: Request) -> None:
        # Of a POST, Django would read the body first, to look for the token there. A body is read
        # when it is known who sent it, and not before: as with PUT, the header counts.
        asked = copy.copy(request._request)
        asked.method = "PUT" if asked.method == "POST" else asked.method
        super().enforce_csrf(asked)  # type: ignore[arg-type]


def wanted_answer(request: Request, tenant_id: int, token_digest: bytes) -> Wanted | None:
    """The answer that a request wants, where its view has it kept; None for any other, and for a
    client that does not want what was kept (RFC 9111 section 5.2.1)."""
    view: Any = request.parser_context["view"]
    asked = request._request
    kept: Collection[str] = getattr(view, "kept", ())
    if asked.method not in ("GET", "HEAD") or view.action not in kept:
        return None
    if _FRESH.search(asked.META.get("HTTP_CACHE_CONTROL", "")):
        return None
    query = asked.META.get("QUERY_STRING", "")
    # As it is understood, and not as it is spelt: `assignee=%6De` is the caller's own, too.
    means_caller = any(ME in values for _, values in asked.GET.lists())
    personal = view.action in view.personal or means_caller
    return wanted_by(
        tenant_id,
        f"{asked.scheme}://{asked.get_host()}{asked.path}?{query}",
        asker=token_digest.hex() if personal else "",
        tag=asked.META.get("HTTP_IF_NONE_MATCH", "").strip(),
    )


def addressed_tenant(request: Request) -> Any:
    """The slug of the tenant that the address names."""
    return request.parser_context["kwargs"].get("tenant")


def identity_of(request: Request) -> Identity:
    """Who sends an authenticated request. Raises `NotAuthenticated` for anyone else."""
    if not isinstance(request.auth, Identity):
        raise NotAuthenticated
    return request.auth
