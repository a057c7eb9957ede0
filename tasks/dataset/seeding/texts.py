"""Titles, descriptions, comments and names, as combinations of the lists in `words`."""

from __future__ import annotations

import unicodedata
from itertools import permutations
from typing import Final, NamedTuple

from tasks.dataset.seeding.draws import Draw, number
from tasks.dataset.seeding.words import (
    AFTERTHOUGHTS,
    CHAPTERS,
    COMPANIES,
    FIRST_NAMES,
    LAST_NAMES,
    OCCASIONS,
    OPENINGS,
    PROJECTS,
    REMARKS,
    SENTENCES,
    TRADES,
    VERBS,
)

_LONG_TEXTS: Final = 40
_NO_DESCRIPTION: Final = 36_000  # of 65,536 draws: 55 %
_LONG: Final = 2_000  # of those with a description: 3 %
_WITH_CASE: Final = 16_384  # 25 %
_LETTERS: Final = str.maketrans({"ø": "o", "ı": "i", " ": ""})


class ProjectName(NamedTuple):
    """How a project is called, and where its titles are found."""

    key: str
    name: str
    description: str
    theme: int


class Texts:
    """All texts, joined once: a task's cost is a look-up. They are escaped for COPY."""

    def __init__(self) -> None:
        self._titles = [
            [
                f"{verb} {thing}{occasion}"
                for thing in things
                for occasion in (*OCCASIONS, *endings)
                for verb in VERBS
            ]
            for _, _, _, things, endings in PROJECTS
        ]
        pairs = [" ".join(pair) for pair in permutations(SENTENCES, 2)]
        self._bodies = ["", *(f" {body}" for body in (*SENTENCES, *pairs))]
        self._long = [_long_text(which) for which in range(_LONG_TEXTS)]
        self._remarks = [remark + more for more in AFTERTHOUGHTS for remark in REMARKS]

    def title(self, theme: int, draw: int, case: int) -> str:
        """A title about the theme of a project; a quarter of them name a case."""
        titles = self._titles[theme]
        title = titles[draw % len(titles)]
        return title if case >= _WITH_CASE else f"{title} (case {10_000 + case * 5})"

    def description(self, draw: Draw) -> str:
        """Nothing (55 %), one to three sentences, or some paragraphs (1 %)."""
        if draw.opening < _NO_DESCRIPTION:
            return ""
        opening = OPENINGS[draw.opening % len(OPENINGS)]
        if draw.sentences < _LONG:
            return f"{opening}\\n\\n{self._long[draw.sentences % _LONG_TEXTS]}"
        return opening + self._bodies[draw.sentences % len(self._bodies)]

    def remark(self, draw: int) -> str:
        """What somebody says in a comment."""
        return self._remarks[draw % len(self._remarks)]


def _long_text(which: int) -> str:
    """Three to seven paragraphs of two to five sentences."""
    paragraphs = []
    for part in range(3 + which % 5):
        places = range(number(f"long/{which}/{part}", 4) + 2)
        words = [number(f"long/{which}/{part}/{n}", len(SENTENCES)) for n in places]
        paragraphs.append(" ".join(SENTENCES[word] for word in words))
    return "\\n\\n".join(paragraphs)


def tenant_name(rank: int) -> tuple[str, str]:
    """The slug and the name of a tenant, by its rank from 0. No two are equal.

    >>> tenant_name(0), tenant_name(60)
    (('acme', 'Acme Bicycles'), ('acme-gardens', 'Acme Gardens'))
    """
    block, which = divmod(rank, len(COMPANIES))
    again, step = divmod(block, len(TRADES))
    company, trade = COMPANIES[which], TRADES[(which + step) % len(TRADES)]
    name = f"{company} {trade}{f' {again + 1}' if again else ''}"
    return (name.lower().replace(" ", "-") if block else company.lower()), name


def person_name(ordinal: int) -> tuple[str, str, str]:
    """The user name, first and last name of a person. No two user names are equal.

    >>> person_name(0), person_name(3600)[0]
    (('ada.lind', 'Ada', 'Lind'), 'ada.lind2')
    """
    again, place = divmod(ordinal, len(FIRST_NAMES) * len(LAST_NAMES))
    row, column = divmod(place, len(FIRST_NAMES))
    first, last = FIRST_NAMES[column], LAST_NAMES[(row + 7 * column) % len(LAST_NAMES)]
    username = f"{_plain(first)}.{_plain(last)}{again + 1 if again else ''}"
    return username, first, last


def project_name(rank: int, place: int) -> ProjectName:
    """The place-th project of a tenant; no two of a tenant have the same key."""
    chapter, turn = divmod(place, len(PROJECTS))
    theme = (turn + (rank % 4) * 3) % len(PROJECTS)
    key, name, description, _, _ = PROJECTS[theme]
    part = CHAPTERS[chapter % len(CHAPTERS)]
    return ProjectName(f"{key}{chapter + 1 if chapter else ''}", name + part, description, theme)


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.lower().translate(_LETTERS))
    return letters.encode("ascii", "ignore").decode()
