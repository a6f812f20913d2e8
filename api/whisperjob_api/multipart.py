"""A multipart/form-data body as events, piece by piece as it arrives. No I/O, nothing kept but a part's headers.

The byte-level work is python-multipart's; this adds what it leaves out: limits, the meaning of a part's headers, and
whether the body ended where it should.
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
"""RFC 2046."""

_EXTENDED_FILENAME = re.compile(r"""; *filename\*=utf-8'[^';]*'([^;"' ]*)""", re.IGNORECASE)
_IDENTITY = frozenset({"7bit", "8bit", "binary"})


@dataclass(frozen=True, slots=True)
class PartBegan:
    """`filename` is None for a plain field."""

    name: str
    filename: str | None
    content_type: str | None


@dataclass(frozen=True, slots=True)
class PartData:
    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnded:
    pass


Event = PartBegan | PartData | PartEnded


def boundary_of(content_type: str | None) -> bytes:
    """Raises RequestError if this is not the Content-Type of a form with files."""
    media_type, options = parse_options_header(content_type)
    if media_type != b"multipart/form-data":
        raise invalid("The body must be multipart/form-data.")
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= MAX_BOUNDARY_BYTES:
        raise invalid("The Content-Type names no usable multipart boundary.")
    return boundary


def invalid(sentence: str) -> RequestError:
    return RequestError(HttpCode.INVALID_UPLOAD, sentence)


class MultipartReader:
    """Push bytes in, get events out. Every error is a RequestError, and final."""

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
        """Whether the closing boundary was seen."""

    def feed(self, data: bytes) -> list[Event]:
        if not self._parts:
            self._preamble_bytes += len(data)
        try:
            self._parser.write(data)
        except FormParserError:
            raise invalid("The multipart body is malformed.") from None
        if not self._parts and not self.ended and self._preamble_bytes > MAX_PREAMBLE_BYTES:
            raise invalid("The multipart body does not begin with its boundary.")
        events, self._events = self._events, []
        return events

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise invalid(f"The form has more than {MAX_PARTS} parts.")
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
            raise invalid("The headers of a part are too long.")

    def _on_header_end(self) -> None:
        name = self._field.decode("latin-1").lower()
        if name in self._headers:
            raise invalid(f"A part has the header {name} twice.")
        self._headers[name] = _text(bytes(self._value)).strip()
        self._field.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        encoding = self._headers.get("content-transfer-encoding", "binary")
        if encoding.lower() not in _IDENTITY:
            raise invalid("A part is encoded; only plain bytes are understood.")
        name, filename = _disposition(self._headers.get("content-disposition", ""))
        self._events.append(PartBegan(name, filename, self._headers.get("content-type") or None))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(PartData(data[start:end]))

    def _on_part_end(self) -> None:
        self._events.append(PartEnded())

    def _on_end(self) -> None:
        self.ended = True


def _disposition(header: str) -> tuple[str, str | None]:
    """The field's name, and the file's where it is one."""
    # The parser of options works on latin-1, as HTTP does; names are UTF-8 inside it.
    kind, options = parse_options_header(header.encode().decode("latin-1"))
    if kind != b"form-data" or b"name" not in options:
        raise invalid("A part has no Content-Disposition with a name.")
    filename = options.get(b"filename")
    return _text(options[b"name"]), _extended_filename(header) if filename is None else _text(filename)


def _extended_filename(header: str) -> str | None:
    """`filename*`, which RFC 7578 forbids in forms and urllib3 before 2.0 sent for names beyond ASCII."""
    found = _EXTENDED_FILENAME.search(header)
    return unquote(found[1], errors="replace") if found else None


def _text(data: bytes) -> str:
    """UTF-8, as every client of today sends it; latin-1 for the others."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
