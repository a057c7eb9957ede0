"""The monitor's settings: `PERF_MONITOR`, a dict in Django's settings. docs/monitor.md has each.

    PERF_MONITOR = {"TENANT": "shop.monitoring.tenant_of", "SLOW_MS": 50}

System checks: perf.E001 for what is no such setting, perf.E002 for a value of a wrong kind,
perf.E003 for a callable that can't be imported.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

SETTING: Final = "PERF_MONITOR"


@dataclass(frozen=True, slots=True)
class Options:
    """What the monitor watches for, and what it may cost. Each is a key of `PERF_MONITOR`, in
    capital letters."""

    enabled: bool = True  # the middleware; all else is asked for where it is used
    threshold_ms: float = 500.0  # in the database, of a request
    slow_ms: float = 100.0  # of a statement
    repeats: int = 3  # of one shape from one place with different values
    tenant: str = ""  # a callable: request or None -> what to call the tenant
    skip: tuple[str, ...] = ()  # modules that are nobody's call site
    plans: bool = True  # of slow statements that read
    identifiers: bool = True  # each shape's in pg_stat_statements
    plan_hours: float = 6.0  # until a shape's plan is asked for again
    log_s: float = 60.0  # until the same is told again
    directory: str = ""  # of totals; PERF_DIR/monitor unless set, and none without PERF_DIR
    write_s: float = 30.0  # from one writing of totals to the next

    @property
    def folder(self) -> Path | None:
        """Where processes leave their totals; None where they keep them to themselves."""
        if self.directory:
            return Path(self.directory)
        base = getattr(settings, "PERF_DIR", None)
        return Path(base) / "monitor" if base else None


_NUMBERS: Final = ("threshold_ms", "slow_ms", "plan_hours", "log_s", "write_s")
_SWITCHES: Final = ("enabled", "plans", "identifiers")
_NAMES: Final = {each.upper() for each in Options.__slots__}


@cache
def options() -> Options:
    """The settings as they are. Raises `TypeError` for a name that is none: see the checks."""
    given: dict[str, Any] = getattr(settings, SETTING, {})
    values = {name.lower(): value for name, value in given.items()}
    return Options(**values | {"skip": tuple(values.get("skip", ()))})


@cache
def tenant_namer() -> Callable[[Any], Any] | None:
    """The callable of TENANT."""
    name = options().tenant
    return import_string(name) if name else None


def tenant_of(request: Any) -> Any:
    """What the application calls the tenant of a request, or of what runs outside of one."""
    namer = tenant_namer()
    return None if namer is None else namer(request)


def _forget(*, setting: str = "", **kwargs: Any) -> None:
    if setting in (SETTING, "PERF_DIR"):
        options.cache_clear()
        tenant_namer.cache_clear()


setting_changed.connect(_forget, dispatch_uid="perf.monitor.options")


@register()
def check_options(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """`PERF_MONITOR` holds what it may, of the right kinds."""
    given = getattr(settings, SETTING, {})
    if not isinstance(given, dict):
        return [Error(f"{SETTING} must be a dict.", id="perf.E002")]
    found: list[CheckMessage] = [
        Error(f"{SETTING} has no {name!r}.", hint=f"It has {_listed()}.", id="perf.E001")
        for name in given
        if name not in _NAMES
    ]
    for name in sorted(_NAMES & given.keys()):
        if complaint := _complaint(name.lower(), given[name]):
            found.append(Error(f"{SETTING}[{name!r}] {complaint}.", id="perf.E002"))
    return found + _unimportable(given.get("TENANT"))


def _listed() -> str:
    return ", ".join(sorted(_NAMES))


def _complaint(name: str, value: Any) -> str:
    if name in _SWITCHES:
        return "" if isinstance(value, bool) else "must be True or False"
    if name in _NUMBERS:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if is_number and 0 <= value < math.inf else "must be a number, 0 or more"
    if name == "repeats":
        is_count = isinstance(value, int) and not isinstance(value, bool)
        return "" if is_count and value >= 2 else "must be a whole number, 2 or more"
    if name == "skip":
        is_names = isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
        return "" if is_names else "must be a tuple of names of modules"
    kinds = (str, Path) if name == "directory" else str
    return "" if isinstance(value, kinds) else "must be a text"


def _unimportable(name: Any) -> list[CheckMessage]:
    if not name or not isinstance(name, str):
        return []
    try:
        import_string(name)
    except ImportError as error:
        return [Error(f"{SETTING}['TENANT'] can't be imported: {error}", id="perf.E003")]
    return []
