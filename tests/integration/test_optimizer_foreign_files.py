"""A file that is no recording gets one verdict, which says what it is and what to do."""

import base64
import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from support.audio.media import ffmpeg
from support.audio.optimizing import optimized
from whisperjob.model.errors import InputError, JobCode
from whisperjob_optimizer.file_signatures import is_playlist
from whisperjob_optimizer.foreign_files import describe


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in names:
            file.writestr(name, "content " * 100)
    return out.getvalue()


def tarred(content: bytes = b"hello") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        info = tarfile.TarInfo("talk.txt")
        content *= 50
        info.size = len(content)
        file.addfile(info, io.BytesIO(content))
    return out.getvalue()


def stored_sound() -> bytes:
    """A ZIP without compression, in which ffmpeg finds sound."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("word/talk.raw", b"\x3c" + bytes(31))
        for index in range(200):
            file.writestr(f"{index}.raw", (b"\x04" + bytes(12)) * 50)
    return out.getvalue()


LATIN = b"<html><head><title>Stra\xdfe und L\xe4rm</title></head><body>Nicht angemeldet</body></html>"
HTML = b"\xef\xbb\xbf\n<!-- x -->\n<!DOCTYPE html><html><head><title>Log in</title></head><body>Log in</body></html>"
FILES: dict[str, tuple[bytes, str]] = {
    "an HTML page": (HTML, "HTML page"),
    "an HTML page in capitals": (b"<HTML><BODY>503 Service Unavailable</BODY></HTML>", "HTML page"),
    "an HTML page in Latin-1": (LATIN, "HTML page"),
    "XHTML": (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" "x">\n<html/>', "HTML page"),
    "a piece of HTML": (b"<center><h1>403 Forbidden</h1></center>\n", "HTML page"),
    "SVG": (b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', "picture"),
    "a web address": (b'<?xml version="1.0"?>\n<!DOCTYPE plist PUBLIC "x" "y">\n<plist version="1.0"/>', "web address"),
    "base64": (base64.encodebytes(bytes(range(256)) * 9), "base64"),
    "a data address": (b"data:audio/mpeg;base64," + base64.b64encode(bytes(range(256)) * 9), "base64"),
    "an e-mail": (b"From: Anna <a@example.org>\nSubject: Talk\nMIME-Version: 1.0\n\nHello\n", "e-mail"),
    "a form": (
        b'------x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + bytes(range(256)) * 8,
        "HTTP form",
    ),
    "an answer": (b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n" + bytes(range(256)) * 8, "HTTP answer"),
    "a JSON error": (b'{"error": {"code": 404, "message": "not found"}}', "JSON"),
    "a JSON list": (b'[{"id": 1}]\n', "JSON"),
    "an S3 error": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML"),
    "a text": ("Schöne Grüße\n".encode() * 50, "text"),
    "a text in UTF-16": (("Hello there, committee.\r\n" * 50).encode("utf-16"), "text"),
    "a text in Latin-1": ("Schöne Grüße\n".encode("latin-1") * 50, "text"),
    "a log with colours": (b"\x1b[32mINFO\x1b[0m started\n" * 50, "text"),
    "a torrent": (b"d8:announce20:http://example.org/x4:infod6:lengthi1eee" + bytes(range(256)), "torrent"),
    "a ZIP with a folder word": (zipped("word/talk.mp3"), "ZIP archive. Unpack it"),
    "a ZIP": (zipped("talk.mp3"), "ZIP archive. Unpack it"),
    "a Word document": (zipped("[Content_Types].xml", "word/document.xml"), "Word document"),
    "gzip": (gzip.compress(b"talk" * 1000), "gzip. Unpack it"),
    "tar": (tarred(), "tar archive. Unpack it"),
    "a ZIP with sound that is not compressed": (stored_sound(), "ZIP archive. Unpack it"),
    "a tar with MP3 in it": (tarred(b"\xff\xfb\x90\xc4" + bytes(413)), "tar archive. Unpack it"),
    "RAR": (b"Rar!\x1a\x07\x01\x00" + bytes(range(256)) * 8, "RAR archive. Unpack it"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(range(256)) * 8, "PDF"),
    "JPEG": (b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(range(256)) * 8, "picture"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(range(256)) * 8, "picture"),
    "a raw picture": (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom" + bytes(range(256)) * 8, "picture"),
    "MIDI": (b"MThd\0\0\0\x06\0\x01\0\x01\x01\xe0MTrk" + bytes(64), "MIDI"),
    "the Mac's additional data": (b"\0\x05\x16\x07\0\2\0\0Mac OS X        " + bytes(200), "additional data"),
    "zero bytes": (bytes(300_000), "zero bytes"),
    "zero bytes and an end": (bytes(100_000) + b"abc", "zero bytes"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n", "Git LFS"),
}


@pytest.mark.parametrize("filename", ["talk.mp3", "talk.wav", "talk.m4a", "talk"])
@pytest.mark.parametrize("name", FILES)
def test_it_is_named(name: str, filename: str, tmp_path: Path) -> None:
    content, word = FILES[name]
    source = tmp_path / "upload"
    source.write_bytes(content)
    error = verdict(source, filename)
    assert error.code is JobCode.NOT_MEDIA
    assert word in error.message


def cut(path: Path) -> None:
    """The end, with the index, was never written."""
    path.write_bytes(path.read_bytes()[:20_000])


def without_index(path: Path) -> None:
    """The index is the last box, and is missing as a whole."""
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])


@pytest.mark.parametrize("extension", ["mp4", "mov", "m4a", "3gp"])
@pytest.mark.parametrize("damage", [cut, without_index])
def test_an_mp4_without_its_index_is_named(damage: Callable[[Path], None], extension: str, tmp_path: Path) -> None:
    source = tmp_path / f"talk.{extension}"
    ffmpeg("-f", "lavfi", "-i", "anoisesrc=d=10:a=0.3", "-c:a", "aac", source)
    damage(source)
    error = verdict(source, source.name)
    assert error.code is JobCode.NOT_MEDIA
    assert "no index (moov)" in error.message
    assert "untrunc" in error.message


def verdict(source: Path, filename: str) -> InputError:
    with pytest.raises(InputError) as caught:
        optimized(source, filename=filename)
    message = caught.value.message
    assert message.endswith(".")
    assert "\n" not in message
    assert len(message) < 250
    return caught.value


@pytest.mark.parametrize("start", [b"<?xml?>", b"", b"\n", b"v=0\r\n", b"<!DOCTYPE x>"])
@pytest.mark.parametrize(
    "piece", [b"<!---->", b"<!-- x --> ", b"#\n", b" \n", b"a=\r\n", b"a:\n \n", b"<!--", b"<?xml "]
)
def test_no_text_takes_long(start: bytes, piece: bytes) -> None:
    """A pattern that tries all ways to match would never end here, and nobody would be there to end it."""
    head = start + piece * 1000 + b"!"
    assert not is_playlist(head) or start == b"v=0\r\n"
    describe(head, index_missing=False)
