from __future__ import annotations

import random
from typing import Any

import pytest

from perf import Dataset, Pair, catalogue, claim, pair, variant
from perf.catalogue import CatalogueError


class Books(Dataset):
    name = "books"


class OtherBooks(Dataset):
    name = "books"


BOOKS = Books()
DECLARED: dict[str, Any] = {"title": "A pair", "dataset": BOOKS, "page": "page", "caveat": "Never."}


@pytest.fixture(autouse=True)
def empty_catalogue(monkeypatch):
    catalogue.discover()  # those of the project stay in the one that comes back
    monkeypatch.setattr(catalogue, "_pairs", {})


class Ways(Pair):
    @variant(efficient=True)
    def good(self) -> int:
        """Is quick."""
        return 1

    @variant()
    def bad(self) -> int:
        """Is slow.

        And has more to say.
        """
        return 1


def declare(name: str = "app.pair", cls: type[Pair] = Ways, **changes: Any) -> type[Pair]:
    return pair(name, **{**DECLARED, **changes})(cls)


def refusal(*arguments: Any, **changes: Any) -> str:
    with pytest.raises(CatalogueError) as caught:
        declare(*arguments, **changes)
    assert catalogue._pairs == {}
    return str(caught.value)


def test_ways_come_in_the_order_of_their_declaration():
    class More(Ways):
        @variant()
        def another(self) -> int:
            """Is slow too."""
            return 1

    declare(cls=More)

    (spec,) = catalogue.discover()
    assert [each.name for each in spec.variants] == ["good", "bad", "another"]
    assert (spec.efficient.name, [each.name for each in spec.naive]) == ("good", ["bad", "another"])


def test_the_sentence_of_a_way_is_its_first_line():
    declare()

    assert [each.says for each in catalogue.discover()[0].variants] == ["Is quick", "Is slow"]


def test_pairs_come_by_name_and_sizes_ascending():
    declare("b.pair", sizes=(10_000, 1_000))
    declare("a.pair")

    assert [each.name for each in catalogue.discover()] == ["a.pair", "b.pair"]
    assert catalogue.discover()[1].sizes == (1_000, 10_000)


@pytest.mark.parametrize("name", ["pair", "App.pair", "app.", "app.pair.more", "app.päir", ""])
def test_a_name_is_of_an_app_and_a_pattern(name):
    assert "must be like app.pattern" in refusal(name)


def test_a_way_needs_a_docstring():
    def mute() -> None: ...

    with pytest.raises(CatalogueError, match="Say in a docstring of mute what the way does"):
        variant()(mute)


def test_exactly_one_way_is_efficient():
    class Two(Ways):
        @variant(efficient=True)
        def bad(self) -> int:
            """Claims to be quick."""
            return 1

    assert "needs two ways or more, exactly one of them efficient" in refusal("app.pair", Two)


def test_one_way_is_no_pair():
    class Alone(Pair):
        @variant(efficient=True)
        def good(self) -> int:
            """Is quick."""
            return 1

    assert "needs two ways or more" in refusal("app.pair", Alone)


def test_a_pair_that_commits_writes_and_undoes_it():
    class Cleared(Ways):
        def clear(self) -> None: ...

    declare("a.pair", Cleared, commits=True)
    declare("b.pair", Cleared, writes=True)

    assert [(each.writes, each.commits) for each in catalogue.discover()] == [
        (True, True),
        (True, False),
    ]


def test_a_pair_that_commits_without_undoing_it_is_refused():
    assert refusal(commits=True) == "app.pair commits: it must undo that, by clear."


def test_its_tag_makes_a_pair_large():
    declare("a.pair", tags=("large", "other"))
    declare("b.pair", tags=("other",))

    assert [each.is_large for each in catalogue.discover()] == [True, False]


@pytest.mark.parametrize("sizes", [(), (0,), (-1, 1_000)])
def test_a_size_is_a_row_or_more(sizes):
    assert refusal(sizes=sizes) == "app.pair needs a size, of 1 row or more."


def test_a_caveat_is_not_left_out():
    assert refusal(caveat=" ") == "app.pair must say when it does not pay."


def test_claims_speak_of_ways_that_are_there():
    class Claiming(Ways):
        claims = (claim.faster("good", than="worst", by=2, at=1_000),)

    assert refusal("app.pair", Claiming) == "app.pair claims something of worst."


@pytest.mark.parametrize(
    ("claimed", "why"),
    [
        (claim.faster("bad", than="good", by=2, at=1_000), "only good, the efficient way, is"),
        (claim.faster("good", than="good", by=2, at=1_000), "only good, the efficient way, is"),
        (claim.faster("good", than="bad", by=2, at=1_001), "1,001 is none of its sizes"),
        (claim.uses_index("good", "x", from_size=20_000_000), "all of its sizes are smaller"),
    ],
)
def test_what_no_run_could_judge_is_not_claimed(claimed, why):
    claiming = type("Claiming", (Ways,), {"claims": (claimed,)})

    assert f"claims what no run can judge, {claimed.text}: {why}" in refusal("app.pair", claiming)


@pytest.mark.parametrize("name", ["Books", "books-2", "", "b" * 25, 'b"; DROP', "bücher"])
def test_the_name_of_a_dataset_fits_into_that_of_a_database(name):
    dataset = type("Named", (Dataset,), {"name": name})()

    assert "must have a name of small letters, digits and _" in refusal(dataset=dataset)


def test_the_longest_name_of_a_database_is_not_cut():
    copy = f"perf_{'b' * 24}_100000000_12345678_copy41943041"

    assert len(copy) <= 63


def test_two_pairs_of_one_name_are_refused():
    class Other(Ways):
        """Another class."""

    declare()
    with pytest.raises(CatalogueError, match=r"Two pairs are named app\.pair\."):
        declare(cls=Other)
    assert catalogue.discover()[0].cls is Ways


def test_a_module_that_is_imported_again_replaces_its_pairs():
    declare(title="Before")
    declare(title="After")

    assert [each.title for each in catalogue.discover()] == ["After"]


def test_two_datasets_of_one_name_are_refused():
    declare()
    with pytest.raises(CatalogueError, match=r"Two datasets are named books\."):
        declare("app.other", dataset=OtherBooks())


def test_a_module_that_is_not_there_is_told():
    with pytest.raises(ModuleNotFoundError):
        catalogue.discover(["perf.tests.nowhere"])


def test_by_default_a_pair_draws_nothing_and_returns_what_it_is():
    found = Ways(7, None)

    assert (found.arguments(random.Random()), found.canonical([1]), found.size) == ((), [1], 7)


def test_a_pair_that_writes_must_say_what_must_be_equal():
    with pytest.raises(NotImplementedError, match="Ways writes: say what must be equal, by state"):
        Ways(1, None).state()
