"""Load tests as documents and files."""

from __future__ import annotations

import dataclasses
import gzip
import json
import math

import jsonschema  # type: ignore[import-untyped]
import pytest

from perf import history, kept, load_history
from perf.load.results import SEARCH_VERSION, VERSION, Fairness, SloResult, SloVerdict
from perf.report.formats import DocumentError
from perf.report.load.documents import (
    SCHEMA_FILE,
    SEARCH,
    SEARCH_SCHEMA_FILE,
    decode,
    encode,
    schema,
    schema_document,
)
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


def test_a_search_is_read_again_and_is_as_its_schema_in_its_file_says():
    # Write it anew by: SEARCH_SCHEMA_FILE.write_bytes(SEARCH.schema_document())
    document = SEARCH.encode(sample_load.capacity())

    assert SEARCH.decode(document) == sample_load.capacity()
    jsonschema.validate(json.loads(document), SEARCH.schema())
    assert SEARCH_SCHEMA_FILE.read_bytes() == SEARCH.schema_document()
    assert SEARCH.schema()["$id"] == f"urn:taskproject:perf:search:{SEARCH_VERSION}"


def test_an_objective_of_an_older_file_has_nothing_recorded_beside():
    document = json.loads(encode(sample_load.sample_load()))
    for each in document["slos"]:
        del each["recorded"]

    assert decode(json.dumps(document)) == sample_load.sample_load()
    assert SloResult("p99<1s", SloVerdict.PASS, "1 ms").recorded is None


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


# Searches


def search(at: str = "20261127-101500-0c1d"):
    return dataclasses.replace(sample_load.capacity(), id=at)


def test_searches_have_a_folder_in_that_of_load_tests(folder):
    run = sample_load.empty_load()
    load_history.save(run)

    path = load_history.SEARCHES.save(search())
    assert path == folder / "load" / "searches" / f"{search().id}.json"
    assert load_history.ids() == [run.id]
    assert load_history.all_ids() == [run.id, search().id]


@pytest.mark.parametrize("name", ["last", "20261127-1015", "20261127-101500-0c1d"])
def test_a_search_is_found_as_a_run_is(name):
    run = sample_load.empty_load()
    load_history.save(run)
    load_history.SEARCHES.save(search())

    assert load_history.either(name) == search()
    assert load_history.either(run.id) == load_history.load("last") == run


def test_a_name_that_a_run_and_a_search_have_is_refused():
    load_history.save(sample_load.empty_load())
    load_history.SEARCHES.save(search())

    with pytest.raises(kept.NoSuchRun, match="2 load tests begin with '20261127'"):
        load_history.either("20261127")


def test_a_file_may_be_a_run_or_a_search_or_none(tmp_path):
    path = tmp_path / "any.json"
    for each, document in (
        (search(), SEARCH.encode(search())),
        (sample_load.sample_load(), encode(sample_load.sample_load())),
    ):
        path.write_bytes(document)
        assert load_history.either(str(path)) == each
    path.write_bytes(b"{}")
    with pytest.raises(DocumentError, match="This is no load test of the lab"):
        load_history.either(str(path))
    with pytest.raises(kept.NoSuchRun, match=r"There is no file absent\.json\."):
        load_history.either("absent.json")


def test_a_search_is_no_run_and_the_message_names_the_runs_that_it_made(tmp_path):
    path = load_history.SEARCHES.save(search())
    load_history.save(sample_load.empty_load())

    for name in (str(path), search().id):
        with pytest.raises(kept.NoSuchRun) as told:
            load_history.load(name)
        begin = f"{name!r} is a search, and no run. It has made some: 20261127-100020-0c1d, 2026"
        assert str(told.value).startswith(begin)
