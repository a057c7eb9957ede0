"""Typed readers of environment variables.

Each reader raises `ImproperlyConfigured` with the variable's name and a value that would do, so
that a mistyped setting stops the program at its start and never turns into a default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_POSTGRES = frozenset({"postgresql", "postgres"})


class Env:
    """Reads settings from a mapping of strings, by default the process environment."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    def text(self, name: str, default: str | None = None) -> str:
        """The variable, or `default`; raises when it is absent and there is no default."""
        value = self._environ.get(name, "").strip()
        if value:
            return value
        if default is None:
            raise ImproperlyConfigured(f"{name} must be set.")
        return default

    def boolean(self, name: str, default: bool) -> bool:
        """True for 1, true, yes, on; False for 0, false, no, off; raises for anything else."""
        value = self.text(name, "").lower()
        if not value:
            return default
        if value in _TRUE:
            return True
        if value in _FALSE:
            return False
        raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")

    def integer(self, name: str, default: int, *, minimum: int, maximum: int) -> int:
        """A whole number within [minimum, maximum]; raises for anything else."""
        text = self.text(name, str(default))
        try:
            value = int(text)
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} must be a whole number, not {text!r}.") from error
        return int(self._within(name, value, minimum, maximum))

    def seconds(self, name: str, default: float, *, minimum: float, maximum: float) -> float:
        """A duration in seconds within [minimum, maximum]; raises for anything else."""
        text = self.text(name, str(default))
        try:
            value = float(text)
        except ValueError as error:
            raise ImproperlyConfigured(
                f"{name} must be a number of seconds, not {text!r}."
            ) from error
        return self._within(name, value, minimum, maximum)

    def choice(self, name: str, default: str, *, choices: tuple[str, ...]) -> str:
        """One of `choices`; raises for anything else."""
        value = self.text(name, default)
        if value not in choices:
            raise ImproperlyConfigured(
                f"{name} must be one of {', '.join(choices)}, not {value!r}."
            )
        return value

    def names(self, name: str, default: tuple[str, ...] = ()) -> list[str]:
        """A list separated by commas, without its blanks."""
        text = self.text(name, ",".join(default))
        return [part.strip() for part in text.split(",") if part.strip()]

    def url(self, name: str, default: str | None = None, *, schemes: tuple[str, ...]) -> str:
        """A URL with one of `schemes`; raises for anything else. The message hides its password."""
        value = self.text(name, default)
        try:
            scheme = urlsplit(value).scheme
        except ValueError:  # its text may quote the password, so it is left out
            raise ImproperlyConfigured(f"{name} is no well-formed URL.") from None
        if value and scheme not in schemes:
            wanted = " or ".join(f"{allowed}://" for allowed in schemes)
            raise ImproperlyConfigured(
                f"{name} must begin with {wanted}, not {scheme or 'nothing'!r}."
            )
        return value

    def secret(self, name: str, default: str | None = None) -> str:
        """The variable itself, or what stands in the file that `<name>_FILE` names.

        Raises when both are set, when the file can't be read, is no text or is empty, and when
        neither is set and there is no default.
        """
        file_name = self._environ.get(f"{name}_FILE", "").strip()
        if not file_name:
            return self.text(name, default)
        if self._environ.get(name, "").strip():
            raise ImproperlyConfigured(f"Set {name} or {name}_FILE, not both.")
        try:
            value = Path(file_name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(
                f"{name}_FILE: can't read {file_name}: {error.strerror}."
            ) from error
        except UnicodeDecodeError:  # it quotes what stands in the file
            raise ImproperlyConfigured(f"{name}_FILE: {file_name} is not UTF-8.") from None
        if not value:
            raise ImproperlyConfigured(f"{name}_FILE: {file_name} is empty.")
        return value

    @staticmethod
    def _within(name: str, value: float, minimum: float, maximum: float) -> float:
        # The comparison is written so that NaN, which compares false to everything, is refused.
        if not minimum <= value <= maximum:
            raise ImproperlyConfigured(f"{name} must be from {minimum} to {maximum}, not {value}.")
        return value


def database_parts(name: str, url: str) -> dict[str, str | dict[str, str]]:
    """Split a PostgreSQL URL into Django's NAME, USER, PASSWORD, HOST, PORT and OPTIONS.

    A percent-encoded host or `?host=/folder` names a socket folder; other query parameters become
    libpq options. Raises `ImproperlyConfigured`, naming the variable, for a URL of another scheme,
    without a database or a user, or with a port that is none; no message quotes the password.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is no well-formed URL.") from None
    if parts.scheme not in _POSTGRES:
        raise ImproperlyConfigured(f"{name} must begin with postgresql://.")
    try:
        port = str(parts.port or "")
    except ValueError:
        raise ImproperlyConfigured(
            f"{name}: the port is not a number from 1 to 65535. A / or # in a password is written "
            "%2F or %23."
        ) from None
    options = dict(parse_qsl(parts.query))
    found: dict[str, str | dict[str, str]] = {
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", "") or unquote(parts.hostname or ""),
        "PORT": options.pop("port", "") or port,
        "OPTIONS": options,
    }
    for key, meaning in (("NAME", "a database"), ("USER", "a role")):
        if not found[key]:
            raise ImproperlyConfigured(
                f"{name} must name {meaning}: postgresql://role@host/database."
            )
    return found
