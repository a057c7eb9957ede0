"""`manage.py benchmark_paths`, small: real server, real database, every path."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tasks.reference.loader import BadAnswer, closed_loop, request_bytes
from tasks.reference.processes import cpu_ns, cpu_seconds, descendants

ROOT = Path(__file__).resolve().parents[2]


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "benchmark_paths", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=240
    )


def test_it_measures_every_path_and_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"

    done = benchmark("--tasks", "2000", "--rounds", "2", "--requests", "60", "--json", str(file))

    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text())
    assert {name: sorted(paths) for name, paths in figures.items()} == {
        "page of 50": ["api", "bare", "stock"],
        "kept": ["kept", "stock", "unchanged"],
        "depth": ["page 1", "page 18", "page 2"],
        "members": ["fields", "labels", "whole"],
        "detail": ["api", "stock"],
        "create": ["api", "stock"],
        "patch": ["api", "stock"],
    }
    for paths in figures.values():
        for each in paths.values():
            for name in ("requests_per_s", "server_cpu_us", "database_cpu_us"):
                assert len(each[name]) == 2
                assert min(each[name]) > 0 or name == "database_cpu_us"  # of what is kept
    assert done.stdout.count("api/stock requests/s") == 4


def test_it_says_what_is_wrong_with_an_option() -> None:
    for options in (
        ["--json", "absent/f"],
        ["--tasks", "1"],
        ["--rounds", "0"],
        ["--requests", "x"],
        ["--only", "all"],
    ):
        done = benchmark(*options)
        assert done.returncode == 2
        assert f"argument {options[0]}" in done.stderr


@contextmanager
def server(*answers: bytes) -> Iterator[int]:
    """A server that gives these answers to the requests of one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                for answer in answers:
                    client.recv(1 << 16)
                    for start in range(0, len(answer), 7):
                        client.sendall(answer[start : start + 7])

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def load(port: int, count: int) -> Any:
    request = request_bytes("GET", "/", token="x")
    return closed_loop(port, [request], connections=1, count=count, status=200)


def test_the_loader_reads_answers_however_they_are_cut() -> None:
    with server(OK, OK.replace(b"Content-Length", b"content-length"), OK) as port:
        assert load(port, 3) > 0


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", OK[:-1]]
)
def test_the_loader_takes_no_other_answer(answer: bytes) -> None:
    with server(OK, answer) as port, pytest.raises(BadAnswer):
        load(port, 2)


def test_cpu_is_that_of_all_threads_and_children() -> None:
    code = (
        "import time; e = time.process_time() + 0.3\nwhile time.process_time() < e: pass\ninput()"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    try:
        assert child.pid in descendants(os.getpid())
        while cpu_seconds({}, cpu_ns([child.pid])) < 0.3:
            assert child.poll() is None
        assert cpu_seconds({}, cpu_ns([child.pid])) < 3
    finally:
        child.communicate(b"\n")
