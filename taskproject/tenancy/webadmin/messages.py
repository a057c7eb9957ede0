"""Messages to the user, kept apart for each tenant.

Django keeps them in one cookie until a page shows them. Two tabs share their cookies, and what was
said about a task of one tenant would be shown on the next page of another.
"""

from __future__ import annotations

import re
from typing import Any, Final

from django.contrib.messages.storage.cookie import CookieStorage
from django.http import HttpRequest, HttpResponse

_TENANT_PAGES: Final = re.compile(r"^.*?/admin/tenants/([^/]+)/")


class TenantCookieStorage(CookieStorage):
    """Django's cookie of messages, with a name and a path of its own for each tenant's pages."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        found = _TENANT_PAGES.match(request.path)
        self._path = found.group() if found else "/"
        self.cookie_name = f"messages-{found.group(1)}" if found else "messages"

    def _update_cookie(self, encoded_data: str, response: HttpResponse) -> None:
        # The base class knows no path, and the path is what keeps the browser from sending it.
        super()._update_cookie(encoded_data, response)  # type: ignore[misc]
        response.cookies[self.cookie_name]["path"] = self._path
