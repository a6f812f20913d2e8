"""An upload as a multipart body of known length whose file is read in blocks. Pure, but for opening the file."""

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from whisperjob_client.errors import UsageError

BLOCK_BYTES: Final = 256 * 1024
UPLOAD_PATH: Final = "/whisper_optimize"

Profile = Literal["full", "light", "none"]


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """The form's optional fields; None leaves the choice to the service."""

    profile: Profile | None = None
    max_chunk_seconds: int | None = None
    raw_format: str | None = None
    sample_rate: int | None = None
    channels: int | None = None

    def to_form(self) -> dict[str, str]:
        values = {
            "profile": self.profile,
            "maxChunkSeconds": self.max_chunk_seconds,
            "rawFormat": self.raw_format,
            "sampleRate": self.sample_rate,
            "channels": self.channels,
        }
        return {name: str(value) for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Upload:
    """One file on its way: `head`, the file's `size_bytes`, `tail`. The options come first: they are checked first."""

    file: Path
    size_bytes: int
    head: bytes
    tail: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def repeatable(self) -> bool:
        return "Idempotency-Key" in self.headers


def new_idempotency_key() -> str:
    return secrets.token_urlsafe(24)


def build_upload(
    file: Path, options: UploadOptions, idempotency_key: str | None, filename: str | None = None
) -> Upload:
    """Raises UsageError if there is no such file or nothing in it."""
    try:
        stat = file.stat()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or error}.") from None
    if not file.is_file():
        raise UsageError(f"{file} is not a file.")
    if not stat.st_size:
        raise UsageError(f"{file} is empty.")
    boundary = f"whisperjob-{secrets.token_hex(16)}"
    name = filename if filename is not None else os.fsencode(file.name).decode("utf-8", "replace")
    head = b"".join(_field(boundary, *entry) for entry in options.to_form().items())
    head += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{_quoted(name)}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(len(head) + stat.st_size + len(tail)),
    }
    if idempotency_key is not None:
        headers["Idempotency-Key"] = idempotency_key
    return Upload(file, stat.st_size, head, tail, headers)


def changed(file: Path) -> UsageError:
    return UsageError(f"{file} changed while it was sent.")


def _field(boundary: str, name: str, value: str) -> bytes:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def _quoted(name: str) -> str:
    """As browsers send a filename (WHATWG: only these three are escaped)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
