"""A stand-in of the speech API over real HTTP, as strict about requests as the real one.

It recognises `tone_speech` in the audio (or what its `ear` does) and answers in the shapes of Groq and of servers that
are compatible with Whisper. It can refuse requests (429, 500) and hold its answers back, and it counts how often each
chunk was received and answered.
"""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from support.audio.tone_speech import Said, hear
from support.programs.http_thread import serving_http

KEY = "gsk_stand-in"
MAX_FILE_BYTES = 25 * 1024 * 1024
GROQ_PATH = "/openai/v1/audio/transcriptions"
OPENAI_PATH = "/v1/audio/transcriptions"
MODELS = ("whisper-large-v3", "whisper-large-v3-turbo", "whisper-1")
ENDINGS = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "opus", "wav", "webm")
FIELDS = ("file", "model", "language", "prompt", "response_format", "temperature", "timestamp_granularities[]")

Ear = Callable[[bytes], tuple[list[list[Said]], float]]
"""Makes of audio its sentences, as words with their times, and its length in seconds."""

Shape = Literal["groq", "inner-words", "segments", "text"]


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer instead of a transcription."""

    status: int
    retry_after: str | None = None
    message: str = "no"


class Refusal(Exception):  # noqa: N818 - it becomes an answer of the stand-in
    """A request that the real API would refuse."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass
class AsrServer:
    """The stand-in's behaviour, and a record of its requests.

    `faults` are the answers of the first requests, `marks` values that every segment gets. While `held` is set, only
    the first `free` answers are sent.
    `in_hand` is the number of requests whose answer is held back.
    """

    ear: Ear
    shape: Shape = "groq"
    words_supported: bool = True
    marks: dict[str, float] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    held: bool = False
    free: int = 0
    url: str = ""
    received: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[int, str]] = field(default_factory=list)
    forms: list[dict[str, list[str]]] = field(default_factory=list)
    in_hand: int = 0
    condition: threading.Condition = field(default_factory=threading.Condition)

    def release(self) -> None:
        with self.condition:
            self.held = False
            self.condition.notify_all()

    def transcribe(self, path: str, headers: Message, body: bytes) -> dict[str, Any]:
        """Returns the answer's body. Raises Refusal where the real API would refuse."""
        _check_key(headers)
        if path not in (GROQ_PATH, OPENAI_PATH):
            raise Refusal(404, f"Unknown request URL: POST {path}.", "unknown_url")
        form, files = parse_form(headers, body)
        audio = _check(form, files)
        granularities = form.get("timestamp_granularities[]", [])
        if "word" in granularities and not self.words_supported:
            raise Refusal(400, "timestamp_granularities[]: word is not supported")
        sha256 = hashlib.sha256(audio).hexdigest()
        with self.condition:
            self.forms.append(form)
            self.received[sha256] += 1
            if self.faults:
                fault = self.faults.pop(0)
                raise Refusal(fault.status, f"{fault.message}\0{fault.retry_after or ''}")
        sentences, seconds = self.ear(audio)
        with self.condition:
            self.in_hand += 1
            self.condition.notify_all()
            self.condition.wait_for(lambda: not self.held or sum(self.answered.values()) < self.free)
            self.in_hand -= 1
            self.answered[sha256] += 1
        answer = _answer(self.shape, sentences, seconds, "word" in granularities)
        for segment in answer.get("segments", []):
            segment.update(self.marks)
        return answer


def _check_key(headers: Message) -> None:
    if headers.get("Authorization") != f"Bearer {KEY}":
        raise Refusal(401, "Invalid API Key", "invalid_api_key")


def parse_form(headers: Message, body: bytes) -> tuple[dict[str, list[str]], list[tuple[str, str, bytes]]]:
    kind = headers.get("Content-Type", "")
    if not kind.startswith("multipart/form-data"):
        raise Refusal(400, "request Content-Type isn't multipart/form-data")
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    form: dict[str, list[str]] = {}
    files = []
    for part in message.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        if part.get_filename() is not None:
            files.append((name, str(part.get_filename()), payload))
        else:
            form.setdefault(name, []).append(payload.decode())
    return form, files


def _check(form: dict[str, list[str]], files: list[tuple[str, str, bytes]]) -> bytes:
    for name in [*form, *(name for name, _, _ in files)]:
        if name not in FIELDS:
            raise Refusal(400, f"unknown field {name!r}")
        if name != "timestamp_granularities[]" and len(form.get(name, [])) > 1:
            raise Refusal(400, f"{name} was given twice")
    if [name for name, _, _ in files] != ["file"]:
        raise Refusal(400, "one file is required, in the field `file`")
    _, name, audio = files[0]
    if len(audio) > MAX_FILE_BYTES:
        raise Refusal(413, "Request Entity Too Large", "request_too_large")
    if name.rpartition(".")[2] not in ENDINGS:
        raise Refusal(400, f"file must be one of the following types: {', '.join(ENDINGS)}")
    if name.endswith(".mp3") and not (audio.startswith(b"ID3") or (audio[0] == 0xFF and audio[1] & 0xE0 == 0xE0)):
        raise Refusal(400, "could not process file - is it a valid media file?")
    if form.get("model", [""])[0] not in MODELS:
        raise Refusal(404, f"The model `{form.get('model')}` does not exist", "model_not_found")
    format_ = form.get("response_format", ["json"])[0]
    if format_ not in ("json", "text", "verbose_json"):
        raise Refusal(400, "response_format must be one of json, text, verbose_json")
    granularities = form.get("timestamp_granularities[]", [])
    if granularities and (format_ != "verbose_json" or not set(granularities) <= {"word", "segment"}):
        raise Refusal(400, "timestamp_granularities[] needs verbose_json, and holds word or segment")
    if not 0 <= float(form.get("temperature", ["0"])[0]) <= 1:
        raise Refusal(400, "temperature must be between 0 and 1")
    language = form.get("language", ["en"])[0]
    if not (language.isalpha() and language.islower() and len(language) in (2, 3)):
        raise Refusal(400, f"language must be an ISO-639-1 code, not {language!r}")
    return audio


def hear_tones(audio: bytes) -> tuple[list[list[Said]], float]:
    """Returns sentences of five words, with a capital and a full stop."""
    words, seconds = hear(audio)
    sentences = [words[first : first + 5] for first in range(0, len(words), 5)]
    for sentence in sentences:
        sentence[0] = replace(sentence[0], text=sentence[0].text.capitalize())
        sentence[-1] = replace(sentence[-1], text=f"{sentence[-1].text}.")
    return sentences, seconds


def _answer(shape: Shape, sentences: list[list[Said]], seconds: float, with_words: bool) -> dict[str, Any]:
    """Returns a body of the shape. Groq's words have no punctuation and no capitals."""
    text = []
    segments: list[dict[str, Any]] = []
    for index, group in enumerate(filter(None, sentences)):
        sentence = " " + " ".join(word.text for word in group)
        text.append(sentence)
        segment: dict[str, Any] = {
            "id": index,
            "seek": 0,
            "start": group[0].start,
            "end": group[-1].end,
            "text": sentence,
            "tokens": [],
            "temperature": 0,
            "avg_logprob": -0.2,
            "compression_ratio": 1.4,
            "no_speech_prob": 0.01,
        }
        if shape == "inner-words":
            segment["words"] = [
                {"word": f" {s.text}", "start": s.start, "end": s.end, "probability": 0.9} for s in group
            ]
        segments.append(segment)
    if shape == "text":
        return {"text": "".join(text)}
    body = {"task": "transcribe", "language": "English", "duration": seconds, "text": "".join(text)}
    body["segments"] = segments
    if shape == "groq":
        body["x_groq"] = {"id": "req_stand-in"}
        words = [word for group in sentences for word in group]
        bare = [{"word": _bare(word.text), "start": word.start, "end": word.end} for word in words]
        body["words"] = bare if with_words else None
    return body


def _bare(word: str) -> str:
    return word.strip(".,?!").lower()


@contextmanager
def asr_server(shape: Shape = "groq", ear: Ear = hear_tones) -> Iterator[AsrServer]:
    state = AsrServer(ear, shape)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            try:
                self._send(200, state.transcribe(self.path, self.headers, self._body()))
            except Refusal as refusal:
                message, _, retry_after = str(refusal).partition("\0")
                state.refused.append((refusal.status, message))
                error = {"message": message, "type": "invalid_request_error", "code": refusal.code}
                self._send(refusal.status, {"error": error}, retry_after)

        def _body(self) -> bytes:
            length = self.headers["Content-Length"]
            if length is None:
                raise Refusal(411, "Length Required")
            return self.rfile.read(int(length))

        def _send(self, status: int, answer: dict[str, Any], retry_after: str = "") -> None:
            data = json.dumps(answer).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                if retry_after:
                    self.send_header("Retry-After", retry_after)
                self.end_headers()
                self.wfile.write(data)
            except ConnectionError:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name is the base class's
            pass

    with serving_http(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as state.url:
        try:
            yield state
        finally:
            state.release()
