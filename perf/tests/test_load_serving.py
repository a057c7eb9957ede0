"""A server of a load test: it comes up, and nothing of it stays."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from perf.load import serving as module
from perf.load.serving import NotServed, serving
from perf.tests.lab import wait_for

WEB = [sys.executable, "-m", "http.server", "{port}", "--bind", "{host}"]
# A server that does not want to end, with a child that has left its group.
STUBBORN = """
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
print("child", child.pid, flush=True)
from http.server import test, SimpleHTTPRequestHandler
test(SimpleHTTPRequestHandler, port=int(os.environ["LISTEN_AT"]), bind="127.0.0.1")
"""
PLAIN = STUBBORN.replace(", start_new_session=True", "").replace("signal.SIG_IGN", "signal.SIG_DFL")


def kept_log(error: NotServed) -> Path:
    """Where the log is, by what the error says."""
    return Path(str(error).split("Its log is in ")[1].split(", and ends so")[0])


def gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_a_server_answers_within_the_block_and_is_gone_after_with_its_log():
    with serving(WEB, environment={}) as served:
        assert urllib.request.urlopen(served.url, timeout=10).status == 200
        assert served.log.exists()

    assert gone(served.pid)
    assert not served.log.exists()


def test_a_server_that_refuses_to_end_is_killed_with_its_children(monkeypatch):
    monkeypatch.setattr(module, "_GRACE_S", 0.2)
    command = [sys.executable, "-c", STUBBORN]
    with serving(command, environment={"LISTEN_AT": "{port}"}) as served:
        child = int(served.log.read_text().split()[1])
        assert not gone(child)

    assert gone(served.pid)
    wait_for(lambda: gone(child))


def test_one_that_refuses_to_end_is_not_waited_for_where_it_never_was_healthy(monkeypatch):
    monkeypatch.setattr(module, "_GRACE_S", 120.0)
    begun = time.monotonic()
    command = [sys.executable, "-c", STUBBORN]
    with (
        pytest.raises(NotServed) as e,
        serving(command, environment={"LISTEN_AT": "0"}, timeout_s=1),
    ):
        pass

    assert time.monotonic() - begun < module._GRACE_S
    kept_log(e.value).unlink()


def test_one_that_is_never_healthy_is_told_with_its_log(monkeypatch):
    started, pids = module._started, []

    def remembered(*arguments):
        process = started(*arguments)
        pids.append(process.pid)
        return process

    monkeypatch.setattr(module, "_started", remembered)
    with (
        pytest.raises(NotServed, match=r"within 2 s\. It answered /readyz with 404") as e,
        serving(WEB, environment={}, health="/readyz", timeout_s=2),
    ):
        pass

    log = kept_log(e.value)
    assert "GET /readyz" in log.read_text()
    assert "GET /readyz" in str(e.value)
    assert gone(pids[0])
    log.unlink()


def test_one_that_ends_at_once_is_told_with_what_it_said():
    command = [sys.executable, "-c", "print('no such table'); exit(3)"]
    with (
        pytest.raises(NotServed, match=r"(?s)ended at once, with code 3.*no such table") as e,
        serving(command, environment={}),
    ):
        pass
    kept_log(e.value).unlink()


def test_one_that_is_not_there_is_told():
    with (
        pytest.raises(NotServed, match="can't be started"),
        serving(["no-such-server"], environment={}),
    ):
        pass


def killed(workers: list[int]) -> None:
    with serving([sys.executable, "-c", PLAIN], environment={"LISTEN_AT": "{port}"}) as served:
        workers.append(int(served.log.read_text().split()[1]))
        psutil.Process(served.pid).kill()
        wait_for(lambda: gone(served.pid))


def test_one_that_ends_within_the_block_is_told_and_its_workers_end_too():
    workers: list[int] = []
    with pytest.raises(NotServed, match="ended by itself, with code -9") as e:
        killed(workers)
    kept_log(e.value).unlink()
    wait_for(lambda: gone(workers[0]))


def test_a_block_that_raises_keeps_the_log_and_ends_the_server():
    with pytest.raises(ValueError, match="of the test") as e, serving(WEB, environment={}) as one:
        raise ValueError("of the test")

    assert e.value.__notes__ == [f"The log of the server is in {one.log}."]
    one.log.unlink()
    assert gone(one.pid)


def test_ctrl_c_ends_the_server():
    with pytest.raises(KeyboardInterrupt), serving(WEB, environment={}) as served:
        raise KeyboardInterrupt

    assert gone(served.pid)
    assert not served.log.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells children of a parent's end")
def test_a_loader_that_is_killed_takes_its_server_along():
    script = (
        "from perf.load.serving import serving\nimport time\n"
        f"with serving({WEB!r}, environment={{}}) as served:\n"
        "    print(served.pid, served.log, flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as loader:
        assert loader.stdout
        pid, log = loader.stdout.readline().split()
        assert not gone(int(pid))
        loader.send_signal(signal.SIGKILL)

    wait_for(lambda: gone(int(pid)))
    Path(log.decode()).unlink()
