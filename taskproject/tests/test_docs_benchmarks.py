"""docs/benchmarks.md and the lab name the same subcommands, claims and verdicts."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

from perf import claim
from perf.engine.results import Verdict
from perf.management.commands.benchmark import SUBCOMMANDS
from taskproject.tests.test_docs_settings import ROOT

PAGE = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")


def test_it_names_every_subcommand_and_no_other() -> None:
    named = set(re.findall(r"\bbenchmark ([a-z][a-z-]+)\b", PAGE))

    assert set(SUBCOMMANDS) - named == set()
    assert named - set(SUBCOMMANDS) == set()


def test_it_names_every_claim() -> None:
    named = set(re.findall(r"claim\.(\w+)\(", PAGE))
    made = {
        name
        for name, each in vars(claim).items()
        if inspect.isfunction(each) and each.__module__ == claim.__name__ and name[0] != "_"
    }

    assert named == made


def test_it_explains_every_verdict() -> None:
    told = PAGE.partition("| verdict | when |")[2].partition("\n\n")[0]

    assert [each for each in Verdict if each.value not in told] == []


def test_its_example_is_a_pair_that_returns_equal_rows(tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[-1])
    command = ["benchmark", "explain", "tasks.any_blocked", "--module", "example", "--size", "1k"]

    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "proven equal" in done.stdout
    assert "holds  exists sends 1 statement" in done.stdout
