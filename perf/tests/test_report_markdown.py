from __future__ import annotations

import dataclasses
import re

from perf.report import summary
from perf.report.markdown import pattern_table, render
from perf.tests.sample_run import broken_off_run, deep_page, empty_run, sample_run, skipped

CELL = re.compile(r"(?<!\\)\|")


def tables(text):
    """The tables as lists of rows, each a list of cells."""
    blocks = re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE)
    return [[CELL.split(line)[1:-1] for line in block.splitlines()] for block in blocks]


def test_a_comment_has_a_row_for_each_naive_way():
    found = tables(render(sample_run()))[0]

    assert len(found) == 2 + 9
    assert [each.strip() for each in found[3]] == [
        "`tasks.deep_page`", "`keyset` / `offset`", "1M", "**efficient wins**",
        "27.1× [26.6, 27.7]", "7.96 ms", "309 µs / 8.42 ms", "8 / 17,782", "1 / 1",
        "flat / N^1", "10k",
    ]  # fmt: skip


def test_a_comment_tells_what_went_amiss():
    text = render(sample_run())

    assert "- **Refused**: `tasks.partial_index` at 1M: the rows differ: 50 by" in text
    assert "- Not timed: `tasks.existence` at 1M, `fetch_all`: a call takes 2.9 s" in text
    assert r"- Skipped: `tasks.kept_answer`: needs Redis: start one and set REDIS\_URL" in text
    assert "- ❌ refuted: `tasks.existence`: count grows by N^1 in time; measured: N^0.9" in text
    assert "**Of 12 claims: 7 hold, 2 refuted, 1 undecided, 2 not measured.**" in text


def test_the_environment_is_folded():
    text = render(sample_run())
    folded = text[text.index("<details>") :]

    assert "| CPUs | 2 |" in folded
    assert folded.rstrip().endswith("</details>")
    assert text.count("| CPUs | 2 |") == 1


def test_odd_runs_are_told_in_words():
    assert "**Broken off: what is here is valid" in render(broken_off_run())
    assert render(empty_run()).startswith("### Nothing was measured: run ")
    assert tables(render(empty_run())) == []


def test_a_page_has_each_way_at_each_size():
    found = tables(pattern_table(deep_page(), sample_run()))[0]

    assert len(found) == 2 + 4 * 3
    assert [each.strip() for each in found[-2]] == [
        "1,000,000", "`offset`", "8.42 ms", "27.1× [26.6, 27.7]", "efficient wins", "17,782", "1",
        "46.9 KiB",
    ]  # fmt: skip


def test_a_page_tells_growth_payoff_claims_and_how_to_repeat_it():
    text = pattern_table(deep_page(), sample_run())

    assert r"- `offset`: N^1 in time (27.4× \[26.4, 28.5\] in all), N^1 in blocks" in text
    assert "- Beside `offset`: pays from 10,000 rows on; not at 1,000." in text
    assert "| keyset is flat in blocks | ✅ holds | 1 \\[1, 1\\] times |" in text
    assert (
        "Measured on PostgreSQL 18.6, Python 3.13.0, Django 6.1.3, psycopg 3.3.9, 2 CPUs, commit"
        in text
    )
    assert "Run `2026-11-26T140531-585bfab` of 2026-11-26 14:05 UTC." in text
    assert "```\nmanage.py benchmark run --large --seed 42\n```" in text


def test_a_page_tells_how_a_large_pair_was_measured():
    made = sample_run()
    large = dataclasses.replace(deep_page(), is_large=True)

    assert f"; {summary.method(made)}." in pattern_table(deep_page(), made)
    assert "1 draw of arguments, samples of one call, " in pattern_table(large, made)


def test_a_run_tells_how_its_large_pairs_were_measured():
    made = sample_run()
    whole = dataclasses.replace(made, pairs=(dataclasses.replace(deep_page(), is_large=True),))

    assert "large pairs" not in render(made)
    assert "; large pairs: 10 executions × 2 rounds, 1 draw of arguments, samples of one call" in (
        render(whole)
    )


def test_a_skipped_pair_is_one_sentence():
    text = pattern_table(skipped(), sample_run())

    assert text == "Not measured: needs Redis: start one and set REDIS\\_URL.\n"


def test_nobody_is_called_and_no_markup_gets_in():
    pair = dataclasses.replace(skipped(), skipped="ask @alice | <b>now</b>\n# head")
    text = render(dataclasses.replace(sample_run(), pairs=(pair,)))

    assert "ask @\u200balice \\| \\<b\\>now\\</b\\> \\# head" in text
