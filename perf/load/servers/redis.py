"""What Redis, or Valkey, did in the measured part: commands, hits, memory. Read by INFO."""

from __future__ import annotations

from typing import Any, Final

from redis import Redis

from perf.load.results import ServerSide, Share

TIMEOUT_S: Final = 2.0
_PREFIX: Final = "cmdstat_"
_OURS: Final = "info"
_SCRIPTS: Final = frozenset({"eval", "evalsha", "eval_ro", "evalsha_ro", "fcall", "fcall_ro"})
_COUNTERS: Final[tuple[str, ...]] = (
    *("keyspace_hits", "keyspace_misses", "expired_keys", "evicted_keys"),
    *("rejected_connections", "total_net_input_bytes", "total_net_output_bytes"),
)
_GAUGES: Final[tuple[str, ...]] = ("used_memory", "maxmemory")

type Info = dict[str, Any]


def client(url: str) -> Redis:
    """A client that waits for 2 s at most. Raises `RedisError` when it is first used."""
    return Redis.from_url(url, socket_timeout=TIMEOUT_S)


class Commands:
    """Commands by their time in Redis, which is busy with one at a time; of the whole server.

    Two commands at each end. Raises `LookupError` where the counts began anew meanwhile.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._before: tuple[Info, Info] = ({}, {})

    def begin(self) -> None:
        self._before = self._look()

    def sample(self) -> None:
        pass

    def end(self) -> ServerSide:
        (commands, others), (then, others_then) = self._look(), self._before
        if others["run_id"] != others_then["run_id"] or _fell(then, commands):
            raise LookupError("It was started or its counts were reset within the run.")
        gained = {name: others[name] - others_then[name] for name in _COUNTERS if name in others}
        now = {name: others[name] for name in _GAUGES if name in others}
        counts = {name: float(value) for name, value in (gained | now).items()}
        return ServerSide(redis=tuple(_shares(then, commands)), redis_counts=counts)

    def _look(self) -> tuple[Info, Info]:
        commands: Any = self._redis.info("commandstats")
        others: Any = self._redis.info()
        names = {name.removeprefix(_PREFIX): each for name, each in commands.items()}
        return {name: each for name, each in names.items() if name != _OURS}, others


def _fell(then: Info, now: Info) -> bool:
    return any(now.get(name, {"calls": 0})["calls"] < each["calls"] for name, each in then.items())


def _shares(then: Info, now: Info) -> list[Share]:
    gained = {name: _gained(then.get(name, {}), each) for name, each in now.items()}
    called = {name: each for name, each in gained.items() if each["calls"]}
    whole_us = sum(each["usec"] for each in called.values()) or 1
    found = [
        Share(
            name,
            each["usec"] / whole_us,
            each["calls"],
            each["usec"] / 1000,
            _note(name, each["failed_calls"]),
        )
        for name, each in called.items()
    ]
    return sorted(found, key=lambda each: -each.share)


def _gained(then: Info, now: Info) -> dict[str, int]:
    names = ("calls", "usec", "failed_calls")
    return {name: now.get(name, 0) - then.get(name, 0) for name in names}


def _note(name: str, failed: int) -> str:
    told = [f"{failed:,} failed"] if failed else []
    # A command of a script is counted by itself too, so that the sum holds its time twice.
    scripts = ["with the commands of its script"] if name in _SCRIPTS else []
    return ", ".join([*told, *scripts])
