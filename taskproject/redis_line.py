"""A line to Redis that a thread keeps to itself, for what each request asks.

django-redis' client takes a connection from a pool for each command and gives it back. That takes
as much CPU again as to send the command and to read the answer.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

_own: Final = threading.local()


def ask(client: Any, *command: Any) -> Any:
    """What Redis answers to a command, on this thread's line to the server of a redis-py client.

    A line that the server has closed meanwhile is opened anew, once: such a command was not read,
    or its answer is lost. Raises `RedisError` or `OSError`; the next command then opens a new line.
    """
    line, is_new = _line(client.connection_pool)
    try:
        return _asked(line, command)
    except RedisConnectionError:
        if is_new:
            raise
    return _asked(line, command)  # its connection was closed by the error


def _asked(line: Any, command: tuple[Any, ...]) -> Any:
    line.send_command(*command)
    return line.read_response()


def _line(pool: Any) -> tuple[Any, bool]:
    held = getattr(_own, "line", None)
    # Not that of a parent process: both would read from it.
    if held is not None and _own.belongs_to == (pool, os.getpid()):
        return held, not held.is_connected
    if held is not None:
        with suppress(RedisError, OSError):
            held.disconnect()
    _own.belongs_to = pool, os.getpid()
    _own.line = pool.connection_class(**pool.connection_kwargs)
    return _own.line, True
