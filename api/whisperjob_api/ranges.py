"""Conditional and partial requests (RFC 9110): decides which bytes to send, with which status. Pure."""

import re
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"bytes\s*=\s*(\d*)\s*-\s*(\d*)", re.IGNORECASE | re.ASCII)
_ENTITY_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_MAX_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Whole:
    """The whole object is sent, with status 200."""


@dataclass(frozen=True, slots=True)
class Part:
    """`length` bytes from `start` are sent, with status 206."""

    start: int
    length: int

    def format_content_range(self, size: int) -> str:
        """Formats the Content-Range header for an object of `size` bytes."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


@dataclass(frozen=True, slots=True)
class NotModified:
    """The caller has the object already; nothing is sent, with status 304."""


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """The range begins after the end of the object; the status is 416."""


Selection = Whole | Part | NotModified | Unsatisfiable


def select_range(
    size: int, etag: str, *, range_: str | None = None, if_range: str | None = None, if_none_match: str | None = None
) -> Selection:
    """Decides what to send of an object of `size` bytes with the (quoted, strong) `etag`.

    Several ranges at once get the whole object, as does a Range that cannot be parsed: both are allowed, and safe.
    There is no Last-Modified, so a date in If-Range never matches.
    """
    if if_none_match is not None and _matches(if_none_match, etag):
        return NotModified()
    if range_ is None or (if_range is not None and if_range.strip() != etag):
        return Whole()
    match = _ONE_RANGE.fullmatch(range_.strip())
    if match is None or any(len(digits) > _MAX_DIGITS for digits in match.groups()):
        return Whole()
    return _resolve_range(size, match[1], match[2])


def _resolve_range(size: int, first: str, last: str) -> Selection:
    if not first:
        if not last:
            return Whole()
        length = min(int(last), size)
        return Part(size - length, length) if length else Unsatisfiable()
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return Whole()
    return Part(start, end - start + 1) if start < size else Unsatisfiable()


def _matches(header: str, etag: str) -> bool:
    """Returns whether an If-None-Match header names the etag; it is compared weakly."""
    return header.strip() == "*" or any(f'"{tag}"' == etag for tag in _ENTITY_TAG.findall(header))
