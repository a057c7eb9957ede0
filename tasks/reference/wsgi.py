"""The WSGI application of production, and before it a bare function for /bare/."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, Final

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tasks.reference.settings")

from django.core.servers.basehttp import get_internal_wsgi_application

_service: Final = get_internal_wsgi_application()

from tasks.reference.bare import BARE, page_of_tasks  # noqa: E402  needs Django's set-up


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The service with everything that production has, or the bare function."""
    if environ["PATH_INFO"].startswith(BARE):
        return page_of_tasks(environ, start_response)
    answer: Iterable[bytes] = _service(environ, start_response)
    return answer
