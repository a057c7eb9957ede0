"""How many requests a token and a tenant may send, and how clients are told."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final, NoReturn

from django.conf import settings
from django.http.response import HttpResponseBase
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from taskproject import caching
from taskproject.buckets import WINDOW_S, Bucket, Verdict
from taskproject.tenancy.credentials import Identity

TOKEN: Final = "token"  # noqa: S105  the name of a policy
TENANT: Final = "tenant"


class RateLimited(Throttled):
    """429: a token, a person or a whole tenant has sent too many requests."""

    status_code = HTTPStatus.TOO_MANY_REQUESTS
    default_code = "rate-limited"
    default_detail = "Too many requests."


class RateThrottle(BaseThrottle):
    """Counts a request on its token (or its person in the tenant) and on its tenant.

    Both are asked in one round trip, and nothing is taken if either is empty. Where a request
    comes from plays no part, so no header can change it. A request without an identity is not
    counted. The verdict stays at the request, as `rate_limit`.
    """

    _verdict: Verdict

    def allow_request(self, request: Request, view: APIView) -> bool:
        identity = request.auth
        buckets = _buckets(identity) if isinstance(identity, Identity) else []
        self._verdict = caching.take(buckets)
        request.rate_limit = self._verdict  # type: ignore[attr-defined]
        return self._verdict.granted

    def wait(self) -> float:
        return self._verdict.wait_s


class RateLimitedView(APIView):
    """A view whose requests are counted; each answer to a counted one tells what is left.

    They are counted right after authentication, so that those which the role forbids count too.
    """

    throttle_classes = (RateThrottle,)

    def perform_authentication(self, request: Request) -> None:
        super().perform_authentication(request)
        super().check_throttles(request)

    def check_throttles(self, request: Request) -> None:
        """Nothing: the request has been counted already."""

    def throttled(self, request: Request, wait: float | None) -> NoReturn:
        raise RateLimited(wait)

    def finalize_response(
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> Response:
        answer: Response = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]
        for name, value in rate_limit_headers(getattr(request, "rate_limit", None)).items():
            answer[name] = value
        return answer


def rate_limit_headers(verdict: Verdict | None) -> dict[str, str]:
    """The fields of draft-ietf-httpapi-ratelimit-headers-11; none for what was not counted.

    `r` is how many requests are left, `t` in how many seconds, rounded up, there is one more.
    """
    if verdict is None or not verdict.levels:
        return {}
    policies = (
        f'"{each.bucket.name}";q={each.bucket.quota};w={WINDOW_S}' for each in verdict.levels
    )
    limits = (f'"{each.bucket.name}";r={each.remaining};t={each.next_s}' for each in verdict.levels)
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(limits)}


def _buckets(identity: Identity) -> list[Bucket]:
    tenant = str(identity.tenant_id)
    quotas = (
        (TOKEN, f"{tenant}:{identity.limited_as}", settings.RATE_LIMIT_TOKEN_PER_MINUTE),
        (TENANT, tenant, settings.RATE_LIMIT_TENANT_PER_MINUTE),
    )
    return [Bucket(name, key, quota) for name, key, quota in quotas if quota]
