"""docs/settings.md and the code name the same variables, defaults, ranges and choices."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from taskproject.embedded import default_instance

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "taskproject" / "settings.py").read_text(encoding="utf-8")
EMBEDDED = (ROOT / "taskproject" / "embedded" / "instance.py").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Reader:
    """One call of an `env` reader in settings.py. What is no literal there is None here."""

    kind: str
    name: str
    default: Any
    minimum: Any
    maximum: Any
    choices: Any


def literal(node: ast.expr | None) -> Any:
    try:
        return None if node is None else ast.literal_eval(node)
    except ValueError:
        return None


def readers() -> Iterator[Reader]:
    for node in ast.walk(ast.parse(SETTINGS)):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="env"), attr=kind),
                args=[ast.Constant(value=str(name)), *rest],
            ):
                named = {each.arg: literal(each.value) for each in node.keywords}
                default = literal(rest[0]) if rest else named.get("default")
                limits = (named.get("minimum"), named.get("maximum"))
                yield Reader(kind, name, default, *limits, named.get("choices"))


def sections() -> dict[str, str]:
    """The text below each heading."""
    parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    assert len(set(parts[1::2])) == len(parts[1::2]), "a heading stands twice"
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def line(name: str, label: str) -> str | None:
    found = re.search(rf"^- {label}: (.+)$", sections()[name], flags=re.MULTILINE)
    return found[1] if found else None


def shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


READERS = list(readers())


def some(**wanted: Any) -> list[Any]:
    """The readers of which each named attribute is a literal of the wanted kind."""
    return [
        pytest.param(each, id=each.name)
        for each in READERS
        if all(isinstance(getattr(each, name), kind) for name, kind in wanted.items())
    ]


def test_every_variable_that_is_read_has_a_heading_and_every_heading_is_read() -> None:
    embedded = set(re.findall(r'environ\.get\("([A-Z_]+)"', EMBEDDED))
    assert embedded == {"LOCAL_DIR", "EMBEDDED_POSTGRES", "EMBEDDED_FSYNC"}

    assert set(sections()) == {reader.name for reader in READERS} | embedded


def test_no_variable_is_read_in_another_way() -> None:
    calls = re.findall(r"\benv\.\w+\(", SETTINGS)

    assert len(calls) == len(READERS)
    assert "os.environ" not in SETTINGS
    assert "getenv" not in SETTINGS


@pytest.mark.parametrize("name", sorted(sections()))
def test_every_heading_tells_the_default_and_says_what_it_is_for(name: str) -> None:
    text = re.sub(r"^(- .*| {4}.*)$", "", sections()[name], flags=re.MULTILINE)

    assert line(name, "Default")
    assert len(text.split()) >= 10, "one sentence at least"


@pytest.mark.parametrize("reader", some(default=(bool, int, float, str)))
def test_a_literal_default_is_the_one_in_the_code(reader: Reader) -> None:
    if reader.default != "":
        assert line(reader.name, "Default") == shown(reader.default)


@pytest.mark.parametrize("reader", some(minimum=(int, float), maximum=(int, float)))
def test_a_range_is_the_one_in_the_code(reader: Reader) -> None:
    wanted = f"{reader.minimum} to {reader.maximum}"

    assert re.fullmatch(rf"{re.escape(wanted)}( \w+)?", line(reader.name, "Range") or "")


@pytest.mark.parametrize("reader", some(choices=tuple))
def test_choices_are_those_in_the_code(reader: Reader) -> None:
    assert line(reader.name, "Values") == ", ".join(reader.choices)


@pytest.mark.parametrize("reader", [each for each in READERS if each.kind == "secret"])
def test_a_secret_that_may_be_a_file_says_so(reader: Reader) -> None:
    assert f"{reader.name}_FILE" in sections()[reader.name]


@pytest.mark.parametrize("reader", [each for each in READERS if each.kind == "boolean"])
def test_a_switch_says_that_it_is_one(reader: Reader) -> None:
    assert line(reader.name, "Values") == "true or false"


def test_the_defaults_of_the_embedded_servers_are_those_in_the_code() -> None:
    usual = default_instance({}, base=ROOT)

    assert line("LOCAL_DIR", "Default") == usual.folder.name
    assert line("EMBEDDED_POSTGRES", "Default") == shown(usual.postgres_major)
    assert line("EMBEDDED_FSYNC", "Default") == shown(usual.fsync)
