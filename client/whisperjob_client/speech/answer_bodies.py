"""Reads the body of a recogniser's answer: JSON, whatever its content type says, or plain text. Pure."""

import html
import json
import re
from typing import Any, Final

from whisperjob_client.errors import SpeechError
from whisperjob_client.foreign_json import ForeignJsonError, load_json
from whisperjob_client.speech.refusals import embedded_refusal, html_title, is_html, to_error

_CHARSETS: Final = re.compile(
    r"utf[-_]?(8|16|32)([-_]?[bl]e)?|(us-?)?ascii|latin[-_]?\d+|iso[-_]?8859[-_]?\d+|(windows|cp)[-_]?\d+|koi8[-_][ru]|"
    r"gbk|gb\d+|big5|(shift|s)[-_]?jis|euc[-_]?(jp|kr)",
    re.I,
)
_CUE_TIMES: Final = re.compile(
    r"^((?:\d+:)?\d+:\d+[.,]\d+)[^\S\n]*-->[^\S\n]*((?:\d+:)?\d+:\d+[.,]\d+)[^\n]*$", re.MULTILINE
)


def read_answer(content: bytes, charset: str | None = None) -> dict[str, Any]:
    """Returns the answer as a JSON object; text becomes `{"text": …}`, and subtitles become segments.

    `charset` is what the content type names; without it, it is a Unicode encoding, as of JSON.

    Raises SpeechError if it is a page for people or something else that is no transcription, and the error that the
    body reports, because some servers report errors with the status 200.
    """
    text = decode(content, charset).removeprefix("\ufeff")
    body = _parsed(text)
    if isinstance(body, str) and body.lstrip().startswith("{"):
        body = _parsed(body)  # JSON inside a JSON string
    if isinstance(body, str):
        return _without_surrogates(_subtitles(body) or {"text": body.strip()})  # type: ignore[no-any-return]  # as below
    if (refusal := embedded_refusal(body, content)) is not None:
        raise to_error(refusal)
    if not isinstance(body, dict):
        raise SpeechError("The speech recogniser answered with something that is no transcription.")
    return _without_surrogates(body)  # type: ignore[no-any-return]  # the same kind as its argument


def decode(content: bytes, charset: str | None = None) -> str:
    """Returns the text of a body. Python's codecs that are no charsets (`punycode`, `undefined`) are not used."""
    if charset is None or not _CHARSETS.fullmatch(charset.strip()):
        charset = json.detect_encoding(content)
    try:
        return content.decode(charset, "replace")
    except LookupError:  # there is no such charset
        return content.decode("utf-8", "replace")


def _parsed(text: str) -> Any:
    """Returns JSON, or the text itself. Raises SpeechError if it is neither JSON nor a transcription."""
    try:
        return load_json(text)
    except ForeignJsonError as error:
        what = None
        if is_html(text):
            what = html_title(text)
        elif text.lstrip().startswith(("{", "[{", "[[")):
            what = str(error)
        elif re.match(r"(data|event): ?", text):
            what = "a stream of events"
        if what is None:
            return text
        raise SpeechError(f"The speech recogniser answered with {what} instead of a transcription.") from None


def _subtitles(text: str) -> dict[str, Any] | None:
    """Returns the segments of SubRip or WebVTT, which some servers send for any format; None if it is neither."""
    if not _CUE_TIMES.search(text):
        return None
    segments = []
    for block in re.split(r"\n[^\S\n]*\n", text.replace("\r\n", "\n")):
        times = _CUE_TIMES.search(block)
        if times is not None:
            said = " ".join(re.sub(r"</?[cvib][^<>]*>", "", block[times.end() :]).split())
            segments.append({"start": times[1], "end": times[2], "text": html.unescape(said)})
    return {"text": " ".join(segment["text"] for segment in segments), "segments": segments}


def _without_surrogates(value: Any) -> Any:
    """Replaces halves of characters, which some servers send as `\\ud83d` alone and no file can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(name): _without_surrogates(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(entry) for entry in value]
    return value
