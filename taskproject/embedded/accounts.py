"""The account that the servers run under, and folders which that account can reach."""

from __future__ import annotations

import contextlib
import os
import pwd
from pathlib import Path

from taskproject.embedded.errors import EmbeddedError
from taskproject.embedded.instance import OUTSIDE, Instance, Places, make_folder, places
from taskproject.embedded.processes import ServiceUser


def service_user(where: Places) -> ServiceUser:
    """Return the account the servers run under: this one, or another when this one is root.

    Root gives way to the owner of the data directory if there is one, else to `postgres`, else
    to `nobody`: PostgreSQL refuses to run as root. Raises EmbeddedError when none exists.
    """
    if os.geteuid() != 0:
        name = str(os.geteuid())
        return ServiceUser(os.geteuid(), os.getegid(), name, switched=False)
    if where.data.is_dir() and (info := where.data.stat()).st_uid != 0:
        return ServiceUser(info.st_uid, info.st_gid, f"user number {info.st_uid}", switched=True)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return ServiceUser(entry.pw_uid, entry.pw_gid, name, switched=True)
    raise EmbeddedError(
        "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody` "
        "to run it as. Create one of them or work as an ordinary user."
    )


def settle(instance: Instance, instance_id: str) -> Places:
    """Return the paths of an instance, with a home that its service account can reach.

    For an instance without data an unreachable folder is replaced by one outside it. Never
    changes the mode of a parent folder. Raises EmbeddedError when there is data in a folder
    that cannot be reached any more, and for a path with characters that PostgreSQL cannot bear.
    """
    where = places(instance, instance_id)
    _refuse_shell_characters(where.home)
    user = service_user(where)
    blocked = _blocked_parent(where.home, user)
    if blocked is None or not user.switched:
        return where
    if where.home != instance.folder or any(instance.folder.glob("postgres-[0-9][0-9]")):
        raise EmbeddedError(
            f"{where.data} cannot be reached by {user.name}, who has to, because {blocked} is "
            "closed to others. Move the folder back, or open it with chmod o+x."
        )
    outside = OUTSIDE / instance_id
    make_folder(OUTSIDE)
    make_folder(outside)
    (outside / "project").write_text(f"{instance.folder}\n", encoding="utf-8")
    return places(instance, instance_id)


def _refuse_shell_characters(home: Path) -> None:
    """Raise for a path that initdb cannot bear: it hands its own path to a shell, in quotes."""
    if found := sorted(set(str(home)) & set('"$`\\\n')):
        raise EmbeddedError(
            f"PostgreSQL cannot be run in {str(home)!r}: the path contains {' '.join(found)} . "
            "Move the folder, or set LOCAL_DIR to another one."
        )


def _blocked_parent(folder: Path, user: ServiceUser) -> Path | None:
    resolved = folder.resolve()
    for parent in (*reversed(resolved.parents), resolved):
        if not user.may_search(parent):
            return parent
    return None


def ensure_own_folder(folder: Path, *, user: ServiceUser) -> None:
    """Create `folder` for `user` alone, or make sure that it is; its parent has to exist.

    Raises EmbeddedError when something else is there in its place.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    refusal = EmbeddedError(
        f"{folder} is not a folder of {user.name}, so it is not safe to use. "
        "Find out who made it, then delete it."
    )
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise refusal from error
    try:
        if os.fstat(descriptor).st_uid not in (user.uid, os.geteuid()):
            raise refusal
        os.fchmod(descriptor, 0o700)
        user.own(descriptor)
    finally:
        os.close(descriptor)


def ensure_run_folder(where: Places, *, user: ServiceUser) -> None:
    """Create the folder of the sockets, for the service account alone.

    Raises EmbeddedError when something else is there in its place, as anybody could have put
    it there when it is in the folder for temporary files.
    """
    if where.run.is_relative_to(where.home):
        make_folder(where.run.parent)
    ensure_own_folder(where.run, user=user)
