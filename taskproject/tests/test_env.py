"""The readers of environment variables: what they take, and what they say of what they don't."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from taskproject.env import Env, database_parts

POSTGRES = ("postgresql", "postgres")


def read(text: str) -> Env:
    """An environment in which X has a value."""
    return Env({"X": text})


def refusal(call: Callable[[], Any]) -> str:
    """What it says, and what else a traceback would show with it."""
    with pytest.raises(ImproperlyConfigured) as refused:
        call()
    error = refused.value
    behind = error.__cause__ if error.__suppress_context__ else error.__context__
    assert "hun" not in f"{error} {behind}", "no password"
    return str(error)


def test_text_is_read_without_the_blanks_around_it() -> None:
    assert read("  a b\n").text("X") == "a b"


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_variable_counts_as_not_set(blank: str) -> None:
    assert read(blank).text("X", "default") == "default"
    assert read(blank).boolean("X", True) is True
    assert read(blank).integer("X", 7, minimum=1, maximum=9) == 7
    assert read(blank).seconds("X", 0.5, minimum=0, maximum=1) == 0.5
    assert read(blank).choice("X", "a", choices=("a", "b")) == "a"
    assert read(blank).names("X", ("a", "b")) == ["a", "b"]
    assert read(blank).url("X", "https://a", schemes=("https",)) == "https://a"
    assert read(blank).secret("X", "default") == "default"


@pytest.mark.parametrize("reader", ["text", "secret"])
def test_what_must_be_set_is_named(reader: str) -> None:
    assert refusal(lambda: getattr(Env({}), reader)("X")) == "X must be set."
    assert refusal(lambda: Env({}).url("X", schemes=("http",))) == "X must be set."


@pytest.mark.parametrize("text", ["1", "true", "True", "YES", "on", " on "])
def test_true_has_four_words_in_any_case(text: str) -> None:
    assert read(text).boolean("X", False) is True


@pytest.mark.parametrize("text", ["0", "false", "FALSE", "No", "off"])
def test_false_has_four_words_in_any_case(text: str) -> None:
    assert read(text).boolean("X", True) is False


@pytest.mark.parametrize("text", ["2", "y", "t", "enabled", "none", "ture", "-1", "truefalse"])
def test_any_other_word_is_no_boolean(text: str) -> None:
    assert refusal(lambda: read(text).boolean("X", True)) == (
        f"X must be true or false, not {text!r}."
    )


@pytest.mark.parametrize(("text", "value"), [("1", 1), (" 9 ", 9), ("+5", 5), ("07", 7)])
def test_a_whole_number_may_reach_both_limits(text: str, value: int) -> None:
    found = read(text).integer("X", 2, minimum=1, maximum=9)

    assert (found, type(found)) == (value, int)


@pytest.mark.parametrize("text", ["1.0", "1e3", "ten", "0x1", "1 2", "", "½", "nan"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    if text:
        message = refusal(lambda: read(text).integer("X", 2, minimum=1, maximum=9))
        assert message == f"X must be a whole number, not {text!r}."


@pytest.mark.parametrize("text", ["0", "10", "-1", "9" * 30])
def test_a_whole_number_outside_its_limits_is_refused(text: str) -> None:
    message = refusal(lambda: read(text).integer("X", 2, minimum=1, maximum=9))

    assert message == f"X must be from 1 to 9, not {text}."


def test_a_default_outside_its_limits_is_refused_too() -> None:
    assert "X must be from 0 to 1" in refusal(lambda: Env({}).integer("X", 2, minimum=0, maximum=1))


def test_a_number_of_thousands_of_digits_is_refused_like_any_other() -> None:
    assert "X must be" in refusal(lambda: read("9" * 5000).integer("X", 2, minimum=1, maximum=9))


@pytest.mark.parametrize(
    ("text", "value"), [("0.1", 0.1), ("60", 60.0), ("1e1", 10.0), (".5", 0.5)]
)
def test_seconds_may_have_a_fraction(text: str, value: float) -> None:
    assert read(text).seconds("X", 2, minimum=0.1, maximum=60) == value


@pytest.mark.parametrize("text", ["2s", "two", "1,5", "0:10"])
def test_what_is_no_number_of_seconds_is_refused(text: str) -> None:
    message = refusal(lambda: read(text).seconds("X", 2, minimum=0.1, maximum=60))

    assert message == f"X must be a number of seconds, not {text!r}."


@pytest.mark.parametrize("text", ["0", "0.09", "60.1", "-1", "nan", "inf", "-inf", "1e999"])
def test_seconds_outside_their_limits_are_refused(text: str) -> None:
    message = refusal(lambda: read(text).seconds("X", 2, minimum=0.1, maximum=60))

    assert message.startswith("X must be from 0.1 to 60, not ")


def test_a_choice_is_one_of_its_words_as_they_are_written() -> None:
    assert read("b").choice("X", "a", choices=("a", "b")) == "b"
    assert Env({}).choice("X", "a", choices=("a", "b")) == "a"
    assert refusal(lambda: read("B").choice("X", "a", choices=("a", "b"))) == (
        "X must be one of a, b, not 'B'."
    )


@pytest.mark.parametrize(
    ("text", "names"), [("a", ["a"]), (" a , b,,", ["a", "b"]), (",", []), ("a b", ["a b"])]
)
def test_names_are_separated_by_commas(text: str, names: list[str]) -> None:
    assert read(text).names("X") == names


def test_names_are_none_by_default() -> None:
    assert Env({}).names("X") == []


@pytest.mark.parametrize("text", ["postgresql://a@b/c", "postgres://a@b/c"])
def test_a_url_has_one_of_its_schemes(text: str) -> None:
    assert read(text).url("X", schemes=POSTGRES) == text


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("mysql://joe:hunter2@db/x", "mysql"),
        ("joe:hunter2@db/x", "joe"),
        ("//joe:hunter2@db/x", "nothing"),
        ("postgresqlx://joe:hunter2@db/x", "postgresqlx"),
    ],
)
def test_a_url_of_another_scheme_is_refused_without_its_password(text: str, scheme: str) -> None:
    message = refusal(lambda: read(text).url("X", schemes=POSTGRES))

    assert message == f"X must begin with postgresql:// or postgres://, not {scheme!r}."


@pytest.mark.parametrize("text", ["http://[half", "https://joe:hunter2@[::1/x"])
def test_a_url_that_is_broken_is_refused_by_its_name(text: str) -> None:
    message = refusal(lambda: read(text).url("X", schemes=("http", "https")))

    assert message == "X is no well-formed URL."


# Secrets


def test_a_secret_is_the_variable_or_the_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("  from the file\n", encoding="utf-8")

    assert Env({"X": "itself"}).secret("X") == "itself"
    assert Env({"X_FILE": str(file)}).secret("X") == "from the file"
    assert Env({"X": " ", "X_FILE": str(file)}).secret("X", "default") == "from the file"
    assert Env({"X": "itself", "X_FILE": ""}).secret("X") == "itself"


def test_a_secret_is_not_given_twice(tmp_path: Path) -> None:
    message = refusal(lambda: Env({"X": "hunter2", "X_FILE": str(tmp_path)}).secret("X"))

    assert message == "Set X or X_FILE, not both."


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    absent = tmp_path / "absent"

    assert refusal(lambda: Env({"X_FILE": str(absent)}).secret("X", "default")) == (
        f"X_FILE: can't read {absent}: No such file or directory."
    )
    assert "Is a directory" in refusal(lambda: Env({"X_FILE": str(tmp_path)}).secret("X"))


def test_an_empty_file_is_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("\n", encoding="utf-8")

    assert refusal(lambda: Env({"X_FILE": str(file)}).secret("X", "default")) == (
        f"X_FILE: {file} is empty."
    )


def test_a_file_that_is_no_text_is_named_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"hunter2\xff\xfe")

    message = refusal(lambda: Env({"X_FILE": str(file)}).secret("X"))

    assert message == f"X_FILE: {file} is not UTF-8."


# Database URLs


def parts(url: str) -> dict[str, Any]:
    return database_parts("X", url)


def test_a_database_url_is_taken_apart() -> None:
    assert parts("postgresql://joe:hunter2@db.example:5433/tasks?sslmode=require") == {
        "NAME": "tasks",
        "USER": "joe",
        "PASSWORD": "hunter2",
        "HOST": "db.example",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "require"},
    }


def test_what_a_database_url_leaves_out_is_empty() -> None:
    found = parts("postgresql://joe@/tasks")

    assert {name: found[name] for name in ("PASSWORD", "HOST", "PORT", "OPTIONS")} == {
        "PASSWORD": "",
        "HOST": "",
        "PORT": "",
        "OPTIONS": {},
    }


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://joe@%2Frun%2Fpostgresql/tasks",
        "postgresql://joe@%2frun%2fpostgresql/tasks",
        "postgresql://joe@/tasks?host=/run/postgresql",
        "postgresql://joe@/tasks?host=%2Frun%2Fpostgresql",
        "postgresql://joe@elsewhere/tasks?host=/run/postgresql",
    ],
)
def test_a_folder_of_sockets_is_given_encoded_or_as_a_parameter(url: str) -> None:
    found = parts(url)

    assert (found["HOST"], found["OPTIONS"]) == ("/run/postgresql", {})


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("postgresql://joe@%2FHome%2FJoe%2FMy%20Run/tasks", "/Home/Joe/My Run"),
        ("postgresql://joe@/tasks?host=%2FHome%2FJoe%2F100%2525", "/Home/Joe/100%25"),
    ],
)
def test_the_name_of_a_folder_is_kept_to_the_letter(url: str, host: str) -> None:
    assert parts(url)["HOST"] == host


def test_a_port_stands_behind_the_host_or_in_a_parameter() -> None:
    assert parts("postgresql://joe@db:5433/tasks")["PORT"] == "5433"
    assert parts("postgresql://joe@%2Frun:5433/tasks")["PORT"] == "5433"
    assert parts("postgresql://joe@/tasks?host=/run&port=5434")["PORT"] == "5434"


def test_names_and_passwords_are_decoded() -> None:
    found = parts("postgresql://j%40e:p%2Fa%3As%25s%3F%23@db/t%C3%A4sks")

    assert (found["USER"], found["PASSWORD"], found["NAME"]) == ("j@e", "p/a:s%s?#", "täsks")


def test_an_ipv6_host_loses_its_brackets() -> None:
    found = parts("postgresql://joe@[::1]:5433/tasks")

    assert (found["HOST"], found["PORT"]) == ("::1", "5433")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://joe:hunter2@db", "X must name a database: "),
        ("postgresql://joe:hunter2@db/", "X must name a database: "),
        ("postgresql://:hunter2@db/tasks", "X must name a role: "),
        ("postgresql://db/tasks?password=hunter2", "X must name a role: "),
        ("postgresql://joe:hunter2@db:port/tasks", "X: the port is not a number"),
        ("postgresql://joe:hunter2@db:99999/tasks", "X: the port is not a number"),
        ("postgresql://joe:hunter2@[::1/tasks", "X is no well-formed URL"),
        ("postgresql://joe:hunter2@\uff0f/tasks", "X is no well-formed URL"),
        ("postgresql://joe:hun/ter2@db/tasks", "X: the port is not a number"),
        ("mysql://joe:hunter2@db/tasks", "X must begin with postgresql://"),
        ("joe:hunter2@db/tasks", "X must begin with postgresql://"),
    ],
)
def test_a_database_url_that_lacks_something_is_refused_without_its_password(
    url: str, message: str
) -> None:
    assert refusal(lambda: parts(url)).startswith(message)
