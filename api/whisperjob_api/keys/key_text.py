"""The text of a key that this program makes: `wj_<id>_<secret><checksum>`. Pure, apart from the source of randomness.

The prefix lets scanners of repositories and logs find keys, the id names a key without giving it away, and the checksum
tells a mistyped key from a wrong one. All of it is one word for a double click.
"""

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "wj_"
SECRET_BYTES: Final = 32
ID_LENGTH: Final = 8
KEY_ID = r"[a-z0-9]{8}"
"""The pattern of a key's id, without anchors."""

MIN_LENGTH: Final = 20
"""Characters of a key that an operator chose. Twenty random hexadecimal digits are 80 bits: too many to guess."""
MIN_DIFFERENT: Final = 8
"""Different characters of such a key: `testtesttesttesttest` is long and no secret."""

_DIGITS: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_DIGITS: Final = 43
_CHECK_DIGITS: Final = 6
_MADE_KEY = re.compile(rf"({PREFIX}({KEY_ID})_[0-9A-Za-z]{{{_SECRET_DIGITS}}})([0-9A-Za-z]{{{_CHECK_DIGITS}}})")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made. `text` is shown once and stored nowhere."""

    id: str
    text: str


def make_key() -> NewKey:
    """Makes a key from 32 random bytes."""
    key_id = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(ID_LENGTH))
    body = f"{PREFIX}{key_id}_{_to_base62(secrets.randbits(8 * SECRET_BYTES), _SECRET_DIGITS)}"
    return NewKey(key_id, body + _checksum(body))


def is_made_key(text: str) -> bool:
    """Returns whether a text is a whole key that `make_key` may have made: its checksum fits."""
    match = _MADE_KEY.fullmatch(text)
    return match is not None and _checksum(match[1]) == match[3]


def hash_key(text: str) -> bytes:
    """Returns the SHA-256 of a key.

    A slow hash protects passwords that people choose, because those can be guessed. 256 random bits cannot, however
    fast the hash is, and a slow one would let anybody keep the service busy with wrong keys.
    """
    return hashlib.sha256(text.encode("latin-1", "replace")).digest()


def _checksum(body: str) -> str:
    return _to_base62(zlib.crc32(body.encode("ascii")), _CHECK_DIGITS)


def _to_base62(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, len(_DIGITS))
        text = _DIGITS[digit] + text
    return text
