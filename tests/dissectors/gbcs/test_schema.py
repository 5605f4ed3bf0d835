"""The reader of the ASN.1 schema, against asn1tools on the same file."""

from importlib.resources import files
from typing import Any

import pytest

from hanscope.dissectors.gbcs.schema import Schema, SchemaError, gbcs_schema

asn1tools: Any = pytest.importorskip("asn1tools", reason="asn1tools is the oracle here")

TEXT = files("hanscope.dissectors.gbcs").joinpath("gbcs.asn1").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    return asn1tools.parse_string(TEXT)["GBCS"]


def test_every_assignment_is_found(theirs: dict[str, Any]) -> None:
    assert list(gbcs_schema()) == list(theirs["types"])


def test_members_numbers_and_sizes_are_read(theirs: dict[str, Any]) -> None:
    for name, described in theirs["types"].items():
        ours = gbcs_schema().type(name)
        if "members" in described:
            assert [one.name for one in ours.components] == [one["name"] for one in described["members"]]
            optional = [bool(one.get("optional") or "default" in one) for one in described["members"]]
            assert [one.optional for one in ours.components] == optional
        if "named-numbers" in described:
            assert {text: number for number, text in ours.names.items()} == described["named-numbers"]
        if "named-bits" in described:
            assert [(text, str(bit)) for bit, text in ours.names.items()] == described["named-bits"]
        if described["type"] == "ENUMERATED":
            assert [(text, number) for number, text in ours.names.items()] == described["values"]
        if described["type"] == "OCTET STRING":
            assert [ours.size] == described["size"]


def test_object_identifiers_have_names_and_types() -> None:
    assert gbcs_schema().identifier_name("1.2.840.10045.4.3.2") == "ecdsa-with-SHA256"
    assert gbcs_schema().identifier_name("1.2.3") is None
    key_usage = gbcs_schema().identified("2.5.29.15")
    assert key_usage is not None
    assert key_usage.names[4] == "keyAgreement"
    assert gbcs_schema().identified("2.5.4.3") is None


@pytest.mark.parametrize(
    "text",
    [
        "M DEFINITIONS ::= BEGIN T ::= Missing END",
        "M DEFINITIONS ::= BEGIN T ::= SEQUENCE { a INTEGER END",
        "M DEFINITIONS ::= BEGIN T ::= INTEGER INTEGER END",
        "M DEFINITIONS ::= BEGIN T ::= [0 IMPLICIT INTEGER END",
    ],
)
def test_a_schema_that_can_not_be_read_is_refused(text: str) -> None:
    with pytest.raises(SchemaError):
        Schema(text).type("T")
