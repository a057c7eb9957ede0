"""What reports say of a load test: on a terminal, in Markdown, and in single words."""

from __future__ import annotations

import dataclasses

import pytest

from perf.load.results import (
    Arrivals,
    CapacityPoint,
    Model,
    ProcessUse,
    Rig,
    SloResult,
    SloVerdict,
    Stage,
)
from perf.report.load import comparison, knee, markdown, search, summary, terminal
from perf.report.load.summary import Standing
from perf.report.painting import Look
from perf.tests import sample_load
from perf.tests.test_report_markdown import tables


def cells(text):
    """The tables of Markdown as lists of rows, each a list of cells."""
    return [[[cell.strip() for cell in row] for row in found] for found in tables(text)]


HELD = (
    "Passed: all 3 objectives held. 119 good answers a second, p50 9.97 ms, p95 51 ms, p99 146 ms, "
    "0.042% failed, 0.126% throttled."
)


@pytest.mark.parametrize(
    ("make", "standing", "headline"),
    [
        (sample_load.sample_load, Standing.PASS, HELD),
        (sample_load.failing_load, Standing.FAIL, "Failed: 1 of 3 objectives did not hold. 119 "),
        (sample_load.limited_load, Standing.RIG_LIMITED, "Rig-limited: what was measured is the "),
        (sample_load.invalid_load, Standing.INVALID, "Invalid: this run says nothing about the "),
        (sample_load.aborted_load, Standing.FAIL, "Failed: 1 of 3 objectives did not hold."),
        (sample_load.partial_load, Standing.PARTIAL, "Broken off: 119 good answers a second, p50 "),
        (sample_load.dead_load, Standing.FAIL, "Failed: no request got a good answer. 0 good"),
        (sample_load.closed_load, Standing.NO_OBJECTIVES, "14.1 good answers a second, p50 10.1"),
        (sample_load.empty_load, Standing.NO_OBJECTIVES, "No request was due."),
    ],
)
def test_the_headline_says_how_it_stands(make, standing, headline):
    assert summary.standing(make()) is standing
    assert summary.headline(make()).startswith(headline)


def test_one_open_objective_keeps_a_run_from_passing():
    run = sample_load.sample_load()
    open_one = SloResult("p99.9<1s", SloVerdict.INCONCLUSIVE, "needs 10,000 samples")
    run = dataclasses.replace(run, slos=(*run.slos, open_one))

    assert summary.standing(run) is Standing.INCONCLUSIVE
    assert summary.headline(run).startswith(
        "Inconclusive: 1 of 4 objectives could not be decided. 119"
    )


@pytest.mark.parametrize("make", [sample_load.limited_load, sample_load.invalid_load])
def test_a_run_that_is_not_sound_shows_no_figure_of_the_service(make):
    run = dataclasses.replace(make(), slos=())
    for text in (terminal.render(run), markdown.render(run), summary.headline(run)):
        for figure in ("146 ms", "9.97", "119", "7,145", "0.042%", "hooli", "PostgreSQL is"):
            assert figure not in text


def test_what_limits_a_run_stands_at_the_top():
    lines = terminal.render(sample_load.limited_load()).splitlines()

    assert lines[:2] == [
        "Rig-limited: what was measured is the loader, and not the service.",
        "  rig-limited  The busiest worker used 97 % of its processor.",
    ]
    assert "not judged  p99<500ms         –" in lines


def test_a_run_that_was_broken_off_for_an_objective_keeps_its_verdict():
    text = terminal.render(sample_load.aborted_load())

    assert "Ended after 12 s, as p99<100ms had failed." in text
    assert "fail          p99<100ms         146 ms [129, 160]" in text
    assert "the run was broken off" in text


def test_a_run_that_was_broken_off_shows_what_there_is_of_it():
    text = terminal.render(sample_load.partial_load())

    assert "mind  It was broken off after 12 s of the measured part: interrupted." in text
    assert "inconclusive  p99<500ms" in text
    assert "9.97 ms" in text
    assert "loadtest compare" not in text  # which would refuse it


@pytest.mark.parametrize(
    ("used", "told"), [(1.2, "Lower the rate, try"), (1.9, "All 2 processors")]
)
def test_a_loader_at_its_limit_says_what_to_do(used, told):
    run = sample_load.limited_load()
    side = dataclasses.replace(run.server, processes=(ProcessUse("server", used, 0),))
    full = dataclasses.replace(run, server=side, environment={"CPUs": "2"})

    found = {word: text for word, text, _ in summary.troubles(full)}
    assert found["do"].startswith(told)


def test_only_a_loopback_target_shares_the_machine():
    run = sample_load.sample_load()
    found = {
        target: summary.shares_machine(dataclasses.replace(run, target=target))
        for target in (
            "http://127.1.2.3:8000", "http://[::1]/x", "https://localhost", "https://example.com",
            "http://[", "",
        )
    }  # fmt: skip

    assert list(found.values()) == [True, True, True, False, False, False]


def test_a_step_has_a_row_with_intervals_or_what_it_would_need():
    text = terminal.render(sample_load.sample_load())

    row = "873       0%  26.2 ms [24.9, 27.8]   85.7 ms [74.2, 134.8]  needs 1,000 samples   1.02 s"
    assert f"board        {row}" in text
    assert "  Failures  2 timed out, 1 status, 9 throttled (429)" in text


def test_tenants_stand_with_the_slowest_first():
    text = terminal.render(sample_load.sample_load())

    assert "the p95 of hooli, the slowest, is 1.08× that of all." in text
    assert text.index("hooli     ") < text.index("globex ") < text.index("umbrella ")


def test_of_many_tenants_those_with_too_few_requests_are_only_counted():
    run = sample_load.sample_load()
    few = dataclasses.replace(run.tenants[0], tenant="meagre", latency=sample_load.times([1]))
    text = terminal.render(dataclasses.replace(run, tenants=(few, few, *run.tenants)))

    assert "meagre" not in text
    assert "2 others, quicker or with too few requests." in text


def test_a_single_step_is_not_told_twice():
    run = sample_load.closed_load()
    text = terminal.render(dataclasses.replace(run, steps=run.steps[:1]))

    assert "\nlist " in text
    assert "\nall " not in text


def method(model, *stages, **changes):
    """A method without warm-up and pauses."""
    plain = {"think_s": 0, "warmup_s": 0, "arrivals": Arrivals.CONSTANT, "workers": 1, "seed": 1}
    of = {"model": model, "stages": stages, **plain, **changes}
    return dataclasses.replace(sample_load.METHOD, **of)


METHODS = {
    "Open model: 50 arrivals a second for 1 min, as a Poisson process, pauses of 500 ms on "
    "average, after 10 s of warm-up, timeout 10 s, 2 workers, at most 500 in flight, seed "
    "20261127": sample_load.METHOD,
    "Open model: 10 to 50 arrivals a second for 2 min, then 50 arrivals a second for 30 s, evenly "
    "spaced, timeout 10 s, 1 worker, at most 500 in flight, seed 1": method(
        Model.OPEN, Stage(120, 10, 50), Stage(30, 50, 50)
    ),
    "Closed model: 8 users for 2.5 s, without pauses, timeout 10 s, 1 worker, seed 1": method(
        Model.CLOSED, Stage(2.5, 8, 8)
    ),
}


@pytest.mark.parametrize("told", METHODS)
def test_the_method_is_a_sentence(told):
    run = dataclasses.replace(sample_load.empty_load(), method=METHODS[told])

    assert summary.method(run) == told


def test_the_loader_says_how_late_it_was_and_what_it_can():
    run = dataclasses.replace(sample_load.sample_load(), rig=Rig(2_900.0, 0.17, 1.6))

    assert summary.loader(run) == (
        "Requests were sent late by 244 µs at p50, 1.57 ms at p99; the busiest worker used 17% of "
        "a processor; a worker can send 2,900 requests a second to a server that does nothing."
    )
    assert summary.loader(sample_load.closed_load()) == "Requests were sent late by 243 µs at p50."
    assert summary.loader(sample_load.empty_load()) == "Nothing was sent."


def test_of_few_requests_it_is_not_known_how_late_they_were_sent():
    run = sample_load.closed_load()
    few = dataclasses.replace(run.total, lag=sample_load.times([1]))

    told = summary.loader(dataclasses.replace(run, total=few))
    assert told == "Too few requests were sent to say how late they were."


@pytest.mark.parametrize("width", [80, 100, 160])
def test_no_line_is_wider_than_the_terminal(width):
    for text in (
        terminal.render(sample_load.sample_load(), Look(width)),
        comparison.render(sample_load.comparison(), Look(width)),
        knee.render(sample_load.capacity(), Look(width)),
    ):
        assert max(map(len, text.splitlines())) <= width


def test_markdown_has_objectives_steps_and_what_to_mind():
    text = markdown.render(sample_load.failing_load())
    objectives, steps, environment = cells(text)

    assert text.startswith("### Failed: 1 of 3 objectives did not hold. 119 good answers a second")
    assert "- ⚠️ mind: Overload: requests in flight grow by 2.1 a second" in text
    assert objectives[2] == ["`p99<100ms`", "❌ fail", "146 ms \\[129, 160\\]"]
    assert [row[0] for row in steps[2:]] == ["`list`", "`detail`", "`board`", "`edit`", "**all**"]
    assert environment[2] == ["PostgreSQL", "18.6"]


# Comparisons and searches


def test_a_comparison_counts_its_verdicts_and_says_what_is_not_alike():
    text = comparison.render(sample_load.comparison())

    assert text.startswith("Of 4 figures: 1 better, 1 worse, 1 same, 1 undecided.\n")
    assert "  not alike  stages: 50/s for 60 s, 60/s for 60 s" in text
    assert "  mind  One run of a side" in text
    assert "all   p99     212 ms   301 ms   1.42× [1.21, 1.66]  worse" in text
    assert "edit  p99     –        –        –                   undecided" in text


def test_a_comparison_in_markdown_has_a_row_for_each_figure():
    (found,) = cells(comparison.to_markdown(sample_load.comparison()))

    assert [row[-1] for row in found[2:]] == ["same", "worse", "better", "undecided"]


OBJECTIVES = "p99<300ms and fail<0.1%"
AT_160 = f"{OBJECTIVES} hold at 160 sessions a second (800 good answers), at the second try only"


@pytest.mark.parametrize(
    ("changes", "headline"),
    [
        ({}, f"{AT_160}, and not at 200."),
        ({"fails": None}, f"{AT_160}; no higher rate is known to fail, so it may be more."),
        ({"holds": None}, f"No rate that was tried holds {OBJECTIVES}."),
        ({"holds": 80.0}, f"{OBJECTIVES} hold at 80 sessions a second (400 good answers), and not"),
        ({"of": "requests", "holds": 80.0}, f"{OBJECTIVES} hold at 80 requests a second, and not"),
        ({"slos": ("p99<300ms",), "holds": 80.0}, "p99<300ms holds at 80 sessions a second ("),
        (
            {"holds": None, "points": sample_load.capacity().points[5:6]},
            f"No rate is known that holds {OBJECTIVES}: no try could tell.",
        ),
    ],
)
def test_a_search_says_what_holds_and_what_is_not_known(changes, headline):
    found = dataclasses.replace(sample_load.capacity(), **changes)

    assert search.headline(found).startswith(headline)


def test_a_search_has_its_tries_in_order_each_with_what_was_measured_of_each_objective():
    (found,) = cells(knee.to_markdown(sample_load.capacity()))

    none = "0% \\[0%, 0.05%\\]"
    assert found[0] == ["sessions/s", "verdict", "good answers/s", "p99\\<300ms", "fail\\<0.1%"]
    rates = [row[0] for row in found[2:]]
    assert rates == ["20", "40", "80", "160", "160", "200", "240", "320", "400"]
    assert found[5:7] == [
        ["160", "fail", "800", "fails 425 ms \\[382, 476\\]", none],
        ["160", "pass, 2nd try, loader late", "800", "170 ms \\[153, 190\\]", none],
    ]
    assert found[-1] == ["400", "rig-limited", "1,180", "–", "–"]


def test_a_search_without_an_objective_of_latency_has_the_p99_beside():
    found = dataclasses.replace(sample_load.capacity(), slos=("fail<0.1%",), limit_ms=None)
    (table,) = cells(knee.to_markdown(found))

    assert table[0] == ["sessions/s", "verdict", "good answers/s", "fail\\<0.1%", "p99"]
    assert [row[-1] for row in table[6:7]] == ["170 ms \\[153, 190\\]"]
    assert table[-1][-1] == "–"


def told_next(*points: CapacityPoint, holds: float | None = None) -> str:
    found = dataclasses.replace(
        sample_load.capacity(), points=points, holds=holds, fails=None, of="requests"
    )
    text = knee.render(found)
    assert text.endswith(f"\n{search.advice(found)}\n") or not search.advice(found)
    return search.advice(found)


class TestWhatToDoNext:
    passed = CapacityPoint(80, SloVerdict.PASS)
    limited = CapacityPoint(160, SloVerdict.INCONCLUSIVE, limited=("Busy.",))
    undecided = CapacityPoint(113, SloVerdict.INCONCLUSIVE)

    def test_is_nothing_where_the_limit_is_known(self):
        assert search.advice(sample_load.capacity()) == ""
        assert told_next(self.passed, holds=80) == ""

    def test_is_another_machine_where_the_loader_was_at_its_limit(self):
        assert told_next(self.passed, self.limited, holds=80) == (
            "Next: free the machine, or load from another one; --rate 80/s, to begin near what "
            "holds."
        )

    def test_is_to_measure_longer_where_it_was_not_decided(self):
        assert told_next(self.passed, self.undecided, self.undecided, holds=80) == (
            "Next: a longer --duration, which decides more; --rate 80/s, to begin near what holds."
        )

    def test_is_a_lower_rate_where_none_is_known_that_holds(self):
        assert told_next(self.limited) == (
            "Next: free the machine, or load from another one; a --rate below 160/s."
        )


class TestTheProgressOfASearch:
    def test_says_what_holds_and_what_does_not(self):
        found = sample_load.capacity().points

        assert search.so_far(()) == ""
        assert search.so_far(found[:3]) == "80 holds"
        assert search.so_far(found[:4]) == "80 holds, 160 does not"
        assert search.so_far(found[:6]) == "160 holds, 400 is too much for the loader"
        assert search.so_far(found) == "160 holds, 200 does not"

    def test_tells_each_objective_of_a_try(self):
        failed = sample_load.capacity().points[3]

        assert search.outcome(failed) == (
            "fail: p99<300ms 425 ms [382, 476] (fails); fail<0.1% 0% [0%, 0.05%]"
        )

    @pytest.mark.parametrize(
        ("measured", "told"),
        [
            ("12 ms [9, 14]; the run was broken off", "12 ms [9, 14]"),
            ("12 ms [9, 14]; but 30% failed", "12 ms [9, 14]; but 30% failed"),
            ("9 s [8, 9]; in overload, where a longer run finds worse", "9 s [8, 9]; in overload"),
            ("12 ms, and no interval of fewer than 10 seconds", "12 ms"),
            ("needs 1,000 samples, and there are 300", "needs 1,000 samples, and there are 300"),
        ],
    )
    def test_says_in_short_what_speaks_against_a_figure(self, measured, told):
        slos = (SloResult("p99<1s", SloVerdict.INCONCLUSIVE, measured),)
        point = CapacityPoint(5, SloVerdict.INCONCLUSIVE, slos)

        assert search.outcome(point) == f"inconclusive: p99<1s {told} (undecided)"
        assert search.measured(point, "p99<1s") == (told, "undecided")

    def test_says_that_the_loader_was_at_its_limit_and_no_figure(self):
        limited = sample_load.capacity().points[5]

        assert search.outcome(limited) == (
            "rig-limited: The busiest worker used 97 % of its processor. It is not tried again."
        )

    def test_says_that_it_holds_although_the_loader_was_late(self):
        late = sample_load.capacity().points[4]

        assert search.outcome(late).startswith("pass, although the loader was late: p99<300ms 170")


def test_what_is_not_drawn_is_told_with_the_reason():
    unknown = CapacityPoint(7, SloVerdict.INCONCLUSIVE)
    found = sample_load.capacity()
    more = dataclasses.replace(found, points=(*found.points, unknown))

    assert search.not_drawn(more) == (
        "Not drawn: the loader was at its limit at 400/s, and there is no p99 at 7/s."
    )
    assert search.not_drawn(dataclasses.replace(found, points=found.points[:5])) == ""
