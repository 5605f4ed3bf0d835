import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hanscope.analyzers.filters import Column, Described, FilterError, parse

KNOWN = {
    "number": Described("number"),
    "pan": Described("number"),
    "ota.status": Described("number", {"SUCCESS": 0, "WAIT_FOR_DATA": 0x97}),
    "nwk.source_eui64": Described("eui64"),
    "layer": Described("text"),
    "layers": Described("names"),
    "time": Described("time"),
}
EUI64 = 0x00178801054399CE


class FourFrames:
    """number 1 to 4; frame 4 has no field besides its number."""

    columns = {  # noqa: RUF012 - a constant of the tests
        "number": [1, 2, 3, 4],
        "pan": [0x1A2B, 0x1A2B, 0x3180, None],
        "ota.status": [0, 0x97, None, None],
        "nwk.source_eui64": [EUI64, 2**64 - 1, None, None],
        "layer": ["Zcl", "ImageNotify", "Mac", None],
        "layers": [("Mac", "Zcl"), ("Mac", "Zcl", "ImageNotify"), ("Mac",), None],
        "time": [0, 10**9, 1_772_359_200 * 10**9, None],
    }

    def __len__(self):
        return 4

    def column(self, name):
        values = self.columns[name]
        there = np.array([value is not None for value in values])
        if name in {"layer", "layers"}:
            array = np.empty(4, object)
            array[:] = values
            return Column(array, there)
        kind = np.int64 if name == "time" else np.uint64
        return Column(np.array([value or 0 for value in values], kind), there)


def chosen(text):
    mask = parse(text, KNOWN.get).mask(FourFrames())
    assert mask.dtype == np.bool_
    return [number for number, is_in in enumerate(mask, 1) if is_in]


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("number == 2", [2]),
        ("2 == number", [2]),
        ("number >= 0x3", [3, 4]),
        ("3 > number", [1, 2]),
        ("1 < number < 4", [2, 3]),
        ("pan == 0x1a2b and number != 1", [2]),
        ("number == 1 or number == 4", [1, 4]),
        ("not number == 1", [2, 3, 4]),
        ("not (number == 1 or number == 2) and has(pan)", [3]),
        ("number in (1, 3, 9)", [1, 3]),
        ("number not in [1, 3]", [2, 4]),
        ("number in ()", []),
        ("number == pan", []),
        ("number < pan", [1, 2, 3]),
        ('layer == "Zcl"', [1]),
        ('layer in ("Zcl", "Mac")', [1, 3]),
        ('"Zcl" in layers', [1, 2]),
        ('"Zcl" not in layers', [3]),
        ('"Zc" in layers', []),
        ('ota.status == "WAIT_FOR_DATA"', [2]),
        ('ota.status in ("SUCCESS", 0x97)', [1, 2]),
        ('nwk.source_eui64 == "00:17:88:01:05:43:99:ce"', [1]),
        ("nwk.source_eui64 == 0xffffffffffffffff", [2]),
        ('time >= "2026-03-01T10:00:00Z"', [3]),
        ('time == "2026-03-01T11:00:00+01:00"', [3]),
        ("time == 1", [2]),
        ("0.5 < time < 1.5", [2]),
        ("  number == 1", [1]),
        ("number == 1 or\nnumber == 2", [1, 2]),
        ("number < 1e999", [1, 2, 3, 4]),
        ("number > -1", [1, 2, 3, 4]),
        ("number < 99999999999999999999999999", [1, 2, 3, 4]),
        ("time < 1e999", [1, 2, 3]),
    ],
)
def test_conditions(text, frames):
    assert chosen(text) == frames


@pytest.mark.parametrize("operator", ["==", "!=", "<", "<=", ">", ">="])
def test_a_comparison_with_a_field_that_is_not_there_is_false(operator):
    assert 4 not in chosen(f"pan {operator} 0")
    assert 4 in chosen(f"not pan {operator} 0")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("nwk.sauce == 1", "column 1: there is no field 'nwk.sauce'"),
        ("number == 1 and sauce == 2", "column 17: there is no field 'sauce'"),
        ('layer == "é" and sauce == 2', "column 18: there is no field 'sauce'"),
        ("   sauce == 2", "column 4: there is no field 'sauce'"),
        ("number", "column 1: a field alone is no condition; write has(number) or compare it"),
        ("number and pan == 1", "column 1: a field alone"),
        ("1 == 1", "column 1: two values are compared, and no field"),
        ("number == 'x'", "column 11: number is a number"),
        ("ota.status == 'x'", "column 15: ota.status is a number; its names are SUCCESS, WAIT_FOR_DATA"),
        ("layer == 1", "column 10: layer is a text; put the value in quotation marks"),
        ("layer < 'a'", "column 1: layer is a text, which has no order"),
        ("layers == 'a'", 'column 1: layers holds several texts; write "…" in layers'),
        ("'a' in layer", "column 8: layer is a text; behind `in` stand values in parentheses"),
        ("number in 5", "column 11: behind `in` stand values in parentheses: in (1, 2)"),
        ("number is 5", "column 11: `is` is not known here; to compare, write =="),
        ("layer == number", "column 10: layer is a text, number is a number"),
        ("nwk.source_eui64 == 'x'", "column 21: nwk.source_eui64 is an EUI-64, such as 00:0d:6f:00:0a:90:69:e0"),
        ("time > 'noon'", "column 8: time is a time, such as 2026-03-01T10:00:00Z"),
        ("number == True", "column 11: a number, a text in quotation marks, or the name of a field was expected here"),
        ("number == 1j", "column 11: a number, a text"),
        ("number == -'1'", "column 12: a number, a text"),
        ("number == 1 + 1", "column 11: a number, a text"),
        ("len(layers) == 1", "column 1: two values are compared, and no field"),
        ("has(number, pan)", "column 1: the only function is has(field)"),
        ("__import__('os')", "column 1: the only function is has(field)"),
        ("has('number')", "column 5: the name of a field was expected here"),
        ("(lambda: 1)()", "column 1: the only function is has(field)"),
        ("[x for x in y]", "column 1: a condition was expected here, such as `pan == 0x1a2b`"),
        ("x" * 5000, "the expression has 5,000 characters; 4,096 are taken"),
    ],
)
def test_errors_say_where_and_what(text, error):
    with pytest.raises(FilterError) as caught:
        parse(text, KNOWN.get)
    assert str(caught.value).startswith(error)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("number = 1", "to compare, write =="),
        ("number == ", "this is no expression; see `hanscope frames --help`"),
        ("number == 1; number == 2", "this is no expression; see `hanscope frames --help`"),
        ("", "this is no expression; see `hanscope frames --help`"),
        ("“é” == number", "this is no expression; see `hanscope frames --help`"),
        ("(number == 1", "column 1: what is opened here is never closed"),
        ("layer == 'Zcl", "column 10: what is opened here is never closed"),
        ("number == 1\0", "this is no expression; see `hanscope frames --help`"),
        ("not " * 1000 + "number == 1", "the expression is nested too deeply"),
    ],
)
def test_errors_of_syntax_say_what_is_wrong(text, error):
    """Where exactly, Python's versions differ."""
    with pytest.raises(FilterError) as caught:
        parse(text, KNOWN.get)
    assert str(caught.value).endswith(error)


def test_a_filter_names_its_fields():
    assert parse('has(pan) or layer == "Zcl"', KNOWN.get).names == {"pan", "layer"}


PIECES = st.sampled_from(
    ["number", "pan", "layers", "layer", "(", ")", "==", "<", "in", "not", "and", "or", "1", "0x", "'Zcl'", ",", ".",
     "has", "time", "-", "[", "]", "{", "}", ":", "if", "else", "lambda", "\\", "é", "f'{number}'", "*", "=", ":="]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map(" ".join) | st.text(max_size=40))
@example("number in {1, 2}")
@example("((((((((((")
def test_any_text_is_a_filter_or_a_filter_error(text):
    try:
        understood = parse(text, KNOWN.get)
    except FilterError:
        return
    assert len(understood.mask(FourFrames())) == 4
