"""Entity tags of single objects, and the conditions that clients put on them (RFC 9110 section 13).

A tag is `"<version>-<digest>"`: the row's version, which `If-Match` is judged by where the row is
locked, and a digest of what is shown, so that a copy is fresh only if nothing in it has changed,
also the name of a person that belongs to another row.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from msgspec import json
from rest_framework.request import Request

from taskproject.api.problems import InvalidHeader, VersionMismatch
from taskproject.api.rendering import WrittenJSON

_DIGEST_BYTES: Final = 8
_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')
_OURS: Final = re.compile(r"([1-9][0-9]{0,9})-[0-9a-f]{16}")


def entity_tag(shown: Any, *, version: int) -> str:
    """The strong tag of an object as it is shown, at a version of its row.

    Of JSON that is written already the tag is that of the same object before it is written.
    """
    members = json.decode(shown.text) if isinstance(shown, WrittenJSON) else shown
    text = json.encode(members, order="sorted")
    digest = hashlib.blake2b(text, digest_size=_DIGEST_BYTES)
    return f'"{version}-{digest.hexdigest()}"'


def expected_version(request: Request) -> int | None:
    """The version that `If-Match` asks for; None if there is no such header, or it is `*`.

    Raises `InvalidHeader` for what is no tag, or more than one, and `VersionMismatch` for a tag
    that no row of ours can have; a weak one never matches.
    """
    header = request.headers.get("If-Match", "*").strip()
    if header == "*":
        return None
    found = _TAG.fullmatch(header)
    if found is None:
        raise InvalidHeader("If-Match must be one entity tag in quotes, or *.")
    weak, tag = found.groups()
    ours = _OURS.fullmatch(tag)
    if weak:
        raise VersionMismatch("If-Match takes strong tags only: one without W/ before it.")
    if ours is None:
        raise VersionMismatch("If-Match names a version that this object never had.")
    return int(ours[1])


def is_fresh(request: Request, tag: str) -> bool:
    """Whether `If-None-Match` names the tag, weak or not: the client has what would be sent."""
    header = request.headers.get("If-None-Match", "").strip()
    if header == "*":
        return True
    named = tag.removeprefix("W/").strip('"')
    return any(found[2] == named for found in _TAG.finditer(header))
