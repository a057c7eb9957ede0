"""Doing a transaction again that PostgreSQL broke off for the sake of another one."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from django.db import IntegrityError, OperationalError, connection

ATTEMPTS: Final = 5
_PAUSE_S: Final = 0.02
# https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html
# serialization_failure, deadlock_detected; and unique_violation, where what was looked for before
# has come meanwhile: the next look finds it.
RETRIABLE: Final = frozenset({"40001", "40P01", "23505"})


def retried[**P, R](work: Callable[P, R]) -> Callable[P, R]:
    """`work`, done again in a fresh transaction after a deadlock, a failed serialization or a
    unique value that came meanwhile: five times at most, after pauses of 20 ms and more.

    It is done once amid a caller's transaction, since what came before is lost as well, and with an
    iterator for an argument, which can't be read again. Nothing may leave it before its end.
    """

    @functools.wraps(work)
    def attempts(*args: P.args, **kwargs: P.kwargs) -> R:
        given = (*args, *kwargs.values())
        if connection.in_atomic_block or any(isinstance(each, Iterator) for each in given):
            return work(*args, **kwargs)
        for attempt in range(1, ATTEMPTS):
            try:
                return work(*args, **kwargs)
            except (OperationalError, IntegrityError) as error:
                if sqlstate_of(error) not in RETRIABLE:
                    raise
            time.sleep(_PAUSE_S * attempt * (1 + random.random()))  # noqa: S311
        return work(*args, **kwargs)

    return attempts


def sqlstate_of(error: BaseException) -> Any:
    """PostgreSQL's code of an error that Django raised; None if it has none."""
    return getattr(error.__cause__, "sqlstate", None)
