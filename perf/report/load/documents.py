"""A load test, and a search, as a JSON document: written, read, and described by a JSON Schema."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from perf.load.results import SEARCH_VERSION, VERSION, CapacityResult, LoadRun
from perf.report.formats import DocumentError, Format

__all__ = [
    "FORMAT",
    "SCHEMA_FILE",
    "SEARCH",
    "SEARCH_SCHEMA_FILE",
    "DocumentError",
    "decode",
    "encode",
    "schema",
    "schema_document",
]

SCHEMA_FILE: Final = Path(__file__).with_name("loadrun.schema.json")
SEARCH_SCHEMA_FILE: Final = Path(__file__).with_name("search.schema.json")
FORMAT: Final = Format(LoadRun, VERSION, "load test", "urn:taskproject:perf:load")
SEARCH: Final = Format(CapacityResult, SEARCH_VERSION, "search", "urn:taskproject:perf:search")

encode: Final = FORMAT.encode
decode: Final = FORMAT.decode
schema: Final = FORMAT.schema
schema_document: Final = FORMAT.schema_document
