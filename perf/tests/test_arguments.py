from __future__ import annotations

from argparse import ArgumentTypeError

import pytest
from django.core.management import CommandError, call_command

from perf import catalogue
from perf.management.arguments import between, duration_s, size, sizes
from perf.management.planning import chosen, planned
from perf.runner import chosen_sizes


@pytest.mark.parametrize(
    ("text", "found"),
    [("1", 1), ("500", 500), ("10k", 10_000), (" 1M ", 1_000_000), ("100M", 100_000_000)],
)
def test_a_size_is_read(text, found):
    assert size(text) == found


@pytest.mark.parametrize(
    "text", ["0", "0k", "-1", "1K", "1m", "1.5k", "", "k", "101M", "1e3", "1 k", "9999999999"]
)
def test_another_size_is_refused(text):
    with pytest.raises(ArgumentTypeError, match="must be a number of rows such as 500, 10k or 1M"):
        size(text)


def test_sizes_ascend_and_come_once():
    assert sizes("10k,1k,10000") == [1_000, 10_000]


@pytest.mark.parametrize("text", ["", "1k,", "1k;2k"])
def test_other_sizes_are_refused(text):
    with pytest.raises(ArgumentTypeError):
        sizes(text)


@pytest.mark.parametrize(("text", "found"), [("90s", 90.0), ("10m", 600.0), ("1h", 3_600.0)])
def test_a_duration_is_read(text, found):
    assert duration_s(text) == found


@pytest.mark.parametrize("text", ["0s", "10", "1d", "-1s", "1.5h", "", "m"])
def test_another_duration_is_refused(text):
    with pytest.raises(ArgumentTypeError, match="must be a duration such as 90s, 10m or 1h"):
        duration_s(text)


@pytest.mark.parametrize(("text", "found"), [("1", 1), ("100", 100)])
def test_a_number_within_its_bounds_is_read(text, found):
    assert between(1, 100)(text) == found


@pytest.mark.parametrize("text", ["0", "101", "x", "", "1.5", "nan"])
def test_a_number_beyond_its_bounds_is_refused(text):
    with pytest.raises(ArgumentTypeError, match="must be a number from 1 to 100"):
        between(1, 100)(text)


def test_not_a_number_is_no_number_in_bounds():
    with pytest.raises(ArgumentTypeError):
        between(1, 100, float)("nan")


def refusal(*arguments: str) -> tuple[int, str]:
    with pytest.raises(CommandError) as caught:
        call_command("benchmark", *arguments)
    return caught.value.returncode, str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sizes", "0"], "'0' must be a number of rows"),
        (["--rounds", "0"], "'0' must be a number from 1 to 100"),
        (["--executions", "0"], "'0' must be a number from 1 to 100"),
        (["--seed", "-1"], "'-1' must be a number from 0 to 2,147,483,647"),
        (["--budget", "0s"], "'0s' must be a duration"),
        (["--quick", "--rigorous"], "not allowed with argument"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    assert message in refusal("run", *arguments)[1]


def test_no_such_pair_tag_or_module_ends_with_2():
    assert refusal("run", "no.pair") == (2, "No pair is named 'no.pair': see `benchmark list`.")
    assert refusal("run", "--tag", "none") == (2, "No pair has the tag none.")
    assert refusal("list", "--module", "perf.nowhere") == (
        2,
        "ModuleNotFoundError: No module named 'perf.nowhere'",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("def", "SyntaxError: invalid syntax"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        (
            "from perf import variant\n@variant()\ndef way(): ...",
            "CatalogueError: Say in a docstring",
        ),
    ],
)
def test_a_module_that_fails_ends_with_2(tmp_path, monkeypatch, content, message):
    (tmp_path / "failing_pairs.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)

    code, told = refusal("list", "--module", "failing_pairs")

    assert code == 2
    assert message in told


def test_a_folder_that_cannot_be_made_ends_with_3(settings, tmp_path):
    (tmp_path / "file").write_text("")
    settings.PERF_DIR = tmp_path / "file" / "perf"

    code, told = refusal("self-test", "--pairs", "2")

    assert code == 3
    assert told.startswith("NotADirectoryError: ")


@pytest.mark.parametrize("option", ["--superuser-url {}", "--superuser-url={}", "--super {}"])
def test_a_password_is_not_kept_with_the_run(monkeypatch, option):
    url = "postgresql://postgres:'secret'@/x"
    monkeypatch.setattr("sys.argv", ["manage.py", "run", *option.format(url).split(), "--cold"])

    command = planned((), superuser_url=url).command

    assert command == f"manage.py run {option.format('URL')} --cold"


class Sized:
    """What `chosen_sizes` looks at of a pair."""

    name = "app.pair"

    def __init__(self, *sizes: int, large: tuple[int, ...] = (1_000_000,)) -> None:
        self.sizes, self.large_sizes = sizes, large


@pytest.mark.parametrize(
    ("spec", "asked", "large", "at_most", "found"),
    [
        (Sized(1_000, 10_000), None, False, None, (1_000, 10_000)),
        (Sized(1_000, 10_000), None, True, None, (1_000, 10_000, 1_000_000)),
        (Sized(1_000, 10_000), None, False, 1_000, (1_000,)),
        (Sized(10_000, 100_000), None, False, 1_000, (10_000,)),  # never none at all
        (Sized(1_000), [7, 5], False, None, (5, 7)),
        (Sized(1_000, large=()), [7, 5], False, None, (1_000,)),  # of no table's rows
        (Sized(1_000, 2_000, large=()), [7, 5], False, None, (5, 7)),
    ],
)
def test_the_sizes_of_a_pair_are_chosen(spec, asked, large, at_most, found):
    assert chosen_sizes([spec], asked, large=large, at_most=at_most) == {"app.pair": found}


class Named:
    """What `chosen` looks at of a pair."""

    def __init__(self, name: str, *tags: str) -> None:
        self.name, self.tags = name, ("quick", *tags)
        self.is_large = "large" in tags


@pytest.mark.parametrize(
    ("names", "tags", "more", "found"),
    [
        ([], [], {}, ["a.x"]),
        ([], ["quick"], {}, ["a.x"]),
        ([], [], {"large": True}, ["a.x", "a.z"]),
        ([], ["large"], {}, ["a.z"]),
        (["a.z"], [], {}, ["a.z"]),
        (["a.*"], [], {}, ["a.x", "a.z"]),
        (["a.*"], ["quick"], {}, ["a.x", "a.z"]),
    ],
)
def test_large_pairs_take_part_when_they_are_asked_for(monkeypatch, names, tags, more, found):
    known = [Named("a.x"), Named("a.z", "large")]
    monkeypatch.setattr(catalogue, "discover", lambda modules: known)

    assert [each.name for each in chosen(names, tags, **more)] == found


def test_a_star_stands_for_anything(monkeypatch):
    monkeypatch.setattr(catalogue, "discover", lambda modules: [Named("a.x"), Named("a.y")])

    assert [each.name for each in chosen(["*.x"])] == ["a.x"]
    assert [each.name for each in chosen([], ["quick"])] == ["a.x", "a.y"]
