"""A run as a JSON document: written, read, and described by a JSON Schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from perf.engine.results import VERSION, Run

SCHEMA_FILE: Final = Path(__file__).with_name("run.schema.json")
SCHEMA_ID: Final = f"urn:taskproject:perf:run:{VERSION}"
_INDENT: Final = 1


class DocumentError(ValueError):
    """A document is no run, or of another version. The message says which and where."""


class _Head(msgspec.Struct):
    version: int


_encoder: Final = msgspec.json.Encoder(order="deterministic")
_decoder: Final = msgspec.json.Decoder(Run)
_head: Final = msgspec.json.Decoder(_Head)


def encode(run: Run) -> bytes:
    """The run as JSON, with line breaks; equal runs give equal bytes.

    Raises `DocumentError` for one that would be read as another: JSON has no infinity.
    """
    document = msgspec.json.format(_encoder.encode(run), indent=_INDENT) + b"\n"
    if decode(document) != run:
        raise DocumentError("This run holds a number that JSON can't: infinite, or none at all.")
    return document


def decode(document: bytes | str) -> Run:
    """The run of a document. Fields that this version doesn't know are passed over.

    Raises `DocumentError` for another version, and for any other document.
    """
    try:
        version = _head.decode(document).version
        if version != VERSION:
            raise DocumentError(f"This run is of version {version}; {VERSION} can be read here.")
        return _decoder.decode(document)
    except msgspec.ValidationError as error:
        raise DocumentError(f"This is no run of the lab: {error}.") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise DocumentError(f"This is no JSON: {error}.") from error


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the document."""
    found = msgspec.json.schema(Run)
    found["$defs"]["Run"]["properties"]["version"] = {"const": VERSION}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "A run of the lab",
        "version": VERSION,
        **found,
    }


def schema_document() -> bytes:
    """The schema as `SCHEMA_FILE` has it."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2) + b"\n"
