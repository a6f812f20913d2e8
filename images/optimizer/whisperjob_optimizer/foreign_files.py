"""Says what a file is that is no recording, and what its owner can do. Pure.

Except for archives, it is asked only when ffmpeg found no sound, so that a guess by a few bytes can harm nothing. In an
archive that is not compressed ffmpeg finds sound, and joins recordings or decodes noise.
"""

import codecs
import re

TEXT = "The file is text, not a recording."
_EXPORT_AGAIN = "Export the sound or the video again, and upload that."
_DOWNLOAD_AGAIN = "Open it to see what it says, download the recording again, and upload that."
_UNPACK = "Unpack it, and upload the recordings in it one by one."

_ARCHIVES: tuple[tuple[bytes, str], ...] = (
    (b"Rar!\x1a\x07", f"The file is a RAR archive. {_UNPACK}"),
    (b"7z\xbc\xaf\x27\x1c", f"The file is a 7-Zip archive. {_UNPACK}"),
)
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x05\x06", "The file is an empty ZIP archive."),
    (b"\x1f\x8b", f"The file is compressed with gzip. {_UNPACK}"),
    (b"BZh", f"The file is compressed with bzip2. {_UNPACK}"),
    (b"\xfd7zXZ\0", f"The file is compressed with xz. {_UNPACK}"),
    (b"\x28\xb5\x2f\xfd", f"The file is compressed with Zstandard. {_UNPACK}"),
    (b"%PDF-", "The file is a PDF document, not a recording."),
    (b"\x89PNG", "The file is a picture (PNG), not a recording."),
    (b"\xff\xd8\xff", "The file is a picture (JPEG), not a recording."),
    (b"GIF8", "The file is a picture (GIF), not a recording."),
    (b"II*\0", "The file is a picture (TIFF), not a recording."),
    (b"MM\0*", "The file is a picture (TIFF), not a recording."),
    (b"MThd", "The file is MIDI: it has notes, but no sound. Render it to WAV or MP3, and upload that."),
    (
        b"\0\x05\x16\x07",
        "The file has only the Mac's additional data (its name begins with ._). Upload the file itself.",
    ),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "The file is an Office document, not a recording."),
    (b"L\0\0\0\x01\x14\x02\0", "The file is a Windows shortcut. Upload the file that it points to."),
    (
        b"version https://git-lfs",
        "The file is a Git LFS pointer. Fetch the recording with git lfs pull, and upload that.",
    ),
    (b"SQLite format 3\0", "The file is a database (SQLite), not a recording."),
    (b"MZ", "The file is a program, not a recording."),
    (b"\x7fELF", "The file is a program, not a recording."),
    (b"bplist00", "The file is a property list, not a recording."),
    (b"8BPS", "The file is a picture (Photoshop), not a recording."),
    (b"\0\0\0\x01Bud1", "The file has only the settings of a Mac's folder (.DS_Store). Upload the recording itself."),
    (b"d8:announce", "The file is a torrent. Download the recording that it names, and upload that."),
    (b"{\\rtf", "The file is a text document (RTF), not a recording."),
)
_OFFICE_PARTS = b"[Content_Types].xml"
_IN_OFFICE: tuple[tuple[bytes, str], ...] = (
    (b"word/", "a Word document"),
    (b"xl/", "an Excel workbook"),
    (b"ppt/", "a PowerPoint presentation"),
)
_IN_ZIP: tuple[tuple[bytes, str], ...] = (
    (b"mimetypeapplication/epub+zip", "an e-book"),
    (b"mimetypeapplication/vnd.oasis.opendocument", "an OpenDocument file"),
    (b"AndroidManifest.xml", "an Android app"),
)
# Bytes that somebody chose must not take long: nothing that was matched is tried again in another way (*+, ?>).
_COMMENTS = rb"(?:<!--(?>.*?-->)\s*+)*+"
_XML_HEAD = rb"\A\s*+(?:<\?xml[^>]*+>\s*+)?+" + _COMMENTS
_XML_START = _XML_HEAD + rb"(?:<!doctype[^>]*+>\s*+)?+" + _COMMENTS
_HTML = re.compile(
    _XML_HEAD + rb"<(?:!doctype\s+html|html|head|body|title|meta|div|center|script|style|p|h[1-6]|pre|table)\b",
    re.IGNORECASE | re.DOTALL,
)
_SVG = re.compile(_XML_START + rb"<(?:\w++:)?svg\b", re.IGNORECASE | re.DOTALL)
_PROPERTIES = re.compile(_XML_START + rb"<plist\b", re.IGNORECASE | re.DOTALL)
_BASE64 = re.compile(rb"\A\s*+(?:data:[^,\s]*+,\s*+)?+[A-Za-z0-9+/][A-Za-z0-9+/\r\n]{255,}+=*+\s*+\Z")
_FORM = re.compile(rb"\A(?:\r?\n)?--[^\r\n]++\r?\nContent-[^\r\n]++\r?\n", re.IGNORECASE)
_MAIL = re.compile(
    rb"\A(?:[\w-]++:[^\n]*+\n(?:[ \t][^\n]*+\n)*+)*?(?:MIME-Version|Received|Return-Path|Message-ID):", re.IGNORECASE
)
_ANSWER = re.compile(rb"\AHTTP/\d(?:\.\d)? \d{3}\b")
_JSON = re.compile(rb"""\A\s*+(?:\{\s*+(?:"|\})|\[\s*+(?:\{|\[|"|\]))""")
_XML = re.compile(rb"\A\s*+<(?:\?xml\b|[A-Za-z][\w:.-]*+[\s>])")
_EDITOR_PROJECT = re.compile(rb"\A\s*+<\?xml.*?<(?:audacity)?project\b", re.IGNORECASE | re.DOTALL)
_PICTURE_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"avif", b"avis", b"crx ")
_TEXT_BYTES = 4096
_SURE_TEXT_BYTES = 16
"""So many bytes of ASCII and no control character are no chance, if they are a tenth of all."""

_LONG_TEXT_BYTES = 1024
_LETTERS_OF_TEXT = 3

_UNKNOWN_LETTER = "\N{MIDDLE DOT}"


def describe_archive(head: bytes) -> str | None:
    """Returns one or two sentences if the file is an archive, by a signature that no recording begins with."""
    if head.startswith(b"PK\x03\x04"):
        kinds = _IN_OFFICE if _OFFICE_PARTS in head else _IN_ZIP
        what = next((name for mark, name in kinds if mark in head), None)
        return f"The file is {what}, not a recording." if what else f"The file is a ZIP archive. {_UNPACK}"
    if head[257:262] == b"ustar":
        return f"The file is a tar archive. {_UNPACK}"
    return next((text for magic, text in _ARCHIVES if head.startswith(magic)), None)


def is_surely_text(head: bytes) -> bool:
    """Returns whether it is so much ASCII, and nothing else, that a format without a signature is a wrong guess.

    Silence in A-law can be one letter again and again; other sound has bytes that are no ASCII.
    """
    long = len(head) >= _LONG_TEXT_BYTES and len(set(head)) >= _LETTERS_OF_TEXT
    return long and head.isascii() and _decode_text(head) is not None


def describe(head: bytes, *, index_missing: bool) -> str | None:
    """Returns one or two sentences on what the file is, by its first bytes; None if it is not recognised.

    `index_missing`: it is an MP4 or MOV without the box that says where its sound is.
    """
    if head[4:8] == b"ftyp" and head[8:12] in _PICTURE_BRANDS:
        return "The file is a picture, not a recording."
    if index_missing:
        return (
            "The MP4 file has no index (moov), because its recording or its upload did not come to an end. "
            "Repair it with a tool such as untrunc, or export it again, and upload that."
        )
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "The file is a picture (WebP), not a recording."
    if not head.strip(b"\0"):
        return (
            "The file has zero bytes where a recording would begin: it was not written to its end. Copy it again from "
            "where it was recorded, and upload that."
        )
    if _FORM.match(head):
        return "The file is a whole HTTP form with the recording in it. Send the recording alone, or as a form's file."
    if _ANSWER.match(head):
        return f"The file is a whole HTTP answer with its headers, not a recording alone. {_DOWNLOAD_AGAIN}"
    return next((text for magic, text in _MAGIC if head.startswith(magic)), None) or _describe_text(head)


def _describe_text(head: bytes) -> str | None:
    text = _decode_text(head[:_TEXT_BYTES])
    if text is None:
        return None
    encoded = text.encode()
    if _HTML.match(encoded):
        return f"The file is an HTML page, not a recording, perhaps an error message or a login page. {_DOWNLOAD_AGAIN}"
    if _JSON.match(encoded):
        return f"The file is JSON text, not a recording, perhaps the error message of a service. {_DOWNLOAD_AGAIN}"
    if _BASE64.match(encoded):
        return "The file is text in base64, perhaps of a recording. Decode it, and upload the result."
    if _MAIL.match(encoded):
        return "The file is an e-mail. Save the recording that is attached to it, and upload that."
    if _SVG.match(encoded):
        return "The file is a picture (SVG), not a recording."
    if _PROPERTIES.match(encoded):
        return "The file is a property list or a web address, not a recording."
    if _EDITOR_PROJECT.match(encoded):
        return f"The file is a project of a sound editor and has no sound in it. {_EXPORT_AGAIN}"
    if _XML.match(encoded):
        return f"The file is XML text, not a recording, perhaps the error message of a service. {_DOWNLOAD_AGAIN}"
    return TEXT


def _decode_text(head: bytes) -> str | None:
    """Returns what the bytes say if they are text: in UTF-8, UTF-16 with its mark, or one byte a letter.

    Of the last, only ASCII is sure to be right; but an HTML page or a table is recognised by that.
    """
    utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:  # the last character may be cut
        text = codecs.getincrementaldecoder("utf-16" if utf16 else "utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        ascii_bytes = sum(byte < 0x80 for byte in head)
        if utf16 or ascii_bytes < max(_SURE_TEXT_BYTES, len(head) // 10):
            return None
        text = "".join(chr(byte) if byte < 0x80 else _UNKNOWN_LETTER for byte in head)
    printable = all(character.isprintable() or character in "\t\r\n\f\v\x1b" for character in text)
    return text if text and printable else None
