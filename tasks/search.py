"""What a person types into a search field, as the terms that PostgreSQL looks for.

Words (`login`), beginnings (`log*`) and phrases (`"log in"`), in any order; all have to be there.
Whatever stands between them is no more than a space, so that no text is malformed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from django.core.exceptions import ValidationError

from taskproject.db.values import storable

TEXT_LENGTH: Final = 200
WORDS: Final = 20
# For a beginning the index gathers what all tenants hold that begins so.
PREFIXES: Final = 3
PREFIX_LENGTH: Final = 3

# Letters and digits of any script: all but spaces and the ASCII signs. What is in truth no word,
# such as an arrow, PostgreSQL leaves out.
_WORD: Final = r"[^\s!-/:-@\[-`{-~]+"
_PHRASE: Final = re.compile(r'"([^"]*)"?')
_PREFIX: Final = re.compile(rf"({_WORD})\*(?!{_WORD})")


@dataclass(frozen=True, slots=True)
class Search:
    """Terms that a task has to have, all of them. Each of the three may be empty."""

    words: str  # plain text; with the words of the phrases
    prefixes: str  # a tsquery, such as 'log':* & 'ses':*
    phrases: str  # for to_tsquery, such as 'log in' & 'too late'


class NotSearchable(ValidationError):
    """A text that can't be looked for; the code says why."""


def search_of(text: str) -> Search:
    """The terms of a text. An odd quotation mark opens a phrase that goes to the end.

    Raises `NotSearchable`: `not-storable` for a NUL or half a surrogate pair, `too-long` above 200
    characters, `no-words`, `too-many-words` above 20, those of phrases included; for beginnings
    `too-many-prefixes` above 3, and `short-prefix` for one of fewer than 3 characters.
    """
    if not storable(text):
        raise NotSearchable("A text can't contain a NUL or half a surrogate pair.", "not-storable")
    if len(text) > TEXT_LENGTH:
        raise NotSearchable(f"A search has at most {TEXT_LENGTH} characters.", "too-long")
    count = len(re.findall(_WORD, text))
    if not count:
        raise no_words()
    if count > WORDS:
        raise NotSearchable(f"A search has at most {WORDS} words.", "too-many-words")
    phrases = [each for each in _PHRASE.findall(text) if re.search(_WORD, each)]
    loose = _PHRASE.sub(" ", text)
    prefixes = _PREFIX.findall(loose)
    if len(prefixes) > PREFIXES:
        message = f"A search has at most {PREFIXES} beginnings of words."
        raise NotSearchable(message, "too-many-prefixes")
    if any(len(each) < PREFIX_LENGTH for each in prefixes):
        message = f"The beginning of a word has at least {PREFIX_LENGTH} letters or digits."
        raise NotSearchable(message, "short-prefix")
    return Search(
        words=" ".join([_PREFIX.sub(" ", loose), *phrases]),
        prefixes=" & ".join(f"{_quoted(each)}:*" for each in prefixes),
        phrases=" & ".join(_quoted(each) for each in phrases),
    )


def _quoted(text: str) -> str:
    """A text as one operand of a tsquery."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def no_words() -> NotSearchable:
    """What to raise for a text in which there is nothing to look for."""
    return NotSearchable("A search needs a word.", "no-words")
