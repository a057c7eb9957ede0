"""Python programs of their own, with an environment that a test chooses."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, Final
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db import connection

SECRET_KEY: Final = "a-secret-of-the-tests-" + "0123456789" * 5


def database_url(*, owner: bool = False) -> str:
    """The URL of the database that this test uses."""
    found: dict[str, Any] = {**connection.settings_dict}
    if owner:
        found |= found["OWNER"]
    user, password, host, name = (
        quote(found[key], safe="") for key in ("USER", "PASSWORD", "HOST", "NAME")
    )
    port = f":{found['PORT']}" if found["PORT"] else ""
    ours = {"pool", "connect_timeout"}
    options = urlencode({key: each for key, each in found["OPTIONS"].items() if key not in ours})
    return f"postgresql://{user}:{password}@{host}{port}/{name}" + (
        f"?{options}" if options else ""
    )


def environment(**variables: str) -> dict[str, str]:
    """Only what is given, and what any Python program needs."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"DJANGO_SETTINGS_MODULE": "taskproject.settings"} | variables


def on_a_server(**variables: str) -> dict[str, str]:
    """The environment of a server that uses this test's database, and no cache."""
    return environment(DATABASE_URL=database_url(), SECRET_KEY=SECRET_KEY) | variables


def start(*arguments: str, environ: dict[str, str]) -> subprocess.Popen[str]:
    """Start `python <arguments>` in the project's folder, with its output caught."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=settings.BASE_DIR,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(child: subprocess.Popen[str], *, timeout_s: float = 60) -> tuple[int, str, str]:
    """The exit code, output and errors of a child; it is ended after `timeout_s`."""
    try:
        output, errors = child.communicate(timeout=timeout_s)
    finally:
        child.kill()
    return child.returncode, output, errors
