"""Addresses of REST views."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path
from rest_framework.viewsets import ViewSetMixin


def route(address: str, view: type[ViewSetMixin], name: str, **actions: str) -> URLPattern:
    """An address that answers each method with an action: `get="list", post="create"`.

    The name without its last part is that of the resource, `task` of `task-list`.
    """
    methods: dict[str, Any] = dict(actions)
    resource = name.rpartition("-")[0]
    return path(address, view.as_view(methods, basename=resource), name=name)
