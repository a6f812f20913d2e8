"""Reads the body of a recogniser's answer: JSON, whatever its content type says, or plain text. Pure."""

import json
from typing import Any

from whisperjob_client.errors import SpeechError
from whisperjob_client.speech.refusals import embedded_refusal, html_title, is_html, to_error


def read_answer(content: bytes) -> dict[str, Any]:
    """Returns the answer as a JSON object; text becomes `{"text": …}`.

    Raises SpeechError if it is a page for people or something else that is no transcription, and the error that the
    body reports, because some servers report errors with the status 200.
    """
    text = content.decode(json.detect_encoding(content), "replace").removeprefix("\ufeff")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = text.strip()
        if is_html(text) or body.startswith(("{", "[{")):
            what = html_title(text) if is_html(text) else "JSON that cannot be read"
            raise SpeechError(f"The speech recogniser answered with {what} instead of a transcription.") from None
    if isinstance(body, str):
        return {"text": _without_surrogates(body)}
    if (refusal := embedded_refusal(body, content)) is not None:
        raise to_error(refusal)
    if not isinstance(body, dict):
        raise SpeechError("The speech recogniser answered with something that is no transcription.")
    return _without_surrogates(body)  # type: ignore[no-any-return]  # the same kind as its argument


def _without_surrogates(value: Any) -> Any:
    """Replaces halves of characters, which some servers send as `\\ud83d` alone and no file can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(name): _without_surrogates(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(entry) for entry in value]
    return value
