"""The name of an uploaded file, in every form in which clients send it. Pure.

Browsers send UTF-8 and escape three characters; older clients send another encoding, encoded words (RFC 2047), or a
second parameter, `filename*` (RFC 8187). `names.display_filename` makes the name fit to be stored and shown.
"""

import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from typing import Final, cast
from urllib.parse import unquote

_ESCAPED_BY_BROWSERS: Final = re.compile("%(22|0[AD])", re.IGNORECASE)
"""What browsers escape in a form, and nothing else: any other `%` is the name's own."""
_ENCODED_WORD: Final = re.compile(r"=\?[^?\s]+\?([Bb]\?[A-Za-z0-9+/=]+|[Qq]\?[^?]*)\?=")
_ExtendedValue = tuple[str | None, str | None, str]
"""Charset, language and text."""
_EXTENDED_CHARSETS: Final = frozenset({"utf-8", "utf8", "iso-8859-1", "us-ascii", "windows-1252"})


@dataclass(frozen=True, slots=True)
class Disposition:
    """A parsed Content-Disposition. `name` is a form field's; `filename` is None where there is none."""

    kind: str
    name: str | None
    filename: str | None


def parse_disposition(header: str) -> Disposition:
    """Parses a Content-Disposition. `filename*` goes before `filename`, which is for clients that know no other."""
    message = Message()
    message["Content-Disposition"] = header
    try:
        parsed = message.get_params([("", "")], "Content-Disposition")
    except ValueError:  # a parameter in more pieces than a number has digits
        return Disposition("", None, None)
    (kind, _), *parameters = cast(list[tuple[str, str | _ExtendedValue]], parsed)
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    for name, value in parameters:
        if not isinstance(value, tuple):
            plain.setdefault(name.lower(), value)
        elif (text := _decode_extended(value)) is not None:
            extended.setdefault(name.lower(), text)
    filename = extended.get("filename") or None
    if filename is None and "filename" in plain:
        filename = _decode_plain(plain["filename"])
    return Disposition(kind.lower(), plain.get("name", extended.get("name")), filename)


def decode_text(data: bytes) -> str:
    """Decodes UTF-8, which every current client sends, or else what Windows sends in western Europe."""
    for encoding in ("utf-8", "windows-1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def decode_name_header(value: str) -> str:
    """Decodes the value of a header that is a name alone. A header has no other characters than ASCII for certain, so
    the name may be percent-encoded, as JavaScript's encodeURIComponent does."""
    text = decode_encoded_words(decode_text(value.encode("latin-1")))
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


def decode_encoded_words(text: str) -> str:
    """Decodes encoded words (`=?UTF-8?B?…?=`); returns the text as it is if it has none, or damaged ones."""
    if not _ENCODED_WORD.search(text):
        return text
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return text


def _decode_plain(value: str) -> str:
    if _ENCODED_WORD.search(value):
        return decode_encoded_words(value)
    return _ESCAPED_BY_BROWSERS.sub(lambda match: chr(int(match[1], 16)), value)


def _decode_extended(value: _ExtendedValue) -> str | None:
    """Returns the text of an extended parameter, whose bytes the parser has as latin-1; None if it is of no use."""
    charset, _, text = value
    if (charset or "us-ascii").lower() not in _EXTENDED_CHARSETS:
        return None
    try:
        return text.encode("latin-1").decode(charset or "us-ascii")
    except UnicodeError:
        return None
