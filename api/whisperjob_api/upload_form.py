"""Parses an upload while it arrives: a form with one file and a few options, or a body that is the file. Pure.

`feed` returns the file's bytes as they arrive; `finish` returns the form once all of it has arrived.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from pydantic import ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from whisperjob.model.names import to_printable
from whisperjob.model.options import AudioOptions
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.multipart_reader import Event, MultipartReader, PartData, PartEnded, PartStarted, invalid_upload
from whisperjob_api.number_text import to_number

FILE_FIELD: Final = "file"
MAX_FIELD_BYTES: Final = 1024
MAX_OVERHEAD_BYTES: Final = 64 * 1024
"""The limit for everything in the body that is not the file: boundaries, headers, fields, preamble, epilogue."""

RAW_SAMPLE_RATE: Final = 16_000
RAW_CHANNELS: Final = 1


class UploadOptions(AudioOptions):
    """The optional form fields: the audio options under their camelCase names, and under no others."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False)


OPTION_FIELDS: Final = frozenset(to_camel(name) for name in UploadOptions.model_fields)
KNOWN_FIELDS: Final = OPTION_FIELDS | {FILE_FIELD}
_FORM_BEGINNING: Final = re.compile(rb"--[^\r\n]{1,200}\r\nContent-Disposition: *form-data", re.IGNORECASE)
_CHARSET_FIELD: Final = "_charset_"
"""HTML's own field, which names the encoding of the others."""


@dataclass(frozen=True, slots=True)
class UploadForm:
    """A whole upload, after its last byte. `unknown_fields` are those of the form that mean nothing here."""

    filename: str
    content_type: str | None
    file_bytes: int
    options: UploadOptions
    unknown_fields: tuple[str, ...] = ()


class UploadReader(Protocol):
    """Parses one body. Every error is a RequestError, and final."""

    file_bytes: int
    """The size of the file so far."""

    def feed(self, data: bytes) -> list[bytes]:
        """Parses a piece of the body; returns the pieces of the file in it."""

    def finish(self) -> UploadForm:
        """Returns the form; called when the body has ended."""


class BodyReader:
    """Reads a body that is the file itself; its name and the options stand in the request's head."""

    def __init__(
        self, filename: str, content_type: str | None, options: Mapping[str, str], max_file_bytes: int
    ) -> None:
        self._filename = filename
        self._content_type = content_type
        self._options = parse_options(options)
        self._max_file_bytes = max_file_bytes
        self.file_bytes = 0

    def feed(self, data: bytes) -> list[bytes]:
        if not self.file_bytes and _FORM_BEGINNING.match(data):
            raise invalid_upload(
                "The body is a form, but the Content-Type is that of a file: do not set this header yourself, the HTTP "
                "client does it."
            )
        self.file_bytes += len(data)
        if self.file_bytes > self._max_file_bytes:
            raise too_large(self._max_file_bytes)
        return [data] if data else []

    def finish(self) -> UploadForm:
        if not self.file_bytes:
            raise _empty_file()
        return UploadForm(self._filename, self._content_type, self.file_bytes, self._options)


class FormReader:
    """Parses a form: returns the file's bytes and stores the options.

    `filename` and `options`, which stand in the request's head, count where the form has none.
    """

    def __init__(
        self, boundary: bytes, max_file_bytes: int, options: Mapping[str, str] | None = None, filename: str = ""
    ) -> None:
        self._reader = MultipartReader(boundary)
        self._max_file_bytes = max_file_bytes
        self._filename = filename
        self._options = dict(options or {})
        _validate(self._options)
        self._fed_bytes = 0
        self._fields: dict[str, str] = {}
        self._unknown: list[str] = []
        self._file: PartStarted | None = None
        self._blank_file = False
        self._consume: Callable[[bytes], bytes] = self._ignore
        self._field: tuple[str, bytearray] | None = None
        self.file_bytes = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Parses a piece of the body; returns the pieces of the file in it."""
        self._fed_bytes += len(data)
        pieces = [piece for event in self._reader.feed(data) if (piece := self._handle(event))]
        if self._fed_bytes - self.file_bytes > MAX_OVERHEAD_BYTES:
            raise invalid_upload("The form has too much data besides the file.")
        return pieces

    def finish(self) -> UploadForm:
        """Returns the form; called when the body has ended."""
        if not self._reader.ended:
            raise invalid_upload("The upload was cut short: its closing boundary is missing.")
        if self._file is None:
            if self._blank_file:
                raise _empty_file()
            raise invalid_upload(f"The form has no field named `{FILE_FIELD}`.")
        options = parse_options({**self._options, **self._fields})
        if not self.file_bytes:
            raise _empty_file()
        filename, content_type = self._file.filename or self._filename, self._file.content_type
        return UploadForm(filename, content_type, self.file_bytes, options, tuple(self._unknown))

    def _handle(self, event: Event) -> bytes:
        match event:
            case PartStarted():
                self._start_part(event)
            case PartData(data):
                return self._consume(data)
            case PartEnded():
                self._end_part()
        return b""

    def _start_part(self, part: PartStarted) -> None:
        if part.filename == "" and (part.name != FILE_FIELD or self._file is not None):
            self._consume = self._consume_blank_file
        elif part.name == FILE_FIELD:
            if self._file is not None:
                raise invalid_upload("The form has two files; send one job for each.")
            self._file = part
            self._consume = self._consume_file
        elif part.name in OPTION_FIELDS:
            if part.name in self._fields:
                raise invalid_upload(f"The field `{part.name}` was sent twice.")
            self._field = part.name, bytearray()
            self._consume = self._consume_field
        elif part.filename is not None:
            raise _wrong_field(part.name)
        else:
            if part.name != _CHARSET_FIELD:
                self._unknown.append(part.name)
            self._consume = self._ignore

    def _end_part(self) -> None:
        if self._field is not None:
            name, value = self._field
            self._field = None
            try:
                self._fields[name] = value.decode().strip()
            except UnicodeDecodeError:
                raise invalid_upload(f"The field `{name}` is not UTF-8.") from None
            _validate(self._fields)
        elif self._file is not None and self._file.filename == "" and not self.file_bytes:
            self._file, self._blank_file = None, True  # a web form's input in which no file was chosen
        self._consume = self._ignore

    def _consume_file(self, data: bytes) -> bytes:
        self.file_bytes += len(data)
        if self.file_bytes > self._max_file_bytes:
            raise too_large(self._max_file_bytes)
        return data

    def _consume_field(self, data: bytes) -> bytes:
        assert self._field is not None
        self._field[1].extend(data)
        if len(self._field[1]) > MAX_FIELD_BYTES:
            raise invalid_upload(f"The field `{self._field[0]}` is too long.")
        return b""

    def _consume_blank_file(self, data: bytes) -> bytes:
        """A web form sends an input in which no file was chosen as a file without a name and without bytes."""
        if data:
            raise invalid_upload(f"The form has a second file, or one in another field than `{FILE_FIELD}`.")
        return b""

    def _ignore(self, _: bytes) -> bytes:
        return b""


def _empty_file() -> RequestError:
    return RequestError(HttpCode.EMPTY_FILE, "The file is empty.")


def _wrong_field(name: str) -> RequestError:
    shown = to_printable(name)[:60]
    return invalid_upload(f"The file was sent in the field `{shown}`; it must be sent in the field `{FILE_FIELD}`.")


def too_large(max_file_bytes: int) -> RequestError:
    """Returns the error of a file above the limit."""
    return RequestError(HttpCode.TOO_LARGE, f"The file is larger than {max_file_bytes} bytes.")


def parse_options(fields: Mapping[str, str]) -> UploadOptions:
    """Parses the option fields. Headerless PCM is 16 kHz mono unless the form says otherwise. Raises RequestError."""
    options = _validate(fields)
    if options.raw_format is None:
        if options.sample_rate is not None or options.channels is not None:
            raise RequestError(
                HttpCode.INVALID_REQUEST, "sampleRate and channels describe headerless PCM: they need rawFormat."
            )
        return options
    return UploadOptions.model_construct(
        profile=options.profile,
        max_chunk_seconds=options.max_chunk_seconds,
        track=options.track,
        language=options.language,
        multichannel=options.multichannel,
        raw_format=options.raw_format,
        sample_rate=options.sample_rate or RAW_SAMPLE_RATE,
        channels=options.channels or RAW_CHANNELS,
    )


def _validate(fields: Mapping[str, str]) -> UploadOptions:
    """Validates the fields; an empty one was left blank in a web form, and counts as absent."""
    try:
        return UploadOptions.model_validate({name: to_number(value) for name, value in fields.items() if value.strip()})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RequestError(HttpCode.INVALID_REQUEST, f"{where}: {first['msg'].rstrip('.')}.") from None
