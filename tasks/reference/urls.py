"""The addresses of the service, and beside them those of the stock views."""

from __future__ import annotations

from typing import Any

from django.urls import include, path

from tasks.reference.stock import StockOffsetTaskViewSet, StockTaskViewSet

_ONE: Any = {"get": "retrieve", "patch": "partial_update"}

urlpatterns = [
    path(
        "stock/v1/tenants/<slug:tenant>/tasks/",
        StockTaskViewSet.as_view({"get": "list", "post": "create"}),
    ),
    path(
        "stock/v1/tenants/<slug:tenant>/tasks/many/",
        StockTaskViewSet.as_view({"post": "create_many"}),
    ),
    path(
        "stock/v1/tenants/<slug:tenant>/tasks/by-offset/",
        StockOffsetTaskViewSet.as_view({"get": "list"}),
    ),
    path("stock/v1/tenants/<slug:tenant>/tasks/<int:pk>/", StockTaskViewSet.as_view(_ONE)),
    path("", include("taskproject.urls")),
]
