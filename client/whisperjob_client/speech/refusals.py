"""What a speech recogniser's refusal means: wait, try again, send less, or give up. Pure.

Servers refuse in many forms: `{"error": {"message", "type", "code"}}` (OpenAI, Groq, Azure), `{"error": "…"}`
(whisper.cpp), `{"object": "error", "message": "…"}` (vLLM), `{"detail": "…"}` or a list of fields (FastAPI), plain
text, a proxy's HTML page, and each of these also with the status 200. Only words in the text can distinguish an account
without credit from one that must wait a minute, because both are 429.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from whisperjob_client.api.responses import retry_after
from whisperjob_client.errors import SpeechError
from whisperjob_client.foreign_json import ForeignJsonError, load_json
from whisperjob_client.plain_text import one_line
from whisperjob_client.speech.recogniser import SpeechLimitedError, SpeechTooLongError, SpeechUnavailableError

_SEARCHED_CHARACTERS: Final = 4000
"""Of a body: what an error says stands at its beginning."""

LONGEST_TEXT: Final = 300
"""How much of a recogniser's own words an error repeats."""

_NO_CREDIT = re.compile(
    r"insufficient[_ ](quota|funds|balance|credit)|billing[_ ](hard|not|limit)|out of credits?\b|no credits? left|"
    r"credit balance|payment required|account.{0,20}(deactivated|suspended)|spend(ing)? limit",
    re.I,
)
_QUOTA = re.compile(r"exceeded your current quota|quota exceeded", re.I)
_NO_SUCH_MODEL = re.compile(
    r"(model|deployment)\b.{0,80}?(not[ _]found|does not exist|doesn.t exist|not installed|no such|unknown)|"
    r"(unknown|invalid|no such|could not load|failed to load|cannot load|unable to load) (the )?(model|deployment)\b|"
    r"model_not_found|DeploymentNotFound",
    re.I | re.S,
)
_UNSUITABLE_MODEL = re.compile(r"(model|deployment)\b.{0,80}?(not supported|not available|not loaded)", re.I | re.S)
_TOO_LARGE = re.compile(
    r"(too|so) (large|big)|size.{0,40}(exceed|limit)|(exceed|limit).{0,40}size|maximum (content|file) size|"
    r"request_too_large|entity too large|payload too large|body exceeded",
    re.I | re.S,
)
_TOO_LONG = re.compile(
    r"(duration|audio|file|clip|input|recording).{0,80}(longer than|too long|exceed)|maximum.{0,30}(duration|length)",
    re.I | re.S,
)
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SECONDS = re.compile(
    r"(?<!\d)(\d{1,12}(?:\.\d{1,12})?)\s{0,9}(hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)\b", re.I
)
_BYTES = re.compile(r"(?<!\d)(\d{1,15}(?:\.\d{1,12})?)\s{0,9}(GiB|MiB|KiB|GB|MB|KB|G|M|K|bytes?)\b", re.I)
_BARE_BYTES = re.compile(r"\b(\d{5,12})\b")
_TRY_AGAIN_IN = re.compile(
    r"(?:try again|retry)(?: after| in)? "
    r"((?:\d{1,12}(?:\.\d{1,12})?\s?(?:hours?|minutes?|seconds?|milliseconds?|ms|h|m|s)\s?){1,9})",
    re.I,
)
_WAIT_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)\s?(ms|milliseconds?|h|m|s)", re.I)
_HTML_TITLE = re.compile(r"<title\b[^<>]{0,100}>([^<]{0,200})", re.I)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is no transcription. `text` is the whole body, in which refused fields are named."""

    status: int
    message: str
    text: str = ""
    code: str = ""
    wait_seconds: float | None = None

    @property
    def words(self) -> str:
        return f"{self.code} {self.message} {self.text}"

    @property
    def lacks_credit(self) -> bool:
        """Whether the account must be paid for. Without a time to wait, an exceeded quota is one that does not come
        back by itself."""
        if self.status == 402:
            return True
        spent = _NO_CREDIT.search(self.words) or (self.wait_seconds is None and _QUOTA.search(self.words))
        return self.status in (403, 429) and bool(spent)

    @property
    def lacks_model(self) -> bool:
        if self.status in (500, 501, 502, 503):
            return bool(_NO_SUCH_MODEL.search(self.words))
        unusable = _NO_SUCH_MODEL.search(self.words) or _UNSUITABLE_MODEL.search(self.words)
        return self.status in (400, 404, 422) and bool(unusable)

    @property
    def too_long(self) -> bool:
        """Whether a shorter file would be accepted."""
        if self.status == 413:
            return True
        return self.status in (400, 422) and bool(_TOO_LONG.search(self.words) or _TOO_LARGE.search(self.words))


def read_refusal(status: int, reason: str, headers: Mapping[str, str], content: bytes, now: datetime) -> Refusal:
    """Returns the refusal in a response."""
    text = content.decode("utf-8-sig", "replace").strip()
    try:
        body = load_json(text)
    except ForeignJsonError:
        body = None
    message, code = describe_error(body)
    if not message:
        message = html_title(text) if is_html(text) else text
    message = _shown(message) or reason
    return Refusal(status, message, text[:_SEARCHED_CHARACTERS], code, _wait(headers, message, now))


def embedded_refusal(body: object, content: bytes) -> Refusal | None:
    """Returns the refusal in the body of an answer with the status 200; None if it reports no error."""
    if not isinstance(body, dict) or not has_error(body):
        return None
    message, code = describe_error(body)
    details = body.get("error")
    nested = details.get("code", details.get("status")) if isinstance(details, dict) else None
    told = (_status(value) for value in (nested, body.get("code"), body.get("status_code")))
    status = next((status for status in told if status is not None), 400)
    text = content.decode("utf-8", "replace")
    message = _shown(message) or _shown(text)
    return Refusal(status, message, text[:_SEARCHED_CHARACTERS], code, _wait({}, message, None))


def has_error(body: Mapping[str, Any]) -> bool:
    """Returns whether a body reports an error, or holds only a message instead of a transcription."""
    if body.get("error"):
        return True
    transcribed = any(name in body for name in ("text", "segments", "words", "chunks"))
    return not transcribed and any(body.get(name) for name in ("detail", "message", "errors"))


def describe_error(body: object) -> tuple[str, str]:
    """Returns the message and the code of an error's body; empty where there is none."""
    if isinstance(body, str):
        return body, ""
    if not isinstance(body, dict):
        return "", ""
    details = body.get("error") or body.get("detail") or body.get("errors") or body.get("message") or body.get("msg")
    code = body.get("code") or body.get("type")
    if isinstance(details, dict):
        code = details.get("code") or details.get("type") or code
        details = details.get("message") or details.get("msg") or details.get("detail") or json.dumps(details)
    elif isinstance(details, list):
        details = "; ".join(_describe_field(entry) for entry in details)
    elif isinstance(details, str) and isinstance(body.get("message"), str) and body["message"] not in details:
        details = f"{details}: {body['message']}"
    return str(details or ""), str(code or "")


def _shown(message: str) -> str:
    """Returns a server's words as a terminal may show them: one short line without control characters."""
    return " ".join(one_line(message).split())[:LONGEST_TEXT]


def _describe_field(entry: object) -> str:
    """Returns a sentence of FastAPI's about one field of the request."""
    if not isinstance(entry, dict):
        return str(entry)
    place = entry.get("loc")
    field = str(place[-1]) if isinstance(place, list) and place else ""
    return f"{field}: {entry.get('msg', entry)}" if field else str(entry.get("msg", entry))


def is_html(text: str) -> bool:
    """Returns whether a body is a page for people. The content type does not say: whisper.cpp sends text as HTML."""
    return re.match(r"\s*+(<!doctype\b|<\?xml\b|<html\b|<head\b|<body\b)", text, re.I) is not None


def html_title(text: str) -> str:
    match = _HTML_TITLE.search(text[:_SEARCHED_CHARACTERS])
    return f"an HTML page ({' '.join(match[1].split())[:80]})" if match else "an HTML page"


def to_error(refusal: Refusal) -> SpeechError:
    """Returns the error that says what to do: SpeechLimitedError, SpeechUnavailableError, SpeechTooLongError, or, where
    nothing helps but to change something, SpeechError."""
    sentence = f"The speech recogniser answered {refusal.status}: {refusal.message}"
    if refusal.lacks_credit:
        return SpeechError(f"{_ended(sentence)} The account has no credit left; waiting does not help.")
    if refusal.lacks_model:
        return SpeechError(f"{_ended(sentence)} Choose a model that the server has (--model).")
    if refusal.too_long:
        limit = longest_seconds(refusal)
        return SpeechTooLongError(_ended(sentence), limit, None if limit else largest_bytes(refusal))
    if refusal.status == 429 or (refusal.status == 503 and refusal.wait_seconds is not None):
        return SpeechLimitedError(sentence, refusal.wait_seconds)
    if refusal.status >= 500 or refusal.status in (408, 409, 425):
        return SpeechUnavailableError(sentence)
    if refusal.status in (401, 403):
        return SpeechError(f"{_ended(sentence)} Check the recogniser's key.")
    return SpeechError(sentence)


def longest_seconds(refusal: Refusal) -> float | None:
    """Returns the limit on a file's length that the refusal reports; None if it reports none."""
    if not _TOO_LONG.search(refusal.words):
        return None
    found = [float(number) * _UNITS[unit[0].lower()] for number, unit in _SECONDS.findall(refusal.message)]
    return min((seconds for seconds in found if seconds > 0), default=None)


def largest_bytes(refusal: Refusal) -> int | None:
    """Returns the limit on a file's size that the refusal reports. Of two numbers the smaller is the limit; the larger
    is the size of what was sent."""
    found = [float(number) * _factor(unit) for number, unit in _BYTES.findall(refusal.message)]
    found += [float(number) for number in _BARE_BYTES.findall(refusal.message)]
    return int(min((size for size in found if 10_000 <= size < math.inf), default=0)) or None


def _factor(unit: str) -> int:
    letter = unit[0].upper()
    return {"K": 1000, "M": 1000**2, "G": 1000**3}.get(letter, 1)


def _status(value: object) -> int | None:
    number = value if isinstance(value, int) else int(value) if isinstance(value, str) and value.isdecimal() else 0
    return number if 400 <= number < 600 else None


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def _wait(headers: Mapping[str, str], message: str, now: datetime | None) -> float | None:
    """Returns the seconds to wait: by `retry-after-ms` (OpenAI, Azure), by Retry-After, else by the sentence (Groq)."""
    milliseconds = _finite(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return max(milliseconds / 1000, 0.0)
    wait = retry_after(headers, now) if now is not None else None
    if wait is not None:
        return wait
    told = _TRY_AGAIN_IN.search(message)
    if told is None:
        return None
    return sum(float(number) * _UNITS[_short_unit(unit)] for number, unit in _WAIT_PART.findall(told[1]))


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _short_unit(unit: str) -> str:
    return "ms" if unit.lower().startswith(("ms", "mil")) else unit[0].lower()
