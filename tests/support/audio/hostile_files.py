"""A zoo of files that were made to harm: each is generated, and has the outcome that it must have.

Every member is small or sparse. `RESOURCES` are those whose cost is their point.
"""

import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from support.audio.media import ffmpeg
from whisperjob.model.errors import JobCode

Outcome = frozenset[str]
COMPLETED = "completed"

RANDOM_SEED = 14


@dataclass(frozen=True)
class Member:
    """A file: its name for people, the name under which it is uploaded, and the outcomes that are right."""

    name: str
    filename: str
    make: Callable[[Path], object]
    outcomes: Outcome


def _one(*codes: JobCode | str) -> Outcome:
    return frozenset(str(code) for code in codes)


DONE = _one(COMPLETED)
NO_MEDIA = _one(JobCode.NOT_MEDIA)
NO_SOUND = _one(JobCode.NO_AUDIO, JobCode.NOT_MEDIA, JobCode.EMPTY_INPUT)
PLAYLIST = _one(JobCode.PLAYLIST_REFUSED)
ANY = _one(COMPLETED, JobCode.NOT_MEDIA, JobCode.NO_AUDIO, JobCode.EMPTY_INPUT, JobCode.RESOURCE_LIMIT)
"""Random damage: whatever is decoded or refused, within the ceilings."""


def data(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


_SOUND = ("-f", "lavfi", "-i", "sine=440:sample_rate=16000:duration=2")


@cache
def good(extension: str, *options: str) -> bytes:
    """Two seconds of a tone in a format."""
    with TemporaryDirectory() as folder:
        path = Path(folder, f"good.{extension}")
        ffmpeg(*_SOUND, *options, path)
        return path.read_bytes()


FORMATS = ("wav", "flac", "mp3", "ogg", "m4a", "mkv", "aiff", "caf", "w64", "au", "ts", "opus")


def riff(rate: int = 16_000, channels: int = 1, bits: int = 16, tag: int = 1, *, align: int | None = None,
         size: int | None = None, body: bytes = b"\x01\x02" * 16_000) -> bytes:  # fmt: skip
    """A WAV whose header may say anything."""
    frame = channels * bits // 8 & 0xFFFF if align is None else align
    speed = min(rate * max(frame, 1), 0xFFFFFFFF)
    header = struct.pack("<HHIIHH", tag, channels, rate, speed, frame, bits)
    length = len(body) if size is None else size
    return (
        b"RIFF"
        + struct.pack("<I", min(36 + length, 0xFFFFFFFF))
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + header
        + (b"data" + struct.pack("<I", length) + body)
    )


def id3(frames: bytes) -> bytes:
    size = len(frames)
    return b"ID3\x03\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + frames


def frame(name: bytes, text: bytes) -> bytes:
    return name + struct.pack(">I", len(text)) + b"\0\0" + text


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def nested_boxes(depth: int) -> bytes:
    """Boxes in boxes; sizes are written from the inside."""
    return b"".join(struct.pack(">I", 8 * (depth - level)) + b"moov" for level in range(depth))


def ebml(identity: str, content: bytes) -> bytes:
    return bytes.fromhex(identity) + (1 << 56 | len(content)).to_bytes(8) + content


def matroska(*, tracks: int = 1, clusters: Sequence[int] = (0, 20), rate: float = 16_000.0, channels: int = 1) -> bytes:
    """PCM in Matroska, one block of 20 ms in each cluster, at the given milliseconds."""
    head = ebml("1a45dfa3", ebml("4282", b"matroska") + ebml("4287", b"\4") + ebml("4285", b"\2"))
    info = ebml("1549a966", ebml("2ad7b1", (1_000_000).to_bytes(4)) + ebml("4d80", b"x") + ebml("5741", b"x"))
    entries = b""
    for number in range(1, tracks + 1):
        audio = ebml("b5", struct.pack(">d", rate)) + ebml("9f", channels.to_bytes(2)) + ebml("6264", b"\x10")
        entries += ebml(
            "ae",
            ebml("d7", number.to_bytes(2)) + ebml("73c5", number.to_bytes(2)) + ebml("83", b"\2")
            + ebml("86", b"A_PCM/INT/LIT") + ebml("e1", audio),
        )  # fmt: skip
    body = info + ebml("1654ae6b", entries)
    samples = struct.pack("<320h", *(3000 * (1 if at % 32 < 16 else -1) for at in range(320)))
    for time in clusters:
        block = b"\x81" + b"\0\0" + b"\x80" + samples
        body += ebml("1f43b675", ebml("e7", time.to_bytes(8)) + ebml("a3", block))
    return head + ebml("18538067", body)


def made(*arguments: str) -> Callable[[Path], object]:
    return lambda path: ffmpeg(*arguments, path)


def chained_ogg(links: int) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        one = good_short_ogg()
        serial = one[14:18]
        with path.open("wb") as file:
            for link in range(links):
                file.write(_renumbered(one, serial, link))

    return make


@cache
def good_short_ogg() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, "short.ogg")
        ffmpeg("-f", "lavfi", "-i", "sine=440:sample_rate=16000:duration=0.1", "-c:a", "libopus", "-b:a", "8k", path)
        return path.read_bytes()


@cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (0x04C11DB7 if crc & 0x80000000 else 0)
        table.append(crc & 0xFFFFFFFF)
    return tuple(table)


def _renumbered(stream: bytes, serial: bytes, link: int) -> bytes:
    """An Ogg stream with another serial number, and the checksums that belong to it."""
    pages = [b"OggS" + page for page in stream.split(b"OggS")[1:]]
    out = bytearray()
    table = _crc_table()
    for page in pages:
        new = bytearray(page)
        new[14:18] = (int.from_bytes(serial, "little") + link & 0xFFFFFFFF).to_bytes(4, "little")
        new[22:26] = b"\0\0\0\0"
        crc = 0
        for byte in new:
            crc = (crc << 8 & 0xFFFFFFFF) ^ table[crc >> 24 ^ byte]
        new[22:26] = crc.to_bytes(4, "little")
        out += new
    return bytes(out)


def _texts() -> Iterator[Member]:
    texts: dict[str, tuple[str, bytes, Outcome]] = {
        "one byte": ("a.mp3", b"x", NO_MEDIA),
        "text": ("a.mp3", b"Dear all,\n" * 400, NO_MEDIA),
        "HTML": ("a.mp3", b"<!doctype html><html><body>Not found</body></html>", NO_MEDIA),
        "JSON": ("a.wav", b'{"error": "none"}', NO_MEDIA),
        "PDF": ("a.m4a", b"%PDF-1.7\n" + b"0 obj\n" * 100, NO_MEDIA),
        "SVG": ("a.ogg", b"<?xml version='1.0'?><svg xmlns='x'><image href='http://a/'/></svg>", NO_MEDIA),
        "ZIP": ("a.flac", b"PK\x03\x04" + bytes(200), NO_MEDIA),
        "ELF": ("a.wav", b"\x7fELF\2\1\1" + bytes(500), NO_MEDIA),
        "zeros": ("a.wav", bytes(5000), NO_MEDIA),
        "all ones": ("a.wav", b"\xff" * 5000, _one(JobCode.NOT_MEDIA, JobCode.EMPTY_INPUT)),
        "60 lines": ("a.mp3", b"\n" * 60 + b"x", NO_MEDIA),
        "4,000 lines": ("a.mp3", b"\n" * 4000 + b"!", NO_MEDIA),
        "64 KiB of spaces": ("a.mp3", b" " * 65_535 + b"#", NO_MEDIA),
        "comments of XML": ("a.mp3", b"<?xml?>" + b"<!---->" * 9000, NO_MEDIA),
        "comments of ffconcat": ("a.mp3", b"#\n" * 30_000 + b"x", NO_MEDIA),
        "open comments": ("a.mp3", b"<!--" * 16_000, NO_MEDIA),
        "base64 that is none": ("a.mp3", b"A\n" * 2000 + b"!", NO_MEDIA),
        "header lines": ("a.mp3", b"a:\n \n" * 10_000, NO_MEDIA),
        "HLS": ("a.mp3", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", PLAYLIST),
        "HLS after lines": ("a.ts", b"\n" * 3000 + b"#EXTM3U\n/etc/passwd\n", PLAYLIST),
        "DASH": ("a.mp4", b"<?xml version='1.0'?><!----><MPD xmlns='x'><BaseURL>file:///</BaseURL></MPD>", PLAYLIST),
        "SDP": ("a.wav", b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n", PLAYLIST),
        "ffconcat": ("a.mkv", b"ffconcat version 1.0\nfile '/etc/passwd'\n", PLAYLIST),
        "concat without a head": ("a.mkv", b"# a\nfile /etc/passwd\n", PLAYLIST),
        "PLS": ("a.mp3", b"[playlist]\nFile1=http://a/b\n", PLAYLIST),
        "ASX": ("a.wma", b"<asx version='3.0'><entry><ref href='file:///x'/></entry></asx>", PLAYLIST),
        "SMIL": ("a.mp4", b"<smil><body><audio src='/etc/passwd'/></body></smil>", PLAYLIST),
        "XSPF": ("a.mp3", b"<?xml version='1.0'?><playlist version='1'><trackList/></playlist>", PLAYLIST),
    }  # fmt: skip
    for name, (filename, content, outcomes) in texts.items():
        yield Member(name, filename, data(content), outcomes)


def _headers() -> Iterator[Member]:
    sizes = {"0": 0, "0x7FFFFFFF": 0x7FFFFFFF, "0xFFFFFFFF": 0xFFFFFFFF, "odd": 31_999, "too small": 100}
    for name, size in sizes.items():
        yield Member(f"WAV of {name} bytes", "a.wav", data(riff(size=size)), _one(COMPLETED, JobCode.EMPTY_INPUT))
    numbers: dict[str, bytes] = {
        "rate 0": riff(rate=0),
        "rate 1": riff(rate=1),
        "rate 1 and 4 MB": riff(rate=1, bits=8, body=b"\x80\x90" * 2_000_000),
        "rate 4294967295": riff(rate=0xFFFFFFFF),
        "0 channels": riff(channels=0),
        "255 channels": riff(channels=255),
        "65535 channels": riff(channels=65_535),
        "0 bits": riff(bits=0),
        "64 bits": riff(bits=64),
        "65535 bits": riff(bits=65_535),
        "64f": riff(bits=64, tag=3),
        "alignment 0": riff(align=0),
        "alignment 65535": riff(align=65_535),
        "NaN": riff(bits=32, tag=3, body=struct.pack("<f", float("nan")) * 16_000),
        "infinite": riff(bits=32, tag=3, body=struct.pack("<f", float("inf")) * 16_000),
        "1e30": riff(bits=32, tag=3, body=struct.pack("<f", 1e30) * 16_000),
        "denormal": riff(bits=32, tag=3, body=struct.pack("<I", 1) * 16_000),
        "one sample": riff(body=b"\1\1"),
        "3 ms": riff(body=b"\1\1" * 48),
    }
    for name, content in numbers.items():
        yield Member(f"WAV with {name}", "a.wav", data(content), ANY)


def _damaged() -> Iterator[Member]:
    for extension in FORMATS:
        for tenth in (5,):

            def cut(path: Path, extension: str = extension, tenth: int = tenth) -> None:
                whole = good(extension)
                path.write_bytes(whole[: len(whole) * tenth // 10])

            yield Member(f"{extension} cut at {tenth}0 %", f"a.{extension}", cut, ANY)
        for count in (20, 400):

            def mutate(path: Path, extension: str = extension, count: int = count) -> None:
                mutated = bytearray(good(extension))
                chance = random.Random(f"{extension}{count}{RANDOM_SEED}")
                for _ in range(count):
                    reach = len(mutated) if chance.random() < 0.5 else min(len(mutated), 200)
                    mutated[chance.randrange(reach)] = chance.randrange(256)
                path.write_bytes(mutated)

            yield Member(f"{extension} with {count} wrong bytes", f"a.{extension}", mutate, ANY)

        def joined(path: Path, extension: str = extension) -> None:
            path.write_bytes(good(extension)[:3000] + good("mp3")[3000:])

        yield Member(f"{extension} that goes on as mp3", f"a.{extension}", joined, ANY)


def _structures() -> Iterator[Member]:
    movie = box(b"ftyp", b"isom\0\0\2\0isom")
    yield Member("MP4 without an index", "a.mp4", data(movie + box(b"mdat", bytes(5000))), NO_MEDIA)
    yield Member("10,000 nested boxes", "a.mp4", data(movie + nested_boxes(10_000)), ANY)
    yield Member("a box of size 1 and 0", "a.mp4", data(movie + struct.pack(">I4sQ", 1, b"moov", 0) * 50), ANY)
    yield Member("a box beyond all", "a.mp4", data(movie + struct.pack(">I4sQ", 1, b"moov", 2**63)), ANY)
    yield Member("100,000 empty boxes", "a.mp4", data(movie + box(b"free", b"") * 100_000), ANY)
    yield Member("1,000 streams", "a.mkv", lambda path: path.write_bytes(matroska(tracks=1000)), ANY)
    yield Member("200 streams", "a.mkv", lambda path: path.write_bytes(matroska(tracks=200)), ANY)
    yield Member(
        "pictures only",
        "a.mp4",
        made("-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=2", "-pix_fmt", "yuv420p", "-f", "mp4"),
        NO_SOUND,
    )
    yield Member("audio without packets", "a.mkv", lambda path: path.write_bytes(matroska(clusters=())), ANY)
    yield Member("cover art of 30000×30000", "a.mp3", _cover_art, DONE)
    yield Member("10,000 chapters", "a.mka", _chapters, DONE)
    yield Member("200 links", "a.ogg", chained_ogg(200), DONE)
    yield Member("mkv at rate 1e300", "a.mkv", lambda path: path.write_bytes(matroska(rate=1e300)), ANY)
    yield Member("mkv at rate −1", "a.mkv", lambda path: path.write_bytes(matroska(rate=-1.0)), ANY)
    yield Member("mkv with 65535 channels", "a.mkv", lambda path: path.write_bytes(matroska(channels=65_535)), ANY)


def _cover_art(path: Path) -> None:
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 13, b"IHDR") + header + bytes(4) + struct.pack(">I4s", 9, b"IDAT")
    picture = b"\0image/png\0\3\0" + png + bytes(13)
    path.write_bytes(id3(frame(b"APIC", picture)) + good("mp3"))


def _chapters(path: Path) -> None:
    with TemporaryDirectory() as folder:
        listed = Path(folder, "chapters.txt")
        parts = (f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={at}\nEND={at + 1}\ntitle=c{at}\n" for at in range(10_000))
        listed.write_text(";FFMETADATA1\n" + "".join(parts))
        ffmpeg(*_SOUND, "-i", listed, "-map", "0:a", "-map_metadata", "1", "-map_chapters", "1", "-f", "matroska", path)


def _tags() -> Iterator[Member]:
    odd = "\x1b]0;owned\x07\u202egpj.exe\0\x1b[31m"
    texts: dict[str, Callable[[], bytes]] = {
        "20,000 TXXX frames": lambda: b"".join(frame(b"TXXX", b"\0k%d\0v" % at) for at in range(20_000)),
        "200,000 TXXX frames": lambda: b"".join(frame(b"TXXX", b"\0k%d\0v" % at) for at in range(200_000)),
        "control characters": lambda: frame(b"TIT2", b"\3" + odd.encode()),
    }
    for name, make in texts.items():

        def tagged(path: Path, make: Callable[[], bytes] = make) -> None:
            path.write_bytes(id3(make()) + good("mp3"))

        yield Member(f"ID3 of {name}", "a.mp3", tagged, DONE)
    yield Member("ID3 of 100 MB of text", "a.mp3", _long_text, DONE)
    yield Member("ID3 thrice", "a.mp3", lambda p: p.write_bytes(id3(frame(b"TIT2", b"\0a")) * 3 + good("mp3")), DONE)
    yield Member("ID3 alone", "a.mp3", data(id3(frame(b"TIT2", b"\0a"))), NO_MEDIA)
    yield Member("ID3 longer than the file", "a.mp3", data(b"ID3\3\0\0\x7f\x7f\x7f\x7f" + bytes(500)), NO_MEDIA)
    yield Member("Vorbis comments, 20,000", "a.flac", _comments(20_000), DONE)
    yield Member("Vorbis comments, 300,000", "a.flac", _comments(300_000), _one(COMPLETED, JobCode.RESOURCE_LIMIT))
    yield Member(
        "a title of 120,000 letters",
        "a.mka",
        made(*_SOUND, "-f", "matroska", "-metadata:s:a:0", "title=" + "x" * 120_000),
        DONE,
    )


def _long_text(path: Path) -> None:
    """Written in pieces: the memory of this process would count as that of the worker that it starts."""
    piece = b"\x01" * 1_000_000
    size = 100 * len(piece) + 1
    head = b"TIT2" + struct.pack(">I", size) + b"\0\0\0"
    with path.open("wb") as file:
        whole = size + 10
        file.write(b"ID3\x03\0\0" + bytes(whole >> shift & 0x7F for shift in (21, 14, 7, 0)) + head)
        for _ in range(100):
            file.write(piece)
        file.write(good("mp3"))


def _comments(count: int) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        whole = good("flac")
        entries = b"".join(struct.pack("<I", len(text)) + text for text in (b"k%d=v" % at for at in range(count)))
        block = struct.pack("<I", 0) + struct.pack("<I", count) + entries
        path.write_bytes(b"fLaC" + b"\0" + whole[5:42] + b"\x04" + len(block).to_bytes(3) + block + _flac_frames(whole))

    return make


def _flac_frames(whole: bytes) -> bytes:
    at = 4
    while True:
        last, size = whole[at] & 0x80, int.from_bytes(whole[at + 1 : at + 4])
        at += 4 + size
        if last:
            # a padding block, marked as the last one, goes before the frames
            return b"\x81" + (0).to_bytes(3) + whole[at:]


def _gap(milliseconds: int, path: Path) -> None:
    path.write_bytes(matroska(clusters=(0, 20, milliseconds)))


def _times() -> Iterator[Member]:
    hour = 3_600_000
    gaps = {"1 s": 1000, "45 s": 45_000, "23 h": 23 * hour, "1e9 s": 10**12, "all": 2**62}
    for name, gap in gaps.items():
        yield Member(f"a gap of {name}", "a.mkv", partial(_gap, gap), DONE)
    back = tuple(at % 2 * 40_000 for at in range(40))
    yield Member("a clock that restarts", "a.mkv", lambda path: path.write_bytes(matroska(clusters=back)), DONE)
    many = tuple(at * 500_000 for at in range(200))
    yield Member("200 gaps of 8 minutes", "a.mkv", lambda path: path.write_bytes(matroska(clusters=many)), DONE)


@cache
def members() -> tuple[Member, ...]:
    groups = (_texts(), _headers(), _structures(), _tags(), _times(), _damaged())
    return tuple(member for group in groups for member in group)
