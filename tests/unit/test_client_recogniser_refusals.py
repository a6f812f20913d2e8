"""What a recogniser's refusal means, and what is requested next, as tables."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from whisperjob_client.errors import SpeechError
from whisperjob_client.speech.recogniser import (
    SpeechLimitedError,
    SpeechTooLongError,
    SpeechUnavailableError,
)
from whisperjob_client.speech.refusals import read_refusal, to_error
from whisperjob_client.speech.request_shapes import FIRST_SHAPE, AnswerFormat, RequestShape, decide_fallback
from whisperjob_client.transcription.file_recognition import narrower_limit

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def error_of(status: int, body: object, headers: dict[str, str] | None = None) -> SpeechError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return to_error(read_refusal(status, "Reason", headers or {}, content, NOW))


def openai(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code}}


QUOTA = "You exceeded your current quota, please check your plan and billing details."
GROQ_LIMIT = (
    "Rate limit reached for model `whisper-large-v3` in organization `org_1` on seconds of audio per hour (ASPH): "
    "Limit 7200, Used 7100, Requested 600. Please try again in 4m10.5s. Need more? Upgrade at "
    "https://console.groq.com/settings/billing"
)


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind"),
    [
        pytest.param(429, openai("Rate limit reached"), {"retry-after": "7"}, SpeechLimitedError, id="a limit"),
        pytest.param(429, openai(GROQ_LIMIT, "rate_limit_exceeded"), {}, SpeechLimitedError, id="Groq's limit"),
        pytest.param(429, openai(QUOTA, "insufficient_quota"), {}, SpeechError, id="no credit"),
        pytest.param(429, openai(QUOTA, "insufficient_quota"), {"retry-after": "60"}, SpeechError, id="still none"),
        pytest.param(429, openai(QUOTA), {"retry-after": "38"}, SpeechLimitedError, id="a quota that comes back"),
        pytest.param(429, openai("x", "billing_hard_limit_reached"), {}, SpeechError, id="a billing limit"),
        pytest.param(402, {"detail": "Pay"}, {}, SpeechError, id="402"),
        pytest.param(500, b"oops", {}, SpeechUnavailableError, id="500"),
        pytest.param(
            503, {"error": {"code": 503, "message": "Loading model"}}, {}, SpeechUnavailableError, id="loading"
        ),
        pytest.param(503, b"", {"retry-after": "20"}, SpeechLimitedError, id="503 with a time"),
        pytest.param(408, b"", {}, SpeechUnavailableError, id="a timeout"),
        pytest.param(404, openai("The model `x` does not exist"), {}, SpeechError, id="no such model"),
        pytest.param(
            500, {"error": {"message": "could not load model: x"}}, {}, SpeechError, id="no such model, as 500"
        ),
        pytest.param(401, openai("Incorrect API key"), {}, SpeechError, id="a wrong key"),
        pytest.param(413, b"<html><title>413 Too Large</title></html>", {}, SpeechTooLongError, id="a proxy's limit"),
        pytest.param(400, openai("Maximum file size exceeded"), {}, SpeechTooLongError, id="vLLM's limit"),
        pytest.param(400, openai("could not process file"), {}, SpeechError, id="a broken file"),
        pytest.param(400, openai("Audio file is too short."), {}, SpeechError, id="too short is not too long"),
    ],
)
def test_what_a_refusal_means(status: int, body: object, headers: dict[str, str], kind: type[SpeechError]) -> None:
    assert type(error_of(status, body, headers)) is kind


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        (openai("x"), {"retry-after": "7"}, 7),
        (openai("x"), {"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        (openai(GROQ_LIMIT), {}, 250.5),
        (openai("Please retry after 20 seconds."), {}, 20),
        (openai("Please try again in 350ms."), {}, 0.35),
        (openai("Please try again in 1h2m3s."), {}, 3723),
        (openai("slow down"), {}, None),
        (openai("slow down"), {"retry-after": "nan"}, None),
    ],
)
def test_how_long_a_refusal_asks_to_wait(body: object, headers: dict[str, str], seconds: float | None) -> None:
    error = error_of(429, body, headers)
    assert isinstance(error, SpeechLimitedError)
    assert error.retry_after_seconds == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (401, openai("Invalid API Key"), "401: Invalid API Key. Check the recogniser's key."),
        (401, {"statusCode": 401, "message": "Access denied."}, "401: Access denied. Check the recogniser's key."),
        (400, {"object": "error", "message": "Bad.", "code": 400}, "400: Bad."),
        (400, {"error": "failed to read WAV file"}, "400: failed to read WAV file"),
        (422, {"detail": [{"loc": ["body", "model"], "msg": "Field required"}]}, "422: model: Field required"),
        (500, b"500 Internal Server Error\nboom", "500: 500 Internal Server Error boom"),
        (502, b"<html><head><title>502 Bad Gateway</title></head></html>", "502: an HTML page (502 Bad Gateway)"),
        (400, b"", "400: Reason"),
        (400, openai("a\x1b[31mb\nc" + "d" * 400), f"400: a[31mb c{'d' * 292}"),
        (
            429,
            openai(QUOTA, "insufficient_quota"),
            f"429: {QUOTA} The account has no credit left; waiting does not help.",
        ),
        (
            404,
            {"detail": "Model 'x' is not installed locally."},
            "404: Model 'x' is not installed locally. Choose a model that the server has (--model).",
        ),
    ],
)
def test_a_refusal_is_one_sentence_for_people(status: int, body: object, sentence: str) -> None:
    assert error_of(status, body).message == f"The speech recogniser answered {sentence}"


LIMITS = "audio duration 1830.5 seconds is longer than 1400 seconds which is the maximum for this model"


@pytest.mark.parametrize(
    ("status", "body", "longest"),
    [
        pytest.param(400, openai(LIMITS), 1400 * 0.97, id="OpenAI, by length"),
        pytest.param(400, openai("Audio duration exceeds the maximum of 10 minutes"), 600 * 0.97, id="minutes"),
        pytest.param(
            413,
            openai("Maximum content size limit (7000000) exceeded (14000000 bytes read)"),
            1800 * (7_000_000 * 0.97 - 4096) / 14_000_000,
            id="OpenAI, by size",
        ),
        pytest.param(413, {"detail": "File too large, max 7 MB"}, 1800 * (7e6 * 0.97 - 4096) / 14e6, id="megabytes"),
        pytest.param(413, b"<html><title>413</title></html>", 1800 * 0.6, id="unknown"),
        pytest.param(
            400, openai("audio too long: maximum duration is 9000 s"), 1800 * 0.6, id="a limit that is no limit"
        ),
    ],
)
def test_the_longest_file_after_a_refusal(status: int, body: object, longest: float) -> None:
    error = error_of(status, body)
    assert isinstance(error, SpeechTooLongError)
    assert narrower_limit(error, 1800.0, 14_000_000) == pytest.approx(longest)


F = AnswerFormat
NOT_VERBOSE = "response_format 'verbose_json' is not compatible with model 'gpt-4o-transcribe'. Use 'json' or 'text'."


@pytest.mark.parametrize(
    ("shape", "status", "body", "expected"),
    [
        pytest.param(FIRST_SHAPE, 400, openai(NOT_VERBOSE), RequestShape(F.JSON), id="no verbose_json"),
        pytest.param(
            FIRST_SHAPE,
            400,
            {"object": "error", "message": "Currently only support response_format `text` or `json`"},
            RequestShape(F.JSON),
            id="vLLM before 0.11",
        ),
        pytest.param(
            FIRST_SHAPE,
            422,
            {"detail": [{"loc": ["body", "timestamp_granularities[]"], "msg": "Extra inputs are not permitted"}]},
            RequestShape(F.SEGMENTS),
            id="no word times, as FastAPI says it",
        ),
        pytest.param(
            FIRST_SHAPE, 500, b"AssertionError: timestamp_granularities", RequestShape(F.SEGMENTS), id="by a traceback"
        ),
        pytest.param(
            FIRST_SHAPE,
            400,
            openai("chunking_strategy is required for diarization models"),
            RequestShape(cut_by_server=True),
            id="a required field",
        ),
        pytest.param(
            FIRST_SHAPE,
            400,
            openai("verbose_json is not compatible with gpt-4o-transcribe-diarize; use diarized_json"),
            RequestShape(F.SPEAKERS),
            id="diarized_json",
        ),
        pytest.param(FIRST_SHAPE, 400, openai("Prompt is not supported"), RequestShape(prompt=False), id="no prompt"),
        pytest.param(
            FIRST_SHAPE,
            400,
            openai("Unsupported parameter: temperature"),
            RequestShape(temperature=False),
            id="sampling",
        ),
        pytest.param(
            RequestShape(F.JSON), 400, openai("response_format must be text"), RequestShape(F.TEXT), id="text"
        ),
        pytest.param(RequestShape(F.TEXT), 400, openai("response_format: no"), None, id="nothing is left"),
        pytest.param(FIRST_SHAPE, 400, b"Invalid request", RequestShape(F.SEGMENTS), id="unspecific: a step down"),
        pytest.param(RequestShape(F.SEGMENTS), 501, b"", RequestShape(F.JSON), id="unspecific: another"),
        pytest.param(FIRST_SHAPE, 400, openai("Invalid language 'yue'"), None, id="the language"),
        pytest.param(FIRST_SHAPE, 400, openai("could not process file"), None, id="the file"),
        pytest.param(FIRST_SHAPE, 401, openai("response_format"), None, id="a wrong key"),
        pytest.param(FIRST_SHAPE, 429, openai("response_format"), None, id="a limit"),
        pytest.param(FIRST_SHAPE, 500, b"oops", None, id="a failure that may pass"),
        pytest.param(FIRST_SHAPE, 400, openai(LIMITS), None, id="too long"),
        pytest.param(FIRST_SHAPE, 400, openai("The model `x` does not exist"), None, id="no such model"),
    ],
)
def test_what_is_requested_after_a_refusal(
    shape: RequestShape, status: int, body: object, expected: RequestShape | None
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fallback = decide_fallback(shape, read_refusal(status, "", {}, content, NOW), succeeded=False)
    assert (fallback.shape if fallback else None) == expected


def test_an_unspecific_refusal_is_about_the_file_once_another_was_accepted() -> None:
    refusal = read_refusal(400, "", {}, b"Invalid request", NOW)
    assert decide_fallback(FIRST_SHAPE, refusal, succeeded=True) is None
