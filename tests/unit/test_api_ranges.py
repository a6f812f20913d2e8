"""Which bytes a request gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisperjob_api.ranges import NotModified, Part, Selection, Unsatisfiable, Whole, select_range

ETAG = '"abc"'


@pytest.mark.parametrize(
    ("headers", "selection"),
    [
        ({}, Whole()),
        ({"range_": "bytes=0-9"}, Part(0, 10)),
        ({"range_": "Bytes = 0 - 9 "}, Part(0, 10)),
        ({"range_": "bytes=90-"}, Part(90, 10)),
        ({"range_": "bytes=90-1000"}, Part(90, 10)),
        ({"range_": "bytes=-10"}, Part(90, 10)),
        ({"range_": "bytes=-1000"}, Part(0, 100)),
        ({"range_": "bytes=99-99"}, Part(99, 1)),
        ({"range_": "bytes=100-"}, Unsatisfiable()),
        ({"range_": "bytes=-0"}, Unsatisfiable()),
        ({"range_": "bytes=-"}, Whole()),
        ({"range_": "bytes=9-0"}, Whole()),
        ({"range_": "bytes=1-2,4-5"}, Whole()),
        ({"range_": "frames=1-2"}, Whole()),
        ({"range_": "bytes=٣-٤"}, Whole()),
        ({"range_": "bytes=" + "9" * 30 + "-"}, Whole()),
        ({"range_": "bytes=0-9", "if_range": ETAG}, Part(0, 10)),
        ({"range_": "bytes=0-9", "if_range": '"old"'}, Whole()),
        ({"range_": "bytes=0-9", "if_range": "W/" + ETAG}, Whole()),
        ({"range_": "bytes=0-9", "if_range": "Sat, 01 Jan 2028 00:00:00 GMT"}, Whole()),
        ({"if_none_match": ETAG}, NotModified()),
        ({"if_none_match": "W/" + ETAG}, NotModified()),
        ({"if_none_match": '"old", "abc"'}, NotModified()),
        ({"if_none_match": "*"}, NotModified()),
        ({"if_none_match": '"old"'}, Whole()),
        ({"if_none_match": ETAG, "range_": "bytes=0-9"}, NotModified()),
        ({"if_none_match": '"old"', "range_": "bytes=0-9"}, Part(0, 10)),
    ],
)
def test_which_bytes_a_request_gets(headers: dict[str, str], selection: Selection) -> None:
    assert select_range(100, ETAG, **headers) == selection


@given(st.integers(0, 10**9), st.text(alphabet="bytes=-0123456789, ", max_size=40))
def test_a_part_always_lies_inside(size: int, header: str) -> None:
    selection = select_range(size, ETAG, range_=header)
    if isinstance(selection, Part):
        assert 0 <= selection.start < selection.start + selection.length <= size
