"""The secrets of an instance folder and the URLs made of them.

Reading here never starts anything and never runs a program, so Django's settings may do it.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from urllib.parse import quote

from taskproject.embedded.errors import EmbeddedError
from taskproject.embedded.instance import Instance, Places, places

DATABASE = "tasks"
SUPERUSER_ROLE = "postgres"
OWNER_ROLE = "tasks_owner"
APP_ROLE = "tasks_app"

_ID_BYTES = 6


@dataclass(frozen=True, slots=True)
class Urls:
    """How to reach a running instance. Every field is a secret; the text form hides them all."""

    superuser: str
    owner: str
    app: str
    redis: str
    secret_key: str

    def __repr__(self) -> str:
        return "Urls(<hidden>)"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The random secrets of an instance folder, kept in its credentials.json."""

    instance_id: str
    superuser_password: str
    owner_password: str
    app_password: str
    secret_key: str

    def __repr__(self) -> str:
        return f"Credentials(instance_id={self.instance_id!r}, <hidden>)"


def urls(instance: Instance) -> Urls | None:
    """Return how to connect to `instance`, or None when it was never started.

    Reads one small file: starts nothing, connects to nothing, so the services may be down.
    Raises EmbeddedError when the file is damaged or belongs to another user.
    """
    credentials = read_credentials(instance)
    if credentials is None:
        return None
    where = places(instance, credentials.instance_id)
    if not where.data.is_dir():
        return None
    return make_urls(where, credentials)


def make_urls(where: Places, credentials: Credentials) -> Urls:
    """Return the URLs of the instance at `where`; looks at no file."""
    host = quote(str(where.run), safe="")

    def postgres(role: str, password: str, database: str) -> str:
        return f"postgresql://{role}:{quote(password, safe='')}@/{database}?host={host}"

    return Urls(
        superuser=postgres(SUPERUSER_ROLE, credentials.superuser_password, "postgres"),
        owner=postgres(OWNER_ROLE, credentials.owner_password, DATABASE),
        app=postgres(APP_ROLE, credentials.app_password, DATABASE),
        redis=f"unix://{quote(str(where.valkey_socket))}?db=0",
        secret_key=credentials.secret_key,
    )


def _credentials_file(instance: Instance) -> Path:
    return instance.folder / "credentials.json"


def read_credentials(instance: Instance) -> Credentials | None:
    """Return the secrets of the instance folder, None when there are none yet.

    Raises EmbeddedError when the file cannot be read or does not hold exactly the secrets.
    """
    file = _credentials_file(instance)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        names = {field.name for field in fields(Credentials)}
        if set(found) != names or not all(isinstance(found[name], str) for name in names):
            raise ValueError("unexpected content")
        return Credentials(**found)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise EmbeddedError(
            f"{file} cannot be read ({error.strerror}): it belongs to the user who started the "
            "services first. Work as that user, or set LOCAL_DIR to a folder of your own."
        ) from error
    except (ValueError, TypeError) as error:
        raise EmbeddedError(
            f"{file} is damaged. Restore it; or, to give up the data, stop the services and "
            f"delete {instance.folder}."
        ) from error


def ensure_credentials(instance: Instance) -> Credentials:
    """Return the secrets of the instance folder, created now when there are none.

    Call it under the lock. Raises EmbeddedError when there is a data directory but no secrets:
    new ones would not open it.
    """
    found = read_credentials(instance)
    if found is not None:
        return found
    if orphaned := sorted(
        path.name for path in instance.folder.glob("postgres-??") if path.is_dir()
    ):
        raise EmbeddedError(
            f"{_credentials_file(instance)} is missing, and {', '.join(orphaned)} beside it cannot "
            "be opened without its passwords. Restore the file, or delete the data."
        )
    created = Credentials(
        instance_id=secrets.token_hex(_ID_BYTES),
        superuser_password=secrets.token_urlsafe(32),
        owner_password=secrets.token_urlsafe(32),
        app_password=secrets.token_urlsafe(32),
        secret_key=secrets.token_urlsafe(64),
    )
    _write_private(_credentials_file(instance), json.dumps(asdict(created), indent=2) + "\n")
    return created


def _write_private(file: Path, text: str) -> None:
    """Write `file` with mode 0600 so that it is there in full or not at all, even after a crash."""
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as output:
            output.write(text)
            output.flush()
            os.fsync(output.fileno())
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
