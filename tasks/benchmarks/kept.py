"""Answers of the REST API that are kept in Redis: what a hit saves, and what a miss costs."""

from __future__ import annotations

import itertools
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from perf import claim, pair, variant
from tasks.benchmarks.clients import API, NO_CACHE, Answered, Asked, Caller, RestPair, asked
from tasks.benchmarks.datasets import TASKS

_EPOCH: Final = datetime(1971, 1, 1, tzinfo=UTC)  # earlier than all tasks


class KeptPair(RestPair):
    """A page of tasks."""

    def canonical(self, result: Any) -> Any:
        return [json.loads(each)["results"] for each in result]


@pair(
    "tasks.kept_page",
    title="A page that is asked for again",
    dataset=TASKS,
    page="caching",
    caveat=(
        "A page that is asked for once or twice between two changes of its tenant gains nothing:"
        " see tasks.kept_page_missed."
    ),
    tags=("caching", "rest"),
)
class KeptPage(KeptPair):
    """Kept, because it has been asked for twice, and nothing has changed in the tenant since."""

    claims = (
        claim.queries("kept", 0),
        claim.queries("unchanged", 0),
        claim.queries("uncached", 1),
        claim.faster("kept", than="uncached", by=1.5, at=10_000),
    )

    def arguments(self, rng: random.Random) -> tuple[Any, ...]:
        caller = self.caller(self.data.draw(rng))
        path = caller.at(API)
        plain = asked(caller, "GET", path)
        for _ in range(2):
            held = self.answer(plain)
        tagged = asked(caller, "GET", path, headers={"if-none-match": held.headers["ETag"]})
        return plain, tagged, asked(caller, "GET", path, headers=NO_CACHE), held

    @variant(efficient=True)
    def kept(self, plain: Asked, tagged: Asked, fresh: Asked, held: Answered) -> list[bytes]:
        """The answer as it was kept: one round trip to Redis, no statement."""
        return [self.answer(plain).body]

    @variant()
    def unchanged(self, plain: Asked, tagged: Asked, fresh: Asked, held: Answered) -> list[bytes]:
        """A client that has the answer is told so (304)."""
        self.answer(tagged, status=304)
        return [held.body]

    @variant()
    def uncached(self, plain: Asked, tagged: Asked, fresh: Asked, held: Answered) -> list[bytes]:
        """The database is asked each time."""
        return [self.answer(fresh).body]


@pair(
    "tasks.kept_page_missed",
    title="A page that is asked for twice and never again",
    dataset=TASKS,
    page="caching",
    caveat=(
        "To keep in vain costs a seventh more, 0.3 ms of two requests; a hit saves 0.8 ms. So it"
        " has paid when an answer is asked for a third time."
    ),
    tags=("caching", "rest"),
)
class KeptPageMissed(KeptPair):
    """Each call asks for another page: with what is later than another time before all tasks."""

    claims = (claim.queries("uncached", 2), claim.queries("kept_in_vain", 2))

    def set_up(self) -> None:
        super().set_up()
        self._numbers = itertools.count()

    def arguments(self, rng: random.Random) -> tuple[Caller]:
        return (self.caller(self.data.draw(rng)),)

    @variant(efficient=True)
    def uncached(self, caller: Caller) -> list[bytes]:
        """The database is asked twice, and nothing is kept."""
        return self._asked_twice(caller, NO_CACHE)

    @variant()
    def kept_in_vain(self, caller: Caller) -> list[bytes]:
        """The first time a mark is left in Redis, the second time the answer is kept there."""
        return self._asked_twice(caller, {})

    def _asked_twice(self, caller: Caller, headers: dict[str, str]) -> list[bytes]:
        moment = _EPOCH + timedelta(microseconds=next(self._numbers))
        path = caller.at(API, f"?created_after={quote(moment.isoformat())}")
        request = asked(caller, "GET", path, headers=headers)
        return [self.answer(request).body for _ in range(2)]
