"""Where a load test goes: to a server that is there, or to one that is started for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from django.conf import settings
from django.db import connection

from perf.load.plan import Identity
from perf.load.servers.watched import Watched
from perf.load.serving import serving
from perf.pg import databases, locks
from perf.pgstat.connecting import conninfo
from perf.service import Service

LONGER_S: Final = 3_600.0  # than it lasts callers are known: data may have to be filled before

type Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Crowd:
    """For whom scenarios are played: users of at most so many tenants, for so long."""

    tenants: int
    lasting_s: float

    def identities(self, service: Service) -> tuple[Identity, ...]:
        """Those of the service, on the database that the default connection is on."""
        found = service.callers(self.tenants, self.lasting_s + LONGER_S)
        return tuple(Identity(name, base, dict(headers)) for name, base, headers in found)


@dataclass(frozen=True, slots=True)
class Place:
    """A server that answers at `url`, for whom calls are made there, and what is watched."""

    url: str
    identities: tuple[Identity, ...]
    watched: Watched
    environment: Mapping[str, str]


@contextmanager
def served(service: Service, crowd: Crowd, size: int, tell: Tell) -> Iterator[Place]:
    """The service, started on a copy of its dataset at that size, and ended with the block.

    Raises `NotServed` where it does not start, and `NotMade` where there can be no such copy.
    """
    with locks.using():
        tell(f"Making a copy of {service.dataset.name} at {size:,} rows.")
        name = databases.fill(service.dataset, size, tell)
        with databases.copied(name, os.getpid(), tell) as copy, databases.using(copy):
            identities = crowd.identities(service)
            command, more = service.command(), service.environment()
            databases.disconnect()
            _count_statements(conninfo())
            tell("Starting the service.")
            with serving(command, environment=more, health=service.health) as found:
                yield Place(
                    found.url,
                    identities,
                    Watched(found.url, conninfo(), redis_url(), found.pid),
                    {"served on": f"{service.dataset.name} at {size:,} rows"},
                )


def there(
    url: str, service: Service | None, crowd: Crowd, headers: Mapping[str, str], *, local: bool
) -> Place:
    """A server that is there already. Without a service calls are made for nobody, with those
    headers. Of one on another machine nothing is watched but the loader."""
    nobody = (Identity("", headers=dict(headers)),)
    identities = crowd.identities(service) if service else nobody
    watched = Watched(url, _conninfo_if_any(), redis_url()) if local else Watched()
    databases.disconnect()
    return Place(url, identities, watched, {})


def _count_statements(place: str) -> None:
    """Have the copy show what pg_stat_statements counts, where the server has it and we may."""
    with suppress(psycopg.Error), psycopg.connect(place, autocommit=True) as session:
        session.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def _conninfo_if_any() -> str:
    return conninfo() if connection.vendor == "postgresql" and _is_named() else ""


def _is_named() -> bool:
    return bool(connection.settings_dict["NAME"])


def redis_url() -> str:
    """Where the default cache is, if that is Redis."""
    cache: dict[str, Any] = settings.CACHES.get("default", {})
    location = cache.get("LOCATION") or ""
    first = location if isinstance(location, str) else next(iter(location), "")
    return first if first.startswith(("redis://", "rediss://", "unix://")) else ""
