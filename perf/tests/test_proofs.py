"""That verdicts can be believed: ways that are equal, ways that are known not to be, and the gate
between two trees of git. A handful of each here, and all of them by `make prove`."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

import perf
from perf.engine.results import Verdict
from perf.tests.lab import COMMAND, Lab, finished

WINS = (Verdict.EFFICIENT, Verdict.NAIVE)
SIZES = ("--sizes", "10k", "--quiet")


def verdicts(lab: Lab, names: Sequence[str], *more: str) -> list[Verdict]:
    code, output, errors = lab.do(
        *("run", *names, "--module", "perf.tests.planted_many", *SIZES, *more)
    )
    assert code == 0, output + errors
    return [each.sizes[0].comparisons[0].verdict for each in lab.runs()[-1].pairs]


@pytest.mark.prove
def test_of_100_equal_pairs_at_most_5_are_told_apart(lab):
    found = verdicts(lab, ["planted.same_*"], "--quick")

    assert len(found) == 100
    assert sum(each in WINS for each in found) <= 5, found


@pytest.mark.prove
def test_a_delay_of_twice_the_margin_is_found_20_times_of_20(lab):
    found = verdicts(lab, ["planted.delayed_*"])

    assert found == [Verdict.EFFICIENT] * 20


@pytest.mark.prove
def test_the_self_test_says_whether_this_machine_can_be_believed(lab):
    code, output, errors = lab.do("self-test", "--pairs", "20", "--quiet")

    assert code in (0, 3), errors
    wrong, missed = (int(n) for n in re.findall(r": (\d+) (?:told apart|missed)\.$", output, re.M))
    assert wrong <= 1  # of 20; how much is missed depends on what else the machine does
    assert code == (3 if missed else 0), output


def test_a_handful_of_equal_pairs_and_of_one_that_is_not(lab):
    names = "planted.same_1", "planted.same_2", "planted.same_3", "planted.slow"
    *same, slow = verdicts(lab, names, "--quick", "--executions", "5")

    assert slow is Verdict.EFFICIENT
    assert sum(each in WINS for each in same) <= 1, same


class Tree(Lab):
    """A tree of git with the lab in it, from which the command is run."""

    @classmethod
    def made(cls, folder: Path, application: str) -> Tree:
        lab = cls(folder, application)
        lab.environment()
        shutil.copytree(
            Path(perf.__file__).parent, folder / "perf", ignore=shutil.ignore_patterns("*.pyc")
        )
        for command in (["init", "-q"], ["add", "perf", "lab_settings.py"], ["commit", "-qm", "x"]):
            who = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
            subprocess.run(["git", *who, *command], cwd=folder, check=True)
        return lab

    def gate(self, *arguments: str) -> tuple[int, str, str]:
        """The gate between this tree and its last commit."""
        return finished(
            subprocess.Popen(
                [*COMMAND, "gate", "--against", "HEAD", *SIZES, *arguments],
                cwd=self.folder,
                env=self.environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )

    def change(self, before: str, after: str) -> None:
        """Change the planted pairs, without a commit."""
        path = self.folder / "perf" / "tests" / "planted.py"
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after, 1))


@pytest.fixture(scope="module")
def tree(application, tmp_path_factory) -> Tree:
    return Tree.made(tmp_path_factory.mktemp("tree"), application)


ONE = ("planted.lookup", "--module", "perf.tests.planted")


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.prove)])
def test_the_same_commit_is_green(tree, times):
    for _ in range(times):
        code, output, errors = tree.gate(*ONE)

        assert code == 0, output + errors
        assert re.search(r"^0 slower by more than 20%, [01] undecided, of 1\.$", output, re.M)
    assert not list(tree.folder.glob(".git/worktrees/*"))


@pytest.mark.prove
def test_what_became_slower_is_red_also_when_it_is_measured_once_more(tree):
    tree.change(
        "return self.by_index(place)",
        'rows("SELECT pg_sleep(0.002)"); return self.by_index(place)',
    )

    code, output, errors = tree.gate(*ONE)

    assert code == 1, output + errors
    assert "Measuring 1 once more, as they seem slower." in output
    assert re.search(r"^worse +planted\.lookup at 10,000: indexed is 0\.0", output, re.M)


def test_what_git_does_not_know_is_refused(tree):
    code, _, errors = tree.gate(*ONE, "--against", "no-such-branch")

    assert code == 3
    assert "no-such-branch" in errors
