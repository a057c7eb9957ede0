"""How many requests a token and a tenant may send, and how clients are told."""

from __future__ import annotations

from typing import Any, NoReturn

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from taskproject import caching
from taskproject.api.problems import RateLimited
from taskproject.buckets import WINDOW_S, Verdict
from taskproject.tenancy.credentials import Identity, buckets_of


class RateThrottle(BaseThrottle):
    """Counts a request on its token (or its person in the tenant) and on its tenant.

    Both are asked in one round trip, and nothing is taken if either is empty; where the cache knew
    the token, it has counted the request with it. Where a request comes from plays no part, so no
    header can change it. A request without an identity is not counted; one to another tenant is
    where the cache knew the token. The verdict stays at the
    request, as `rate_limit`.
    """

    _verdict: Verdict

    def allow_request(self, request: Request, view: APIView) -> bool:
        verdict: Verdict | None = getattr(request, "rate_limit", None)
        if verdict is None:
            identity: Any = request.auth
            known = isinstance(identity, Identity)
            buckets = buckets_of(identity.tenant_id, identity.limited_as) if known else []
            verdict = request.rate_limit = caching.take(buckets)  # type: ignore[attr-defined]
        self._verdict = verdict
        return verdict.granted

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
