from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser

from taskproject.cachestat import CacheStat, NoRedis, look, reset
from taskproject.tenancy.management.arguments import TaughtCommand

_HELP: Final = """\
Tells what Redis keeps for the service, and of what use it is: how often a token
or an answer was found there, what was found instead, how many changes ended
what was kept, the keys of each kind and their sizes. docs/caching.md says what
the words mean.

Requests by session are not counted. The figures go on while Redis does; a flush
or --reset begins anew.
"""
_EPILOG: Final = """\
examples:
  manage.py cachestat
  manage.py cachestat --json | jq .counts.answer

exit codes: 0 told; 1 Redis is not there
"""
_NAMES: Final = {"access": "tokens", "answer": "answers"}


class Command(TaughtCommand):
    """Tell what Redis keeps, and of what use it is."""

    help = _HELP
    examples = _EPILOG
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.add_argument("--reset", action="store_true", help="tell, then count anew")

    def handle(self, *, json: bool, **options: Any) -> None:
        try:
            found = look()
            if options["reset"]:
                reset()
        except NoRedis as error:
            raise CommandError(str(error)) from error
        self.stdout.write(_as_json(found) if json else "\n".join(_lines(found)))


def _as_json(found: CacheStat) -> str:
    ratios = {family: found.ratio(family) for family in _NAMES}
    return json.dumps({**asdict(found), "hit_ratios": ratios}, indent=1)


def _lines(found: CacheStat) -> list[str]:
    limit = f" of {_size(found.max_bytes)}" if found.max_bytes else ", without a limit"
    since = "Nothing has been counted yet."
    if found.since is not None:
        since = f"Counted since {datetime.fromtimestamp(found.since, UTC):%Y-%m-%d %H:%M:%S} UTC."
    return [
        f"Version {found.version} answers in {found.answer_ms:.2f} ms. It uses "
        f"{_size(found.used_bytes)}{limit}, and has evicted {found.evicted_keys:,} keys.",
        since,
        "",
        "found       asked for    found  ratio  in detail",
        *(_found(found, family) for family in _NAMES),
        "",
        f"changes     {_detail(found.counts.get('bump', {}))}",
        f"breaker     opened {found.counts.get('breaker', {}).get('opened', 0):,} times, in "
        "processes that have reached Redis since",
        "",
        "keys                      number       size",
        *(
            f"{each.name:20} {each.keys:11,} {_size(each.size_bytes):>10}"
            for each in found.families
        ),
    ]


def _found(found: CacheStat, family: str) -> str:
    counts, ratio = found.counts.get(family, {}), found.ratio(family)
    asked = sum(counts.values())
    hits = round(asked * ratio) if ratio is not None else 0
    share = "    –" if ratio is None else f"{ratio:5.1%}"
    return f"{_NAMES[family]:11} {asked:9,} {hits:8,}  {share}  {_detail(counts)}"


def _detail(counts: Any) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in sorted(counts.items())) or "none"


def _size(size_bytes: int) -> str:
    if size_bytes < 1024 * 1024:
        return f"{size_bytes / 1024:.1f} KiB"
    return f"{size_bytes / 1024 / 1024:.1f} MiB"
