"""Parses a multipart/form-data body to events, piece by piece as it arrives. No I/O; it stores only a part's headers.

The byte-level work is python-multipart's. This module adds what that leaves out: limits, the meaning of a part's
headers, and whether the body ended where it should.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from whisperjob_api.errors import HttpCode, RequestError

MAX_PARTS = 20
MAX_HEADER_BYTES = 16 * 1024
MAX_PREAMBLE_BYTES = 4 * 1024
MAX_BOUNDARY_BYTES = 70
"""The limit of RFC 2046."""

_EXTENDED_FILENAME = re.compile(r"""; *filename\*=utf-8'[^';]*'([^;"' ]*)""", re.IGNORECASE)
_IDENTITY_ENCODINGS = frozenset({"7bit", "8bit", "binary"})


@dataclass(frozen=True, slots=True)
class PartStarted:
    """A part began. `filename` is None for a plain field."""

    name: str
    filename: str | None
    content_type: str | None


@dataclass(frozen=True, slots=True)
class PartData:
    """Bytes of the part."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnded:
    """The part ended."""


Event = PartStarted | PartData | PartEnded


def parse_boundary(content_type: str | None) -> bytes:
    """Returns the boundary. Raises RequestError if this is not the Content-Type of a form with files."""
    media_type, options = parse_options_header(content_type)
    if media_type != b"multipart/form-data":
        raise invalid_upload("The body must be multipart/form-data.")
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= MAX_BOUNDARY_BYTES:
        raise invalid_upload("The Content-Type names no usable multipart boundary.")
    return boundary


def invalid_upload(sentence: str) -> RequestError:
    """Returns the error of an upload that is not a valid form."""
    return RequestError(HttpCode.INVALID_UPLOAD, sentence)


class MultipartReader:
    """Parses one body to events. Every error is a RequestError, and final."""

    def __init__(self, boundary: bytes) -> None:
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
            max_header_size=MAX_HEADER_BYTES,
        )
        self._events: list[Event] = []
        self._parts = 0
        self._preamble_bytes = 0
        self._header_bytes = 0
        self._field, self._value = bytearray(), bytearray()
        self._headers: dict[str, str] = {}
        self.ended = False
        """It is True once the closing boundary was parsed."""

    def feed(self, data: bytes) -> list[Event]:
        """Parses a piece of the body; returns the events in it."""
        if not self._parts:
            self._preamble_bytes += len(data)
        try:
            self._parser.write(data)
        except FormParserError:
            raise invalid_upload("The multipart body is malformed.") from None
        if not self._parts and not self.ended and self._preamble_bytes > MAX_PREAMBLE_BYTES:
            raise invalid_upload("The multipart body does not begin with its boundary.")
        events, self._events = self._events, []
        return events

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise invalid_upload(f"The form has more than {MAX_PARTS} parts.")
        self._headers = {}
        self._header_bytes = 0

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._field += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._value += data[start:end]

    def _count_header(self, length: int) -> None:
        self._header_bytes += length
        if self._header_bytes > MAX_HEADER_BYTES:
            raise invalid_upload("The headers of a part are too long.")

    def _on_header_end(self) -> None:
        name = self._field.decode("latin-1").lower()
        if name in self._headers:
            raise invalid_upload(f"A part has the header {name} twice.")
        self._headers[name] = _decode_text(bytes(self._value)).strip()
        self._field.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        encoding = self._headers.get("content-transfer-encoding", "binary")
        if encoding.lower() not in _IDENTITY_ENCODINGS:
            raise invalid_upload("A part is encoded; only plain bytes are understood.")
        name, filename = _parse_disposition(self._headers.get("content-disposition", ""))
        self._events.append(PartStarted(name, filename, self._headers.get("content-type") or None))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(PartData(data[start:end]))

    def _on_part_end(self) -> None:
        self._events.append(PartEnded())

    def _on_end(self) -> None:
        self.ended = True


def _parse_disposition(header: str) -> tuple[str, str | None]:
    """Returns the name of the field, and the name of the file if the part has one."""
    # The options are parsed as latin-1, as in HTTP; the names in them are UTF-8.
    kind, options = parse_options_header(header.encode().decode("latin-1"))
    if kind != b"form-data" or b"name" not in options:
        raise invalid_upload("A part has no Content-Disposition with a name.")
    filename = options.get(b"filename")
    return _decode_text(options[b"name"]), _parse_extended_filename(header) if filename is None else _decode_text(
        filename
    )


def _parse_extended_filename(header: str) -> str | None:
    """Returns `filename*`, which RFC 7578 forbids in forms and urllib3 before 2.0 sent for names beyond ASCII."""
    match = _EXTENDED_FILENAME.search(header)
    return unquote(match[1], errors="replace") if match else None


def _decode_text(data: bytes) -> str:
    """Decodes UTF-8, which every current client sends, or else latin-1."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
