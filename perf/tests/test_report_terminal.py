from __future__ import annotations

import dataclasses
import io
import re

import pytest
from rich.cells import cell_len

from perf.report.details import details
from perf.report.painting import Look
from perf.report.terminal import render
from perf.tests.sample_run import (
    broken_off_run,
    counted_run,
    deep_page,
    empty_run,
    sample_run,
    skipped,
)

ESCAPES = re.compile("\x1b\\[[0-9;]*m")
PLAIN = Look()


def lines(text, start):
    return [each for each in text.splitlines() if each.lstrip().startswith(start)]


def test_a_comparison_is_one_line_of_times_and_one_of_counts():
    found = [each for each in render(sample_run()).splitlines() if "keyset/offset " in each]

    assert found == [
        "efficient wins  tasks.deep_page          1M  keyset/offset            309 µs / 8.42 ms   "
        "27.1× [26.6, 27.7]     7.96 ms",
        "tasks.deep_page          1M  keyset/offset            8 / 17,782     1 / 1       "
        "flat / N^1   10k",
    ]


def test_the_head_says_what_was_measured_when_on_what_and_how():
    assert render(sample_run()).splitlines()[:3] == [
        "6 pairs, 32 comparisons: run 2026-11-26T140531-585bfab of 2026-11-26 14:05 UTC, "
        "in 15 min 36 s",
        "On PostgreSQL 18.6, Python 3.13.0, Django 6.1.3, psycopg 3.3.9, 2 CPUs, "
        "commit 585bfabe0c1d with changes",
        "10 executions × 3 rounds, 5 draws of arguments, samples of 20 ms, warm cache, "
        "95% confidence, margin 10%, seed 42",
    ]


def test_a_refused_size_is_told_and_the_largest_measured_one_shown():
    text = render(sample_run())

    assert "  tasks.partial_index 1M  the rows differ: 50 by partial, 49 by full, first at" in text
    assert lines(text, "naive wins  ")[0].split()[2:4] == ["tasks.partial_index", "100k"]


def test_what_was_not_timed_or_skipped_is_told_with_the_reason():
    text = render(sample_run())

    assert "  tasks.existence 1M  fetch_all: a call takes 2.9 s, over the limit of 2 s" in text
    assert "  tasks.kept_answer  needs Redis: start one and set REDIS_URL" in text


def test_claims_that_do_not_hold_are_listed_refuted_ones_first():
    text = render(sample_run())
    found = re.findall(r"^  \S+  (refuted|undecided): ", text, re.MULTILINE)

    assert "Of 12 claims: 7 hold, 2 refuted, 1 undecided, 2 not measured." in text
    assert found == ["refuted", "refuted", "undecided"]


def test_when_all_claims_hold_that_is_one_line():
    run = dataclasses.replace(sample_run(), pairs=(deep_page(),))

    assert "All 3 claims hold." in render(run).splitlines()


def test_the_controls_are_one_paragraph_with_complaints_below():
    text = " ".join(render(sample_run()).split())

    assert (
        "Controls: Noise floor 4%, resolves 12%; A/A 1.00 [0.98, 1.03], equivalent; injected delay "
        "of 20% found; the harness takes 310 ns of a call Mind The machine was not quiet: a fixed"
    ) in text


def test_a_broken_off_run_says_so_in_its_head_and_has_too_few_controls():
    text = render(broken_off_run())

    assert text.splitlines()[1].startswith("Broken off: what is here is valid")
    assert "Too few controls were run to say anything: how much of this is noise" in text


def test_a_run_that_times_nothing_needs_no_controls():
    assert "No controls were run, as nothing was timed." in render(counted_run())


def test_a_run_that_only_counts_shows_counts_and_the_growth_of_blocks():
    text = render(counted_run())
    found = [each for each in text.splitlines() if "keyset/offset " in each]

    assert "Time, at" not in text
    assert "GROWTH OF BLOCKS" in text
    assert len(found) == 1
    assert found[0].split()[-4:] == ["flat", "/", "N^1", "–"]


def test_claims_that_were_not_measured_are_counted_by_their_reason():
    lines_of_claims = lines(render(sample_run()), "not measured  ")

    assert [each.strip() for each in lines_of_claims] == [
        "not measured  1 claim of tasks.only_columns: not at 1,000,000",
        "not measured  1 claim of tasks.kept_answer: nothing was counted",
    ]


def test_a_run_of_nothing_says_so():
    text = render(empty_run())

    assert text.startswith("Nothing was measured: run ")
    assert "Nothing was claimed." in text
    assert "On an unknown machine" in text


def test_on_a_terminal_verdicts_are_coloured_and_are_words_too():
    text = render(sample_run(), Look(120, terminal=True, color=True))
    words = ESCAPES.sub("", text)

    assert re.search("\x1b\\[32mefficient wins", text)
    assert re.search("\x1b\\[1;31mnaive wins", text)
    for each in ("efficient wins", "naive wins", "equivalent", "inconclusive", "too noisy"):
        assert each in words


@pytest.mark.parametrize("width", [100, 160])
def test_a_terminal_is_not_overrun(width):
    text = ESCAPES.sub("", render(sample_run(), Look(width, terminal=True, color=True)))

    assert max(map(cell_len, text.splitlines())) <= width


def test_without_colour_a_terminal_has_boxes_and_no_escape_codes():
    text = render(sample_run(), Look(100, terminal=True, color=False))

    assert "───" in text
    assert "\x1b" not in text


def test_a_log_has_neither(monkeypatch):
    assert Look.of(io.StringIO()) == PLAIN
    assert not re.search("[\x1b─│┃━]", render(sample_run()))


def test_no_color_is_heeded(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "132")
    assert Look.of(stream).color

    monkeypatch.setenv("NO_COLOR", "1")
    assert Look.of(stream) == Look(132, terminal=True, color=False)


def test_details_have_all_figures_of_each_way_at_each_size():
    text = details(deep_page())
    found = [each.split() for each in lines(text, "offset  ") if " ms " in each]

    assert text.count("rows by each way, proven equal") == 4
    assert " ".join(found[-1]) == "offset 30 8.42 ms 8.56 ms 716 µs 7.83 ms 10.6 ms 10.6 ms 2 0.4%"


def test_details_have_statements_and_plans_once_for_each_shape():
    text = details(deep_page())

    assert text.count("LIMIT 50 OFFSET 500000") == 2  # by offset and by offset_and_count
    assert "OFFSET 5000\n" not in text
    assert "keyset at 1,000,000 rows, in the same shape from 1,000 on:" in text
    assert "16,670 blocks found in memory, 1,111 fetched, 50 rows" in text


def test_statements_that_differ_in_values_are_told_once():
    text = details(sample_run().pairs[3])

    assert text.count('FROM "projects_project"') == 1
    assert "50 like this, together: 200 blocks found in memory, 0 fetched, 50 rows" in text


def test_details_of_a_skipped_pair_say_why():
    text = details(skipped())

    assert "Skipped  needs Redis: start one and set REDIS_URL" in text


def test_what_to_do_next_names_what_is_not_settled():
    found = [each.removeprefix("  -  ") for each in lines(render(sample_run()), "-  ")]

    assert found == [
        "See what refutes a claim: manage.py benchmark history --show 2026-11-26T140531-585bfab "
        "tasks.existence",
        "See what refutes a claim: manage.py benchmark history --show 2026-11-26T140531-585bfab "
        "tasks.partial_index",
        "More rounds, to settle tasks.existence",
        "More executions, to settle tasks.only_columns",
        "Repeat the run: manage.py benchmark run --large --seed 42",
        "See all figures of a pair: manage.py benchmark history --show 2026-11-26T140531-585bfab "
        "PAIR",
        "Draw it: manage.py benchmark history --show 2026-11-26T140531-585bfab --html run.html",
    ]
