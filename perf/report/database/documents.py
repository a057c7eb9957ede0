"""A look at a database as JSON, described by a JSON Schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from perf.pgstat.results import SCHEMA, Document

SCHEMA_FILE: Final = Path(__file__).with_name("pgstat.schema.json")
_encoder: Final = msgspec.json.Encoder(order="deterministic")


def encode(document: Document) -> bytes:
    """The document as JSON, with line breaks."""
    return msgspec.json.format(_encoder.encode(document), indent=1) + b"\n"


def decode(found: bytes | str) -> Document:
    """The document of a JSON text. Raises `msgspec.DecodeError` for any other."""
    return msgspec.json.decode(found, type=Document)


def schema_document() -> bytes:
    """The JSON Schema (2020-12) of the document, as `SCHEMA_FILE` has it."""
    found: dict[str, Any] = msgspec.json.schema(Document)
    found["$defs"]["Document"]["properties"]["schema"] = {"const": SCHEMA}
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:taskproject:{SCHEMA.replace('/', ':')}",
        "title": "A look at a database",
        **found,
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n"
