"""Whole answers of the REST API, kept as they were sent until something in their tenant changes.

An answer is kept if it is asked for twice within a minute, under the generation of the tenant's
rows that was read before the database was asked: see `taskproject.caching`. One request builds it;
those that ask meanwhile wait for it a little. What ends it is every commit that changed a row of
the tenant, whoever made it: see `taskproject.db.changes`.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from django.db import connection

from taskproject import caching
from taskproject.caching import Found, Wanted
from taskproject.db.changes import tenant_changed
from taskproject.recent import Recent

WAIT_S: Final = 0.25  # for an answer that another request builds
_LOOK_EVERY_S: Final = 0.01
_DIGEST_BYTES: Final = 16
_OVERHEAD_BYTES: Final = 500  # of what is held, besides its texts


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer: its JSON, its entity tag, and the links to the pages beside it."""

    body: bytes
    tag: str
    link: str = ""


# Answers that this process need not fetch again: Redis says of each whether it is still the same.
recent: Final[Recent[Answer]] = Recent(max_bytes=8 * 1024 * 1024, lifetime_s=60)


def tag_of(body: bytes) -> str:
    """The weak entity tag of an answer: a digest of what it says, whoever asks."""
    return f'W/"{hashlib.blake2b(body, digest_size=_DIGEST_BYTES // 2).hexdigest()}"'


def wanted_by(tenant_id: int, address: str, *, asker: str = "", tag: str = "") -> Wanted | None:
    """The answer to a GET of an address, the host and the query included; where it depends on who
    asks, `asker` tells them apart. None amid a transaction: what that sees may never be committed.
    """
    if connection.in_atomic_block:
        return None
    asked = f"{address}\n{asker}".encode(errors="surrogatepass")
    key = hashlib.blake2b(asked, digest_size=_DIGEST_BYTES).hexdigest()
    wanted = Wanted(_subject(tenant_id), key, tag)
    if not tag and (held := recent.get(_held_as(wanted))) is not None:
        return replace(wanted, tag=held.tag)
    return wanted


def cache_status(found: Found, *, hit: bool) -> str:
    """The field of RFC 9211: whether an answer came from the cache, and what was found there."""
    return f"taskproject; {'hit' if hit else 'fwd=miss'}; detail={found.state}"


def read(found: Found) -> Answer | None:
    """The answer that was found, by Redis or, if that says it is the same, in this process; None if
    nothing was found, or what the client has."""
    if found.state == "same":
        held = recent.get(_held_as(found.wanted))
        return held if held is not None and held.tag == found.wanted.tag else None
    answer = None if found.kept is None else _read(found.kept)
    if answer is not None:
        _hold(found.wanted, answer)
    return answer


def _hold(wanted: Wanted, answer: Answer) -> None:
    size_bytes = len(answer.body) + len(answer.link) + _OVERHEAD_BYTES
    recent.put(_held_as(wanted), answer, size_bytes=size_bytes)


def _held_as(wanted: Wanted) -> str:
    return f"{wanted.subject}:{wanted.key}"


def waited(found: Found) -> Answer | None:
    """The answer that another request is building, when it is there; None if this one has to make
    it: none is being built, or not within 250 ms."""
    ends_at_s = time.monotonic() + WAIT_S
    while found.state == "wait" and time.monotonic() < ends_at_s:
        time.sleep(_LOOK_EVERY_S)
        found = caching.built(found.wanted)
    return read(found)


def keep(found: Found, answer: Answer | None) -> bool:
    """Keep a good answer if this request was to build it for others; whether it did. One round trip
    then."""
    if found.state != "build" or answer is None:
        return False
    caching.keep_answer(found, _written(answer))
    _hold(found.wanted, answer)
    return True


def give_up(found: Found) -> None:
    """Let another request build what this one was to build, and failed to. One round trip."""
    caching.give_up(found)


# What is kept: the tag, which Redis compares, the link as JSON, and the body.
def _written(answer: Answer) -> bytes:
    return b"%b|%b\n%b" % (answer.tag.encode(), msgspec.json.encode(answer.link), answer.body)


def _read(kept: bytes) -> Answer | None:
    head, _, body = kept.partition(b"\n")
    tag, _, link = head.partition(b"|")
    try:
        return Answer(body, tag.decode(), msgspec.json.decode(link, type=str))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None  # something else has written there


def _subject(tenant_id: int) -> str:
    return f"rows:{tenant_id}"


def forget(*, tenant_id: int, **_: Any) -> None:
    """Make all answers of a tenant wrong."""
    caching.bump([_subject(tenant_id)])


def forget_what_changes() -> None:
    """Have the answers of a tenant forgotten with each commit that changed its rows."""
    tenant_changed.connect(forget, dispatch_uid="answers")
