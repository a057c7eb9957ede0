"""Addresses of the tenant, its members and tokens, below /api/v1/tenants/<tenant>/."""

from __future__ import annotations

from taskproject.api.routing import route
from taskproject.tenancy.api.feed import EventFeedViewSet
from taskproject.tenancy.api.people import MemberViewSet, TenantDetail, TokenViewSet

urlpatterns = [
    route("", TenantDetail, "tenant-detail", get="retrieve", patch="partial_update"),
    route("members/", MemberViewSet, "member-list", get="list", post="create"),
    route(
        "members/<str:username>/",
        MemberViewSet,
        "member-detail",
        get="retrieve",
        patch="partial_update",
    ),
    route("events/", EventFeedViewSet, "event-feed", get="feed"),
    route("tokens/", TokenViewSet, "token-list", get="list", post="create"),
    route("tokens/<str:prefix>/", TokenViewSet, "token-detail", get="retrieve", delete="destroy"),
]
