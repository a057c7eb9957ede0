"""`manage.py benchmark gate`, on a database of its own size, from which it takes an index away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from perf.tests.lab import MODULE, Lab, ask

INDEX = "CREATE INDEX IF NOT EXISTS perf_planted_place_idx ON perf_planted (place)"
SCANS = "plan: Index Scan perf_planted_place_idx perf_planted → Seq Scan perf_planted"
KEPT = "SELECT datname FROM pg_database WHERE datname ~ '^perf_planted_20000_[0-9a-f]{8}$'"


def gate(lab: Lab, *arguments: str) -> tuple[int, str, str]:
    return lab.do("gate", "--module", MODULE, "--sizes", "20k", "--quiet", *arguments)


@pytest.fixture(scope="module")
def accepted(application, tmp_path_factory) -> Lab:
    """A lab with a baseline of two pairs."""
    lab = Lab(tmp_path_factory.mktemp("gate"), application)
    code, output, errors = gate(lab, "planted.lookup", "planted.notes", "--accept", "as planted")
    assert (code, " has 2 pairs now." in output) == (0, True), output + errors
    return lab


@pytest.fixture
def without_index(accepted) -> Iterator[None]:
    """The kept databases of that size have lost an index, as if a migration had dropped it."""
    kept = ask(KEPT)
    for each in kept:
        ask("DROP INDEX perf_planted_place_idx", each)
    yield
    for each in kept:
        ask(INDEX, each)
        ask("VACUUM (FREEZE, ANALYZE) perf_planted", each)


@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.prove)])
def test_the_same_code_is_green_each_time(accepted, times):
    for _ in range(times):
        code, output, errors = gate(accepted, "planted.lookup", "planted.notes")

        assert (code, output) == (0, "The gate is green.\n"), errors


def test_a_dropped_index_is_red_and_the_plan_is_named(accepted, without_index):
    code, output, errors = gate(accepted, "planted.lookup")

    assert code == 1, output + errors
    assert f"RED  planted.lookup at 20,000: indexed, {SCANS}\n" in output
    assert "RED  planted.lookup at 20,000: indexed, blocks: " in output
    assert "REFUTED  planted.lookup: indexed reads perf_planted_place_idx" in output
    assert "scanned, plan" not in output
    assert accepted.copies() == []


def test_what_is_accepted_of_one_pair_leaves_the_others_in_the_baseline(accepted):
    code, output, errors = gate(accepted, "planted.lookup", "--accept", "once more")

    assert (code, " has 2 pairs now." in output) == (0, True), output + errors


def test_pairs_that_were_not_asked_for_are_not_told_of(accepted):
    assert gate(accepted, "planted.lookup")[:2] == (0, "The gate is green.\n")


def test_other_rows_end_with_5_whatever_the_baseline_says(accepted):
    code, output, _ = gate(accepted, "planted.other_rows")

    assert code == 5
    assert "ROWS DIFFER  planted.other_rows at 20,000: right and wrong differ" in output


def test_rows_that_differ_are_not_accepted(accepted):
    before = (accepted.folder / "baseline.json").read_bytes()
    code, output, _ = gate(accepted, "planted.other_rows", "planted.same", "--accept", "why not")

    assert (code, "Nothing was accepted." in output) == (5, True)
    assert (accepted.folder / "baseline.json").read_bytes() == before


def test_what_the_baseline_does_not_know_is_refused(accepted):
    code, output, errors = gate(accepted, "planted.same")

    assert (code, output) == (3, "")
    assert "Nothing that was counted is in the baseline" in errors
