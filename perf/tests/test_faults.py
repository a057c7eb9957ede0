"""Pairs that try to make the lab believe what is not so, in one real run."""

from __future__ import annotations

import pytest

from perf.tests.lab import Lab

MODULE = "perf.tests.planted_faults"
REFUSED = {
    "changes_setting": "it leaves the session with other settings: enable_indexscan",
    "opens_transaction": "it leaves a transaction open",
    "returns_nothing": "no way returns anything, so nothing is proven",
    "finds_nothing": "no way returns anything, so nothing is proven",
    "generates": "it raised an error: TypeError: A way returned a generator: it must fetch",
    "copies_in": "it raised an error: perf.catalogue.CatalogueError: A pair that writes must be",
    "set_up_raises": "it raised an error: RuntimeError: first line",
    "tear_down_raises": "it raised an error: RuntimeError: it is not undone",
    "odd_error": r"it raised an error: ValueError: half a character: \udcff",
    "breaks_session": "it raised an error: django.db.utils.DataError: division by zero",
    "wrong_later": "after it was timed, right and other differ: 1 and 0 rows",
    "dies_counted": "the process that it ran in was killed by signal 9 (Killed)",
    "dies_timed": "the process that it ran in was killed by signal 9 (Killed)",
    "dies_amid_statement": "the process that it ran in was killed by signal 9 (Killed)",
    "leaves_table": "right and other differ: row 1: ",
    "half_cleared": "one and other differ: row 1: [-2, 2] and [-3, 3]",
    "commits": "it raised an error: perf.catalogue.CatalogueError: committed ends the transaction",
    "notes": "planted.commits has written before it what is not rolled back",
}
GOOD = ("prints", "large_result")


@pytest.fixture(scope="module")
def made(application, tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("faults"), application)
    names = [f"planted.{each}" for each in (*REFUSED, *GOOD, "half_set_up")]
    code, output, errors = lab.measure(*names, "--module", MODULE)
    assert code == 5, output + errors
    return lab.runs()[0], output, errors, lab.copies()


def pair(made, name):
    return next(each for each in made[0].pairs if each.name == f"planted.{name}")


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_the_reason(made, name):
    assert pair(made, name).sizes[0].refusal.startswith(REFUSED[name])


@pytest.mark.parametrize("name", GOOD)
def test_what_is_only_odd_is_measured(made, name):
    size = pair(made, name).sizes[0]

    assert size.refusal == ""
    assert all(each.samples for each in size.variants)


def test_no_pair_meets_what_another_has_left_in_the_session(made):
    assert pair(made, "prints").sizes[0].rows == 1  # and none of the empty table


def test_what_is_not_here_is_not_undone(made):
    found = pair(made, "half_set_up")

    assert (found.skipped, found.sizes[0].refusal) == ("half of it is missing", "")


def test_what_a_pair_prints_is_no_part_of_the_report(made):
    _, output, errors, _ = made

    assert "Schöne Grüße, 世界" not in output
    assert "Schöne Grüße, 世界" in errors


def test_nothing_is_left(made):
    assert made[3] == []
