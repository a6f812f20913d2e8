"""The upload form, whole and in pieces."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.api.raw_http import BOUNDARY, form, part
from whisperjob.model.phase import Profile, RawFormat
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.multipart_reader import parse_boundary
from whisperjob_api.upload_form import FormReader, UploadForm, UploadOptions, parse_options

LIMIT = 1_000_000


def read(body: bytes, cuts: tuple[int, ...] = ()) -> tuple[UploadForm, bytes]:
    """Feeds the body cut at these offsets; returns the form and the file."""
    reader = FormReader(BOUNDARY.encode(), LIMIT)
    edges = (0, *sorted(cuts), len(body))
    file = b"".join(b"".join(reader.feed(body[a:b])) for a, b in pairwise(edges) if a < b)
    return reader.finish(), file


def refused(body: bytes) -> HttpCode:
    with pytest.raises(RequestError) as caught:
        read(body)
    return caught.value.code


NEARLY = (f"--{BOUNDARY}".encode(), f"\r\n--{BOUNDARY[:-1]}".encode())
TRICKY = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"-", b"--", *NEARLY, b"x", b"\0"]), max_size=30).map(
    b"".join
)


@given(TRICKY.filter(lambda data: f"\r\n--{BOUNDARY}".encode() not in b"\r\n" + data and data), st.data())
def test_the_file_is_the_same_however_it_is_cut(file: bytes, data: st.DataObject) -> None:
    body = form(part("profile", b"none"), part("file", file, "a.wav"), part("channels", b""))
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=12))
    seen, received = read(body, tuple(cuts))
    assert received == file
    assert seen == UploadForm("a.wav", None, len(file), UploadOptions(profile=Profile.NONE))


@given(st.data())
def test_no_beginning_of_a_form_is_a_form(data: st.DataObject) -> None:
    body = form(part("profile", b"none"), part("file", b"hello", "a.wav"))
    end = data.draw(st.integers(0, len(body) - 3))  # the line end after the closing boundary may be missing
    assert refused(body[:end]) is HttpCode.INVALID_UPLOAD


@given(st.binary(max_size=300))
def test_rubbish_is_refused_and_never_breaks_anything(rubbish: bytes) -> None:
    assert refused(rubbish) is HttpCode.INVALID_UPLOAD


def test_what_follows_the_closing_boundary_is_ignored_but_not_endlessly() -> None:
    body = form(part("file", b"hello"))
    assert read(body + b"epilogue")[1] == b"hello"
    assert refused(body + bytes(70_000)) is HttpCode.INVALID_UPLOAD


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("talk.mp4", "talk.mp4"),
        ("Größe 🎧.mp4", "Größe 🎧.mp4"),
        ("C:\\\\fakepath\\\\talk.mp4", "C:\\fakepath\\talk.mp4"),
        ("C:\\fakepath\\talk.mp4", "C:\\fakepath\\talk.mp4"),
        ("say %22hi%22%0D%0A100%25.mp4", 'say "hi"\r\n100%25.mp4'),
        ('say \\"hi\\".mp4', 'say "hi".mp4'),
        ("a; filename=b.mp4", "a; filename=b.mp4"),
        ("../../etc/passwd", "../../etc/passwd"),
        ("", ""),
    ],
)
def test_any_filename_is_understood(sent: str, seen: str) -> None:
    assert read(form(part("file", b"hello", sent)))[0].filename == seen


def test_a_file_needs_no_filename() -> None:
    assert read(form(part("file", b"hello")))[0].filename == ""


def test_the_limit_counts_the_files_bytes_only() -> None:
    assert read(form(part("file", bytes(LIMIT)), part("profile", b"full")))[0].file_bytes == LIMIT
    assert refused(form(part("file", bytes(LIMIT + 1)))) is HttpCode.TOO_LARGE


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, UploadOptions()),
        ({"profile": "light"}, UploadOptions(profile=Profile.LIGHT)),
        ({"maxChunkSeconds": "60"}, UploadOptions.model_construct(max_chunk_seconds=60)),
        ({"multichannel": "true", "track": "mix"}, UploadOptions.model_construct(multichannel=True, track="mix")),
        ({"multichannel": "false", "track": ""}, UploadOptions()),
        ({"rawFormat": "s16le"}, (RawFormat.S16LE, 16_000, 1)),
        ({"rawFormat": "mulaw", "sampleRate": "8000", "channels": "2"}, (RawFormat.MULAW, 8000, 2)),
        ({"profile": "", "rawFormat": "", "sampleRate": ""}, UploadOptions()),
    ],
)
def test_options(fields: dict[str, str], options: UploadOptions | tuple[RawFormat, int, int]) -> None:
    seen = parse_options(fields)
    if isinstance(options, tuple):
        assert (seen.raw_format, seen.sample_rate, seen.channels) == options
    else:
        assert seen == options


@pytest.mark.parametrize(
    "fields",
    [
        {"profile": "FULL"},
        {"max_chunk_seconds": "60"},
        {"maxChunkSeconds": "59"},
        {"maxChunkSeconds": "86401"},
        {"maxChunkSeconds": "60.5"},
        {"maxChunkSeconds": "nan"},
        {"rawFormat": "hls"},
        {"multichannel": "maybe"},
        {"track": "x" * 65},
        {"rawFormat": "s16le", "sampleRate": "999"},
        {"rawFormat": "s16le", "channels": "33"},
        {"sampleRate": "16000"},
        {"channels": "1"},
    ],
)
def test_invalid_options(fields: dict[str, str]) -> None:
    with pytest.raises(RequestError) as caught:
        parse_options(fields)
    assert caught.value.code is HttpCode.INVALID_REQUEST


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; charset=utf-8; boundary="a b"', b"a b"),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=", None),
        ("multipart/form-data; boundary=" + "x" * 71, None),
        ("multipart/mixed; boundary=abc", None),
        ("application/x-www-form-urlencoded", None),
        ("", None),
        (None, None),
    ],
)
def test_boundaries(content_type: str | None, boundary: bytes | None) -> None:
    if boundary is not None:
        assert parse_boundary(content_type) == boundary
        return
    with pytest.raises(RequestError) as caught:
        parse_boundary(content_type)
    assert caught.value.code is HttpCode.INVALID_UPLOAD
