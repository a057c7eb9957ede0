"""Fixtures of the whole suite. See taskproject/tests/cast.py for who is who."""

from __future__ import annotations

import pytest
from django.core.cache import cache

from taskproject.tests.cast import Cast, make_cast


@pytest.fixture
def cast(db: None) -> Cast:
    """Alpha and beta with their people, in a transaction that is rolled back."""
    return make_cast()


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    """No test sees what another one cached."""
    cache.clear()
