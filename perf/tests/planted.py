"""Pairs of which the answer is known, for the tests of the lab: `--module perf.tests.planted`.

They use one small table of their own, so that they run in any project.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from django.core.cache import cache
from django.db import connection, transaction

from perf import Dataset, NotHere, Pair, claim, pair, variant
from perf.claims import Claim

TABLE: Final = """
    CREATE TABLE perf_planted (
        id bigint PRIMARY KEY,
        place bigint NOT NULL,
        word text NOT NULL
    );
    INSERT INTO perf_planted
    SELECT n, n * 7919 %% %(size)s, repeat('word ', 20) || n FROM generate_series(1, %(size)s) AS n;
    CREATE INDEX perf_planted_place_idx ON perf_planted (place);
    GRANT SELECT, INSERT, UPDATE, DELETE ON perf_planted TO PUBLIC
"""


class PlantedDataset(Dataset):
    """A table whose `place` is 0 to size - 1 in no order."""

    name = "planted"
    version = "1"

    def fill(self, size: int) -> None:
        with self.as_owner(), connection.cursor() as cursor:
            for statement in TABLE.split(";"):
                cursor.execute(statement, {"size": size})

    def open(self, size: int) -> int:
        return size


PLANTED: Final = PlantedDataset()


def rows(sql: str, *params: Any) -> list[tuple[Any, ...]]:
    """All rows of a statement."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def write(sql: str, *params: Any) -> None:
    """Run a statement that returns nothing."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def planted(
    name: str, *, writes: bool = False, commits: bool = False, tags: Sequence[str] = ("planted",)
) -> Any:
    """Declare a pair on the planted table."""
    return pair(
        f"planted.{name}",
        title=name.replace("_", " "),
        dataset=PLANTED,
        page="planted",
        caveat="It is planted.",
        sizes=(10_000,),
        large_sizes=(20_000,),
        tags=tags,
        writes=writes,
        commits=commits,
    )


class PlacePair(Pair):
    """Pairs that look for one place: by its index, and by what no index has."""

    def arguments(self, rng: random.Random) -> tuple[int]:
        return (rng.randrange(self.size),)

    def by_index(self, place: int) -> list[tuple[Any, ...]]:
        return rows("SELECT id, word FROM perf_planted WHERE place = %s", place)

    def by_scan(self, place: int) -> list[tuple[Any, ...]]:
        return rows("SELECT id, word FROM perf_planted WHERE place + 0 = %s", place)


@planted("lookup")
class Lookup(PlacePair):
    """A good pair, whose claims hold."""

    claims: ClassVar[Sequence[Claim]] = (
        claim.queries("indexed", 1),
        claim.uses_index("indexed", "perf_planted_place_idx"),
        claim.blocks("indexed", at_most=4),
        claim.faster("indexed", than="scanned", by=1.01, at=10_000),
    )

    @variant(efficient=True)
    def indexed(self, place: int) -> Any:
        """Looks into the index."""
        return self.by_index(place)

    @variant()
    def scanned(self, place: int) -> Any:
        """Hides the column from the index."""
        return self.by_scan(place)


@planted("false_claim")
class FalseClaim(Lookup):
    """Equal rows, and a claim that no machine makes true."""

    claims = (claim.faster("indexed", than="scanned", by=1_000, at=10_000),)


@planted("false_count")
class FalseCount(Lookup):
    """Equal rows, and a claim that counting refutes."""

    claims = (claim.queries("indexed", 2),)


@planted("same")
class Same(PlacePair):
    """A way beside itself."""

    @variant(efficient=True)
    def one(self, place: int) -> Any:
        """Looks into the index."""
        return self.by_index(place)

    @variant()
    def other(self, place: int) -> Any:
        """Looks into the index too."""
        return self.by_index(place)


@planted("other_rows")
class OtherRows(PlacePair):
    """The naive way finds nothing, ever."""

    @variant(efficient=True)
    def right(self, place: int) -> Any:
        """Looks into the index."""
        return self.by_index(place)

    @variant()
    def wrong(self, place: int) -> Any:
        """Looks one place too far."""
        return self.by_index(place + 1)


@planted("sometimes_other_rows")
class SometimesOtherRows(PlacePair):
    """Equal rows for nine places of ten."""

    @variant(efficient=True)
    def right(self, place: int) -> Any:
        """Looks into the index."""
        return self.by_index(place)

    @variant()
    def wrong(self, place: int) -> Any:
        """Looks one place too far now and then."""
        return self.by_index(place + (place % 10 == 0))


class NotePair(Pair):
    """Pairs that add ten rows."""

    def state(self) -> Any:
        return rows("SELECT id, place FROM perf_planted WHERE id < 0 ORDER BY id")

    def add(self, *numbers: int) -> None:
        found = ", ".join(f"({-number}, {number}, 'note')" for number in numbers)
        write(f"INSERT INTO perf_planted (id, place, word) VALUES {found}")


@planted("notes", writes=True)
class Notes(NotePair):
    """A good pair that writes."""

    claims = (claim.queries("at_once", 1), claim.queries("one_by_one", 10))

    @variant(efficient=True)
    def at_once(self) -> None:
        """One statement."""
        self.add(*range(1, 11))

    @variant()
    def one_by_one(self) -> None:
        """A statement for each row."""
        for number in range(1, 11):
            self.add(number)


@planted("unequal_notes", writes=True)
class UnequalNotes(NotePair):
    """Writes, and forgets one."""

    @variant(efficient=True)
    def all(self) -> None:
        """Ten of them."""
        self.add(*range(1, 11))

    @variant()
    def most(self) -> None:
        """Nine of them."""
        self.add(*range(1, 10))


@planted("committed_notes", commits=True)
class CommittedNotes(NotePair):
    """A good pair that commits, and takes away again what it has written."""

    @variant(efficient=True)
    def at_once(self) -> None:
        """One statement, one COMMIT."""
        self.add(*range(1, 11))

    @variant()
    def one_by_one(self) -> None:
        """A COMMIT for each row."""
        for number in range(1, 11):
            self.add(number)

    def clear(self) -> None:
        write("DELETE FROM perf_planted WHERE id < 0")


@planted("large", tags=("large",))
class Large(PlacePair):
    """Both ways take longer than a quick run would wait for."""

    @variant(efficient=True)
    def sleeps(self, place: int) -> Any:
        """Waits a little, and looks into the index."""
        rows("SELECT pg_sleep(0.12)")
        return self.by_index(place)

    @variant()
    def sleeps_longer(self, place: int) -> Any:
        """Waits twice as long."""
        rows("SELECT pg_sleep(0.24)")
        return self.by_index(place)


@planted("undeclared_write")
class UndeclaredWrite(NotePair):
    """Writes, and does not say so."""

    @variant(efficient=True)
    def update(self) -> list[Any]:
        """Changes a row and reads it."""
        with transaction.atomic():
            return rows("UPDATE perf_planted SET place = place WHERE id = 1 RETURNING id")

    @variant()
    def read(self) -> list[Any]:
        """Reads it only."""
        return rows("SELECT id FROM perf_planted WHERE id = 1")


@planted("raises")
class Raises(PlacePair):
    """One way asks for a column that is not there."""

    @variant(efficient=True)
    def right(self, place: int) -> Any:
        """Looks into the index."""
        return self.by_index(place)

    @variant()
    def wrong(self, place: int) -> Any:
        """Asks for what is not there."""
        return rows("SELECT nothing FROM perf_planted WHERE place = %s", place)


@planted("not_here")
class Elsewhere(Same):
    """Needs what no machine has."""

    def set_up(self) -> None:
        raise NotHere("a quantum computer is missing")


@planted("cached")
class Cached(PlacePair):
    """Writes to the project's cache under a key that the application may have too."""

    @variant(efficient=True)
    def kept(self, place: int) -> Any:
        """Asks the cache first."""
        return cache.get_or_set(f"planted-{place}", lambda: self.by_index(place))

    @variant()
    def asked(self, place: int) -> Any:
        """Asks PostgreSQL each time, and writes the answer down."""
        found = self.by_index(place)
        cache.set("planted", "of the lab")
        return found
