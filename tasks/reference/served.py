"""The settings of production, for a server that a load test starts on a database of its own."""

from __future__ import annotations

from taskproject.settings import *  # noqa: F403
from taskproject.settings import CACHES, DATABASES

# The same Redis has identities and answers of other databases. The lab deletes these at the end.
CACHES["default"]["KEY_PREFIX"] = DATABASES["default"]["NAME"]
