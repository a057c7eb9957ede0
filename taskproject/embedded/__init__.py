"""An embedded PostgreSQL and Valkey: started from installed wheels, kept in a project's folder.

Nothing is installed, no port is opened and no password is fixed. Both servers listen on Unix
sockets that only their own account can open. Every expected failure is an EmbeddedError whose
text says what to do. Django is not needed.
"""

from __future__ import annotations

from dataclasses import dataclass

from taskproject.embedded.accounts import ensure_run_folder, service_user, settle
from taskproject.embedded.credentials import (
    Urls,
    ensure_credentials,
    make_urls,
    read_credentials,
    urls,
)
from taskproject.embedded.errors import EmbeddedError
from taskproject.embedded.instance import (
    Instance,
    Progress,
    ServiceStatus,
    default_instance,
    exclusive,
    places,
)
from taskproject.embedded.postgres import (
    bound_postgres_log,
    postgres_status,
    start_postgres,
    stop_postgres,
)
from taskproject.embedded.valkey import (
    bound_valkey_log,
    start_valkey,
    stop_valkey,
    valkey_status,
)

__all__ = [
    "EmbeddedError",
    "Instance",
    "Progress",
    "ServiceStatus",
    "Started",
    "Urls",
    "default_instance",
    "start",
    "status",
    "stop",
    "urls",
]

_LOCK_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class Started:
    """What `start` hands back; `started` names the services that were not running before."""

    urls: Urls
    started: tuple[str, ...]


def start(instance: Instance, *, progress: Progress, timeout_s: float = 60.0) -> Started:
    """Make both services of `instance` run, creating everything at the first call.

    `progress` gets a sentence for each step. Each service has `timeout_s` to come up. Of two
    calls at once one waits for the other. Raises EmbeddedError when a service cannot be made
    to run, with the end of its log. Interrupted by Ctrl-C, it stops what it has started.
    """
    with exclusive(instance, progress=progress, timeout_s=_LOCK_TIMEOUT_S):
        try:
            return _start_locked(instance, progress=progress, timeout_s=timeout_s)
        except OSError as error:
            raise EmbeddedError(f"The services cannot be started: {error}") from error


def _start_locked(instance: Instance, *, progress: Progress, timeout_s: float) -> Started:
    credentials = ensure_credentials(instance)
    where = settle(instance, credentials.instance_id)
    user = service_user(where)
    ensure_run_folder(where, user=user)
    bound_postgres_log(where)
    bound_valkey_log(where)
    started = []
    if start_postgres(where, credentials, user=user, progress=progress, timeout_s=timeout_s):
        started.append("postgres")
    try:
        if start_valkey(where, user=user, progress=progress, timeout_s=timeout_s):
            started.append("valkey")
    except KeyboardInterrupt:
        # It has been told to end; the caller is told so once it has.
        stop_valkey(where, progress=progress)
        if started:
            stop_postgres(where, progress=progress)
        raise
    return Started(make_urls(where, credentials), tuple(started))


def stop(instance: Instance, *, progress: Progress) -> tuple[str, ...]:
    """Stop the services of `instance`; return the names of those that ran.

    Nothing is created or complained of when there never were any. Raises EmbeddedError when a
    service does not go; it is not killed then.
    """
    if read_credentials(instance) is None:
        return ()
    with exclusive(instance, progress=progress, timeout_s=_LOCK_TIMEOUT_S):
        credentials = read_credentials(instance)
        if credentials is None:
            return ()
        where = places(instance, credentials.instance_id)
        ended = {
            "valkey": stop_valkey(where, progress=progress),
            "postgres": stop_postgres(where, progress=progress),
        }
        return tuple(name for name, ran in ended.items() if ran)


def status(instance: Instance) -> tuple[ServiceStatus, ...]:
    """Return the state of PostgreSQL and of Valkey, in this order; changes nothing.

    Raises EmbeddedError when the instance belongs to another user.
    """
    credentials = read_credentials(instance)
    if credentials is None:
        where = places(instance, "none")
        return tuple(
            ServiceStatus(name, "stopped", None, None, socket, data)
            for name, socket, data in (
                ("postgres", where.postgres_socket, where.data),
                ("valkey", where.valkey_socket, where.valkey_data),
            )
        )
    where = places(instance, credentials.instance_id)
    return (postgres_status(where, credentials), valkey_status(where))
