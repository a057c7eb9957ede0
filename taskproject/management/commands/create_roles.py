"""`manage.py create_roles`: the database and its two roles, on a server of one's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser
from psycopg.conninfo import conninfo_to_dict

from taskproject.db.roles import RolesError, create_roles


@dataclass(frozen=True, slots=True)
class _Login:
    role: str
    password: str | None
    database: str


class Command(BaseCommand):
    """Prepare a PostgreSQL server for this project; never touches Django's connections."""

    help = (
        "Creates, or corrects, the database and the two roles that DATABASE_URL (the app, held "
        "back by row-level security) and DATABASE_OWNER_URL (the owner, who migrates) name, with "
        "the passwords in them. Safe to run again. The embedded services do this by themselves."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the one option."""
        parser.add_argument(
            "--superuser-url",
            required=True,
            metavar="URL",
            help="a PostgreSQL URL of a superuser of that server, naming any of its databases; "
            "leave the password out to have libpq take it from PGPASSWORD or a .pgpass file, "
            "where the process list does not show it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was done, one line each, without passwords."""
        app, owner = _login("DATABASE_URL"), _login("DATABASE_OWNER_URL")
        _parse("--superuser-url", options["superuser_url"])
        if app.role == owner.role:
            raise CommandError(
                f"DATABASE_URL and DATABASE_OWNER_URL both name the role {app.role!r}. They need "
                "two roles: the owner bypasses row-level security, the app must not."
            )
        if app.database != owner.database:
            raise CommandError(
                f"DATABASE_URL names the database {app.database!r}, DATABASE_OWNER_URL "
                f"{owner.database!r}. They have to name the same one."
            )
        try:
            done = create_roles(
                options["superuser_url"],
                database=app.database,
                owner=owner.role,
                owner_password=owner.password,
                app=app.role,
                app_password=app.password,
            )
        except (RolesError, psycopg.Error) as error:
            raise CommandError(str(error)) from error
        for line in done or ["Everything was as it should be."]:
            self.stdout.write(line)


def _login(variable: str) -> _Login:
    text = os.environ.get(variable, "").strip()
    if not text:
        raise CommandError(
            f"{variable} is not set. It has to name a role, its password and the database, as in "
            "postgresql://role:password@host/database"
        )
    parts = _parse(variable, text)
    for name, meaning in (("user", "role"), ("dbname", "database")):
        if not parts.get(name):
            raise CommandError(f"{variable} names no {meaning}.")
    return _Login(str(parts["user"]), parts.get("password") or None, str(parts["dbname"]))


def _parse(name: str, text: str) -> dict[str, Any]:
    try:
        return dict(conninfo_to_dict(text))
    except psycopg.Error:
        # Not chained: libpq's message repeats the text, which has a password in it.
        raise CommandError(
            f"{name} is not a PostgreSQL URL, as in postgresql://role:password@host/database"
        ) from None
