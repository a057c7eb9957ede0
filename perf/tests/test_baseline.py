from __future__ import annotations

import json

import msgspec
import pytest

from perf import baseline
from perf.baseline import BaselineError
from perf.comparison import Change
from perf.engine.results import ClaimResult, Finding
from perf.tests.built import counters, pair, run, size, way

ACCEPTED = "the list has its own index"


def found(**changes: object):
    """A run whose good way costs otherwise."""
    return run(pair(size(1_000, way("good", counters(**changes)), way("bad", counters()))))


def judged(other, before=None):
    return baseline.judge(baseline.baseline_of(before or found(), ACCEPTED), other)


def test_a_baseline_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "baseline.json"
    made = baseline.baseline_of(found(), ACCEPTED)

    baseline.write(path, made)

    assert baseline.read(path) == made
    assert made.pairs["app.pair"]["1000"]["good"].blocks == 10
    assert (made.accepted, made.postgresql) == (ACCEPTED, "18")


def test_equal_baselines_are_equal_files(tmp_path):
    one, other = tmp_path / "one.json", tmp_path / "other.json"

    baseline.write(one, baseline.baseline_of(run(pair(name="a.a"), pair(name="a.b")), ACCEPTED))
    baseline.write(other, baseline.baseline_of(run(pair(name="a.b"), pair(name="a.a")), ACCEPTED))

    assert one.read_bytes() == other.read_bytes()
    assert one.read_bytes().endswith(b"}\n")


def test_what_was_refused_or_skipped_is_not_accepted():
    made = baseline.baseline_of(
        run(pair(size(refusal="rows differ")), pair(name="app.other", skipped="not here")), ACCEPTED
    )

    assert made.pairs == {"app.pair": {}}


def test_merging_keeps_what_only_the_older_one_knows():
    known = baseline.baseline_of(run(pair(name="a.a"), pair(name="a.b", skipped="")), "before")
    of_one = baseline.baseline_of(run(pair(size(10), name="a.b")), ACCEPTED)

    merged = baseline.merged(known, of_one)

    assert merged.pairs == {"a.a": known.pairs["a.a"], "a.b": of_one.pairs["a.b"]}
    assert merged.accepted == ACCEPTED
    with pytest.raises(BaselineError, match="accept all pairs at once"):
        baseline.merged(msgspec.structs.replace(known, postgresql="15"), of_one)


def test_the_same_counts_are_green():
    assert judged(found()) == baseline.Judged((), (), (), (), ())


def test_more_is_a_regression_and_less_is_only_told():
    more, less = judged(found(blocks_hit=13)), judged(found(blocks_hit=7))

    assert [(each.what, each.change) for each in more.regressions] == [("blocks", Change.WORSE)]
    assert (less.regressions, less.notes) == (
        (),
        ("app.pair at 1,000: good has fewer blocks, 10 → 7",),
    )


def test_another_plan_is_a_regression_also_if_it_is_cheaper():
    other = judged(found(fingerprint="Index Only Scan b_idx a", blocks_hit=7))

    assert [each.what for each in other.regressions] == ["plan"]
    assert other.regressions[0].text == "Index Scan a_idx a → Index Only Scan b_idx a"


def test_two_blocks_are_tolerated_to_the_block():
    assert judged(found(blocks_hit=12)).regressions == ()
    assert len(judged(found(blocks_hit=13)).regressions) == 1


def test_other_rows_and_refuted_counts_are_told():
    claims = (
        ClaimResult("good sends 1 statement", Finding.REFUTED, "2 statements", True),
        ClaimResult("good is flat in time", Finding.REFUTED, "9 times", False),
    )
    other = judged(run(pair(size(refusal="rows differ"), claims=claims)))

    assert other.rows_differ == ("app.pair at 1,000: rows differ",)
    assert other.refuted == ("app.pair: good sends 1 statement; measured: 2 statements",)


def test_what_is_unknown_or_was_left_out_is_told():
    before = run(pair(), pair(name="app.gone"))
    other = run(pair(), pair(name="app.new"), pair(name="app.gone", skipped="not here"))

    assert judged(other, before).notes == (
        "app.new is not in the baseline",
        "app.gone is in the baseline and was not counted",
    )


def test_a_pair_or_a_way_that_is_there_no_more_is_gone():
    before = run(pair(), pair(name="app.gone"))
    other = run(pair(variants=pair().variants[:1]))

    assert judged(other, before).gone == ("app.gone", "app.pair at 1,000, bad")
    assert (
        baseline.judge(baseline.only(baseline.baseline_of(before, ACCEPTED), other), run()).gone
        == ()
    )


def test_an_unknown_size_or_way_is_told():
    third = way("third", counters())
    other = run(pair(size(), size(10_000)), pair(size(1_000, third), name="app.other"))
    before = run(pair(), pair(name="app.other"))

    assert judged(other, before).notes == (
        "app.pair at 10,000 is not in the baseline",
        "app.other at 1,000, third, is not in the baseline",
    )


@pytest.mark.parametrize("other", [run(pair(size(10_000))), run(pair(name="app.other"))])
def test_nothing_that_could_be_compared_is_refused(other):
    with pytest.raises(BaselineError, match="so nothing is compared"):
        judged(other)


def test_another_version_of_postgresql_is_refused():
    with pytest.raises(BaselineError, match="is of PostgreSQL 18, and this is 15: plans"):
        judged(run(environment={"PostgreSQL": "15.19"}))


def test_another_minor_version_is_compared():
    assert judged(run(environment={"PostgreSQL": "18.7"}), run()).regressions == ()


def test_a_baseline_that_is_not_there_is_refused(tmp_path):
    path = tmp_path / "none.json"

    with pytest.raises(BaselineError, match=f"There is no baseline {path}: make one with --accept"):
        baseline.read(path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"version": 1}', b'{"pairs":' + b"[" * 100_000]
)
def test_a_broken_baseline_is_refused(tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_bytes(content)

    with pytest.raises(BaselineError, match=f"{path} is no baseline: "):
        baseline.read(path)


def test_a_baseline_of_another_version_is_refused(tmp_path):
    path = tmp_path / "old.json"
    baseline.write(path, baseline.baseline_of(found(), ACCEPTED))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 2}))

    with pytest.raises(BaselineError, match="is of version 2; 1 can be read here"):
        baseline.read(path)
