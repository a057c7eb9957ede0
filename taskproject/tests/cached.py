"""The cache as tests use it: one subject, one key, and a look at what Redis holds."""

from __future__ import annotations

from typing import Any, Final

from django.core.cache import cache
from django_redis import get_redis_connection

from taskproject import caching
from taskproject.caching import Reading

SUBJECT: Final = "access:1"


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def redis() -> Any:
    return get_redis_connection()


def value_key(key: str, subject: str = SUBJECT) -> str:
    return str(cache.make_key(f"value:{subject}:{key}"))


def generation_key(subject: str = SUBJECT) -> str:
    return str(cache.make_key(f"generation:{subject}"))


def lifetime_s(key: str) -> float:
    return float(redis().pttl(value_key(key))) / 1000


def read(key: str = "k", subject: str = SUBJECT) -> Reading:
    return caching.read(key, subject=subject)


def get(key: str = "k", subject: str = SUBJECT) -> Any:
    return read(key, subject).value


def put(value: Any, key: str = "k", subject: str = SUBJECT, *, lifetime_s: float = 30) -> None:
    caching.keep(read(key, subject), value, lifetime_s=lifetime_s)


def bump(*subjects: str) -> None:
    """What `bump_on_commit` does, as a commit does it: no transaction is open here."""
    caching.bump(subjects or (SUBJECT,))
