"""What is in Redis and how often it was of use: read-only, beside the service."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import batched
from typing import Any, Final

from django.core.cache import cache
from redis.exceptions import RedisError

from taskproject.caching import FIGURES

_AT_ONCE: Final = 500
HITS: Final = {"access": ("hit",), "answer": ("kept", "same")}


class NoRedis(Exception):
    """There is no Redis, or it does not answer; the text says which."""


@dataclass(frozen=True, slots=True)
class Family:
    """The keys of one kind: how many, and their size in Redis' memory."""

    name: str
    keys: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class CacheStat:
    """A look at Redis. `counts` are those of the figures, by family and then by what happened."""

    version: str
    answer_ms: float
    used_bytes: int
    max_bytes: int
    evicted_keys: int
    since: float | None  # seconds since 1970; None if nothing has been counted
    counts: Mapping[str, Mapping[str, int]]
    families: tuple[Family, ...]

    def ratio(self, family: str) -> float | None:
        """How much of what was asked for was found, 0 to 1; None if nothing was."""
        counts = self.counts.get(family, {})
        asked = sum(counts.values())
        return sum(counts.get(each, 0) for each in HITS[family]) / asked if asked else None


def look() -> CacheStat:
    """The figures, and every key of ours. Walks all keys with SCAN, 500 at a time, and never blocks
    Redis. Raises `NoRedis`."""
    redis = _redis()
    try:
        start = time.perf_counter()
        redis.ping()
        answer_ms = (time.perf_counter() - start) * 1000
        info = redis.info()
        figures = {
            k.decode(): v.decode() for k, v in redis.hgetall(cache.make_key(FIGURES)).items()
        }
        families = tuple(sorted(_families(redis), key=lambda each: -each.size_bytes))
    except (RedisError, OSError) as error:
        raise NoRedis(f"Redis does not answer: {error}") from error
    since = figures.pop("since", None)
    return CacheStat(
        version=str(info.get("valkey_version") or info.get("redis_version")),
        answer_ms=answer_ms,
        used_bytes=int(info["used_memory"]),
        max_bytes=int(info.get("maxmemory", 0)),
        evicted_keys=int(info["evicted_keys"]),
        since=float(since) if since else None,
        counts=_by_family(figures),
        families=families,
    )


def reset() -> None:
    """Begin to count anew. Raises `NoRedis`."""
    redis = _redis()
    try:
        redis.delete(cache.make_key(FIGURES))
        redis.hset(cache.make_key(FIGURES), "since", int(time.time()))
    except (RedisError, OSError) as error:
        raise NoRedis(f"Redis does not answer: {error}") from error


def _redis() -> Any:
    backend = getattr(cache, "client", None)
    if backend is None:
        raise NoRedis("No Redis is configured: set REDIS_URL, or `manage.py services start`.")
    return backend.get_client(write=True)


def _by_family(figures: Mapping[str, str]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for name, number in figures.items():
        family, _, what = name.partition(":")
        counts.setdefault(family, {})[what] = int(number)
    return counts


def _families(redis: Any) -> Iterator[Family]:
    """Keys by the first words of their names: `value:rows`, `generation:access`, `bucket`."""
    keys, sizes = Counter[str](), Counter[str]()
    prefix = str(cache.make_key(""))
    for some in batched(redis.scan_iter(match=f"{prefix}*", count=_AT_ONCE), _AT_ONCE):
        for name, size_bytes in zip(some, _sizes(redis, some), strict=True):
            words = name.decode(errors="replace").removeprefix(prefix).split(":")
            is_kept = words[0] in ("value", "generation", "seen", "builder")
            family = ":".join(words[:2] if is_kept else words[:1])
            keys[family] += 1
            sizes[family] += size_bytes or 0  # None where it has expired since
    return (Family(name, number, sizes[name]) for name, number in keys.items())


def _sizes(redis: Any, names: Iterable[bytes]) -> list[int | None]:
    with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.memory_usage(name)
        sizes: list[int | None] = pipe.execute()
    return sizes
