"""Fixtures of the tests of every address."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def counted_and_unlimited(settings: Any) -> None:
    """Each answer tells its statements. A case is one of hundreds that a caller sends at once."""
    settings.SERVER_TIMING = True
    settings.RATE_LIMIT_TOKEN_PER_MINUTE = 0
    settings.RATE_LIMIT_TENANT_PER_MINUTE = 0
