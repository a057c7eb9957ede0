"""Reading what wrk reports, and when its figures and ours agree."""

from __future__ import annotations

import pytest

from perf.load.null import null_server
from perf.load.wrk import Figures, agree, ours, read

REPORT = """Running 4s test @ http://127.0.0.1:18431/
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    10.66ms    1.17ms  21.93ms   93.70%
    Req/Sec   753.93     38.08   828.00     75.00%
  Latency Distribution
     50%   10.35ms
     75%   10.63ms
     90%   11.29ms
     99%   16.41ms
  3010 requests in 4.01s, 188.13KB read
Requests/sec:    751.62
Transfer/sec:     46.98KB
"""


def test_rate_and_median_are_read_whatever_the_unit():
    assert read(REPORT) == Figures(751.62, 10.35)
    assert read(REPORT.replace("10.35ms", "350.00us")).p50_ms == pytest.approx(0.35)
    assert read(REPORT.replace("10.35ms", "1.20s")) == Figures(751.62, 1200)


@pytest.mark.parametrize(
    "more", ["Socket errors: connect 8, read 0, write 0, timeout 0", "Non-2xx or 3xx responses: 4"]
)
def test_a_report_of_errors_is_no_measurement(more):
    with pytest.raises(ValueError, match="did not measure answers"):
        read(REPORT + more)
    with pytest.raises(ValueError, match="unable to connect"):
        read("unable to connect to 127.0.0.1:1 Connection refused")


def test_figures_agree_within_a_tenth_or_a_millisecond():
    other = Figures(1000, 20.0)

    assert agree(Figures(901, 21.9), other)
    assert not agree(Figures(899, 20.0), other)
    assert not agree(Figures(1000, 22.1), other)
    assert agree(Figures(1000, 2.9), Figures(1000, 2.0))


def test_ours_ask_as_often_as_a_server_lets_them():
    with null_server(delay_ms=50) as target:
        found = ours(f"{target}/", 4, 1)

    assert found.p50_ms >= 50
    assert 0 < found.rate <= 4 / 0.05
    with pytest.raises(RuntimeError, match="Connection refused"):
        ours(f"{target}/", 4, 1)
