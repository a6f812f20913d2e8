"""Uploads as other programs send them, byte by byte: browsers, form builders, the HTTP libraries of many languages."""

import hashlib
from pathlib import Path

import pytest

from support.api.raw_http import form, part
from support.api.server import serving_api
from support.api.uploads import SOUND, nothing_is_stored, the_job, upload
from whisperjob.model.phase import Profile


def written(boundary: str, *parts: tuple[str, bytes], end: str = "--\r\n") -> bytes:
    """Writes a form by hand: each part is its headers and its bytes; the first boundary has no line end before it."""
    pieces = [f"--{boundary}\r\n{headers}\r\n\r\n".encode() + data + b"\r\n" for headers, data in parts]
    return b"".join(pieces) + f"--{boundary}{end}".encode()


LIGHT = ('Content-Disposition: form-data; name="profile"', b"light")
A_FILE = ('Content-Disposition: form-data; name="file"; filename="a.mp3"\r\nContent-Type: audio/mpeg', SOUND)
NO_FILE_CHOSEN = 'Content-Disposition: form-data; name="{}"; filename=""\r\nContent-Type: application/octet-stream'
FORM = "multipart/form-data; boundary="

CLIENTS = {
    "curl": (
        FORM + "------------------------d74496d66958873e",
        written("------------------------d74496d66958873e", A_FILE, LIGHT),
    ),
    "Chrome, with a second input in which no file was chosen": (
        FORM + "----WebKitFormBoundary7MA4YWxkTrZu0gW",
        written("----WebKitFormBoundary7MA4YWxkTrZu0gW", LIGHT, A_FILE, (NO_FILE_CHOSEN.format("file2"), b"")),
    ),
    "Firefox, with two inputs of one name and no file in the first": (
        FORM + "----geckoformboundary2f8b4",
        written("----geckoformboundary2f8b4", (NO_FILE_CHOSEN.format("file"), b""), A_FILE, LIGHT),
    ),
    "a page with two inputs of one name and no file in the second": (
        FORM + "x",
        written("x", A_FILE, (NO_FILE_CHOSEN.format("file"), b""), LIGHT),
    ),
    "a page with accept-charset": (
        FORM + "x",
        written("x", ('Content-Disposition: form-data; name="_charset_"', b"UTF-8"), A_FILE, LIGHT),
    ),
    ".NET HttpClient: boundary in quotes, names without, filename*": (
        FORM + '"5d5f0a4c-3b8e-4f3a-8f7e-2f0d3a9f1f7b"',
        written(
            "5d5f0a4c-3b8e-4f3a-8f7e-2f0d3a9f1f7b",
            ("Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=profile", b"light"),
            (
                "Content-Type: audio/mpeg\r\nContent-Disposition: form-data; name=file; filename=a.mp3; "
                "filename*=utf-8''a.mp3",
                SOUND,
            ),
        ),
    ),
    "Power Automate: part headers in lower case": (
        FORM + "cut",
        written(
            "cut",
            ('content-disposition: form-data; name="file"; filename="a.mp3"\r\ncontent-type: audio/mpeg', SOUND),
            ('content-disposition: form-data; name="profile"', b"light"),
        ),
    ),
    "PHP and Guzzle: a length in each part": (
        FORM + "cut",
        written(
            "cut",
            ('Content-Disposition: form-data; name="profile"\r\nContent-Length: 5', b"light"),
            (f'Content-Disposition: form-data; name="file"; filename="a.mp3"\r\nContent-Length: {len(SOUND)}', SOUND),
        ),
    ),
    "Apache HttpClient: transfer encodings that change nothing": (
        FORM + "cut; charset=ISO-8859-1",
        written(
            "cut",
            (
                'Content-Disposition: form-data; name="profile"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\n'
                "Content-Transfer-Encoding: 8bit",
                b"light",
            ),
            (
                'Content-Disposition: form-data; name="file"; filename="a.mp3"\r\n'
                "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary",
                SOUND,
            ),
        ),
    ),
    "a gateway that adds a dozen headers to each part": (
        FORM + "cut",
        written(
            "cut",
            *((f"{name}\r\n" + "\r\n".join(f"X-{n}: {n}" for n in range(12)), data) for name, data in (LIGHT, A_FILE)),
        ),
    ),
    "Go: a long boundary": (
        FORM + "3e0b1c1f" * 7 + "abcd",
        written("3e0b1c1f" * 7 + "abcd", LIGHT, A_FILE),
    ),
    "node's form-data, as n8n sends it": (
        FORM + "--------------------------515890814546601021194782",
        written("--------------------------515890814546601021194782", A_FILE, LIGHT),
    ),
    "a script that pads its boundaries": (
        FORM + "cut  ",
        written("cut", A_FILE, LIGHT, end="--  \r\n").replace(b"--cut\r\n", b"--cut \t\r\n"),
    ),
    "a sentence for readers of mail": (
        FORM + "cut",
        b"This is a multi-part message in MIME format.\r\n" + written("cut", A_FILE, LIGHT) + b"Good bye.\r\n",
    ),
    "no line end after the last boundary": (FORM + "cut", written("cut", A_FILE, LIGHT, end="--")),
    "a line end before the first boundary": (FORM + "cut", b"\r\n" + written("cut", A_FILE, LIGHT)),
    "JavaScript, an option as a Blob": (
        FORM + "cut",
        written(
            "cut",
            ('Content-Disposition: form-data; name="profile"; filename="blob"\r\nContent-Type: text/plain', b"light"),
            A_FILE,
        ),
    ),
    "capitals in the type and its parameter": ("Multipart/Form-Data; BOUNDARY=cut", written("cut", LIGHT, A_FILE)),
    "options in the address": (FORM + "cut", written("cut", A_FILE)),
    "a name in the address, for a file without one": (
        FORM + "cut",
        written("cut", LIGHT, ('Content-Disposition: form-data; name="file"', SOUND)),
    ),
    "an option in the address that the form overrules": (FORM + "cut", written("cut", A_FILE, LIGHT)),
}
PATHS = {
    "options in the address": "/whisper_optimize?profile=light",
    "a name in the address, for a file without one": "/whisper_optimize?filename=a.mp3",
    "an option in the address that the form overrules": "/whisper_optimize?profile=none&maxChunkSeconds=",
}


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_form_of(tmp_path: Path, client: str) -> None:
    content_type, body = CLIENTS[client]
    path = PATHS.get(client, "/whisper_optimize")
    async with serving_api(tmp_path) as server:
        answer = await upload(server, body, path=path, content_type=content_type)
        assert (answer.status, answer.json.get("warnings")) == (202, None)
        spec = (await the_job(server)).spec
        assert spec.source.sha256 == hashlib.sha256(SOUND).hexdigest()
        assert (spec.source.filename, spec.profile) == ("a.mp3", Profile.LIGHT)


WITHOUT_ONE_FILE = {
    "a file in another field": (form(part("audio", SOUND, "a.mp3")), "invalid_upload", "in the field `audio`"),
    "PHP's name for a list": (form(part("file[]", SOUND, "a.mp3")), "invalid_upload", "in the field `file[]`"),
    "two files": (form(part("file", SOUND, "a"), part("file", SOUND, "b")), "invalid_upload", "two files"),
    "two, one nameless": (form(part("file", SOUND, "a"), part("file", SOUND, "")), "invalid_upload", "second file"),
    "no file chosen": (form(part("file", b"", "")), "empty_file", "empty"),
    "none chosen in two inputs": (form(part("file", b"", ""), part("file", b"", "")), "empty_file", "empty"),
    "none chosen in another input": (form(part("other", b"", "")), "invalid_upload", "no field named `file`"),
    "an empty file": (form(part("file", b"", "a.mp3")), "empty_file", "empty"),
}


@pytest.mark.parametrize(("body", "code", "sentence"), WITHOUT_ONE_FILE.values(), ids=WITHOUT_ONE_FILE)
async def test_a_form_without_one_file_in_its_field(tmp_path: Path, body: bytes, code: str, sentence: str) -> None:
    async with serving_api(tmp_path) as server:
        answer = await upload(server, body)
        assert (answer.status, answer.code) == (400, code)
        assert sentence in answer.json["error"]
        assert await nothing_is_stored(server)


NAMES: dict[str, tuple[bytes, str]] = {
    "UTF-8": ('filename="Größe 🎧.mp3"'.encode(), "Größe 🎧.mp3"),
    "latin-1": ('filename="Größe.mp3"'.encode("latin-1"), "Größe.mp3"),
    "Windows": ('filename="5 € – “so”.mp3"'.encode("cp1252"), "5 € – “so”.mp3"),
    "encoded word, base64": (b'filename="=?UTF-8?B?R3LDtsOfZSDwn46nLm1wMw==?="', "Größe 🎧.mp3"),
    "encoded word, quoted": (b'filename="=?iso-8859-1?Q?Gr=F6=DFe_1.mp3?="', "Größe 1.mp3"),
    "two encoded words": (b'filename="=?UTF-8?B?R3LDtg==?= =?UTF-8?B?w59lLm1wMw==?="', "Größe.mp3"),
    "a damaged encoded word": (b'filename="=?UTF-8?B?####?=.mp3"', "=?UTF-8?B?####?=.mp3"),
    "an encoded word of no charset": (b'filename="=?klingon?Q?a?=.mp3"', "=?klingon?Q?a?=.mp3"),
    "filename*": (b"filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%F0%9F%8E%A7.mp3", "Größe 🎧.mp3"),
    "filename* after filename": (b"filename=\"Gr__e.mp3\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.mp3", "Größe.mp3"),
    "filename* before filename": (b"filename*=utf-8'de'Gr%c3%b6%c3%9fe.mp3; filename=\"Gr__e.mp3\"", "Größe.mp3"),
    "filename* in quotes": (b"filename*=\"UTF-8''Gr%C3%B6%C3%9Fe.mp3\"", "Größe.mp3"),
    "filename* in latin-1": (b"filename*=iso-8859-1''Gr%F6%DFe.mp3", "Größe.mp3"),
    "filename* in no charset": (b"filename=\"a.mp3\"; filename*=klingon''b.mp3", "a.mp3"),
    "filename* that is not UTF-8": (b"filename=\"a.mp3\"; filename*=UTF-8''%FF.mp3", "a.mp3"),
    "an empty filename*": (b"filename=\"a.mp3\"; filename*=UTF-8''", "a.mp3"),
    "filename* in pieces": (b"filename*0*=UTF-8''Gr%C3%B6; filename*1*=%C3%9Fe; filename*2=.mp3", "Größe.mp3"),
    "filename* inside a name": (b"filename=\"a; filename*=UTF-8''b.mp3\"", "a; filename*=UTF-8''b.mp3"),
    "quotes as browsers send them": (b'filename="say %22hi%22.mp3"', 'say "hi".mp3'),
    "quotes as curl sends them": (b'filename="say \\"hi\\".mp3"', 'say "hi".mp3'),
    "a line break as browsers send it": (b'filename="one%0D%0Atwo.mp3"', "one  two.mp3"),
    "a tab": (b'filename="one\ttwo.mp3"', "one two.mp3"),
    "a percent sign of the name": (b'filename="100%25 %41.mp3"', "100%25 %41.mp3"),
    "a path of Windows": (b'filename="C:\\fakepath\\a.mp3"', "a.mp3"),
    "a path of Windows, escaped": (b'filename="C:\\\\Users\\\\me\\\\a.mp3"', "a.mp3"),
    "a path in a network": (b'filename="\\\\server\\share\\a.mp3"', "a.mp3"),
    "a path": (b'filename="/home/me/a.mp3"', "a.mp3"),
    "a path in filename*": (b"filename*=UTF-8''..%2F..%5Ca.mp3", "a.mp3"),
    "a folder": (b'filename="recordings/"', "recordings"),
    "no quotes": (b"filename=a.mp3", "a.mp3"),
    "spaces without quotes": (b"filename=my talk.mp3", "my talk.mp3"),
    "capitals": (b'FileName="a.mp3"', "a.mp3"),
    "Persian, with a joiner": ('filename="می‌خواهم.mp3"'.encode(), "می‌خواهم.mp3"),
    "an emoji of several": ('filename="👩‍💻.mp3"'.encode(), "👩‍💻.mp3"),
    "right to left override": ('filename="gnp.\u202eexe.mp3"'.encode(), "gnp.\ufffdexe.mp3"),
    "NUL in filename*": (b"filename*=UTF-8''a%00b.mp3", "a\ufffdb.mp3"),
    "spaces around it": (b'filename="  a.mp3 "', "a.mp3"),
    "300 bytes": (b'filename="' + b"x" * 296 + b'.mp3"', "x" * 251 + ".mp3"),
    "300 bytes of two each": (('filename="' + "ö" * 150 + '.mp3"').encode(), "ö" * 125 + ".mp3"),
    "300 bytes without an ending": (b'filename="' + b"x" * 300 + b'"', "x" * 255),
    "300 bytes of a sentence": (b'filename="a. ' + b"x" * 300 + b'"', "a. " + "x" * 252),
    "255 bytes": (b'filename="' + b"x" * 251 + b'.mp3"', "x" * 251 + ".mp3"),
}


@pytest.mark.parametrize("name", NAMES)
async def test_a_files_name_as_sent_in(tmp_path: Path, name: str) -> None:
    sent, shown = NAMES[name]
    body = form(part("file", SOUND)).replace(b'name="file"', b'name="file"; ' + sent)
    async with serving_api(tmp_path) as server:
        assert (await upload(server, body)).status == 202
        seen = (await the_job(server)).spec.source.filename
        assert seen == shown
        assert len(seen.encode()) <= 255
