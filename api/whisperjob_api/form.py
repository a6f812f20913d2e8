"""The upload form, understood while it arrives: one file, a few options, nothing else kept. Pure.

`feed` hands out the file's bytes as they come; `finish` says what was sent, once all of it was.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from whisperjob.model.options import MAX_CHUNK_SECONDS, MIN_CHUNK_SECONDS
from whisperjob.model.phase import Profile, RawFormat
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.multipart import Event, MultipartReader, PartBegan, PartData, PartEnded, invalid

FILE_FIELD: Final = "file"
MAX_FIELD_BYTES: Final = 1024
MAX_OVERHEAD_BYTES: Final = 64 * 1024
"""Everything of the body that is not the file: boundaries, headers, fields, preamble, epilogue."""

RAW_SAMPLE_RATE: Final = 16_000
RAW_CHANNELS: Final = 1


class UploadOptions(BaseModel):
    """The optional form fields."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    profile: Profile = Field(
        default=Profile.FULL, description="full enhancement, light (band-pass and loudness) or none (conversion only)"
    )
    max_chunk_seconds: int | None = Field(
        default=None, ge=MIN_CHUNK_SECONDS, le=MAX_CHUNK_SECONDS, description="Longest chunk, beside its 20 MiB"
    )
    raw_format: RawFormat | None = Field(default=None, description="The file is headerless PCM of this sample layout")
    sample_rate: int | None = Field(
        default=None, ge=1000, le=384_000, description="Of headerless PCM, Hz; 16000 if absent"
    )
    channels: int | None = Field(default=None, ge=1, le=32, description="Of headerless PCM, interleaved; 1 if absent")


OPTION_FIELDS: Final = frozenset(to_camel(name) for name in UploadOptions.model_fields)


@dataclass(frozen=True, slots=True)
class UploadForm:
    """All of it, once the closing boundary was seen."""

    filename: str
    content_type: str | None
    file_bytes: int
    options: UploadOptions


class FormReader:
    """Feed it the body; the file's bytes come out, the rest is kept. Every error is a RequestError, and final."""

    def __init__(self, boundary: bytes, max_file_bytes: int) -> None:
        self._reader = MultipartReader(boundary)
        self._max_file_bytes = max_file_bytes
        self._fed_bytes = 0
        self._fields: dict[str, str] = {}
        self._file: PartBegan | None = None
        self._take: Callable[[bytes], bytes] = self._ignore
        self._field: tuple[str, bytearray] | None = None
        self.file_bytes = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Takes a piece of the body; returns the pieces of the file in it."""
        self._fed_bytes += len(data)
        pieces = [piece for event in self._reader.feed(data) if (piece := self._on(event))]
        if self._fed_bytes - self.file_bytes > MAX_OVERHEAD_BYTES:
            raise invalid("The form holds too much besides the file.")
        return pieces

    def finish(self) -> UploadForm:
        """Call it when the body has ended."""
        if not self._reader.ended:
            raise invalid("The upload was cut short: its closing boundary is missing.")
        if self._file is None:
            raise invalid(f"The form has no field named `{FILE_FIELD}`.")
        options = parse_options(self._fields)
        if not self.file_bytes:
            raise RequestError(HttpCode.EMPTY_FILE, "The file is empty.")
        return UploadForm(self._file.filename or "", self._file.content_type, self.file_bytes, options)

    def _on(self, event: Event) -> bytes:
        match event:
            case PartBegan():
                self._begin(event)
            case PartData(data):
                return self._take(data)
            case PartEnded():
                self._end()
        return b""

    def _begin(self, part: PartBegan) -> None:
        if part.name == FILE_FIELD:
            if self._file is not None:
                raise invalid("The form has two files; send one job for each.")
            self._file = part
            self._take = self._take_file
        elif part.name in OPTION_FIELDS:
            if part.name in self._fields:
                raise invalid(f"The field `{part.name}` was sent twice.")
            self._field = part.name, bytearray()
            self._take = self._take_field
        elif part.filename is not None:
            raise invalid(f"The file belongs into the field `{FILE_FIELD}`.")
        else:
            self._take = self._ignore

    def _end(self) -> None:
        if self._field is not None:
            name, value = self._field
            self._field = None
            try:
                self._fields[name] = value.decode().strip()
            except UnicodeDecodeError:
                raise invalid(f"The field `{name}` is not UTF-8.") from None
            _validated(self._fields)
        self._take = self._ignore

    def _take_file(self, data: bytes) -> bytes:
        self.file_bytes += len(data)
        if self.file_bytes > self._max_file_bytes:
            raise too_large(self._max_file_bytes)
        return data

    def _take_field(self, data: bytes) -> bytes:
        assert self._field is not None
        self._field[1].extend(data)
        if len(self._field[1]) > MAX_FIELD_BYTES:
            raise invalid(f"The field `{self._field[0]}` is too long.")
        return b""

    def _ignore(self, _: bytes) -> bytes:
        return b""


def too_large(max_file_bytes: int) -> RequestError:
    return RequestError(HttpCode.TOO_LARGE, f"The file is larger than {max_file_bytes} bytes.")


def parse_options(fields: dict[str, str]) -> UploadOptions:
    """Raises RequestError. Raw PCM is 16 kHz mono unless the form says otherwise."""
    options = _validated(fields)
    if options.raw_format is None:
        if options.sample_rate is not None or options.channels is not None:
            raise RequestError(
                HttpCode.INVALID_REQUEST, "sampleRate and channels describe headerless PCM: they need rawFormat."
            )
        return options
    return options.model_copy(
        update={
            "sample_rate": options.sample_rate or RAW_SAMPLE_RATE,
            "channels": options.channels or RAW_CHANNELS,
        }
    )


def _validated(fields: dict[str, str]) -> UploadOptions:
    """An empty field is one left blank in a web form."""
    try:
        return UploadOptions.model_validate({name: value for name, value in fields.items() if value})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RequestError(HttpCode.INVALID_REQUEST, f"{where}: {first['msg'].rstrip('.')}.") from None
