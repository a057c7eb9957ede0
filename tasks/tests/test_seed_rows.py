"""The rows of a seed before they reach a database: reproducible, exact, skewed, in flat memory."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any, Final

import pytest
from django.conf import settings

from taskproject.tests.children import SECRET_KEY, environment
from tasks.dataset.seeding.files import Digests
from tasks.dataset.seeding.options import SeedOptions
from tasks.dataset.seeding.rows import seed_blocks
from tasks.dataset.seeding.sizes import shares, tenant_sizes
from tasks.dataset.seeding.tables import COLUMNS
from tasks.dataset.seeding.texts import Texts, person_name, project_name, tenant_name
from tasks.dataset.seeding.worktime import DAY, HISTORY_DAYS, WorkCalendar

SMALL: Final = SeedOptions(tenants=4, tasks=300)
# Changes when the rows change. That is a line in the changelog: data sets of before can't be made
# again.
PINNED: Final = "60b8111c54666b886786ccf03c0783099c3d6fde38e703e2accbbd1384cc7711"


def digests(options: SeedOptions, **changes: Any) -> dict[str, str]:
    """The digest of each table."""
    found = Digests()
    for block in seed_blocks(options, **changes):
        found.add(block)
    return {table: digest for digest, table in (line.split("  ") for line in found.lines())}


def rows_of(options: SeedOptions) -> Counter[str]:
    counts: Counter[str] = Counter()
    for block in seed_blocks(options):
        assert block.text.count(b"\n") == block.rows
        counts[block.table] += block.rows
    return counts


def test_two_runs_make_the_same_bytes():
    assert digests(SMALL) == digests(SMALL)


def test_a_small_seed_makes_the_bytes_that_it_made_when_this_was_written():
    assert digests(SMALL)["event"] == PINNED


@pytest.mark.parametrize(
    "changes",
    [{"seed": 2}, {"zipf": Decimal("1.2")}, {"until": date(2026, 7, 1)}, {"prefix": "b-"}],
    ids=lambda changes: next(iter(changes)),
)
def test_another_option_makes_other_bytes(changes):
    other = SeedOptions(tenants=4, tasks=300, **changes)

    assert digests(other)["event"] != digests(SMALL)["event"]


def test_first_ids_change_ids_and_nothing_else():
    moved = list(seed_blocks(SMALL, {"label": 1001}))
    plain = list(seed_blocks(SMALL))

    changed = {a.table for a, b in zip(moved, plain, strict=True) if a.text != b.text}
    assert changed == {"label", "task_label"}


@pytest.mark.parametrize(
    ("tenants", "tasks"), [(1, 0), (7, 5), (1, 1), (3, 50_000), (40, 2_000), (1_000, 3_001)]
)
def test_there_are_exactly_as_many_tasks_and_tenants_as_were_asked_for(tenants, tasks):
    found = rows_of(SeedOptions(tenants=tenants, tasks=tasks))

    assert (found["tenant"], found["task"]) == (tenants, tasks)


def test_each_tenant_has_something_even_without_tasks():
    found = rows_of(SeedOptions(tenants=5, tasks=0))

    assert found == {
        "tenant": 5,
        "user_account": 10,
        "membership": 11,  # the second takes in a member of the first
        "project": 5,
        "label": 20,
        "event": 36,
    }


def test_sizes_follow_zipfs_law():
    sizes = tenant_sizes(1_000_000, 1_000, Decimal(1))

    assert sum(sizes) == 1_000_000
    assert sizes == sorted(sizes, reverse=True)
    # H(1000) = 7.4855: the first of a thousand has 13.36 % of what is shared out.
    assert sizes[0] == pytest.approx(0.1336 * 997_000, rel=0.001)
    assert sizes[9] - 3 == pytest.approx((sizes[0] - 3) / 10, abs=1)
    assert tenant_sizes(12, 4, Decimal(0)) == [3, 3, 3, 3]
    assert min(tenant_sizes(40, 10, Decimal(4))) == 3


def test_shares_are_exact_and_fall_with_the_weights():
    assert shares(10, [1, 1, 1]) == [4, 3, 3]
    assert shares(0, [5, 1]) == [0, 0]


def test_names_are_unique_and_fit_their_columns():
    users = {person_name(n)[0] for n in range(8_000)}
    tenants = {tenant_name(n)[0] for n in range(4_000)}
    keys = {project_name(3, n).key for n in range(61)}

    assert (len(users), len(tenants), len(keys)) == (8_000, 4_000, 61)
    assert all(name.isascii() and " " not in name for name in users)
    assert max(map(len, keys)) <= 10
    assert tenant_name(0)[0] == "acme"
    assert person_name(0)[0] == "ada.lind"


def test_no_text_holds_what_copy_or_json_would_have_to_escape():
    texts = Texts()
    lines = [title for theme in texts._titles for title in theme]

    assert len(set(lines)) > 30_000
    assert not [line for line in (*lines, *texts._remarks) if set(line) & set('\t\n\\"')]
    assert max(map(len, lines)) < 200


def test_time_skips_nights_and_weekends_and_ends_before_the_day_that_is_asked_for():
    calendar = WorkCalendar(date(2026, 6, 30))  # a Tuesday

    assert calendar.at(calendar.end - 1) == "2026-06-29 16:59:59+00"
    assert calendar.at(calendar.end - DAY - 1) == "2026-06-26 16:59:59+00"
    assert calendar.due(HISTORY_DAYS) == "2026-06-30 16:00:00+00"
    assert calendar.due_iso(HISTORY_DAYS) == "2026-06-30T16:00:00+00:00"


def test_blocks_come_in_an_order_in_which_each_finds_what_it_refers_to():
    order = [block.table for block in seed_blocks(SMALL)]

    assert order == list(COLUMNS)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"tenants": 0}, "--tenants 0: from 1 to 100,000."),
        ({"tasks": -1}, "--tasks -1: from 0 to 100,000,000."),
        ({"zipf": Decimal(5)}, "--zipf 5: from 0"),
        ({"zipf": Decimal("nan")}, "--zipf NaN: from 0"),
        ({"until": date(1900, 1, 1)}, "--until 1900-01-01: a day"),
        ({"prefix": "A"}, "--prefix 'A': up to 20"),
        ({"prefix": "a\n"}, "--prefix 'a\\n': up to 20"),
    ],
)
def test_options_out_of_range_are_named_with_their_range(changes, text):
    with pytest.raises(ValueError, match=r"^--") as caught:
        SeedOptions(**changes)

    assert str(caught.value).startswith(text)


_PEAK: Final = """
import resource, django
django.setup()
from tasks.dataset.seeding.options import SeedOptions
from tasks.dataset.seeding.rows import seed_blocks
for block in seed_blocks(SeedOptions(tenants=50, tasks={tasks})):
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_kib(tasks: int) -> int:
    """The most memory that a process needs to make the rows."""
    done = subprocess.run(
        [sys.executable, "-c", _PEAK.format(tasks=tasks)],
        cwd=settings.BASE_DIR,
        env=environment(DATABASE_URL="postgresql://nobody@nowhere/none", SECRET_KEY=SECRET_KEY),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return int(done.stdout)


def test_six_times_the_tasks_need_no_more_memory():
    assert peak_kib(60_000) - peak_kib(10_000) < 8 * 1024
