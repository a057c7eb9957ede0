"""Addresses without their last slash: helpful for people, treacherous for programs."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest
from django.middleware.common import CommonMiddleware

API: Final = "/api/"


class SlashMiddleware(CommonMiddleware):
    """Django's own, which leads to the address with a slash, but not in the API: 404 there.

    Most clients follow the redirect of a POST with a GET: they would get a list, with status 200,
    where they meant to create something.
    """

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        return not request.path_info.startswith(API) and super().should_redirect_with_slash(request)
