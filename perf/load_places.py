"""Where a load test goes: to a server that is there, or to one that is started for it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
from django.conf import settings
from django.db import connection

from perf.load.plan import Identity, port_of
from perf.load.servers.watched import Watched
from perf.load.serving import serving
from perf.pg import databases, locks
from perf.pgstat.connecting import conninfo
from perf.service import Service

KNOCKS_S: Final = 5.0
LONGER_S: Final = 3_600.0  # than it lasts callers are known: data may have to be filled before

type Tell = Callable[[str], object]
type Spoken = tuple[str, str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Crowd:
    """For whom scenarios are played: users of at most so many tenants, for so long, who change
    something or not."""

    tenants: int
    lasting_s: float
    writes: bool

    def called(self, service: Service) -> Sequence[Spoken]:
        """Those of the service, on the database that the default connection is on."""
        return service.callers(self.tenants, self.lasting_s + LONGER_S, writes=self.writes)


@dataclass(frozen=True, slots=True)
class Place:
    """A server that answers at `url`, for whom calls are made there, and what is watched."""

    url: str
    identities: tuple[Identity, ...]
    watched: Watched
    environment: Mapping[str, str]

    def is_gone(self) -> bool:
        """Whether nobody listens there any more; one who is only slow to answer does."""
        parts = urlsplit(self.url)
        try:
            socket.create_connection((parts.hostname or "", port_of(parts)), KNOCKS_S).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return False


@contextmanager
def served(service: Service, crowd: Crowd, size: int, tell: Tell) -> Iterator[Place]:
    """The service, started on a copy of its dataset at that size, and ended with the block.

    Raises `NotServed` where it does not start, and `NotMade` where there can be no such copy.
    """
    with locks.using():
        tell(f"Making a copy of {service.dataset.name} at {size:,} rows.")
        name = databases.fill(service.dataset, size, tell)
        with databases.copied(name, os.getpid(), tell) as copy, databases.using(copy):
            identities = _identities(crowd.called(service))
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


@contextmanager
def there(
    url: str,
    service: Service | None,
    crowd: Crowd,
    headers: Mapping[str, str],
    tell: Tell,
    *,
    local: bool,
) -> Iterator[Place]:
    """A server that is there already. Without a service calls are made for nobody, with those
    headers; else for its callers, who are dismissed with the block. Of one on another machine
    nothing is watched but the loader."""
    watched = Watched(url, _conninfo_if_any(), redis_url()) if local else Watched()
    if service is None:
        yield Place(url, (Identity("", headers=dict(headers)),), watched, {})
        return
    callers = crowd.called(service)
    try:
        databases.disconnect()
        yield Place(url, _identities(callers), watched, {})
    finally:
        _dismiss(service, callers, tell)


def _identities(callers: Sequence[Spoken]) -> tuple[Identity, ...]:
    return tuple(Identity(name, base, dict(headers)) for name, base, headers in callers)


def _dismiss(service: Service, callers: Sequence[Spoken], tell: Tell) -> None:
    """What was measured must not be lost because its callers can't be taken back."""
    try:
        service.dismiss(callers)
    except Exception as error:  # of the project's own code, or of its database
        tell(f"What callers were given could not be taken back, and will expire: {error}")
    finally:
        databases.disconnect()


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
