"""Pairs that try to make the lab believe what is not so: `--module perf.tests.planted_faults`."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

from django.db import connection

from perf import NotHere, variant
from perf.tests.planted import NotePair, PlacePair, planted, rows, write


class FaultPair(PlacePair):
    """The efficient way is right, and the other one is too, in its own manner."""

    @variant(efficient=True)
    def right(self, place: int) -> Any:
        """Looks into the index."""
        return self.by_index(place)

    @variant()
    def other(self, place: int) -> Any:
        """Does the same with a fault."""
        return self.faulty(place)

    def faulty(self, place: int) -> Any:
        return self.by_index(place)


@planted("changes_setting")
class ChangesSetting(FaultPair):
    def faulty(self, place: int) -> Any:
        write("SET enable_indexscan = off")
        return self.by_index(place)


@planted("opens_transaction")
class OpensTransaction(FaultPair):
    def faulty(self, place: int) -> Any:
        write("BEGIN")
        return self.by_index(place)


@planted("wrong_later")
class WrongLater(FaultPair):
    def set_up(self) -> None:
        self.calls = itertools.count()

    def faulty(self, place: int) -> Any:
        return self.by_index(place) if next(self.calls) < 100 else []


@planted("returns_nothing")
class ReturnsNothing(PlacePair):
    @variant(efficient=True)
    def one(self, place: int) -> None:
        """Looks into the index, and forgets to return it."""
        self.by_index(place)

    @variant()
    def other(self, place: int) -> None:
        """Looks elsewhere, and forgets that too."""
        self.by_scan(place)


@planted("finds_nothing")
class FindsNothing(PlacePair):
    """Asks for what is not there, each time."""

    @variant(efficient=True)
    def one(self, place: int) -> list[Any]:
        """By the index."""
        return self.by_index(-1)

    @variant()
    def other(self, place: int) -> list[Any]:
        """By a scan."""
        return self.by_scan(-1)


@planted("generates")
class Generates(FaultPair):
    def faulty(self, place: int) -> Iterator[Any]:
        return (each for each in self.by_index(place))


@planted("copies_in")
class CopiesIn(FaultPair):
    """Writes by what is no statement that could be explained, and declares nothing."""

    def faulty(self, place: int) -> Any:
        with connection.cursor() as cursor:
            copying: Any = cursor
            with copying.copy("COPY perf_planted FROM STDIN") as copy:
                copy.write_row((-place - 1_000_000, 1_000_000, "copied"))
        found = self.by_index(place)
        write("DELETE FROM perf_planted WHERE id < -999999")
        return found


@planted("set_up_raises")
class SetUpRaises(FaultPair):
    def set_up(self) -> None:
        raise RuntimeError("first line\nsecond line")


@planted("half_set_up")
class HalfSetUp(FaultPair):
    """What `set_up` would have made is missing when it is told that it can't be here."""

    made: list[int]

    def set_up(self) -> None:
        raise NotHere("half of it is missing")

    def tear_down(self) -> None:
        self.made.clear()


@planted("tear_down_raises")
class TearDownRaises(FaultPair):
    def tear_down(self) -> None:
        raise RuntimeError("it is not undone")


@planted("odd_error")
class OddError(FaultPair):
    def faulty(self, place: int) -> Any:
        raise ValueError("half a character: \udcff")


@planted("breaks_session")
class BreaksSession(FaultPair):
    """Fails amid a transaction: what comes next in this session must not fail too."""

    def faulty(self, place: int) -> Any:
        write("BEGIN")
        return rows("SELECT 1 / 0")


@planted("dies_counted")
class DiesCounted(FaultPair):
    """Takes its process with it, as one does that wants too much memory."""

    def faulty(self, place: int) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


@planted("dies_timed")
class DiesTimed(FaultPair):
    """Takes its process with it, but only while it is timed: what is there is frozen then."""

    def faulty(self, place: int) -> Any:
        if gc.get_freeze_count():
            os.kill(os.getpid(), signal.SIGKILL)
        return self.by_index(place)


@planted("dies_amid_statement")
class DiesAmidStatement(FaultPair):
    """Takes its process with it while PostgreSQL is still at work for it, in its database."""

    def faulty(self, place: int) -> Any:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return rows("SELECT pg_sleep(1000)")


@planted("leaves_table")
class LeavesTable(FaultPair):
    """Puts an empty table before the real one, for as long as the session lasts."""

    def faulty(self, place: int) -> Any:
        write("CREATE TEMPORARY TABLE IF NOT EXISTS perf_planted (LIKE public.perf_planted)")
        return [[1, "word"]]


@planted("prints")
class Prints(FaultPair):
    """A good pair that talks, in letters of all kinds."""

    def faulty(self, place: int) -> Any:
        print("Schöne Grüße, 世界")  # noqa: T201
        return self.by_index(place)


@planted("large_result")
class LargeResult(FaultPair):
    """A good pair of a row that has many megabytes."""

    @variant(efficient=True)
    def right(self, place: int) -> Any:
        """Repeats a word in PostgreSQL."""
        return rows("SELECT repeat('naïve ', 1000000)")

    def faulty(self, place: int) -> Any:
        return [["naïve " * 1_000_000]]


@planted("half_cleared", commits=True)
class HalfCleared(NotePair):
    """What a call has committed is not all taken away again."""

    @variant(efficient=True)
    def one(self) -> None:
        """Two of them."""
        self.add(*self._free(2))

    @variant()
    def other(self) -> None:
        """Two as well."""
        self.add(*self._free(2))

    def clear(self) -> None:
        write("DELETE FROM perf_planted WHERE id = (SELECT min(id) FROM perf_planted)")

    def _free(self, number: int) -> range:
        ((least,),) = rows("SELECT least(min(id), 0) FROM perf_planted")
        return range(1 - least, 1 - least + number)


@planted("commits", writes=True)
class Commits(NotePair):
    """One way ends the transaction that should have been rolled back."""

    @variant(efficient=True)
    def kept(self) -> None:
        """Is rolled back."""
        write("DELETE FROM perf_planted WHERE id < 0")
        self.add(1)

    @variant()
    def committed(self) -> None:
        """Is not."""
        write("DELETE FROM perf_planted WHERE id < 0")
        self.add(1)
        write("COMMIT")
