"""What the first bytes of a file say before any program opens it: text playlists and encrypted containers.

Pure. A playlist is refused here, so that no demuxer that follows references is ever given the chance; the allow-list
of formats.py would refuse it a second time.
"""

import re

HEAD_BYTES = 64 * 1024

_PLAYLIST = re.compile(
    rb"""\A(?:\xef\xbb\xbf)?\s*(?:
        \#EXTM3U | \#EXT-X- | ffconcat\b | \[playlist\] | \[reference\] | \[InternetShortcut\] | \#EXTINF
      | v=0\s*\r?\n(?:[a-z]=.*\r?\n)* | SMPTE-IMF
      | (?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*(?:<!DOCTYPE[^>]*>\s*)?
        <(?:MPD|SmoothStreamingMedia|playlist|smil|asx|CompositionPlaylist|AssetMap|WinAmpPlaylist|rss)\b
      | (?:rtsp|rtmp|mms|https?)://\S+\s
    )""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_CONCAT_LINE = re.compile(rb"\A(?:\s*(?:#[^\n]*)?\n)*\s*file\s+['\"]?\S", re.IGNORECASE)

ENCRYPTED_TAGS = frozenset({"drms", "drmi", "enca", "encv", "aavd", "aavi", "p608"})
"""Sample entries of MP4 whose payload is encrypted: FairPlay, Common Encryption, Audible."""

_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_ENCRYPTION = (
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),
    bytes.fromhex("9d8c17314f03dc11bd5d0050c24b8e53"),
)
_EBML = bytes.fromhex("1a45dfa3")
_MATROSKA_ENCRYPTION = bytes.fromhex("6240")  # ContentEncoding; its child below makes it encryption, not compression
_MATROSKA_CONTENT_ENCRYPTION = bytes.fromhex("5035")
_TS_PACKET = 188


def is_playlist(head: bytes) -> bool:
    """Whether a file is a text that names other files or addresses instead of being a recording."""
    return b"\0" not in head[:512] and bool(_PLAYLIST.match(head[:4096]) or _CONCAT_LINE.match(head[:4096]))


def looks_encrypted(head: bytes) -> bool:
    """Whether a container says it is encrypted. Ask only where the probe or the decoder found nothing to hear:
    two of the marks are short enough to occur by chance."""
    if head.startswith(_ASF_HEADER):
        return any(mark in head for mark in _ASF_ENCRYPTION)
    if head.startswith(_EBML):
        return _MATROSKA_ENCRYPTION in head and _MATROSKA_CONTENT_ENCRYPTION in head
    if head[:1] == b"\x47" and head[_TS_PACKET : _TS_PACKET + 1] == b"\x47":
        packets = range(0, len(head) - _TS_PACKET, _TS_PACKET)
        scrambled = sum(1 for at in packets if head[at + 3] & 0xC0)
        return scrambled * 4 > len(packets)
    if head[4:8] == b"ftyp":
        return head[8:12] in (b"aax ", b"aaxc") or any(tag.encode() in head for tag in ENCRYPTED_TAGS)
    return False
