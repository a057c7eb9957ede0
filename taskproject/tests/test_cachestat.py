"""`manage.py cachestat`: what it counts and how it says it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from taskproject import caching
from taskproject.breaker import Breaker
from taskproject.tests.api.calls import Api, api_of
from taskproject.tests.cached import bump, put
from taskproject.tests.cast import make_cast, make_project
from taskproject.tests.outages import cache_refused, no_cache

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def api() -> Api:
    cast = make_cast()
    make_project(cast.alpha, cast.alice)
    return api_of(cast.alpha, cast.alice)


def stat(*options: str) -> str:
    output = io.StringIO()
    call_command("cachestat", *options, stdout=output)
    return output.getvalue()


def counted(*options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stat("--json", *options))
    return found


def test_it_counts_what_was_asked_for_and_what_was_found(api: Api) -> None:
    counted("--reset")
    for _ in range(5):
        api.get("tasks/")
    api.post("tasks/", {"project": "WEB", "title": "New"})
    api.get("tasks/")

    found = counted()

    assert found["counts"]["access"] == {"miss": 1, "hit": 6}
    assert found["counts"]["answer"] == {"cold": 1, "build": 2, "same": 2}
    assert found["counts"]["bump"]["rows"] == 1
    assert found["hit_ratios"] == {"access": 6 / 7, "answer": 2 / 5}
    families = {each["name"]: each["keys"] for each in found["families"]}
    assert families | {"figures": 1, "value:rows": 1, "value:access": 1} == families
    assert all(each["size_bytes"] > 0 for each in found["families"])


def test_it_reads_well(api: Api) -> None:
    stat("--reset")
    for _ in range(4):
        api.get("tasks/")
    lines = stat().splitlines()

    assert "answers in" in lines[0]
    assert "of 128.0 MiB, and has evicted 0 keys." in lines[0]
    assert lines[1].startswith("Counted since 20")
    assert "answers             3        1  33.3%  build 1, cold 1, same 1" in lines
    assert "changes     none" in lines


def test_reset_begins_anew() -> None:
    bump("access:1")
    assert counted("--reset")["counts"]["bump"] == {"access": 1}
    found = counted()
    assert (found["counts"], found["hit_ratios"]["answer"]) == ({}, None)


def test_it_tells_how_often_redis_was_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = Breaker()
    monkeypatch.setattr(caching, "breaker", breaker)
    with cache_refused(tmp_path):
        for _ in range(3):
            put("v")
    assert breaker.is_open
    breaker._open_until_s = 0
    put("v")

    assert "breaker     opened 1 times" in stat()


def test_without_redis_it_says_so(tmp_path: Path) -> None:
    with cache_refused(tmp_path), pytest.raises(CommandError, match="Redis does not answer: "):
        stat()
    with no_cache(), pytest.raises(CommandError, match="No Redis is configured: set REDIS_URL"):
        stat()
