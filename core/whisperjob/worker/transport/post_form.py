"""The form by which S3 takes an object: a POST with a signed policy.

urllib3 has an encoder of multipart forms, but it builds the whole body in memory; a file is streamed from disk here.
"""

import secrets
from collections.abc import Iterator
from pathlib import Path

from whisperjob.model.protocol import HttpWrite

CONTENT_TYPES = {".mp3": "audio/mpeg", ".json": "application/json"}

_PIECE_BYTES = 256 * 1024


class PostForm:
    """One file as a form: the granted fields, the key, then the file."""

    def __init__(self, grant: HttpWrite, name: str, path: Path) -> None:
        self._path = path
        self._boundary = secrets.token_hex(16)
        content_type = CONTENT_TYPES.get(path.suffix, "application/octet-stream")
        fields = {k: v for k, v in grant.fields.items() if k != "key"} | {"key": grant.prefix + name}
        head = "".join(self._field(key, value) for key, value in fields.items())
        head += f'--{self._boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        head += f"Content-Type: {content_type}\r\n\r\n"
        self._head = head.encode()
        self._tail = f"\r\n--{self._boundary}--\r\n".encode()

    def _field(self, name: str, value: str) -> str:
        return f'--{self._boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'

    def headers(self) -> dict[str, str]:
        """Returns the request's headers; the length of the body is known before it is read."""
        size = len(self._head) + self._path.stat().st_size + len(self._tail)
        return {"Content-Type": f"multipart/form-data; boundary={self._boundary}", "Content-Length": str(size)}

    def body(self) -> Iterator[bytes]:
        """Yields the request's body in pieces. Raises OSError."""
        yield self._head
        with self._path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece
        yield self._tail
