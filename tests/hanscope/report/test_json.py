import json as stdlib_json

import jsonschema
import msgspec
import pytest

from hanscope.analyzers.results import Analysis
from hanscope.report import json


@pytest.fixture(scope="module")
def validator():
    schema = stdlib_json.loads(json.shipped_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_shipped_schema_is_that_of_the_types():
    shipped, made = (stdlib_json.loads(text) for text in (json.shipped_schema(), json.schema_text()))
    assert in_order(shipped) == in_order(made), "write report.json.schema_text() to report/analysis.schema.json"


def in_order(value):
    """Versions of msgspec name the alternatives of a type in different orders."""
    if isinstance(value, dict):
        return {name: in_order(one) for name, one in value.items()}
    return sorted(map(in_order, value), key=repr) if isinstance(value, list) else value


def test_the_schema_says_what_it_is():
    schema = stdlib_json.loads(json.shipped_schema())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "hanscope.analysis/1"


def test_a_document_fits_the_schema_and_reads_back(validator, rich_analysis):
    document = json.document(rich_analysis)
    validator.validate(stdlib_json.loads(document))
    assert msgspec.json.decode(document, type=Analysis) == rich_analysis
    assert document.endswith(b"}\n")


def test_the_schema_refuses_what_is_not_in_the_contract(validator, rich_analysis):
    wrong = stdlib_json.loads(json.document(rich_analysis))
    wrong["transfers"][0]["state"] = "fine"
    assert not validator.is_valid(wrong)
    del wrong["transfers"]
    assert not validator.is_valid(wrong)


def test_missing_ranges_are_triples(rich_analysis):
    document = stdlib_json.loads(json.document(rich_analysis))
    assert document["transfers"][1]["missing_ranges"][0] == [100, 150, "answered but not captured"]


def test_every_line_names_its_section_and_fits_it(validator, rich_analysis):
    first, *lines = [stdlib_json.loads(line) for line in json.analysis_lines(rich_analysis)]
    assert first == {"section": "analysis", "schema": "hanscope.analysis/1", "interrupted": False}
    sections = {"captures", "layers", "unopened", "devices", "keys", "transfers", "images"}
    assert {line["section"] for line in lines} == sections
    rebuilt = {name: value for name, value in first.items() if name != "section"} | {name: [] for name in sections}
    for line in lines:
        rebuilt[line.pop("section")].append(line)
    empty = {name: value for name, value in stdlib_json.loads(json.document(rich_analysis)).items() if value == []}
    assert not empty.keys() & sections
    rebuilt |= empty
    validator.validate(rebuilt)
    assert rebuilt == stdlib_json.loads(json.document(rich_analysis))


def test_a_file_name_that_is_no_text_is_still_json(made, validator):
    document = stdlib_json.loads(json.document(made.analysis(captures=(made.capture(path="bad\udcff.pcap"),))))
    assert document["captures"][0]["path"] == r"bad\udcff.pcap"
    validator.validate(document)
