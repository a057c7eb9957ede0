from __future__ import annotations

import numpy as np
import pytest

from perf.load.recording import Recording
from perf.load.results import Failure, SloResult, SloVerdict
from perf.load.slo import (
    Measure,
    Slo,
    SloError,
    judge,
    left_open,
    parse,
    quantiles_of,
    verdict_of,
)
from perf.tests.recordings import add, served

PASS, FAIL, INCONCLUSIVE = SloVerdict.PASS, SloVerdict.FAIL, SloVerdict.INCONCLUSIVE


def refusing(kind: Failure, share: float, seconds: int = 30) -> Recording:
    """A service that answers all in 5 ms, and refuses such a share of it."""
    recording = Recording()
    for at in range(seconds):
        add(recording, at, [5.0] * 100, failures={kind: round(100 * share)})
    return recording


class TestRefusals:
    @pytest.mark.parametrize("kind", [Failure.STATUS, Failure.CHECK])
    def test_a_quick_refusal_is_no_quick_answer(self, kind: Failure) -> None:
        (found,) = judge(parse("p95<300ms"), refusing(kind, 0.2))

        assert found.verdict is FAIL
        assert found.measured.endswith("but 20% failed")

    def test_as_many_refusals_as_lie_beyond_a_percentile_leave_it(self) -> None:
        (found,) = judge(parse("p95<300ms"), refusing(Failure.STATUS, 0.05))

        assert found.verdict is PASS

    def test_a_few_more_are_not_sure_to_be_more(self) -> None:
        (found,) = judge(parse("p95<300ms"), refusing(Failure.STATUS, 0.06, seconds=12))

        assert found.verdict is INCONCLUSIVE

    def test_a_percentile_that_does_not_hold_fails_all_the_same(self) -> None:
        (found,) = judge(parse("p95<1ms"), refusing(Failure.STATUS, 1))

        assert found.verdict is FAIL

    def test_one_that_throttles_some_fails_none(self) -> None:
        (found,) = judge(parse("fail<1%"), refusing(Failure.THROTTLED, 0.5))

        assert found.verdict is PASS


class TestParsing:
    def test_a_text_has_several(self) -> None:
        found = parse("p99<300ms,fail<0.1%, rate>=50/s ,p95[list]<=1.5s")

        assert found == (
            Slo("p99<300ms", Measure.PERCENTILE, "", "<", 300, 0.99),
            Slo("fail<0.1%", Measure.FAIL, "", "<", 0.1 * 0.01),
            Slo("rate>=50/s", Measure.RATE, "", ">=", 50),
            Slo("p95[list]<=1.5s", Measure.PERCENTILE, "list", "<=", 1_500, 0.95),
        )

    @pytest.mark.parametrize(
        ("text", "limit"),
        [("p50<800us", 0.8), ("p50<800µs", 0.8), ("p50<2ms", 2), ("p50<2s", 2_000)],
    )
    def test_times_may_be_in_any_unit(self, text: str, limit: float) -> None:
        assert parse(text)[0].limit == pytest.approx(limit)

    def test_percentiles_may_have_a_fraction(self) -> None:
        assert quantiles_of(parse("p99.9<1s,p99.99<2s,p7<1ms,fail<1%")) == {0.999, 0.9999, 0.07}

    def test_a_step_may_have_a_space_and_an_address(self) -> None:
        assert parse("p95[GET /tasks/?page=2] < 1 s")[0].step == "GET /tasks/?page=2"

    def test_no_text_has_none(self) -> None:
        assert parse(" ") == ()

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("p99", "'p99' is no objective"),
            ("p99<fast", "'p99<fast' is no objective"),
            ("p99=300ms", "'p99=300ms' is no objective"),
            ("p99<300", "p99 is given in ms"),
            ("p99<3%", "p99 is given in ms"),
            ("fail<3ms", "fail is given in %"),
            ("fail>1%", "fail takes < or <="),
            ("rate<50/s", "rate takes >= or >"),
            ("p100<1s", "a percentile is above 0 and below 100"),
            ("p95[\udcff]<1s", "is no objective"),
            ("p0<1s", "a percentile is above 0 and below 100"),
            ("p99.99999999999<1s", "a percentile is above 0 and below 100"),
            ("fail<1%,p999<1s", "'p999<1s': a percentile"),
        ],
    )
    def test_what_is_none_is_told_with_what_one_looks_like(self, text: str, says: str) -> None:
        with pytest.raises(SloError) as raised:
            parse(text)

        assert says in str(raised.value)
        assert "such as p99<300ms" in str(raised.value)


def verdict(text: str, recording: Recording) -> SloVerdict:
    (found,) = judge(parse(text), recording)
    return found.verdict


class TestPercentiles:
    def recording(self) -> Recording:
        rng = np.random.default_rng(5)
        return served(60, lambda at: rng.exponential(100, 50))

    def test_the_whole_interval_decides(self) -> None:
        recording = self.recording()
        (found,) = judge(parse("p50<1s"), recording)
        assert found.measured.startswith("67.3 ms [")
        low, high = found.measured.removesuffix(" ms]").partition("[")[2].split(" ms, ")

        assert verdict(f"p50<{float(high) * 1.02}ms", recording) is PASS
        assert verdict(f"p50<{float(high) * 0.98}ms", recording) is INCONCLUSIVE
        assert verdict(f"p50<{float(low) * 1.02}ms", recording) is INCONCLUSIVE
        assert verdict(f"p50<{float(low) * 0.98}ms", recording) is FAIL

    def test_too_few_samples_decide_nothing(self) -> None:
        (found,) = judge(parse("p99.9<1s"), self.recording())

        assert found == SloResult(
            "p99.9<1s", INCONCLUSIVE, "needs 10,000 samples, and there are 3,000"
        )

    def test_too_few_seconds_decide_nothing(self) -> None:
        (found,) = judge(parse("p50<1s"), served(9))

        assert found.verdict is INCONCLUSIVE
        assert found.measured == "20 ms, and no interval of fewer than 10 seconds"

    def test_a_limit_may_be_met_exactly_if_it_says_so(self) -> None:
        recording = served(20, lambda at: [1.0] * 50)

        assert verdict("p50<=1ms", recording) is PASS
        assert verdict("p50<1ms", recording) is FAIL

    def test_a_step_is_judged_by_its_own_calls(self) -> None:
        recording = served(20)
        for at in range(20):
            add(recording, at, [900.0] * 50, step="edit")

        found = judge(parse("p50[list]<100ms,p50[edit]<100ms,p50[gone]<100ms"), recording)

        assert [each.verdict for each in found] == [PASS, FAIL, INCONCLUSIVE]
        assert found[2].measured == "gone was not called"


class TestFailures:
    def test_none_of_few_is_not_enough_and_none_of_many_is(self) -> None:
        assert verdict("fail<0.1%", served(60)) is INCONCLUSIVE
        assert verdict("fail<0.1%", served(120)) is PASS

    def test_every_kind_counts_but_being_throttled(self) -> None:
        for kind in Failure:
            recording = served(60)
            for at in range(60):
                add(recording, at, [10.0] * 50, failures={kind: 5})

            expected = PASS if kind is Failure.THROTTLED else FAIL
            assert verdict("fail<1%", recording) is expected

    def test_a_share_is_told_with_its_interval(self) -> None:
        (found,) = judge(parse("fail<1%"), served(60, failures=lambda at: {Failure.STATUS: 1}))

        assert found.verdict is FAIL
        assert found.measured.startswith("2% [1.")

    def test_of_a_step_its_own_calls_count(self) -> None:
        recording = served(60, failures=lambda at: {Failure.CHECK: 5})
        for at in range(60):
            add(recording, at, [10.0] * 50, step="detail")

        found = judge(parse("fail[list]<5%,fail[detail]<5%,fail<2%"), recording)

        assert [each.verdict for each in found] == [FAIL, PASS, FAIL]
        assert found[2].measured.startswith("5% [")


class TestRates:
    def test_an_even_schedule_leaves_no_doubt(self) -> None:
        recording = served(20)

        assert verdict("rate>=50/s", recording) is PASS
        assert verdict("rate>50/s", recording) is FAIL

    def test_what_fails_or_is_throttled_is_no_answer(self) -> None:
        recording = served(20, failures=lambda at: {Failure.TIMEOUT: 3, Failure.THROTTLED: 7})

        (found,) = judge(parse("rate>=45/s"), recording)

        assert found == SloResult("rate>=45/s", FAIL, "40/s [40/s, 40/s]")

    def test_an_uneven_one_has_an_interval(self) -> None:
        rng = np.random.default_rng(2)
        recording = served(60, lambda at: [10.0] * rng.poisson(50))

        assert verdict("rate>=45/s", recording) is PASS
        assert verdict("rate>=50/s", recording) is INCONCLUSIVE
        assert verdict("rate>=55/s", recording) is FAIL


class TestAll:
    def test_nothing_is_decided_where_nothing_was_called(self) -> None:
        (found,) = judge(parse("p50<1s"), Recording())

        assert found == SloResult("p50<1s", INCONCLUSIVE, "nothing was called")

    @pytest.mark.parametrize(
        ("each", "expected"),
        [
            ((), PASS),
            ((PASS, PASS), PASS),
            ((PASS, INCONCLUSIVE), INCONCLUSIVE),
            ((INCONCLUSIVE, FAIL, PASS), FAIL),
        ],
    )
    def test_the_worst_is_that_of_all(
        self, each: tuple[SloVerdict, ...], expected: SloVerdict
    ) -> None:
        assert verdict_of(SloResult("", one, "") for one in each) is expected

    def test_what_is_left_open_keeps_its_figure(self) -> None:
        passed, failed = SloResult("p50<1s", PASS, "1 ms"), SloResult("p9<1s", FAIL, "2 s")

        assert left_open([passed, failed], "overload") == (
            SloResult("p50<1s", INCONCLUSIVE, "1 ms; overload", recorded=PASS),
            failed,
        )
        assert left_open([failed], "the rig", also_failed=True) == (
            SloResult("p9<1s", INCONCLUSIVE, "2 s; the rig", recorded=FAIL),
        )

    def test_a_run_that_goes_on_may_have_failed_already(self) -> None:
        recording = served(12, lambda at: [500.0] * 50)

        assert verdict("p50<300ms", recording) is FAIL
