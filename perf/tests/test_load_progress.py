"""What a load test tells while it goes on."""

from __future__ import annotations

import io

from perf.load.results import Second
from perf.management.load_progress import LineTeller


def lines(*ats: int) -> list[str]:
    """What is told of those seconds where there is no terminal."""
    out = io.StringIO()
    teller = LineTeller(out)
    for at in ats:
        teller.second(Second(at, 120, 118, 1, 3, 3.2, 12.6, 21.1, 3.9))
    return out.getvalue().splitlines()


def test_every_fifth_second_has_a_line_with_each_figure_under_its_name():
    figures = "due 120, done 118, failed 1, in flight 3, p50 3.2 ms, p95 12.6 ms, max 21.1 ms"

    assert lines(0, 1, 2, 3, 4, 5) == [f"   {at} s: {figures}, lag 3.9 ms" for at in (0, 5)]


def test_a_second_of_the_warm_up_is_named_so():
    (line,) = lines(-5, -4)

    assert line.startswith("warm-up: due 120, done 118, ")
