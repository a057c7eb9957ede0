"""Load tests as documents and files."""

from __future__ import annotations

import dataclasses
import gzip
import json
import math

import jsonschema  # type: ignore[import-untyped]
import pytest

from perf import history, kept, load_history
from perf.load.results import VERSION, Fairness
from perf.report.formats import DocumentError
from perf.report.load.documents import SCHEMA_FILE, decode, encode, schema, schema_document
from perf.tests import sample_load
from perf.tests.built import run as benchmark_run

RUNS = [
    sample_load.sample_load,
    sample_load.failing_load,
    sample_load.limited_load,
    sample_load.invalid_load,
    sample_load.aborted_load,
    sample_load.closed_load,
    sample_load.empty_load,
]


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.PERF_DIR = tmp_path / "perf"
    return settings.PERF_DIR


@pytest.mark.parametrize("make", RUNS)
def test_what_was_written_is_read_again_and_is_as_the_schema_says(make):
    document = encode(make())

    assert decode(document) == make()
    assert encode(make()) == document
    jsonschema.validate(json.loads(document), schema())


def test_the_schema_in_its_file_is_this_one():
    # Write it anew by: SCHEMA_FILE.write_bytes(schema_document())
    assert SCHEMA_FILE.read_bytes() == schema_document()
    assert schema()["$id"] == f"urn:taskproject:perf:load:{VERSION}"
    validator = jsonschema.Draft202012Validator
    assert list(validator(validator.META_SCHEMA).iter_errors(schema())) == []


def test_another_version_and_a_run_of_the_lab_are_refused():
    document = encode(sample_load.empty_load())

    with pytest.raises(DocumentError, match=r"^This load test is of version 9; 1 can be read here"):
        decode(document.replace(b'"version": 1', b'"version": 9', 1))
    with pytest.raises(DocumentError, match=r"^This is no load test of the lab: "):
        decode(history.save(benchmark_run()).read_bytes())


def test_a_number_that_json_lacks_is_not_written():
    run = sample_load.sample_load()
    fairness = Fairness(1.0, "acme", slowest_ratio=math.nan)

    with pytest.raises(DocumentError, match="This load test holds a number that JSON can't"):
        encode(dataclasses.replace(run, fairness=fairness))
    with pytest.raises(DocumentError, match="rate"):
        encode(dataclasses.replace(run, rate=math.inf))


# Files


def test_load_tests_have_a_folder_of_their_own(folder):
    load, run = sample_load.empty_load(), benchmark_run()
    history.save(run)

    assert load_history.save(load) == folder / "load" / f"{load.id}.json"
    assert (load_history.ids(), history.ids()) == ([load.id], [run.id])
    assert load_history.load("last") == load
    assert history.load("last") == run


def test_a_missing_load_test_is_told_with_what_makes_one(folder):
    with pytest.raises(kept.NoSuchRun) as none:
        load_history.load("last")
    assert str(none.value) == (
        f"There is no load test yet in {folder}/load: `manage.py loadtest run` makes one."
    )
    load_history.save(sample_load.empty_load())
    with pytest.raises(kept.NoSuchRun, match="No load test is named 'x'; the last one is 2026"):
        load_history.load("x")


def test_a_load_test_may_be_any_file_also_a_compressed_one(tmp_path):
    path = tmp_path / "load.json.gz"
    path.write_bytes(gzip.compress(encode(sample_load.closed_load())))

    assert load_history.load(str(path)) == sample_load.closed_load()
