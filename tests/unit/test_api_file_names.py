"""Content-Disposition and names in headers: whatever was sent, there is a name or none, and never an exception."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisperjob_api.file_names import decode_name_header, decode_text, parse_disposition

PIECES = ["form-data", ";", "name", "filename", "*", "*0", "*1*", "=", '"', "\\", "'", "''", "UTF-8''", "%FF", "%C3%B6"]
ODD_PIECES = [" ", "=?UTF-8?B?", "w7Y=", "?=", "=?x?Q?", "ö", "\x00", "9" * 5000]
TRICKY = st.lists(st.sampled_from(PIECES + ODD_PIECES), max_size=25).map("".join)


@given(TRICKY | st.text())
def test_any_disposition_is_parsed(header: str) -> None:
    found = parse_disposition(header)
    for text in (found.kind, found.name or "", found.filename or ""):
        text.encode()


@given(st.binary())
def test_any_bytes_are_text(data: bytes) -> None:
    assert decode_text(data) is not None
    assert decode_name_header(data.decode("latin-1")) is not None


@pytest.mark.parametrize(
    ("header", "kind", "name", "filename"),
    [
        ('form-data; name="file"', "form-data", "file", None),
        ("Form-Data; Name=file", "form-data", "file", None),
        ('form-data; name="file"; filename=""', "form-data", "file", ""),
        ('form-data; name="a;b"; filename="c;d"', "form-data", "a;b", "c;d"),
        ('attachment; filename="a.mp3";', "attachment", None, "a.mp3"),
        ('form-data; name="first"; name="second"', "form-data", "first", None),
        ("", "", None, None),
    ],
)
def test_dispositions(header: str, kind: str, name: str | None, filename: str | None) -> None:
    found = parse_disposition(header)
    assert (found.kind, found.name, found.filename) == (kind, name, filename)
