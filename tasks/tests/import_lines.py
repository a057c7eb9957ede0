"""Lines of import files for tests: a good record, changed where a test says so."""

from __future__ import annotations

import gzip
import io
import json
from itertools import count
from pathlib import Path
from typing import Any

_numbers = count(1)


def record(**changes: Any) -> dict[str, Any]:
    """A record of tenant acme, project WEB, with an external key of its own."""
    values: dict[str, Any] = {
        "tenant": "acme",
        "project": "WEB",
        "external_key": f"key-{next(_numbers)}",
        "title": "A task",
        "description": "Do it.",
        "status": "pending",
        "priority": "normal",
        "creator": "ann",
        "assignee": None,
        "labels": [],
        "created_at": "2024-05-31T12:00:00+02:00",
        "completed_at": None,
        "updated_at": "2024-06-01T12:00:00Z",
    }
    return values | changes


def encoded(*records: dict[str, Any] | bytes) -> bytes:
    """NDJSON of records; bytes are taken as they are."""
    return b"".join(
        (each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in records
    )


def write(folder: Path, *records: dict[str, Any] | bytes, packed: bool = False) -> str:
    """An import file of those records, and its path."""
    path = folder / "tasks.ndjson"
    content = encoded(*records)
    path.write_bytes(gzip.compress(content) if packed else content)
    return str(path)


class Interrupted(io.RawIOBase):
    """Input of some records, and then Ctrl-C."""

    def __init__(self, *records: dict[str, Any]) -> None:
        self._parts = [encoded(*records)]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._parts:
            raise KeyboardInterrupt
        part = self._parts.pop()
        buffer[: len(part)] = part
        return len(part)
