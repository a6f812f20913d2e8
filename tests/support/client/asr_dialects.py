"""Stand-ins of speech recognisers as they are: what each accepts, how it answers, and how it refuses.

Each follows the server's documentation or source as published in 2024 to 2026; none of them is the server itself. All
recognise `tone_speech` in the audio that they receive. Numbers that would need long recordings are smaller here.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.audio.tone_speech import Said
from support.client.asr_server import ENDINGS, hear_tones, parse_form
from support.programs.http_thread import serving_http

KEY = "sk-stand-in"
LONGEST_SECONDS = 40.0
"""What the stand-in of gpt-4o-transcribe accepts; the service says 1400."""

LARGEST_BYTES = 300_000
"""What the stand-in behind a proxy accepts; nginx's default is 1 MB."""


@dataclass(frozen=True)
class Request:
    """A request, as far as servers look at it."""

    path: str
    query: dict[str, list[str]]
    headers: Message
    form: dict[str, list[str]]
    file_name: str
    audio: bytes

    def value(self, name: str, default: str = "") -> str:
        return self.form.get(name, [default])[0]

    def hear(self) -> tuple[list[list[Said]], float]:
        sentences, seconds = hear_tones(self.audio)
        return [group for group in sentences if group], seconds


@dataclass(frozen=True)
class Reply:
    """An answer: JSON, or text or bytes of some content type."""

    body: Any
    status: int = 200
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body).encode() if self.kind == "application/json" else str(self.body).encode()


Dialect = Callable[[Request], Reply]


def openai_error(status: int, message: str, param: str | None = None, code: str | None = None) -> Reply:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Reply({"error": error}, status)


def text_of(sentences: list[list[Said]]) -> str:
    return " ".join(word.text for group in sentences for word in group)


def bare(word: Said) -> dict[str, Any]:
    return {"word": word.text.strip(".").lower(), "start": round(word.start, 2), "end": round(word.end, 2)}


def segment(index: int, group: list[Said], **more: Any) -> dict[str, Any]:
    text = " " + " ".join(word.text for word in group)
    return {"id": index, "seek": 0, "start": group[0].start, "end": group[-1].end, "text": text, "tokens": [], **more}


def whisper_marks() -> dict[str, float]:
    return {"temperature": 0.0, "avg_logprob": -0.25, "compression_ratio": 1.5, "no_speech_prob": 0.01}


def _hosted(request: Request, path: str) -> Reply | None:
    """Returns the refusals that OpenAI's service has for every model."""
    if request.headers.get("Authorization") != f"Bearer {KEY}":
        return openai_error(401, f"Incorrect API key provided: {KEY[:4]}***.", code="invalid_api_key")
    if request.path != path:
        return openai_error(404, f"Invalid URL (POST {request.path})")
    if request.file_name.rpartition(".")[2] not in ENDINGS:
        return openai_error(400, "Unrecognized file format.", "file")
    language = request.value("language", "en")
    if len(language) != 2 or not language.islower():
        message = f"Invalid language '{language}'. Language parameter must be specified in ISO-639-1 format."
        return openai_error(400, message, "language", "invalid_language_format")
    return None


def openai_whisper(request: Request) -> Reply:
    """`whisper-1`: words without punctuation beside segments, and the language as an English name."""
    refusal = _hosted(request, "/v1/audio/transcriptions")
    if refusal is not None:
        return refusal
    if request.value("model") != "whisper-1":
        return openai_error(404, f"The model `{request.value('model')}` does not exist", code="model_not_found")
    return _verbose(request)


def groq(request: Request) -> Reply:
    """Groq: words and segments like OpenAI's, the language with a capital."""
    refusal = _hosted(request, "/openai/v1/audio/transcriptions")
    if refusal is not None:
        return refusal
    reply = _verbose(request)
    return Reply(reply.body | {"language": "English", "x_groq": {"id": "req_1"}})


def _verbose(request: Request) -> Reply:
    sentences, seconds = request.hear()
    text = text_of(sentences)
    if request.value("response_format", "json") != "verbose_json":
        return Reply({"text": text})
    body: dict[str, Any] = {"task": "transcribe", "language": "english", "duration": seconds, "text": text}
    granularities = request.form.get("timestamp_granularities[]", ["segment"])
    if "segment" in granularities:
        body["segments"] = [segment(i, group, **whisper_marks()) for i, group in enumerate(sentences)]
    if "word" in granularities:
        body["words"] = [bare(word) for group in sentences for word in group]
    return Reply(body)


def openai_gpt4o(request: Request) -> Reply:
    """`gpt-4o-transcribe`: no times at all, and a limit on the length."""
    refusal = _hosted(request, "/v1/audio/transcriptions")
    if refusal is not None:
        return refusal
    if request.value("response_format") not in ("json", "text"):
        format_ = request.value("response_format")
        return openai_error(
            400,
            f"response_format '{format_}' is not compatible with model 'gpt-4o-transcribe'. "
            "Use 'json' or 'text' instead.",
            "response_format",
            "unsupported_value",
        )
    sentences, seconds = request.hear()
    if seconds > LONGEST_SECONDS:
        return openai_error(
            400,
            f"audio duration {seconds} seconds is longer than {LONGEST_SECONDS:.0f} seconds which is the maximum for "
            "this model",
            code="invalid_value",
        )
    return Reply({"text": text_of(sentences), "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 45}})


def openai_diarize(request: Request) -> Reply:
    """`gpt-4o-transcribe-diarize`: requires a chunking strategy, takes no prompt, has times of segments."""
    refusal = _hosted(request, "/v1/audio/transcriptions")
    if refusal is not None:
        return refusal
    if "prompt" in request.form:
        return openai_error(400, "Prompt is not supported for diarization models", "prompt")
    if "chunking_strategy" not in request.form:
        return openai_error(400, "chunking_strategy is required for diarization models", "chunking_strategy")
    if request.value("response_format") not in ("json", "text", "diarized_json"):
        return openai_error(
            400,
            f"response_format '{request.value('response_format')}' is not compatible with model "
            "'gpt-4o-transcribe-diarize'. Use 'json', 'text', or 'diarized_json' instead.",
            "response_format",
        )
    sentences, seconds = request.hear()
    segments = [
        {
            "type": "transcript.text.segment",
            "id": f"seg_{index}",
            "start": group[0].start,
            "end": group[-1].end,
            "text": " " + " ".join(word.text for word in group),
            "speaker": "A",
        }
        for index, group in enumerate(sentences)
    ]
    return Reply({"task": "transcribe", "duration": seconds, "text": text_of(sentences), "segments": segments})


def azure(request: Request) -> Reply:
    """Azure OpenAI: a deployment in the path, a version in the query, and a key in a header of its own."""
    if request.headers.get("api-key") != KEY or "Authorization" in request.headers:
        message = "Access denied due to invalid subscription key or wrong API endpoint."
        return Reply({"error": {"code": "401", "message": message}}, 401)
    if request.path != "/openai/deployments/my-whisper/audio/transcriptions" or "api-version" not in request.query:
        return Reply({"error": {"code": "404", "message": "Resource not found"}}, 404)
    return _verbose(request)


def vllm_old(request: Request) -> Reply:
    """vLLM before 0.11: JSON with text, or text."""
    if request.path != "/v1/audio/transcriptions":
        return Reply({"detail": "Not Found"}, 404)
    if request.value("response_format", "json") not in ("json", "text"):
        message = "Currently only support response_format `text` or `json`"
        error = {"object": "error", "message": message, "type": "BadRequestError", "param": None, "code": 400}
        return Reply(error, 400)
    sentences, _ = request.hear()
    return Reply({"text": f" {text_of(sentences)}"})


def vllm(request: Request) -> Reply:
    """vLLM since 0.11: segments whose marks are placeholders, and the duration as text."""
    if request.path != "/v1/audio/transcriptions":
        return Reply({"detail": "Not Found"}, 404)
    sentences, seconds = request.hear()
    marks = {"avg_logprob": -1.0, "compression_ratio": -1.0, "no_speech_prob": None, "temperature": 0.0}
    segments = [segment(index, group, **marks) for index, group in enumerate(sentences)]
    body = {"duration": str(seconds), "language": "en", "text": text_of(sentences), "segments": segments, "words": None}
    return Reply(body)


def whisper_cpp(request: Request) -> Reply:
    """whisper.cpp's server: at /inference alone, errors with the status 200, words in parts inside segments."""
    if request.path != "/inference":
        return Reply(f"File Not Found ({request.path})", 404, "text/plain")
    if not request.audio:
        return Reply({"error": "no 'file' field in the request"})
    sentences, seconds = request.hear()
    segments = []
    for index, group in enumerate(sentences):
        words: list[dict[str, Any]] = [{"word": "[_BEG_]", "start": 0.0, "end": 0.0, "t_dtw": -1, "probability": 0.9}]
        for word in group:
            half, middle = len(word.text) // 2, (word.start + word.end) / 2
            pieces = ((f" {word.text[:half]}", word.start, middle), (word.text[half:], middle, word.end))
            words += [
                {"word": text, "start": start, "end": end, "t_dtw": -1, "probability": 0.9}
                for text, start, end in pieces
            ]
        segments.append(segment(index, group, temperature=0.0, avg_logprob=-0.2, words=words))
    body = {"task": "transcribe", "language": "english", "duration": seconds, "text": text_of(sentences)}
    return Reply(body | {"segments": segments})


def local_ai(request: Request) -> Reply:
    """LocalAI: segments whose times are nanoseconds, whatever format is requested."""
    if request.path != "/v1/audio/transcriptions":
        return Reply({"error": {"code": 404, "message": "Resource not found", "type": ""}}, 404)
    sentences, _ = request.hear()
    segments = [
        {
            "id": index,
            "start": round(group[0].start * 1e9),
            "end": round(group[-1].end * 1e9),
            "text": " ".join(word.text for word in group),
            "tokens": [1, 2],
        }
        for index, group in enumerate(sentences)
    ]
    return Reply({"segments": segments, "text": text_of(sentences)})


def speaches(request: Request) -> Reply:
    """Speaches (faster-whisper-server): words with a leading space and their probability; only installed models."""
    if request.path != "/v1/audio/transcriptions":
        return Reply({"detail": "Not Found"}, 404)
    model = request.value("model")
    if model != "Systran/faster-whisper-small":
        detail = f"Model '{model}' is not installed locally. You can download the model using `POST /v1/models`"
        return Reply({"detail": detail}, 404)
    sentences, seconds = request.hear()
    if request.value("response_format", "json") == "json":
        return Reply({"text": text_of(sentences)})
    words = None
    if "word" in request.form.get("timestamp_granularities[]", []):
        words = [
            {"word": f" {word.text}", "start": word.start, "end": word.end, "probability": 0.8}
            for group in sentences
            for word in group
        ]
    segments = [segment(index, group, words=None, **whisper_marks()) for index, group in enumerate(sentences)]
    body = {"task": "transcribe", "language": "en", "duration": seconds, "text": text_of(sentences)}
    return Reply(body | {"words": words, "segments": segments})


def text_only(request: Request) -> Reply:
    """A small server that answers with plain text to everything."""
    if request.path != "/v1/audio/transcriptions":
        return Reply("404 page not found", 404, "text/plain")
    return Reply(f"{text_of(request.hear()[0])}\n", kind="text/plain; charset=utf-8")


def behind_a_proxy(request: Request) -> Reply:
    """Speaches behind nginx: a redirect, and a limit on the request's size, with a page that names no number."""
    if not request.path.startswith("/asr/"):
        return Reply("<html>moved</html>", 308, "text/html", {"Location": f"/asr{request.path}"})
    if len(request.audio) > LARGEST_BYTES:
        page = "<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body></body>\r\n</html>"
        return Reply(page, 413, "text/html")
    inner = Request(request.path[4:], request.query, request.headers, request.form, request.file_name, request.audio)
    return speaches(inner)


@dataclass
class DialectServer:
    """A running stand-in: its address, how often each file was transcribed, and the statuses of its refusals."""

    url: str = ""
    answered: Counter[str] = field(default_factory=Counter)
    refused: list[int] = field(default_factory=list)
    forms: list[dict[str, list[str]]] = field(default_factory=list)


@contextmanager
def dialect_server(dialect: Dialect) -> Iterator[DialectServer]:
    state = DialectServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            address = urlsplit(self.path)
            form, files = parse_form(self.headers, body)
            _, name, audio = files[0]
            request = Request(address.path, parse_qs(address.query), self.headers, form, name, audio)
            reply = dialect(request)
            if reply.status < 300:
                state.answered[hashlib.sha256(audio).hexdigest()] += 1
                state.forms.append(form)
            else:
                state.refused.append(reply.status)
            self._send(reply)

        def _send(self, reply: Reply) -> None:
            data = reply.encode()
            self.send_response(reply.status)
            for name, value in {"Content-Type": reply.kind, "Content-Length": str(len(data)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name is the base class's
            pass

    with serving_http(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as state.url:
        yield state
