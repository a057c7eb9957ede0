"""`manage.py seed` beside `psql \\copy` of the same rows: `.ci/prove` runs it with a million tasks.

PROVE_SEED_TASKS is another size, and PROVE_SEED_ROUNDS how often both run, in turns.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Final

import pytest
from django.conf import settings

from taskproject.tests import crowd
from taskproject.tests.children import SECRET_KEY, database_url, environment

TASKS: Final = os.environ.get("PROVE_SEED_TASKS", "1000000")
ROUNDS: Final = int(os.environ.get("PROVE_SEED_ROUNDS", "1"))
ALLOWED_RATIO: Final = 1.5
SIZE: Final = ("--tenants", "1000", "--tasks", TASKS)


@pytest.mark.prove
def test_a_seed_takes_at_most_half_longer_than_psql_takes_to_copy_the_same_rows(
    transactional_db: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    psql = shutil.which("psql")
    assert psql, "This compares with psql, and there is none: install postgresql-client."
    seed(*SIZE, "--output", str(tmp_path / "rows"))
    copy = [psql, "-X", "-q", "-f", "load.sql", database_url(owner=True)]

    seeded, loaded, copied = [], [], []
    for turn in range(ROUNDS):
        for side in ("seed", "psql") if turn % 2 == 0 else ("psql", "seed"):
            crowd.leave()
            started = time.monotonic()
            if side == "seed":
                found = re.search(r"rows in ([\d.]+) s", seed(*SIZE))
                assert found
                loaded.append(float(found[1]))
                seeded.append(time.monotonic() - started)
            else:
                subprocess.run(copy, cwd=tmp_path / "rows", check=True)
                copied.append(time.monotonic() - started)
    crowd.leave()

    ratio = median(seeded) / median(copied)
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{int(TASKS):,} tasks: psql {median(copied):.1f} s; seed {median(seeded):.1f} s, of "
            f"which {median(loaded):.1f} s to load; ratio {ratio:.2f}, of loading alone "
            f"{median(loaded) / median(copied):.2f}"
        )
    assert ratio <= ALLOWED_RATIO


def seed(*arguments: str) -> str:
    """Run the command as a program of its own; what it printed."""
    done = subprocess.run(
        [sys.executable, "manage.py", "seed", *arguments],
        cwd=settings.BASE_DIR,
        env=environment(
            DATABASE_URL=database_url(),
            DATABASE_OWNER_URL=database_url(owner=True),
            SECRET_KEY=SECRET_KEY,
        ),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout
