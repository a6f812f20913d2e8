"""The rules for keys, the same in every store.

ASCII, in the characters that S3 documents as safe everywhere, so that a key is the same text in a path, a URL, an
XML listing and a log line, and sorts the same in all of them. A key that breaks the rules names no object: reading
it finds nothing, and writing it is a bug of the caller.
"""

import re
from typing import Final

MAX_KEY_LENGTH: Final = 512
"""The same limit as in `Source.key`."""

_SEGMENT: Final = re.compile(r"[A-Za-z0-9!_.*'()-]{1,255}")
"""255 characters is the longest name of a file on common file systems."""


def is_key(text: str) -> bool:
    """Returns whether an object can have this key."""
    return len(text) <= MAX_KEY_LENGTH and all(_is_segment(segment) for segment in text.split("/"))


def is_folder_prefix(text: str) -> bool:
    """Returns whether this is a prefix of whole segments that ends in "/".

    The empty prefix would mean everything, and is none.
    """
    return text.endswith("/") and is_key(text[:-1])


def is_listing_prefix(text: str) -> bool:
    """Returns whether a key could begin with this; every key begins with the empty prefix."""
    folder, _, name = text.rpartition("/")
    return (not folder or is_key(folder)) and not text.startswith("/") and (not name or _is_segment_start(name))


def require_key(text: str) -> None:
    """Raises ValueError if no object can have this key."""
    if not is_key(text):
        raise ValueError(f"not a key: {text!r}")


def require_folder_prefix(text: str) -> None:
    """Raises ValueError if this is no prefix of whole segments."""
    if not is_folder_prefix(text):
        raise ValueError(f"not a prefix of whole segments: {text!r}")


def _is_segment(text: str) -> bool:
    return _SEGMENT.fullmatch(text) is not None and text not in (".", "..")


def _is_segment_start(text: str) -> bool:
    """Returns whether a segment may begin with this; "." and ".." do begin some, such as "..."."""
    return _SEGMENT.fullmatch(text) is not None
