"""How a load test gets at the service of a project: its data, its users, and what serves it.

A project writes such a class, and names an instance in the setting `PERF_LOAD_SERVICE`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from perf.catalogue import Dataset

SETTING: Final = "PERF_LOAD_SERVICE"


class Service(Protocol):
    """The service, on the database that Django's default connection is on.

    In the command and in the values of its environment, `{host}` and `{port}` stand for where it
    has to listen.
    """

    @property
    def dataset(self) -> Dataset:
        """What it is served on with `--serve`: a copy of it is made, and dropped afterwards."""

    @property
    def health(self) -> str:
        """The path that is answered with 200 as soon as it serves."""

    def callers(
        self, tenants: int, lasting_s: float, *, writes: bool
    ) -> Sequence[tuple[str, str, Mapping[str, str]]]:
        """For whom scenarios are played, of at most so many tenants: the name of the tenant, the
        path that relative ones follow, and headers that speak for a user of it for so long.
        `writes` says whether any of the scenarios changes anything."""

    def dismiss(self, callers: Sequence[tuple[str, str, Mapping[str, str]]]) -> None:
        """Take back what `callers` gave. It is not called with `--serve`: all is dropped then."""

    def command(self) -> Sequence[str]:
        """What serves it, as in production."""

    def environment(self) -> Mapping[str, str]:
        """What its environment has beside that of this process."""


def service() -> Service | None:
    """The service that the settings name; None without the setting.

    Raises `ImproperlyConfigured` for a setting that names nothing.
    """
    path = getattr(settings, SETTING, "")
    if not path:
        return None
    try:
        return cast(Service, import_string(path))
    except ImportError as error:
        raise ImproperlyConfigured(f"{SETTING} is {path!r}: {error}") from error
