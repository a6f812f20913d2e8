"""Recognises, by the first bytes of a file and before any program opens it, text playlists and encrypted containers.

Pure, except for one reader. A playlist is refused here, so that no demuxer that follows references ever sees it; the
allow-list of formats.py would refuse it a second time.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

from whisperjob.model.mp3 import id3v2_bytes

HEAD_BYTES = 64 * 1024

# Bytes that somebody chose must not take long: nothing that was matched is tried again in another way (++, *+, ?>).
_PLAYLIST = re.compile(
    rb"""\A(?:\xef\xbb\xbf)?\s*+(?:
        \#EXTM3U | \#EXT-X- | ffconcat\b | \[playlist\] | \[reference\] | \[InternetShortcut\] | \#EXTINF
      | v=0[^\S\n]*+\n | SMPTE-IMF
      | (?:<\?xml[^>]*+>\s*+)?+(?:<!--(?>.*?-->)\s*+)*+(?:<!DOCTYPE[^>]*+>\s*+)?+
        <(?:MPD|SmoothStreamingMedia|playlist|smil|asx|CompositionPlaylist|AssetMap|WinAmpPlaylist|rss)\b
      | (?:rtsp|rtmp|mms|https?)://\S++\s
    )""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_CONCAT_LINE = re.compile(rb"\A\s*+(?:#[^\n]*+\s*+)*+file\s+['\"]?\S", re.IGNORECASE)

_FARTHEST_OFFSET = 2**40
"""Sizes in a file can be anything up to 2**64, and a file system takes less."""

_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
_MP4_MAX_BOXES = 10_000
_MP4_INDEX_BYTES = 1024 * 1024
_MP4_ENCRYPTED_SOUND = re.compile(rb"stsd.{12}(?:enca|drms|aavd)", re.DOTALL)
"""Sample entries whose sound is encrypted: Common Encryption, FairPlay, Audible. ffmpeg does not report the first."""

ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_ENCRYPTION = (
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),
    bytes.fromhex("9d8c17314f03dc11bd5d0050c24b8e53"),
)
EBML = bytes.fromhex("1a45dfa3")
_MATROSKA_ENCRYPTION = bytes.fromhex("6240")  # ContentEncoding; its child below makes it encryption, not compression
_MATROSKA_CONTENT_ENCRYPTION = bytes.fromhex("5035")
_TS_PACKET = 188


def is_playlist(head: bytes) -> bool:
    """Returns whether a file is a text that names other files or addresses, and no recording."""
    return b"\0" not in head[:512] and bool(_PLAYLIST.match(head[:4096]) or _CONCAT_LINE.match(head[:4096]))


def tags_before(file: BinaryIO, size_bytes: int) -> int:
    """Returns how many bytes of ID3v2 tags come before a recording; 0 if there are none or there is nothing else.

    Nothing in them is needed, and ffmpeg takes time for them that grows with the square of their number.
    """
    at = 0
    while at < size_bytes:
        tag = read_at(file, at, 10)
        if len(tag) < 10 or 0xFF in tag[3:5] or max(tag[6:]) > 0x7F or not (length := id3v2_bytes(tag)):
            return at
        at += length
    return 0


def looks_encrypted(head: bytes) -> bool:
    """Returns whether a container is marked as encrypted.

    To be used only if the probe or the decoder found no sound: two of the marks are short enough to occur by chance.
    """
    if head.startswith(ASF_HEADER):
        return any(mark in head for mark in _ASF_ENCRYPTION)
    if head.startswith(EBML):
        return _MATROSKA_ENCRYPTION in head and _MATROSKA_CONTENT_ENCRYPTION in head
    if head[:1] == b"\x47" and head[_TS_PACKET : _TS_PACKET + 1] == b"\x47":
        packets = range(0, len(head) - _TS_PACKET, _TS_PACKET)
        scrambled = sum(1 for at in packets if head[at + 3] & 0xC0)
        return scrambled * 4 > len(packets)
    return head[4:12] in (b"ftypaax ", b"ftypaaxc")


def mp4_sound_is_encrypted(index: bytes) -> bool:
    """Returns whether an MP4's index says so. Such sound must not be decoded at all, because it may become noise."""
    return _MP4_ENCRYPTED_SOUND.search(index) is not None


def read_at(file: BinaryIO, at: int, count: int) -> bytes:
    """Reads bytes at an offset that a file's own sizes gave, so that it may lie far beyond the end."""
    if at > _FARTHEST_OFFSET:
        return b""
    file.seek(at)
    return file.read(count)


def mp4_boxes(file: BinaryIO, most: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields (name, begin, size) of the boxes of an MP4 or MOV on the highest level; a size of 0 is up to the end.

    It ends where there is no box any more, behind one without a size and behind `most` of them.
    """
    at = 0
    for _ in range(most):
        header = read_at(file, at, 16)
        if len(header) < 8:
            return
        size = int.from_bytes(header[:4])
        if size == 1 and len(header) == 16:
            size = int.from_bytes(header[8:16])
        yield header[4:8], at, size
        if size < 8:
            return
        at += size


def read_mp4_index(file: BinaryIO) -> bytes | None:
    """Returns the beginning of the `moov` box of an MP4 or MOV, wherever it lies; None if such a file has none.

    For other files it returns nothing (b"").
    """
    if read_at(file, 0, 8)[4:] not in _MP4_BOXES:
        return b""
    for name, at, size in mp4_boxes(file, _MP4_MAX_BOXES):
        if name == b"moov":
            return read_at(file, at, min(size or _MP4_INDEX_BYTES, _MP4_INDEX_BYTES))
    return None
