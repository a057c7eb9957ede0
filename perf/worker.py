"""One execution: a process that does one job and ends. Run as `python -m perf.worker FD`.

The job is read from standard input, and messages go to the file descriptor FD, so that whatever a
pair prints disturbs nothing.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import IO, Any, Final

import django
import msgspec
from django.db import connection, transaction

from perf import catalogue, equality
from perf.catalogue import CatalogueError, NotHere, Pair, PairSpec
from perf.controls import controlled
from perf.engine.results import Counters, Statement
from perf.engine.sampling import (
    Arguments,
    Around,
    Way,
    calibrate,
    frozen,
    sample_ns,
    take_rounds,
)
from perf.messages import (
    Begun,
    Counted,
    Done,
    Failed,
    Job,
    Message,
    Target,
    Timed,
    slow_key,
)
from perf.pg.cold import evicting
from perf.pg.counters import (
    counting,
    fetched_blocks,
    gathered,
    in_transaction,
    peak_bytes,
    session_settings,
    written_rows,
)
from perf.pg.databases import disconnect, using

_NOTHING: Final = {equality.digest(None), equality.digest([])}
_WRITTEN_DRAWS: Final = 2  # a loop that writes row by row takes seconds under EXPLAIN


class RowsDiffer(Exception):
    """Two ways of a pair do not return the same."""


class Worker:
    """Does a job, and tells what it finds."""

    def __init__(self, job: Job, out: IO[bytes]) -> None:
        self._job = job
        self._out = out
        self._specs = {each.name: each for each in catalogue.discover(job.modules)}
        self._rng = random.Random(f"{job.seed}:{job.execution}")

    def run(self) -> None:
        """Go through all sizes and pairs, in random order where they are timed."""
        targets = list(self._job.targets)
        if self._job.kind == "time":
            self._rng.shuffle(targets)
            with using(targets[0].database) if targets else nullcontext():
                for number in range(self._job.controls):
                    self._tell(controlled(self._job, number, self._rng))
        for target in targets:
            with using(target.database):
                self._go_through(target)
        self._tell(Done())

    def _go_through(self, target: Target) -> None:
        names = list(target.pairs)
        if self._job.kind == "time":
            self._rng.shuffle(names)
        opened: dict[str, Any] = {}
        spoilt_by = ""
        for name in names:
            spec = self._specs[name]
            self._tell(Begun(name, target.size))
            if spoilt_by:
                why = f"{spoilt_by} has written before it what is not rolled back"
                self._tell(self._refused(name, target.size, why))
                continue
            try:
                if spec.dataset.name not in opened:
                    opened[spec.dataset.name] = spec.dataset.open(target.size)
                self._tell(self._looked_at(spec, target.size, opened[spec.dataset.name]))
            except NotHere as error:
                self._tell(self._not_here(spec, target.size, str(error)))
            except Exception as error:
                self._tell(Failed(name, target.size, _told(error)))
                if spec.writes and isinstance(error, CatalogueError):
                    spoilt_by = name
            disconnect()  # temporary tables, locks, what was prepared: nothing is for the next pair

    def _refused(self, name: str, size: int, why: str) -> Counted | Timed:
        if self._job.kind == "count":
            return Counted(name, size, refusal=why)
        return Timed(name, size, self._job.execution, {}, {}, {}, {}, refusal=why)

    def _not_here(self, spec: PairSpec, size: int, why: str) -> Counted | Timed:
        """That it is skipped, or only not timed: what was counted of it holds all the same."""
        if self._job.kind == "count":
            return Counted(spec.name, size, skipped=why)
        notes = {each.name: why for each in spec.variants}
        return Timed(spec.name, size, self._job.execution, {}, {}, {}, {}, notes=notes)

    def _looked_at(self, spec: PairSpec, size: int, data: Any) -> Message:
        """The pair counted or timed; refused if it leaves the session otherwise than it was."""
        before = session_settings(connection)
        message = self._measured(spec, size, data)
        if in_transaction(connection):
            why = "it leaves a transaction open"
        elif changed := before.items() ^ session_settings(connection).items():
            names = ", ".join(sorted({name for name, _ in changed}))
            why = f"it leaves the session with other settings: {names}"
        else:
            return message
        return message if message.refusal else msgspec.structs.replace(message, refusal=why)

    def _measured(self, spec: PairSpec, size: int, data: Any) -> Counted | Timed:
        job = self._job.of_large if spec.is_large else self._job
        counts = job.kind == "count"
        draws = job.counted_draws if counts else job.draws
        if counts and spec.writes:
            draws = min(draws, _WRITTEN_DRAWS)
        stage = Stage(spec, spec.cls(size, data), self._draw_rng(spec), draws)
        stage.pair.set_up()
        try:
            if counts:
                return stage.counted()
            if job.cache == "cold":
                database = str(connection.settings_dict["NAME"])
                with evicting(job.superuser_url, database) as evict:
                    return stage.timed(job, self._rng, evict)
            return stage.timed(job, self._rng)
        finally:
            stage.pair.tear_down()

    def _draw_rng(self, spec: PairSpec) -> random.Random:
        """The same for all sizes: growth is that of like draws."""
        return random.Random(f"{self._job.seed}:{spec.name}:{self._job.execution}")

    def _tell(self, message: Message) -> None:
        self._out.write(msgspec.json.encode(message) + b"\n")
        self._out.flush()


class Stage:
    """One pair at one size, with the arguments that were drawn for it."""

    def __init__(self, spec: PairSpec, pair: Pair, rng: random.Random, draws: int) -> None:
        self.spec = spec
        self.pair = pair
        self._rng = rng
        self._number = draws
        self._undone: Around | None = self._rolled_back if spec.writes else None
        self._around = self._cleared if spec.commits else self._undone

    def counted(self) -> Counted:
        """The digests of all ways, proven equal, and what each costs on each draw."""
        draws = self._drawn()
        counters = {}
        before = written_rows(connection)
        try:
            digests, rows = self._proven(draws)
        except RowsDiffer as error:
            return Counted(self.spec.name, self.pair.size, refusal=str(error))
        if _NOTHING.issuperset(digests):
            why = "no way returns anything, so nothing is proven"
            return Counted(self.spec.name, self.pair.size, refusal=why)
        call_s = {}
        for each in self.spec.variants:
            call = getattr(self.pair, each.name)
            call_s[each.name] = sample_ns(call, draws[:1], 1, self._around) / 1e9
            counters[each.name] = self._counters(call, draws)
        # Asked of pairs that write too: what their session has to report must not come in later.
        if written_rows(connection) != before and not self.spec.writes:
            raise CatalogueError("A pair that writes must be declared with writes=True")
        return Counted(
            self.spec.name,
            self.pair.size,
            rows=rows,
            digest=equality.digest(digests),
            counters=counters,
            call_s=call_s,
        )

    def timed(self, job: Job, rng: random.Random, evict: Callable[[], None] | None = None) -> Timed:
        """Rounds of all ways, after the rows of each draw have been proven equal once more.

        With `evict`, which empties PostgreSQL's buffers, a sample is one call with cold buffers.
        """
        draws = self._drawn()
        ways, notes = self._ways(job.slow)
        try:
            self._proven(draws, without=notes)
        except RowsDiffer as error:
            return self._refused(job, str(error))
        plans = {} if self.spec.writes else self._plans(job, ways)
        number = calibrate(ways, draws, sample_ms=job.sample_ms, around=self._around)
        if evict is not None:
            number = 1
            for each in ways:
                each.repeats = 1  # a second call would find what the first has fetched
        before = fetched_blocks(connection)
        with frozen():
            take_rounds(
                ways,
                draws,
                rounds=job.rounds,
                draws_each=number,
                rng=rng,
                around=self._around,
                before=evict,
            )
        fetched = fetched_blocks(connection) - before
        try:
            self._proven(draws[:1], without=notes)  # of a way that is right only at first
        except RowsDiffer as error:
            return self._refused(job, f"after it was timed, {error}")
        return Timed(
            self.spec.name,
            self.pair.size,
            job.execution,
            calls={each.name: each.repeats * number for each in ways},
            samples={each.name: tuple(each.samples) for each in ways},
            gc_shares={each.name: each.gc_share for each in ways},
            plans=plans,
            fetched_blocks=fetched,
            notes=notes,
        )

    def _refused(self, job: Job, why: str) -> Timed:
        return Timed(self.spec.name, self.pair.size, job.execution, {}, {}, {}, {}, refusal=why)

    def _drawn(self) -> list[Arguments]:
        return [self.pair.arguments(self._rng) for _ in range(self._number)]

    def _ways(self, slow: Mapping[str, float]) -> tuple[list[Way], dict[str, str]]:
        """The ways that are quick enough to be timed, and why the others are not."""
        ways, notes = [], {}
        for each in self.spec.variants:
            took_s = slow.get(slow_key(self.spec.name, self.pair.size, each.name))
            if took_s is None:
                ways.append(Way(each.name, getattr(self.pair, each.name)))
            else:
                notes[each.name] = f"a call takes {took_s:.2g} s: too slow to be timed in this run"
        return ways, notes

    def _proven(
        self, draws: list[Arguments], without: Collection[str] = ()
    ) -> tuple[list[str], int]:
        """The digest of each draw and the rows of the first, or `RowsDiffer` at the first doubt."""
        naive = [each.name for each in self.spec.naive if each.name not in without]
        digests, rows = [], 0
        efficient = self.spec.efficient.name
        for number, draw in enumerate(draws):
            ours = self._outcome(efficient, draw)
            rows = equality.rows(ours) if number == 0 else rows
            digests.append(equality.digest(ours))
            for name in naive:
                theirs = self._outcome(name, draw)
                if equality.digest(theirs) != digests[-1]:
                    where = equality.difference(ours, theirs)
                    raise RowsDiffer(f"{efficient} and {name} differ: {where}")
        return digests, rows

    def _outcome(self, name: str, draw: Arguments) -> Any:
        with _within(self._around):
            if not self.spec.writes:
                return equality.plain(self.pair.canonical(getattr(self.pair, name)(*draw)))
            getattr(self.pair, name)(*draw)
            # Asked of the connection: a statement of ours before the call would change it.
            if not self.spec.commits and not in_transaction(connection):
                raise CatalogueError(f"{name} ends the transaction that is to be rolled back")
            return equality.plain(self.pair.canonical(self.pair.state()))

    def _counters(self, call: Any, draws: list[Arguments]) -> Counters:
        """What commits is counted in a transaction too, where its writes can be explained."""
        found = []
        for draw in draws:
            with _within(self._undone), self._counting() as statements:
                call(*draw)
            found.append(tuple(statements))
        with _within(self._undone):
            held = peak_bytes(lambda: call(*draws[0]))
        return Counters(
            statements=gathered(found[0]),
            blocks_by_draw=tuple(
                sum(each.blocks_hit + each.blocks_read for each in one) for one in found
            ),
            peak_bytes=held,
        )

    def _counting(self) -> AbstractContextManager[list[Statement]]:
        return counting(connection, writes=self.spec.writes)

    def _plans(self, job: Job, ways: Sequence[Way]) -> dict[str, str]:
        """The form of each way's plan for arguments that are the same in each execution: for others
        there may well be another. Of ways that write nothing, whose tables stay as they are."""
        probe = self.pair.arguments(random.Random(f"{job.seed}:{self.spec.name}:plan"))
        return {each.name: self._planned(each.call, probe) for each in ways}

    def _planned(self, call: Any, draw: Arguments) -> str:
        call(*draw)  # what keeps answers asks the first time only
        with counting(connection, run=False) as statements:
            call(*draw)
        # A way that sends many says the same again and again.
        return " ".join(dict.fromkeys(each.fingerprint for each in statements))

    @contextmanager
    def _cleared(self) -> Iterator[None]:
        """What a call has left is cleared away by its pair."""
        try:
            yield
        finally:
            self.pair.clear()

    @contextmanager
    def _rolled_back(self) -> Iterator[None]:
        with self._cleared(), rolled_back():
            yield


def _within(around: Around | None) -> AbstractContextManager[object]:
    return around() if around else nullcontext()


@contextmanager
def rolled_back() -> Iterator[None]:
    """A transaction that leaves nothing."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _told(error: Exception) -> str:
    """An error in a line, and below it where it came from."""
    told = traceback.format_exception_only(error)[0].rstrip()
    text = "\n".join([told, *traceback.format_exception(error, limit=-4)])
    return text.encode(errors="backslashreplace").decode()  # JSON holds no half of a character


def main() -> None:
    """Do the job that stands in standard input. When it is told to end, it cleans up before."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        try:
            _main()
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nothing is left to be cleaned up
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGTERM)


def _main() -> None:
    django.setup()
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    with os.fdopen(int(sys.argv[1]), "wb") as out:
        Worker(job, out).run()


if __name__ == "__main__":
    main()
