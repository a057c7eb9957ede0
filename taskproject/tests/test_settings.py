"""The settings as a process of its own meets them, and the system checks of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection

from taskproject import checks
from taskproject.tests.children import (
    SECRET_KEY,
    database_url,
    environment,
    finish,
    on_a_server,
    start,
)

# Without django.setup(), which loads every app and takes several times as long.
SHOW = """
import json, sys
from django.conf import settings
settings.DEBUG
print(json.dumps({name: getattr(settings, name) for name in sys.argv[1:]}, default=repr))
"""
POSTGRES = "postgresql://joe:hunter2@db.invalid/tasks"


def load(names: list[str], environ: dict[str, str]) -> dict[str, Any]:
    """The named settings of a process with that environment."""
    code, output, errors = finish(start("-c", SHOW, *names, environ=environ))
    assert (code, errors) == (0, "")
    found: dict[str, Any] = json.loads(output)
    return found


def refused(environ: dict[str, str]) -> str:
    """The last line that a process says whose settings are refused."""
    code, _, errors = finish(start("-c", SHOW, environ=environ))
    assert code == 1
    assert "hunter2" not in errors
    return errors.strip().splitlines()[-1].partition(": ")[2]


def server(**variables: str) -> dict[str, str]:
    return environment(DATABASE_URL=POSTGRES, SECRET_KEY=SECRET_KEY) | variables


# A server's secret key


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "SECRET_KEY must be set."),
        ("x" * 49, "SECRET_KEY must be a secret of at least 50 characters."),
        ("django-insecure-" + "x" * 50, "SECRET_KEY must be a secret of at least 50 characters."),
    ],
    ids=["absent", "short", "insecure"],
)
def test_a_server_needs_a_secret_key_of_its_own(key: str, message: str) -> None:
    assert refused(server(SECRET_KEY=key)).startswith(message)


def test_secrets_may_stand_in_files(tmp_path: Path) -> None:
    for name, text in [("key", SECRET_KEY), ("url", POSTGRES)]:
        (tmp_path / name).write_text(f"{text}\n", encoding="utf-8")
    files = {
        "SECRET_KEY_FILE": str(tmp_path / "key"),
        "DATABASE_URL_FILE": str(tmp_path / "url"),
    }

    found = load(["SECRET_KEY", "DATABASES"], environment(**files))

    assert found["SECRET_KEY"] == SECRET_KEY
    assert found["DATABASES"]["default"]["PASSWORD"] == "hunter2"


# Wrong values


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("DEBUG", "maybe", "DEBUG must be true or false, not 'maybe'."),
        ("WEB_WORKERS", "0", "WEB_WORKERS must be from 1 to 64, not 0."),
        ("PORT", "http", "PORT must be a whole number, not 'http'."),
        ("SITE_URL", "example.com", "SITE_URL must begin with http:// or https://"),
        ("TENANT_BINDING", "pool", "TENANT_BINDING must be one of session, transaction"),
        ("DATABASE_POOL_MIN_SIZE", "5", "DATABASE_POOL_MIN_SIZE must be from 0 to 4, not 5."),
        ("DATABASE_POOL_TIMEOUT_S", "nan", "DATABASE_POOL_TIMEOUT_S must be from 0.1 to 60"),
        ("DATABASE_URL", "mysql://joe:hunter2@db/x", "DATABASE_URL must begin with postgresql://"),
        ("DATABASE_URL", "postgresql://joe:hunter2@db", "DATABASE_URL must name a database"),
        ("DATABASE_OWNER_URL", "postgresql://:hunter2@db/x", "DATABASE_OWNER_URL must name a role"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR"),
    ],
)
def test_a_wrong_value_stops_the_program_with_its_name(
    variable: str, value: str, message: str
) -> None:
    assert refused(server(**{variable: value})).startswith(message)


# Servers of one's own, or embedded ones


def test_with_a_database_url_nothing_is_embedded_or_touched(tmp_path: Path) -> None:
    damaged = tmp_path / "local"
    damaged.mkdir()
    (damaged / "credentials.json").write_text("{", encoding="utf-8")

    found = load(["EMBEDDED", "REDIS_URL", "CACHES"], server(LOCAL_DIR=str(damaged)))

    assert (found["EMBEDDED"], found["REDIS_URL"]) == (None, "")
    assert found["CACHES"]["default"]["BACKEND"].endswith("DummyCache")
    assert [path.name for path in damaged.iterdir()] == ["credentials.json"]


def test_without_anything_nothing_is_made_and_commands_still_load(tmp_path: Path) -> None:
    absent = tmp_path / "local"

    found = load(["EMBEDDED", "DATABASES", "SECRET_KEY"], environment(LOCAL_DIR=str(absent)))

    assert (found["EMBEDDED"], found["DATABASES"]["default"]["NAME"]) == (None, "")
    assert not absent.exists()


def test_the_web_process_does_without_the_owner() -> None:
    without = load(["DATABASES"], server())["DATABASES"]["default"]
    owner = "postgresql://anna:secret@db.invalid/tasks"
    given = load(["DATABASES"], server(DATABASE_OWNER_URL=owner))["DATABASES"]["default"]

    assert (without["USER"], without["OWNER"]) == ("joe", None)
    assert (given["USER"], given["OWNER"]) == ("joe", {"USER": "anna", "PASSWORD": "secret"})


@pytest.mark.parametrize("binding", ["session", "transaction"])
def test_behind_a_transaction_pooler_there_are_no_server_side_cursors(binding: str) -> None:
    database = load(["DATABASES"], server(TENANT_BINDING=binding))["DATABASES"]["default"]

    assert database["TENANT_BINDING"] == binding
    assert database["DISABLE_SERVER_SIDE_CURSORS"] is (binding == "transaction")


def test_the_pool_has_a_connection_for_each_thread_and_bounds() -> None:
    pool = load(["DATABASE_POOL"], server(WEB_THREADS="7"))["DATABASE_POOL"]

    assert (pool["min_size"], pool["max_size"], pool["max_waiting"]) == (1, 7, 28)
    assert (pool["timeout"], pool["max_lifetime"], pool["max_idle"]) == (2, 1800, 300)


def test_values_in_the_cache_are_json() -> None:
    cache = load(["CACHES"], server(REDIS_URL="redis://cache.invalid"))["CACHES"]["default"]

    assert cache["LOCATION"] == "redis://cache.invalid"
    assert cache["OPTIONS"]["SERIALIZER"].endswith("JSONSerializer")
    assert cache["OPTIONS"]["SOCKET_TIMEOUT"] == 0.2


# Security

FLAGS = ["SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"]


@pytest.mark.parametrize(
    ("scheme", "hsts_s", "on"), [("https", 3600, [True] * 3), ("http", 0, [False] * 3)]
)
def test_an_https_address_turns_the_secure_flags_on(scheme: str, hsts_s: int, on: Any) -> None:
    names = [*FLAGS, "SECURE_HSTS_SECONDS", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS"]
    found = load(names, server(SITE_URL=f"{scheme}://tasks.example.com/"))

    assert [found[name] for name in FLAGS] == on
    assert found["SECURE_HSTS_SECONDS"] == hsts_s
    assert found["ALLOWED_HOSTS"] == ["tasks.example.com", "localhost"]
    assert found["CSRF_TRUSTED_ORIGINS"] == [f"{scheme}://tasks.example.com"]


@pytest.mark.parametrize("behind", ["true", "false"])
def test_the_header_of_a_proxy_is_believed_only_behind_one(behind: str) -> None:
    found = load(["SECURE_PROXY_SSL_HEADER"], server(BEHIND_PROXY=behind))

    wanted = ["HTTP_X_FORWARDED_PROTO", "https"] if behind == "true" else None
    assert found["SECURE_PROXY_SSL_HEADER"] == wanted


@pytest.mark.django_db
def test_the_settings_of_a_server_pass_the_deployment_checks() -> None:
    environ = on_a_server(
        DATABASE_OWNER_URL=database_url(owner=True),
        SITE_URL="https://tasks.example.com",
        HSTS_INCLUDE_SUBDOMAINS="true",
        HSTS_PRELOAD="true",
    )
    command = ["manage.py", "check", "--deploy", "--fail-level", "WARNING"]

    code, output, errors = finish(start(*command, "--database", "default", environ=environ))

    assert (code, errors) == (0, "")
    assert "no issues" in output


@pytest.mark.django_db
def test_plain_http_does_not_pass_the_deployment_checks() -> None:
    command = ["manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    environ = on_a_server(SITE_URL="http://tasks.example.com")

    code, _, errors = finish(start(*command, environ=environ))

    assert code == 1
    assert "security.W012" in errors, "the session cookie is not secure"


# System checks


def ids(messages: list[Any]) -> list[str]:
    return [message.id for message in messages]


@pytest.mark.django_db
def test_pools_that_the_server_can_not_serve_are_an_error(settings: Any) -> None:
    usable = checks.usable_connections()
    settings.DATABASE_POOL = {**settings.DATABASE_POOL, "max_size": usable}

    settings.WEB_WORKERS = 1
    fitting = checks.check_connections(databases=["default"])
    settings.WEB_WORKERS = 2
    (error,) = checks.check_connections(databases=["default"])

    assert (fitting, error.id, error.is_serious()) == ([], "taskproject.E001", True)
    assert f"may want {2 * usable} connections; the server has {usable} for" in error.msg
    assert error.hint == "See docs/settings.md#database_pool_max_size"


@pytest.mark.django_db
def test_superusers_reserve_is_not_for_this_role() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('max_connections')::int"
            " - current_setting('superuser_reserved_connections')::int"
        )
        (left,) = cursor.fetchone()

    assert 1 <= checks.usable_connections() <= left


def test_the_database_is_not_asked_unless_it_is_to_be(settings: Any) -> None:
    settings.WEB_WORKERS = 10_000

    assert checks.check_connections() == []
    assert checks.check_connections(databases=["replica"]) == []


def test_a_database_that_does_not_answer_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise OperationalError("connection refused")

    monkeypatch.setattr(checks, "usable_connections", fail)

    assert ids(checks.check_connections(databases=["default"])) == ["taskproject.W001"]


def test_no_database_is_a_warning_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.check_database_named() == []
    monkeypatch.setitem(settings.DATABASES["default"], "NAME", "")

    (warning,) = checks.check_database_named()

    assert warning.id == "taskproject.W002"
    assert "services start" in (warning.hint or "")
    assert checks.check_connections(databases=["default"]) == []


@pytest.mark.parametrize(
    ("threads", "connections", "found"),
    [(4, 4, []), (4, 5, []), (5, 4, ["taskproject.W003"])],
)
def test_fewer_connections_than_threads_are_a_warning(
    threads: int, connections: int, found: list[str], settings: Any
) -> None:
    settings.WEB_THREADS = threads
    settings.DATABASE_POOL = {**settings.DATABASE_POOL, "max_size": connections}

    assert ids(checks.check_pool_serves_threads()) == found
