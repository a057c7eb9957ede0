"""What is made of messages that were put together by hand."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import msgspec
import pytest

from perf import Dataset, Pair, assembly, claim, variant
from perf.assembly import Collected
from perf.catalogue import PairSpec, Variant
from perf.engine.results import Finding, Verdict
from perf.messages import Controlled, Counted, Failed, Timed
from perf.tests.built import METHOD, counters

NAME, SIZE = "app.pair", 1_000
PLACE = NAME, SIZE


class Ways(Pair):
    @variant(efficient=True)
    def good(self) -> int:
        """Is quick."""
        return 1

    @variant()
    def bad(self) -> int:
        """Is slow."""
        return 1


class Books(Dataset):
    name = "books"


SPEC = PairSpec(
    name=NAME,
    title="A pair",
    cls=Ways,
    dataset=Books(),
    page="page",
    caveat="Never.",
    variants=(Variant("good", True, "Is quick"), Variant("bad", False, "Is slow")),
    sizes=(SIZE,),
    large_sizes=(),
    tags=(),
    writes=False,
    commits=False,
    claims=(claim.faster("good", than="bad", by=2, at=SIZE),),
)


def counted(**changes: Any) -> Counted:
    count = {"good": counters(), "bad": counters(blocks_hit=100)}
    found: dict[str, Any] = {"rows": 3, "digest": "d", "counters": count}
    return Counted(NAME, SIZE, **found | changes)


def timed(execution: int, *, good: float = 100.0, bad: float = 500.0, **changes: Any) -> Timed:
    """Two rounds, each execution a little slower than the one before."""
    slower = 1 + execution / 1_000
    samples = {
        "good": (good * slower, good * slower * 1.001),
        "bad": (bad, bad * slower * 1.002),
    }
    told = {"good": "Index Scan a_idx a", "bad": "Seq Scan a"}
    found: dict[str, Any] = {
        "calls": {"good": 10, "bad": 2},
        "samples": samples,
        "gc_shares": {"good": 0.1, "bad": 0.2},
        "plans": told,
    }
    return Timed(NAME, SIZE, execution, **found | changes)


def controlled(execution: int, *, delay: float = 1.2, yardstick_ns: float = 1e7) -> Controlled:
    off = 0.1 if execution % 2 else -0.1  # to both sides, as noise is
    return Controlled(
        execution,
        number=0,
        ours=(100.0, 100.1),
        same=(100.0 + off, 100.1 - off),
        delayed=((100.0 + off) * delay, 100.1 * delay),
        harness_ns=50.0 + execution,
        yardstick_ns=yardstick_ns,
    )


def collected(*messages: Any) -> Collected:
    found = Collected()
    for each in messages:
        found.add(each)
    return found


def result(*messages: Any, sizes: tuple[int, ...] = (SIZE,), found=None):
    return assembly.pair_result(SPEC, sizes, collected(*messages), METHOD, found)


def test_a_pair_that_was_counted_and_timed():
    found = result(counted(), *(timed(n) for n in range(4)))

    (size,) = found.sizes
    assert (size.rows, size.digest, size.refusal) == (3, "d", "")
    assert size.comparisons[0].ratio.estimate == pytest.approx(5, rel=0.01)
    assert size.comparisons[0].verdict is Verdict.EFFICIENT
    assert size.comparisons[0].saved_ns.estimate == pytest.approx(400, rel=0.01)
    assert found.claims[0].finding is Finding.HOLDS


def test_samples_come_by_execution_whenever_they_came():
    found = result(counted(), timed(2), timed(0), timed(1)).sizes[0].variants[0]

    assert found.samples == tuple(timed(n).samples["good"] for n in range(3))
    assert (found.calls, found.summary.n) == (10, 6)
    assert found.gc_share == pytest.approx(0.1)


def test_without_timing_nothing_is_said_of_time():
    (size,) = result(counted()).sizes

    assert size.comparisons[0].verdict is Verdict.INCONCLUSIVE
    assert size.comparisons[0].reason == "it was not timed"
    assert [each.summary for each in size.variants] == [None, None]


def test_an_execution_that_ended_early_counts_for_nothing_but_itself():
    other = timed(2, samples={"good": (100.0, 100.0)}, notes={"bad": "a call takes 9.0 s"})
    found = result(counted(), timed(0), timed(1), other).sizes[0]

    assert [len(each.samples) for each in found.variants] == [3, 2]
    assert found.comparisons[0].ratio.estimate == pytest.approx(5, rel=0.01)
    assert found.variants[1].note == "a call takes 9.0 s"


def test_a_way_over_the_limit_says_so():
    slow = [
        timed(n, samples={"good": (1.0, 1.0)}, notes={"bad": "a call takes 9.0 s"})
        for n in range(2)
    ]

    assert result(counted(), *slow).sizes[0].comparisons[0].reason == "a call takes 9.0 s"


@pytest.mark.parametrize(
    ("messages", "refusal"),
    [
        ([counted(), timed(0)], ""),
        ([counted(refusal="rows differ")], "rows differ"),
        ([counted(), timed(0), timed(1, refusal="later they differ")], "later they differ"),
        ([counted(), Failed(NAME, SIZE, "ValueError: no\nTraceback …")], "it raised an error: Val"),
        (
            [counted(refusal="rows differ"), Failed(NAME, SIZE, "ValueError: no")],
            "it raised an error: ValueError: no",
        ),
        (
            [counted(refusal="rows differ"), timed(0), timed(1, plans={"good": "Seq Scan a"})],
            "rows differ",
        ),
        (
            [counted(), timed(0), timed(1, plans={"good": "Seq Scan a"})],
            "the plan of good changed between executions: Index Scan a_idx a / Seq Scan a",
        ),
    ],
)
def test_the_gravest_refusal_is_told(messages, refusal):
    found = result(*messages).sizes[0]

    assert found.refusal.startswith(refusal)
    assert bool(found.refusal) == bool(refusal)
    assert (found.comparisons[0].verdict is Verdict.REFUSED) == bool(refusal)


def test_nothing_is_claimed_of_what_was_refused():
    found = result(counted(), *(timed(n) for n in range(4)), Failed(NAME, SIZE, "ValueError: no"))

    assert found.claims[0].finding is Finding.NOT_MEASURED
    assert found.sizes[0].comparisons[0].ratio is None


def test_samples_of_a_refused_execution_are_left_out():
    found = result(counted(), timed(0), timed(1, refusal="they differ")).sizes[0]

    assert found.variants[0].samples == (timed(0).samples["good"],)


def test_the_first_error_is_kept():
    found = collected(Failed(NAME, SIZE, "one"), Failed(NAME, SIZE, "two"))

    assert found.refusal(PLACE) == "it raised an error: one"


def test_a_pair_is_skipped_only_if_it_is_at_each_size():
    missing = Counted(NAME, SIZE, skipped="it is too small")

    whole = result(missing)
    part = result(missing, Counted(NAME, 10_000, rows=1), sizes=(SIZE, 10_000))

    assert whole.skipped == "it is too small"
    assert part.skipped == ""
    assert part.sizes[0].comparisons[0].reason == "it is too small"


def test_the_controls_of_a_quiet_machine():
    found = assembly.controls(collected(*(controlled(n) for n in range(4))), METHOD, 0.2)

    assert found is not None
    assert found.same_verdict is Verdict.EQUIVALENT
    assert found.delayed_verdict is Verdict.EFFICIENT
    assert 1 < found.noise_floor < 1.01
    assert (found.harness_ns, found.complaints) == (51.5, ())


def test_one_execution_has_no_controls_yet():
    assert assembly.controls(collected(controlled(0)), METHOD, 0.2) is None
    assert assembly.controls(collected(), METHOD, 0.2) is None


def test_one_execution_of_many_rounds_has_controls_with_a_warning():
    rounds = (100.0, 101.0) * 5
    many = msgspec.structs.replace(
        controlled(0), ours=rounds, same=rounds, delayed=tuple(1.2 * each for each in rounds)
    )
    found = assembly.controls(collected(many), METHOD, 0.2)

    assert found is not None
    assert found.complaints == (
        "One execution was made: how much one differs from another is in no interval.",
    )


def test_a_delay_that_was_not_found_is_complained_of():
    found = assembly.controls(collected(*(controlled(n, delay=1) for n in range(4))), METHOD, 0.2)

    assert found is not None
    assert found.complaints == (
        "An injected delay was not found: this run can't tell small differences.",
    )


@pytest.mark.parametrize(("slowest_ns", "complains"), [(1.15e7, False), (1.151e7, True)])
def test_an_unquiet_machine_is_complained_of(slowest_ns, complains):
    messages = [controlled(n, yardstick_ns=1e7 if n else slowest_ns) for n in range(4)]
    found = assembly.controls(collected(*messages), METHOD, 0.2)

    assert found is not None
    assert any("not quiet" in each for each in found.complaints) == complains


def test_cold_blocks_are_complained_of_in_a_warm_run():
    messages = [*(controlled(n) for n in range(4)), timed(0, fetched_blocks=1_234)]
    cold = dataclasses.replace(METHOD, cache="cold")

    warm = assembly.controls(collected(*messages), METHOD, 0.2)
    assert warm is not None
    assert warm.complaints[0].startswith("1,234 blocks came from outside")
    found = assembly.controls(collected(*messages), cold, 0.2)
    assert found is not None
    assert found.complaints == ()


def test_a_difference_below_the_noise_floor_is_not_believed():
    quiet = assembly.controls(collected(*map(controlled, range(4))), METHOD, 0.2)
    assert quiet is not None
    noisy = dataclasses.replace(quiet, noise_floor=6.0)
    found = result(counted(), *(timed(n) for n in range(4)), found=noisy)

    assert found.sizes[0].comparisons[0].verdict is not Verdict.EFFICIENT


def test_growth_is_that_of_all_sizes_that_were_not_refused():
    sizes = (1_000, 10_000, 100_000)
    messages = [
        Counted(NAME, size, counters={"good": counters(), "bad": counters(blocks_hit=size // 10)})
        for size in sizes
    ]
    found = result(*messages, sizes=sizes)

    grown = {each.variant: each for each in found.growth if each.of == "blocks"}
    assert grown["good"].is_flat
    assert grown["bad"].exponent.estimate == pytest.approx(1, abs=0.05)
    assert math.isclose(grown["bad"].factor.estimate, 100)
