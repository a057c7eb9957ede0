from __future__ import annotations

import dataclasses
import json
import math

import jsonschema  # type: ignore[import-untyped]
import pytest

from perf.engine.results import VERSION
from perf.report.documents import (
    SCHEMA_FILE,
    DocumentError,
    decode,
    encode,
    schema,
    schema_document,
)
from perf.tests.sample_run import CONTROLS, broken_off_run, counted_run, empty_run, sample_run

RUNS = [sample_run, broken_off_run, counted_run, empty_run]


@pytest.mark.parametrize("make", RUNS)
def test_what_was_written_is_read_again(make):
    assert decode(encode(make())) == make()


def test_equal_runs_give_equal_bytes():
    run = sample_run()
    turned = dict(reversed(run.environment.items()))

    assert encode(dataclasses.replace(run, environment=turned)) == encode(run)


def test_the_document_has_lines():
    document = encode(sample_run()).decode()

    assert document.startswith('{\n "version": 1,\n "id": "2026-11-26T140531-585bfab",\n')
    assert document.endswith("}\n")


@pytest.mark.parametrize("make", RUNS)
def test_documents_are_as_the_schema_says(make):
    validator = jsonschema.Draft202012Validator

    assert list(validator(validator.META_SCHEMA).iter_errors(schema())) == []
    assert list(validator(schema()).iter_errors(json.loads(encode(make())))) == []


def test_the_schema_refuses_another_verdict():
    document = json.loads(encode(sample_run()))
    document["pairs"][0]["sizes"][0]["comparisons"][0]["verdict"] = "splendid"

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())


def test_the_schema_in_its_file_is_this_one():
    # Write it anew by: SCHEMA_FILE.write_bytes(schema_document())
    assert SCHEMA_FILE.read_bytes() == schema_document()
    assert schema()["$id"].endswith(str(VERSION))


def test_another_version_is_refused():
    document = encode(sample_run()).replace(b'"version": 1', b'"version": 2', 1)

    with pytest.raises(DocumentError, match=r"^This run is of version 2; 1 can be read here\.$"):
        decode(document)


@pytest.mark.parametrize("document", ["{}", "[]", "7", '{"version": "1"}', '{"version": 1}'])
def test_another_document_is_refused(document):
    with pytest.raises(DocumentError, match=r"^This is no run of the lab: "):
        decode(document)


@pytest.mark.parametrize("document", ["", "{", b"\xff\xfe", '{"x":' + "[" * 100_000])
def test_what_is_no_json_is_refused(document):
    with pytest.raises(DocumentError, match=r"^This is no JSON: "):
        decode(document)


def test_the_place_of_a_mistake_is_told():
    document = json.loads(encode(sample_run()))
    document["pairs"][1]["sizes"][0]["rows"] = "many"

    with pytest.raises(DocumentError, match=r"\$\.pairs\[1\]\.sizes\[0\]\.rows"):
        decode(json.dumps(document))


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_number_that_json_lacks_is_not_written(value):
    controls = dataclasses.replace(CONTROLS, noise_floor=value)

    with pytest.raises(DocumentError):
        encode(dataclasses.replace(sample_run(), controls=controls))
