"""What each section and check is, as a page of documentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from perf.pgstat.results import Column
from perf.report.markdown import code, text


class Check(Protocol):
    """What is told of a check."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def threshold(self) -> str: ...


class Section(Protocol):
    """What is told of a section."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def says(self) -> str: ...
    @property
    def columns(self) -> tuple[Column, ...]: ...
    @property
    def checks(self) -> tuple[Check, ...]: ...


def reference(sections: Iterable[Section]) -> str:
    """A heading for each section, with its columns, and one for each of its checks."""
    return "\n".join(line for section in sections for line in _section(section))


def _section(section: Section) -> Iterator[str]:
    yield f"## {section.name}"
    yield ""
    yield f"{text(section.title)}. {text(section.says)}"
    yield ""
    if section.columns:
        yield "| figure | unit | kind | meaning | source |"
        yield "|---|---|---|---|---|"
        for each in section.columns:
            cells = (code(each.key), each.unit, each.kind, text(each.meaning), code(each.source))
            yield f"| {' | '.join(cells)} |"
        yield ""
    for check in section.checks:
        yield f"### {check.id} {check.name}"
        yield ""
        yield f"{text(check.title)}. {text(check.threshold)}"
        yield ""
