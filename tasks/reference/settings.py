"""The settings of production, for a server that shows the other paths too."""

from __future__ import annotations

from taskproject.settings import *  # noqa: F403
from taskproject.settings import CACHES

ROOT_URLCONF = "tasks.reference.urls"
# Identities of another database stand in the same Redis.
CACHES["default"]["KEY_PREFIX"] = "benchmark"
