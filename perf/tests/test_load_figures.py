from __future__ import annotations

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from perf.load.bins import bins_of, highest_us, merged
from perf.load.figures import (
    fairness,
    measured,
    needed,
    seconds,
    step_results,
    tenant_results,
    times,
    total_result,
)
from perf.load.recording import Recording
from perf.load.results import QUANTILES, Failure, Quantile
from perf.tests.recordings import add, histogram, served

A_BIN = 1e-3  # values of one are so far apart at most


class TestBins:
    def test_values_are_counted_by_second_up_to_a_bin_and_with_it(self) -> None:
        found = bins_of(
            [[histogram([1.0, 3.0, 3.0]), histogram([2.0])], [], [histogram([3.0, 5.0])]]
        )

        middle = found.place(0.5)
        assert highest_us(middle) == pytest.approx(3_000, rel=A_BIN)
        assert list(found.by_second) == [4, 0, 2]
        assert list(found.up_to(middle)) == [4, 0, 1]
        assert list(found.up_to(middle - 1)) == [2, 0, 0]

    def test_merging_leaves_what_is_merged_as_it_was(self) -> None:
        one, other = histogram([1.0, 2.0]), histogram([2.0])

        whole = merged([one, other])

        assert (whole.total_count, one.total_count, other.total_count) == (3, 2, 1)


class TestPercentiles:
    @pytest.mark.parametrize("q", [0.5, 0.9, 0.95, 0.99])
    @pytest.mark.parametrize("count", [1_000, 1_001, 4_567])
    def test_they_are_numpys_inverse_of_the_distribution(self, count: int, q: float) -> None:
        values = np.random.default_rng(count).lognormal(5, 2, count)

        found = times([[histogram(values[:300])], [histogram(values[300:])]], quantiles=[q])

        expected = np.percentile(values, 100 * q, method="inverted_cdf")
        assert found.quantiles[0].value_ms == pytest.approx(expected, rel=A_BIN)

    @pytest.mark.parametrize(
        ("q", "needs"), [(0.5, 20), (0.9, 100), (0.95, 200), (0.99, 1_000), (0.999, 10_000)]
    )
    def test_one_takes_as_many_samples_that_ten_lie_beyond_it(self, q: float, needs: int) -> None:
        enough = histogram([1.0] * needs)
        too_few = histogram([1.0] * (needs - 1))

        assert needed(q) == needs
        assert times([[enough]], quantiles=[q]).quantiles == (Quantile(q, 1.0),)
        assert times([[too_few]], quantiles=[q]).quantiles == (Quantile(q, None, needs=needs),)

    def test_they_are_those_of_the_results_unless_others_are_asked_for(self) -> None:
        found = times([[histogram([1.0])]])

        assert tuple(each.q for each in found.quantiles) == QUANTILES

    def test_fewer_than_ten_seconds_give_no_bounds(self) -> None:
        second = [histogram([1.0] * 100)]

        nine, ten = (times([second] * n, quantiles=[0.5]).quantiles[0] for n in (9, 10))

        assert (nine.value_ms, nine.low_ms, nine.high_ms) == (1, None, None)
        assert (ten.value_ms, ten.low_ms, ten.high_ms) == (1, 1, 1)

    def test_timeouts_that_all_came_in_one_second_may_not_come_again(self) -> None:
        alone = [[histogram([20.0] * 199 + [10_000.0] * 3)] for _ in range(60)]
        together = [[histogram([20.0] * 202)] for _ in range(59)]
        together.append([histogram([20.0] * 22 + [10_000.0] * 180)])

        one, other = (times(each, quantiles=[0.99]).quantiles[0] for each in (alone, together))

        assert one.value_ms == other.value_ms == pytest.approx(10_000, rel=A_BIN)
        assert one.low_ms == one.value_ms
        assert other.low_ms == pytest.approx(20, rel=A_BIN)

    def test_bounds_are_values_that_were_seen_around_the_percentile(self) -> None:
        rng = np.random.default_rng(1)
        drawn = [rng.exponential(100, 50) for _ in range(60)]

        found = times([[histogram(each)] for each in drawn], quantiles=[0.5, 0.95, 0.99])

        seen = np.concatenate(drawn)
        for each in found.quantiles:
            assert each.value_ms is not None
            assert each.low_ms is not None
            assert each.high_ms is not None
            assert each.low_ms < each.value_ms < each.high_ms
            for bound in (each.low_ms, each.high_ms):
                assert np.min(np.abs(seen / bound - 1)) < A_BIN


class TestTimes:
    def test_mean_and_ends_are_those_of_all_seconds(self) -> None:
        found = times([[histogram([10.0, 20.0])], [], [histogram([60.0]), histogram([110.0])]])

        assert found.count == 4
        assert found.mean_ms == pytest.approx(50, rel=A_BIN)
        assert found.min_ms == pytest.approx(10, rel=A_BIN)
        assert found.max_ms == pytest.approx(110, rel=A_BIN)

    def test_without_a_value_nothing_is_known_but_what_it_would_take(self) -> None:
        found = times([[histogram([])]])

        assert (found.count, found.mean_ms, found.min_ms, found.max_ms) == (0, None, None, None)
        assert [each.needs for each in found.quantiles] == [needed(q) for q in QUANTILES]
        assert found.histogram == ""

    def test_others_can_read_the_histogram(self) -> None:
        found = times([[histogram([10.0, 20.0])], [histogram([30.0] * 98)]])

        read = HdrHistogram.decode(found.histogram)
        assert read.get_total_count() == 100
        assert read.get_value_at_percentile(1) == pytest.approx(10_000, rel=A_BIN)
        assert read.get_value_at_percentile(50) == pytest.approx(30_000, rel=A_BIN)


class TestSteps:
    def recording(self) -> Recording:
        found = Recording()
        for at in range(-2, 12):
            add(found, at, [10.0] * 30, step="list")
            add(
                found,
                at,
                [40.0] * 10,
                step="edit",
                failures={Failure.STATUS: 1, Failure.THROTTLED: 2},
            )
        add(found, -1, [5.0], step="login")
        return found

    def test_the_warm_up_is_in_no_figure(self) -> None:
        found = total_result(self.recording())

        assert found.requests == 12 * 40
        assert found.latency.count == found.service.count == found.lag.count == 480

    def test_each_has_its_own_by_name_if_it_was_called_at_all(self) -> None:
        edit, listed = step_results(self.recording())

        assert (edit.name, edit.requests, listed.name, listed.requests) == (
            "edit",
            120,
            "list",
            360,
        )
        assert edit.latency.mean_ms == pytest.approx(40, rel=A_BIN)
        assert edit.service.mean_ms == pytest.approx(39.5, rel=A_BIN)
        assert edit.lag.mean_ms == pytest.approx(0.5, rel=A_BIN)

    def test_being_throttled_is_no_failure_but_no_success_either(self) -> None:
        edit, _ = step_results(self.recording())

        assert edit.failures == {"status": 12, "throttled": 24}
        assert (edit.failed, edit.successful) == (12, 84)
        assert edit.failure_rate == pytest.approx(0.1)

    def test_the_total_has_the_calls_of_all(self) -> None:
        found = total_result(self.recording(), quantiles=[0.5, 0.9])

        assert found.name == ""
        assert found.failures == {"status": 12, "throttled": 24}
        assert [each.value_ms for each in found.latency.quantiles] == pytest.approx(
            [10, 40], rel=A_BIN
        )

    def test_the_measured_part_ends_with_the_last_call_that_was_due(self) -> None:
        found = served(5)
        found.done[7] += 1  # an answer that came late

        assert measured(found) == range(5)
        assert measured(Recording()) == range(0)


class TestTenants:
    def recording(self) -> Recording:
        found = Recording()
        for at in range(10):
            add(found, at, [10.0] * 30, tenant="acme")
            add(found, at, [10.0] * 30, tenant="beta", failures={Failure.THROTTLED: 15})
            add(found, at, [50.0] * 30, tenant="slow")
        return found

    def test_each_has_what_it_had(self) -> None:
        acme, beta, slow = tenant_results(self.recording())

        assert [each.tenant for each in (acme, beta, slow)] == ["acme", "beta", "slow"]
        assert (acme.requests, beta.failures) == (300, {"throttled": 150})
        assert slow.latency.mean_ms == pytest.approx(50, rel=A_BIN)

    def test_the_index_is_jains_of_what_each_got_of_what_it_asked_for(self) -> None:
        recording = self.recording()

        found = fairness(tenant_results(recording), total_result(recording))

        assert found is not None
        assert found.index == pytest.approx((1 + 0.5 + 1) ** 2 / (3 * (1 + 0.25 + 1)))

    def test_one_tenant_alone_gives_one_over_n(self) -> None:
        recording = Recording()
        add(recording, 0, [10.0] * 5, tenant="served")
        for name in ("b", "c", "d"):
            add(recording, 0, [10.0] * 5, tenant=name, failures={Failure.TIMEOUT: 5})

        found = fairness(tenant_results(recording), total_result(recording))

        assert found is not None
        assert found.index == pytest.approx(1 / 4)

    def test_the_slowest_is_told_with_how_its_p95_stands_to_that_of_all(self) -> None:
        recording = self.recording()
        for at in range(10):
            add(recording, at, [10.0] * 900, tenant="busy")

        found = fairness(tenant_results(recording), total_result(recording))

        assert found is not None
        assert found.slowest == "slow"
        assert found.slowest_ratio == pytest.approx(5, rel=2 * A_BIN)

    def test_of_too_few_requests_none_is_the_slowest(self) -> None:
        recording = Recording()
        add(recording, 0, [10.0] * 5, tenant="a")
        add(recording, 0, [90.0] * 5, tenant="b")

        found = fairness(tenant_results(recording), total_result(recording))

        assert found is not None
        assert (found.index, found.slowest, found.slowest_ratio) == (1, "", None)

    def test_one_tenant_is_treated_neither_fairly_nor_unfairly(self) -> None:
        recording = Recording()
        add(recording, 0, [10.0], tenant="acme")

        assert fairness(tenant_results(recording), total_result(recording)) is None


class TestSeconds:
    def test_each_tells_what_was_due_done_and_in_flight_in_it(self) -> None:
        recording = Recording()
        add(recording, -1, [5.0])
        add(
            recording,
            1,
            [10.0] * 19 + [90.0],
            lag_ms=2.0,
            failures={Failure.STATUS: 3, Failure.THROTTLED: 2},
        )
        recording.in_flight[1] = 7
        recording.done[2] = 4

        found = {each.at: each for each in seconds(recording)}

        assert list(found) == [-1, 0, 1, 2]
        assert (found[1].due, found[1].done, found[1].failed, found[1].in_flight) == (20, 20, 3, 7)
        assert (found[1].p50_ms, found[1].p95_ms, found[1].max_ms, found[1].lag_max_ms) == (
            pytest.approx((10, 10, 90, 2), rel=A_BIN)
        )
        assert (found[2].due, found[2].done, found[2].p50_ms) == (0, 4, None)
        assert (found[0].due, found[0].max_ms, found[0].lag_max_ms) == (0, None, None)
        assert found[-1].p50_ms == pytest.approx(5, rel=A_BIN)
        assert found[-1].p95_ms is None

    def test_of_nothing_there_are_none(self) -> None:
        assert seconds(Recording()) == ()
