"""Parses a multipart/form-data body to events, piece by piece as it arrives. No I/O; it stores only a part's headers.

The byte-level work is python-multipart's. This module adds what that leaves out: limits, the meaning of a part's
headers, and whether the body ended where it should.
"""

from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.file_names import decode_text, parse_disposition

FORM_TYPE = "multipart/form-data"
MAX_PARTS = 20
MAX_HEADER_BYTES = 16 * 1024
MAX_PREAMBLE_BYTES = 4 * 1024
MAX_BOUNDARY_BYTES = 70
"""The limit of RFC 2046."""

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
    if media_type != FORM_TYPE.encode():
        raise invalid_upload(
            f"The body must be {FORM_TYPE}, or the file itself with its own Content-Type, such as audio/mpeg or "
            "application/octet-stream."
        )
    boundary = options.get(b"boundary", b"").rstrip(b" ")
    if not 0 < len(boundary) <= MAX_BOUNDARY_BYTES:
        raise invalid_upload(
            "The Content-Type names no usable boundary: do not set this header yourself, the HTTP client does it."
        )
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
            max_header_count=MAX_HEADER_BYTES,  # their bytes are counted here, all of them together
            max_header_size=MAX_HEADER_BYTES,
        )
        self._events: list[Event] = []
        self._parts = -1
        self._preamble_bytes = 0
        self._header_bytes = 0
        self._field, self._value = bytearray(), bytearray()
        self._headers: dict[str, str] = {}
        self.ended = False
        """It is True once the closing boundary was parsed."""
        # What stands before the first boundary (nothing, or a sentence for readers of mail) is parsed as a part of its
        # own: the parser knows no such text, and no spaces behind a first boundary. It is part 0, and has no events.
        self._parser.write(b"--" + boundary + b"\r\n\r\n\r\n")

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
        self._headers[name] = decode_text(bytes(self._value)).strip()
        self._field.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        if not self._parts:
            return
        encoding = self._headers.get("content-transfer-encoding", "binary")
        if encoding.lower() not in _IDENTITY_ENCODINGS:
            raise invalid_upload("A part is encoded; only plain bytes are understood.")
        disposition = parse_disposition(self._headers.get("content-disposition", ""))
        if disposition.kind != "form-data" or disposition.name is None:
            raise invalid_upload("A part has no Content-Disposition with a name.")
        content_type = self._headers.get("content-type") or None
        self._events.append(PartStarted(disposition.name, disposition.filename, content_type))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._parts:
            self._events.append(PartData(data[start:end]))

    def _on_part_end(self) -> None:
        if self._parts:
            self._events.append(PartEnded())

    def _on_end(self) -> None:
        self.ended = True
