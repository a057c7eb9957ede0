"""The newest tasks with a word: by the full-text index, by LIKE, and by vectors row by row.

A word of the full-text search is a whole one, to LIKE it is any run of letters: "late" is in
"template" as well. The words that are drawn here are those that both find in the same tasks.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Final

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import Q, QuerySet

from perf import NotHere, claim, pair, variant
from taskproject.db.context import tenant_context
from tasks.benchmarks.datasets import TASKS, SeededTenant
from tasks.benchmarks.tenants import TenantPair
from tasks.models import LIVE, Task
from tasks.selectors import MATCHED_SORTS, MATCHES_CAP, TASK_SORTS, task_list, task_matches

PAGE: Final = 50
TRIES: Final = 100  # titles, of which a word is drawn
SORTED: Final = MATCHED_SORTS["-created"]
NEWEST_FIRST: Final = TASK_SORTS["-created"]


class SearchPair(TenantPair):
    """The newest tasks of a tenant that have a word in their title or description."""

    pattern: str
    at_least: int
    at_most: int

    def arguments(self, rng: random.Random) -> tuple[SeededTenant, str]:
        with tenant_context(self.tenant.id):
            if (word := next(self._fit_words(rng), None)) is None:
                raise NotHere(f"No word stands in {self.at_least} to {self.at_most} tasks.")
            return self.tenant, word

    def _fit_words(self, rng: random.Random) -> Iterator[str]:
        titles = Task.objects.filter(LIVE).order_by("id").values_list("title", flat=True)
        for _ in range(TRIES):
            words = re.findall(self.pattern, titles[rng.randrange(self.tenant.tasks)])
            if words and self._is_fit(word := rng.choice(words)):
                yield word

    def _is_fit(self, word: str) -> bool:
        """Whether both ways to match find the same tasks, neither too many nor too few."""
        found = _with_vector(word).count()
        if not self.at_least <= found <= self.at_most:
            return False
        return _with_letters(word).count() == found

    @variant(efficient=True)
    def by_index(self, tenant: SeededTenant, word: str) -> list[Task]:
        """The service's way: a function finds the ids by the GIN index, then the page."""
        with tenant_context(tenant.id):
            rows = task_list().filter(pk__in=task_matches(words=word))
            return list(SORTED.page(rows, limit=PAGE))

    @variant()
    def icontains(self, tenant: SeededTenant, word: str) -> list[Task]:
        """UPPER(…) LIKE '%WORD%', as `icontains` has it: the newest are tested until 50 match."""
        with tenant_context(tenant.id):
            return list(NEWEST_FIRST.page(_with_letters(word), limit=PAGE))

    @variant()
    def stored_vector(self, tenant: SeededTenant, word: str) -> list[Task]:
        """The column that the index has, but under row-level security, which keeps from the index:
        the newest are tested until 50 match."""
        with tenant_context(tenant.id):
            return list(NEWEST_FIRST.page(_with_vector(word), limit=PAGE))

    @variant()
    def vector_made_anew(self, tenant: SeededTenant, word: str) -> list[Task]:
        """to_tsvector(…) of each row, as Django's `SearchVector` in a filter has it."""
        with tenant_context(tenant.id):
            vector = SearchVector("title", "description", config="simple")
            rows = task_list().annotate(made=vector).filter(made=_query(word)).defer("search")
            return list(NEWEST_FIRST.page(rows, limit=PAGE))


@pair(
    "tasks.search_rare",
    title="The tasks with a word that few have",
    dataset=TASKS,
    page="search",
    caveat="In a tenant of 300 tasks it is as fast to test them all, one by one; and in one of"
    " 3,000 nearly so, by the stored vector.",
    tags=("search",),
)
class SearchRare(SearchPair):
    claims = (
        claim.queries("by_index", 2),
        claim.blocks("by_index", at_most=300),
        claim.faster("by_index", than="icontains", by=5, at=100_000),
        claim.faster("by_index", than="stored_vector", by=2.5, at=100_000),
        claim.faster("by_index", than="vector_made_anew", by=50, at=100_000),
    )
    pattern = r"\d{4,}"
    at_least, at_most = 1, PAGE - 1


@pair(
    "tasks.search_common",
    title="The newest tasks with a word that many have",
    dataset=TASKS,
    page="search",
    caveat="Up to 100,000 tasks it does not pay for a word that many have: testing the newest tasks"
    " soon finds fifty with it, by the stored vector in 0.3 to 0.7 of the time.",
    tags=("search",),
)
class SearchCommon(SearchPair):
    claims = (
        claim.queries("by_index", 2),
        claim.blocks("by_index", at_most=8_000),
        claim.faster("by_index", than="vector_made_anew", by=1.3, at=100_000),
    )
    pattern = r"[a-z]{5,}"
    at_least, at_most = PAGE, MATCHES_CAP

    def arguments(self, rng: random.Random) -> tuple[SeededTenant, str]:
        rng.seed(0)  # one word in all executions: how LIKE is planned depends on it
        return super().arguments(rng)


def _query(word: str) -> SearchQuery:
    return SearchQuery(word, config="simple")


def _with_vector(word: str) -> QuerySet[Task]:
    return task_list().filter(search=_query(word))


def _with_letters(word: str) -> QuerySet[Task]:
    return task_list().filter(Q(title__icontains=word) | Q(description__icontains=word))
