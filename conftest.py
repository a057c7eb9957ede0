"""Fixtures of the whole suite. See taskproject/tests/cast.py for who is who."""

from __future__ import annotations

import os
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache

from taskproject.tests.cast import Cast, make_cast


def pytest_configure() -> None:
    """Give each test process keys of its own in the cache, as it has a database of its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    settings.CACHES["default"]["KEY_PREFIX"] = f"test-{worker}"


@pytest.fixture
def cast(db: None) -> Cast:
    """Alpha and beta with their people, in a transaction that is rolled back."""
    return make_cast()


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    """No test sees what another one cached."""
    keep: Any = cache
    keep.delete_pattern("*")
