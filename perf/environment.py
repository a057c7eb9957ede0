"""What a run was made on: versions, the machine, and the settings that decide its speed."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Final

import django
import psycopg
from django.db import connection

_SETTINGS: Final = (
    "shared_buffers",
    "work_mem",
    "effective_cache_size",
    "random_page_cost",
    "plan_cache_mode",
    "jit",
    "max_parallel_workers_per_gather",
    "fsync",
    "synchronous_commit",
    "default_statistics_target",
)


def environment() -> dict[str, str]:
    """Names and values, as texts. Two statements, on the connection that is measured with."""
    return {"PostgreSQL": _postgresql(), **machine(), **_settings()}


def machine() -> dict[str, str]:
    """The same, of what is known without a database."""
    load, _, _ = os.getloadavg()
    return {
        "Python": platform.python_version(),
        "Django": django.__version__,
        "psycopg": psycopg.__version__,
        "CPUs": str(len(os.sched_getaffinity(0))),
        "CPU": _cpu(),
        "system": f"{platform.system()} {platform.release()}",
        "load before": f"{load:.2f}",
        "commit": _git("rev-parse", "--short=12", "HEAD") or "unknown",
        "changed since the commit": "yes" if _git("status", "--porcelain") else "no",
    }


def _postgresql() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return str(cursor.fetchone()[0]).split()[0]


def _settings() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)",
            [list(_SETTINGS)],
        )
        found = dict(cursor.fetchall())
    return {name: found[name] for name in _SETTINGS if name in found}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")


def _git(*arguments: str) -> str:
    """What git says, or nothing where there is no repository or no git."""
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
